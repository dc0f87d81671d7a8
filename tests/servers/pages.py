"""The app's site with other pages beside it, as on a host that several people's pages share."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from threading import Thread

from tools.serve import Content, SiteServer

_PAGE = b"<!doctype html><html lang=en><meta charset=utf-8><link rel=icon href=data:,><title>Beside</title><body></body></html>"


class PagesServer(SiteServer):
    """Serves the app of `root`, an empty page under every name that ends in "-page.html", and `packages` under npm/."""

    def __init__(self, root: Path, prefix: str, isolate: bool, packages: Path) -> None:
        super().__init__(root.resolve(), 0, prefix, isolate)
        self._packages = packages

    def find(self, path: str, encodings: Collection[str] = ()) -> Content | None:
        """What a path stands for."""
        name = path.removeprefix(self.prefix)
        if name.endswith("-page.html"):
            return Content(BytesIO(_PAGE), len(_PAGE), 0, '"page"', "text/html; charset=utf-8")
        file = self._packages / name.removeprefix("npm/")
        if name.startswith("npm/") and file.is_file() and file.resolve().is_relative_to(self._packages.resolve()):
            return Content(file.open("rb"), file.stat().st_size, 0, f'"{name}"', "text/javascript; charset=utf-8")
        return super().find(path, encodings)


@contextmanager
def pages_beside(root: Path, prefix: str = "/", isolate: bool = True) -> Iterator[str]:
    """The URL of the app with pages beside it."""
    with PagesServer(root, prefix, isolate, Path(__file__).parents[2] / "node_modules") as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server.url
        server.shutdown()
