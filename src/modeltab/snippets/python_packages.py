"""A call as a Python program that uses the vendor's own package: openai, anthropic, ollama.

The packages are those of November 2026: openai 3, anthropic 2, ollama 0.6. A field that a package's method does not name goes
into `extra_body`, which openai and anthropic merge into the request.
"""

from collections.abc import Mapping
from typing import Any

from modeltab.snippets.call import Call
from modeltab.snippets.literals import python_string, python_text

#: What the methods name, of what a request of ours has or people add to it.
_ALL = frozenset({"model", "stream", "tools", "tool_choice"})
_SAMPLING = frozenset({"temperature", "top_p"})
_PENALTIES = frozenset({"frequency_penalty", "presence_penalty", "logit_bias", "stop", "n", "user"})
_LENGTHS = frozenset({"max_tokens", "max_completion_tokens", "reasoning_effort", "seed"})
_CHAT = _ALL | _SAMPLING | _PENALTIES | _LENGTHS | {"messages", "stream_options", "logprobs", "top_logprobs", "response_format"}
_RESPONSES = (
    _ALL | _SAMPLING | {"input", "instructions", "store", "max_output_tokens", "reasoning", "text", "metadata", "include"}
)
_MESSAGES = _ALL | {"messages", "system", "max_tokens", "thinking", "output_config", "stop_sequences", "metadata"}
_OLLAMA = frozenset({"model", "messages", "stream", "think", "options", "format", "keep_alive", "tools"})
#: Above so many tokens Anthropic's package wants a stream, unless it is told how long to wait.
_LONG_ANSWER = 20_000
_WAIT_S = 3600


def openai_base(call: Call) -> str:
    """The base URL for OpenAI's packages, empty where they do not fit."""
    for api, end in (("chat", "/chat/completions"), ("responses", "/responses")):
        if call.api == api and call.url.endswith(end):
            return call.url.removesuffix(end)
    return ""


def anthropic_base(call: Call) -> str:
    """The base URL for Anthropic's package, empty where it does not fit."""
    end = "/v1/messages"
    return call.url.removesuffix(end) if call.api == "anthropic" and call.url.endswith(end) else ""


def ollama_host(call: Call) -> str:
    """The host for Ollama's package, empty where it does not fit: it takes only the fields that it knows."""
    end = "/api/chat"
    fits = call.api == "ollama" and call.url.endswith(end) and call.body.keys() <= _OLLAMA
    return call.url.removesuffix(end) if fits else ""


def openai(call: Call) -> str:
    """The program that uses openai."""
    arguments = [f"base_url={python_string(openai_base(call))}", f"api_key={_key(call)}"]
    head = _head(call, "openai", "from openai import OpenAI", f"client = OpenAI({', '.join(arguments)})")
    if call.api == "chat":
        return _program(
            head,
            f"client.chat.completions.create({_fields(call.body, _CHAT)})",
            'chunk.choices[0].delta.content or "" if chunk.choices else ""',
            "reply.choices[0].message.content",
            call.streams,
        )
    return _program(
        head,
        f"client.responses.create({_fields(call.body, _RESPONSES)})",
        'chunk.delta if chunk.type == "response.output_text.delta" else ""',
        "reply.output_text",
        call.streams,
    )


def anthropic(call: Call) -> str:
    """The program that uses anthropic."""
    # The version that was sent: a later one, which the package would name, takes other fields.
    headers = python_text({name: value for name, value in call.headers.items() if name.lower() != "content-type"})
    arguments = [f"base_url={python_string(anthropic_base(call))}", f"api_key={_key(call)}", f"default_headers={headers}"]
    longest = call.body.get("max_tokens")
    if not call.streams and isinstance(longest, int) and longest > _LONG_ANSWER:
        arguments.append(f"timeout={_WAIT_S}")
    head = _head(call, "anthropic", "from anthropic import Anthropic", _client("Anthropic", arguments))
    return _program(
        head,
        f"client.messages.create({_fields(call.body, _MESSAGES)})",
        'chunk.delta.text if chunk.type == "content_block_delta" and chunk.delta.type == "text_delta" else ""',
        '"".join(block.text for block in reply.content if block.type == "text")',
        call.streams,
    )


def ollama(call: Call) -> str:
    """The program that uses ollama."""
    arguments = [f"host={python_string(ollama_host(call))}"]
    if call.key:
        value = f"{python_string(call.key.prefix)} + {_variable(call)}"
        arguments.append(f"headers={{{python_string(call.key.header)}: {value}}}")
    head = _head(call, "ollama", "from ollama import Client", f"client = Client({', '.join(arguments)})")
    return _program(
        head,
        f"client.chat({_fields(call.body, _OLLAMA)})",
        'chunk.message.content or ""',
        "reply.message.content",
        call.streams,
    )


def _head(call: Call, package: str, imported: str, client: str) -> list[str]:
    return [f"# pip install {package}", *(["import os", ""] if call.key else []), imported, "", client]


def _client(name: str, arguments: list[str]) -> str:
    lines = "".join(f"    {argument},\n" for argument in arguments)
    return f"client = {name}(\n{lines})"


def _program(head: list[str], asked: str, chunk: str, reply: str, streams: bool) -> str:
    if not streams:
        return "\n".join([*head, f"reply = {asked}", f"print({reply})"]) + "\n"
    loop = ["for chunk in stream:", f'    print({chunk}, end="", flush=True)', "print()"]
    return "\n".join([*head, f"stream = {asked}", *loop]) + "\n"


def _fields(body: Mapping[str, Any], named: frozenset[str]) -> str:
    """A body as the arguments of a method, one a line; what the method does not name, as `extra_body`."""
    arguments = [f"    {name}={python_text(value, 4)}," for name, value in body.items() if name in named]
    others = {name: value for name, value in body.items() if name not in named}
    if others:
        arguments.append(f"    extra_body={python_text(others, 4)},")
    return "\n" + "\n".join(arguments) + "\n"


def _key(call: Call) -> str:
    """The key's argument. The packages want one also where the server does not."""
    return _variable(call) if call.key else '"none"'


def _variable(call: Call) -> str:
    assert call.key is not None
    return f"os.environ[{python_string(call.key.variable)}]"
