"""What Ollama tells of its models, in words: the list on disk joined with the one in memory, and one model's details."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from modeltab.domain.connections import Connection
from modeltab.domain.errors import BadReply
from modeltab.domain.models import Model
from modeltab.providers.base import Json

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
            "System prompt": reply.get("system"),
            "Template": reply.get("template"),
        }
    )


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
