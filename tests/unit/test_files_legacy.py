"""LLaMA files of before GGUF: what they become loads in llama.cpp and answers as the same model made today."""

from __future__ import annotations

import json
import struct
import urllib.request

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modeltab.files.gguf_writer import size_of
from modeltab.files.inspect import inspect
from modeltab.files.values import Slice
from tests.servers.processes import llama_server
from tests.unit.gguf_files import N_FF, SCORES, TOKEN_TYPES, TOKENS, CountedBytes, put_together, run, tiny_llama
from tests.unit.legacy_files import MAGICS, legacy_llama

F16, F32 = gguf.GGMLQuantizationType.F16, gguf.GGMLQuantizationType.F32
Q4_0, Q5_1, Q8_0 = gguf.GGMLQuantizationType.Q4_0, gguf.GGMLQuantizationType.Q5_1, gguf.GGMLQuantizationType.Q8_0
PROMPTS = ("the end in", "é 日本 and the cat", "x")


def inspected(data, name="old.bin"):
    """What a file is."""
    counted = CountedBytes(data)
    return run(inspect(name, counted.size, counted))


def refusal(data):
    """Why a file is refused."""
    found = inspected(data)
    assert found.error and found.error.advice
    assert not found.parts
    return found.error.message


def answers(path):
    """What llama.cpp makes of some prompts with a model: its tokens, and what it goes on with at temperature 0."""
    with llama_server(path, "--n-ctx", "512", "--slots", "1") as server:

        def post(path, **body):
            request = urllib.request.Request(server.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=60) as reply:
                return json.load(reply)

        told = []
        for prompt in PROMPTS:
            tokens = post("/tokenize", content=prompt, add_special=True)["tokens"]
            reply = post(
                "/completion", prompt=prompt, n_predict=24, temperature=0, seed=1, return_tokens=True, cache_prompt=False
            )
            told.append((tokens, reply["tokens"]))
        return told


@pytest.mark.parametrize(
    ("format_", "version", "type_", "file_type"),
    [
        ("GGJT", 3, F16, 1),
        ("GGJT", 3, Q4_0, 2),
        ("GGJT", 3, Q8_0, 7),
        ("GGJT", 1, F16, 1),
        ("GGMF", 1, F32, 0),
        ("GGJT", 2, Q5_1, 9),
    ],
    ids=lambda value: str(getattr(value, "name", value)),
)
def test_it_answers_as_the_same_model_made_today(tmp_path, format_, version, type_, file_type):
    today = tiny_llama(tmp_path / "today.gguf", type_)
    old = legacy_llama(format_, version, type_, file_type=file_type)
    found = inspected(old)
    assert found.error is None
    converted = tmp_path / "converted.gguf"
    converted.write_bytes(put_together(found.parts, old))
    expected = answers(today)
    assert answers(converted) == expected
    assert len({tuple(reply) for _, reply in expected}) > 1


def test_what_is_told_of_it():
    old = legacy_llama("GGJT", 3, Q8_0, file_type=7)
    found = inspected(old, "open_llama.ggmlv3.q8_0.bin")
    assert (found.format, found.stored_name) == ("GGJT 3", "open_llama.ggmlv3.q8_0.gguf")
    facts = found.facts
    assert facts and found.header
    assert (facts.role, facts.architecture, facts.title, facts.quantization) == (
        "model",
        "llama",
        "open_llama.ggmlv3.q8_0",
        "Q8_0",
    )
    assert (facts.n_ctx_train, facts.n_layers, facts.n_embd, facts.n_vocab) == (2048, 2, 64, len(TOKENS))
    assert found.header.metadata["llama.feed_forward_length"] == N_FF
    assert "converted from GGJT 3" in found.notes[0]
    assert "5e-6" in found.notes[1]


def test_the_metadata_and_the_vocabulary_are_those_of_today(tmp_path):
    today = gguf.GGUFReader(tiny_llama(tmp_path / "today.gguf"))
    old = legacy_llama()
    path = tmp_path / "converted.gguf"
    path.write_bytes(put_together(inspected(old, "Tiny.bin").parts, old))
    converted = gguf.GGUFReader(path)
    assert set(today.fields) - {"general.type"} == set(converted.fields)
    for key, field in today.fields.items():
        if not key.startswith("GGUF.") or key == "GGUF.tensor_count":
            assert field.contents() == converted.fields[key].contents(), key
    tokens = [bytes(converted.fields["tokenizer.ggml.tokens"].parts[n]) for n in converted.fields["tokenizer.ggml.tokens"].data]
    assert tokens == TOKENS
    assert converted.fields["tokenizer.ggml.scores"].contents() == SCORES
    assert converted.fields["tokenizer.ggml.token_type"].contents() == TOKEN_TYPES
    for ours, theirs in zip(converted.tensors, today.tensors, strict=True):
        assert (ours.name, list(ours.shape), ours.tensor_type) == (theirs.name, list(theirs.shape), theirs.tensor_type)
        assert np.array_equal(ours.data, theirs.data)


