"""LLaMA models of 2023, before GGUF: GGML, GGMF and GGJT `.bin` files, and the GGUF files that they become.

The formats are llama.cpp's of March to August 2023: magic (GGML's is all; GGMF and GGJT add a version), seven
hyperparameters, the vocabulary, and the tensors one behind the other, each with its own small header. The tensors' bytes
mean the same today for F32 and F16, and for quantizations since the last time that they changed (GGJT 2 and 3), so
those are taken as they lie. How the vocabulary becomes one of GGUF is what llama.cpp's own converter did.
"""

import re
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from modeltab.domain.errors import NotAModel
from modeltab.files import ggml
from modeltab.files.facts import facts_of
from modeltab.files.gguf import read_header
from modeltab.files.gguf_writer import array_entry, entry, gguf_parts, size_of
from modeltab.files.parts import reader
from modeltab.files.values import Inspection, Parts, Read, Tensor
from modeltab.files.window import DOWNLOAD_AGAIN, Parser, Window, damaged, run, whole
from modeltab.files.words import size as size_words

#: Magic numbers, as their bytes lie in the file.
MAGICS = {b"lmgg": "GGML", b"fmgg": "GGMF", b"tjgg": "GGJT", b"algg": "GGML LoRA"}
FIND_GGUF = "Find a GGUF file of this model: one exists of every model that was popular."

_HYPERPARAMETERS = struct.Struct("<7I")
_MAX_VOCABULARY, _MAX_TOKEN, _MAX_NAME, _MAX_LAYERS, _MAX_TENSORS = 1_000_000, 4096, 256, 512, 16_384
#: A tensor's own header and the padding behind it.
_TENSOR_AHEAD = 512
_K_QUANTS = frozenset({"Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"})
_PLAIN = frozenset({"F32", "F16"})
_KEPT_SINCE = {
    1: _PLAIN,
    2: _PLAIN | {"Q5_0", "Q5_1"},
    3: _PLAIN | {"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"} | _K_QUANTS,
}

_NAMES = {"tok_embeddings.weight": "token_embd.weight", "norm.weight": "output_norm.weight", "output.weight": "output.weight"}
_LAYER_NAMES = {
    "attention.wq.weight": "attn_q.weight",
    "attention.wk.weight": "attn_k.weight",
    "attention.wv.weight": "attn_v.weight",
    "attention.wo.weight": "attn_output.weight",
    "attention_norm.weight": "attn_norm.weight",
    "feed_forward.w1.weight": "ffn_gate.weight",
    "feed_forward.w2.weight": "ffn_down.weight",
    "feed_forward.w3.weight": "ffn_up.weight",
    "ffn_norm.weight": "ffn_norm.weight",
}
_LAYER = re.compile(r"layers\.(\d+)\.(.+)")

# Token types of GGUF.
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6


class Hyperparameters(NamedTuple):
    """The seven numbers behind the magic."""

    n_vocab: int
    n_embd: int
    n_mult: int
    n_head: int
    n_layer: int
    n_rot: int
    file_type: int


class Legacy(NamedTuple):
    """A file of before GGUF. Tensors have their old names, and tokens are as they lie: (bytes, score)."""

    format: str
    version: int
    hyperparameters: Hyperparameters
    tokens: list[tuple[bytes, float]]
    tensors: list[Tensor]


def format_of(head: bytes) -> str:
    """The format in words: "GGJT 3"; empty when it is none of them."""
    format_ = MAGICS.get(head[:4], "")
    return f"{format_} {int.from_bytes(head[4:8], 'little')}" if format_ in ("GGMF", "GGJT") and len(head) >= 8 else format_


