"""What a file is, by its bytes: GGUF files in every condition, only what is needed read, and no bytes that do harm."""

from __future__ import annotations

import random
import struct

import pytest

from modeltab.domain.errors import NotAModel
from modeltab.files.inspect import inspect
from modeltab.files.shards import ShardSet, gather
from modeltab.files.values import Inspection
from modeltab.files.window import MAX_READ, Short, Window, whole
from modeltab.files.window import run as run_parser
from modeltab.files.words import listing, share, size
from tests.servers.model_files import small_gguf, sparse_gguf
from tests.unit.fakes import MemoryFile
from tests.unit.gguf_files import (
    ARRAY,
    STRING,
    TWO_TENSORS,
    TWO_TENSORS_DATA,
    CountedBytes,
    by_hand,
    run,
    vocabulary_file,
    whole_file,
)
from tests.unit.legacy_files import legacy_llama
from tests.unit.test_files_identify import SAMPLES

ARCHITECTURE = ("general.architecture", (STRING, "llama"))
BLOB = f"sha256-{'0123456789abcdef' * 4}"


def inspected(data, name="model.gguf", size=None):
    """What a file with these bytes is, and with zeros behind them up to a size."""
    counted = CountedBytes(data, size)
    return run(inspect(name, counted.size, counted))


def model(*entries, tensors=TWO_TENSORS, data=TWO_TENSORS_DATA):
    """A LLaMA with some more entries in its header."""
    return by_hand([ARCHITECTURE, *entries], tensors, data)


def refusal(data, name="model.gguf", size=None):
    """Why a file is refused."""
    found = inspected(data, name, size)
    assert found.error and found.error.advice
    return found.error


# Whole GGUF files


async def test_a_file_that_is_whole_has_no_error():
    file = MemoryFile("Tiny.Q8_0.gguf", small_gguf(2000))
    found = await inspect(file.name, file.size, file.read)
    assert (found.name, found.size, found.format, found.stored_name) == (file.name, 2000, "GGUF 3", "Tiny.Q8_0.gguf")
    assert (found.error, found.notes, found.parts) == (None, (), ())
    assert found.header and found.header.end == 2000
    assert found.facts and found.facts.role == "model"


@pytest.mark.parametrize("name", ["model.bin", "model.pt", "model.zip", "model", "model.gguf.crdownload", "x.txt"])
def test_a_gguf_file_is_known_by_its_bytes_whatever_its_name(name):
    found = inspected(small_gguf(), name)
    assert (found.format, found.error) == ("GGUF 3", None)
    assert found.stored_name.endswith(".gguf")


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("a.gguf", "a.gguf"),
        ("a.GGUF", "a.gguf"),
        ("a.Q4_K_M", "a.Q4_K_M.gguf"),
        ("a.bin", "a.gguf"),
        ("folder/a.gguf", "a.gguf"),
        ("C:\\models\\a.gguf", "a.gguf"),
        ("", "model.gguf"),
        ("é 日本.gguf", "é 日本.gguf"),
    ],
)
def test_a_model_is_stored_under_its_own_name(name, stored):
    assert inspected(small_gguf(), name).stored_name == stored


@pytest.mark.parametrize(
    ("entries", "stored"),
    [
        ([("general.name", (STRING, "Tiny Llama")), ("general.file_type", (4, 7))], "Tiny-Llama-Q8_0.gguf"),
        ([("general.name", (STRING, "Tiny Q8_0")), ("general.file_type", (4, 7))], "Tiny-Q8_0.gguf"),
        ([("general.name", (STRING, "../../etc/passwd")), ("general.file_type", (4, 1))], "etc-passwd-F16.gguf"),
        ([("general.basename", (STRING, "Qwen")), ("general.size_label", (STRING, "1B"))], "Qwen-1B-F32.gguf"),
        ([], "llama-0M-F32.gguf"),
    ],
)
def test_a_blob_of_ollama_is_called_by_what_it_is(entries, stored):
    data = model(*entries, tensors=[("token_embd.weight", (4, 2), 0, 0)], data=bytes(32))
    found = inspected(data, BLOB)
    assert (found.error, found.stored_name) == (None, stored)
    assert inspected(data, f"blobs/{BLOB.replace('-', ':')}").stored_name == found.stored_name


def test_a_blob_without_a_title_is_called_by_its_parameters():
    data = model(tensors=[("token_embd.weight", (1024, 1_500_000), 1, 0)], data=b"")
    assert inspected(data, BLOB, len(data) + 1024 * 1_500_000 * 2).stored_name == "llama-1.5B-F16.gguf"


