"""What Ollama tells of its models: the list on disk joined with the one in memory, one model's details in words, and
what it knows of the header of its file.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from modeltab.domain.connections import Connection
from modeltab.domain.errors import BadReply
from modeltab.domain.models import Model
from modeltab.files.ggml import NUMBERS, TYPES, data_size
from modeltab.files.gguf import KEPT, KEPT_NUMBERS
from modeltab.files.values import Array, Header, Scalar, Tensor, Value
from modeltab.files.words import share
from modeltab.providers.base import DownloadProgress, Json

Entry = Mapping[str, Json]
#: Ollama writes "as long as it runs" as a time in the year 2318 or so.
_NEVER = 2200


def entries_of(reply: Json) -> list[Entry]:
    """The entries of a list of models.

    :raises BadReply: when it is none.
    """
    entries = reply.get("models") if isinstance(reply, dict) else None
    if not isinstance(entries, list):
        raise BadReply(
            "The server answered without a list of models: this may not be Ollama.",
            "Check the base URL: it is usually http://127.0.0.1:11434, with nothing after the port.",
            str(reply)[:400],
        )
    return [entry for entry in entries if isinstance(entry, dict) and name_of(entry)]


def name_of(entry: Entry) -> str:
    """What a model is called, tag and all."""
    return str(entry.get("name") or entry.get("model") or "")


def listed(connection: Connection, tags: Iterable[Entry], running: Iterable[Entry], all_remote: bool) -> tuple[Model, ...]:
    """The models on disk and what memory holds of them; or those that the person named, with all that is known of them.

    :param all_remote: whether they run somewhere else whatever the list says: a hosted Ollama's do.
    """
    known = {name_of(entry): entry for entry in tags}
    loaded = {name_of(entry): entry for entry in running}
    if not connection.model_names:
        return tuple(_model(connection.id, name, known[name], loaded.get(name), all_remote) for name in known)
    return tuple(_named(connection.id, name, known, loaded, all_remote) for name in connection.model_names)


def _named(id_: str, name: str, known: Mapping[str, Entry], loaded: Mapping[str, Entry], all_remote: bool) -> Model:
    """A model that the person named, with the tag "latest" where they left it out, as Ollama reads it."""
    full = next((full for full in (name, f"{name}:latest") if full in known), "")
    if full:
        return _model(id_, name, known[full], loaded.get(full), all_remote)
    return Model(id_, name, state="Remote", details={"Listed": "no: Ollama has no model of this name on disk"})


def _model(id_: str, name: str, entry: Entry, running: Entry | None, all_remote: bool) -> Model:
    host = str(entry.get("remote_host") or "")
    remote = all_remote or bool(host or entry.get("remote_model"))
    size = entry.get("size")
    return Model(
        id_,
        name,
        size=size if isinstance(size, int) and not remote else None,  # a cloud model's is that of a note about it
        modified=str(entry.get("modified_at") or ""),
        state="Remote" if remote else "Loaded" if running else "On disk",
        memory=running["size"] if running and isinstance(running.get("size"), int) else None,
        details={**_about(entry), **({"Runs at": host} if host else {}), **(_in_memory(running) if running else {})},
    )


def _about(entry: Entry) -> dict[str, str]:
    details = entry.get("details")
    details = details if isinstance(details, dict) else {}
    return _told(
        {
            "Family": details.get("family"),
            "Parameters": details.get("parameter_size"),
            "Quantization": details.get("quantization_level"),
            "Trained context": _tokens(details.get("context_length")),
            "Capabilities": _joined(entry.get("capabilities")),
        }
    )


def _in_memory(entry: Entry) -> dict[str, str]:
    size, vram = entry.get("size"), entry.get("size_vram")
    share = f"{vram / size:.0%} of {size / 1e9:.1f} GB" if isinstance(size, int) and isinstance(vram, int) and size else None
    return _told(
        {
            "In GPU memory": share,
            "Context": _tokens(entry.get("context_length")),
            "Unloads": _moment(str(entry.get("expires_at") or "")),
        }
    )


def details_of(reply: Json) -> dict[str, str]:
    """What `POST /api/show` tells of a model, in words."""
    if not isinstance(reply, dict):
        raise BadReply("The server answered without a model's details.", "Try again.", str(reply)[:400])
    info = reply.get("model_info")
    info = info if isinstance(info, dict) else {}
    details = reply.get("details")
    details = details if isinstance(details, dict) else {}
    architecture = info.get("general.architecture")
    licence = str(reply.get("license") or "").strip()
    return _told(
        {
            "Architecture": architecture or details.get("family"),
            "Parameters": details.get("parameter_size") or _count(info.get("general.parameter_count")),
            "Quantization": details.get("quantization_level"),
            "Trained context": _tokens(info.get(f"{architecture}.context_length")),
            "Capabilities": _joined(reply.get("capabilities")),
            "Runs at": reply.get("remote_host"),
            "Licence": licence.partition("\n")[0].strip(),
            "SHA-256": file_digest(reply),
            "System prompt": reply.get("system"),
            "Template": reply.get("template"),
        }
    )


class Layers:
    """The layers of a model that is being pulled: each is told of when it begins, so that how many come is not known."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[int, int]] = {}

    def read(self, line: Entry) -> DownloadProgress:
        """How far the download is after a line of its stream: the layer that the line is of, and all so far."""
        text = str(line.get("status") or "")
        digest = str(line.get("digest") or "")
        if digest:
            layer = (line.get("completed") or 0, line.get("total") or 0)
            self._layers[digest] = layer
            text += f" (layer {list(self._layers).index(digest) + 1}: {share(*layer)})"
        return DownloadProgress(
            text, sum(done for done, _ in self._layers.values()), sum(total for _, total in self._layers.values())
        )


