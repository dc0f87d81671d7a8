"""Whether a model runs somewhere, and the reason that people read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from modeltab.files.facts import facts_of
from modeltab.files.fit import ARCHITECTURES, COMPAT_HEAP_LIMIT, Fit, Place, fits
from modeltab.files.values import Header, ModelFacts, Role, Tensor, Value

WLLAMA = Path(__file__).parents[2] / "static/vendor/wllama"
GB = 1_000_000_000
TAB = Place("tab", device_bytes=8 << 30)
SERVER = Place("llama.cpp", max_file_bytes=10 << 30)

#: Classes in llama.cpp that are called otherwise than the architecture that they load.
CLASSES = {
    "deepseek2-ocr": "deepseek2ocr",
    "glm4moe": "glm4_moe",
    "gpt-oss": "openai_moe",
    "granitehybrid": "granite_hybrid",
    "granitemoe": "granite_moe",
    "graniteswitch": "granite_switch",
    "pangu-embedded": "pangu_embed",
}


def header(size: int = 100_000_000, architecture: str = "llama", *, big_endian: bool = False) -> Header:
    """A header of a model with as many bytes of weights; its cache takes 32 kB a token."""
    figures = {"block_count": 16, "embedding_length": 512, "attention.head_count": 8, "feed_forward_length": 2048}
    metadata: dict[str, Value] = {"general.architecture": architecture}
    metadata |= {f"{architecture}.{key}": value for key, value in figures.items()}
    return Header(3, big_endian, metadata, (Tensor("blk.0.w", (size,), "I8", 0, size),), 32, 0, size)


def fit(size: int, place: Place, architecture: str = "llama", *, big_endian: bool = False, **facts: object) -> Fit:
    found = header(size, architecture, big_endian=big_endian)
    return fits(facts_of(found)._replace(**facts), found, size, place)  # type: ignore[arg-type]


#: (what it shows, the verdict, what the reason tells).
VERDICTS = [
    ("a small model runs in a tab", fit(GB // 10, TAB), "yes", r"needs \d+ MB with 4,096 tokens of context\.$"),
    (
        "one larger than the heap does not",
        fit(6 * GB, TAB),
        "no",
        r"needs 6\.\d GB .*, and the engine in a tab can have 4\.3 GB\.$",
    ),
    (
        "a shorter context may help",
        fit(3 * GB, TAB._replace(n_ctx=65_536)),
        "no",
        r"with 65,536 tokens .*; with 32,768 it would fit\.$",
    ),
    (
        "the other build has half of it",
        fit(3 * GB, TAB._replace(heap_limit=COMPAT_HEAP_LIMIT)),
        "no",
        r"can have 2\.1 GB\.$",
    ),
    ("a device may have too little", fit(2 * GB, TAB._replace(device_bytes=2 << 30)), "no", r"this device has 2\.1 GB\.$"),
    ("or scarcely enough", fit(2 * GB, TAB._replace(device_bytes=3 << 30)), "unknown", "other programs need too"),
    ("a small model needs no figure for that", fit(GB // 10, TAB._replace(device_bytes=None)), "yes", "needs"),
    ("a larger one does", fit(2 * GB, TAB._replace(device_bytes=None)), "unknown", "the browser does not tell"),
    ("with a GPU the weights are not in the heap", fit(5 * GB, TAB._replace(gpu=True)), "yes", "needs 5"),
    (
        "storage must have room",
        fit(2 * GB, TAB._replace(free_bytes=GB)),
        "no",
        r"room for 1\.0 GB more; the file takes 2\.0 GB",
    ),
    ("an unknown architecture", fit(GB, TAB, "llama9"), "no", "does not know the architecture “llama9”"),
    ("an embedding model", fit(GB, TAB, "bert"), "no", "vectors for searching: it does not chat"),
    ("a cache that is not worked out", fit(GB, TAB, "deepseek4"), "unknown", "or more"),
    ("big-endian", fit(GB, TAB, big_endian=True), "no", "big-endian"),
    ("a projector", fit(GB, TAB, role="projector"), "no", "eyes or ears"),
    ("an adapter", fit(GB, SERVER, role="adapter"), "no", "changes a model"),
    ("a vocabulary", fit(GB, SERVER, role="vocabulary"), "no", "no weights"),
    ("one part of several", fit(GB, SERVER, shard=(2, 3)), "no", "part 2 of 3: choose all"),
    ("where parts may come", fit(GB, SERVER._replace(takes_shards=True), shard=(2, 3)), "yes", "takes the file"),
    (
        "a server takes the file",
        fit(GB, SERVER),
        "yes",
        r"takes the file; whether the 1\.0 GB fit into its memory is not known",
    ),
    ("up to its limit", fit(11 * GB, SERVER), "no", r"files of up to 10\.7 GB; this one has 11\.0 GB"),
    ("a server's architectures", fit(GB, SERVER, "llama9"), "unknown", "architecture “llama9” is not known"),
    ("a server's byte order", fit(GB, SERVER, big_endian=True), "unknown", "IBM Z"),
    ("a server's engine", fit(GB, Place()), "unknown", "What runs models there"),
    ("no files at all", fit(GB, Place(takes_files=False)), "no", "cannot be sent there"),
    ("a file that is not known", fits(None, None, GB, TAB), "unknown", "not known"),
]


@pytest.mark.parametrize(("found", "verdict", "reason"), [case[1:] for case in VERDICTS], ids=[case[0] for case in VERDICTS])
def test_verdicts(found: Fit, verdict: str, reason: str):
    assert found.verdict == verdict
    assert re.search(reason, found.reason), found.reason
    assert found.reason.endswith(".")


def test_all_parts_together_count():
    first = header(GB // 10)
    facts = ModelFacts("model", "llama", mix={"I8": 6 * GB})
    assert fits(facts, first, 6 * GB, TAB).verdict == "no"


def test_every_role_but_a_model_has_a_reason():
    roles: tuple[Role, ...] = ("projector", "adapter", "vocabulary")
    assert {fit(GB, TAB, role=role).verdict for role in roles} == {"no"}


@pytest.mark.skipif(not WLLAMA.is_dir(), reason="the libraries are not there yet: python run.py brings them")
@pytest.mark.parametrize("wasm", ["wllama.wasm", "compat/wllama.wasm"])
def test_the_architectures_are_those_of_the_engine(wasm: str):
    code = (WLLAMA / wasm).read_bytes()
    assert [name for name in sorted(ARCHITECTURES) if name.encode() + b"\0" not in code] == []
    # Each architecture is a class of its own, whose mangled name stands in the code: its length and "llama_model_…".
    classes = {
        (match[0] + code[match.end() :])[len(match[1]) :][: int(match[1])].decode()
        for match in re.finditer(rb"(\d\d)llama_model_", code)
    }
    names = {name.removeprefix("llama_model_") for name in classes} - {"base", "loader"}
    assert names - {"clip"} == {CLASSES.get(name, name.replace("-", "_")) for name in ARCHITECTURES} - {"clip"}
