"""What a build tells the service worker to keep, and the icons that make the app installable."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import struct
import zlib
from pathlib import Path

import pytest

from tools.icons import ICONS, MARK, Icon, lines_of, png_of
from tools.offline import add_offline_copy
from tools.report import Problem
from tools.serve import SITE_FILES

ROOT = Path(__file__).parents[2]
PAGE = '<!doctype html>\n<html lang="en">…</html>'
FILES = {
    "index.html": PAGE,
    "sw.js": 'const VERSION = "";\nconst FILES = [];\n',
    "static-ab12/app.zip": "app",
    "static-ab12/app.zip.br": "packed",
    "static-ab12/vendor/wllama/wllama.wasm": "engine",
    "static-ab12/vendor/wllama/compat/wllama.wasm": "another engine",
    "static-ab12/vendor/wllama/LICENSE": "MIT",
    "static-ab12/snapshot.bin.gz": "memory",
    "static/models/a.gguf": "GGUF",
}


def dist(folder: Path, **changed: str) -> Path:
    """A built app; `changed`: the content of its archive, for example."""
    for name, content in {**FILES, **changed}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


def listed(folder: Path) -> tuple[str, dict[str, str]]:
    """The version and the hashes in a built worker, which has to be JavaScript that says just that."""
    text = (folder / "sw.js").read_text(encoding="utf-8")
    found = re.fullmatch(r'const VERSION = "(\w{12})";\nconst FILES = (\[.*\]);\n', text, re.DOTALL)
    assert found
    return found[1], dict(json.loads(found[2].replace(",\n]", "\n]")))


def test_the_worker_gets_what_the_app_may_ask_for_and_the_page_last(tmp_path):
    add_offline_copy(dist(tmp_path))
    _, files = listed(tmp_path)
    engines = ["static-ab12/vendor/wllama/compat/wllama.wasm", "static-ab12/vendor/wllama/wllama.wasm"]
    assert list(files) == ["static-ab12/app.zip", *engines, "index.html"]
    for name, kept in files.items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest().startswith(kept)


def test_the_page_knows_its_version_and_what_the_copy_takes(tmp_path):
    add_offline_copy(dist(tmp_path))
    version, _ = listed(tmp_path)
    size = len(PAGE.encode()) + len("app") + len("engine")
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert f'<html data-offline="{version} {size} {len("another engine")}" lang="en">' in page


def test_the_version_changes_with_any_file_and_with_nothing_else(tmp_path):
    versions = []
    changes = [{}, {}, {"static-ab12/app.zip": "new"}, {"index.html": PAGE + "\n"}, {"more.txt": ""}]
    for number, changed in enumerate(changes):
        add_offline_copy(dist(tmp_path / str(number), **changed))
        versions.append(listed(tmp_path / str(number))[0])
    assert versions[0] == versions[1]
    assert len(set(versions)) == len(versions) - 1


def test_a_worker_without_the_place_for_it_is_a_problem(tmp_path):
    with pytest.raises(Problem, match=r"sw\.js has no place"):
        add_offline_copy(dist(tmp_path, **{"sw.js": "const FILES = [];"}))


def test_the_repositorys_own_worker_and_page_have_the_place_for_it(tmp_path):
    for name in ("sw.js", "index.html"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    add_offline_copy(tmp_path)
    assert 'data-offline="' in (tmp_path / "index.html").read_text(encoding="utf-8")


# ---- Icons -----------------------------------------------------------------------------------------------------------


def pixels(png: bytes) -> tuple[int, list[bytes]]:
    """The size and the rows of a PNG without filters."""
    size, height, depth, colours = struct.unpack(">IIBB", png[16:26])
    assert (height, depth, colours) == (size, 8, 6)
    start = png.index(b"IDAT")
    (length,) = struct.unpack(">I", png[start - 4 : start])
    assert zlib.crc32(png[start : start + 4 + length]) == struct.unpack(">I", png[start + 4 + length : start + 8 + length])[0]
    rows = zlib.decompress(png[start + 4 : start + 4 + length])
    width = 4 * size + 1
    return size, [rows[y * width + 1 : (y + 1) * width] for y in range(size)]


def test_an_icon_is_the_mark_in_its_colours():
    size, rows = pixels(png_of(ROOT / MARK, Icon("a.png", 64)))
    assert size == 64
    pixel = lambda x, y: tuple(rows[y][4 * x : 4 * x + 4])  # noqa: E731
    assert pixel(0, 0)[3] == 0  # outside the rounded corner
    assert pixel(32, 4) == (0x3F, 0x50, 0xDC, 255)
    assert pixel(32, 35) == (255, 255, 255, 255)  # the leg in the middle
    assert pixel(24, 18) == (255, 255, 255, 255)  # the top of the left arc
    assert pixel(24, 35) == (0x3F, 0x50, 0xDC, 255)  # between the legs


def test_a_maskable_icon_goes_to_the_edges_and_keeps_the_mark_within_the_circle_that_every_mask_leaves():
    size, rows = pixels(png_of(ROOT / MARK, Icon("a.png", 128, full=True, scale=0.8)))
    assert {row[4 * x + 3] for row in rows for x in range(size)} == {255}
    farthest = max(
        (x + 0.5 - size / 2) ** 2 + (y + 0.5 - size / 2) ** 2
        for y, row in enumerate(rows)
        for x in range(size)
        if row[4 * x] > 0x50
    )
    assert farthest**0.5 <= 0.4 * size


def test_an_arc_is_on_its_circle_and_ends_where_it_should():
    lines = lines_of("M2 0a2 2 0 0 1-4 0")
    assert lines[0][0] == pytest.approx((2, 0))
    assert lines[-1][1] == pytest.approx((-2, 0))
    assert all(x * x + y * y == pytest.approx(4) and y >= -1e-9 for line in lines for x, y in line)


def test_a_path_with_more_than_that_is_refused():
    with pytest.raises(ValueError, match="'C'"):
        lines_of("M0 0C1 1 2 2 3 3")


def test_the_manifest_names_the_icons_that_set_up_makes():
    manifest = json.loads((ROOT / "manifest.webmanifest").read_text(encoding="utf-8"))
    named = {icon["src"]: icon for icon in manifest["icons"]}
    assert "manifest.webmanifest" in SITE_FILES
    for icon in ICONS[:3]:
        entry = named.pop(f"static/icons/{icon.name}")
        assert entry["sizes"] == f"{icon.size}x{icon.size}"
        assert (entry.get("purpose") == "maskable") == icon.full
    assert list(named) == [MARK.as_posix()]
    assert f'href="static/icons/{ICONS[3].name}"' in (ROOT / "index.html").read_text(encoding="utf-8")
