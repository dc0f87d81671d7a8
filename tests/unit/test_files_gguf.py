"""The header of GGUF files: all of it told, little of it read, and nothing wrong believed."""

from __future__ import annotations

import os
import struct
import time

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modeltab.domain.errors import NotAModel
from modeltab.files import ggml
from modeltab.files.gguf import read_header
from modeltab.files.values import Array, Tensor
from modeltab.files.window import MAX_READ
from tests.unit.gguf_files import (
    ARRAY,
    EVERY_TYPE,
    STRING,
    TWO_TENSORS,
    TWO_TENSORS_DATA,
    CountedBytes,
    by_hand,
    run,
    text,
    tiny_llama,
    vocabulary_file,
    whole_file,
)


def header_of(data, size=None):
    """The header of a file with these bytes, and with zeros behind them up to a size."""
    counted = CountedBytes(data, size)
    return run(read_header(counted, counted.size))


def refusal(data, size=None):
    """Why a file is refused."""
    with pytest.raises(NotAModel) as raised:
        header_of(data, size)
    assert raised.value.advice
    return raised.value.message


def as_told(value):
    """A value of a fixture as a header has it."""
    type_, content = value
    if type_ != ARRAY:
        return content
    inner, entries = content
    kept = entries if len(entries) <= (1024 if inner not in (STRING, ARRAY) else 8) else entries[:8]
    names = {4: "UINT32", 5: "INT32", 6: "FLOAT32", 7: "BOOL", STRING: "STRING", ARRAY: "ARRAY"}
    return Array(names[inner], len(entries), tuple(as_told((inner, entry)) for entry in kept))


@pytest.mark.parametrize("order", ["<", ">"], ids=["little-endian", "big-endian"])
@pytest.mark.parametrize("version", [2, 3])
def test_every_value_type_of_both_versions_and_byte_orders(version, order):
    header = header_of(whole_file(version=version, order=order))
    assert (header.version, header.big_endian) == (version, order == ">")
    assert header.metadata == {key: as_told(value) for key, value in EVERY_TYPE}
    start = header.data_offset
    assert header.tensors == (
        Tensor("token_embd.weight", (4, 2), "F32", start, 32),
        Tensor("output.weight", (64,), "Q4_0", start + 32, 36),
    )
    assert start % 32 == 0
    assert header.end == start + 68


def test_a_file_of_pypis_gguf(tmp_path):
    path = tiny_llama(tmp_path / "tiny.gguf")
    header = run(read_header(CountedBytes(path), path.stat().st_size))
    expected = gguf.GGUFReader(path)
    assert [tensor.name for tensor in header.tensors] == [tensor.name for tensor in expected.tensors]
    for ours, theirs in zip(header.tensors, expected.tensors, strict=True):
        assert (ours.shape, ours.type) == (tuple(theirs.shape), theirs.tensor_type.name)
        assert (ours.offset, ours.size) == (theirs.data_offset, theirs.n_bytes)
    assert set(header.metadata) == {key for key in expected.fields if not key.startswith("GGUF.")}
    tokens = header.metadata["tokenizer.ggml.tokens"]
    assert isinstance(tokens, Array)
    assert tokens.length == len(expected.fields["tokenizer.ggml.tokens"].data)


@pytest.mark.parametrize("alignment", [8, 64, 4096])
def test_other_alignments(tmp_path, alignment):
    path = tiny_llama(tmp_path / "a.gguf", configure=lambda writer: writer.add_custom_alignment(alignment))
    header = run(read_header(CountedBytes(path), path.stat().st_size))
    assert header.alignment == alignment
    assert [t.offset for t in header.tensors] == [t.data_offset for t in gguf.GGUFReader(path).tensors]


