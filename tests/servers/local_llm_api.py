"""The reference Local LLM API server: docs/local-llm-api.openapi.yaml with a real model behind it.

The app never ships this. Tests start it, and so can anyone who wants the API on their own computer:

    python tests/servers/local_llm_api.py --port 0 --models DIR

It prints one line, ``listening on http://HOST:PORT/api/v1``, once it accepts requests. ``--engine echo`` needs no model
and no llama.cpp: it answers with the question, for tests in which a model's speed would only be in the way.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol, cast

from flask import Blueprint, Flask, jsonify, request
from flask.typing import ResponseReturnValue
from flask_cors import CORS
from werkzeug.exceptions import (
    BadRequest,
    ClientDisconnected,
    Conflict,
    HTTPException,
    InternalServerError,
    NotFound,
    RequestEntityTooLarge,
)
from werkzeug.sansio.multipart import Data, Epilogue, Event, File, MultipartDecoder, NeedData
from werkzeug.serving import make_server
from werkzeug.wsgi import LimitedStream, get_content_length

API_PREFIX = "/api/v1"
SERVICE = "Local LLM API"
VERSION = "1.0.0"
GGUF_SUFFIX = ".gguf"
PARTIAL_PREFIX = ".upload-"

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 5000
DEFAULT_MAX_CONTENT_LENGTH = 10 * 1024**3
DEFAULT_MAX_TOKENS = 256
DEFAULT_N_GPU_LAYERS = 40
DEFAULT_N_BATCH = 512
DEFAULT_TEMPERATURE = 0.6

CONTEXT_TOKENS = 4096
CHUNK_BYTES = 256 * 1024
# What a form may hold in memory at once: file content passes through, so only part headers count.
FORM_BUFFER_BYTES = 4 * CHUNK_BYTES
INT32_MAX = 2**31 - 1


# ---- Model files -----------------------------------------------------------------------------------------------------


def human_size(size_bytes: int) -> str:
    """A size in bytes as a number and a unit, in steps of 1024: ``"512 B"``, ``"98.2 MB"``, ``"4.1 GB"``."""
    if size_bytes < 1024:
        return f"{size_bytes} B"
    size = float(size_bytes)
    for unit in ("KB", "MB", "GB"):
        size /= 1024
        # 1023.95 would be written as "1024.0", which is one of the next unit.
        if size < 1023.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} TB"


def safe_file_name(name: str) -> str:
    """The last part of a client's file name without control characters; empty when nothing is left."""
    last_part = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(character for character in last_part if character.isprintable()).strip()


def is_gguf(name: str) -> bool:
    """Whether a file name is a model's: something, then .gguf in any case."""
    return Path(name).suffix.lower() == GGUF_SUFFIX


@dataclass(frozen=True)
class ModelFile:
    """One entry of the index: what the API says about a file."""

    name: str
    path: str
    size: str
    modified: str

    @classmethod
    def describe(cls, file: Path) -> ModelFile:
        """Reads the file's size and time of change. Raises OSError when it is gone."""
        status = file.stat()
        modified = datetime.fromtimestamp(status.st_mtime, UTC)
        return cls(
            name=file.name,
            path=f"./{file.parent.name}/{file.name}",
            size=human_size(status.st_size),
            modified=modified.strftime("%Y-%m-%dT%H:%M:%SZ"),
        )


