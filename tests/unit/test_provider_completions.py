"""Every provider that completes a text as it is: what it sends, and what it makes of what comes."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from modeltab.domain.connections import Connection
from modeltab.domain.errors import BadReply, ModelTabError, ServerFailed
from modeltab.domain.messages import Message
from modeltab.domain.requests import (
    ChatRequest,
    CompletionRequest,
    Event,
    Finished,
    Parameters,
    Progress,
    TextDelta,
    TokenProbabilities,
    Usage,
)
from modeltab.domain.tokens import Alternative, Token
from modeltab.providers.base import TextCompletion
from modeltab.providers.in_tab import InTab
from modeltab.providers.llama_server import LlamaServer
from modeltab.providers.local_llm import LocalLlm
from modeltab.providers.ollama import Ollama
from modeltab.providers.openai import OpenAi
from modeltab.providers.openai_vendors import VENDORS
from modeltab.providers.text_completions import CompletionReader
from tests.servers.ollama import OllamaModel, OllamaServer, ollama_server
from tests.servers.openapi import OpenApi, document
from tests.servers.processes import RunningServer, llama_server, local_llm_api
from tests.servers.transport import PathFile, RealTransport, run
from tests.servers.vendor_types import completion_problems, damaged
from tests.unit.fakes import CannedTransport, FakeEngine, FakeModels, JinjaTemplates, MemoryFile, canned, ended, sse, tokens
from tests.unit.gguf_files import whole_file

MODEL = Path(__file__).parents[2] / "static" / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
PROMPT = "The capital of France is"
HALF, QUARTER = math.log(0.5), math.log(0.25)


def completion(provider: TextCompletion, model: str, prompt: str = PROMPT, n: int = 0, **parameters: Any) -> list[Event]:
    """The events of a completion."""

    async def collect() -> list[Event]:
        request = CompletionRequest(model, prompt, Parameters(**parameters), n)
        async with aclosing(provider.complete(request)) as events:
            return [event async for event in events]

    return run(collect())


def text_of(events: list[Event]) -> str:
    """The text of a completion."""
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def told_of(events: list[Event]) -> list[Token]:
    """Its tokens, as they were told."""
    return [token for event in events if isinstance(event, TokenProbabilities) for token in event.tokens]


# ---- A real llama-server ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> Iterator[RunningServer]:
    """A llama-server with the starter model."""
    if not MODEL.exists():
        pytest.skip(f"{MODEL.name} is not there: python run.py brings it")
    with llama_server(MODEL) as running:
        yield running


@pytest.mark.model
@pytest.mark.parametrize("kind", [LlamaServer, OpenAi])
def test_a_real_server_completes_the_text_with_the_likeliest_tokens_of_each_place(real, kind):
    provider = kind(Connection("c", "x", "C", real.url + ("/v1" if kind is OpenAi else "")), lambda: "", RealTransport())
    events = completion(provider, MODEL.name, n=3, temperature=0.0, max_tokens=4)
    told = told_of(events)
    assert text_of(events).startswith(" Paris")
    assert "".join(token.text for token in told) == text_of(events)
    assert len(told) == 4
    for token in told:  # at temperature 0 the likeliest comes
        assert token.alternatives[0] == Alternative(token.text, token.logprob or 0.0)
        assert [a.logprob for a in token.alternatives] == sorted((a.logprob for a in token.alternatives), reverse=True)
        assert len(token.alternatives) == 3
        assert math.fsum(math.exp(a.logprob) for a in token.alternatives) <= 1.0001
    assert isinstance(events[-1], Finished) and events[-1].reason == "length"
    (usage,) = [event for event in events if isinstance(event, Usage)]
    assert usage.completion_tokens == 4


@pytest.mark.model
def test_special_tokens_in_the_text_are_special_and_the_tabs_rendering_is_the_servers(real):
    server = LlamaServer(Connection("c", "llama-server", "C", real.url), lambda: "", RealTransport())
    files = FakeModels(MODEL.name)
    files.contents[MODEL.name] = PathFile(MODEL)
    tab = InTab("tab", files, FakeEngine(), JinjaTemplates())
    messages = (Message("", "", None, "user", "Say “yes”.", 0.0),)
    for system in (None, "Be brief."):
        request = ChatRequest(MODEL.name, messages, Parameters(system_prompt=system))
        rendered = run(tab.render(request)).text
        assert rendered == run(server.render(request)).text
        assert rendered.endswith("<|im_start|>assistant\n")
    (usage,) = [event for event in completion(server, MODEL.name, rendered, max_tokens=1) if isinstance(event, Usage)]
    assert usage.prompt_tokens == run(server.render(request)).tokens


# ---- OpenAI's older completions ----------------------------------------------------------------------------------------


def chunk(text: str = "", logprobs: Any = None, finish: str | None = None) -> dict[str, Any]:
    """One chunk."""
    return {"object": "text_completion", "choices": [{"index": 0, "text": text, "logprobs": logprobs, "finish_reason": finish}]}


OPENAI = [
    chunk(" Paris", {"tokens": [" Paris"], "token_logprobs": [HALF], "top_logprobs": [{" Paris": HALF, " Lyon": QUARTER}]}),
    chunk("."),
    chunk(finish="stop"),
    {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}},
]


def hosted(url: str, *replies: Any) -> tuple[OpenAi, CannedTransport]:
    """A provider of an API that is not here."""
    transport = CannedTransport(*(replies or (sse(*OPENAI),)))
    return OpenAi(Connection("c", "openai", "C", url), lambda: "sk-0123456789", transport), transport


def test_openai_is_sent_what_its_types_know_and_its_answer_is_read():
    provider, transport = hosted("https://api.openai.com/v1")
    events = completion(provider, "gpt-3.5-turbo-instruct", n=2, temperature=0.5, max_tokens=7, seed=3, top_p=0.9)
    assert completion_problems(transport.body) == []
    assert transport.requests[-1].url == "https://api.openai.com/v1/completions"
    assert {name: transport.body[name] for name in ("prompt", "max_tokens", "logprobs", "seed")} == {
        "prompt": PROMPT,
        "max_tokens": 7,
        "logprobs": 2,
        "seed": 3,
    }
    assert events == [
        TokenProbabilities((Token(" Paris", HALF, (Alternative(" Paris", HALF), Alternative(" Lyon", QUARTER))),)),
        TextDelta(" Paris"),
        TextDelta("."),
        Usage(5, 2),
        Finished("stop", "stop"),
    ]


def test_without_alternatives_no_probabilities_are_asked_for_and_extra_json_comes_last():
    provider, transport = hosted("http://127.0.0.1:8000/v1")
    completion(provider, "m", top_k=3, extra_json='{"logprobs": 1, "min_p": 0.1}')
    assert (transport.body["top_k"], transport.body["logprobs"], transport.body["min_p"]) == (3, 1, 0.1)
    completion(provider, "m")
    assert "logprobs" not in transport.body


@pytest.mark.parametrize("vendor", [vendor for vendor in VENDORS if vendor.hosts], ids=lambda vendor: vendor.preset.name)
def test_a_vendor_completes_as_far_as_its_reference_says(vendor):
    provider, _ = hosted(vendor.preset.base_url.replace("YOUR-RESOURCE", "mine"))
    assert (provider.completes is not None) == bool(vendor.completes)
    assert vendor.completes or vendor.preset.label in provider.capabilities.reasons["completion"]


def test_a_chat_model_is_told_to_be_one():
    words = "This is a chat model and not supported in the v1/completions endpoint."
    provider, _ = hosted("https://api.openai.com/v1", canned({"error": {"message": words}}, 404))
    with pytest.raises(ModelTabError) as caught:
        completion(provider, "gpt-4.1")
    assert "gpt-3.5-turbo-instruct" in caught.value.advice


def test_a_stream_without_its_end_has_none_and_an_error_in_it_is_one():
    provider, _ = hosted("https://llm.example/v1", sse(chunk("a"), done=False))
    assert completion(provider, "m") == [TextDelta("a")]
    provider, _ = hosted("https://llm.example/v1", sse(chunk("a"), {"error": {"message": "Out of memory", "code": 500}}))
    with pytest.raises(ServerFailed):
        completion(provider, "m")
    provider, _ = hosted("https://llm.example/v1", sse(chunk(finish="error")))
    with pytest.raises(ServerFailed):
        completion(provider, "m")
    provider, _ = hosted("https://llm.example/v1", sse(chunk("a")))
    assert completion(provider, "m") == [TextDelta("a"), Finished("stop")]


def test_progress_on_the_prompt_is_told():
    told = {"choices": [{"index": 0, "text": ""}], "prompt_progress": {"total": 4, "processed": 1}}
    assert CompletionReader().read(told) == [Progress("Reading the prompt", 0.25)]


def test_a_damaged_stream_is_read_or_refused_but_never_breaks_the_page():
    for chunks in damaged(OPENAI, 500):
        reader = CompletionReader()
        for value in chunks:
            try:
                events = reader.read(value)
            except ModelTabError:
                break
            assert all(isinstance(event.text, str) for event in events if isinstance(event, TextDelta))
    with pytest.raises(BadReply):
        CompletionReader().read("x")


# ---- Ollama --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def ollama() -> Iterator[OllamaServer]:
    """A scripted Ollama with one model."""
    with ollama_server({"m:latest": OllamaModel(answer="Paris <think>it is.")}) as running:
        yield running


def test_ollama_completes_without_a_template_and_tells_probabilities(ollama):
    provider = Ollama(Connection("c", "ollama", "C", ollama.url), lambda: "", RealTransport())
    events = completion(provider, "m", n=2, temperature=0.0, max_tokens=9, extra_json='{"keep_alive": "1h"}')
    body = ollama.wait_for_request("POST", "/api/generate").json()
    assert {name: body[name] for name in body if name != "stream"} == {
        "model": "m",
        "prompt": PROMPT,
        "raw": True,
        "logprobs": True,
        "top_logprobs": 2,
        "keep_alive": "1h",
        "options": {"temperature": 0.0, "num_predict": 9},
    }
    assert text_of(events) == "Paris <think>it is."  # what looks like reasoning stays text
    assert told_of(events)[0] == Token("Paris ", HALF, (Alternative("Paris ", HALF), Alternative("?", QUARTER)))
    assert events[-1] == Finished("stop", "stop")
    assert any(isinstance(event, Usage) for event in events)


def test_what_ollama_is_sent_is_what_its_document_describes(ollama):
    spec = OpenApi.read(document("ollama.yaml"), closed=True)
    provider = Ollama(Connection("c", "ollama", "C", ollama.url), lambda: "", RealTransport())
    completion(provider, "m", n=2, temperature=0.0)
    assert [problem for exchange in ollama.exchanges for problem in spec.problems(exchange)] == []


# ---- The Local LLM API ---------------------------------------------------------------------------------------------------


def test_the_local_llm_api_is_given_the_text_as_a_question_in_a_template_of_nothing_else(tmp_path):
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    with local_llm_api(tmp_path, "--engine", "echo") as server:
        provider = LocalLlm(Connection("c", "local-llm", "C", server.url), RealTransport())
        events = completion(provider, "a.gguf", "{question} <|im_start|>", temperature=0.1)
    assert "{question} <|im_start|>" in text_of(events)
    assert isinstance(events[-1], Finished)
    transport = CannedTransport(canned({"success": True, "response": " Paris"}))
    completion(LocalLlm(Connection("c", "local-llm", "C", "http://127.0.0.1:5000/api/v1"), transport), "a.gguf", n=5)
    assert transport.body == {"question": PROMPT, "model_name": "a.gguf", "template": "{question}"}
    assert LocalLlm.completion.alternatives == 0


# ---- The tab ---------------------------------------------------------------------------------------------------------------


def test_the_tab_asks_its_engine_for_a_completion_and_reads_its_chunks():
    engine = FakeEngine()
    engine.completion = (*tokens(" Paris"), ended("length"))
    provider = InTab("tab", FakeModels("a.gguf"), engine, JinjaTemplates())

    async def collect() -> list[Event]:
        request = CompletionRequest("a.gguf", PROMPT, Parameters(max_tokens=1, n_ctx=512), 2)
        generator: AsyncGenerator[Event, None] = provider.complete(request)
        async with aclosing(generator) as events:
            return [event async for event in events]

    events = run(collect())
    assert engine.bodies == [{"prompt": PROMPT, "max_tokens": 1, "logprobs": 2, "return_progress": True}]
    assert text_of(events) == " Paris" and told_of(events)[0].text == " Paris"
    assert events[-1] == Finished("length", "length")


def test_a_model_without_a_template_in_its_file_says_so():
    files = FakeModels("a.gguf")
    files.contents["a.gguf"] = MemoryFile("a.gguf", whole_file())
    with pytest.raises(BadReply) as caught:
        run(InTab("tab", files, FakeEngine(), JinjaTemplates()).render(ChatRequest("a.gguf", ())))
    assert "no chat template" in caught.value.message


AT, TRANSPORT = Connection("c", "x", "C", "http://127.0.0.1:1"), CannedTransport(canned({}))


@pytest.mark.parametrize(
    "provider",
    [
        InTab("tab", FakeModels(), FakeEngine(), JinjaTemplates()),
        LocalLlm(AT, TRANSPORT),
        LlamaServer(AT, lambda: "", TRANSPORT),
        Ollama(AT, lambda: "", TRANSPORT),
        OpenAi(AT, lambda: "", TRANSPORT),
    ],
    ids=lambda provider: type(provider).__name__,
)
def test_what_completing_takes_is_a_parameter_and_never_what_only_messages_have(provider):
    assert provider.completes is provider
    assert provider.completion.parameters <= set(Parameters._fields) - {"system_prompt", "template", "reasoning"}
