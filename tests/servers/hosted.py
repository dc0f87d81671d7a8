"""Scripted hosted APIs at their real names: OpenAI's, Anthropic's and Gemini's, with CORS as each vendor has it.

    with HostedApis(KEY, tls=self_signed(tmp_path)) as apis:
        browser = launch(args=[*launch_arguments(), *apis.browser_arguments])
        ...  # the page asks https://api.openai.com, and apis answers

The streams are shaped as the vendors document them; the CORS rules are those that were measured (wire.md, section 1.1):
OpenAI reflects every header but sends a wrong key's 401 without CORS, Anthropic wants a header that says that one means
it, and Gemini refuses a preflight that names any header but its own.
"""

from __future__ import annotations

import datetime
import json
import ssl
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.servers.scripted import RecordedRequest, Reply, Script, ScriptedServer, json_reply

OPENAI = "api.openai.com"
ANTHROPIC = "api.anthropic.com"
GEMINI = "generativelanguage.googleapis.com"
_MESSAGE = {
    **{"id": "m1", "type": "message", "role": "assistant", "content": [], "model": "claude-sonnet-4-5"},
    "usage": {"input_tokens": 9, "output_tokens": 1},
}
GEMINI_HEADERS = {"content-type", "x-goog-api-key", "x-goog-api-client"}
ANSWER = ("Hello", " from", " afar.")
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


