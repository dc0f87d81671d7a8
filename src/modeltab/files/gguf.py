"""The header of a GGUF file: versions 2 and 3, little- and big-endian, by ggml's docs/gguf.md and its gguf.cpp.

Magic, version, counts; metadata entries, each a key, a type and a value; tensors, each a name, a shape, a type and an
offset from where the tensors' bytes begin, which is aligned. Only what is needed is kept: of a vocabulary's hundreds of
thousands of tokens the first ones, and its numbers are not even read.
"""

import struct
from typing import NamedTuple, cast

from modeltab.domain.errors import NotAModel
from modeltab.files import ggml
from modeltab.files.values import Array, Header, Read, Scalar, Tensor, Value
from modeltab.files.window import DOWNLOAD_AGAIN, Parser, Window, cut_off_header, damaged, run, whole
from modeltab.files.words import share
from modeltab.files.words import size as size_words

MAGIC = b"GGUF"
ALIGNMENT = 32
ALIGNMENT_KEY = "general.alignment"

#: Value types: their name, and their form for `struct`.
VALUE_TYPES = {
    0: ("UINT8", "B"),
    1: ("INT8", "b"),
    2: ("UINT16", "H"),
    3: ("INT16", "h"),
    4: ("UINT32", "I"),
    5: ("INT32", "i"),
    6: ("FLOAT32", "f"),
    7: ("BOOL", "?"),
    8: ("STRING", ""),
    9: ("ARRAY", ""),
    10: ("UINT64", "Q"),
    11: ("INT64", "q"),
    12: ("FLOAT64", "d"),
}
STRING, ARRAY = 8, 9

#: Entries that are kept of an array: of texts and arrays the first few, of numbers as many as a model has layers.
KEPT, KEPT_NUMBERS = 8, 1024
# What no honest file has more of. Arrays are limited by the bytes that are read.
_MAX_ENTRIES, _MAX_TENSORS, _MAX_INNER_ARRAYS, _MAX_DEPTH = 65_536, 262_144, 65_536, 4
_MAX_KEY, _MAX_NAME, _MAX_DIMENSIONS = 65_535, 63, 4
#: More than this, in bytes, is a mistake and not a file that was cut off.
_MAX_BYTES = 1 << 45


async def read_header(read: Read, size: int) -> Header:
    """The header of a file of `size` bytes, of which no more than twice the header is read, or 64 KiB.

    :raises NotAModel: when it is no GGUF file, an unreadable version, cut off or damaged, with the reason.
    """
    window = Window(size)
    return await run(_HeaderParser(window).parse(), window, read)


class _Place(NamedTuple):
    """A tensor as the header has it: its bytes begin at `offset` from where all tensors' bytes begin."""

    name: str
    shape: tuple[int, ...]
    type: ggml.TensorType
    offset: int