def test_a_blobs_long_title_is_cut():
    assert len(inspected(model(("general.name", (STRING, "word " * 500))), BLOB).stored_name) <= 105


def test_a_name_that_only_resembles_a_blobs_is_kept():
    assert inspected(small_gguf(), "sha256-0123").stored_name == "sha256-0123.gguf"


# What is told of them


def test_a_projector_is_told_by_its_architecture():
    for entries in (
        [("general.architecture", (STRING, "clip"))],
        [ARCHITECTURE, ("general.type", (STRING, "mmproj"))],
    ):
        found = inspected(by_hand(entries, TWO_TENSORS, TWO_TENSORS_DATA), "mmproj-model.gguf")
        assert found.error is None
        assert found.facts and found.facts.role == "projector"


def test_an_adapter_is_told():
    for entry in (("general.type", (STRING, "adapter")), ("adapter.type", (STRING, "lora"))):
        found = inspected(model(entry))
        assert found.error is None
        assert found.facts and found.facts.role == "adapter"


def test_an_importance_matrix_is_no_model():
    assert "importance matrix" in refusal(model(("general.type", (STRING, "imatrix"))), "imatrix.gguf").message


def test_a_file_without_tensors_has_no_model_in_it():
    assert refusal(model(tensors=(), data=b"")).message == "It has no tensors: there is no model in it."


def test_a_vocabulary_has_no_tensors_and_says_so():
    found = inspected(model(("tokenizer.ggml.model", (STRING, "gpt2")), tensors=(), data=b""))
    assert found.error is None
    assert found.facts and found.facts.role == "vocabulary"
    assert "only a vocabulary" in found.notes[0]


def test_the_first_of_several_parts_may_have_no_tensors():
    found = inspected(model(("split.no", (2, 0)), ("split.count", (2, 3)), tensors=(), data=b""))
    assert found.error is None
    assert found.facts and found.facts.shard == (1, 3)


def test_a_part_is_told_by_its_name_where_its_header_does_not_tell():
    found = inspected(small_gguf(), "folder/a-00002-of-00004.gguf")
    assert found.facts and found.facts.shard == (2, 4)
    told = inspected(model(("split.no", (2, 0)), ("split.count", (2, 3))), "a-00002-of-00004.gguf")
    assert told.facts and told.facts.shard == (1, 3)


@pytest.mark.parametrize("architecture", ["flux", "sdxl", "wan", "qwen_image"])
def test_a_model_that_makes_pictures_does_not_chat(architecture):
    found = inspected(small_gguf(1000, architecture))
    assert found.error is None
    assert "does not chat" in found.notes[0]


def test_a_big_endian_file_is_for_other_machines():
    assert "big-endian" in inspected(whole_file(order=">")).notes[0]


def test_arrays_in_arrays_are_noted():
    assert "“a.nested”" in inspected(model(("a.nested", (ARRAY, (ARRAY, [(4, [1])]))))).notes[0]


def test_what_lies_behind_the_last_tensor_is_noted():
    data = small_gguf(960)
    assert inspected(data).notes == ()
    assert inspected(data + bytes(1500)).notes == ("Behind its last tensor are 1.5 kB that do not belong to it.",)


def test_padding_behind_the_last_tensor_is_not_noted():
    data = model(tensors=[("token_embd.weight", (4,), 0, 0)], data=bytes(32))
    assert inspected(data).notes == inspected(data[:-16]).notes == ()


def test_the_tokens_of_a_vocabulary_that_takes_several_reads_are_counted():
    found = inspected(vocabulary_file(30_000))
    assert found.error is None
    assert found.facts and found.facts.n_vocab == 30_000


# Files that are not whole


def test_a_file_that_is_cut_off_says_how_much_is_there():
    data = small_gguf(4000)
    assert refusal(data[:2000]).message == "It is cut off: 2.0 of 4.0 kB are there."
    assert refusal(data[:30]).message == "It is cut off: its 30 bytes end within its header."
    assert inspected(data[:2000]).format == "GGUF"


def test_a_file_that_is_corrupt_says_so():
    assert refusal(by_hand([ARCHITECTURE, ARCHITECTURE])).message.startswith("It is damaged")


PIECES = [
    "big.Q6_K.gguf-split-a",
    "big.Q6_K.gguf.split-ab",
    "big.gguf.part1of2",
    "big.gguf.part-01",
    "big.gguf.part2",
    "big.gguf.partaa",
    "big.gguf.001",
    "BIG.GGUF.PART1OF3",
]
WHOLE_NAMES = ["big.gguf", "big.gguf.part", "big.gguf.download", "big-00001-of-00002.gguf", "big.split.gguf", "v1.00.gguf"]