class ModelStore:
    """The models folder and an index of it.

    Names are only ever looked up in the index, which holds plain file names of the folder: that is why no name can
    lead out of it, and why a file copied in by hand is unknown until ``sync``. The folder belongs to one server.
    """

    def __init__(self, folder: Path) -> None:
        """Makes the folder when it is missing, removes what a killed server left, and reads the index."""
        self._folder = folder.resolve()
        self._lock = threading.Lock()
        self._index: dict[str, ModelFile] = {}
        self._folder.mkdir(parents=True, exist_ok=True)
        for partial in self._folder.glob(f"{PARTIAL_PREFIX}*"):
            partial.unlink()
        self.sync()

    def models(self) -> list[ModelFile]:
        """The index by name. Raises OSError when the folder is gone, because the index then describes nothing."""
        self._folder.stat()
        with self._lock:
            return [self._index[name] for name in sorted(self._index)]

    def sync(self) -> list[ModelFile]:
        """Reads the folder again and returns the new index. Raises OSError when it cannot be read."""
        with self._lock:
            files = [file for file in self._folder.iterdir() if is_gguf(file.name) and file.is_file()]
            self._index = {file.name: ModelFile.describe(file) for file in files}
        return self.models()

    def find(self, model_name: str) -> Path | None:
        """The file that a name, with or without .gguf, stands for; None when the index has no such file."""
        file_name = model_name if is_gguf(model_name) else f"{model_name}{GGUF_SUFFIX}"
        return self._folder / file_name if file_name in self._index else None

    def receive(self, name: str, chunks: Iterable[bytes]) -> ModelFile:
        """Stores a new file from its content, all of it or nothing.

        Raises FileExistsError before it takes the first chunk when the name is taken, and after the last when another
        upload took it meanwhile. Whatever ``chunks`` raises passes through. OSError when the file cannot be written.
        """
        target = self._folder / name
        self._require_new(target)
        handle, partial = tempfile.mkstemp(dir=self._folder, prefix=PARTIAL_PREFIX)
        try:
            with os.fdopen(handle, "wb") as out:
                for chunk in chunks:
                    out.write(chunk)
            with self._lock:
                self._require_new(target)
                os.rename(partial, target)
                self._index[name] = ModelFile.describe(target)
                return self._index[name]
        finally:
            Path(partial).unlink(missing_ok=True)

    def remove(self, file: Path) -> int:
        """Deletes a file that ``find`` gave and returns how many are left. FileNotFoundError when it is gone."""
        with self._lock:
            self._index.pop(file.name, None)
            file.unlink()
            return len(self._index)

    @staticmethod
    def _require_new(target: Path) -> None:
        if target.exists():
            raise FileExistsError(target.name)


# ---- Engines ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LoadSettings:
    """What a model is loaded with; a change of these means to load it again."""

    n_gpu_layers: int
    n_batch: int


@dataclass(frozen=True)
class Prompt:
    """One question, how to put it to the model, and the sampling temperature (0: always the likeliest token)."""

    question: str
    template: str
    temperature: float

    def rendered(self) -> str:
        """The template with the question in each ``{question}``; other braces in it are text."""
        return self.template.replace("{question}", self.question)


@dataclass(frozen=True)
class Answer:
    """A model's text and how many tokens it generated."""

    text: str
    token_count: int


class LoadedModel(Protocol):
    """A model in memory. Dropping the last reference frees that memory."""

    def answer(self, prompt: Prompt) -> Answer:
        """Generates one answer. Raises any exception when it fails."""
        ...


class Engine(Protocol):
    """Loads models."""

    def load(self, file: Path, settings: LoadSettings) -> LoadedModel:
        """Loads one file. Raises any exception when it cannot."""
        ...


class EchoEngine:
    """No model at all: every "model" says what it was asked, ``delay_s`` seconds later."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s

    def load(self, file: Path, settings: LoadSettings) -> LoadedModel:
        """Loads nothing, so any file will do."""
        return self

    def answer(self, prompt: Prompt) -> Answer:
        """``You said: `` and the question; its words count as tokens."""
        time.sleep(self._delay_s)
        text = f"You said: {prompt.question}"
        return Answer(text, len(text.split()))


class LlamaEngine:
    """llama.cpp in this process, through xllamacpp."""

    def __init__(self, max_tokens: int) -> None:
        # Imported here so that the echo engine runs where llama.cpp is not installed.
        import xllamacpp

        self._llama = xllamacpp
        self._max_tokens = max_tokens

    def load(self, file: Path, settings: LoadSettings) -> LoadedModel:
        """Raises RuntimeError when llama.cpp cannot load the file; its reason is on stderr."""
        params = self._llama.CommonParams()
        params.model.path = str(file)
        params.n_ctx = CONTEXT_TOKENS
        params.n_parallel = 1
        # More would wait for each other, and for the browser that runs beside them.
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
        params.n_gpu_layers = settings.n_gpu_layers
        # llama.cpp aborts the process when it loads with a batch of one.
        params.n_batch = max(2, settings.n_batch)
        # The memory of finished prompts would outlive its use: 8 GB of it by default.
        params.cache_ram_mib = 0
        # Fitting to the GPU's memory would load a bad file twice and change the layers that were asked for.
        params.fit_params = False
        params.warmup = False
        params.verbosity = 1
        return LlamaModel(self._llama.Server(params), self._max_tokens)


class LlamaModel:
    """One loaded GGUF file, answering one request at a time."""

    def __init__(self, server: Any, max_tokens: int) -> None:
        self._server = server
        self._max_tokens = max_tokens

    def answer(self, prompt: Prompt) -> Answer:
        """Completes the filled template as it is, or asks through the model's own chat template when there is none.

        Raises RuntimeError with llama.cpp's message, e.g. when the prompt is longer than the context.
        """
        options = {"temperature": prompt.temperature, "max_tokens": self._max_tokens}
        if prompt.template:
            reply = self._server.handle_completions({"prompt": prompt.rendered(), **options})
        else:
            messages = [{"role": "user", "content": prompt.question}]
            reply = self._server.handle_chat_completions({"messages": messages, **options})
        if "error" in reply:
            raise RuntimeError(reply["error"]["message"])
        choice = reply["choices"][0]
        text = choice["text"] if prompt.template else choice["message"]["content"]
        return Answer(text or "", reply["usage"]["completion_tokens"])


class ModelCache:
    """The loaded models by file name. It loads one at a time; what is loaded stays until it is unloaded."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._loaded: dict[str, tuple[LoadSettings, LoadedModel]] = {}

    def get(self, file: Path, settings: LoadSettings) -> LoadedModel:
        """The model of a file, loaded with these settings now or earlier. Raises what the engine raises."""
        with self._lock:
            loaded_with, model = self._loaded.get(file.name, (None, None))
            if model is None or loaded_with != settings:
                # The old one goes first, so that the two never need memory at once.
                self._loaded.pop(file.name, None)
                del model
                model = self._engine.load(file, settings)
                self._loaded[file.name] = (settings, model)
            return model

    def names(self) -> list[str]:
        """The loaded models' file names. It does not wait for one that is loading."""
        return sorted(self._loaded)

    def unload(self, name: str) -> None:
        """Forgets one model, if it is loaded. Its memory is free when its last answer is complete."""
        with self._lock:
            self._loaded.pop(name, None)

    def clear(self) -> None:
        """Forgets every model, as ``unload`` does one."""
        with self._lock:
            self._loaded.clear()