def test_a_big_endian_file_of_pypis_gguf(tmp_path):
    path = tmp_path / "big.gguf"
    writer = gguf.GGUFWriter(path, "llama", endianess=gguf.GGUFEndian.BIG)
    writer.add_context_length(77)
    writer.add_tensor("token_embd.weight", np.ones((2, 4), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    header = run(read_header(CountedBytes(path), path.stat().st_size))
    assert header.big_endian
    assert header.metadata["llama.context_length"] == 77
    assert header.tensors[0].shape == (4, 2)


def test_the_tensor_types_are_those_of_pypis_gguf():
    theirs = {int(type_): (type_.name, *sizes) for type_, sizes in gguf.GGML_QUANT_SIZES.items()}
    assert {number: tuple(type_) for number, type_ in ggml.TYPES.items()} == theirs
    names = {int(type_): type_.name.split("_", 1)[1] for type_ in gguf.LlamaFileType if type_.name != "GUESSED"}
    assert names == ggml.FILE_TYPES
    assert int(gguf.LlamaFileType.GUESSED) == ggml.GUESSED


def test_where_each_entry_lies():
    data = whole_file()
    spans = header_of(data).spans
    assert list(spans) == [key for key, _ in EVERY_TYPE]
    assert [data[start : start + 8 + len(key)] for key, (start, _) in spans.items()] == [text(key) for key in spans]
    assert [start for start, _ in spans.values()] == [24, *(end for _, end in spans.values())][:-1]


def test_only_the_header_is_read_however_large_the_vocabulary():
    data = vocabulary_file(50_000) + bytes(5_000_000)
    counted = CountedBytes(data)
    header = run(read_header(counted, counted.size))
    assert header.metadata["tokenizer.ggml.tokens"] == Array(
        "STRING", 50_000, tuple(f"token{n * 7919 % 50_000}" for n in range(8))
    )
    assert header.metadata["tokenizer.chat_template"] == "{{ messages }}"
    assert counted.bytes_read < 2 * header.data_offset
    assert counted.reads < 12


def test_numbers_that_are_not_kept_are_not_read():
    data = by_hand([("a", (ARRAY, (10, range(1_000_000)))), ("b", (4, 7))])
    counted = CountedBytes(data)
    header = run(read_header(counted, counted.size))
    assert header.metadata == {"a": Array("UINT64", 1_000_000, tuple(range(8))), "b": 7}
    assert counted.bytes_read < 200_000


def test_numbers_of_each_layer_are_kept_whole():
    heads = [8 if n % 5 else 0 for n in range(1024)]
    assert header_of(by_hand([("a", (ARRAY, (4, heads)))])).metadata["a"] == Array("UINT32", 1024, tuple(heads))


def test_a_file_of_20_gigabytes_is_told_from_its_first_bytes(tmp_path):
    path = tmp_path / "large.gguf"
    rows = 8192 * 1024
    tensors = [("token_embd.weight", (1024, rows // 2), 0, 0), ("output.weight", (1024, rows // 16), 0, rows * 2048)]
    path.write_bytes(by_hand([("general.architecture", (STRING, "llama"))], tensors))
    end = path.stat().st_size + rows * 2048 + rows * 256
    os.truncate(path, end)
    counted = CountedBytes(path)
    began = time.perf_counter()
    header = run(read_header(counted, counted.size))
    assert time.perf_counter() - began < 1
    assert header.end == end > 19e9
    assert counted.bytes_read == 64 * 1024


def test_every_cut_is_noticed():
    data = whole_file()
    assert header_of(data)
    for cut in range(4, len(data)):
        assert "cut off" in refusal(data[:cut])


def test_a_cut_file_tells_what_is_there_of_what_should_be():
    tensors = [("a", (1000, 1_025_000), 0, 0)]
    data = by_hand([], tensors)
    assert refusal(data, 3_200_000_000) == "It is cut off: 3.2 of 4.1 GB are there."
    assert refusal(data, 4_100_000_000) == "It is cut off: all but the last 96 bytes of 4.1 GB are there."
    assert refusal(whole_file()[:40]) == "It is cut off: its 40 bytes end within its header."


def test_a_file_that_became_shorter_while_it_was_read_is_cut_off():
    async def read(start, end):
        return vocabulary[start : min(end, 100_000)]

    vocabulary = vocabulary_file(20_000)
    with pytest.raises(NotAModel, match="cut off"):
        run(read_header(read, len(vocabulary)))


def tensor(name="a", shape=(4,), type_=0, offset=0):
    return (name, shape, type_, offset)


HUGE = 1 << 62
WRONG = [
    ("another format", b"GGML" + bytes(60), "not a GGUF file"),
    ("version 1", b"GGUF" + struct.pack("<III", 1, 0, 0) + bytes(40), "version 1, which no runtime reads"),
    ("a later version", by_hand([], version=4), "version 4, newer"),
    ("no version", by_hand([], version=0x12345678), "its version is none"),
    ("version 0", by_hand([], version=0), "its version is none"),
    ("absurd tensors", by_hand([], counts=(HUGE, 0)), "more tensors or entries"),
    ("absurd entries", by_hand([], counts=(0, HUGE)), "more tensors or entries"),
    ("more entries than there are", by_hand([("a", (4, 1))], counts=(0, 2))[:45], "cut off"),
    ("an entry without a name", by_hand([("", (4, 1))]), "no name"),
    ("a key twice", by_hand([("a", (4, 1)), ("a", (4, 1))]), "names “a” twice"),
    ("a long key", by_hand([("k" * 70_000, (4, 1))]), "no end"),
    (
        "an unknown value type",
        by_hand([("a", (4, 1))]).replace(struct.pack("<II", 4, 1), struct.pack("<II", 13, 1)),
        "a type that",
    ),
    (
        "a text without end",
        by_hand([])[:16] + struct.pack("<Q", 1) + text("a") + struct.pack("<IQ", 8, HUGE) + bytes(99),
        "no end",
    ),
    (
        "an array without end",
        by_hand([])[:16] + struct.pack("<Q", 1) + text("a") + struct.pack("<IIQ", 9, 6, HUGE),
        "more entries",
    ),
    (
        "a text array without end",
        by_hand([])[:16] + struct.pack("<Q", 1) + text("a") + struct.pack("<IIQ", 9, 8, HUGE),
        "more entr",
    ),
    (
        "texts without end",
        by_hand([])[:16] + struct.pack("<Q", 1) + text("a") + struct.pack("<IIQ", 9, 8, 20) + text("b") * 9 + b"\xff" * 99,
        "no end",
    ),
    ("arrays in arrays", by_hand([("a", (9, (9, [(9, [(9, [(9, [(4, [1])])])])])))]), "without end"),
    ("many arrays in an array", by_hand([("a", (9, (9, [(4, [])] * 66_000)))]), "without end"),
    ("an alignment of 0", by_hand([("general.alignment", (4, 0))]), "alignment"),
    ("an odd alignment", by_hand([("general.alignment", (4, 48))]), "alignment"),
    ("a huge alignment", by_hand([("general.alignment", (4, 1 << 31))]), "alignment"),
    ("an alignment in words", by_hand([("general.alignment", (STRING, "32"))]), "alignment"),
    ("five dimensions", by_hand([], [tensor(shape=(1, 1, 1, 1, 1))], bytes(99)), "5 dimensions"),
    ("a dimension of 0", by_hand([], [tensor(shape=(4, 0))], bytes(99)), "no shape"),
    ("half a block", by_hand([], [tensor(shape=(48,), type_=2)], bytes(99)), "no shape that Q4_0"),
    ("a tensor twice", by_hand([], [tensor(), tensor(offset=32)], bytes(99)), "two tensors “a”"),
    ("an endless tensor", by_hand([], [tensor(shape=(HUGE, HUGE))], bytes(99)), "larger than any"),
    ("a misaligned tensor", by_hand([], [tensor(), tensor("b", offset=33)], bytes(99)), "“b” is not aligned"),
    ("overlapping tensors", by_hand([], [tensor(shape=(16,)), tensor("b", offset=32)], bytes(99)), "“b” lies on another"),
    ("a gap", by_hand([], [tensor(), tensor("b", offset=64)], bytes(99)), "“b” has a gap"),
    ("an offset beyond all", by_hand([], [tensor(offset=HUGE)], bytes(99)), "“a” has a gap"),
    ("a long name", by_hand([], [tensor("n" * 64)], bytes(99)), "too long"),
    ("a removed type", by_hand([], [tensor(type_=31)], bytes(99)), "Q4_0_4_4, which no runtime reads"),
    ("an unknown type", by_hand([], [tensor(type_=999)], bytes(99)), "a type that is not known"),
]


@pytest.mark.parametrize(("data", "reason"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_is_wrong_is_refused_with_its_reason(data, reason):
    assert reason in refusal(data)


def test_a_header_without_end_is_given_up():
    start = by_hand([])[:16] + struct.pack("<Q", 1) + text("a") + struct.pack("<IIQ", 9, 8, 1 << 31)
    counted = CountedBytes(start, 1 << 36)
    with pytest.raises(NotAModel, match="no end within"):
        run(read_header(counted, counted.size))
    assert counted.bytes_read <= 2 * MAX_READ


WHOLE = whole_file()


@given(st.binary(max_size=400))
@settings(max_examples=400, deadline=2000)
def test_no_bytes_do_harm(data):
    for start in (b"", b"GGUF", b"GGUF\x03\0\0\0", WHOLE[:24], WHOLE[: len(WHOLE) // 2]):
        inspected(start + data)


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=12), st.booleans())
@settings(max_examples=1500, deadline=2000)
def test_no_change_of_a_whole_file_does_harm(changes, is_small):
    data = bytearray(whole_file() if not is_small else by_hand(EVERY_TYPE[:4], TWO_TENSORS, TWO_TENSORS_DATA))
    for place, value in changes:
        data[place % len(data)] = value
    inspected(bytes(data))


@given(st.integers(0, len(WHOLE) - 9), st.integers(0, (1 << 64) - 1), st.integers(0, 1 << 40))
@settings(max_examples=800, deadline=2000)
def test_no_number_in_a_header_makes_it_read_on(place, number, beyond):
    """The file is said to go on with zeros, for up to a terabyte."""
    data = WHOLE[:place] + struct.pack("<Q", number) + WHOLE[place + 8 :]
    counted = CountedBytes(data, len(data) + beyond)
    try:
        run(read_header(counted, counted.size))
    except NotAModel as error:
        assert error.message.startswith("It is")
    assert counted.bytes_read <= 2 * MAX_READ


def inspected(data):
    """Read a header, or be refused with a reason: never anything else, and never more than the file."""
    counted = CountedBytes(data)
    try:
        header = run(read_header(counted, counted.size))
    except NotAModel as error:
        assert error.message and error.advice
    else:
        assert header.end <= counted.size
        assert all(header.data_offset <= t.offset and t.offset + t.size <= counted.size for t in header.tensors)
    assert counted.bytes_read <= counted.size
