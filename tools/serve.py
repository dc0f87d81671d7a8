"""A small web server for the development tree and for dist/: what a good static host does, and nothing more.

It answers with the headers that isolate the page (threads in WebAssembly need them), revalidates instead of guessing
what is fresh, sends parts of big files, and serves nothing but the app's own files.
"""

import hashlib
import re
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from os import name as os_name
from pathlib import Path, PurePosixPath
from socketserver import TCPServer
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from tools.archive import APP_ARCHIVE, APP_PACKAGE, PLAYGROUND_ARCHIVE, PLAYGROUND_PACKAGE, live_archive
from tools.precompress import ENCODINGS
from tools.stamps import files_in

BRIDGE = "bridge.html"
SITE_FILES = ("index.html", BRIDGE, "pyscript.toml", "sw.js")
SITE_FOLDER = "static"
_WEBKIT = re.compile(r"AppleWebKit/(?!.*Chrome/)")


def isolation_headers(user_agent: str) -> dict[str, str]:
    """Return the headers that isolate a page in a browser.

    "require-corp" would also hide every reply to a request without CORS, and with it whether anything listens at an
    address: so it is only for WebKit, which knows no other word.
    """
    return {
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp" if _WEBKIT.search(user_agent) else "credentialless",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Vary": "User-Agent",
    }


# The bridge talks to the page of another origin that opened it, or that has it in a frame: it is not isolated from it.
_BRIDGE_HEADERS = {"Cross-Origin-Opener-Policy": "unsafe-none", "Cross-Origin-Resource-Policy": "cross-origin"}

# Our own table: the one that Python reads from the system calls a module "text/plain" on some computers.
_TYPES = {
    "": "text/plain; charset=utf-8",  # licences
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/plain; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".py": "text/x-python; charset=utf-8",
    ".svg": "image/svg+xml",
    ".toml": "application/toml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
    ".zip": "application/zip",
}
_CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_IDLE_SECONDS = 75
#: The folder of dist/ that build.py names by what is in it.
_HASHED = re.compile(rf"{SITE_FOLDER}/[0-9a-f]{{12}}/")
_REFUSED = re.compile(r"q=0(\.0*)?")


def make_server(root: Path, port: int, prefix: str = "/", isolate: bool = True) -> "SiteServer":
    """Return a server of the app in `root`, bound to 127.0.0.1; its serve_forever() has yet to be called.

    Args:
        root: the repository or dist/.
        port: the port, or 0 for any free one (see `server_port` of the result).
        prefix: the path that the app is served under, such as "/modeltab/".
        isolate: whether to send the headers that isolate the page. A host such as GitHub Pages cannot.

    Raises:
        OSError: the port is taken.
    """
    return SiteServer(root.resolve(), port, f"/{prefix.strip('/')}/".replace("//", "/"), isolate)


@dataclass(frozen=True)
class Content:
    """What a path stands for: its bytes, their number, when they last changed, and a tag that changes with them.

    `encoding`: the content coding that the bytes are in, "" for none. `hashed`: whether the path names the content.
    """

    stream: BinaryIO
    size: int
    modified: float
    etag: str
    media_type: str
    encoding: str = ""
    hashed: bool = False