class _HeaderParser:
    def __init__(self, window: Window) -> None:
        self._window = window
        self._order = "<"
        self._inner_arrays = 0

    def parse(self) -> Parser[Header]:
        window = self._window
        version, n_tensors, n_entries = yield from whole(window, self._start)
        metadata: dict[str, Value] = {}
        spans = {}
        for _ in range(n_entries):
            start = window.position
            key = yield from whole(window, self._key)
            if key in metadata:
                raise damaged(f"it names “{key[:80]}” twice")
            metadata[key] = yield from self._value(key)
            spans[key] = (start, window.position)
        alignment = _alignment(metadata.get(ALIGNMENT_KEY, ALIGNMENT))
        places = []
        for _ in range(n_tensors):
            places.append((yield from whole(window, self._tensor)))
        data_offset = padded(window.position, alignment)
        tensors = _placed(places, data_offset, alignment)
        end = tensors[-1].offset + tensors[-1].size if tensors else window.position
        if end > window.size:
            raise _cut_off(window.size, end)
        return Header(version, self._order == ">", metadata, tensors, alignment, data_offset, end, spans)

    def _start(self) -> tuple[int, int, int]:
        """Version, number of tensors, number of metadata entries."""
        magic, version = self._window.take(4), self._window.take(4)
        if magic != MAGIC:
            raise NotAModel("It is not a GGUF file.", "Choose a .gguf file.", f"begins with {magic.hex(' ')}")
        number = int.from_bytes(version, "little")
        if number & 0xFFFF == 0:
            self._order, number = ">", int.from_bytes(version, "big")
        if number == 1:
            raise NotAModel("It is GGUF version 1, which no runtime reads any more.", "Find a newer file of this model.")
        if not 2 <= number <= 3:
            if 3 < number < 256:
                raise NotAModel(f"It is GGUF version {number}, newer than any that runs here.", "Find a file of version 3.")
            raise damaged("its version is none", f"version {number}")
        n_tensors, n_entries = struct.unpack(f"{self._order}QQ", self._window.take(16))
        if n_tensors > _MAX_TENSORS or n_entries > _MAX_ENTRIES:
            raise damaged("it says that it has more tensors or entries than any model", f"{n_tensors} and {n_entries}")
        return number, n_tensors, n_entries

    def _number(self, form: str) -> Scalar:
        form = self._order + form
        return cast(Scalar, struct.unpack(form, self._window.take(struct.calcsize(form)))[0])

    def _text(self) -> str:
        return self._window.take(self._length()).decode("utf-8", "replace")

    def _length(self, most: int = _MAX_BYTES) -> int:
        length = int(self._number("Q"))
        if length > most:
            raise damaged("a text in its header has no end", f"{length} bytes at {self._window.position}")
        return length

    def _key(self) -> str:
        key = self._window.take(self._length(_MAX_KEY)).decode("utf-8", "replace")
        if not key:
            raise damaged("an entry of its header has no name", f"before byte {self._window.position}")
        return key

    def _type(self) -> int:
        number = int(self._number("I"))
        if number not in VALUE_TYPES:
            raise damaged("a value in its header has a type that there is not", f"type {number}")
        return number

    def _value(self, key: str) -> Parser[Value]:
        type_ = yield from whole(self._window, self._type)
        if type_ == ARRAY:
            return (yield from self._array(key, 1))
        if type_ == STRING:
            return (yield from whole(self._window, self._text))
        return (yield from whole(self._window, lambda: self._number(VALUE_TYPES[type_][1])))

    def _array_start(self) -> tuple[int, int]:
        return self._type(), int(self._number("Q"))

    def _array(self, key: str, depth: int) -> Parser[Array]:
        type_, count = yield from whole(self._window, self._array_start)
        name, form = VALUE_TYPES[type_]
        least = struct.calcsize(form) if form else 8 if type_ == STRING else 12
        if count * least > _MAX_BYTES:
            raise damaged(f"it says that “{key[:80]}” has more entries than any file", f"{count} entries")
        if count * least > self._window.left:
            raise cut_off_header(self._window.size)
        if type_ == STRING:
            return Array(name, count, (yield from self._texts(count)))
        if type_ != ARRAY:
            kept = min(count, KEPT_NUMBERS)
            form = f"{self._order}{kept}{form}"
            first = struct.unpack(form, (yield from whole(self._window, lambda: self._window.take(struct.calcsize(form)))))
            self._window.skip((count - kept) * least)
            return Array(name, count, first if count == kept else first[:KEPT])
        self._inner_arrays += count
        if depth >= _MAX_DEPTH or self._inner_arrays > _MAX_INNER_ARRAYS:
            raise damaged(f"“{key[:80]}” has arrays in arrays without end", f"{count} at depth {depth}")
        arrays = []
        for place in range(count):
            inner = yield from self._array(key, depth + 1)
            if place < KEPT:
                arrays.append(inner)
        return Array(name, count, tuple(arrays))

    def _texts(self, count: int) -> Parser[tuple[str, ...]]:
        """The first texts of an array. The others are only passed by: this loop is most of the work on a vocabulary."""
        window = self._window
        first = []
        for _ in range(min(count, KEPT)):
            first.append((yield from whole(window, self._text)))
        left = count - len(first)
        length_at = struct.Struct(f"{self._order}Q").unpack_from
        while left:
            data, at, passed = window.data, window.at, 0
            try:
                for passed in range(left):  # noqa: B007
                    at += length_at(data, at)[0] + 8
                passed = left
            except (struct.error, OverflowError):
                pass  # the length of the text number `passed` lies beyond the window, or partly
            if at - window.at > _MAX_BYTES:
                raise damaged("a text in its header has no end", f"{at - window.at} bytes at {window.position}")
            window.skip(at - window.at)
            left -= passed
            if left:
                yield 8
        return tuple(first)

    def _tensor(self) -> _Place:
        name = self._window.take(self._length(_MAX_KEY)).decode("utf-8", "replace")
        n_dimensions = int(self._number("I"))
        if n_dimensions > _MAX_DIMENSIONS:
            raise damaged(f"its tensor “{name[:80]}” has {n_dimensions} dimensions")
        form = f"{self._order}{n_dimensions}QIQ"
        *shape, type_, offset = struct.unpack(form, self._window.take(struct.calcsize(form)))
        return _Place(name, tuple(shape), _tensor_type(name, type_), offset)


