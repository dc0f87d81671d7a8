"""Runs the code that "Copy as code" writes, in its own language, against servers that keep what came.

with SERVICES["chat"].open(folder) as bench:
    code = form.code(bench.call(stream=True))
    printed = run_code(form, code, folder, bench.environment)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, aclosing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from modeltab.domain.connections import Connection
from modeltab.domain.messages import Message
from modeltab.domain.requests import ChatRequest, Parameters, TextDelta
from modeltab.providers.anthropic import Anthropic
from modeltab.providers.base import Provider, Transport
from modeltab.providers.chat_completions import messages_of
from modeltab.providers.gemini import Gemini
from modeltab.providers.in_tab import InTab
from modeltab.providers.llama_server import LlamaServer
from modeltab.providers.local_llm import LocalLlm
from modeltab.providers.ollama import Ollama
from modeltab.providers.openai import OpenAi
from modeltab.providers.openai_responses import OpenAiResponses
from modeltab.snippets.call import Call
from modeltab.snippets.forms import FORMS, Form
from tests.servers.hosted import ANSWER, HostedApis
from tests.servers.model_files import small_gguf
from tests.servers.ollama import OllamaModel, ollama_server
from tests.servers.processes import llama_server, local_llm_api
from tests.servers.recording import RecordingServer
from tests.servers.scripted import ScriptedServer
from tests.servers.transport import RealTransport, run
from tests.unit.conftest import echo_server
from tests.unit.fakes import CannedResponse, CannedTransport, FakeEngine, FakeModels, JinjaTemplates

BY_ID = {form.id: form for form in FORMS}
ROOT = Path(__file__).parents[2]
MODEL = ROOT / "static/models/SmolLM2-135M-Instruct.Q4_1.gguf"
KEY = "sk-secret-0123456789abcdefghij"
#: What code has to carry unharmed.
NASTY = (
    'It\'s "quoted" \\ and \\n, $HOME ${HOME} $(id) `id` %PATH% !! # ; & | < > * ? ~ {x} [y]\n\ttab\r\n'
    "'@\n\"@\nEOF\nEND_OF_BODY\n</script> “curly” ‘quotes’ 👩‍💻 déjà vu 日本語 \u2028 \u202e \x7f \x1b[31m \U000e0041"
)
#: What the playground's module is told; some of the names are no names in Python.
PARAMETERS = {"temperature": 0.5, "stop": ["\n", NASTY], "min-p": 0.1, "from": None}
TIMEOUT_S = 60

#: Stands for the playground's module: it says what it was asked.
_PLAYGROUND = """
import json
def chat(model, messages, **parameters):
    return json.dumps([model, messages, parameters])
async def chat_async(model, messages, **parameters):
    return chat(model, messages, **parameters)
def stream(model, messages, **parameters):
    yield from chat(model, messages, **parameters)
async def stream_async(model, messages, **parameters):
    for piece in chat(model, messages, **parameters):
        yield piece
