"""Texts as vectors, from each API that makes them."""

from __future__ import annotations

from typing import Any

import pytest

from modeltab.domain.connections import Connection
from modeltab.domain.errors import BadReply
from modeltab.providers.base import Embedded, Transport
from modeltab.providers.llama_server import LlamaServer
from modeltab.providers.ollama import Ollama
from modeltab.providers.openai import OpenAi
from tests.unit.fakes import CannedTransport, canned

URL = "http://127.0.0.1:1/v1"


def provider(kind: str, transport: Transport) -> Any:
    """A provider of that kind."""
    connection = Connection("c", kind, "C", URL)
    kinds = {"openai": OpenAi, "llama-server": LlamaServer, "ollama": Ollama}
    return kinds[kind](connection, lambda: "", transport)


REPLY = {"data": [{"index": 1, "embedding": [0, 1]}, {"index": 0, "embedding": [1, 0.5]}], "usage": {"prompt_tokens": 4}}
OLLAMA = {"embeddings": [[1, 0.5], [0, 1]], "prompt_eval_count": 4}


@pytest.mark.parametrize(
    ("kind", "reply", "path"),
    [("openai", REPLY, "/v1/embeddings"), ("llama-server", REPLY, "/v1/embeddings"), ("ollama", OLLAMA, "/api/embed")],
)
async def test_a_vector_for_each_text_in_their_order(kind: str, reply: Any, path: str):
    transport = CannedTransport(canned(reply))
    found = await provider(kind, transport).embedder.embed("m", ("one", "two"))
    assert found == Embedded(((1.0, 0.5), (0.0, 1.0)), 4)
    assert transport.requests[-1].url.endswith(path)
    assert (transport.body["model"], transport.body["input"]) == ("m", ["one", "two"])


@pytest.mark.parametrize("kind", ["openai", "ollama"])
@pytest.mark.parametrize(
    "reply",
    [None, [], {}, {"data": None}, {"data": [{"embedding": [1]}]}, {"data": [{"embedding": "x"}, {}]}, {"embeddings": [1, 2]}],
)
async def test_what_is_not_that_is_told(kind: str, reply: Any):
    transport = CannedTransport(canned(reply))
    with pytest.raises(BadReply, match="without a vector for each text"):
        await provider(kind, transport).embedder.embed("m", ("one", "two"))


async def test_without_an_index_they_are_in_the_texts_order():
    reply = {"data": [{"embedding": [1]}, {"embedding": [2]}]}
    transport = CannedTransport(canned(reply))
    assert await provider("openai", transport).embed("m", ("one", "two")) == Embedded(((1.0,), (2.0,)), None)