@pytest.mark.parametrize("name", PIECES)
def test_a_piece_of_a_file_that_was_cut_up_says_join(name):
    assert "join all pieces" in refusal(small_gguf(4000)[:2000], name).advice
    assert "join all pieces" in refusal(b"\x91\x92\x93\x94" * 500, name).advice


@pytest.mark.parametrize("name", WHOLE_NAMES)
def test_any_other_name_does_not_say_join(name):
    assert "Download it again" in refusal(small_gguf(4000)[:2000], name).advice
    assert "join" not in refusal(b"\x91\x92\x93\x94" * 500, name).advice


def test_a_piece_that_is_whole_is_a_model():
    assert inspected(small_gguf(), "a.gguf.001").error is None


def test_a_damaged_file_named_like_a_piece_does_not_say_join():
    assert "join" not in refusal(by_hand([ARCHITECTURE, ARCHITECTURE]), "a.gguf.001").advice


# Sets of parts


def part(number, count, name, *entries):
    """One of the parts of a model, with one tensor."""
    data = model(
        ("split.no", (2, number - 1)),
        ("split.count", (2, count)),
        *entries,
        tensors=[(f"t{number}", (8,), 0, 0)],
        data=bytes(32),
    )
    return inspected(data, name)


def only(inspections):
    """The only set of these."""
    (found,) = gather(inspections)
    assert isinstance(found, ShardSet)
    return found


def test_parts_with_other_names_are_called_after_the_models_title():
    found = only([part(2, 2, "b"), part(1, 2, "a", ("general.name", (STRING, "Tiny: é/1.5")))])
    assert found.error is None
    assert found.name == "Tiny-é-1.5.gguf"
    assert [item.stored_name for item in found.parts] == [f"Tiny-é-1.5-0000{n}-of-00002.gguf" for n in (1, 2)]


def test_without_its_first_part_nothing_is_known_of_a_model():
    found = only([part(2, 3, "m-00002-of-00003.gguf"), part(3, 3, "m-00003-of-00003.gguf")])
    assert found.facts is None
    assert found.error and found.error.message == "Part 1 of 3 is missing."


def test_what_all_parts_note_is_told_once():
    nested = ("a", (ARRAY, (ARRAY, [(4, [1])])))
    found = only([part(n, 2, f"m-0000{n}-of-00002.gguf", nested) for n in (1, 2)])
    assert len(found.notes) == 1


# How much is read


@pytest.mark.parametrize("sample", [*SAMPLES, "legacy"])
async def test_only_bytes_of_the_file_are_asked_for(sample):
    data = legacy_llama() if sample == "legacy" else SAMPLES[sample]
    asked = []

    async def read(start, end):
        asked.append((start, end))
        return data[start:end]

    await inspect("file", len(data), read)
    assert asked
    assert all(0 <= start <= end <= len(data) for start, end in asked), asked


async def test_of_a_large_model_the_first_bytes_are_enough(tmp_path):
    counted = CountedBytes(sparse_gguf(tmp_path / "a.gguf", 5_000_000_000))
    found = await inspect("a.gguf", counted.size, counted)
    assert found.error is None
    assert counted.bytes_read <= 4096 + 64 * 1024


@pytest.mark.parametrize("head", [b"unknown \xff\xfe", b"\x00", b"text " * 2000, b"<html>" + b" " * 5000, b"\x93NUMPY"])
async def test_of_what_is_no_model_no_more_than_a_page_is_read(head):
    counted = CountedBytes(head, 4_000_000_000)
    assert (await inspect("a.gguf", counted.size, counted)).error
    assert counted.bytes_read == 4096


