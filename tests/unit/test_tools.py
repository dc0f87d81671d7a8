"""The toolchain: the server, the app's archive, the compiled standard library and the stamps."""

import http.client
import io
import json
import shutil
import subprocess
import sys
import threading
import zipfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from tools import archive, stdlib
from tools.compile_modules import compile_folder
from tools.serve import isolation_headers, make_server
from tools.stamps import Stamps, hash_of

ROOT = Path(__file__).parents[2]
BIG = bytes(range(256)) * 4096


@pytest.fixture
def site(tmp_path):
    """A small app, laid out like the repository, with files around it that are nobody's business."""
    files = {
        "index.html": b"<!doctype html>",
        "pyscript.toml": b"",
        "sw.js": b"// nothing",
        "static/js/boot.mjs": b"export {}",
        "static/big.gguf": BIG,
        "static/engine.wasm": b"\0asm",
        "static/.hidden": b"secret",
        ".git/config": b"secret",
        "secret.txt": b"secret",
        "src/modeltab/__init__.py": b"",
        "src/modeltab/main.py": b"VALUE = 1\n",
        "src/modeltab/domain/__init__.py": b"",
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path


@contextmanager
def serving(root, **options):
    """Serve `root` and yield a function that sends one request: get(path, headers, method) → (response, body)."""
    with make_server(root, 0, **options) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)

        def get(path, headers=None, method="GET"):
            connection.request(method, path, headers=headers or {})
            response = connection.getresponse()
            return response, response.read()

        try:
            yield get
        finally:
            connection.close()
            server.shutdown()


@pytest.fixture
def get(site):
    with serving(site) as function:
        yield function


def test_the_folder_itself_is_answered_with_the_page(get):
    response, body = get("/")
    assert (response.status, body) == (200, b"<!doctype html>")
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/static/js/boot.mjs", "text/javascript; charset=utf-8"),
        ("/static/engine.wasm", "application/wasm"),
        ("/static/big.gguf", "application/octet-stream"),
        ("/pyscript.toml", "application/toml"),
    ],
)
def test_a_file_has_the_type_that_browsers_insist_on(get, path, media_type):
    response, _ = get(path)
    assert response.headers["Content-Type"] == media_type


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=1000-", slice(1000, None)),
        ("bytes=-5", slice(-5, None)),
        ("bytes=7-99999999", slice(7, None)),
    ],
)
def test_a_part_of_a_file_is_sent_as_asked(get, asked, part):
    response, body = get("/static/big.gguf", {"Range": asked})
    first = range(len(BIG))[part][0]
    assert (response.status, body) == (206, BIG[part])
    assert response.headers["Content-Range"] == f"bytes {first}-{first + len(body) - 1}/{len(BIG)}"


def test_a_part_that_does_not_exist_is_refused_with_the_true_size(get):
    response, _ = get("/static/big.gguf", {"Range": f"bytes={len(BIG)}-"})
    assert (response.status, response.headers["Content-Range"]) == (416, f"bytes */{len(BIG)}")


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=-", "bytes=0-1,4-5", "lines=1-2"])
def test_a_range_that_is_not_understood_is_answered_with_the_whole_file(get, asked):
    response, body = get("/static/big.gguf", {"Range": asked})
    assert (response.status, body) == (200, BIG)


def test_a_part_of_an_older_version_is_answered_with_the_whole_new_one(get):
    response, body = get("/static/big.gguf", {"Range": "bytes=0-9", "If-Range": '"older"'})
    assert (response.status, body) == (200, BIG)


def test_a_head_request_has_the_headers_and_no_body(get):
    response, body = get("/static/big.gguf", method="HEAD")
    assert (response.status, body, response.headers["Content-Length"]) == (200, b"", str(len(BIG)))


def test_a_browser_that_has_the_file_is_told_so(get):
    first, _ = get("/index.html")
    assert first.headers["Cache-Control"] == "no-cache"
    for name, value in (
        ("If-None-Match", first.headers["ETag"]),
        ("If-None-Match", f'"other", W/{first.headers["ETag"]}'),
        ("If-Modified-Since", first.headers["Last-Modified"]),
    ):
        response, body = get("/index.html", {name: value})
        assert (response.status, body) == (304, b"")


def test_a_file_that_changed_is_sent_again(site, get):
    first, _ = get("/index.html")
    (site / "index.html").write_bytes(b"<!doctype html><title>new</title>")
    response, body = get("/index.html", {"If-None-Match": first.headers["ETag"]})
    assert (response.status, body) == (200, b"<!doctype html><title>new</title>")


@pytest.mark.parametrize(
    "path",
    [
        "/secret.txt",
        "/.git/config",
        "/src/modeltab/main.py",
        "/static",
        "/static/",
        "/static/js",
        "/static/.hidden",
        "/static/../secret.txt",
        "/static/%2e%2e/secret.txt",
        "/static/..%2fsecret.txt",
        "/static/..%5csecret.txt",
        "/static//etc/passwd",
        "//etc/passwd",
        "/static/js/boot.mjs%00",
    ],
)
def test_nothing_but_the_apps_own_files_is_served(get, path):
    response, body = get(path)
    assert response.status == 404
    assert b"secret" not in body


