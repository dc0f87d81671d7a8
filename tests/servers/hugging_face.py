"""A scripted Hugging Face Hub: repositories with files, their lists, and the files themselves by way of another host.

    with hub({"user/repo": HubRepository({"model-Q4_K_M.gguf": content})}) as server:
        ...  # the app asks server.base_url
    with hub(repositories, tls=self_signed(folder)) as server:
        browser = launch(args=[*launch_arguments(), *server.browser_arguments])
        ...  # the page asks https://huggingface.co

Shaped after huggingface_hub and huggingface.js of August 2026, and after replies that were recorded in 2026: the Hub answers
every origin and lets a page read `Link`, `X-Error-Code` and others; files lie on another host, whose links run out; what that
host answers to a preflight was not seen, so it allows none here: the app has to do without.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from tests.servers.scripted import RecordedRequest, Reply, Script, ScriptedServer

HUB = "huggingface.co"
CDN = "us.aws.cdn.hf.co"
HOSTS = (HUB, CDN)
COMMIT = "4f1c0de2ab6f0e5a3b7c8d9e0f1a2b3c4d5e6f70"
HUB_EXPOSES = (
    "X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,X-Total-Count,ETag,Link,Accept-Ranges,Content-Range,"
    "X-Linked-Size,X-Linked-ETag,X-Xet-Hash"
)
CDN_EXPOSES = "Accept-Ranges,Content-Range,Content-Type,Content-Disposition,ETag,X-Cache"
#: What is kept outside of Git.
_LARGE = (".gguf", ".bin", ".safetensors", ".onnx", ".pt")


@dataclass
class HubRepository:
    """A repository. ``gated`` is False, "auto" or "manual"; a private one is as if it were not there."""

    files: Mapping[str, bytes]
    licence: str = "apache-2.0"
    gated: bool | str = False
    private: bool = False
    downloads: int = 1234
    gguf: Mapping[str, Any] | None = None
    card: Mapping[str, Any] | None = None


class HubServer(ScriptedServer):
    """A scripted Hub. A method and path that a test scripts itself is answered by that script.

    ``renamed`` maps old names of repositories to new ones. ``cut_after`` breaks the next file off after so many bytes;
    ``limited`` refuses every request as one too many; ``expire_links`` makes the links to files so far run out.
    """

    def __init__(
        self, repositories: Mapping[str, HubRepository], tls: ssl.SSLContext | None = None, page_size: int = 1000
    ) -> None:
        super().__init__(tls=tls)
        self.repositories = dict(repositories)
        self.renamed: dict[str, str] = {}
        self.limited = False
        self.cut_after: int | None = None
        self._page_size = page_size
        self._oldest_link = 0
        self._links = 0

    @property
    def base_url(self) -> str:
        """Where the Hub is."""
        return f"https://{HUB}" if self._tls else self.url

    @property
    def cdn_url(self) -> str:
        """Where the files are: another origin."""
        return f"https://{CDN}" if self._tls else f"http://localhost:{self.port}"

    @property
    def browser_arguments(self) -> list[str]:
        """What Chromium is started with, so that it finds the Hub here."""
        rules = ", ".join(f"MAP {host} 127.0.0.1:{self.port}" for host in HOSTS)
        return [f"--host-resolver-rules={rules}", "--ignore-certificate-errors"]

    def expire_links(self) -> None:
        """Links last an hour: that hour is over."""
        self._oldest_link = self._links

    def script(self, method: str, path: str) -> Script | None:
        """What a test scripted, else what the Hub would answer."""
        return super().script(method, path) or self._answer

    def _answer(self, request: RecordedRequest) -> Reply:
        host = request.headers.get("host", "").partition(":")[0]
        if host in (CDN, "localhost"):
            return _with_cors(self._cdn(request), "*", CDN_EXPOSES)
        origin = request.headers.get("origin") or f"https://{HUB}"
        return _with_cors(self._hub(request), origin, HUB_EXPOSES)

    # ---- The Hub -------------------------------------------------------------------------------------------------

    def _hub(self, request: RecordedRequest) -> Reply:
        if request.method == "OPTIONS":
            asked = request.headers.get("access-control-request-headers", "")
            allowed = {"Access-Control-Allow-Methods": "GET,HEAD,POST,PUT,DELETE", "Access-Control-Allow-Headers": asked}
            return Reply(status=204, headers={**allowed, "Access-Control-Max-Age": "86400"})
        if self.limited:
            return replace(
                _error(429, "", "We had to rate limit you, you hit the quota of 500 api requests per 5 minutes period.")
            )
        path = unquote(request.path)
        api = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/tree/(.+))?", request.path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", request.path)
        match = api or file
        if match is None:
            return _error(404, "", f"Sorry, we can't find the page {path}.")
        repo = unquote(match[1])
        if repo in self.renamed:
            where = request.path.replace(match[1], quote(self.renamed[repo]), 1) + (
                f"?{request.query}" if request.query else ""
            )
            return Reply(status=307, headers={"Location": self.base_url + where}, content_type="text/plain")
        repository = self.repositories.get(repo)
        if repository is None or repository.private:
            return _error(401, "RepoNotFound", "Repository not found")
        if file:
            return self._resolve(request, repo, repository, unquote(file[2]), unquote(file[3]))
        if match[2] is None:
            return _json(_info(repo, repository))
        revision, _, folder = match[2].partition("/")
        return self._tree(request, repository, unquote(revision), unquote(folder))

    def _tree(self, request: RecordedRequest, repository: HubRepository, revision: str, folder: str) -> Reply:
        if revision not in ("main", COMMIT):
            return _error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        query = {name: values[-1] for name, values in parse_qs(request.query).items()}
        inside = [path for path in repository.files if not folder or path.startswith(f"{folder}/")]
        if folder and not inside:
            return _error(404, "EntryNotFound", f"{folder} does not exist on {revision!r}")
        entries = _entries(inside, repository.files)
        if query.get("recursive", "false").lower() != "true":
            level = folder.count("/") + 1 if folder else 0
            entries = [entry for entry in entries if entry["path"].count("/") == level]
        start = int(base64.urlsafe_b64decode(query["cursor"])) if "cursor" in query else 0
        end = start + self._page_size
        headers = {}
        if end < len(entries):
            cursor = base64.urlsafe_b64encode(str(end).encode()).decode()
            more = f"{self.base_url}{request.path}?recursive=true&expand=false&limit={self._page_size}&cursor={quote(cursor)}"
            headers["Link"] = f'<{more}>; rel="next"'
        return replace(_json(entries[start:end]), headers=headers)

    def _resolve(self, request: RecordedRequest, repo: str, repository: HubRepository, revision: str, path: str) -> Reply:
        if repository.gated:
            words = f"Access to model {repo} is restricted. You must have access to it and be authenticated to access it."
            return _error(401, "GatedRepo", f"{words} Please log in.")
        if revision not in ("main", COMMIT):
            return _error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        content = repository.files.get(path)
        if content is None:
            return _error(404, "EntryNotFound", "Entry not found")
        if not path.endswith(_LARGE):
            return Reply(body=content, content_type="text/plain; charset=utf-8", headers={"X-Repo-Commit": COMMIT})
        self._links += 1
        digest = hashlib.sha256(content).hexdigest()
        where = f"{self.cdn_url}/xet-bridge-us/{quote(repo)}/{quote(path)}?X-Amz-Expires=3600&Signature={self._links}"
        headers = {
            "Location": where,
            "X-Repo-Commit": COMMIT,
            "X-Linked-Size": str(len(content)),
            "X-Linked-ETag": f'"{digest}"',
            "Accept-Ranges": "bytes",
        }
        return Reply(status=302, body=f"Found. Redirecting to {where}".encode(), content_type="text/plain", headers=headers)

    # ---- The host of the files -----------------------------------------------------------------------------------

    def _cdn(self, request: RecordedRequest) -> Reply:
        if request.method == "OPTIONS":
            return Reply(status=403)
        match = re.fullmatch(r"/xet-bridge-us/([^/]+/[^/]+)/(.+)", unquote(request.path))
        repository = self.repositories.get(match[1]) if match else None
        content = repository.files.get(match[2]) if match and repository else None
        link = int(parse_qs(request.query).get("Signature", ["0"])[0])
        if content is None or not self._oldest_link < link <= self._links:
            denied = b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>AccessDenied</Code></Error>"
            return Reply(status=403, body=denied, content_type="application/xml")
        etag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
        headers = {"ETag": etag, "Accept-Ranges": "bytes"}
        whole = Reply(body=content, content_type="application/octet-stream", headers=headers, cut_after=self._cut())
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        if asked is None or request.headers.get("if-range", etag) != etag:
            return whole
        start, end = int(asked[1]), min(int(asked[2] or len(content) - 1), len(content) - 1)
        if start >= len(content) or end < start:
            return replace(whole, status=416, body=b"", headers={**headers, "Content-Range": f"bytes */{len(content)}"})
        told = {**headers, "Content-Range": f"bytes {start}-{end}/{len(content)}"}
        return replace(whole, status=206, body=content[start : end + 1], headers=told)

    def _cut(self) -> int | None:
        after, self.cut_after = self.cut_after, None
        return after


def _entries(paths: list[str], files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Folders and files, as a tree lists them."""
    folders = sorted({path.rpartition("/")[0] for path in paths if "/" in path})
    return [
        *(
            {"type": "directory", "oid": hashlib.sha1(folder.encode()).hexdigest(), "size": 0, "path": folder}
            for folder in folders
        ),
        *(_entry(path, files[path]) for path in sorted(paths)),
    ]


