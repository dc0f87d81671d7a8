"""What dist/ is made of: one folder named by its content, pages that name it, and compressed forms of what is large."""

import gzip
import http.client
import json
import re
import shutil
import tomllib
from pathlib import Path
from threading import Thread

import pytest

from tools.build import build
from tools.precompress import QUICK, precompress
from tools.report import Problem
from tools.serve import make_server

ROOT = Path(__file__).parents[2]
INDEX = """<html data-static="static">
  <link rel="icon" href="static/icons/a.svg">
  <link rel="stylesheet" href="static/css/one.css">
  <link rel="stylesheet" href="static/css/two.css">
  <script src="static/js/boot.js"></script>
  <link rel="preload" as="fetch" crossorigin href="pyscript.toml">
  <link rel="modulepreload" href="static/vendor/toml-x.js">
  <script type="py" config="./pyscript.toml">
"""
BRIDGE = '<link rel="stylesheet" href="static/css/one.css">\n<script src="static/js/bridge.mjs"></script>\n'
FILES = {
    "index.html": INDEX,
    "bridge.html": BRIDGE,
    "pyscript.toml": '# a comment\ninterpreter = "./static/js/interpreter.mjs"\nplugins = ["!error"]\n',
    "sw.js": 'const VERSION = "";\nconst FILES = [];\n',
    "manifest.webmanifest": '{"icons": [{"src": "static/icons/a.svg"}]}',
    "static/css/one.css": "a { color: red }\n",
    "static/css/two.css": "b { background: url(../icons/a.svg) }\n",
    "static/icons/a.svg": "<svg/>",
    "static/js/boot.js": "// boot\n" * 1000,
    "static/js/modeltab-client.mjs": "export const connect = 1;\n",
    "static/models/tiny.gguf": "GGUF",
    "static/.hidden": "no",
}