# ---- Requests --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GenerateRequest:
    """The body of POST /generate, checked and with the defaults filled in."""

    question: str
    model_name: str
    template: str
    n_gpu_layers: int
    n_batch: int
    temperature: float

    @classmethod
    def parse(cls, body: dict[str, Any]) -> GenerateRequest:
        """Raises BadRequest, with what to tell the client, for the first field that is missing or wrong."""
        question = _text(body, "question", "")
        if not question.strip():
            raise BadRequest("Question is required")
        model_name = _text(body, "model_name", "")
        if not model_name.strip():
            raise BadRequest("Model name is required")
        return cls(
            question=question,
            model_name=model_name,
            template=_text(body, "template", ""),
            n_gpu_layers=_integer(body, "n_gpu_layers", DEFAULT_N_GPU_LAYERS, minimum=-1),
            n_batch=_integer(body, "n_batch", DEFAULT_N_BATCH, minimum=1),
            temperature=_number(body, "temperature", DEFAULT_TEMPERATURE, minimum=0),
        )


def _text(body: dict[str, Any], field: str, default: str) -> str:
    value = body.get(field, default)
    if not isinstance(value, str):
        raise BadRequest(f"{field} must be a string")
    return value


def _number(body: dict[str, Any], field: str, default: float, minimum: int) -> float:
    value = body.get(field, default)
    # A bool is an int to Python, but not a number to JSON.
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise BadRequest(f"{field} must be a number")
    # Not written as "outside the range", so that NaN, which Python's JSON reads, is refused as well.
    if not minimum <= value <= INT32_MAX:
        raise BadRequest(f"{field} must be between {minimum} and {INT32_MAX}")
    return value


def _integer(body: dict[str, Any], field: str, default: int, minimum: int) -> int:
    value = _number(body, field, default, minimum)
    # JSON has one kind of number: 40.0 is an integer.
    if value != int(value):
        raise BadRequest(f"{field} must be an integer")
    return int(value)


def _json_body() -> dict[str, Any]:
    # An empty object is a body, so it is asked for its first missing field instead.
    if not request.is_json or not request.get_data():
        raise BadRequest("Request body is required")
    try:
        body = json.loads(request.get_data())
    except (ValueError, RecursionError) as error:
        raise BadRequest("Request body must be JSON") from error
    if body is None:
        raise BadRequest("Request body is required")
    if not isinstance(body, dict):
        raise BadRequest("Request body must be a JSON object")
    return body


