"""A scripted Ollama with a memory: models that it keeps, loads, copies, deletes, "downloads" and makes of files that are sent,
and answers as they are told.

    with ollama_server(models={"llama3.2:1b": OllamaModel(answer="Hello.")}, origins=["https://app.example"]) as server:
        ...  # the app talks to server.url

Shaped after Ollama's docs/api.md, docs/openapi.yaml and server/routes.go of August 2026, and held against them:
tests/unit/test_ollama.py lets Ollama's own Python client work with it and checks what it says against Ollama's OpenAPI
document. Its rules for pages are Ollama's: pages of this machine may ask, others only by `origins`, and with no other
headers than Ollama allows; what is not allowed is answered 403 without a CORS header.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from tests.servers.openapi import Exchange
from tests.servers.scripted import RecordedRequest, Reply, Script, ScriptedServer

VERSION = "0.17.9"
#: envconfig.AllowedOrigins: what is always allowed.
ORIGINS = (
    *(f"{scheme}://{host}" for host in ("localhost", "127.0.0.1", "0.0.0.0") for scheme in ("http", "https")),
    *(f"{scheme}://{host}:*" for host in ("localhost", "127.0.0.1", "0.0.0.0") for scheme in ("http", "https")),
    "app://*",
    "file://*",
    "tauri://*",
    "vscode-webview://*",
    "vscode-file://*",
)
#: GenerateRoutes: the headers that a page may send.
HEADERS = (
    "Authorization,Content-Type,User-Agent,Accept,X-Requested-With,Openai-Beta,"
    "X-Stainless-Arch,X-Stainless-Async,X-Stainless-Custom-Poll-Interval,X-Stainless-Helper-Method,X-Stainless-Lang,"
    "X-Stainless-Os,X-Stainless-Package-Version,X-Stainless-Poll-Helper,X-Stainless-Retry-Count,X-Stainless-Runtime,"
    "X-Stainless-Runtime-Version,X-Stainless-Timeout"
)
METHODS = "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS"
JSON = "application/json; charset=utf-8"
NDJSON = "application/x-ndjson"
MODIFIED = "2026-10-03T23:34:03.409490317+02:00"
EXPIRES = "2026-11-17T16:47:07.93355+01:00"
FOREVER = "2318-02-28T13:16:12.93355Z"
THINK_LEVELS = ("high", "medium", "low", "max")
TOKEN_NS = 20_000_000
#: How many lines tell of a layer while it comes.
PULL_STEPS = 4
#: types/model/name.go: {namespace}/{model}:{tag}, each optional but the model.
NAME = re.compile(r"(?:\w[\w-]{0,79}/)?\w[\w.-]{0,79}(?::\w[\w.-]{0,79})?", re.ASCII)
#: What `verbose` tells of a model, whichever it is.
TENSORS = (
    {"name": "token_embd.weight", "type": "Q8_0", "shape": [64, 256]},
    {"name": "output_norm.weight", "type": "F32", "shape": [64]},
)
TOKENS = [f"token {number}" for number in range(256)]


@dataclass(frozen=True)
class OllamaModel:
    """A model. Without ``answer`` it says what it was asked.

    ``fails_after`` and ``cut_after`` end an answer after so many of its lines, with an error's line or with nothing;
    ``load_error`` is why it cannot be loaded. With ``remote_host`` it is a cloud model.
    """

    answer: str = ""
    thinking: str = ""
    tool_calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    size: int = 1_321_098_329
    family: str = "llama"
    parameters: str = "1.2B"
    quantization: str = "Q8_0"
    context_length: int = 131_072
    capabilities: tuple[str, ...] = ("completion",)
    license: str = "LLAMA 3.2 COMMUNITY LICENSE AGREEMENT\nLlama 3.2 Version Release Date: September 25, 2024"
    template: str = "{{ .Prompt }}"
    remote_host: str = ""
    remote_model: str = ""
    fails_after: int | None = None
    cut_after: int | None = None
    load_error: str = ""
    file_digest: str = "74701a8c35f6c8d9a4b91f3f3497643001d63e0c7a84e085bed452548fa88d45"

    @property
    def details(self) -> dict[str, Any]:
        """The part that lists and details share."""
        return {
            "parent_model": "",
            "format": "gguf",
            "family": self.family,
            "families": [self.family],
            "parameter_size": self.parameters,
            "quantization_level": self.quantization,
        }


@dataclass
class _Recorded:
    """An exchange whose reply may still be on its way."""

    request: RecordedRequest
    status: int
    reply_type: str
    reply: bytearray = field(default_factory=bytearray)


class OllamaServer(ScriptedServer):
    """A scripted Ollama. A method and path that a test scripts itself is answered by that script.

    ``registry`` has what can be pulled, ``lingers`` says for how many looks at /api/ps a model stays that was unloaded,
    ``key`` is what a proxy before it wants to see, and ``levels`` is False for versions before 0.17.7, which took levels
    of thinking for gpt-oss only.
    """

    def __init__(
        self,
        models: Mapping[str, OllamaModel] | None = None,
        origins: Iterable[str] = (),
        *,
        registry: Mapping[str, OllamaModel] | None = None,
        version: str = VERSION,
        key: str = "",
        levels: bool = True,
        lingers: int = 0,
        chunk_delay_s: float = 0.0,
        pull_delay_s: float = 0.0,
        load_delay_s: float = 0.0,
    ) -> None:
        super().__init__()
        self.models = {full_name(name): model for name, model in (models or {}).items()}
        self.registry = {full_name(name): model for name, model in (registry or {}).items()}
        self.loaded: dict[str, dict[str, Any]] = {}
        self.origins = tuple(origins)
        self._version = version
        self._key = key
        self._levels = levels
        self._lingers = lingers
        self._leaving: dict[str, int] = {}
        self._delays = (chunk_delay_s, pull_delay_s, load_delay_s)
        self._blobs: dict[str, int] = {}
        self.blobs: dict[str, bytes] = {}
        self._recorded: list[_Recorded] = []
        self._lock = threading.RLock()

    @property
    def exchanges(self) -> list[Exchange]:
        """Every request to the API so far with what of its reply has gone; preflights are not among them."""
        return [
            Exchange(
                done.request.method,
                done.request.path,
                done.request.headers.get("content-type", ""),
                done.request.body,
                done.status,
                done.reply_type,
                bytes(done.reply),
            )
            for done in list(self._recorded)
        ]

    def script(self, method: str, path: str) -> Script:
        """What the test scripted, or what an Ollama does."""
        return super().script(method, path) or self._answer

    # ---- Who may ask ---------------------------------------------------------------------------------------------

    def _answer(self, request: RecordedRequest) -> Reply:
        origin = request.headers.get("origin", "")
        host = request.headers.get("host", "")
        cors: dict[str, str] = {}
        if origin and origin not in (f"http://{host}", f"https://{host}"):
            if not self._allows(origin):
                return Reply(status=403, content_type="text/plain", cors=False)
            cors = {"Access-Control-Allow-Origin": "*"} if "*" in self.origins else {"Access-Control-Allow-Origin": origin}
            if request.method == "OPTIONS":
                preflight = {
                    "Access-Control-Allow-Methods": METHODS,
                    "Access-Control-Allow-Headers": HEADERS,
                    "Access-Control-Max-Age": "43200",
                }
                return Reply(status=204, content_type="text/plain", cors=False, headers={**cors, **preflight})
        if self._key and request.headers.get("authorization") != f"Bearer {self._key}":
            reply = _error(401, "unauthorized")
        else:
            with self._lock:
                reply = self._routed(request)
        return replace(self._record(request, reply), cors=False, headers={**reply.headers, **cors})

    def _allows(self, origin: str) -> bool:
        """gin-contrib/cors: literal, or with one * in it."""
        patterns = (pattern.lower().partition("*") for pattern in (*self.origins, *ORIGINS))
        return any(
            origin.startswith(start) and origin.endswith(end) if star else origin == start for start, star, end in patterns
        )

    def _record(self, request: RecordedRequest, reply: Reply) -> Reply:
        done = _Recorded(request, reply.status, reply.content_type, bytearray(reply.body))
        self._recorded.append(done)
        if reply.chunks is None:
            return reply
        return replace(reply, chunks=_kept(reply.chunks, done.reply))

    # ---- The API -------------------------------------------------------------------------------------------------

    def _routed(self, request: RecordedRequest) -> Reply:
        if request.path.startswith("/api/blobs/") and request.method in ("HEAD", "POST"):
            return self._blob(request)
        handlers = {
            ("GET", "/"): lambda body: Reply(body=b"Ollama is running", content_type="text/plain; charset=utf-8"),
            ("GET", "/api/version"): lambda body: _json({"version": self._version}),
            ("GET", "/api/tags"): lambda body: _json({"models": [self._listed(name) for name in self.models]}),
            ("GET", "/api/ps"): lambda body: self._ps(),
            ("POST", "/api/show"): self._show,
            ("POST", "/api/generate"): self._generate,
            ("POST", "/api/chat"): self._chat,
            ("POST", "/api/copy"): self._copy,
            ("DELETE", "/api/delete"): self._delete,
            ("POST", "/api/pull"): self._pull,
            ("POST", "/api/create"): self._create,
        }
        handler = handlers.get((request.method, request.path))
        if handler is None:
            known = any(path == request.path for _, path in handlers)
            words = b"405 method not allowed" if known else b"404 page not found"
            return Reply(status=405 if known else 404, body=words, content_type="text/plain")
        if request.method == "GET":
            return handler({})
        if not request.body:
            return _error(400, "missing request body")
        try:
            body = request.json()
        except ValueError as error:
            return _error(400, f"invalid character: {error}")
        if not isinstance(body, dict):
            return _error(400, "json: cannot unmarshal value into Go value")
        return handler(body)

    def _listed(self, name: str) -> dict[str, Any]:
        model = self.models[name]
        remote = {"remote_model": model.remote_model, "remote_host": model.remote_host} if model.remote_host else {}
        return {
            "name": name,
            "model": name,
            **remote,
            "modified_at": MODIFIED,
            "size": 384 if remote else model.size,
            "digest": digest(name),
            "details": {**model.details, "context_length": model.context_length},
            "capabilities": list(model.capabilities),
        }

    def _ps(self) -> Reply:
        for name in [name for name, looks in self._leaving.items() if looks <= 0]:
            del self._leaving[name]
            self.loaded.pop(name, None)
        self._leaving = {name: looks - 1 for name, looks in self._leaving.items()}
        return _json({"models": [self._running(name, options) for name, options in self.loaded.items()]})

    def _running(self, name: str, options: dict[str, Any]) -> dict[str, Any]:
        model = self.models.get(name) or OllamaModel()
        return {
            "name": name,
            "model": name,
            "size": model.size,
            "digest": digest(name),
            "details": model.details,
            "expires_at": options["expires"],
            "size_vram": 0 if options.get("num_gpu") == 0 else model.size,
            "context_length": options.get("num_ctx", 4096),
        }

    def _show(self, body: dict[str, Any]) -> Reply:
        if not body.get("model"):
            return _error(400, "model is required")
        model = self.models.get(full_name(body["model"]))
        if model is None:
            return _error(404, f"model '{body['model']}' not found")
        info = {
            "general.architecture": model.family,
            "general.parameter_count": 1_235_814_432,
            f"{model.family}.context_length": model.context_length,
            "tokenizer.ggml.tokens": TOKENS if body.get("verbose") else None,
        }
        remote = {"remote_model": model.remote_model, "remote_host": model.remote_host} if model.remote_host else {}
        return _json(
            {
                "license": model.license,
                "modelfile": f'# Modelfile generated by "ollama show"\n'
                f"# To build a new Modelfile based on this, replace FROM with:\n# FROM {body['model']}\n\n"
                f"FROM {'' if remote else f'/root/.ollama/models/blobs/sha256-{model.file_digest}'}\n"
                f'TEMPLATE """{model.template}"""\n',
                "parameters": "temperature                    0.7",
                "template": model.template,
                "details": model.details,
                **remote,
                "model_info": info,
                **({} if remote else {"tensors": list(TENSORS)}),
                "capabilities": list(model.capabilities),
                "modified_at": MODIFIED,
            }
        )

    def _copy(self, body: dict[str, Any]) -> Reply:
        source = full_name(str(body.get("source") or ""))
        destination = str(body.get("destination") or "")
        if not destination:
            return _error(400, f'destination "{destination}" is invalid')
        if source not in self.models:
            return _error(404, f'model "{body.get("source")}" not found')
        self.models[full_name(destination)] = self.models[source]
        return Reply(content_type="text/plain")

    def _delete(self, body: dict[str, Any]) -> Reply:
        name = full_name(str(body.get("model") or ""))
        if name not in self.models:
            return _error(404, f"model '{body.get('model')}' not found")
        del self.models[name]
        return Reply(content_type="text/plain")

    def _blob(self, request: RecordedRequest) -> Reply:
        """HeadBlobHandler and CreateBlobHandler."""
        digest_ = request.path.removeprefix("/api/blobs/")
        if not re.fullmatch(r"sha256[:-][0-9a-fA-F]{64}", digest_):
            return _error(400, "invalid digest format")
        digest_ = digest_.replace("-", ":")
        if request.method == "HEAD":
            return Reply(content_type="text/plain") if digest_ in self.blobs else _error(404, f'blob "{digest_}" not found')
        if digest_ in self.blobs:
            return Reply(content_type="text/plain")
        found = "sha256:" + hashlib.sha256(request.body).hexdigest()
        self.blobs[found] = request.body
        if found != digest_:
            return _error(400, f'digest mismatch, expected "{digest_}", got "{found}"')
        return Reply(status=201, content_type="text/plain")

    def _create(self, body: dict[str, Any]) -> Reply:
        """CreateHandler, as far as files go."""
        files = body.get("files") or {}
        for path, digest_ in files.items():
            if not path or path.startswith("/") or {"", ".", ".."} & set(path.split("/")):
                return _error(400, "file path must be relative")
            if not digest_:
                return _error(400, "invalid digest format")
        name = str(body.get("model") or "")
        if not NAME.fullmatch(name):
            return _error(400, "invalid model name")
        name = next((known for known in self.models if known.lower() == full_name(name).lower()), full_name(name))
        if not files:
            return _error(400, "neither 'from' or 'files' was specified")
        kinds = {self.blobs.get(digest_, b"")[:4] for digest_ in files.values()}
        if kinds != {b"GGUF"} and all(digest_ in self.blobs for digest_ in files.values()):
            named = any(path.endswith(".gguf") for path in files)
            return _error(400, "supplied file was not in GGUF format" if named else "unknown type")
        lines = self._created(name, files)
        if body.get("stream") is False:
            last = list(lines)[-1]
            return _json(last, 500 if "error" in last else 200)
        return _stream(lines, self._delays[1])

    def _created(self, name: str, files: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        yield {"status": "parsing GGUF"}
        for digest_ in files.values():
            if digest_ not in self.blobs:
                path = f"/root/.ollama/models/blobs/{digest_.replace(':', '-')}"
                yield {"error": f"open {path}: no such file or directory"}
                return
        size = sum(len(self.blobs[digest_]) for digest_ in files.values())
        made = next(iter(files.values()))
        if self._copies_files:
            for step in range(1, PULL_STEPS + 1):
                done = size * step // PULL_STEPS
                yield {"status": "validating GGUF model", "digest": "0" * 19, "total": size, "completed": done}
            yield {"status": "verifying conversion"}
            made = "sha256:" + digest(f"{made} written anew")
        yield {"status": f"{'creating new' if self._copies_files else 'using existing'} layer {made}"}
        yield {"status": "writing manifest"}
        self.models[name] = OllamaModel(size=size, file_digest=made.removeprefix("sha256:"))
        yield {"status": "success"}

    @property
    def _copies_files(self) -> bool:
        """Since 0.30 a file is written anew, to check it."""
        return tuple(int(part) for part in self._version.split(".")[:2]) >= (0, 30)

    def _pull(self, body: dict[str, Any]) -> Reply:
        if not body.get("model"):
            return _error(400, "invalid model name")
        lines = self._pulled(full_name(body["model"]))
        if body.get("stream") is False:
            last = list(lines)[-1]
            return _json(last, 500 if "error" in last else 200)
        return _stream(lines, self._delays[1])

    def _pulled(self, name: str) -> Iterator[dict[str, Any]]:
        yield {"status": "pulling manifest"}
        model = self.registry.get(name) or self.models.get(name)
        if model is None:
            yield {"error": "pull model manifest: file does not exist"}
            return
        for number, total in enumerate((model.size, 11_000, 485)):
            layer = "sha256:" + digest(f"{name} {number}")
            line = {"status": f"pulling {layer[7:19]}", "digest": layer, "total": total}
            there = self._blobs.get(layer, 0)
            yield {**line, "completed": there} if there else line
            for step in range(1, PULL_STEPS + 1):
                completed = max(there, total * step // PULL_STEPS)
                self._blobs[layer] = completed
                yield {**line, "completed": completed}
        yield {"status": "verifying sha256 digest"}
        yield {"status": "writing manifest"}
        self.models[name] = model
        yield {"status": "success"}

    # ---- Answers -------------------------------------------------------------------------------------------------

    def _generate(self, body: dict[str, Any]) -> Reply:
        return self._run(body, str(body.get("prompt") or ""), [], "response")

    def _chat(self, body: dict[str, Any]) -> Reply:
        messages = body.get("messages") or []
        asked = str(messages[-1].get("content") or "") if messages else ""
        return self._run(body, asked, messages, "message")

    def _run(self, body: dict[str, Any], asked: str, messages: list[dict[str, Any]], place: str) -> Reply:
        if not body.get("model"):
            return _error(400, "model is required") if place == "message" else _error(404, "model '' not found")
        name = full_name(body["model"])
        model = self.models.get(name)
        if model is None:
            return _error(404, f"model '{body['model']}' not found")
        think = body.get("think")
        if isinstance(think, str) and think not in THINK_LEVELS:
            return _error(400, f'invalid think value: "{think}" (must be "high", "medium", "low", "max", true, or false)')
        if think and "thinking" not in model.capabilities:
            return _error(400, f'"{body["model"]}" does not support thinking')
        if isinstance(think, str) and not self._levels and model.family != "gptoss":
            return _error(400, f'think value "{think}" is not supported for this model')
        made = {"model": body["model"], "created_at": "2026-11-25T10:00:00.123456Z"}
        empty: dict[str, Any] = {"message": {"role": "assistant", "content": ""}} if place == "message" else {"response": ""}
        if not asked and not messages:
            if body.get("keep_alive") == 0:
                self._leaving[name] = self._lingers
                return _json({**made, **empty, "done": True, "done_reason": "unload"})
            if model.load_error:
                return _error(500, model.load_error)
            self._load(name, body)
            return replace(_json({**made, **empty, "done": True, "done_reason": "load"}), delay_s=self._delays[2])
        if model.load_error:
            return _error(500, model.load_error)
        if not model.remote_host:
            self._load(name, body)
        lines = self._said(model, body, asked, messages, place, made)
        if body.get("stream") is False:
            return _json(_joined(list(lines), place))
        return _stream(lines, self._delays[0])

    def _load(self, name: str, body: dict[str, Any]) -> None:
        self._leaving.pop(name, None)
        options = {**self.loaded.get(name, {}), **(body.get("options") or {})}
        self.loaded[name] = {**options, "expires": FOREVER if body.get("keep_alive") == -1 else EXPIRES}

    def _said(
        self,
        model: OllamaModel,
        body: dict[str, Any],
        asked: str,
        messages: list[dict[str, Any]],
        place: str,
        made: dict[str, Any],
    ) -> Iterator[dict[str, Any]]:
        thinks = "thinking" in model.capabilities and body.get("think") is not False
        pieces = [("thinking", piece) for piece in _words(model.thinking)] if thinks else []
        pieces += [("content", piece) for piece in _words(model.answer or f"You said: {asked}")]
        limit = (body.get("options") or {}).get("num_predict", -1)
        reason = "length" if 0 < limit < len(pieces) else "stop"
        pieces = pieces[:limit] if limit > 0 else pieces
        for number, (kind, piece) in enumerate(pieces):
            if number == model.cut_after:
                return
            if number == model.fails_after:
                yield {"error": "llama runner process has terminated"}
                return
            yield {**made, **_piece(place, kind, piece), "done": False, **_logprobs(body, piece)}
        for number, (tool, arguments) in enumerate(model.tool_calls):
            call = {"id": f"call_{number}", "function": {"index": number, "name": tool, "arguments": dict(arguments)}}
            yield {**made, "message": {"role": "assistant", "content": "", "tool_calls": [call]}, "done": False}
        prompt = sum(len(_words(str(message.get("content") or ""))) for message in messages) or len(_words(asked))
        yield {
            **made,
            **_piece(place, "content", ""),
            "done": True,
            "done_reason": reason,
            "total_duration": (prompt + len(pieces)) * TOKEN_NS,
            "load_duration": 1_000_000,
            "prompt_eval_count": prompt,
            "prompt_eval_duration": prompt * TOKEN_NS,
            "eval_count": len(pieces),
            "eval_duration": len(pieces) * TOKEN_NS,
        }


def full_name(name: str) -> str:
    """A model's name with its tag, as Ollama completes it."""
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def digest(name: str) -> str:
    """A digest that belongs to a name."""
    return hashlib.sha256(name.encode()).hexdigest()