"""
_AWAITS = "import ast, asyncio, inspect; result = eval(compile(open({path!r}, encoding='utf-8').read(), 'code', 'exec', \
flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)); inspect.iscoroutine(result) and asyncio.run(result)"
#: Stands for the page that code for a model in the tab is in.
_PAGE = "globalThis.document = { body: { append: (text) => process.stdout.write(text) } };\n"


@dataclass
class Bench:
    """One service: its provider, the server that keeps what came, and what is asked.

    ``answer`` is what comes back, empty where a real model decides; ``environment`` has the key, where there is one.
    """

    make: Callable[[Transport], Provider]
    server: ScriptedServer
    request: ChatRequest
    answer: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def provider(self) -> Provider:
        """The provider on real HTTP."""
        return self.make(RealTransport())

    def call(self, stream: bool) -> Call:
        """What code is written for, as the action has it."""
        call = self.provider.call(self.request, stream)
        messages = tuple(messages_of(self.request, True))
        call = call._replace(model=f"bench/{self.request.model}", messages=messages, parameters=PARAMETERS)
        if not self.environment:
            call = call._replace(key=None)
        return call._replace(url=f"{self.server.url}/{call.url}") if call.in_page else call


@dataclass(frozen=True)
class Service:
    """How a bench is set up, and the ids of the forms that fit it. ``streams``: whether an answer can come in pieces."""

    open: Callable[[Path], AbstractContextManager[Bench]]
    forms: tuple[str, ...]
    streams: bool = True
    is_real: bool = False


def asked(model: str, roles: tuple[str, ...] = ("user", "assistant", "user"), **parameters: Any) -> ChatRequest:
    """A conversation, each of whose messages has what is hard to quote."""
    messages = tuple(Message(f"m{n}", "c", None, role, f"{n}: {NASTY}", 0.0) for n, role in enumerate(roles))  # type: ignore[arg-type]
    return ChatRequest(model, messages, Parameters(system_prompt=f"You are {NASTY}", **parameters))


@contextmanager
def _hosted(kind: type, path: str, model: str, **parameters: Any) -> Iterator[Bench]:
    with HostedApis(KEY) as server:
        connection = Connection("bench", "hosted", "Bench", server.url + path)
        yield Bench(
            lambda transport: kind(connection, lambda: KEY, transport),
            server,
            asked(model, **parameters),
            "".join(ANSWER),
            {"API_KEY": KEY},
        )


def _chat(folder: Path) -> AbstractContextManager[Bench]:
    return _hosted(OpenAi, "/v1", "gpt-5-mini", temperature=0.25, max_tokens=64, top_k=40, seed=7)


def _responses(folder: Path) -> AbstractContextManager[Bench]:
    return _hosted(OpenAiResponses, "/v1", "gpt-5-mini", reasoning="low", extra_json='{"service_tier": "auto", "x": null}')


def _anthropic(folder: Path) -> AbstractContextManager[Bench]:
    return _hosted(Anthropic, "/v1", "claude-sonnet-4-5", top_k=5, reasoning="high", max_tokens=30_000)


def _gemini(folder: Path) -> AbstractContextManager[Bench]:
    return _hosted(Gemini, "/v1beta", "gemini-2.5-flash", temperature=1.0, reasoning="low")


@contextmanager
def _ollama(folder: Path) -> Iterator[Bench]:
    with ollama_server(models={"llama3.2:1b": OllamaModel(answer="Hello from here.")}, key=KEY) as server:
        connection = Connection("bench", "ollama", "Bench", server.url)
        request = asked(
            "llama3.2:1b", temperature=0.5, n_ctx=4096, extra_json='{"keep_alive": "5m", "options": {"min_p": 0.1}}'
        )
        environment = {"OLLAMA_API_KEY": KEY}
        yield Bench(lambda line: Ollama(connection, lambda: KEY, line), server, request, "Hello from here.", environment)


@contextmanager
def _llama_server(folder: Path) -> Iterator[Bench]:
    with llama_server(MODEL, "--api-key", KEY, "--n-ctx", "4096") as real, RecordingServer(real.url) as server:
        connection = Connection("bench", "llama-server", "Bench", server.url)
        request = asked(MODEL.name, ("user",), temperature=0, max_tokens=6, seed=1, top_k=1, extra_json='{"min_p": 0.1}')
        environment = {"LLAMA_API_KEY": KEY}
        yield Bench(lambda line: LlamaServer(connection, lambda: KEY, line), server, request, environment=environment)


@contextmanager
def _local_llm(folder: Path) -> Iterator[Bench]:
    models = folder / "models"
    models.mkdir()
    (models / MODEL.name).symlink_to(MODEL)
    with local_llm_api(models, "--max-tokens", "4") as real, RecordingServer(real.url) as server:
        url = server.url + urlsplit(real.url).path
        connection = Connection("bench", "local-llm", "Bench", url)
        template = "Say one word.\n{question}\n"
        yield Bench(
            lambda line: LocalLlm(connection, line),
            server,
            asked(MODEL.name, ("user",), temperature=0, n_batch=256, template=template),
        )


@contextmanager
def _tab(folder: Path) -> Iterator[Bench]:
    with HostedApis("") as server:
        provider = InTab("in-tab", FakeModels("t.gguf"), FakeEngine(), JinjaTemplates())
        yield Bench(lambda line: provider, server, asked("t.gguf", temperature=0.5, n_ctx=2048), "".join(ANSWER))


_PLAIN = ("curl", "python-requests", "javascript-fetch", "powershell", "modeltab", "modeltab-async")
_OPENAI = ("curl", "python-requests", "python-openai", "javascript-fetch", "javascript-openai", *_PLAIN[3:])
SERVICES = {
    "chat": Service(_chat, _OPENAI),
    "responses": Service(_responses, _OPENAI),
    "anthropic": Service(_anthropic, ("curl", "python-requests", "python-anthropic", *_PLAIN[2:])),
    "gemini": Service(_gemini, _PLAIN),
    "ollama": Service(_ollama, ("curl", "python-requests", "python-ollama", *_PLAIN[2:])),
    "llama-server": Service(_llama_server, _OPENAI, is_real=True),
    "local-llm": Service(_local_llm, _PLAIN, streams=False, is_real=True),
    "tab": Service(_tab, ("javascript-fetch", "javascript-openai", "modeltab", "modeltab-async")),
}


#: (service, form, whether the answer comes in pieces) of all code that is written, but PowerShell's, which needs PowerShell.
CASES = [
    (name, form_id, stream)
    for name, service in SERVICES.items()
    for form_id in service.forms
    if form_id != "powershell"
    for stream in ((True, False) if service.streams and BY_ID[form_id].streams else (False,))
]
#: The type of a reply, by whether it comes in pieces.
_KINDS = {True: "text/event-stream", False: "application/json"}


def check(bench: Bench, form: Form, stream: bool, folder: Path) -> None:
    """Runs one form's code. AssertionError unless the server got the app's own request, and the answer is printed."""
    call = bench.call(stream)
    code = form.code(call)
    assert KEY not in code
    before = len(bench.server.requests)
    printed = run_code(form, code, folder, bench.environment, call.in_page)
    if form.id.startswith("modeltab"):
        assert json.loads(printed) == [call.model, list(call.messages), PARAMETERS]
        return
    (sent,) = bench.server.requests[before:]
    body = sent.json()
    if form.id == "python-ollama":
        assert body.pop("tools") == []  # its package says that there are none
    assert body == call.body
    expected = bench.answer or answer_of(bench)
    if form.id == "curl":  # it prints the reply as it came, which the app can read
        reply = CannedResponse(printed.encode(), content_type=_KINDS[call.streams])
        assert answer_of(bench, CannedTransport(reply)) == expected
    else:
        assert printed.rstrip("\n") == expected.rstrip("\n")


#: What the Local LLM API does besides answering → a word of what it says then.
OPERATIONS = {
    "Health": "healthy",
    "List models": "count",
    "Upload a model": "uploaded",
    "Delete a model": "deleted",
    "Read the models folder again": "synchronized",
    "Loaded models": "cached_models",
    "Free memory": "cleared",
}
OPERATION_FORMS = ("curl", "python-requests", "javascript-fetch")
#: A model's name with what is hard to quote.
NAME = "it's a $MODEL.gguf"


def check_operation(operation: str, form: Form, folder: Path) -> None:
    """Runs one form's code for an operation. AssertionError unless the server did it."""
    models, content = folder / "models", small_gguf()
    (folder / NAME).write_bytes(content)
    with echo_server(models) as real, RecordingServer(real.url) as server:
        if operation == "Delete a model":
            (models / NAME).write_bytes(content)
        provider = LocalLlm(Connection("c", "local-llm", "C", server.url + "/api/v1"), RealTransport())
        run(provider.sync())
        calls = dict(provider.examples(NAME))
        assert list(calls) == list(OPERATIONS)
        assert OPERATIONS[operation] in run_code(form, form.code(calls[operation]), folder, {})
        sent = server.requests[-1]
        assert (sent.method, server.url + sent.path) == (calls[operation].method, calls[operation].url)
        if operation == "Upload a model":
            assert (models / NAME).read_bytes() == content
        if operation == "Delete a model":
            assert not (models / NAME).exists()