def _alignment(value: Value) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 1 << 20 and value & (value - 1) == 0:
        return value
    raise damaged("its alignment is no power of two", f"{ALIGNMENT_KEY} is {value!r:.80}")


def _tensor_type(name: str, number: int) -> ggml.TensorType:
    if number in ggml.TYPES:
        return ggml.TYPES[number]
    if number in ggml.REMOVED:
        raise NotAModel(
            f"Its weights are {ggml.REMOVED[number]}, which no runtime reads any more.",
            "Find a file of this model with another quantization, such as Q4_0 or Q4_K_M.",
            f"tensor {name[:80]}",
        )
    raise NotAModel(
        "Its weights are of a type that is not known here.",
        "If the file is whole, it was made for one special runtime, or for a newer one: find another quantization.",
        f"tensor {name[:80]}, type {number}",
    )


def _placed(places: list[_Place], data_offset: int, alignment: int) -> tuple[Tensor, ...]:
    """The tensors with their place in the file, each right behind the one before, as llama.cpp wants them."""
    tensors = []
    names = set()
    expected = 0
    for name, shape, type_, offset in places:
        if name in names:
            raise damaged(f"it has two tensors “{name[:80]}”")
        names.add(name)
        if len(name.encode()) > _MAX_NAME:
            raise damaged(f"the name of its tensor “{name[:80]}” is too long")
        if 0 in shape or (shape[0] if shape else 1) % type_.weights:
            raise damaged(f"its tensor “{name[:80]}” has no shape that {type_.name} can have", f"{shape}")
        size = ggml.data_size(shape, type_)
        if expected + size > _MAX_BYTES:
            raise damaged(f"its tensor “{name[:80]}” is larger than any", f"{shape} of {type_.name}")
        if offset != expected:
            wrong = (
                "is not aligned" if offset % alignment else "lies on another" if offset < expected else "has a gap before it"
            )
            raise damaged(f"its tensor “{name[:80]}” {wrong}", f"offset {offset}, {expected} expected")
        expected = padded(offset + size, alignment)
        tensors.append(Tensor(name, shape, type_.name, data_offset + offset, size))
    return tuple(tensors)


def padded(count: int, alignment: int) -> int:
    """The next multiple of an alignment."""
    return -(-count // alignment) * alignment


def _cut_off(size: int, end: int) -> NotAModel:
    told = share(size, end)
    figure, _, rest = told.partition(" of ")
    if rest.startswith(figure + " "):
        told = f"all but the last {size_words(end - size)} of {size_words(end)}"
    return NotAModel(f"It is cut off: {told} are there.", DOWNLOAD_AGAIN, f"{size} of {end} bytes")