class SiteServer(ThreadingHTTPServer):
    """An HTTP server of one app; see `make_server`."""

    daemon_threads = True
    # On Windows this option would let two servers share a port, on other systems it lets a restart have its port back.
    allow_reuse_address = os_name != "nt"

    def __init__(self, root: Path, port: int, prefix: str, isolate: bool) -> None:
        self.root = root
        self.prefix = prefix
        self.isolate = isolate
        self._live = {
            APP_ARCHIVE.as_posix(): _LiveArchive(root / APP_PACKAGE, root / APP_ARCHIVE),
            PLAYGROUND_ARCHIVE.as_posix(): _LiveArchive(root / PLAYGROUND_PACKAGE, root / PLAYGROUND_ARCHIVE),
        }
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def url(self) -> str:
        """The app's address."""
        return f"http://127.0.0.1:{self.server_port}{self.prefix}"

    def server_bind(self) -> None:
        """Bind without asking the network for this computer's name, which can take seconds and is not used."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.socket.getsockname()[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a browser that went away, and one line of anything else."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            print(f"A request failed: {error!r}", file=sys.stderr)

    def find(self, path: str, encodings: Collection[str] = ()) -> Content | None:
        """Return what the path of a request stands for, or None where it stands for nothing that may be served.

        Args:
            path: the path, as in the request.
            encodings: the content codings that the answer may be in, where such a form lies beside the file.
        """
        if not path.startswith(self.prefix):
            return None
        name = unquote(path.removeprefix(self.prefix)) or "index.html"
        if not _is_public(name):
            return None
        live = self._live.get(name)
        if live and live.exists():
            return live.content()
        file = (self.root / name).resolve()
        if not file.is_relative_to(self.root) or not file.is_file():
            return None
        for encoding, ending in ENCODINGS.items():
            if encoding in encodings and (form := file.with_name(file.name + ending)).is_file():
                return _content_of(form, name, encoding)
        return _content_of(file, name)


def _content_of(file: Path, name: str, encoding: str = "") -> Content:
    about = file.stat()
    etag = f'"{about.st_mtime_ns:x}-{about.st_size:x}{encoding}"'
    hashed = bool(_HASHED.match(name))
    return Content(file.open("rb"), about.st_size, about.st_mtime, etag, _media_type(name), encoding, hashed)


def _is_public(name: str) -> bool:
    """Return whether a path under the root is one of the app's own files: no other folder, hidden file or way out."""
    if name in SITE_FILES:
        return True
    if "\\" in name or "\0" in name or ":" in name:
        return False
    parts = name.split("/")
    return parts[0] == SITE_FOLDER and not any(part == "" or part.startswith(".") for part in parts)


def _media_type(name: str) -> str:
    return _TYPES.get(PurePosixPath(name).suffix.lower(), "application/octet-stream")


