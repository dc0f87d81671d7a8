"""Models in several files ("…-00001-of-00003.gguf", llama.cpp's gguf-split): checked as one set, and joined into one file.

Each part is a GGUF file with some of the tensors; the first has the metadata, the others little but `split.no` (from 0),
`split.count` and `split.tensors.count` (of the whole model).
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from modeltab.domain.errors import ErrorRecord, NotAModel
from modeltab.files.facts import majority, shard_name
from modeltab.files.gguf_writer import gguf_parts, joined
from modeltab.files.values import Header, Inspection, ModelFacts, Parts, Slice
from modeltab.files.words import listing

_TENSORS_COUNT = "split.tensors.count"
_CHOOSE_ALL = "Choose all parts together, in one go."
_SAME_SOURCE = "Get all parts from the same place."


class ShardSet(NamedTuple):
    """The parts of one model.

    :param name: what the model is called as one file (it ends in .gguf).
    :param parts: in their order; when some are missing, those that are there.
    :param size: bytes of all together.
    :param facts: of the model as a whole; None when the first part is missing or unreadable.
    :param error: why it cannot be used, and what to do; None when it can.
    """

    name: str
    parts: tuple[Inspection, ...]
    size: int
    facts: ModelFacts | None = None
    error: ErrorRecord | None = None
    notes: tuple[str, ...] = ()


def gather(inspections: Sequence[Inspection]) -> tuple[ShardSet | Inspection, ...]:
    """The files as models: parts of one model as one set, at the place of the first; all others as they are."""
    groups: dict[object, list[Inspection]] = {}
    for place, inspection in enumerate(inspections):
        groups.setdefault(_model_of(inspection) or place, []).append(inspection)
    return tuple(_set(tuple(group)) if isinstance(key, tuple) else group[0] for key, group in groups.items())


def _model_of(inspection: Inspection) -> tuple[str, int] | None:
    """Which model a part belongs to: (its name, or "" when files are not named so, the number of parts)."""
    named = shard_name(inspection.stored_name) or shard_name(inspection.name)
    shard = inspection.facts.shard if inspection.facts else None
    if shard:
        return (named[0] if named and named[1:] == shard else ""), shard[1]
    return (named[0], named[2]) if named and inspection.header is None else None


def _number_of(inspection: Inspection) -> int:
    if inspection.facts and inspection.facts.shard:
        return inspection.facts.shard[0]
    named = shard_name(inspection.stored_name) or shard_name(inspection.name)
    return named[1] if named else 0


def _set(group: tuple[Inspection, ...]) -> ShardSet:
    ordered = sorted(group, key=_number_of)
    model, count = _model_of(ordered[0]) or ("", 0)
    first = ordered[0]
    title = first.facts.title if first.facts else ""
    stem = model or _file_stem(title) or "model"
    parts = tuple(
        part._replace(stored_name=f"{stem}-{_number_of(part):05d}-of-{count:05d}.gguf") if not part.error else part
        for part in ordered
    )
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    return ShardSet(
        f"{stem}.gguf",
        parts,
        sum(part.size for part in parts),
        _facts(parts) if first.facts and _number_of(first) == 1 else None,
        _error(parts, count),
        notes,
    )


def _file_stem(title: str) -> str:
    return "-".join("".join(char if char.isalnum() or char in "._" else " " for char in title).split())


def _error(parts: tuple[Inspection, ...], count: int) -> ErrorRecord | None:
    numbers = Counter(_number_of(part) for part in parts)
    for part in parts:
        if part.error:
            message = f"Part {_number_of(part)} of {count}, {part.name}: {part.error.message}"
            return ErrorRecord(message, part.error.advice, part.error.detail)
    twice = [part.name for part in parts if numbers[_number_of(part)] > 1]
    if twice:
        return ErrorRecord(f"{listing(twice)} are the same part.", "Choose each part once, and only the parts of one model.")
    missing = [number for number in range(1, count + 1) if number not in numbers]
    if missing:
        what = f"Part {missing[0]} of {count} is" if len(missing) == 1 else f"Parts {_ranges(missing)} of {count} are"
        return ErrorRecord(f"{what} missing.", _CHOOSE_ALL)
    return _difference([part.header for part in parts if part.header])


def _difference(headers: list[Header]) -> ErrorRecord | None:
    """Why these cannot be the parts of one model."""
    architectures = {str(header.metadata.get("general.architecture", "")) for header in headers} - {""}
    if len(architectures) > 1:
        return ErrorRecord(f"The parts belong to different models: {listing(sorted(architectures))}.", _SAME_SOURCE)
    if len({header.big_endian for header in headers}) > 1:
        return ErrorRecord("Some parts are big-endian and some are not.", _SAME_SOURCE)
    names = Counter(tensor.name for header in headers for tensor in header.tensors)
    if names and names.most_common(1)[0][1] > 1:
        return ErrorRecord(f"Two parts have the tensor “{names.most_common(1)[0][0]}”.", _SAME_SOURCE)
    for header in headers:
        expected = header.metadata.get(_TENSORS_COUNT, len(names))
        if expected != len(names):
            return ErrorRecord(f"The parts have {len(names)} tensors together, and should have {expected}.", _SAME_SOURCE)
    return None


def _ranges(numbers: Sequence[int]) -> str:
    """Numbers in words: "2, 3 and 5 to 9"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    pieces: list[str] = []
    for run in runs:
        pieces += [f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run)
    return listing(pieces)


def _facts(parts: tuple[Inspection, ...]) -> ModelFacts | None:
    """What the first part says, with the figures of all."""
    every = [part.facts for part in parts if part.facts]
    mix: Counter[str] = Counter()
    for facts in every:
        mix.update(facts.mix)
    first = every[0]
    told = parts[0].header is not None and "general.file_type" in parts[0].header.metadata
    counted = dict(mix.most_common())
    return first._replace(
        parameters=sum(facts.parameters for facts in every),
        mix=counted,
        quantization=first.quantization if told and first.quantization else majority(counted),
        n_vocab=next((facts.n_vocab for facts in every if facts.n_vocab), None),
        shard=None,
    )


def merge_parts(shards: ShardSet) -> Parts:
    """The set as one GGUF file, nothing copied; `Slice.file` is the place in `shards.parts`, from 0.

    :raises NotAModel: when the set cannot be used.
    """
    if shards.error:
        raise NotAModel(*shards.error)
    headers = [part.header for part in shards.parts if part.header]
    first = headers[0]
    kept = [Slice(*span) for key, span in first.spans.items() if not key.startswith("split.")]
    sources = [(tensor, file) for file, header in enumerate(headers) for tensor in header.tensors]
    return gguf_parts(
        joined(kept),
        len(kept),
        sources,
        alignment=first.alignment,
        version=first.version,
        big_endian=first.big_endian,
    )
