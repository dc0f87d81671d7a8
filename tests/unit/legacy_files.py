"""LLaMA files of before GGUF, written as llama.cpp's converters of 2023 did."""

from __future__ import annotations

import struct

import gguf
import numpy as np

from tests.unit.gguf_files import N_EMBD, N_FF, N_HEAD, N_LAYER, SCORES, TOKENS, llama_weights, stored

MAGICS = {"GGML": b"lmgg", "GGMF": b"fmgg", "GGJT": b"tjgg"}
_OLD_NAMES = {
    "attn_q": "attention.wq",
    "attn_k": "attention.wk",
    "attn_v": "attention.wv",
    "attn_output": "attention.wo",
    "attn_norm": "attention_norm",
    "ffn_gate": "feed_forward.w1",
    "ffn_down": "feed_forward.w2",
    "ffn_up": "feed_forward.w3",
    "ffn_norm": "ffn_norm",
    "token_embd": "tok_embeddings",
    "output_norm": "norm",
    "output": "output",
}


def old_name(name: str) -> str:
    """What a tensor was called."""
    *place, kind, _ = name.split(".")
    return ".".join(["layers", place[1], _OLD_NAMES[kind], "weight"] if place else [_OLD_NAMES[kind], "weight"])


def old_token(place: int, token: bytes) -> bytes:
    """How a token was written: bytes as they are, spaces as spaces."""
    if place < 3:
        return (" ⁇ ".encode(), b"", b"")[place]
    return bytes((place - 3,)) if place < 259 else token.replace("▁".encode(), b" ")


def legacy_llama(
    format_: str = "GGJT",
    version: int = 3,
    type_: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F16,
    *,
    file_type: int = 1,
    n_head_kv: int = N_HEAD,
    without: tuple[str, ...] = (),
    extra: dict[str, np.ndarray] | None = None,
) -> bytes:
    """The same model as `tiny_llama`'s."""
    file = bytearray(MAGICS[format_])
    if format_ != "GGML":
        file += struct.pack("<I", version)
    file += struct.pack("<7I", len(TOKENS), N_EMBD, 32, N_HEAD, N_LAYER, N_EMBD // N_HEAD, file_type)
    for place, token in enumerate(TOKENS):
        text = old_token(place, token)
        file += struct.pack("<I", len(text)) + text
        if format_ != "GGML":
            file += struct.pack("<f", SCORES[place])
    weights = {old_name(name): weight for name, weight in llama_weights(n_head_kv=n_head_kv).items()} | (extra or {})
    for name, weight in weights.items():
        if name in without:
            continue
        data, raw = stored(weight, type_)
        shape = weight.shape[::-1]
        file += struct.pack(f"<3I{len(shape)}I", len(shape), len(name), int(raw), *shape) + name.encode()
        if format_ == "GGJT":
            file += bytes(-len(file) % 32)
        file += data.tobytes()
    assert weights["layers.0.feed_forward.w1.weight"].shape[0] == N_FF
    return bytes(file)