class HostedApis(ScriptedServer):
    """All three, told apart by the Host header, and at 127.0.0.1 by the path. `key` is the one that each of them takes;
    empty where OpenAI asks for none.
    """

    def __init__(self, key: str, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls=tls)
        self._key = key

    @property
    def browser_arguments(self) -> list[str]:
        """What Chromium is started with, so that it finds the vendors here."""
        rules = ", ".join(f"MAP {host} 127.0.0.1:{self.port}" for host in (OPENAI, ANTHROPIC, GEMINI))
        return [f"--host-resolver-rules={rules}", "--ignore-certificate-errors"]

    def script(self, method: str, path: str) -> Script | None:
        """What the vendor that is asked would answer."""
        return self._answer

    def asked(self, host: str, path: str) -> RecordedRequest:
        """The latest request to a vendor's path, preflights left out."""
        found = [r for r in self.requests if (r.headers.get("host"), r.path) == (host, path) and r.method != "OPTIONS"]
        return found[-1]

    def _answer(self, request: RecordedRequest) -> Reply:
        vendors: dict[str, Callable[[RecordedRequest], Reply]] = {
            OPENAI: self._openai,
            ANTHROPIC: self._anthropic,
            GEMINI: self._gemini,
        }
        return vendors.get(request.headers["host"], vendors[_vendor_at(request.path)])(request)

    def _openai(self, request: RecordedRequest) -> Reply:
        if request.method == "OPTIONS":
            return Reply(status=204)
        if self._key and request.headers.get("authorization") != f"Bearer {self._key}":
            return json_reply({"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}, 401, cors=False)
        if request.path == "/v1/models":
            return json_reply({"object": "list", "data": [{"id": "gpt-5-mini", "object": "model", "owned_by": "openai"}]})
        streams = request.json().get("stream")
        if request.path == "/v1/responses":
            events = _responses_stream()
            return _sse(events, named=True) if streams else json_reply(events[-1]["response"])
        if not streams:
            message = {"role": "assistant", "content": "".join(ANSWER)}
            whole = {"id": "c1", "object": "chat.completion", "model": "gpt-5-mini", "usage": USAGE}
            return json_reply({**whole, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
        chunk: dict[str, Any] = {"id": "c1", "object": "chat.completion.chunk", "model": "gpt-5-mini"}
        deltas = [{"role": "assistant", "content": ""}, *({"content": text} for text in ANSWER)]
        chunks = [{**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
        end = {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        usage = {**chunk, "choices": [], "usage": USAGE}
        return _sse([*chunks, end, usage], done=True)

    def _anthropic(self, request: RecordedRequest) -> Reply:
        if request.method == "OPTIONS":
            return Reply(status=204)
        asks_as_page = "origin" in request.headers
        if asks_as_page and request.headers.get("anthropic-dangerous-direct-browser-access") != "true":
            words = "CORS requests must set 'anthropic-dangerous-direct-browser-access' header"
            return _anthropic_error(words, cors=False)
        if self._key not in (
            request.headers.get("x-api-key"),
            request.headers.get("authorization", "").removeprefix("Bearer "),
        ):
            return _anthropic_error("invalid x-api-key")
        if request.path == "/v1/models":
            model = {"type": "model", "id": "claude-sonnet-4-5", "display_name": "Claude Sonnet 4.5"}
            return json_reply({"data": [model], "has_more": False, "first_id": model["id"], "last_id": model["id"]})
        if not request.json().get("stream"):
            thought = {"type": "thinking", "thinking": "I greet them.", "signature": "c2lnbmVk"}
            content = [thought, {"type": "text", "text": "".join(ANSWER)}]
            whole = {**_MESSAGE, "content": content, "stop_reason": "end_turn", "stop_sequence": None}
            return json_reply(whole)
        return _sse(_messages_stream(), named=True)

    def _gemini(self, request: RecordedRequest) -> Reply:
        if request.method == "OPTIONS":
            asked = request.headers.get("access-control-request-headers", "").lower().replace(" ", "").split(",")
            return Reply(status=204) if set(asked) <= GEMINI_HEADERS else Reply(status=403, cors=False)
        if request.headers.get("x-goog-api-key") != self._key:
            words = "API key not valid. Please pass a valid API key."
            return json_reply({"error": {"code": 400, "message": words, "status": "INVALID_ARGUMENT"}}, 400)
        if request.path == "/v1beta/models":
            model = {
                "name": "models/gemini-2.5-flash",
                "displayName": "Gemini 2.5 Flash",
                "inputTokenLimit": 1048576,
                "supportedGenerationMethods": ["generateContent"],
            }
            return json_reply({"models": [model]})
        parts = [{"text": "I greet them.", "thought": True}, *({"text": text} for text in ANSWER)]
        usage = {"promptTokenCount": 9, "candidatesTokenCount": 3, "thoughtsTokenCount": 4, "totalTokenCount": 16}
        if request.path.endswith(":generateContent"):
            whole = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
            return json_reply({"candidates": [whole], "usageMetadata": usage})
        chunks = [{"candidates": [{"content": {"role": "model", "parts": [part]}, "index": 0}]} for part in parts]
        return _sse([*chunks, {"candidates": [{"finishReason": "STOP", "index": 0}], "usageMetadata": usage}])


def _vendor_at(path: str) -> str:
    if path.startswith("/v1beta/"):
        return GEMINI
    return ANTHROPIC if path == "/v1/messages" else OPENAI


def _messages_stream() -> list[dict[str, Any]]:
    """Anthropic's events for an answer with thinking."""
    return [
        {"type": "message_start", "message": _MESSAGE},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "I greet them."}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2lnbmVk"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "ping"},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": text}} for text in ANSWER),
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 12}},
        {"type": "message_stop"},
    ]


def _responses_stream() -> list[dict[str, Any]]:
    """OpenAI's events for an answer of the Responses API."""
    text = "".join(ANSWER)
    item = {"id": "i1", "type": "message", "role": "assistant", "status": "completed"}
    content = [{"type": "output_text", "text": text, "annotations": []}]
    usage = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}
    response = {"id": "r1", "object": "response", "status": "completed", "model": "gpt-5-mini"}
    return [
        {"type": "response.created", "response": {**response, "status": "in_progress", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "status": "in_progress", "content": []}},
        *(
            {"type": "response.output_text.delta", "item_id": "i1", "output_index": 0, "content_index": 0, "delta": piece}
            for piece in ANSWER
        ),
        {"type": "response.output_item.done", "output_index": 0, "item": {**item, "content": content}},
        {"type": "response.completed", "response": {**response, "output": [{**item, "content": content}], "usage": usage}},
    ]


def _anthropic_error(words: str, cors: bool = True) -> Reply:
    return json_reply({"type": "error", "error": {"type": "authentication_error", "message": words}}, 401, cors=cors)


def _sse(events: Iterable[dict[str, Any]], named: bool = False, done: bool = False) -> Reply:
    chunks = [(f"event: {e['type']}\n" if named else "").encode() + f"data: {json.dumps(e)}\n\n".encode() for e in events]
    return replace(
        Reply(content_type="text/event-stream; charset=utf-8"), chunks=[*chunks, *([b"data: [DONE]\n\n"] if done else [])]
    )


def self_signed(folder: Path) -> ssl.SSLContext:
    """A certificate that nobody vouches for, for as long as a test lasts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ModelTab's tests")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in (OPENAI, ANTHROPIC, GEMINI, "modeltab.test")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
