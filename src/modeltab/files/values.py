"""What is known of a model file, as values."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, NamedTuple

from modeltab.domain.errors import ErrorRecord

#: Reads the bytes from `start` up to `end` of a file; fewer where the file ends before that.
Read = Callable[[int, int], Awaitable[bytes]]

Scalar = int | float | bool | str


class Array(NamedTuple):
    """An array in a header. Vocabularies have hundreds of thousands of entries, so only the first ones are kept.

    :param type: the type of its entries, as GGUF names it ("UINT32", "STRING", "ARRAY", …).
    :param first: its first entries.
    """

    type: str
    length: int
    first: tuple["Scalar | Array", ...]


Value = Scalar | Array


class Tensor(NamedTuple):
    """A tensor's place in a file.

    :param shape: as GGUF has it: the fastest-growing dimension first.
    :param type: as GGML names it ("F16", "Q4_K", …).
    :param offset: bytes from the beginning of the file.
    :param size: bytes.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    offset: int
    size: int


class Header(NamedTuple):
    """A GGUF file's header.

    :param data_offset: where its tensors begin, in bytes from the beginning of the file.
    :param end: the bytes that the whole file has at least.
    :param spans: where each entry of the metadata lies, from `start` up to `end`, so that it can be copied as it is.
    """

    version: int
    big_endian: bool
    metadata: Mapping[str, Value]
    tensors: tuple[Tensor, ...]
    alignment: int
    data_offset: int
    end: int
    spans: Mapping[str, tuple[int, int]] = {}


Role = Literal["model", "projector", "adapter", "vocabulary"]


class ModelFacts(NamedTuple):
    """What a header says of its model, for people and for whoever decides where it can run.

    :param role: what the file is for: a projector (mmproj) gives another model eyes, an adapter (LoRA) changes one.
    :param parameters: how many weights it has, counted in its tensors.
    :param quantization: in a word, as files are named after it ("Q4_K_M"); `mix`: bytes by tensor type.
    :param shard: which part of how many this file is, from 1, or None.
    """

    role: Role
    architecture: str
    title: str = ""
    parameters: int = 0
    quantization: str = ""
    mix: Mapping[str, int] = {}
    n_ctx_train: int | None = None
    n_layers: int | None = None
    n_embd: int | None = None
    n_vocab: int | None = None
    tokenizer: str = ""
    chat_template: str = ""
    licence: str = ""
    shard: tuple[int, int] | None = None


class Slice(NamedTuple):
    """Bytes of another file, from `start` up to `end`. `file` is its number where several are joined."""

    start: int
    end: int
    file: int = 0


#: A file that is put together from bytes and from pieces of others, nothing copied.
Parts = tuple[bytes | Slice, ...]


class Inspection(NamedTuple):
    """What a file is.

    :param name: the file's name; `stored_name`, what it is called as a model (it ends in .gguf).
    :param size: bytes.
    :param format: in words: "GGUF 3", "GGJT 3", "PyTorch checkpoint", …
    :param header: of a GGUF file; `facts`, what that says. For a file that is converted: of what it is converted to.
    :param parts: how a file of an older format becomes GGUF; empty where it is sent as it is.
    :param error: why no runtime can use it, and what to do; None when it can be used.
    :param notes: what a person should know before they send it.
    """

    name: str
    size: int
    format: str
    stored_name: str = ""
    header: Header | None = None
    facts: ModelFacts | None = None
    parts: Parts = ()
    error: ErrorRecord | None = None
    notes: tuple[str, ...] = ()