async def test_a_file_that_became_shorter_does_no_harm():
    for data in SAMPLES.values():
        for there in (0, 5, len(data) // 2, len(data) - 1):

            async def read(start, end, part=data[:there]):
                return part[start:end]

            assert isinstance(await inspect("a", len(data), read), Inspection)


async def test_what_reading_raises_is_raised():
    async def read(start, end):
        raise PermissionError("gone")

    with pytest.raises(PermissionError):
        await inspect("a.gguf", 100, read)


# No bytes do harm


async def sound(data, name="file.bin"):
    """An inspection, whatever the bytes are."""
    counted = CountedBytes(data)
    found = await inspect(name, counted.size, counted)
    assert isinstance(found, Inspection)
    assert (found.name, found.size) == (name, len(data))
    assert found.format
    assert found.error is None or (found.error.message and found.error.advice)
    assert found.error or found.stored_name.endswith(".gguf")
    return found


@pytest.mark.parametrize("sample", SAMPLES)
async def test_no_prefix_of_a_file_does_harm(sample):
    data = SAMPLES[sample]
    ends = range(len(data) + 1) if len(data) <= 600 else sorted({*range(200), *range(0, len(data), len(data) // 150)})
    for end in ends:
        await sound(data[:end])


@pytest.mark.parametrize("sample", SAMPLES)
async def test_no_changed_byte_does_harm(sample):
    data = SAMPLES[sample]
    chance = random.Random(f"changes of {sample}")
    for _ in range(250):
        changed = bytearray(data)
        place = chance.randrange(min(len(data), 400)) if chance.random() < 0.6 else chance.randrange(len(data))
        changed[place] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, changed[place] ^ 1 << chance.randrange(8)))
        await sound(bytes(changed))


async def test_no_first_bytes_do_harm():
    chance = random.Random(20)
    for first in range(256):
        for more in (b"", b"\x01", b"\x12\x00", b"\x00" * 9, chance.randbytes(60)):
            assert (await sound(bytes((first,)) + more)).error


async def test_no_random_tail_does_harm():
    chance = random.Random(21)
    for data in SAMPLES.values():
        for _ in range(40):
            start = chance.randrange(len(data) + 1)
            await sound(data[:start] + chance.randbytes(chance.randrange(200)))


HUGE = 10**400
ABSURD = [
    b'{"mediaType": "m", "layers": [{"mediaType": "image.model", "digest": "sha256:a", "size": %d}]}' % HUGE,
    b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n" % (b"a" * 64, HUGE),
    *(
        struct.pack("<Q", len(header)) + header
        for header in (
            b'{"a": {"dtype": "F16", "shape": [1], "data_offsets": [0, %d]}}' % HUGE,
            b'{"a": {"dtype": "F16", "shape": [1], "data_offsets": [0, -1]}}',
            b'{"a": {"data_offsets": "all"}, "b": [], "c": null, "__metadata__": 7}',
            b'{"a": {"dtype": "%s"}}' % (b"F" * 5000),
            b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        )
    ),
    b"[" * 4000,
    b'{"error": ' + b"[" * 900 + b"]" * 900 + b"}",
    b'{"detail": "\\ud800"}',
    b'{"layers": [null, 1, {"mediaType": 1}], "mediaType": null}',
]


@pytest.mark.parametrize("data", ABSURD, ids=range(len(ABSURD)))
async def test_no_absurd_figure_does_harm(data):
    found = await sound(data)
    assert found.error and len(found.error.message) < 400


# Windows and words


async def test_what_is_skipped_is_not_read():
    window, counted = Window(1_000_000), CountedBytes(bytes(900_000) + b"here", 1_000_000)

    def parser():
        yield from whole(window, lambda: window.take(4))
        window.skip(900_000 - 4)
        return (yield from whole(window, lambda: window.take(4)))

    assert await run_parser(parser(), window, counted) == b"here"
    assert (window.position, window.left) == (900_004, 99_996)
    assert (counted.reads, counted.bytes_read) == (2, 2 * 64 * 1024)


async def test_a_window_ends_where_the_file_does():
    window = Window(10)
    with pytest.raises(Short):
        window.take(1)
    with pytest.raises(NotAModel, match="cut off: its 10 bytes"):
        window.skip(11)
    with pytest.raises(NotAModel, match="cut off"):
        await window.fill(CountedBytes(bytes(10)), 11)


async def test_a_window_does_not_grow_without_end():
    window = Window(1 << 40)
    with pytest.raises(NotAModel, match=r"no end within 67\.1 MB"):
        await window.fill(CountedBytes(b"", 1 << 40), MAX_READ + 1)


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (99_940, "99.9 kB"),
        (99_960, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (98_400_000, "98.4 MB"),
        (4.1e9, "4.1 GB"),
        (2e12, "2.0 TB"),
        (HUGE, "1000000 TB"),
    ],
)
def test_sizes_in_words(count, words):
    assert size(count) == words


def test_a_share_has_the_unit_of_the_whole():
    assert share(3.2e9, 4.1e9) == "3.2 of 4.1 GB"
    assert share(5e6, 4.1e9) == "0.0 of 4.1 GB"
    assert share(3, 40) == "3 of 40 bytes"
    assert share(HUGE, HUGE) == "1000000 of 1000000 TB"


def test_things_in_a_row():
    assert [listing(things) for things in ((), "a", "ab", (1, 2, 3))] == ["", "a", "a and b", "1, 2 and 3"]