def _words(text: str) -> list[str]:
    return re.findall(r"\S+\s*|\s+", text)


def _logprobs(body: dict[str, Any], piece: str) -> dict[str, Any]:
    """What is told of a token when it is asked for: every one came by a half."""
    if not body.get("logprobs"):
        return {}
    told = {"token": piece, "logprob": math.log(0.5), "bytes": list(piece.encode())}
    others = [told, {"token": "?", "logprob": math.log(0.25), "bytes": [63]}]
    return {"logprobs": [{**told, "top_logprobs": others[: body.get("top_logprobs", 0)]}]}


def _piece(place: str, kind: str, text: str) -> dict[str, Any]:
    if place == "response":
        return {"response": text if kind == "content" else "", **({"thinking": text} if kind == "thinking" else {})}
    message = {"role": "assistant", "content": text if kind == "content" else ""}
    return {"message": {**message, **({"thinking": text} if kind == "thinking" else {})}}


def _joined(lines: list[dict[str, Any]], place: str) -> dict[str, Any]:
    """A stream as the one reply that stands for it."""
    if place == "response":
        return {**lines[-1], "response": "".join(str(line.get("response", "")) for line in lines)}
    message: dict[str, Any] = {"role": "assistant", "content": "".join(line["message"]["content"] for line in lines)}
    thinking = "".join(line["message"].get("thinking", "") for line in lines)
    calls = [call for line in lines for call in line["message"].get("tool_calls", ())]
    message.update({name: value for name, value in (("thinking", thinking), ("tool_calls", calls)) if value})
    return {**lines[-1], "message": message}


def _kept(chunks: Iterable[bytes], kept: bytearray) -> Iterator[bytes]:
    for chunk in chunks:
        kept.extend(chunk)
        yield chunk


def _stream(lines: Iterator[dict[str, Any]], delay_s: float) -> Reply:
    """streamResponse: a line each; an error that comes before all else is a reply of its own."""
    first = next(lines, None)
    if first is not None and "error" in first:
        return _json(first, 500)
    everything = itertools.chain([] if first is None else [first], lines)
    encoded = (json.dumps(line).encode() + b"\n" for line in everything)
    return Reply(content_type=NDJSON, chunks=encoded, chunk_delay_s=delay_s)


def _json(value: Any, status: int = 200) -> Reply:
    return Reply(status=status, body=json.dumps(value).encode(), content_type=JSON)


def _error(status: int, words: str) -> Reply:
    return _json({"error": words}, status)


@contextmanager
def ollama_server(
    models: Mapping[str, OllamaModel] | None = None, origins: Iterable[str] = (), **options: Any
) -> Iterator[OllamaServer]:
    """A scripted Ollama for as long as the block lasts; ``options`` are those of OllamaServer."""
    with OllamaServer(models, origins, **options) as server:
        yield server