def test_a_link_out_of_the_folder_is_not_followed(site, get, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.txt"
    outside.write_bytes(b"secret")
    (site / "static" / "link.txt").symlink_to(outside)
    assert get("/static/link.txt")[0].status == 404


@pytest.mark.parametrize("path", ["/", "/static/engine.wasm", "/nowhere"])
def test_every_answer_isolates_the_page(get, path):
    response, _ = get(path)
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response.headers["Cross-Origin-Embedder-Policy"] == "credentialless"


def test_the_bridge_alone_keeps_the_window_that_opened_it(get):
    response, _ = get("/bridge.html")
    assert response.headers["Cross-Origin-Opener-Policy"] == "unsafe-none"
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert response.headers["Cross-Origin-Embedder-Policy"] == "credentialless"


@pytest.mark.parametrize(
    ("user_agent", "policy"),
    [
        ("Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15", "require-corp"),
        ("Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/143.0 Mobile Safari/604.1", "require-corp"),
        ("Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0 Safari/537.36", "credentialless"),
        ("Mozilla/5.0 (X11; rv:145.0) Gecko/20100101 Firefox/145.0", "credentialless"),
    ],
)
def test_only_webkit_gets_the_policy_that_hides_replies_without_cors(user_agent, policy):
    assert isolation_headers(user_agent)["Cross-Origin-Embedder-Policy"] == policy


def test_a_host_that_cannot_isolate_can_be_played(site):
    with serving(site, isolate=False) as get:
        response, _ = get("/")
        assert not (set(isolation_headers("")) - {"Vary"}) & set(response.headers)


def test_the_app_can_live_under_a_sub_path(site):
    with serving(site, prefix="/modeltab") as get:
        assert get("/modeltab/")[1] == b"<!doctype html>"
        assert get("/modeltab/static/engine.wasm")[0].status == 200
        assert get("/modeltab")[0].headers["Location"] == "/modeltab/"
        assert get("/")[0].status == 404
        assert get("/static/engine.wasm")[0].status == 404


def names_in(content):
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        return set(opened.namelist())


def compile_app(site):
    """Do what set-up does, with this Python in Pyodide's place."""
    compile_folder(site / "src", site / "compiled", shown_as="", optimize=0)
    return archive.app_archive(site / archive.APP_PACKAGE, site / "compiled")


def test_the_archive_has_each_module_compiled_and_as_source(site):
    assert names_in(compile_app(site)) == {
        f"modeltab/{name}" for name in ("__init__.py", "__init__.pyc", "main.py", "main.pyc")
    } | {"modeltab/domain/__init__.py", "modeltab/domain/__init__.pyc"}


def test_the_same_sources_give_the_same_archive(site):
    first = compile_app(site)
    for path in (site / "src").rglob("*.py"):
        path.touch()
    shutil.rmtree(site / "compiled")
    assert compile_app(site) == first


def test_a_module_is_imported_from_the_archive_with_its_source_for_tracebacks(site):
    (site / "app.zip").write_bytes(compile_app(site))
    script = "import modeltab.main as m, inspect; print(m.VALUE, m.__file__[-3:], inspect.getsource(m).strip())"
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(site / 'app.zip')!r}); {script}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("1 pyc VALUE = 1\n", "")


def test_an_edit_shows_at_the_next_reload_and_leaves_the_other_modules_compiled(site, get):
    (site / archive.APP_ARCHIVE).write_bytes(compile_app(site))
    first, content = get("/static/app.zip")
    assert "modeltab/main.pyc" in names_in(content)
    (site / "src/modeltab/main.py").write_bytes(b"VALUE = 22\n")
    response, content = get("/static/app.zip", {"If-None-Match": first.headers["ETag"]})
    assert response.status == 200
    assert names_in(content) & {"modeltab/main.pyc", "modeltab/__init__.pyc"} == {"modeltab/__init__.pyc"}
    assert zipfile.ZipFile(io.BytesIO(content)).read("modeltab/main.py") == b"VALUE = 22\n"
    assert get("/static/app.zip", {"If-None-Match": response.headers["ETag"]})[0].status == 304


def test_an_app_that_was_never_compiled_is_served_as_sources(site, get):
    _, content = get("/static/app.zip")
    assert "modeltab/main.py" in names_in(content)
    assert not any(name.endswith(".pyc") for name in names_in(content))


def test_a_step_is_done_again_only_when_what_it_was_made_from_changes(site):
    stamps = Stamps(site / ".setup" / "stamps.json")
    before = hash_of(site / "src")
    assert not stamps.is_fresh("app", before)
    stamps.set("app", before)
    assert stamps.is_fresh("app", hash_of(site / "src"), site / "index.html")
    assert not stamps.is_fresh("app", hash_of(site / "src"), site / "missing")
    (site / "src/modeltab/main.py").write_bytes(b"VALUE = 2\n")
    assert not stamps.is_fresh("app", hash_of(site / "src"))


IMPORT_ALL = """
import { loadPyodide } from "pyodide";
const pyodide = await loadPyodide({ stdLibURL: process.argv[1] });
console.log(pyodide.runPython(`
import importlib, json, sys, warnings, zipfile
warnings.simplefilter("ignore")
names = zipfile.ZipFile(next(path for path in sys.path if path.endswith(".zip"))).namelist()
failed = {}
for name in names:
    module = name.removesuffix(".pyc").replace("/", ".").removesuffix(".__init__")
    if module.endswith("__main__"):
        continue
    try:
        importlib.import_module(module)
    except ImportError as error:
        failed[module] = str(error)
json.dumps([len(names), failed])
`));
"""


def test_every_module_left_in_the_browsers_standard_library_can_be_imported():
    library = ROOT / "static/vendor/pyodide/python_stdlib.zip"
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", IMPORT_ALL, str(library)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    count, failed = json.loads(done.stdout)
    assert failed == {}
    assert count > 300


def test_no_module_of_pyodides_own_is_left_out_of_the_standard_library():
    with zipfile.ZipFile(ROOT / stdlib.STOCK_ARCHIVE) as stock:
        modules = [name for name in stock.namelist() if name.endswith(".py")]
    ours = [name for name in modules if name.startswith(("pyodide/", "_pyodide/"))]
    assert ours
    assert all(stdlib.stays(name) for name in ours)