async def inspect_legacy(name: str, stem: str, size: int, read: Read, head: bytes) -> Inspection:
    """What such a file is, and the GGUF file that it becomes.

    :param stem: the file's name without its ending.
    :param head: its first bytes, 64 at least where it has as many.
    """
    format_ = format_of(head)
    try:
        _check_kind(format_, head)
        window = Window(size)
        legacy = await run(_parse(window), window, read)
        parts = convert(legacy, stem)
        header = await read_header(reader(parts, (_unread,)), size_of(parts))
    except NotAModel as error:
        return Inspection(name, size, format_, error=error.record())
    notes = (f"It is converted from {format_}, a format of 2023, while it is sent.", *_assumed(legacy))
    return Inspection(name, size, format_, f"{stem}.gguf", header, facts_of(header), parts, notes=notes)


async def _unread(start: int, end: int) -> bytes:
    """Stands for the tensors' bytes where only the new header is looked at."""
    return bytes(end - start)


def _check_kind(format_: str, head: bytes) -> None:
    """:raises NotAModel: when the file is of this family, but no LLaMA model."""
    if format_ == "GGML LoRA":
        raise NotAModel(
            "It is a LoRA adapter in a format of 2023 that no runtime reads any more.",
            "Find the adapter in its original form and convert it with llama.cpp's convert_lora_to_gguf.py.",
        )
    start = 4 if format_ == "GGML" else 8
    if len(head) < start + _HYPERPARAMETERS.size:
        raise NotAModel("It is cut off: it ends within its header.", DOWNLOAD_AGAIN)
    numbers = Hyperparameters._make(_HYPERPARAMETERS.unpack_from(head, start))
    if format_ == "GGML" and numbers[1] == 1500 and numbers[5] == 448:  # audio and text context: the same in all of them
        raise NotAModel("It is a Whisper model, which turns speech into text.", "Use it with whisper.cpp: it does not chat.")
    if format_ not in ("GGML", "GGMF 1", "GGJT 1", "GGJT 2", "GGJT 3"):
        raise NotAModel(f"It is {format_}, of which nothing is known here: RWKV's files look like this.", FIND_GGUF)
    if not (
        0 < numbers.n_layer <= _MAX_LAYERS
        and 0 < numbers.n_vocab <= _MAX_VOCABULARY
        and numbers.n_head
        and numbers.n_embd == numbers.n_head * numbers.n_rot
    ):
        raise NotAModel(
            "It is a GGML file of 2023, but no LLaMA model: GPT-J, GPT-NeoX, MPT, StarCoder or another.",
            f"It cannot be converted here. {FIND_GGUF}",
            str(numbers),
        )


def _parse(window: Window) -> Parser[Legacy]:
    format_, version, numbers = yield from whole(window, lambda: _start(window))
    tokens: list[tuple[bytes, float]] = []
    while len(tokens) < numbers.n_vocab:
        tokens.append((yield from whole(window, lambda: _token(window, format_ != "GGML"))))
    window.ahead = _TENSOR_AHEAD
    tensors: list[Tensor] = []
    while window.left:
        if len(tensors) == _MAX_TENSORS:
            raise damaged("it has more tensors than any model")
        tensor = yield from whole(window, lambda: _tensor(window, format_ == "GGJT"))
        if tensor.size > window.left:
            end = window.position + tensor.size
            raise NotAModel(
                f"It is cut off: {size_words(window.size)} are there, and its tensors go on beyond {size_words(end)}.",
                DOWNLOAD_AGAIN,
                f"{tensor.name} ends at {end}, the file at {window.size}",
            )
        window.skip(tensor.size)
        tensors.append(tensor)
    return Legacy(format_, version, numbers, tokens, tensors)


def _start(window: Window) -> tuple[str, int, Hyperparameters]:
    format_ = MAGICS[window.take(4)]
    version = 0 if format_ == "GGML" else int.from_bytes(window.take(4), "little")
    return format_, version, Hyperparameters._make(_HYPERPARAMETERS.unpack(window.take(_HYPERPARAMETERS.size)))


def _token(window: Window, has_score: bool) -> tuple[bytes, float]:
    length = int.from_bytes(window.take(4), "little")
    if length > _MAX_TOKEN:
        raise damaged("a token of its vocabulary has no end", f"{length} bytes at {window.position}")
    return window.take(length), struct.unpack("<f", window.take(4))[0] if has_score else 0.0


