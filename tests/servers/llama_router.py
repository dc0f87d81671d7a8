"""A scripted llama-server in router mode: models that it loads, unloads, downloads and deletes as it is told.

    with llama_router({"org/tiny-GGUF:Q8_0": RouterModel(answer="Hello.")}, autoload=False) as server:
        ...  # the app talks to server.url

Shaped after llama.cpp's tools/server/README.md, "Using multiple models", and server-models.cpp of August 2026: xllamacpp,
which the tests have as a real llama-server, has no router. What takes time there takes looks at the list here: a model
loads, comes or leaves a little further each time that somebody asks for the list.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from tests.servers.scripted import RecordedRequest, Reply, Script, ScriptedServer

BUILD = "b11549-1a2b3c4"
N_CTX = 4096
MIB = 1024 * 1024
#: What needs no key.
PUBLIC = frozenset({"/health", "/v1/health"})
RUNNING = frozenset({"loaded", "loading", "sleeping"})


@dataclass(frozen=True)
class RouterModel:
    """A model. Without ``answer`` it says what it was asked.

    ``source`` is where the router has it from, and ``fails`` is whether it does not load or, in ``hub``, does not come.
    """

    answer: str = ""
    size: int = 100 * MIB
    source: str = "cache"
    inputs: tuple[str, ...] = ("text",)
    fails: bool = False


@dataclass
class _State:
    value: str = "unloaded"
    looks: int = 0
    failed: bool = False


class LlamaRouter(ScriptedServer):
    """A scripted router. A method and path that a test scripts itself is answered by that script.

    ``hub`` is what can be downloaded, by whole names; a name without a quantization finds the first that it begins.
    ``folder`` is what a reload finds. ``looks`` is how many looks at the list a load, a download or a leave takes.
    """

    def __init__(
        self,
        models: Mapping[str, RouterModel] | None = None,
        *,
        hub: Mapping[str, RouterModel] | None = None,
        folder: Mapping[str, RouterModel] | None = None,
        autoload: bool = True,
        looks: int = 2,
        key: str = "",
        chunk_delay_s: float = 0.0,
    ) -> None:
        super().__init__()
        self.models = dict(models or {})
        self.states = {name: _State() for name in self.models}
        self.hub = dict(hub or {})
        self.folder = dict(folder or {})
        self._coming: dict[str, str] = {}
        self._autoload = autoload
        self.looks = looks
        self._key = key
        self._chunk_delay_s = chunk_delay_s

    def script(self, method: str, path: str) -> Script | None:
        """What the test scripted, or what a router does."""
        scripted = super().script(method, path)
        return scripted if scripted or method == "OPTIONS" else self._answer

    def put(self, name: str, value: str) -> None:
        """Bring a model into a state."""
        self.states[name] = _State(value)

    def _answer(self, request: RecordedRequest) -> Reply:
        if self._key and request.path not in PUBLIC and self._key_of(request) != self._key:
            return _error(401, "Invalid API Key", "authentication_error")
        handlers = {
            ("GET", "/health"): lambda request: _json({"status": "ok"}),
            ("GET", "/props"): self._props,
            ("GET", "/slots"): self._slots,
            ("GET", "/models"): self._list,
            ("GET", "/v1/models"): self._list,
            ("POST", "/models"): self._download,
            ("DELETE", "/models"): self._delete,
            ("POST", "/models/load"): self._load,
            ("POST", "/models/unload"): self._unload,
            ("POST", "/apply-template"): self._template,
            ("POST", "/tokenize"): self._tokenize,
            ("POST", "/v1/chat/completions"): self._chat,
        }
        handler = handlers.get((request.method, request.path))
        return handler(request) if handler else _error(404, "File Not Found", "not_found_error")

    def _key_of(self, request: RecordedRequest) -> str:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        return bearer or request.headers.get("x-api-key", "")

    # ---- The router's own ----------------------------------------------------------------------------------------

    def _list(self, request: RecordedRequest) -> Reply:
        if "reload" in parse_qs(request.query):
            for name, model in self.folder.items():
                self.models.setdefault(name, model)
                self.states.setdefault(name, _State())
        for name in list(self.states):
            self._advance(name)
        return _json({"data": [self._entry(name) for name in self.states], "object": "list"})

    def _advance(self, name: str) -> None:
        state = self.states[name]
        if state.value not in ("loading", "downloading", "leaving"):
            return
        state.looks += 1
        if state.looks <= self.looks:
            return
        if state.value == "downloading":
            whole = self._coming.pop(name)
            del self.states[name]
            if not self.hub[whole].fails:
                self.models[whole], self.states[whole] = self.hub[whole], _State()
        elif state.value == "loading" and not self.models[name].fails:
            state.value = "loaded"
        else:
            state.failed = state.value == "loading"
            state.value = "unloaded"

    def _entry(self, name: str) -> dict[str, Any]:
        state = self.states[name]
        model = self.models.get(name) or self.hub[self._coming[name]]
        # A model that is told to leave is there until it is gone.
        status: dict[str, Any] = {"value": "loaded" if state.value == "leaving" else state.value}
        if state.value != "downloading":
            status["args"] = ["llama-server", "--ctx-size", str(N_CTX)]
        share = state.looks / (self.looks + 1)
        if state.value == "downloading":
            files = {"model": model.size, "mmproj": MIB}
            status["progress"] = {
                f"https://huggingface.co/{name}/{file}.gguf": {"done": int(size * share), "total": size}
                for file, size in files.items()
            }
        elif state.value == "loading":
            status["progress"] = {"stages": ["text_model"], "current": "text_model", "value": share}
        if state.failed:
            status.update(failed=True, exit_code=1)
        meta = {"n_ctx": N_CTX, "n_ctx_train": 8192, "n_params": 135_000_000, "size": model.size, "ftype": "Q8_0"}
        return {
            "id": name,
            "aliases": [],
            "tags": [],
            "object": "model",
            "owned_by": "llamacpp",
            "created": 1_795_662_933,
            "status": status,
            "architecture": {"input_modalities": list(model.inputs), "output_modalities": ["text"]},
            "source": model.source,
            "can_remove": model.source == "cache",
            **({"meta": meta} if state.value in ("loaded", "sleeping") else {}),
        }

    def _download(self, request: RecordedRequest) -> Reply:
        name = request.json().get("model", "")
        wanted = name.casefold()
        whole = next((id_ for id_ in self.hub if id_.casefold() == wanted or id_.casefold().startswith(wanted + ":")), None)
        if whole is None:
            return _error(400, "model validation failed, unable to download")
        if name in self.states:
            return _error(400, f"model '{name}' already exists")
        self._coming[name] = whole
        self.states[name] = _State("downloading")
        return _json({"success": True})

    def _delete(self, request: RecordedRequest) -> Reply:
        (name,) = parse_qs(request.query)["model"]
        if name not in self.models:
            return _error(500, f"model name={name} is not found", "server_error")
        if self.models[name].source != "cache":
            return _error(500, f"model name={name} is not removable (not from cache)", "server_error")
        del self.models[name], self.states[name]
        return _json({"success": True})

    def _load(self, request: RecordedRequest) -> Reply:
        name = request.json()["model"]
        if name not in self.states:
            return _error(404, "model is not found", "not_found_error")
        if self.states[name].value in RUNNING:
            return _error(400, "model is already running")
        self.put(name, "loading")
        return _json({"success": True})

    def _unload(self, request: RecordedRequest) -> Reply:
        name = request.json()["model"]
        if name not in self.states:
            return _error(400, "model is not found")
        value = self.states[name].value
        if value == "downloading":
            del self.states[name], self._coming[name]
        elif value == "loading":
            self.put(name, "unloaded")
        elif value in RUNNING:
            self.put(name, "leaving")
        else:
            return _error(400, "model is not running")
        return _json({"success": True})

    # ---- What its models answer ----------------------------------------------------------------------------------

    def _refused(self, name: str, request: RecordedRequest) -> Reply | None:
        """Why a request does not reach a model; with autoload, it is loaded for it."""
        if name not in self.models:
            return _error(400, f"model '{name}' not found")
        if self.states[name].value in RUNNING:
            return None
        asked = parse_qs(request.query).get("autoload")
        if not (asked[0] == "true" if asked else self._autoload):
            return _error(400, "model is not loaded")
        if self.models[name].fails:
            return _error(500, f"model name={name} failed to load", "server_error")
        self.put(name, "loaded")
        return None

    def _props(self, request: RecordedRequest) -> Reply:
        name = parse_qs(request.query).get("model", [""])[0]
        if not name:
            return _json(
                {
                    "role": "router",
                    "max_instances": 4,
                    "models_autoload": self._autoload,
                    "model_alias": "llama-server",
                    "model_path": "none",
                    "default_generation_settings": {"params": None, "n_ctx": 0},
                    "build_info": BUILD,
                }
            )
        return self._refused(name, request) or _json(
            {
                "default_generation_settings": {"params": {"temperature": 0.8}, "n_ctx": N_CTX},
                "total_slots": 2,
                "model_path": f"/cache/{name}.gguf",
                "modalities": {"vision": "image" in self.models[name].inputs, "audio": False},
                "chat_template": "{{ messages }}",
                "build_info": BUILD,
                "is_sleeping": self.states[name].value == "sleeping",
            }
        )

    def _slots(self, request: RecordedRequest) -> Reply:
        name = parse_qs(request.query)["model"][0]
        return self._refused(name, request) or _json([{"id": 0, "is_processing": True}, {"id": 1, "is_processing": False}])

    def _template(self, request: RecordedRequest) -> Reply:
        body = request.json()
        text = "".join(f"<{message['role']}>{message['content']}\n" for message in body["messages"])
        return self._refused(body["model"], request) or _json({"prompt": text})

    def _tokenize(self, request: RecordedRequest) -> Reply:
        body = request.json()
        return self._refused(body["model"], request) or _json({"tokens": list(range(len(body["content"].split())))})

    def _chat(self, request: RecordedRequest) -> Reply:
        body = request.json()
        refused = self._refused(body["model"], request)
        if refused:
            return refused
        words = (self.models[body["model"]].answer or f"You said: {body['messages'][-1]['content']}").split(" ")
        pieces = [word + " " for word in words[:-1]] + words[-1:]
        return Reply(content_type="text/event-stream", chunks=_said(pieces), chunk_delay_s=self._chunk_delay_s)


def _said(pieces: list[str]) -> Iterator[bytes]:
    for piece in pieces:
        yield _event({"choices": [{"index": 0, "finish_reason": None, "delta": {"content": piece}}]})
    yield _event({"choices": [{"index": 0, "finish_reason": "stop", "delta": {}}]})
    yield _event({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": len(pieces)}})
    yield b"data: [DONE]\n\n"


def _event(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def _json(value: Any, status: int = 200) -> Reply:
    return Reply(status=status, body=json.dumps(value).encode(), content_type="application/json; charset=utf-8")


def _error(status: int, message: str, kind: str = "invalid_request_error") -> Reply:
    return _json({"error": {"code": status, "message": message, "type": kind}}, status)


@contextmanager
def llama_router(models: Mapping[str, RouterModel] | None = None, **options: Any) -> Iterator[LlamaRouter]:
    """A scripted router for as long as the block lasts; ``options`` are those of LlamaRouter."""
    with LlamaRouter(models, **options) as server:
        yield server
