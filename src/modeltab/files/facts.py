"""What a GGUF header says of its model: by the keys of ggml's docs/gguf.md and of llama.cpp."""

import re
from collections import Counter
from collections.abc import Mapping
from math import prod

from modeltab.files import ggml
from modeltab.files.values import Array, Header, ModelFacts, Role, Value

#: "model-00001-of-00003.gguf": the first of three parts.
_SHARD_NAME = re.compile(r"(?P<model>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.IGNORECASE)
_NOT_COUNTED_IN = ("F32", "F16", "BF16")


def facts_of(header: Header) -> ModelFacts:
    """What a header says."""
    metadata = header.metadata
    architecture = _text(metadata, "general.architecture")
    mix = _mix(header)
    return ModelFacts(
        role=_role(header, architecture),
        architecture=architecture,
        title=_title(metadata),
        parameters=sum(prod(tensor.shape) for tensor in header.tensors),
        quantization=_quantization(metadata, mix),
        mix=mix,
        n_ctx_train=_count(metadata, f"{architecture}.context_length"),
        n_layers=_first_count(metadata, architecture, "block_count", "vision.block_count", "audio.block_count"),
        n_embd=_first_count(metadata, architecture, "embedding_length", "vision.embedding_length", "audio.embedding_length"),
        n_vocab=_n_vocab(header, architecture),
        tokenizer=_tokenizer(metadata),
        chat_template=_text(metadata, "tokenizer.chat_template"),
        licence=_licence(metadata),
        shard=_shard(metadata),
    )


def chat_template_of(header: Header) -> str:
    """The chat template exactly as it stands in a file, empty where there is none."""
    template = header.metadata.get("tokenizer.chat_template")
    return template if isinstance(template, str) else ""


def special_token(header: Header, name: str) -> str:
    """The text of "bos" or "eos". Of a vocabulary only the first entries are kept, so that it may be unknown: then its name."""
    id_ = header.metadata.get(f"tokenizer.ggml.{name}_token_id")
    tokens = header.metadata.get("tokenizer.ggml.tokens")
    if isinstance(id_, int) and isinstance(tokens, Array) and 0 <= id_ < len(tokens.first):
        return str(tokens.first[id_])
    return f"<{name}>" if isinstance(id_, int) else ""


def shard_name(name: str) -> tuple[str, int, int] | None:
    """What a file's name says of parts: (the model's name, which part, of how many), or None."""
    match = _SHARD_NAME.fullmatch(name)
    if not match:
        return None
    number, count = int(match["number"]), int(match["count"])
    return (match["model"], number, count) if 1 <= number <= count else None


def _role(header: Header, architecture: str) -> Role:
    kind = _text(header.metadata, "general.type")
    if kind == "adapter" or "adapter.type" in header.metadata:
        return "adapter"
    if architecture == "clip" or kind in ("mmproj", "projector"):
        return "projector"
    if not header.tensors and "tokenizer.ggml.model" in header.metadata and not _shard(header.metadata):
        return "vocabulary"
    return "model"


def _title(metadata: Mapping[str, Value]) -> str:
    name = _text(metadata, "general.name")
    if name:
        return name
    parts = (_text(metadata, f"general.{key}") for key in ("basename", "finetune", "size_label"))
    return " ".join(part for part in parts if part)


def _mix(header: Header) -> dict[str, int]:
    """Bytes by tensor type, most first."""
    mix: Counter[str] = Counter()
    for tensor in header.tensors:
        mix[tensor.type] += tensor.size
    return dict(mix.most_common())


def _quantization(metadata: Mapping[str, Value], mix: Mapping[str, int]) -> str:
    file_type = _count(metadata, "general.file_type")
    if file_type is not None and file_type & ~ggml.GUESSED in ggml.FILE_TYPES:
        return ggml.FILE_TYPES[file_type & ~ggml.GUESSED]
    return majority(mix)


def majority(mix: Mapping[str, int]) -> str:
    """The tensor type that most bytes are of; a few large tensors are often left unquantized, which counts for nothing."""
    quantized = {name: size for name, size in mix.items() if name not in _NOT_COUNTED_IN}
    counted = quantized if sum(quantized.values()) * 2 > sum(mix.values()) else mix
    return max(counted, key=lambda name: counted[name], default="")


def _n_vocab(header: Header, architecture: str) -> int | None:
    tokens = header.metadata.get("tokenizer.ggml.tokens")
    if isinstance(tokens, Array) and tokens.length:
        return tokens.length
    told = _count(header.metadata, f"{architecture}.vocab_size")
    if told:
        return told
    shapes = (tensor.shape for tensor in header.tensors if tensor.name == "token_embd.weight")
    return next((shape[1] for shape in shapes if len(shape) > 1), None)


def _tokenizer(metadata: Mapping[str, Value]) -> str:
    """The tokenizer's kind, and its way of splitting text where it names one: "gpt2, qwen2"."""
    names = (_text(metadata, f"tokenizer.ggml.{key}") for key in ("model", "pre"))
    return ", ".join(name for name in names if name and name != "default")


def _licence(metadata: Mapping[str, Value]) -> str:
    name = _text(metadata, "general.license.name") or _text(metadata, "general.license")
    link = _text(metadata, "general.license.link")
    return f"{name} ({link})" if name and link else name or link


def _shard(metadata: Mapping[str, Value]) -> tuple[int, int] | None:
    number, count = _count(metadata, "split.no"), _count(metadata, "split.count")
    return (number + 1, count) if number is not None and count is not None and count > 1 else None


def _text(metadata: Mapping[str, Value], key: str) -> str:
    value = metadata.get(key)
    return value.strip() if isinstance(value, str) else ""


def _count(metadata: Mapping[str, Value], key: str) -> int | None:
    value = metadata.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _first_count(metadata: Mapping[str, Value], architecture: str, *keys: str) -> int | None:
    counts = (_count(metadata, f"{architecture}.{key}") for key in keys)
    return next((count for count in counts if count is not None), None)