def _tensor(window: Window, is_aligned: bool) -> Tensor:
    """A tensor's header; then the position is where its bytes begin."""
    n_dimensions, name_length, type_ = struct.unpack("<3I", window.take(12))
    if not 1 <= n_dimensions <= 4 or name_length > _MAX_NAME:
        raise damaged("a tensor's header makes no sense", f"{n_dimensions}, {name_length}, {type_} at {window.position}")
    shape = struct.unpack(f"<{n_dimensions}I", window.take(4 * n_dimensions))
    name = window.take(name_length).decode("utf-8", "replace")
    if type_ not in ggml.TYPES:
        raise _no_longer(ggml.name_of(type_))
    kind = ggml.TYPES[type_]
    if 0 in shape or shape[0] % kind.weights:
        raise damaged(f"its tensor “{name}” has no shape that {kind.name} can have", f"{shape}")
    if is_aligned:
        window.take(-window.position % 32)
    return Tensor(name, shape, kind.name, window.position, ggml.data_size(shape, kind))


def _no_longer(quantization: str) -> NotAModel:
    return NotAModel(
        f"Its weights are {quantization} as it was in the spring of 2023, which no runtime reads any more.",
        f"It cannot be converted. {FIND_GGUF}",
    )


def convert(legacy: Legacy, title: str) -> Parts:
    """The GGUF file that an older file becomes: a new header, and the tensors as they lie in the old one.

    :raises NotAModel: when it has a quantization that no longer exists, or lacks what a LLaMA model has.
    """
    kept = _KEPT_SINCE[max(legacy.version, 1)]
    gone = Counter(tensor.type for tensor in legacy.tensors if tensor.type not in kept)
    if gone:
        raise _no_longer(gone.most_common(1)[0][0])
    tensors = {name: tensor for tensor in legacy.tensors if (name := _new_name(tensor.name))}
    _check(legacy, tensors)
    entries = [*_about(legacy, tensors, title), *_vocabulary(legacy.tokens)]
    sources = [(tensor._replace(name=name), 0) for name, tensor in tensors.items()]
    return gguf_parts((b"".join(entries),), len(entries), sources)


def _new_name(name: str) -> str:
    """What a tensor is called in GGUF; empty for one that is not needed any more."""
    layer = _LAYER.fullmatch(name)
    if layer and layer[2] in _LAYER_NAMES:
        return f"blk.{layer[1]}.{_LAYER_NAMES[layer[2]]}"
    if name in _NAMES:
        return _NAMES[name]
    if name.endswith("rope.freqs"):
        return ""
    raise NotAModel(
        "It is no LLaMA model, or one that was changed.", f"It cannot be converted here. {FIND_GGUF}", f"tensor {name[:80]}"
    )


def _check(legacy: Legacy, tensors: dict[str, Tensor]) -> None:
    """:raises NotAModel: when tensors are missing, or only a part of each is here."""
    numbers = legacy.hyperparameters
    wanted = [*_NAMES.values(), *(f"blk.{n}.{name}" for n in range(numbers.n_layer) for name in _LAYER_NAMES.values())]
    missing = [name for name in wanted if name not in tensors]
    if missing:
        there = len(wanted) - len(missing)
        raise NotAModel(f"It is cut off: {there} of {len(wanted)} tensors are there.", DOWNLOAD_AGAIN, f"no {missing[0]}")
    if len(tensors) > len(wanted):
        raise damaged("it has more layers than it says", f"{len(tensors)} tensors, {len(wanted)} expected")
    shape = tensors["token_embd.weight"].shape
    if shape != (numbers.n_embd, numbers.n_vocab):
        raise NotAModel(
            "It is one of several parts in which the tensors are cut up, as large models once were.",
            f"It cannot be converted here. {FIND_GGUF}",
            f"embeddings of {shape}, {numbers.n_embd} times {numbers.n_vocab} expected",
        )
    if len(tensors["blk.0.attn_k.weight"].shape) < 2 or len(tensors["blk.0.ffn_gate.weight"].shape) < 2:
        raise damaged("its first layer is none of LLaMA's")