def header_of(reply: Json) -> Header:
    """What `POST /api/show` with `verbose` tells of a file's header. Where the bytes lie it does not tell: the version,
    the alignment and all places are 0. Versions before 0.6.1 tell no tensors.
    """
    if not isinstance(reply, dict):
        raise BadReply("The server answered without a model's details.", "Try again.", str(reply)[:400])
    info = reply.get("model_info")
    values = ((key, _value(value)) for key, value in (info if isinstance(info, dict) else {}).items())
    metadata = {key: value for key, value in values if value is not None}
    template = reply.get("template")
    if isinstance(template, str) and "{%" in template:  # the file's own; Ollama's are Go's, which have {{ }} alone
        metadata.setdefault("tokenizer.chat_template", template)
    tensors = reply.get("tensors")
    found = tuple(_tensor(item) for item in (tensors if isinstance(tensors, list) else ()) if isinstance(item, dict))
    return Header(0, False, metadata, found, 0, 0, sum(tensor.size for tensor in found))


def file_digest(reply: Json) -> str:
    """The SHA-256 of a model's file, in hexadecimal, as `POST /api/show` names it in its Modelfile; empty if it does not.

    What versions from 0.30 on made of a file that was sent is no longer that file: they write it anew.
    """
    modelfile = reply.get("modelfile") if isinstance(reply, dict) else None
    found = re.search(r"^FROM .*[/\\]sha256[-:]([0-9a-f]{64})\s*$", str(modelfile or ""), re.MULTILINE)
    return found[1] if found else ""


def _value(value: Json) -> Value | None:
    """An entry of a header. JSON does not tell how wide a number was; null is an array that is not told."""
    if isinstance(value, list):
        kept = KEPT if not value or isinstance(value[0], str | list) else KEPT_NUMBERS
        first = tuple(item for item in map(_value, value[:KEPT] if len(value) > kept else value) if item is not None)
        return Array(_type_of(value), len(value), first)
    return value if isinstance(value, int | float | bool | str) else None


def _type_of(array: list[Json]) -> str:
    names: dict[type[Scalar], str] = {bool: "BOOL", str: "STRING", int: "INT64", float: "FLOAT64"}
    kinds = {type(item) for item in array}
    if kinds == {int, float}:  # JSON has whole numbers without their point
        return "FLOAT64"
    return names.get(kinds.pop(), "ARRAY") if len(kinds) == 1 else ""


def _tensor(item: Entry) -> Tensor:
    shape = item.get("shape")
    dimensions = tuple(n for n in shape if isinstance(n, int)) if isinstance(shape, list) else ()
    type_ = str(item.get("type") or "")
    size = data_size(dimensions, TYPES[NUMBERS[type_]]) if type_ in NUMBERS else 0
    return Tensor(str(item.get("name") or ""), dimensions, type_, 0, size)


def _told(details: Mapping[str, Json]) -> dict[str, str]:
    return {name: str(value) for name, value in details.items() if value}


def _joined(values: Json) -> str:
    return ", ".join(map(str, values)) if isinstance(values, list) else ""


def _tokens(value: Json) -> str:
    return f"{value} tokens" if isinstance(value, int) and value > 0 else ""


def _count(value: Json) -> str:
    if not isinstance(value, int) or value <= 0:
        return ""
    return f"{value / 1e9:.1f}B" if value >= 1e9 else f"{value / 1e6:.0f}M"


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return "never" if moment.year > _NEVER else moment.astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError):
        return text
