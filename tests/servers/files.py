"""A server of one file under any name, as hosts of models serve it: ranges, an ETag, and every way to break off.

with FileServer(content) as server:
    server.cuts = [1000, 5000]  # the next two answers with the file end there
    ...  # the app fetches server.file_url
    assert server.starts == [0, 1000, 5000]
"""

from __future__ import annotations

import random
import re

from tests.servers.model_files import small_gguf
from tests.servers.scripted import RecordedRequest, Reply, Script, ScriptedServer

CHUNK = 128 * 1024


def gguf_content(size: int, seed: int = 0) -> bytes:
    """A GGUF file of `size` bytes, its tensor of noise: no two seeds have the same, nor two places of one."""
    head = small_gguf(size)[:256]
    return head + random.Random(seed).randbytes(size - len(head))


class FileServer(ScriptedServer):
    """Serves `content` under `file_url`, and answers every origin.

    A header is read in ranges with an end; the file is fetched without one, and `cuts` are the places in the file where
    the next such answers break off. `chunk_delay_s` is the time that every `CHUNK` bytes take. Without `ranges` the whole
    file is sent whatever is asked. `exposed` are the headers that a page of another origin may read.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.content = content
        self.etag = '"1"'
        self.modified = "Wed, 04 Nov 2026 10:00:00 GMT"
        self.exposed = "ETag, Content-Range"
        self.cuts: list[int] = []
        self.chunk_delay_s = 0.0
        self.ranges = True

    def script(self, method: str, path: str) -> Script | None:
        """What a test scripted, else the file."""
        return super().script(method, path) or (self.answer if method == "GET" and path.endswith(".gguf") else None)

    @property
    def file_url(self) -> str:
        """Where the file is."""
        return f"{self.url}/model.gguf"

    @property
    def starts(self) -> list[int]:
        """From which byte on the file was asked for, each time."""
        ranges = [request.headers.get("range", "bytes=0-") for request in self.requests if request.method == "GET"]
        return [int(text[len("bytes=") : -1]) for text in ranges if text.endswith("-")]

    def answer(self, request: RecordedRequest) -> Reply:
        """The file, or the part of it that was asked for."""
        size = len(self.content)
        headers = {"ETag": self.etag, "Last-Modified": self.modified, "Access-Control-Expose-Headers": self.exposed}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", "")) if self.ranges else None
        start = int(asked[1]) if asked else 0
        if start >= size:
            return Reply(status=416, headers={**headers, "Content-Range": f"bytes */{size}"})
        end = min(int(asked[2]) + 1, size) if asked and asked[2] else size
        if asked:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        body = self.content[start:end]
        whole = not (asked and asked[2])
        cut = max(0, self.cuts.pop(0) - start) if whole and self.cuts else None
        pieces = [body[place : place + CHUNK] for place in range(0, len(body), CHUNK)] if whole and self.chunk_delay_s else None
        return Reply(
            status=206 if asked else 200,
            body=body,
            content_type="application/octet-stream",
            headers=headers,
            chunks=pieces,
            chunk_delay_s=self.chunk_delay_s,
            cut_after=cut,
        )