def _multipart_events(stream: IO[bytes], boundary: str) -> Iterator[Event]:
    """The parts of a form as they arrive, with no more than a chunk in memory. ValueError for a malformed form."""
    decoder = MultipartDecoder(boundary.encode("ascii"), max_form_memory_size=FORM_BUFFER_BYTES)
    while not isinstance(event := decoder.next_event(), Epilogue):
        if isinstance(event, NeedData):
            decoder.receive_data(stream.read(CHUNK_BYTES) or None)
        else:
            yield event


def _part_content(events: Iterator[Event]) -> Iterator[bytes]:
    """The content of the part that ``events`` stands at. ValueError when the form breaks off, there or later."""
    for event in events:
        if isinstance(event, Data):
            yield event.data
            if not event.more_data:
                break
    # Only the form's end proves that the file is whole.
    deque(events, maxlen=0)


class AsItArrives:
    """A request's input that gives what has come so far, where the server's waits for all that was asked for."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes, from at most one read of the connection; none at the end."""
        # Not readinto1, which goes on to wait for the connection when it has something already.
        return self._stream.read1(size)


class ReadToTheEnd:
    """WSGI middleware that reads what the app left of a request, after the reply is sent.

    A reply to half a request is right (the name is taken, the body is too large), but to close the connection then
    would reset it, and a client that still sends would see a network error in place of the reply.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        """Sends the app's reply, then reads the rest of the body."""
        body = LimitedStream(cast(IO[bytes], AsItArrives(environ["wsgi.input"])), get_content_length(environ) or 0)
        if body.limit:
            environ["wsgi.input"] = body
        reply = self._app(environ, start_response)
        try:
            yield from reply
        finally:
            if hasattr(reply, "close"):
                reply.close()
        self._drain(body)

    @staticmethod
    def _drain(body: LimitedStream) -> None:
        try:
            while not body.is_exhausted:
                body.read(CHUNK_BYTES)
        except ClientDisconnected:
            # The client has its reply, or no longer wants it.
            return


# ---- The API ---------------------------------------------------------------------------------------------------------


def create_app(
    models_dir: str | os.PathLike[str],
    engine: str = "llama",
    max_content_length: int = DEFAULT_MAX_CONTENT_LENGTH,
    max_tokens: int = DEFAULT_MAX_TOKENS,
    delay_s: float = 0.0,
) -> Flask:
    """The API as a WSGI app.

    ``models_dir`` is made when it is missing. ``engine`` is ``"llama"`` or ``"echo"`` (ValueError for another);
    ``max_tokens`` bounds the former's answers, ``delay_s`` seconds come before the latter's. ``max_content_length``
    is in bytes, of a whole request.
    """
    store = ModelStore(Path(models_dir))
    cache = ModelCache(_make_engine(engine, max_tokens, delay_s))
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = max_content_length
    # A path with // is unknown, not a reason to redirect: a redirect fails a preflight.
    app.url_map.merge_slashes = False
    app.wsgi_app = ReadToTheEnd(app.wsgi_app)  # type: ignore[method-assign]
    app.register_blueprint(_routes(store, cache), url_prefix=API_PREFIX)
    app.register_error_handler(HTTPException, _error_reply)
    app.register_error_handler(RequestEntityTooLarge, _too_large_reply)
    CORS(app, origins="*", methods=["GET", "POST", "DELETE", "OPTIONS"], allow_headers=["content-type"])
    return app


def _make_engine(name: str, max_tokens: int, delay_s: float) -> Engine:
    if name == "llama":
        return LlamaEngine(max_tokens)
    if name == "echo":
        return EchoEngine(delay_s)
    raise ValueError(f"unknown engine: {name}")


def _error_reply(error: HTTPException) -> ResponseReturnValue:
    # From the exception's own reply, which carries what its status needs (a 405 must have Allow).
    reply = error.get_response()
    reply.data = json.dumps({"error": error.description})
    reply.content_type = "application/json"
    return reply


def _too_large_reply(error: RequestEntityTooLarge) -> ResponseReturnValue:
    return jsonify(error=f"Request is too large. The limit is {human_size(request.max_content_length or 0)}"), 413


def _reason(error: OSError) -> str:
    # An OSError's own text has the server's full path in it, which is nobody's business.
    return error.strerror or type(error).__name__


def _model_list(models: list[ModelFile]) -> dict[str, Any]:
    return {"models": models, "count": len(models)}