class _LiveArchive:
    """An archive of a development tree's package, made anew when a source file has changed: a reload shows an edit."""

    def __init__(self, package: Path, built: Path) -> None:
        self._package = package
        self._built = built
        self._made: tuple[object, bytes, float] | None = None

    def exists(self) -> bool:
        return self._package.is_dir()

    def content(self) -> Content:
        state = self._state()
        if self._made is None or self._made[0] != state:
            newest = max((modified for _, modified, _ in state), default=0)
            self._made = (state, live_archive(self._package, self._built), newest / 1e9)
        _, archive, modified = self._made
        etag = f'"{hashlib.sha256(archive).hexdigest()[:32]}"'
        return Content(BytesIO(archive), len(archive), modified, etag, _media_type(self._built.name))

    def _state(self) -> list[tuple[str, int, int]]:
        """Return path, date and size of all that the archive is made from: enough to notice any edit, and quick."""
        files = [*sorted(files_in(self._package)), *([self._built] if self._built.is_file() else [])]
        described = [(str(path), path.stat()) for path in files]
        return [(path, about.st_mtime_ns, about.st_size) for path, about in described]


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection's requests."""

    server: SiteServer
    protocol_version = "HTTP/1.1"
    server_version = "ModelTab"
    disable_nagle_algorithm = True
    timeout = _IDLE_SECONDS

    def do_GET(self) -> None:
        """Answer with a file."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer with what is known of a file."""
        self._answer(with_body=False)

    def end_headers(self) -> None:
        """Finish the headers with those that every answer has."""
        if self.server.isolate:
            is_bridge = urlsplit(self.path).path == self.server.prefix + BRIDGE
            isolating = isolation_headers(self.headers.get("User-Agent", ""))
            for name, value in {**isolating, **(_BRIDGE_HEADERS if is_bridge else {})}.items():
                self.send_header(name, value)
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log only what went wrong."""
        if isinstance(code, int) and code >= HTTPStatus.BAD_REQUEST:
            print(f"{int(code)} {self.command} {self.path}", file=sys.stderr)

    def log_error(self, format: str, *args: object) -> None:
        """Log nothing here: each error is an answer as well, and `log_request` has its line."""

    def _answer(self, with_body: bool) -> None:
        path = urlsplit(self.path).path
        if f"{path}/" == self.server.prefix:
            self._send_empty(HTTPStatus.MOVED_PERMANENTLY, {"Location": self.server.prefix})
            return
        # A part of a file is a part of its plain form: that is what programs that ask for parts count in.
        content = self.server.find(path, () if "Range" in self.headers else _codings(self.headers.get("Accept-Encoding", "")))
        if content is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with content.stream:
            for chunk in self._respond(content, with_body):
                self.wfile.write(chunk)

    def _respond(self, content: Content, with_body: bool) -> Iterator[bytes]:
        """Send the status and headers, then yield the body that belongs to them, if any."""
        about = {
            # What is named by its content never changes; all else is asked for again.
            "Cache-Control": "public, max-age=31536000, immutable" if content.hashed else "no-cache",
            "ETag": content.etag,
            "Last-Modified": formatdate(content.modified, usegmt=True),
            "Accept-Ranges": "bytes",
            "Vary": "Accept-Encoding",
            **({"Content-Encoding": content.encoding} if content.encoding else {}),
        }
        if self._has_it_already(content):
            self._send_empty(HTTPStatus.NOT_MODIFIED, about)
            return
        first, last = 0, content.size - 1
        status = HTTPStatus.OK
        if (asked := self._range(content)) is not None:
            if not asked:
                self._send_empty(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Range": f"bytes */{content.size}"})
                return
            first, last = asked[0], asked[-1]
            status = HTTPStatus.PARTIAL_CONTENT
            about["Content-Range"] = f"bytes {first}-{last}/{content.size}"
        length = last - first + 1
        self._send_head(status, {**about, "Content-Type": content.media_type, "Content-Length": str(length)})
        if with_body:
            content.stream.seek(first)
            while length > 0 and (chunk := content.stream.read(min(_CHUNK, length))):
                length -= len(chunk)
                yield chunk

    def _has_it_already(self, content: Content) -> bool:
        """Return whether the browser's copy is still right (RFC 9110, 13.1.2 and 13.1.3)."""
        if (tags := self.headers.get("If-None-Match")) is not None:
            return any(tag.strip().removeprefix("W/") in (content.etag, "*") for tag in tags.split(","))
        since = _time(self.headers.get("If-Modified-Since"))
        return since is not None and int(content.modified) <= since

    def _range(self, content: Content) -> range | None:
        """Return the bytes that are asked for: None for all of them, empty for none that exist (RFC 9110, 14.2).

        More than one range at once is answered with the whole file, as the standard allows.
        """
        asked = _RANGE.fullmatch(self.headers.get("Range", "").strip())
        if asked is None or self.headers.get("If-Range", content.etag) != content.etag:
            return None
        first, last = asked.groups()
        if not first:
            return range(max(content.size - int(last), 0), content.size) if last else None
        if last and int(last) < int(first):
            return None
        return range(int(first), min(int(last) + 1, content.size) if last else content.size)

    def _send_empty(self, status: HTTPStatus, headers: dict[str, str]) -> None:
        # A 304 has no body and no length of one; any other answer says that its body is empty.
        self._send_head(status, headers if status == HTTPStatus.NOT_MODIFIED else {**headers, "Content-Length": "0"})

    def _send_head(self, status: HTTPStatus, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def _codings(accepted: str) -> set[str]:
    """Return the content codings that an Accept-Encoding header names, without those that it refuses (RFC 9110, 12.5.3)."""
    items = [item.replace(" ", "").lower().partition(";") for item in accepted.split(",")]
    return {name for name, _, weight in items if not _REFUSED.fullmatch(weight)}


def _time(value: str | None) -> float | None:
    """Return the moment that a date header names, in seconds since 1970, or None where it names none."""
    try:
        return None if value is None else parsedate_to_datetime(value).timestamp()
    except ValueError:
        return None
