"""The GGUF files of a repository on Hugging Face: which there are, how large, with which SHA-256, and which to choose.

Source: the Hub's API as huggingface_hub (hf_api.py: list_repo_tree, model_info; utils/_http.py: its error codes) and
huggingface.js use it, August 2026. Everything is asked without a key.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import NamedTuple
from urllib.parse import quote

from modeltab.domain import errors
from modeltab.domain.connections import origin_of
from modeltab.domain.model_names import is_projector, quantization_of
from modeltab.files.facts import shard_name
from modeltab.providers.base import HttpRequest, Json, Transport
from modeltab.providers.http import decode_json, error_from, read
from modeltab.sources.address import HUGGING_FACE, resolve_url

#: A page of the list has a thousand entries; a repository with more pages than this is none of models.
MAX_PAGES = 20
#: What is offered first: the quantization that most people take, then those that every runtime knows.
PREFERRED = ("Q4_K_M", "Q4_0", "Q8_0")
_SHA256 = re.compile(r"[0-9a-f]{64}")
#: What is in a repository that has no GGUF file, by the ends of names.
_KINDS = {
    "safetensors": (".safetensors",),
    "PyTorch": (".bin", ".pt", ".pth"),
    "ONNX": (".onnx",),
    "LiteRT": (".tflite", ".task", ".litertlm"),
    "GGML of before GGUF": (".ggml", ".ggmlv3", ".ggjt"),
}


class RepositoryFile(NamedTuple):
    """A GGUF file in a repository.

    :param path: its place in the repository.
    :param size: bytes.
    :param sha256: of its content, in hexadecimal; empty where the Hub does not tell.
    :param url: where it can be fetched from: by way of another host.
    """

    path: str
    size: int
    sha256: str
    url: str
    quantization: str = ""

    @property
    def name(self) -> str:
        """What it is called without its folder."""
        return self.path.rpartition("/")[2]


class Choice(NamedTuple):
    """What a person chooses: a model in one file or in several.

    :param files: in order where there are several: the parts of one model.
    :param is_projector: whether it gives another model eyes (mmproj), and is none itself.
    """

    files: tuple[RepositoryFile, ...]
    quantization: str
    is_projector: bool = False

    @property
    def name(self) -> str:
        """The name of its file, or of the first of its files."""
        return self.files[0].name

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(file.size for file in self.files)


class Repository(NamedTuple):
    """What the Hub tells of a repository.

    :param licence: as it is called there ("apache-2.0"), empty when it names none.
    :param gated: whether its files are given only to people who have accepted its terms.
    :param downloads: in the last month; None where it is not told, as are `parameters` and `n_ctx_train`.
    """

    repo: str
    licence: str = ""
    licence_url: str = ""
    gated: bool = False
    downloads: int | None = None
    architecture: str = ""
    parameters: int | None = None
    n_ctx_train: int | None = None


async def about(transport: Transport, repo: str, base_url: str = HUGGING_FACE) -> Repository:
    """GET /api/models/{repo}.

    :raises ModelTabError: see `list_files`.
    """
    reply, _ = await _get(transport, f"{base_url}/api/models/{quote(repo)}", repo)
    if not isinstance(reply, dict):
        raise _unlike("a repository", reply)
    card, gguf = _mapping(reply.get("cardData")), _mapping(reply.get("gguf"))
    tags = [tag for tag in reply.get("tags") or () if isinstance(tag, str)]
    licence = next((tag.removeprefix("license:") for tag in tags if tag.startswith("license:")), "")
    told = card.get("license")
    named = card.get("license_name") if told == "other" else told
    return Repository(
        str(reply.get("id") or repo),
        named if isinstance(named, str) else licence,
        card["license_link"] if isinstance(card.get("license_link"), str) else "",
        bool(reply.get("gated")),
        _count(reply.get("downloads")),
        str(gguf.get("architecture") or ""),
        _count(gguf.get("total")),
        _count(gguf.get("context_length")),
    )


async def list_files(
    transport: Transport, repo: str, revision: str = "main", base_url: str = HUGGING_FACE, folder: str = ""
) -> tuple[RepositoryFile, ...]:
    """GET /api/models/{repo}/tree/{revision}?recursive=true, to its last page: the GGUF files.

    :param folder: only what is in this folder; empty for all.
    :raises NotFound: when there is no such repository or revision, or it has no GGUF files: with what it has.
    :raises Unauthorized: when it is gated or private.
    :raises Redirected: when it has another name now, which a page is not told.
    :raises ModelTabError: when the Hub answers otherwise or not at all.
    """
    url = f"{base_url}/api/models/{quote(repo)}/tree/{quote(revision, safe='')}"
    url += f"/{quote(folder)}?recursive=true" if folder else "?recursive=true"
    entries: list[Json] = []
    for _ in range(MAX_PAGES):
        page, headers = await _get(transport, url, repo)
        if not isinstance(page, list):
            raise _unlike("a list of files", page)
        entries += [entry for entry in page if isinstance(entry, dict) and entry.get("type") == "file"]
        url = _next_page(headers.get("link", ""))
        if not url or origin_of(url) != origin_of(base_url):
            break
    paths = [str(entry.get("path") or "") for entry in entries]
    files = tuple(_file(entry, repo, revision, base_url) for entry in entries if _is_model(str(entry.get("path") or "")))
    if not files:
        raise _no_models(repo, folder, paths)
    return files


def choices(files: Iterable[RepositoryFile]) -> tuple[Choice, ...]:
    """What there is to choose from, the smallest first, projectors at the end. Parts of a model of which some are missing
    are left out.
    """
    whole: list[Choice] = []
    parts: dict[tuple[str, int], dict[int, RepositoryFile]] = {}
    for file in files:
        shard = shard_name(file.name)
        if shard and shard[2] > 1:
            model, number, count = shard
            parts.setdefault((f"{file.path.rpartition('/')[0]}/{model}", count), {})[number] = file
        else:
            whole.append(Choice((file,), file.quantization, is_projector(file.name)))
    for (_, count), found in parts.items():
        if len(found) == count:
            ordered = tuple(found[number] for number in sorted(found))
            whole.append(Choice(ordered, ordered[0].quantization, is_projector(ordered[0].name)))
    return tuple(sorted(whole, key=lambda choice: (choice.is_projector, choice.size, choice.name)))


def wanted(offered: Sequence[Choice], tag: str = "") -> Choice | None:
    """What is chosen when a person has not said, or has only named a quantization or a file; None when there is no such.

    Without a tag: Q4_K_M, else Q4_0, else Q8_0, else the smallest model.
    """
    if tag:
        tag = tag.lower().removesuffix(".gguf")
        exact = [c for c in offered if tag in (c.quantization.lower(), c.name.lower().removesuffix(".gguf"))]
        near = [c for c in offered if c.quantization.lower() == f"ud-{tag}"]
        return next(iter((*exact, *near)), None)
    models = [choice for choice in offered if not choice.is_projector]
    preferred = (choice for name in PREFERRED for choice in models if choice.quantization == name)
    return next(preferred, None) or next(iter(models), None)


def refused(repo: str, detail: str = "") -> errors.Unauthorized:
    """The error for files that the Hub does not give to everybody: it says so of the list, or only when one is fetched."""
    return errors.Unauthorized(
        f"{repo} is gated or private: Hugging Face gives its files only to people who are signed in there.",
        f"Open huggingface.co/{repo}, accept its terms, download the file there, then add it here.",
        detail,
    )


async def _get(transport: Transport, url: str, repo: str) -> tuple[Json, Mapping[str, str]]:
    """A reply's JSON and headers, or the error that it stands for."""
    try:
        response = await transport.send(HttpRequest("GET", url))
    except errors.Redirected as error:
        raise _moved(repo, error.detail) from None
    except errors.Unreachable as error:
        advice = "Check that this machine is online, and that nothing here blocks huggingface.co (a filter, an extension)."
        raise errors.Unreachable("No answer from Hugging Face.", advice, error.detail) from None
    async with aclosing(response):
        body = await read(response)
        if 300 <= response.status < 400:
            raise _moved(repo, url)
        if response.status >= 400:
            raise _failed(response.status, response.headers, body, url, repo)
        return decode_json(body, url), response.headers