def answer_of(bench: Bench, transport: Transport | None = None) -> str:
    """What the app itself gets for the request, or reads in a reply."""
    provider = bench.make(transport) if transport else bench.provider

    async def take() -> str:
        async with aclosing(provider.generate(bench.request)) as events:
            return "".join([event.text async for event in events if isinstance(event, TextDelta)])

    return run(take())


def run_code(form: Form, code: str, folder: Path, environment: dict[str, str], in_page: bool = False) -> str:
    """What the code prints. AssertionError, with what it complains of, when it fails."""
    modules = folder / "node_modules"
    if not modules.exists():
        modules.symlink_to(ROOT / "node_modules")
        (folder / "modeltab.py").write_text(_PLAYGROUND, encoding="utf-8")
    suffix = {"bash": "sh", "python": "py", "javascript": "mjs"}[form.language]
    path = folder / f"code.{suffix}"
    imports, rest = _split(code) if in_page and form.language == "javascript" else ("", code)
    path.write_text(imports + (_PAGE if in_page and form.language == "javascript" else "") + rest, encoding="utf-8")
    commands = {"sh": ["bash", str(path)], "py": [sys.executable, str(path)], "mjs": ["node", str(path)]}
    command = commands[suffix]
    if form.id == "modeltab-async":
        command = [sys.executable, "-c", _AWAITS.format(path=str(path))]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**_bare_environment(), **environment},
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    complaint = done.stderr.decode("utf-8", "replace")
    assert done.returncode == 0, f"{form.id} ended with {done.returncode}:\n{complaint}\n{code}"
    return done.stdout.decode()


def _split(code: str) -> tuple[str, str]:
    """The first lines up to the last import, and the rest."""
    lines = code.splitlines(keepends=True)
    last = max((n for n, line in enumerate(lines) if line.startswith("import ")), default=-1)
    return "".join(lines[: last + 1]), "".join(lines[last + 1 :])


def _bare_environment() -> dict[str, str]:
    """This one without what would change where packages send things, or which key they take."""
    kept = ("PATH", "HOME", "LANG", "SYSTEMROOT", "VIRTUAL_ENV")
    return {"PYTHONUTF8": "1", "NO_PROXY": "*", **{name: os.environ[name] for name in kept if name in os.environ}}
