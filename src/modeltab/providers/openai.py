"""OpenAI's chat completions and everything that speaks them: hosted APIs with a key, and servers of any kind.

Source: OpenAI's API reference; the vendors' dialects are in `openai_vendors`.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from modeltab.domain.connections import Connection
from modeltab.domain.models import Model
from modeltab.domain.requests import ChatRequest, CompletionRequest, Event
from modeltab.providers import embeddings, text_completions
from modeltab.providers.base import Capabilities, Embedded, Embedder, Json, KeySource, Provider, TextCompletion, Transport
from modeltab.providers.chat_completions import ChatCompletionReader, answered, body_of
from modeltab.providers.connection_type import ConnectionType, Fingerprint
from modeltab.providers.http import Endpoint
from modeltab.providers.openai_models import check_models, headers_of, listed, recognise_list
from modeltab.providers.openai_vendors import GENERIC, VENDORS, allow_recipes, reasoning_fields, vendor_of
from modeltab.snippets.call import Call

PATH = "/chat/completions"

#: What to do, by the beginning of the server's own words.
ADVICE = {
    "This is a chat model": "Choose one that completes text, such as gpt-3.5-turbo-instruct, or ask this one in Chat.",
    "Unsupported parameter: 'logprobs'": "This model tells no probabilities: set Alternatives to 0.",
    "Invalid schema for response_format": "OpenAI takes a part of JSON Schema only: correct what it names.",
}


class OpenAi(Provider):
    """An OpenAI-compatible API."""

    def __init__(self, connection: Connection, key: KeySource, transport: Transport) -> None:
        self._connection = connection
        self._vendor = vendor_of(connection.base_url)
        label = self._vendor.preset.label if self._vendor.requires_key else ""
        self._endpoint = Endpoint(
            transport, connection.base_url, key, headers_of(self._vendor), ADVICE, label, self._vendor.key_variable
        )
        names = self._vendor.names
        self.capabilities = Capabilities(
            streaming=True,
            parameters=frozenset({"system_prompt", "reasoning", "extra_json", *names}),
            reasons={
                "completion": f"{self._vendor.preset.label} answers messages only.",
                "schema": f"{self._vendor.preset.label} holds answers to JSON, but to no schema.",
            },
            images=True,
            schema=self._vendor.schema,
            alternatives=self._vendor.alternatives,
            passes_through=True,
        )
        # Here the length has kept its old name.
        self._completion_names = {name: "max_tokens" if name == "max_tokens" else field for name, field in names.items()}
        self.completion = Capabilities(
            streaming=True,
            parameters=frozenset({"extra_json", *self._completion_names}),
            alternatives=self._vendor.completes,
        )
        self.completes: TextCompletion | None = self if self._vendor.completes else None
        self.embedder: Embedder | None = self

    async def check(self) -> str:
        """Ask for the models: that needs the right address and, with most vendors, the right key."""
        return await check_models(self._endpoint, self._connection, self._vendor)

    async def models(self) -> tuple[Model, ...]:
        """GET /models, or the models that the person named."""
        return await listed(self._endpoint, self._connection)

    async def generate(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """POST /chat/completions, streamed."""
        chunks = self._endpoint.sse(PATH, self._body(request))
        async with aclosing(answered(chunks, ChatCompletionReader())) as events:
            async for event in events:
                yield event

    def call(self, request: ChatRequest, stream: bool = True) -> Call:
        """POST /chat/completions."""
        body = self._body(request, stream)
        return self._endpoint.describe("POST", PATH, body, "chat", body.get("stream") is True)

    def _body(self, request: ChatRequest, stream: bool = True) -> dict[str, Json]:
        fields: dict[str, Json] = {"model": request.model}
        if stream:
            fields["stream"] = True
            if self._vendor.asks_usage:
                fields["stream_options"] = {"include_usage": True}
        fields.update(reasoning_fields(self._vendor, request.parameters.reasoning))
        return body_of(request, self._vendor.names, takes_images=True, **fields)

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[Event, None]:
        """POST /completions, streamed."""
        fields: dict[str, Json] = {"model": request.model, "stream": True}
        if self._vendor.asks_usage:
            fields["stream_options"] = {"include_usage": True}
        body = text_completions.body_of(request, self._completion_names, **fields)
        chunks = self._endpoint.sse("/completions", body)
        async with aclosing(answered(chunks, text_completions.CompletionReader())) as events:
            async for event in events:
                yield event

    async def embed(self, model: str, texts: tuple[str, ...]) -> Embedded:
        """POST /embeddings."""
        return await embeddings.embed(self._endpoint, "/embeddings", model, texts)


def connection_type(transport: Transport) -> ConnectionType:
    """The type for the registry."""
    return ConnectionType(
        "openai",
        "OpenAI-compatible",
        takes_url=True,
        default_url=VENDORS[0].preset.base_url,
        build=lambda connection, key: OpenAi(connection, key, transport),
        about="Chat completions: most hosted APIs, and most servers.",
        key="optional",
        takes_models=True,
        presets=(*(vendor.preset for vendor in VENDORS), GENERIC.preset),
        fingerprints=(Fingerprint("/v1/models", recognise_list, "/v1", (1234, 8000, 4000)),),
        allow=allow_recipes,
        start="lms server start",
        hides_refusal=lambda base_url: vendor_of(base_url).hides_refusal,
    )
