"""GGUF files for tests: real ones written with PyPI's `gguf`, and ones put together by hand, however wrong."""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import gguf
import numpy as np

from modeltab.files.values import Parts

T = TypeVar("T")

#: Value types as GGUF numbers them, with the form that `struct` has for them.
FORMS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9


class CountedBytes:
    """Reads from bytes, or from a file on disk, and counts what was read.

    :param size: of the file, when that goes on with zeros behind the bytes.
    """

    def __init__(self, source: bytes | Path, size: int | None = None) -> None:
        self.source = source
        self.size = size or (source.stat().st_size if isinstance(source, Path) else len(source))
        self.bytes_read = 0
        self.reads = 0

    async def __call__(self, start: int, end: int) -> bytes:
        assert 0 <= start <= end <= self.size
        if isinstance(self.source, Path):
            with self.source.open("rb") as file:
                file.seek(start)
                found = file.read(end - start)
        else:
            found = self.source[start:end]
            found += bytes(end - start - len(found))
        self.bytes_read += len(found)
        self.reads += 1
        return found


def run(awaitable: Awaitable[T]) -> T:
    """What is awaited, where nothing in it waits: without an event loop, because one may be running here already."""
    steps = awaitable.__await__()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def put_together(parts: Parts, *sources: bytes) -> bytes:
    """The file that parts make."""
    return b"".join(part if isinstance(part, bytes) else sources[part.file][part.start : part.end] for part in parts)


# By hand

Value = tuple[int, Any]


def text(value: str | bytes, order: str = "<") -> bytes:
    """A text with its length."""
    encoded = value.encode() if isinstance(value, str) else value
    return struct.pack(f"{order}Q", len(encoded)) + encoded


def packed(value: Value, order: str = "<") -> bytes:
    """A value: (its type, itself); an array's is (ARRAY, (the type of its entries, them))."""
    type_, content = value
    if type_ == STRING:
        return text(content, order)
    if type_ == ARRAY:
        inner, entries = content
        return struct.pack(f"{order}IQ", inner, len(entries)) + b"".join(packed((inner, entry), order) for entry in entries)
    return struct.pack(order + FORMS[type_], content)


def by_hand(
    entries: Sequence[tuple[str, Value]],
    tensors: Sequence[tuple[str, tuple[int, ...], int, int]] = (),
    data: bytes = b"",
    *,
    version: int = 3,
    order: str = "<",
    alignment: int = 32,
    counts: tuple[int, int] | None = None,
) -> bytes:
    """A GGUF file: entries (key, value), tensors (name, shape, type, offset), and the bytes behind the padding.

    :param counts: the numbers of tensors and entries that it claims to have, when they are not the true ones.
    """
    n_tensors, n_entries = counts or (len(tensors), len(entries))
    head = b"GGUF" + struct.pack(f"{order}IQQ", version, n_tensors, n_entries)
    for key, value in entries:
        head += text(key, order) + struct.pack(f"{order}I", value[0]) + packed(value, order)
    for name, shape, type_, offset in tensors:
        head += text(name, order) + struct.pack(f"{order}I{len(shape)}QIQ", len(shape), *shape, type_, offset)
    return head + bytes(-len(head) % alignment) + data


#: One value of every type.
EVERY_TYPE: list[tuple[str, Value]] = [
    ("general.architecture", (STRING, "llama")),
    ("a.u8", (0, 200)),
    ("a.i8", (1, -100)),
    ("a.u16", (2, 60_000)),
    ("a.i16", (3, -30_000)),
    ("a.u32", (4, 4_000_000_000)),
    ("a.i32", (5, -2_000_000_000)),
    ("a.f32", (6, 0.5)),
    ("a.bool", (7, True)),
    ("a.text", (STRING, "é日本🙂")),
    ("a.u64", (10, 1 << 60)),
    ("a.i64", (11, -(1 << 60))),
    ("a.f64", (12, 0.1)),
    ("a.numbers", (ARRAY, (5, [1, -2, 3]))),
    ("a.flags", (ARRAY, (7, [True, False]))),
    ("a.texts", (ARRAY, (STRING, [f"t{n}" for n in range(20)]))),
    ("a.long", (ARRAY, (6, [float(n) for n in range(5000)]))),
    ("a.empty", (ARRAY, (STRING, []))),
    ("a.nested", (ARRAY, (ARRAY, [(4, [1, 2]), (STRING, ["x"])]))),
]

#: Two tensors: F32 of 4 by 2, and Q4_0 of 64.
TWO_TENSORS = [("token_embd.weight", (4, 2), 0, 0), ("output.weight", (64,), 2, 32)]
TWO_TENSORS_DATA = bytes(range(32)) + bytes(36)


def whole_file(**options: Any) -> bytes:
    """A small file with every value type and two tensors."""
    return by_hand(EVERY_TYPE, TWO_TENSORS, TWO_TENSORS_DATA, **options)


