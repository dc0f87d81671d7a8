"""Code as text: quoting that no text breaks, which forms fit, whose key it names, and what is never in it."""

from __future__ import annotations

import ast
import base64
import inspect
import json
import subprocess
from collections.abc import Iterator

import anthropic
import ollama
import openai
import pytest
import tree_sitter_powershell
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tree_sitter import Language, Node, Parser

from modeltab.domain.connections import Connection
from modeltab.domain.requests import ChatRequest
from modeltab.providers.anthropic import Anthropic
from modeltab.providers.base import Provider
from modeltab.providers.gemini import Gemini
from modeltab.providers.llama_server import LlamaServer
from modeltab.providers.ollama import Ollama
from modeltab.providers.openai import OpenAi
from modeltab.providers.openai_responses import OpenAiResponses
from modeltab.snippets import curl, javascript, powershell, python_packages, python_requests
from modeltab.snippets.call import Call, KeyPlace, Upload
from modeltab.snippets.forms import FORMS, forms_of
from modeltab.snippets.literals import (
    javascript_text,
    json_text,
    python_string,
    python_text,
    shell,
    shell_with_variable,
)
from modeltab.snippets.literals import powershell as powershell_string
from tests.servers.scripted import RecordedRequest, ScriptedServer, json_reply
from tests.servers.transport import RealTransport
from tests.unit.snippet_runs import NASTY, run_code

# What JSON can carry: NaN it cannot, and JavaScript has no larger whole numbers.
numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(codec="utf-8")) | st.sampled_from([NASTY, "__proto__", "'@\n'@", "```"])
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)
#: What an argument of a program can have in it.
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
POWERSHELL = Parser(Language(tree_sitter_powershell.language()))
CALL = Call("POST", "http://127.0.0.1:1/v1/chat/completions", {"Content-Type": "application/json"}, api="chat")


def nodes(root: Node) -> Iterator[Node]:
    """Every node of a tree."""
    yield root
    for child in root.children:
        yield from nodes(child)


@given(values, st.booleans())
def test_json_says_the_same(value, ascii_only):
    text = json_text(value, ascii_only)
    assert json.loads(text) == value
    assert text.replace("\n", "").isprintable()
    assert text.isascii() or not ascii_only


@given(values)
def test_python_says_the_same(value):
    text = python_text(value, 4)
    assert ast.literal_eval(text) == value
    assert text.replace("\n", "").isprintable()


@settings(max_examples=8, phases=[Phase.generate])  # each example starts Node: a failing one is not made smaller
@given(st.lists(values, min_size=20, max_size=20))
def test_javascript_says_the_same(many):
    program = "".join(f"console.log(JSON.stringify({javascript_text(value, 4)}));\n" for value in many)
    done = subprocess.run(["node", "-"], input=program.encode(), capture_output=True, check=True)
    # All its numbers are of one kind, so that 1e16 is printed as a whole number.
    printed = [json.loads(line, parse_int=float) for line in done.stdout.decode().split("\n")[:-1]]
    assert printed == [json.loads(json.dumps(value), parse_int=float) for value in many]


