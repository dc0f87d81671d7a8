"""Zip archives and Python pickles, PyTorch's checkpoints above all: what they are and would do, nothing of it done.

A checkpoint is a zip archive whose `data.pkl` is a pickle (`torch.save` since 1.6), or a few pickles one behind the
other (before that). A pickle is a program: it imports names and calls them. Here its opcodes are only listed.
"""

import re
import struct
from collections.abc import Callable, Iterable
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from modeltab.domain.errors import ErrorRecord
from modeltab.files.values import Inspection, Read
from modeltab.files.words import listing

if TYPE_CHECKING:
    from zipfile import ZipFile

T = TypeVar("T")

CONVERT = (
    "Find a GGUF file of this model, or convert the model's folder with llama.cpp's convert_hf_to_gguf.py, on a machine"
    " where you trust the file."
)
#: The first bytes of a checkpoint from before PyTorch 1.6: a pickle of a long number.
OLD_CHECKPOINT = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")

# What is read of an archive: its directory, and pickles up to this many bytes, inflated.
_CHUNK, _MAX_DIRECTORY, _MAX_PICKLE, _MAX_OPCODES, _MAX_PICKLES = 64 * 1024, 4 << 20, 4 << 20, 400_000, 8

#: Modules whose functions run code, reach files or the network: what malicious pickles use.
_RUNNING = frozenset(
    (
        *("os", "posix", "nt", "sys", "subprocess", "pty", "commands", "shutil", "tempfile", "pathlib", "io"),
        *("builtins", "__builtin__", "runpy", "importlib", "types", "code", "codeop", "ctypes", "operator", "functools"),
        *("pickle", "marshal", "inspect", "pydoc", "pip", "bdb", "pdb", "timeit", "profile", "cProfile", "doctest"),
        *("socket", "urllib", "http", "requests", "webbrowser", "asyncio", "threading", "multiprocessing", "platform"),
    )
)
_PLAIN_BUILTINS = frozenset(
    (
        *("set", "frozenset", "list", "dict", "tuple", "int", "float", "bool", "bytes", "bytearray", "complex"),
        *("slice", "range", "object", "str"),
    )
)
#: What checkpoints need: of these modules these names, or all names that begin so.
_REBUILDERS = {
    "collections": ("OrderedDict", "defaultdict", "Counter", "deque"),
    "torch": ("Size", "Tensor", "dtype", "device", "float", "bfloat16", "half", "double", "int", "uint", "bool", "long"),
    "torch._utils": ("_rebuild_",),
    "torch._tensor": ("_rebuild_from_type_v2",),
    "torch.nn.parameter": ("Parameter", "Buffer"),
    "torch.serialization": ("_get_layout",),
    "torch.storage": ("_load_from_bytes", "TypedStorage", "UntypedStorage"),
    "numpy": ("dtype", "ndarray"),
    "numpy.core.multiarray": ("_reconstruct", "scalar"),
    "numpy._core.multiarray": ("_reconstruct", "scalar"),
    "numpy.dtypes": ("",),
    "_codecs": ("encode",),
    "argparse": ("Namespace",),
}
#: A class in one of those modules, and nothing that the module itself imports ("torch.nn.modules.module.torch.os.system").
_LAYER_CLASS = re.compile(r"torch\.nn\.modules\.\w+\.[A-Z]\w*")
#: These rebuilders are themselves a way to run what they are given.
_NESTED = frozenset({"torch.storage._load_from_bytes"})
_HIDDEN = "something whose name is hidden"


class Imports(NamedTuple):
    """What a pickle imports.

    :param whole: whether all of it could be looked at.
    """

    names: tuple[str, ...]
    whole: bool

    @property
    def running(self) -> tuple[str, ...]:
        """Those that run code, or could."""
        return tuple(name for name in self.names if name in (*_NESTED, _HIDDEN) or (_runs(name) and not _is_rebuilder(name)))

    @property
    def unusual(self) -> tuple[str, ...]:
        """The others that weights do not need."""
        return tuple(name for name in self.names if name not in self.running and not _is_rebuilder(name))


def _runs(name: str) -> bool:
    return name.partition(".")[0] in _RUNNING or name.startswith(("torch.hub.", "torch.load", "torch.jit", "torch.utils."))