def _n_head_kv(numbers: Hyperparameters, tensors: dict[str, Tensor]) -> int:
    return tensors["blk.0.attn_k.weight"].shape[1] // numbers.n_rot


def _about(legacy: Legacy, tensors: dict[str, Tensor], title: str) -> Iterator[bytes]:
    """The entries for the model itself. What old files do not say is assumed, as `_assumed` tells."""
    numbers = legacy.hyperparameters
    n_head_kv = _n_head_kv(numbers, tensors)
    grouped = n_head_kv < numbers.n_head
    yield entry("general.architecture", "STRING", "llama")
    yield entry("general.name", "STRING", title)
    if any(tensor.type not in _PLAIN for tensor in tensors.values()):
        yield entry("general.quantization_version", "UINT32", 2)
    if numbers.file_type in ggml.FILE_TYPES:
        yield entry("general.file_type", "UINT32", numbers.file_type)
    for key, value in {
        "context_length": 4096 if grouped else 2048,
        "embedding_length": numbers.n_embd,
        "block_count": numbers.n_layer,
        "feed_forward_length": tensors["blk.0.ffn_gate.weight"].shape[1],
        "rope.dimension_count": numbers.n_rot,
        "attention.head_count": numbers.n_head,
        "attention.head_count_kv": n_head_kv,
    }.items():
        yield entry(f"llama.{key}", "UINT32", value)
    yield entry("llama.attention.layer_norm_rms_epsilon", "FLOAT32", 1e-5 if grouped else 5e-6)


def _assumed(legacy: Legacy) -> Iterator[str]:
    """What a converted file says without knowing it."""
    shapes = {tensor.name: tensor.shape for tensor in legacy.tensors}
    if shapes["layers.0.attention.wk.weight"][1] < legacy.hyperparameters.n_embd:
        yield "It is taken for Llama 2 70B: a context of 4096 tokens, and an epsilon of 1e-5."
    else:
        yield (
            "Files of this format do not say which LLaMA they are: a context of 2048 tokens is assumed (Llama 2 has 4096),"
            " and an epsilon of 5e-6, between LLaMA's 1e-6 and Llama 2's 1e-5."
        )
    if legacy.format == "GGML":
        yield "Its vocabulary has no scores, so text is split into tokens less well than it should be."


def _vocabulary(tokens: Sequence[tuple[bytes, float]]) -> Iterator[bytes]:
    """The entries for the tokenizer."""
    texts: list[bytes] = []
    types: list[int] = []
    for place, (token, _) in enumerate(tokens):
        special = {0: (b"<unk>", _UNKNOWN), 1: (b"<s>", _CONTROL), 2: (b"</s>", _CONTROL)}.get(place)
        if special:
            text, type_ = special
        elif not token:
            text, type_ = b"", _CONTROL
        elif place <= 258 and len(token) == 1:
            text, type_ = f"<0x{token[0]:02X}>".encode(), _BYTE
        else:
            text, type_ = token.replace(b" ", "▁".encode()), _NORMAL
        texts.append(text)
        types.append(type_)
    yield entry("tokenizer.ggml.model", "STRING", "llama")
    yield entry("tokenizer.ggml.pre", "STRING", "default")
    yield array_entry("tokenizer.ggml.tokens", "STRING", texts)
    yield array_entry("tokenizer.ggml.scores", "FLOAT32", [score for _, score in tokens])
    yield array_entry("tokenizer.ggml.token_type", "INT32", types)
    yield entry("tokenizer.ggml.bos_token_id", "UINT32", 1)
    yield entry("tokenizer.ggml.eos_token_id", "UINT32", 2)
    yield entry("tokenizer.ggml.unknown_token_id", "UINT32", 0)
