"""What a file is that is no GGUF: by its first bytes, whatever its name, with what to do instead."""

import zlib

from modeltab.domain.errors import ErrorRecord
from modeltab.files.pickles import CONVERT, inspect_pickle, inspect_zip
from modeltab.files.safetensors import inspect_safetensors, is_safetensors
from modeltab.files.texts import inspect_text, is_text
from modeltab.files.values import Inspection, Read

#: The bytes that are enough to tell.
HEAD = 4096
_CHOOSE = "Choose a model file: one whose name ends in .gguf."
_UNPACK = "Unpack it, and choose the .gguf file in it, if there is one."

#: (where, what lies there, the format, what to do)
_SIGNATURES = (
    (0, b"\x89HDF\r\n\x1a\n", "HDF5 file, as Keras writes its models", CONVERT),
    (0, b"\x28\xb5\x2f\xfd", "zstd archive", _UNPACK),
    (0, b"\xfd7zXZ\x00", "xz archive", _UNPACK),
    (0, b"BZh", "bzip2 archive", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "7-Zip archive", _UNPACK),
    (0, b"Rar!\x1a\x07", "RAR archive", _UNPACK),
    (257, b"ustar", "tar archive", _UNPACK),
    (4, b"TFL3", "TensorFlow Lite model", CONVERT),
    (0, b"\x93NUMPY", "NumPy array", CONVERT),
    (0, b"\x89PNG\r\n\x1a\n", "picture (PNG)", _CHOOSE),
    (0, b"\xff\xd8\xff", "picture (JPEG)", _CHOOSE),
    (0, b"GIF8", "picture (GIF)", _CHOOSE),
    (8, b"WEBP", "picture (WebP)", _CHOOSE),
    (4, b"ftyp", "video", _CHOOSE),
    (0, b"%PDF-", "PDF document", _CHOOSE),
    (0, b"SQLite format 3\x00", "SQLite database", _CHOOSE),
    (0, b"\x7fELF", "program for Linux", _CHOOSE),
    (0, b"\xcf\xfa\xed\xfe", "program for macOS", _CHOOSE),
    (0, b"MZqFpD", "llamafile, a program with a model in it", "Download the model itself, as a GGUF file."),
    (0, b"MZ", "program for Windows", _CHOOSE),
)
#: Endings of downloads that are not complete.
_PARTIAL = (".crdownload", ".part", ".partial", ".download", ".incomplete", ".aria2", ".tmp", ".!qb")


async def identify(name: str, size: int, read: Read, head: bytes) -> Inspection:
    """What a file is, from its first `HEAD` bytes and a little more where that tells more. It always has an error."""
    if not size:
        return _named(name, size, "empty file", "It is empty: 0 bytes.", "Download it again.")
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return await inspect_zip(name, size, read)
    if _is_pickle(head):
        return await inspect_pickle(name, size, read, head)
    if is_safetensors(head, size):
        return await inspect_safetensors(name, size, read, head)
    for place, signature, format_, advice in _SIGNATURES:
        if head[place : place + len(signature)] == signature:
            return _named(name, size, format_, f"It is a {format_}, no model that a runtime here loads.", advice)
    if head.startswith(b"\x1f\x8b"):
        return _gzip(name, size, head)
    if not head.strip(b"\x00"):
        message = f"It begins with {len(head)} zero bytes: room was made for a download that was never filled."
        return _named(name, size, "zeros", message, "Download it again.")
    if is_text(head):
        return await inspect_text(name, size, read, head)
    protobuf = _protobuf(name, head)
    if protobuf:
        return _named(name, size, protobuf, f"It is a {protobuf}, which no runtime here loads.", CONVERT)
    advice = _CHOOSE
    if name.lower().endswith(_PARTIAL):
        advice = "It is named like a download that is not complete: let it complete."
    return _named(
        name,
        size,
        "unknown",
        "It is no model file of any kind that is known here.",
        advice,
        f"begins with {head[:16].hex(' ')}",
    )


def _named(name: str, size: int, format_: str, message: str, advice: str, detail: str = "") -> Inspection:
    return Inspection(name, size, format_, error=ErrorRecord(message, advice, detail))


def _is_pickle(head: bytes) -> bool:
    """Protocol 2 to 5, and behind it an opcode that a pickle may begin with."""
    return (
        head[:1] == b"\x80"
        and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
        and head[2:3] in tuple(bytes((code,)) for code in b"\x8a\x95}](cXK\x8cCGNUB)\x88\x89M J")
    )


def _gzip(name: str, size: int, head: bytes) -> Inspection:
    try:
        inside = zlib.decompressobj(31).decompress(head, 1024)
    except zlib.error:
        inside = b""
    format_ = "tar archive, compressed with gzip" if inside[257:262] == b"ustar" else "gzip archive"
    if inside.startswith(b"GGUF"):
        format_ = "GGUF file, compressed with gzip"
    return _named(name, size, format_, f"It is a {format_}: no runtime unpacks it.", _UNPACK)


def _protobuf(name: str, head: bytes) -> str:
    """ONNX, Core ML and TensorFlow files: messages that begin with a small version in field 1."""
    if len(head) < 8 or head[0] != 8 or not 1 <= head[1] <= 30:
        return ""
    field, length = head[2], head[3]
    if name.lower().endswith((".mlmodel", ".mlpackage")) or (
        field == 0x12 and head[1] < 10 and head[4:5] == b"\x0a" and head[1] > 1
    ):
        return "Core ML model"
    if field == 0x12 and head[1] == 1:
        return "TensorFlow SavedModel"
    producer = head[4 : 4 + length]
    if field == 0x12 and producer.isascii() and producer.decode("ascii").isprintable():
        return "ONNX model"
    return "ONNX model" if field in (0x1A, 0x22, 0x2A, 0x32, 0x3A) else ""