def _entry(path: str, content: bytes) -> dict[str, Any]:
    entry = {"type": "file", "oid": hashlib.sha1(content).hexdigest(), "size": len(content), "path": path}
    if not path.endswith(_LARGE):
        return entry
    sha256 = hashlib.sha256(content).hexdigest()
    return {**entry, "lfs": {"oid": sha256, "size": len(content), "pointerSize": 134}, "xetHash": sha256[::-1]}


def _info(repo: str, repository: HubRepository) -> dict[str, Any]:
    return {
        "_id": "671a0c4f0b1d4c0f5b2f0000",
        "id": repo,
        "modelId": repo,
        "author": repo.partition("/")[0],
        "sha": COMMIT,
        "lastModified": "2026-10-03T12:00:00.000Z",
        "private": False,
        "gated": repository.gated,
        "disabled": False,
        "downloads": repository.downloads,
        "likes": 7,
        "tags": ["gguf", *([f"license:{repository.licence}"] if repository.licence else []), "region:us"],
        "cardData": {"license": repository.licence, **(repository.card or {})},
        **({"gguf": dict(repository.gguf)} if repository.gguf else {}),
        "siblings": [{"rfilename": path} for path in repository.files],
        "createdAt": "2026-01-03T12:00:00.000Z",
    }


def _json(value: Any, status: int = 200) -> Reply:
    return Reply(status=status, body=json.dumps(value).encode(), content_type="application/json; charset=utf-8")


def _error(status: int, code: str, message: str) -> Reply:
    headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {})}
    return replace(_json({"error": message}, status), headers=headers)


def _with_cors(reply: Reply, origin: str, exposed: str) -> Reply:
    cors = {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": exposed, "Vary": "Origin"}
    return replace(reply, cors=False, headers={**reply.headers, **cors})


@contextmanager
def hub(repositories: Mapping[str, HubRepository], **options: Any) -> Iterator[HubServer]:
    """A scripted Hub for as long as the block lasts; ``options`` are those of HubServer."""
    with HubServer(repositories, **options) as server:
        yield server