def _routes(store: ModelStore, cache: ModelCache) -> Blueprint:
    api = Blueprint("api", __name__)

    @api.get("/health")
    def get_health() -> ResponseReturnValue:
        return jsonify(status="healthy", service=SERVICE, version=VERSION)

    @api.get("/models")
    def list_models() -> ResponseReturnValue:
        try:
            return jsonify(_model_list(store.models()))
        except OSError as error:
            raise InternalServerError(f"Failed to list models: {_reason(error)}") from error

    @api.post("/models")
    def upload_model() -> ResponseReturnValue:
        try:
            model = _receive_upload(store)
        except FileExistsError as error:
            raise Conflict("File already exists") from error
        except OSError as error:
            raise InternalServerError(f"Failed to upload file: {_reason(error)}") from error
        return jsonify(message="File uploaded successfully", filename=model.name, model_info=model)

    @api.delete("/models/<model_name>")
    def delete_model(model_name: str) -> ResponseReturnValue:
        file = _find_model(store, model_name)
        cache.unload(file.name)
        try:
            remaining = store.remove(file)
        except FileNotFoundError as error:
            raise NotFound("Model not found") from error
        except OSError as error:
            raise InternalServerError(f"Failed to delete model: {_reason(error)}") from error
        return jsonify(message="Model deleted successfully", filename=file.name, remaining_models=remaining)

    @api.post("/models/sync")
    def sync_models() -> ResponseReturnValue:
        try:
            models = store.sync()
        except OSError as error:
            raise InternalServerError(f"Failed to sync models: {_reason(error)}") from error
        return jsonify(message="Models list synchronized successfully", data=_model_list(models))

    @api.post("/generate")
    def generate() -> ResponseReturnValue:
        asked = GenerateRequest.parse(_json_body())
        file = _find_model(store, asked.model_name)
        started = time.perf_counter()
        try:
            model = cache.get(file, LoadSettings(asked.n_gpu_layers, asked.n_batch))
            answer = model.answer(Prompt(asked.question, asked.template, asked.temperature))
        except Exception as error:  # An engine may raise anything, and the contract has one reply for it all.
            return jsonify(success=False, error=f"Failed to generate response: {error}"), 500
        return jsonify(
            success=True,
            response=answer.text,
            model_used=file.name,
            processing_time=round(time.perf_counter() - started, 3),
            token_count=answer.token_count,
        )

    @api.post("/cache/clear")
    def clear_cache() -> ResponseReturnValue:
        cache.clear()
        return jsonify(message="Cache cleared successfully")

    @api.get("/cache/status")
    def get_cache_status() -> ResponseReturnValue:
        names = cache.names()
        return jsonify(cached_models=names, count=len(names))

    return api


def _find_model(store: ModelStore, model_name: str) -> Path:
    file = store.find(model_name)
    if file is None:
        raise NotFound("Model not found")
    return file


def _receive_upload(store: ModelStore) -> ModelFile:
    boundary = request.mimetype_params.get("boundary")
    if request.mimetype != "multipart/form-data" or not boundary:
        raise BadRequest("No file part in the request")
    try:
        events = _multipart_events(request.stream, boundary)
        part = next((event for event in events if isinstance(event, File) and event.name == "file"), None)
        if part is None:
            raise BadRequest("No file part in the request")
        return store.receive(_upload_name(part), _part_content(events))
    except ValueError as error:
        raise BadRequest("No file part in the request") from error


def _upload_name(part: File) -> str:
    name = safe_file_name(part.filename)
    if not name:
        raise BadRequest("No file selected")
    if not is_gguf(name):
        raise BadRequest("Invalid file type. Only gguf files are allowed")
    return name


# ---- Command line ----------------------------------------------------------------------------------------------------


def parse_arguments() -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(description="The reference Local LLM API server.")
    parser.add_argument("--host", default=DEFAULT_HOST)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes any free port")
    parser.add_argument("--models", type=Path, default=Path("models"), help="folder of the GGUF files")
    parser.add_argument("--max-content-length", type=int, default=DEFAULT_MAX_CONTENT_LENGTH, metavar="BYTES")
    parser.add_argument("--engine", choices=["llama", "echo"], default="llama")
    parser.add_argument("--max-tokens", type=int, default=DEFAULT_MAX_TOKENS, help="longest answer of a model")
    parser.add_argument("--delay", type=float, default=0.0, metavar="SECONDS", help="before each answer of echo")
    return parser.parse_args()


def main() -> None:
    """Serves until it is stopped."""
    arguments = parse_arguments()
    # A line for each request would fill a pipe that nobody reads, and stop the server.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = create_app(arguments.models, arguments.engine, arguments.max_content_length, arguments.max_tokens, arguments.delay)
    server = make_server(arguments.host, arguments.port, app, threaded=True)
    print(f"listening on http://{arguments.host}:{server.server_port}{API_PREFIX}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
