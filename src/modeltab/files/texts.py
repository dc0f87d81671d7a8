"""Texts that were saved or chosen as models: error pages, pointers, manifests, configurations."""

import json
import re

from modeltab.domain.errors import ErrorRecord
from modeltab.files.values import Inspection, Read
from modeltab.files.words import size as size_words

_MAX_JSON = 1 << 20
_CHOOSE = "Choose the .gguf file itself."
_POINTER = re.compile(r"version https://git-lfs\.github\.com/spec/v1\s.*?oid sha256:([0-9a-f]{64})\s+size (\d+)", re.DOTALL)
_HTML = re.compile(r"\s*(?:<!--.*?-->\s*)?<(?:!doctype html|html|head|body|title)\b", re.IGNORECASE | re.DOTALL)


def is_text(head: bytes) -> bool:
    """Whether a file begins as a text in UTF-8."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data" or not error.start:
            return False
        text = head[: error.start].decode("utf-8")
    return all(char.isprintable() or char in "\t\n\r\f\ufeff\u200b" for char in text)


async def inspect_text(name: str, size: int, read: Read, head: bytes) -> Inspection:
    """What a text is, where a model was expected."""
    text = head.decode("utf-8", "replace").lstrip("\ufeff")
    pointer = _POINTER.match(text)
    if pointer:
        message = f"It is only the Git LFS pointer to a file of {size_words(int(pointer[2]))}, not the file."
        advice = "Run “git lfs pull” in the repository, or download the file itself."
        return _told(name, size, "Git LFS pointer", message, advice, f"sha256 {pointer[1]}, {pointer[2]} bytes")
    if _HTML.match(text):
        title = re.search(r"<title[^>]*>([^<]{1,120})", text, re.IGNORECASE)
        message = "It is a web page that was saved as a model: the server answered with a page instead of the file."
        advice = "Download it again, from the file's own download link. Some models want you to sign in first."
        return _told(name, size, "web page", message, advice, title[1].strip() if title else "")
    if text.lstrip().startswith("<?xml"):
        message = "It is an XML text, such as a storage server's error message, not the file."
        return _told(name, size, "XML", message, "Download it again: the link may have run out.", text[:400])
    if text.lstrip()[:1] in ("{", "["):
        return _json(name, size, (await read(0, min(size, _MAX_JSON))).decode("utf-8", "replace"))
    return _told(name, size, "text", "It is a text, not a model.", _CHOOSE, text[:200])


def _told(name: str, size: int, format_: str, message: str, advice: str, detail: str = "") -> Inspection:
    return Inspection(name, size, format_, error=ErrorRecord(message, advice, detail))


def _json(name: str, size: int, text: str) -> Inspection:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    entries = value if isinstance(value, dict) else {}
    error = entries.get("error") or entries.get("errors") or entries.get("detail")
    layers = entries.get("layers")
    if error and len(entries) <= 6:
        said = error.get("message", error) if isinstance(error, dict) else error
        message = f"It is a server's error message that was saved as a model: “{str(said)[:160]}”."
        return _told(
            name, size, "error message", message, "Download it again. Some models want you to sign in first.", text[:400]
        )
    if isinstance(layers, list) and "mediaType" in entries:
        return _manifest(name, size, layers)
    if "weight_map" in entries:
        message = "It is the list of a model's safetensors files, not the model."
        return _told(name, size, "safetensors index", message, "Find a GGUF file of this model.")
    if "architectures" in entries or "model_type" in entries:
        message = "It is a model's configuration, not the model."
        return _told(name, size, "model configuration", message, "Find a GGUF file of this model.")
    if isinstance(entries.get("model"), dict) and "vocab" in entries["model"]:
        return _told(name, size, "tokenizer", "It is a model's tokenizer, not the model.", "Find a GGUF file of this model.")
    return _told(name, size, "JSON", "It is a JSON text, not a model.", _CHOOSE, text[:200])


def _manifest(name: str, size: int, layers: list[object]) -> Inspection:
    models = [layer for layer in layers if isinstance(layer, dict) and str(layer.get("mediaType", "")).endswith("image.model")]
    if not models:
        return _told(name, size, "manifest", "It is the manifest of a container, not a model.", _CHOOSE)
    digest = str(models[0].get("digest", "")).replace(":", "-")
    length = models[0].get("size")
    told = f" of {size_words(length)}" if isinstance(length, int) else ""
    message = f"It is Ollama's manifest of a model{told}, not the model."
    advice = f"Choose the file {digest[:80]} in Ollama's folder models/blobs, or connect to Ollama."
    return _told(name, size, "Ollama manifest", message, advice, digest)
