"""What is this file? From its bytes, whatever its name, and only those that are needed."""

import re

from modeltab.domain.errors import ErrorRecord, NotAModel
from modeltab.files import gguf, legacy
from modeltab.files.facts import facts_of, shard_name
from modeltab.files.identify import HEAD, identify
from modeltab.files.values import Array, Header, Inspection, ModelFacts, Read
from modeltab.files.words import size as size_words

#: A model in Ollama's folder: named by its hash.
_BLOB = re.compile(r"sha256[-:][0-9a-f]{64}")
#: Pieces of a file that was cut up byte by byte, which is not how llama.cpp splits models.
_PIECE = re.compile(r".*(?:[-.]split-[a-z]{1,2}|\.part-?\d+(?:of\d+)?|\.part[a-z]{1,2}|\.\d{3})", re.IGNORECASE)
_ENDINGS = (".gguf", ".ggml", ".bin", ".model", ".ggjt", ".ggmf", ".txt")
_JOIN = "It is named like one piece of a file that was cut up: join all pieces in order (on Linux and macOS with cat)."
#: Architectures of GGUF files that make pictures, films or sounds, for other programs.
_NOT_CHAT = frozenset(
    ("flux", "sd1", "sdxl", "sd3", "aura", "ltxv", "hyvid", "wan", "hidream", "cosmos", "lumina2", "qwen_image", "pig")
)


async def inspect(name: str, size: int, read: Read) -> Inspection:
    """What a file of `size` bytes is. Whatever is in it, only what `read` itself raises is raised."""
    head = await read(0, min(size, HEAD))
    if head.startswith(gguf.MAGIC):
        return await _gguf(name, size, read)
    if head[:4] in legacy.MAGICS:
        return await legacy.inspect_legacy(name, _stem(name), size, read, head)
    found = await identify(name, size, read, head)
    if found.format == "unknown" and found.error and _PIECE.fullmatch(name):
        return found._replace(error=found.error._replace(advice=_JOIN))
    return found


async def _gguf(name: str, size: int, read: Read) -> Inspection:
    try:
        header = await gguf.read_header(read, size)
    except NotAModel as error:
        record = error.record()
        if "cut off" in record.message and _PIECE.fullmatch(name):
            record = record._replace(advice=_JOIN)
        return Inspection(name, size, "GGUF", error=record)
    facts = facts_of(header)
    named = shard_name(_stored_name(name, facts))
    if not facts.shard and named:
        facts = facts._replace(shard=named[1:])
    format_ = f"GGUF {header.version}"
    found = Inspection(name, size, format_, _stored_name(name, facts), header, facts, notes=_notes(header, facts, size))
    if header.metadata.get("general.type") == "imatrix":
        message = "It is an importance matrix, with which models are quantized, and no model."
        return found._replace(error=ErrorRecord(message, "Choose the model's own file."))
    if not header.tensors and facts.role != "vocabulary" and not facts.shard:
        return found._replace(error=ErrorRecord("It has no tensors: there is no model in it.", "Find a whole file."))
    return found


def _notes(header: Header, facts: ModelFacts, size: int) -> tuple[str, ...]:
    notes = []
    if header.big_endian:
        notes.append("It is big-endian, for machines such as IBM Z: computers with Intel, AMD, ARM or Apple chips refuse it.")
    if facts.role == "vocabulary":
        notes.append("It is only a vocabulary: it has no weights and cannot answer.")
    if facts.architecture in _NOT_CHAT:
        notes.append("It makes pictures or films, for programs such as ComfyUI or stable-diffusion.cpp: it does not chat.")
    nested = [key for key, value in header.metadata.items() if isinstance(value, Array) and value.type == "ARRAY"]
    if nested:
        notes.append(f"llama.cpp does not read arrays in arrays, which “{nested[0][:80]}” is.")
    beyond = size - gguf.padded(header.end, header.alignment)
    if beyond > 0:
        notes.append(f"Behind its last tensor are {size_words(beyond)} that do not belong to it.")
    return tuple(notes)


def _stem(name: str) -> str:
    """A file's name without its ending and its folder."""
    base = re.split(r"[/\\]", name)[-1]
    for ending in _ENDINGS:
        if base.lower().endswith(ending) and len(base) > len(ending):
            return base[: -len(ending)]
    return base or "model"


def _stored_name(name: str, facts: ModelFacts) -> str:
    stem = _stem(name)
    if _BLOB.fullmatch(stem):
        size_label = f"{facts.parameters / 1e9:.1f}B" if facts.parameters >= 1e9 else f"{facts.parameters / 1e6:.0f}M"
        title = facts.title or f"{facts.architecture or 'model'} {size_label}"
        words = f"{title} {facts.quantization}" if facts.quantization.lower() not in title.lower() else title
        stem = "-".join(re.findall(r"[\w.]+", words)).strip(".-")[:100] or "model"
    return f"{stem}.gguf"