def _failed(status: int, headers: Mapping[str, str], body: bytes, url: str, repo: str) -> errors.ModelTabError:
    """The Hub answers 401 both for what is not there and for what is private, so as not to tell which names exist."""
    code = headers.get("x-error-code", "")
    error = error_from(status, body, url, {}, headers)
    if code == "GatedRepo" or status == 403:
        return refused(repo, error.detail)
    if code == "RevisionNotFound":
        return errors.NotFound(f"{repo} has no such branch or version.", "Leave it out to take the latest.", error.detail)
    if code == "EntryNotFound":
        return errors.NotFound(
            f"{repo} has no such folder.", f"Open huggingface.co/{repo}/tree/main to see its files.", error.detail
        )
    if status in (401, 404):
        return errors.NotFound(
            f"Hugging Face has no repository {repo} that everybody may see.",
            "Check its name, capital letters too. If it is private, download the file there, then add it here.",
            error.detail,
        )
    if isinstance(error, errors.RateLimited):
        # Its limits are counted in windows of five minutes.
        words = ("Hugging Face takes no more requests from here for now.", "Wait five minutes, then try again.")
        return errors.RateLimited(*words, error.detail)
    return error


def _moved(repo: str, detail: str) -> errors.Redirected:
    return errors.Redirected(
        f"{repo} has another name now, which Hugging Face does not tell a page.",
        f"Open huggingface.co/{repo}: the address that it leads to has the new name. Paste that.",
        detail,
    )