@settings(max_examples=15)
@given(st.lists(words, min_size=10, max_size=10))
def test_a_shell_takes_a_text_as_one_word(many):
    script = "printf '%s\\0' " + " ".join(map(shell, many)) + "\n"
    done = subprocess.run(["bash"], input=script.encode(), capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == many


@settings(max_examples=10)
@given(words)
def test_what_stands_before_a_variable_is_taken_as_it_is(before):
    script = f"KEY=secret; printf '%s\\0' {shell_with_variable(before, 'KEY')}\n"
    done = subprocess.run(["bash"], input=script.encode(), capture_output=True, check=True)
    assert done.stdout.decode() == before + "secret\0"


@given(values, words)
def test_powershell_reads_the_body_and_the_address_as_they_are(value, word):
    call = CALL._replace(url="http://x/" + word, body={"value": value}, key=KeyPlace("Authorization", "Bearer ", "API_KEY"))
    text = powershell.code(call)
    tree = POWERSHELL.parse(text.encode())
    assert not tree.root_node.has_error
    (body,) = [n.text.decode() for n in nodes(tree.root_node) if n.type == "verbatim_here_string_characters" and n.text]
    assert json.loads(body.removeprefix("@'\n").removesuffix("\n'@")) == {"value": value}
    assert f"Uri = {powershell_string(call.url)}\n" in text


@pytest.mark.parametrize("api", ["chat", "responses", "anthropic", "gemini", "ollama", "local-llm", "json"])
def test_powershell_has_no_error_that_its_grammar_knows(api):
    for call in (CALL._replace(api=api, body={}), CALL._replace(api=api, upload=Upload("file", "it's.gguf"))):
        assert not POWERSHELL.parse(powershell.code(call).encode()).root_node.has_error


def test_an_apostrophe_of_any_kind_is_doubled_for_powershell():
    assert powershell_string("it's ‘so’") == "'it''s ‘‘so’’'"


def test_what_cannot_be_seen_is_escaped():
    text = "a\u202eb\u200dc\x7f\U000e0041"
    assert python_string(text) == '"a\\u202eb\\u200dc\\u007f\\U000e0041"'
    assert json_text(text) == '"a\\u202eb\\u200dc\\u007f\\udb40\\udc41"'


def test_half_a_character_is_sent_as_the_app_sends_it():
    assert json_text("\ud83d") == '"\\ud83d"'
    assert python_string("\ud83d") == '"\\ud83d"'


# ---- What fits ----


def ids(call: Call) -> list[str]:
    """The ids of the forms that fit."""
    return [form.id for form in forms_of(call)]


@pytest.mark.parametrize(
    ("method", "named"),
    [
        (openai.OpenAI(api_key="-").chat.completions.create, python_packages._CHAT),
        (openai.OpenAI(api_key="-").responses.create, python_packages._RESPONSES),
        (anthropic.Anthropic(api_key="-").messages.create, python_packages._MESSAGES),
        (ollama.Client().chat, python_packages._OLLAMA),
    ],
)
def test_a_packages_method_names_the_fields_that_it_is_given(method, named):
    assert named <= inspect.signature(method).parameters.keys()


def test_a_package_is_offered_only_where_it_can_send_the_same():
    chat = CALL._replace(body={"model": "m", "messages": [], "seed": 7})
    assert {"python-openai", "javascript-openai"} <= set(ids(chat))
    assert "python-openai" not in ids(chat._replace(url="http://127.0.0.1:1/v1/other"))
    messages = CALL._replace(api="anthropic", url="http://127.0.0.1:1/v1/messages", body={})
    assert "python-anthropic" in ids(messages)
    assert "python-anthropic" not in ids(messages._replace(url="http://127.0.0.1:1/messages"))
    own = CALL._replace(api="ollama", url="http://127.0.0.1:1/api/chat", body={"model": "m", "messages": []})
    assert "python-ollama" in ids(own)
    assert "python-ollama" not in ids(own._replace(body={**own.body, "truncate": False}))


def test_a_number_that_javascript_would_change_goes_as_text(tmp_path):
    large = CALL._replace(body={"seed": 2**60 + 1, "model": "m"})
    assert "javascript-openai" not in ids(large)

    def answer(request: RecordedRequest):
        return json_reply({"choices": [{"message": {"content": str(request.json()["seed"])}}]})

    with ScriptedServer({("POST", "/v1/chat/completions"): answer}) as server:
        call = large._replace(url=server.url + "/v1/chat/completions")
        form = next(form for form in FORMS if form.id == "javascript-fetch")
        assert run_code(form, form.code(call), tmp_path, {}) == f"{2**60 + 1}\n"


def test_a_body_longer_than_an_argument_may_be_goes_in_by_standard_input(tmp_path):
    image = base64.b64encode(bytes(range(256)) * 1000).decode()
    body = {"text": NASTY, "image": image}
    with ScriptedServer({("POST", "/v1/chat/completions"): json_reply({"ok": True})}) as server:
        call = CALL._replace(url=server.url + "/v1/chat/completions", body=body)
        run_code(FORMS[0], curl.code(call), tmp_path, {})
        assert server.requests[-1].json() == body


def test_an_address_with_brackets_is_no_pattern_for_curl():
    assert "--globoff" in curl.code(CALL._replace(url="http://[::1]:8080/v1/chat/completions"))
    assert "--globoff" not in curl.code(CALL)


def test_a_failure_is_told_and_ends_the_program(tmp_path):
    error = json_reply({"error": {"message": "Out of credit"}}, 402)
    with ScriptedServer({("POST", "/v1/chat/completions"): error}) as server:
        call = CALL._replace(url=server.url + "/v1/chat/completions", body={"model": "m"})
        for form in (form for form in FORMS if form.id in ("python-requests", "javascript-fetch")):
            with pytest.raises(AssertionError, match=r"402.*Out of credit"):
                run_code(form, form.code(call), tmp_path, {})
        with pytest.raises(AssertionError, match="402"):
            run_code(FORMS[0], curl.code(call), tmp_path, {})


def test_a_long_answer_of_anthropic_in_one_piece_is_waited_for():
    call = CALL._replace(api="anthropic", url="https://api.anthropic.com/v1/messages", body={"max_tokens": 32_000})
    assert "timeout=3600" in python_packages.anthropic(call)
    assert "timeout" not in python_packages.anthropic(call._replace(body={"max_tokens": 8192}))
    assert "timeout" not in python_packages.anthropic(call._replace(streams=True))


def test_what_streams_says_so():
    assert "--no-buffer" in curl.code(CALL._replace(streams=True))
    assert "--no-buffer" not in curl.code(CALL)
    assert "stream=True" in python_requests.code(CALL._replace(streams=True))
    assert "TextDecoderStream" in javascript.fetch(CALL._replace(streams=True))


# ---- Keys ----


@pytest.mark.parametrize(
    ("kind", "base_url", "place"),
    [
        (OpenAi, "https://api.openai.com/v1", KeyPlace("Authorization", "Bearer ", "OPENAI_API_KEY", True)),
        (OpenAi, "https://api.mistral.ai/v1", KeyPlace("Authorization", "Bearer ", "MISTRAL_API_KEY", True)),
        (OpenAi, "https://api.groq.com/openai/v1", KeyPlace("Authorization", "Bearer ", "GROQ_API_KEY", True)),
        (OpenAi, "https://openrouter.ai/api/v1", KeyPlace("Authorization", "Bearer ", "OPENROUTER_API_KEY", True)),
        (OpenAi, "https://api.deepseek.com", KeyPlace("Authorization", "Bearer ", "DEEPSEEK_API_KEY", True)),
        (OpenAi, "https://api.x.ai/v1", KeyPlace("Authorization", "Bearer ", "XAI_API_KEY", True)),
        (OpenAi, "https://api.together.xyz/v1", KeyPlace("Authorization", "Bearer ", "TOGETHER_API_KEY", True)),
        (OpenAi, "https://mine.openai.azure.com/openai/v1", KeyPlace("api-key", "", "AZURE_OPENAI_API_KEY", True)),
        (OpenAi, "https://router.huggingface.co/v1", KeyPlace("Authorization", "Bearer ", "HF_TOKEN", True)),
        # The key of a vendor must not go to somebody else by the name of its variable.
        (OpenAi, "https://elsewhere.example/v1", KeyPlace("Authorization", "Bearer ", "API_KEY")),
        (OpenAiResponses, "https://api.openai.com/v1", KeyPlace("Authorization", "Bearer ", "OPENAI_API_KEY", True)),
        (Anthropic, "https://api.anthropic.com/v1", KeyPlace("x-api-key", "", "ANTHROPIC_API_KEY", True)),
        (Anthropic, "https://elsewhere.example/v1", KeyPlace("x-api-key", "", "API_KEY")),
        (
            Gemini,
            "https://generativelanguage.googleapis.com/v1beta",
            KeyPlace("x-goog-api-key", "", "GEMINI_API_KEY", True),
        ),
        (Ollama, "https://ollama.com", KeyPlace("Authorization", "Bearer ", "OLLAMA_API_KEY")),
        (LlamaServer, "http://127.0.0.1:8080", KeyPlace("X-Api-Key", "", "LLAMA_API_KEY")),
    ],
)
def test_a_key_is_named_by_whose_it_is_and_never_read(kind, base_url, place):
    def key() -> str:
        raise AssertionError("the key was read")

    provider: Provider = kind(Connection("c", "t", "C", base_url), key, RealTransport())
    call = provider.call(ChatRequest("m", ()))
    assert call.key == place
    assert place.header not in call.headers
    assert all(place.variable in form.code(call) for form in forms_of(call))


def test_what_only_a_page_has_to_say_is_left_out():
    provider = Anthropic(Connection("c", "t", "C", "https://api.anthropic.com/v1"), lambda: "", RealTransport())
    assert list(provider.call(ChatRequest("m", ())).headers) == ["anthropic-version", "Content-Type"]