@pytest.fixture
def root(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def built(root, **options):
    build(root, **{"with_model": True, "quality": QUICK, **options})
    return root / "dist"


def folder_of(dist):
    (folder,) = [path for path in (dist / "static").iterdir() if re.fullmatch("[0-9a-f]{12}", path.name)]
    return folder


def test_all_that_the_app_is_made_of_lies_in_a_folder_that_its_content_names(root):
    dist = built(root)
    first = folder_of(dist)
    names = {path.relative_to(first).as_posix() for path in first.rglob("*") if path.is_file()}
    assert names == {
        *("css/one.css", "css/modeltab.css", "icons/a.svg"),
        *("js/boot.js", "js/boot.js.br", "js/boot.js.gz", "js/modeltab-client.mjs"),
    }
    assert folder_of(built(root)).name == first.name
    (root / "static/icons/a.svg").write_text("<svg></svg>")
    assert folder_of(built(root)).name != first.name


def test_pages_name_the_folder_one_style_sheet_and_no_toml(root):
    dist = built(root)
    place = f"static/{folder_of(dist).name}"
    index = re.sub('data-offline="[^"]*" ', "", (dist / "index.html").read_text())  # see test_offline_build.py
    config = re.search("config='(.*)'", index)
    assert config
    assert json.loads(config[1]) == {"interpreter": f"./{place}/js/interpreter.mjs", "plugins": ["!error"]}
    assert index.replace(config[0], "CONFIG") == (
        f'<html data-static="{place}">\n'
        f'  <link rel="icon" href="{place}/icons/a.svg">\n'
        f'  <link rel="stylesheet" href="{place}/css/modeltab.css">\n'
        f'  <script src="{place}/js/boot.js"></script>\n'
        '  <script type="py" CONFIG>\n'
    )
    assert (folder_of(dist) / "css/modeltab.css").read_text() == FILES["static/css/one.css"] + FILES["static/css/two.css"]
    assert f'href="{place}/css/one.css"' in (dist / "bridge.html").read_text()
    assert not (dist / "pyscript.toml").exists()
    assert json.loads((dist / "manifest.webmanifest").read_text()) == {"icons": [{"src": f"{place}/icons/a.svg"}]}


def test_the_service_worker_is_told_of_what_is_there_but_for_the_packed_forms_and_models(root):
    dist = built(root)
    place = f"static/{folder_of(dist).name}"
    worker = (dist / "sw.js").read_text()
    for name in (f"{place}/js/boot.js", "static/js/modeltab-client.mjs", "manifest.webmanifest", "index.html"):
        assert f'["{name}", "' in worker
    assert not re.search(r"\.br|\.gz|models", worker)


def test_models_and_the_client_of_other_pages_keep_their_address(root):
    dist = built(root)
    assert (dist / "static/models/tiny.gguf").is_file()
    assert (dist / "static/js/modeltab-client.mjs").read_text() == FILES["static/js/modeltab-client.mjs"]
    assert not (built(root, with_model=False) / "static/models").exists()


def test_a_missing_page_says_what_to_do_and_leaves_the_last_build(root):
    dist = built(root)
    (root / "sw.js").unlink()
    with pytest.raises(Problem, match=r"sw\.js is missing"):
        built(root)
    assert (dist / "sw.js").is_file()


def test_what_was_compressed_once_is_kept_by_its_content(root):
    folder, kept = root / "static", root / "kept"
    precompress(folder, kept, QUICK)
    plain = (folder / "js/boot.js").read_bytes()
    assert gzip.decompress((folder / "js/boot.js.gz").read_bytes()) == plain
    assert len((folder / "js/boot.js.br").read_bytes()) < len(plain) / 10
    for form in kept.iterdir():
        form.write_bytes(b"kept")
    precompress(folder, kept, QUICK)
    assert (folder / "js/boot.js.gz").read_bytes() == b"kept"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip, deflate, br, zstd", "br"), ("gzip;q=1.0, br;q=0", "gzip"), ("identity", None), ("", None), ("br;q=0.000", None)],
)
def test_the_server_sends_the_best_form_that_a_browser_takes(root, accepted, encoding, get_from):
    response, body = get_from(built(root), "/static/js/boot.js", accepted)
    assert response.headers["Content-Encoding"] == encoding
    assert response.headers["Vary"] == "Accept-Encoding"
    assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert int(response.headers["Content-Length"]) == len(body)
    if encoding == "gzip":
        assert gzip.decompress(body) == FILES["static/js/boot.js"].encode()


def test_a_part_of_a_file_is_one_of_its_plain_form(root, get_from):
    response, body = get_from(built(root), "/static/js/boot.js", "br", {"Range": "bytes=3-6"})
    assert (response.status, body, response.headers["Content-Encoding"]) == (206, b"boot", None)


def test_only_what_its_content_names_may_be_kept_for_ever(root, get_from):
    dist = built(root)
    assert "immutable" in get_from(dist, "/static/js/boot.js", "")[0].headers["Cache-Control"]
    shutil.copyfile(root / "index.html", dist / "index.html")
    assert get_from(dist, "/", "", plain=True)[0].headers["Cache-Control"] == "no-cache"


def test_pyscript_loads_no_plugin_for_either_python():
    settings = tomllib.loads((ROOT / "pyscript.toml").read_text(encoding="utf-8"))
    [other] = re.findall(r"<mpy-config hidden>(.*)</mpy-config>", (ROOT / "index.html").read_text(encoding="utf-8"))
    assert json.loads(other) == {"plugins": settings["plugins"]}


@pytest.fixture
def get_from():
    """Ask a server of a folder for a path; one under static/ means the folder that is named by its content."""
    def get(dist, path, accepted, headers=None, plain=False):
        with make_server(dist, 0, isolate=False) as server:
            Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            place = path if plain else path.replace("/static/", f"/static/{folder_of(dist).name}/")
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
            connection.request("GET", place, headers={"Accept-Encoding": accepted, **(headers or {})})
            response = connection.getresponse()
            body = response.read()
            connection.close()
            server.shutdown()
            return response, body

    return get