def test_nothing_is_copied_and_little_is_read():
    old = legacy_llama("GGJT", 3, F32, file_type=0)
    counted = CountedBytes(old)
    found = run(inspect("a.bin", counted.size, counted))
    assert sum(part.end - part.start for part in found.parts if isinstance(part, Slice)) > 0.9 * len(old)
    assert found.header
    assert size_of(found.parts) == len(put_together(found.parts, old)) == found.header.end
    assert counted.bytes_read < 80_000


def test_grouped_attention_is_seen_in_the_tensors():
    found = inspected(legacy_llama(n_head_kv=2))
    assert found.header and found.header.metadata["llama.attention.head_count_kv"] == 2
    assert found.header.metadata["llama.context_length"] == 4096
    assert "Llama 2 70B" in found.notes[1]


def test_the_oldest_format_has_no_scores():
    found = inspected(legacy_llama("GGML", 0))
    assert found.format == "GGML"
    assert found.error is None
    assert "no scores" in found.notes[-1]


def test_rope_frequencies_are_left_out():
    extra = {"rope.freqs": np.ones(8, np.float32), "layers.0.attention.inner_attention.rope.freqs": np.ones(8, np.float32)}
    found = inspected(legacy_llama(extra=extra))
    assert found.error is None
    assert found.header and not any("rope" in tensor.name for tensor in found.header.tensors)


@pytest.mark.parametrize(
    ("format_", "version", "type_"),
    [("GGML", 0, Q4_0), ("GGMF", 1, Q4_0), ("GGJT", 1, Q5_1), ("GGJT", 2, Q4_0), ("GGJT", 2, Q8_0)],
)
def test_quantizations_that_are_no_more_are_refused(format_, version, type_):
    message = refusal(legacy_llama(format_, version, type_))
    assert f"{type_.name} as it was in the spring of 2023" in message


WHISPER = b"lmgg" + struct.pack("<11I", 51864, 1500, 384, 6, 4, 448, 384, 6, 4, 80, 1) + bytes(2000)
GPT_J = b"lmgg" + struct.pack("<7I", 50400, 2048, 4096, 16, 28, 64, 1) + bytes(2000)
REFUSED = [
    ("a part of the layers", legacy_llama(without=("layers.1.ffn_norm.weight",)), "20 of 21 tensors are there"),
    ("another tensor", legacy_llama(extra={"transformer.h.0.weight": np.ones(8, np.float32)}), "no LLaMA model"),
    ("another layer", legacy_llama(extra={"layers.7.ffn_norm.weight": np.ones(64, np.float32)}), "more layers"),
    ("whisper", WHISPER, "Whisper model"),
    ("another model", GPT_J, "no LLaMA model: GPT-J"),
    ("a later GGJT", b"tjgg" + struct.pack("<8I", 4, 1, 1, 1, 1, 1, 1, 1) + bytes(64), "GGJT 4, of which nothing"),
    ("RWKV", b"fmgg" + struct.pack("<8I", 101, 50277, 1024, 24, 1, 1, 1, 1) + bytes(64), "GGMF 101"),
    ("LoRA", b"algg" + bytes(64), "LoRA adapter"),
    ("nothing more", b"tjgg", "cut off"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "reason"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_cannot_be_converted_is_refused_with_its_reason(data, reason):
    assert reason in refusal(data)


def test_every_cut_is_noticed():
    data = legacy_llama()
    for cut in range(8, len(data), 997):
        assert "cut off" in refusal(data[:cut])


OLD = legacy_llama()
HEAD = 12 + 28 + len(TOKENS) * 8


@given(st.lists(st.tuples(st.integers(0, len(OLD) - 1), st.integers(0, 255)), min_size=1, max_size=8), st.integers(0, HEAD))
@settings(max_examples=150, deadline=3000)
def test_no_change_does_harm(changes, near):
    data = bytearray(OLD)
    for place, value in changes:
        data[place if place % 2 else near] = value
    counted = CountedBytes(bytes(data))
    found = run(inspect("a.bin", counted.size, counted))
    assert found.error or found.parts
    assert counted.bytes_read < 4 * len(data)


@given(st.sampled_from(sorted(MAGICS.values())), st.binary(max_size=300))
@settings(max_examples=300, deadline=2000)
def test_no_bytes_do_harm(magic, data):
    for start in (magic, magic + b"\x03\0\0\0", OLD[:40], OLD[:200], OLD[: HEAD + 500]):
        assert inspected(start + data).error