def _is_rebuilder(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    if module in ("builtins", "__builtin__"):
        return attribute in _PLAIN_BUILTINS
    if module in ("torch", "torch.cuda") and attribute.endswith("Storage"):
        return True
    if _LAYER_CLASS.fullmatch(name):
        return True
    return any(attribute.startswith(start) for start in _REBUILDERS.get(module, ()))


def imports_of(pickled: bytes) -> Imports:
    """The names that some pickles, one behind the other, would import, read from their opcodes."""
    import pickletools  # only who opens a checkpoint needs it

    names: dict[str, None] = {}
    texts: list[str] = []  # those that lie on top of the pickle's stack: STACK_GLOBAL takes two
    memo: dict[int, str | None] = {}
    count = 0
    stream = BytesIO(pickled)
    try:
        for _ in range(_MAX_PICKLES):
            for opcode, argument, _ in pickletools.genops(stream):
                count += 1
                if count > _MAX_OPCODES:
                    return Imports(tuple(names), False)
                name = opcode.name
                if name in ("PROTO", "FRAME"):
                    continue
                if name in ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"):
                    memo[len(memo) if name == "MEMOIZE" else int(argument or 0)] = texts[-1] if texts else None
                    continue
                text = memo.get(int(argument or 0)) if name in ("GET", "BINGET", "LONG_BINGET") else argument
                if name in ("GLOBAL", "INST"):
                    names[str(argument).replace(" ", ".")] = None
                elif name == "STACK_GLOBAL":
                    names[".".join(texts) if len(texts) == 2 else _HIDDEN] = None
                elif name.startswith("EXT"):
                    names[_HIDDEN] = None
                elif isinstance(text, str):
                    texts = [*texts[-1:], text]
                    continue
                texts = []
            if pickled[stream.tell() : stream.tell() + 1] != b"\x80":
                return Imports(tuple(names), True)
            memo.clear()
    except (ValueError, struct.error, OverflowError, MemoryError, IndexError):
        pass  # the bytes make no sense any more: what came before them is known
    return Imports(tuple(names), False)


async def inspect_pickle(name: str, size: int, read: Read, head: bytes) -> Inspection:
    """What a file is that is a pickle from its first byte."""
    pickled = await read(0, min(size, _MAX_PICKLE))
    old = head.startswith(OLD_CHECKPOINT)
    imports = imports_of(pickled)
    if old or any(item.startswith("torch") for item in imports.names):
        format_ = "PyTorch checkpoint (before 1.6)" if old else "pickle with PyTorch tensors"
    else:
        format_ = "Python pickle"
    return _refused(name, size, format_, imports)


def _refused(name: str, size: int, format_: str, imports: Imports) -> Inspection:
    notes = []
    if imports.running:
        notes.append(f"It would run {listing(imports.running[:8])} when a program loads it. Nothing of it was run here.")
    if imports.unusual:
        notes.append(f"It would import {listing(imports.unusual[:8])}, which weights do not need.")
    if not imports.whole:
        notes.append("Only a part of its program could be looked at.")
    message = f"It is a {format_}, which is a program in Python: no runtime here loads it."
    if imports.running:
        message = f"It is a {format_}, and it would run {listing(imports.running[:3])}: do not load it anywhere."
        advice = "Delete it, unless you know who made it. Look for a GGUF or safetensors file of this model."
    else:
        advice = CONVERT
    return Inspection(name, size, format_, error=ErrorRecord(message, advice, listing(imports.names[:40])), notes=tuple(notes))


class _Missing(Exception):
    """Bytes that a synchronous reader needs and that were not fetched yet."""

    def __init__(self, start: int, end: int) -> None:
        super().__init__(start, end)
        self.start = start
        self.end = end


class _Fetched:
    """A file for synchronous readers, of which some pieces are there."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._at = 0
        self.pieces: list[tuple[int, bytes]] = []

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        at = offset + (0, self._at, self._size)[whence]
        if at < 0:
            raise OSError("before the beginning")
        self._at = at
        return at

    def read(self, count: int = -1) -> bytes:
        end = self._size if count < 0 else min(self._size, self._at + count)
        if end <= self._at:
            return b""
        for start, piece in self.pieces:
            if start <= self._at and end <= start + len(piece):
                taken = piece[self._at - start : end - start]
                self._at = end
                return taken
        if end - self._at > _MAX_DIRECTORY:
            raise OSError("more than is read of an archive")
        raise _Missing(self._at, min(self._size, max(end, self._at + _CHUNK)))


async def _with_archive(size: int, read: Read, use: "Callable[[ZipFile], T]") -> T:
    """What `use` makes of a zip archive; it is called again whenever more bytes were fetched for it."""
    from zipfile import ZipFile

    file = _Fetched(size)
    fetched = 0
    while True:
        try:
            file.seek(0)
            with ZipFile(file) as archive:
                return use(archive)
        except _Missing as missing:
            if fetched > 2 * (_MAX_DIRECTORY + _MAX_PICKLE):
                raise OSError("more than is read of an archive") from None
            start = max(0, size - _CHUNK) if not file.pieces and missing.end == size else missing.start
            piece = await read(start, missing.end)
            if start + len(piece) < missing.end:
                raise OSError("the file is shorter than it was") from None
            fetched += len(piece)
            file.pieces.append((start, piece))


async def inspect_zip(name: str, size: int, read: Read) -> Inspection:
    """What a zip archive is: a checkpoint, whose program is looked at, or one of the many formats that are archives."""
    from zipfile import BadZipFile
    from zlib import error as ZlibError

    failures = (BadZipFile, ZlibError, OSError, ValueError, NotImplementedError, RuntimeError, EOFError, struct.error)
    try:
        names = await _with_archive(size, read, lambda archive: [item.filename for item in archive.infolist()])
    except failures as error:
        return Inspection(
            name,
            size,
            "zip archive",
            error=ErrorRecord(
                "It is a zip archive that is damaged or cut off: its list of files cannot be read.",
                "Download it again.",
                f"{type(error).__name__}: {error}",
            ),
        )
    pickles = [item for item in names if item.endswith(".pkl")]
    format_, advice = _archive_kind(names)
    if not format_.startswith(("PyTorch", "TorchScript")) and not pickles:
        message = f"It is a {format_}, no model that a runtime here loads."
        return Inspection(name, size, format_, error=ErrorRecord(message, advice, listing(names[:20])))
    found: dict[str, None] = {}
    whole = len(set(pickles)) == len(pickles)  # of two with one name, loaders may take the other
    for item in pickles[:_MAX_PICKLES]:
        try:
            pickled = await _with_archive(size, read, partial(_inflated, name=item))
        except failures:
            whole = False
            continue
        imports = imports_of(pickled)
        found |= dict.fromkeys(imports.names)
        whole = whole and imports.whole
    return _refused(name, size, format_, Imports(tuple(found), whole and len(pickles) <= _MAX_PICKLES))


def _inflated(archive: "ZipFile", *, name: str) -> bytes:
    """The beginning of an archived file, never more than a bound: other methods than these inflate without one."""
    from zipfile import ZIP_DEFLATED, ZIP_STORED

    if archive.getinfo(name).compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise NotImplementedError("compressed in an unusual way")
    with archive.open(name) as file:
        return file.read(_MAX_PICKLE)


def _archive_kind(names: Iterable[str]) -> tuple[str, str]:
    """What an archive with these files is, and what to do with it."""
    all_names = list(names)
    ends = {item.rpartition("/")[2] for item in all_names}
    if "constants.pkl" in ends and any("/code/" in f"/{item}" for item in all_names):
        return "TorchScript model", CONVERT
    if "data.pkl" in ends:
        return "PyTorch checkpoint", CONVERT
    if any(item.endswith(".gguf") for item in all_names):
        return "zip archive with a GGUF file in it", "Unpack it, and choose the .gguf file."
    if all_names and all(item.endswith(".npy") for item in all_names):
        return "NumPy archive (.npz)", f"Weights for MLX were once kept like this. {CONVERT}"
    if {"metadata.json", "config.json", "model.weights.h5"} <= ends:
        return "Keras model", CONVERT
    if "Manifest.json" in ends and any(item.endswith(".mlmodel") for item in all_names):
        return "Core ML package", CONVERT
    if "[Content_Types].xml" in ends:
        return "document of an office program", "Choose a model file."
    if "META-INF/MANIFEST.MF" in all_names:
        return "Java archive", "Choose a model file."
    if "saved_model.pb" in ends:
        return "zip archive with a TensorFlow SavedModel", CONVERT
    if any(item.endswith((".safetensors", ".bin", ".onnx")) for item in all_names):
        return "zip archive with a model in it", f"Unpack it. {CONVERT}"
    return "zip archive", "If there is a .gguf file in it, unpack it and choose that."
