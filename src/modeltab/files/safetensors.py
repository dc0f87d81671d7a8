"""safetensors: the length of a JSON text in eight bytes, that text with each tensor's type and place, and the tensors."""

import json
from collections import Counter

from modeltab.domain.errors import ErrorRecord
from modeltab.files.values import Inspection, Read
from modeltab.files.words import listing, share

_CONVERT = (
    "Find a GGUF file of this model, or convert the model's whole folder with llama.cpp's convert_hf_to_gguf.py: a single"
    " safetensors file has no tokenizer and no configuration."
)
_WHOLE = "Download it again; but no runtime here loads safetensors: a GGUF file is what you need."
_CONVERT_LORA = "Convert the adapter's folder with llama.cpp's convert_lora_to_gguf.py, for the model that it was made for."
#: The format's own limit is 100 MB. Beyond this, the tensors are not counted.
_MAX_HEADER, _MAX_READ = 100_000_000, 16 << 20


def is_safetensors(head: bytes, size: int) -> bool:
    """Whether a file begins as one."""
    return head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") <= _MAX_HEADER


async def inspect_safetensors(name: str, size: int, read: Read, head: bytes) -> Inspection:
    """What is in such a file, and what to do with it."""
    length = int.from_bytes(head[:8], "little")
    entries: dict[str, object] = {}
    if 8 + length > size:
        told = f"It is a safetensors file that is cut off: its {size:,} bytes end within its header."
        return _refused(name, size, told, _WHOLE)
    if length <= _MAX_READ:
        try:
            parsed = json.loads((await read(8, 8 + length)).decode("utf-8"))
            entries = parsed if isinstance(parsed, dict) else {}
        except (ValueError, RecursionError):
            return _refused(name, size, "It is a safetensors file whose header is damaged.", "Download it again.")
    metadata = entries.pop("__metadata__", None)
    metadata = metadata if isinstance(metadata, dict) else {}
    types: Counter[str] = Counter()
    end = 0
    for entry in entries.values():
        if isinstance(entry, dict):
            types[str(entry.get("dtype"))[:16]] += 1
            end = max(end, _end(entry))
    whole = 8 + length + end
    if whole > size:
        told = f"It is a safetensors file that is cut off: {share(size, whole)} are there."
        return _refused(name, size, told, _WHOLE)
    kind = _kind(entries, metadata)
    told = f"{len(entries)} tensors: {listing(f'{count} {type_}' for type_, count in types.most_common(4))}" if types else ""
    message = f"It is {kind} in safetensors{f' ({told})' if told else ''}, which no runtime here loads."
    return _refused(name, size, message, _CONVERT_LORA if "LoRA" in kind else _CONVERT, str(metadata)[:400] if metadata else "")


def _refused(name: str, size: int, message: str, advice: str, detail: str = "") -> Inspection:
    return Inspection(name, size, "safetensors", error=ErrorRecord(message, advice, detail))


def _end(entry: dict[str, object]) -> int:
    offsets = entry.get("data_offsets")
    last = offsets[-1] if isinstance(offsets, list) and offsets else 0
    return last if isinstance(last, int) else 0


def _kind(entries: dict[str, object], metadata: dict[str, object]) -> str:
    names = list(entries)
    if any("lora_a" in name.lower() or "lora_down" in name or "lora_b" in name.lower() for name in names):
        return "a LoRA adapter"
    if any(name.endswith((".qweight", ".qzeros", ".q_weight")) for name in names):
        return "a model quantized for GPUs (GPTQ, AWQ or EXL2)"
    if metadata.get("format") == "mlx" or any(name.endswith(".scales") for name in names):
        return "a model for MLX"
    return "a model"
