"""Models in several files: checked as one set, told as one model, and joined into one file that runs."""

from __future__ import annotations

import pytest

from modeltab.domain.errors import NotAModel
from modeltab.files.facts import shard_name
from modeltab.files.gguf_writer import size_of
from modeltab.files.inspect import inspect
from modeltab.files.parts import reader
from modeltab.files.shards import ShardSet, gather, merge_parts
from modeltab.files.values import Inspection, Slice
from tests.unit.gguf_files import ARRAY, STRING, CountedBytes, by_hand, put_together, run, tiny_llama, whole_file
from tests.unit.test_files_legacy import answers


def inspected(data, name):
    """What a file is."""
    counted = CountedBytes(data)
    return run(inspect(name, counted.size, counted))


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """The parts of a model, by name: (inspection, bytes)."""
    folder = tmp_path_factory.mktemp("shards")
    tiny_llama(folder / "tiny.gguf", split_max_tensors=8)
    paths = sorted(folder.iterdir())
    return [(inspected(path.read_bytes(), path.name), path.read_bytes()) for path in paths]


@pytest.fixture(scope="module")
def parts(shards):
    """What the parts are."""
    return [inspection for inspection, _ in shards]


def one(inspections):
    """The only set of these."""
    (found,) = gather(inspections)
    assert isinstance(found, ShardSet)
    return found


def shard(number, count, names=("a",), total=None, **options):
    """The inspection of a part with tensors of these names."""
    entries = [
        *([("general.architecture", (STRING, options.pop("architecture", "llama")))] if number == 1 else []),
        ("split.no", (2, number - 1)),
        ("split.count", (2, count)),
        *([("split.tensors.count", (5, total))] if total is not None else []),
    ]
    tensors = [(name, (8,), 0, 32 * place) for place, name in enumerate(names)]
    name = options.pop("name", f"m-{number:05d}-of-{count:05d}.gguf")
    return inspected(by_hand(entries, tensors, bytes(32 * len(names)), **options), name)


def test_the_parts_of_a_model_are_one_set(parts, tmp_path):
    assert [part.facts.shard for part in parts] == [(1, 3), (2, 3), (3, 3)]
    found = one([parts[2], parts[0], parts[1]])
    assert found.error is None
    assert (found.name, found.size) == ("tiny.gguf", sum(part.size for part in parts))
    assert [part.name for part in found.parts] == [f"tiny-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
    whole = inspected(tiny_llama(tmp_path / "whole.gguf").read_bytes(), "whole.gguf").facts
    assert found.facts == whole
    assert whole.shard is None


def test_joined_they_answer_as_the_model_in_one_file(shards, tmp_path):
    merged = merge_parts(one([inspection for inspection, _ in shards]))
    whole = tiny_llama(tmp_path / "whole.gguf")
    path = tmp_path / "merged.gguf"
    path.write_bytes(put_together(merged, *(data for _, data in shards)))
    assert sum(len(part) for part in merged if isinstance(part, bytes)) < 4000
    assert {part.file for part in merged if isinstance(part, Slice)} == {0, 1, 2}
    joined, single = inspected(path.read_bytes(), "m.gguf"), inspected(whole.read_bytes(), "m.gguf")
    assert joined.header and single.header
    assert joined.header.metadata == single.header.metadata
    assert [tensor[:3] for tensor in joined.header.tensors] == [tensor[:3] for tensor in single.header.tensors]
    assert answers(path) == answers(whole)


def test_a_joined_file_is_read_as_if_it_were_there(shards):
    merged = merge_parts(one([inspection for inspection, _ in shards]))
    data = put_together(merged, *(data for _, data in shards))
    read = reader(merged, [CountedBytes(data) for _, data in shards])
    assert size_of(merged) == len(data)
    for start, end in ((0, 10), (0, len(data)), (len(data) // 3, len(data) // 2), (len(data) - 5, len(data)), (7, 7)):
        assert run(read(start, end)) == data[start:end]
    assert run(read(len(data) - 5, len(data) + 50)) == data[-5:]


def test_other_byte_orders_and_alignments_are_kept():
    entries = [
        ("general.architecture", (STRING, "llama")),
        ("general.alignment", (4, 64)),
        ("split.no", (2, 0)),
        ("split.count", (2, 2)),
    ]
    first = by_hand(
        entries, [("a", (8,), 0, 0), ("b", (8,), 0, 64)], b"a" * 32 + bytes(32) + b"b" * 32, order=">", alignment=64
    )
    second = by_hand([("split.no", (2, 1)), ("split.count", (2, 2))], [("c", (8,), 0, 0)], b"c" * 32, order=">")
    found = one([inspected(first, "x-00001-of-00002.gguf"), inspected(second, "x-00002-of-00002.gguf")])
    data = put_together(merge_parts(found), first, second)
    header = inspected(data, "x.gguf").header
    assert header and header.big_endian
    assert (header.alignment, list(header.metadata)) == (64, ["general.architecture", "general.alignment"])
    assert [data[tensor.offset : tensor.offset + tensor.size] for tensor in header.tensors] == [b"a" * 32, b"b" * 32, b"c" * 32]


def test_two_models_and_a_file_of_its_own_stay_apart(parts):
    single = inspected(whole_file(), "single.gguf")
    other = [shard(1, 2, ("a",)), shard(2, 2, ("b",))]
    found = gather([other[0], single, *parts, other[1]])
    assert [item.name for item in found] == ["m.gguf", "single.gguf", "tiny.gguf"]
    assert isinstance(found[1], Inspection)
    assert all(item.error is None for item in found)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1, 2], "Part 3 of 3 is missing."),
        ([2], "Parts 1 and 3 of 3 are missing."),
        ([1, 2, 2, 3], "tiny-00002-of-00003.gguf and tiny-00002-of-00003.gguf are the same part."),
    ],
)
def test_what_is_missing_or_twice_is_named(parts, given, message):
    found = one([parts[number - 1] for number in given])
    assert found.error and found.error.message == message
    assert found.error.advice
    with pytest.raises(NotAModel):
        merge_parts(found)


