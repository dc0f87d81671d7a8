"""OpenAI's embeddings, which most servers speak: texts → vectors.

Source: OpenAI's API reference, "Create embeddings". Some servers put the vectors in another order than the texts, and say so
with an index; some leave the index out.
"""

from modeltab.domain.errors import BadReply
from modeltab.providers.base import Embedded, Json
from modeltab.providers.http import Endpoint


async def embed(endpoint: Endpoint, path: str, model: str, texts: tuple[str, ...]) -> Embedded:
    """POST a request for the vectors of texts.

    :raises BadReply: when there is not one for each.
    """
    asked = {"model": model, "input": list(texts), "encoding_format": "float"}
    return embedded(await endpoint.call("POST", path, asked), len(texts))


def embedded(reply: Json, count: int) -> Embedded:
    """The vectors in a reply. :raises BadReply: when they are not `count`."""
    data = reply.get("data") if isinstance(reply, dict) else None
    entries = [entry for entry in data if isinstance(entry, dict)] if isinstance(data, list) else []
    entries.sort(key=lambda entry: entry["index"] if isinstance(entry.get("index"), int) else 0)
    usage = reply.get("usage") if isinstance(reply, dict) else None
    tokens = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return Embedded(vectors_of([entry.get("embedding") for entry in entries], count, reply), tokens)


def vectors_of(values: Json, count: int, reply: Json) -> tuple[tuple[float, ...], ...]:
    """Lists of numbers as vectors. :raises BadReply: when they are not that, or not `count`."""
    try:
        vectors = tuple(tuple(float(number) for number in value) for value in values)
    except (TypeError, ValueError):
        vectors = ()
    if len(vectors) != count:
        raise BadReply(
            "The server answered without a vector for each text.", "Choose a model for embeddings.", str(reply)[:400]
        )
    return vectors