def vocabulary_file(count: int, tensors: Any = TWO_TENSORS, data: bytes = TWO_TENSORS_DATA, **options: Any) -> bytes:
    """A file with a vocabulary of so many tokens, as many merges, scores and types."""
    tokens = [f"token{n * 7919 % count}" for n in range(count)]
    entries: list[tuple[str, Value]] = [
        ("general.architecture", (STRING, "llama")),
        ("tokenizer.ggml.model", (STRING, "gpt2")),
        ("tokenizer.ggml.tokens", (ARRAY, (STRING, tokens))),
        ("tokenizer.ggml.scores", (ARRAY, (6, [0.0] * count))),
        ("tokenizer.ggml.token_type", (ARRAY, (5, [1] * count))),
        ("tokenizer.ggml.merges", (ARRAY, (STRING, [f"{token[:3]} {token[3:]}" for token in tokens]))),
        ("tokenizer.chat_template", (STRING, "{{ messages }}")),
    ]
    return by_hand(entries, tensors, data, **options)


# With PyPI's gguf

#: A vocabulary of SentencePiece's kind: three special tokens, a token for each byte, and some pieces.
PIECES = [
    "▁", *"abcdefghijklmnopqrstuvwxyz", "th", "he", "in", "▁a", "▁t", "▁the", "▁in", "er", "an", "é", "日本", "▁and", "▁the▁end"
]  # fmt: skip
TOKENS = [b"<unk>", b"<s>", b"</s>", *(f"<0x{n:02X}>".encode() for n in range(256)), *(piece.encode() for piece in PIECES)]
TOKEN_TYPES = [2, 3, 3, *[6] * 256, *[1] * len(PIECES)]
SCORES = [0.0] * 259 + [-float(n + 1) for n in range(len(PIECES))]

N_EMBD, N_HEAD, N_LAYER, N_FF = 64, 4, 2, 96


def llama_weights(seed: int = 1, n_head_kv: int = N_HEAD) -> dict[str, np.ndarray]:
    """Random weights of a tiny LLaMA, by GGUF's names, in F32."""
    random = np.random.default_rng(seed)

    def matrix(rows: int, columns: int) -> np.ndarray:
        return random.normal(0, 0.35, (rows, columns)).astype(np.float32)

    n_kv = N_EMBD // N_HEAD * n_head_kv
    weights = {"token_embd.weight": matrix(len(TOKENS), N_EMBD)}
    for n in range(N_LAYER):
        weights |= {
            f"blk.{n}.attn_norm.weight": np.ones(N_EMBD, np.float32),
            f"blk.{n}.attn_q.weight": matrix(N_EMBD, N_EMBD),
            f"blk.{n}.attn_k.weight": matrix(n_kv, N_EMBD),
            f"blk.{n}.attn_v.weight": matrix(n_kv, N_EMBD),
            f"blk.{n}.attn_output.weight": matrix(N_EMBD, N_EMBD),
            f"blk.{n}.ffn_norm.weight": np.ones(N_EMBD, np.float32),
            f"blk.{n}.ffn_gate.weight": matrix(N_FF, N_EMBD),
            f"blk.{n}.ffn_down.weight": matrix(N_EMBD, N_FF),
            f"blk.{n}.ffn_up.weight": matrix(N_FF, N_EMBD),
        }
    weights["output_norm.weight"] = np.ones(N_EMBD, np.float32)
    weights["output.weight"] = matrix(len(TOKENS), N_EMBD)
    return weights


def stored(weights: np.ndarray, type_: gguf.GGMLQuantizationType) -> tuple[np.ndarray, gguf.GGMLQuantizationType]:
    """A tensor as it is stored in a file of this quantization: vectors stay F32."""
    if weights.ndim == 1:
        return weights, gguf.GGMLQuantizationType.F32
    return gguf.quants.quantize(weights, type_), type_


def tiny_llama(
    path: Path,
    type_: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F16,
    *,
    n_head_kv: int = N_HEAD,
    configure: Callable[[gguf.GGUFWriter], None] = lambda writer: None,
    **options: Any,
) -> Path:
    """A random LLaMA that llama.cpp loads; `options` are those of `gguf.GGUFWriter`, such as `split_max_tensors`."""
    writer = gguf.GGUFWriter(path, "llama", **options)
    writer.add_name("Tiny")
    writer.add_file_type(int(_FILE_TYPES[type_]))
    writer.add_context_length(2048)
    writer.add_embedding_length(N_EMBD)
    writer.add_block_count(N_LAYER)
    writer.add_feed_forward_length(N_FF)
    writer.add_rope_dimension_count(N_EMBD // N_HEAD)
    writer.add_head_count(N_HEAD)
    writer.add_head_count_kv(n_head_kv)
    writer.add_layer_norm_rms_eps(5e-6)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(TOKENS)
    writer.add_token_scores(SCORES)
    writer.add_token_types(TOKEN_TYPES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    configure(writer)
    for name, weights in llama_weights(n_head_kv=n_head_kv).items():
        data, raw = stored(weights, type_)
        writer.add_tensor(name, data, raw_dtype=raw)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


_FILE_TYPES = {
    gguf.GGMLQuantizationType.F32: gguf.LlamaFileType.ALL_F32,
    gguf.GGMLQuantizationType.F16: gguf.LlamaFileType.MOSTLY_F16,
    gguf.GGMLQuantizationType.Q4_0: gguf.LlamaFileType.MOSTLY_Q4_0,
    gguf.GGMLQuantizationType.Q5_1: gguf.LlamaFileType.MOSTLY_Q5_1,
    gguf.GGMLQuantizationType.Q8_0: gguf.LlamaFileType.MOSTLY_Q8_0,
}