def test_many_missing_parts_are_named_as_ranges():
    found = one([shard(1, 12), shard(4, 12, ("b",))])
    assert found.error and found.error.message == "Parts 2, 3 and 5 to 12 of 12 are missing."


def test_a_broken_part_is_named(shards):
    cut = inspected(shards[1][1][:-100], shards[1][0].name)
    found = one([shards[0][0], cut, shards[2][0]])
    assert found.error and found.error.message.startswith("Part 2 of 3, tiny-00002-of-00003.gguf: It is cut off")


WRONG = [
    ([shard(1, 2, ("a",), 3), shard(2, 2, ("b",), 3)], "The parts have 2 tensors together, and should have 3."),
    ([shard(1, 2, ("a",)), shard(2, 2, ("a",))], "Two parts have the tensor “a”."),
    ([shard(1, 2, ("a",)), shard(2, 2, ("b",), order=">")], "Some parts are big-endian and some are not."),
]


@pytest.mark.parametrize(("given", "message"), WRONG)
def test_parts_that_do_not_belong_together_are_refused(given, message):
    found = one(given)
    assert found.error and found.error.message == message


def test_parts_of_different_models_are_refused():
    entries = [("general.architecture", (STRING, "qwen2")), ("split.no", (2, 1)), ("split.count", (2, 2))]
    second = inspected(by_hand(entries, [("b", (8,), 0, 0)], bytes(32)), "m-00002-of-00002.gguf")
    found = one([shard(1, 2), second])
    assert found.error and found.error.message == "The parts belong to different models: llama and qwen2."


def test_parts_under_other_names_get_the_names_that_llama_cpp_wants():
    blobs = [shard(n, 2, (f"t{n}",), name=f"sha256-{n:064x}") for n in (1, 2)]
    found = one(blobs)
    assert found.error is None
    assert [part.stored_name for part in found.parts] == [f"model-0000{n}-of-00002.gguf" for n in (1, 2)]


def test_a_name_alone_makes_a_part_too():
    found = inspected(by_hand([("a", (ARRAY, (4, [1])))], [("t", (8,), 0, 0)], bytes(32)), "q-00002-of-00004.gguf")
    assert found.facts and found.facts.shard == (2, 4)
    missing = one([found]).error
    assert missing and missing.message == "Parts 1, 3 and 4 of 4 are missing."


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a-00001-of-00003.gguf", ("a", 1, 3)),
        ("a.Q4_K_M-00012-of-00012.GGUF", ("a.Q4_K_M", 12, 12)),
        ("a-00004-of-00003.gguf", None),
        ("a-00000-of-00003.gguf", None),
        ("a-1-of-3.gguf", None),
        ("a.gguf", None),
    ],
)
def test_names_of_parts(name, expected):
    assert shard_name(name) == expected
