"""What llama-server tells of its models, in words: the one that it was started with, or those of its router.

Source: llama.cpp's tools/server/README.md and server-models.cpp of August 2026, and the answers of a real server.
"""

import re
from collections.abc import Mapping
from typing import Any

from modeltab.domain.errors import BadReply
from modeltab.domain.models import Model, ModelState
from modeltab.providers.base import Json

Entry = Mapping[str, Json]
#: A router's word for a model → ours. One that sleeps has given its memory back and wakes at the next prompt; it can be
#: unloaded, but not loaded.
_STATES: dict[str, ModelState] = {
    "loaded": "Loaded",
    "sleeping": "Loaded",
    "loading": "Loading",
    "downloading": "Downloading",
}
_SOURCES = {"cache": "downloads", "models_dir": "the models folder", "preset": "a preset"}
#: A model is in memory, or on its way there.
RUNNING = frozenset({"loaded", "sleeping", "loading"})


def entries_of(reply: Json) -> list[Entry]:
    """The entries of `GET /v1/models`.

    :raises BadReply: when it is no list.
    """
    entries = reply.get("data") if isinstance(reply, dict) else None
    if not isinstance(entries, list):
        raise BadReply(
            "The server answered without a list of models: this may not be llama-server.",
            "Check the base URL: it is usually http://127.0.0.1:8080, with nothing after the port.",
            str(reply)[:400],
        )
    return [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]


def is_router(entries: list[Entry]) -> bool:
    """Whether a list is a router's: its models have a status, and it may have none. A server with a model has that one."""
    return not entries or "status" in entries[0]


def file_name(id_: str) -> str:
    """What a model is called: the name of its file, where its id is the path of one."""
    return re.split(r"[/\\]", id_)[-1] if id_.lower().endswith(".gguf") else id_


def single(connection_id: str, entry: Entry) -> Model:
    """The model that a server was started with."""
    return Model(
        connection_id, file_name(str(entry["id"])), size=_size(entry), state="Loaded", details={**_about(entry), **_path(entry)}
    )


def routed(connection_id: str, entry: Entry) -> Model:
    """A model of a router."""
    status = status_of(entry)
    value = str(status.get("value"))
    details = {**_about(entry), **_path(entry)}
    if entry.get("source"):
        details["From"] = _SOURCES.get(str(entry["source"]), str(entry["source"]))
    if value == "sleeping":
        details["Asleep"] = "its memory is free until the next prompt"
    if status.get("failed"):
        details["Failed"] = f"it did not load (exit code {status.get('exit_code', 'unknown')})"
    return Model(
        connection_id,
        str(entry["id"]),
        size=_size(entry),
        state=_STATES.get(value, "On disk"),
        progress=progress_of(entry),
        details=details,
    )


def status_of(entry: Entry) -> Mapping[str, Any]:
    """A router's status of a model."""
    status = entry.get("status")
    return status if isinstance(status, dict) else {}


def progress_of(entry: Entry) -> float:
    """How far a download or a load is, 0 to 1. Loads tell it themselves; of a download, it follows from its files."""
    done, total = bytes_of(entry)
    if total:
        return done / total
    value = _progress(entry).get("value")
    return value if isinstance(value, int | float) else 0.0


def bytes_of(entry: Entry) -> tuple[int, int]:
    """How many bytes of a download are there, and how many it has, over its files. Their addresses name them."""
    files = [file for file in _progress(entry).values() if isinstance(file, dict)]
    return sum(file.get("done") or 0 for file in files), sum(file.get("total") or 0 for file in files)


def _progress(entry: Entry) -> Mapping[str, Any]:
    """In the status; before August 2026 beside it."""
    progress = status_of(entry).get("progress") or entry.get("progress")
    return progress if isinstance(progress, dict) else {}


def _meta(entry: Entry) -> Mapping[str, Any]:
    meta = entry.get("meta")
    return meta if isinstance(meta, dict) else {}  # null while the model loads


def _size(entry: Entry) -> int | None:
    size = _meta(entry).get("size")
    return size if isinstance(size, int) else None


def _path(entry: Entry) -> dict[str, str]:
    path = entry.get("path") or (entry["id"] if file_name(str(entry["id"])) != entry["id"] else None)
    return {"Path": str(path)} if path else {}


def _about(entry: Entry) -> dict[str, str]:
    meta = _meta(entry)
    architecture = entry.get("architecture")
    inputs = architecture.get("input_modalities") if isinstance(architecture, dict) else None
    details = {
        "Parameters": count(meta.get("n_params")),
        "Quantization": meta.get("ftype"),
        "Context": tokens(meta.get("n_ctx")),
        "Trained context": tokens(meta.get("n_ctx_train")),
        "Takes": ", ".join(map(str, inputs)) if isinstance(inputs, list) else "",
    }
    return {name: str(value) for name, value in details.items() if value}


def tokens(value: Json) -> str:
    """The size of a context in words; empty where it is not told."""
    return f"{value} tokens" if isinstance(value, int) and value > 0 else ""


def count(value: Json) -> str:
    """How many parameters a model has, in words."""
    if not isinstance(value, int) or value <= 0:
        return ""
    return f"{value / 1e9:.1f}B" if value >= 1e9 else f"{value / 1e6:.0f}M"
