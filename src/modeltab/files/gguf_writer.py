"""GGUF files put together from new headers and from tensors that lie in other files: nothing is copied here."""

import struct
from collections.abc import Iterable, Sequence

from modeltab.files import ggml
from modeltab.files.gguf import ALIGNMENT, ARRAY, MAGIC, STRING, VALUE_TYPES, padded
from modeltab.files.values import Parts, Scalar, Slice, Tensor

_NUMBERS = {name: number for number, (name, _) in VALUE_TYPES.items()}


def entry(key: str, type_: str, value: Scalar, order: str = "<") -> bytes:
    """A metadata entry. `type_` as GGUF names it; `order` as `struct` has it."""
    number = _NUMBERS[type_]
    form = order + VALUE_TYPES[number][1]
    packed = text(str(value), order) if number == STRING else struct.pack(form, value)
    return text(key, order) + struct.pack(f"{order}I", number) + packed


def array_entry(key: str, type_: str, values: Sequence[Scalar | bytes], order: str = "<") -> bytes:
    """A metadata entry of many values; texts may be given as the bytes that they are."""
    number = _NUMBERS[type_]
    if number == STRING:
        packed = b"".join(text(value if isinstance(value, bytes) else str(value), order) for value in values)
    else:
        packed = struct.pack(f"{order}{len(values)}{VALUE_TYPES[number][1]}", *values)
    return text(key, order) + struct.pack(f"{order}IIQ", ARRAY, number, len(values)) + packed


def text(value: str | bytes, order: str = "<") -> bytes:
    """A text, its length before it."""
    encoded = value.encode() if isinstance(value, str) else value
    return struct.pack(f"{order}Q", len(encoded)) + encoded


def gguf_parts(
    entries: Parts,
    n_entries: int,
    sources: Sequence[tuple[Tensor, int]],
    *,
    alignment: int = ALIGNMENT,
    version: int = 3,
    big_endian: bool = False,
) -> Parts:
    """A GGUF file of these metadata entries and of tensors that lie in other files.

    :param entries: as `entry` makes them, or as they lie in another file.
    :param sources: each tensor as it lies in the file of that number.
    """
    order = ">" if big_endian else "<"
    start = MAGIC + struct.pack(f"{order}IQQ", version, len(sources), n_entries)
    table = []
    offset = 0
    for tensor, _ in sources:
        shape = tensor.shape
        table.append(text(tensor.name, order))
        table.append(struct.pack(f"{order}I{len(shape)}QIQ", len(shape), *shape, ggml.NUMBERS[tensor.type], offset))
        offset = padded(offset + tensor.size, alignment)
    head = joined((start, *entries, b"".join(table)))
    parts: list[bytes | Slice] = [*head, _padding(size_of(head), alignment)]
    for tensor, file in sources:
        parts += (Slice(tensor.offset, tensor.offset + tensor.size, file), _padding(tensor.size, alignment))
    return joined(parts)


def _padding(size: int, alignment: int) -> bytes:
    return bytes(padded(size, alignment) - size)


def size_of(parts: Parts) -> int:
    """The bytes of a file that is put together."""
    return sum(len(part) if isinstance(part, bytes) else part.end - part.start for part in parts)


def joined(parts: Iterable[bytes | Slice]) -> Parts:
    """The same file in as few parts as there can be."""
    result: list[bytes | Slice] = []
    for part in parts:
        last = result[-1] if result else b""
        if not part or (isinstance(part, Slice) and part.start == part.end):
            continue
        if isinstance(part, bytes) and isinstance(last, bytes):
            result[-1:] = [last + part]
        elif isinstance(part, Slice) and isinstance(last, Slice) and (last.file, last.end) == (part.file, part.start):
            result[-1] = Slice(last.start, part.end, part.file)
        else:
            result.append(part)
    return tuple(result)
