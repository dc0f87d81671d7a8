"""The smallest GGUF files there are: a header and one tensor that fills the file. No engine runs them; all else is true."""

from __future__ import annotations

import struct
from pathlib import Path

_I8 = 24
_ALIGNMENT = 32


def small_gguf(size: int = 1000, architecture: str = "llama") -> bytes:
    """A file of `size` bytes, its tensor all zeros."""
    header = _header(size, architecture)
    return header + bytes(size - len(header))


def sparse_gguf(path: Path, size: int) -> Path:
    """A file of `size` bytes on disk that takes hardly any room there."""
    with path.open("wb") as file:
        file.write(_header(size, "llama"))
        file.truncate(size)
    return path


def _header(size: int, architecture: str) -> bytes:
    key, value, name = b"general.architecture", architecture.encode(), b"token_embd.weight"
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 1)
    head += struct.pack("<Q", len(key)) + key + struct.pack("<IQ", 8, len(value)) + value
    head += struct.pack("<Q", len(name)) + name
    length = len(head) + 4 + 8 + 4 + 8
    begin = length + -length % _ALIGNMENT
    if size <= begin:
        raise ValueError(f"no file is smaller than {begin + 1} bytes")
    head += struct.pack("<IQIQ", 1, size - begin, _I8, 0)
    return head + bytes(begin - length)