def _no_models(repo: str, folder: str, paths: Sequence[str]) -> errors.NotFound:
    kinds = [kind for kind, ends in _KINDS.items() if any(path.lower().endswith(ends) for path in paths)]
    where = f"The folder {folder} of {repo}" if folder else repo
    what = f"its weights are {' and '.join(kinds)}" if kinds else f"it has {len(paths)} other files" if paths else "it is empty"
    name = repo.rpartition("/")[2]
    return errors.NotFound(
        f"{where} has no GGUF files: {what}.",
        f"Look for the same model with GGUF in its name: huggingface.co/models?library=gguf&search={quote(name)}",
    )


def _file(entry: Mapping[str, Json], repo: str, revision: str, base_url: str) -> RepositoryFile:
    path = str(entry["path"])
    lfs = _mapping(entry.get("lfs"))
    size = _count(lfs.get("size")) or _count(entry.get("size")) or 0
    oid = str(lfs.get("oid") or "").removeprefix("sha256:").lower()
    sha256 = oid if _SHA256.fullmatch(oid) else ""
    folder, _, name = path.rpartition("/")
    quantization = quantization_of(name) or quantization_of(folder)
    return RepositoryFile(path, size, sha256, resolve_url(repo, path, revision, base_url), quantization)


def _is_model(path: str) -> bool:
    """Importance matrices are GGUF files, too, but no models."""
    name = path.rpartition("/")[2].lower()
    return name.endswith(".gguf") and ("imatrix" not in name or bool(quantization_of(name)))


def _next_page(link: str) -> str:
    """The address that a Link header (RFC 8288) calls the next; empty where there is none."""
    found = re.search(r'<([^>]+)>\s*;\s*rel="?next"?', link)
    return found[1] if found else ""


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _count(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _unlike(what: str, reply: Json) -> errors.BadReply:
    return errors.BadReply(
        f"Hugging Face answered without {what}.", "Try again a little later: the site may be in trouble.", str(reply)[:400]
    )
