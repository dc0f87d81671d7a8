"""Reads static/catalogue.json: small models that run well in a tab.

    {"models": [{"title", "repo", "file", "revision"?, "beside"?, "size" or "size_about", "sha256"?, "licence", "memory",
                 "parameters", "why"}]}

What is not as it should be is left out: a catalogue that somebody edited by hand must not keep the app from starting.
"""

import re
from collections.abc import Mapping

from modeltab.domain.catalogue import CatalogueEntry
from modeltab.domain.errors import BadRequest
from modeltab.providers.base import Json
from modeltab.sources.address import parse, resolve_url

_BESIDE = re.compile(r"\./(?!.*\.\.)[\w./-]+")


def entries_from(value: Json) -> tuple[CatalogueEntry, ...]:
    """The entries of a catalogue, without those that are broken."""
    models = value.get("models") if isinstance(value, dict) else None
    entries = (_entry(item) for item in (models if isinstance(models, list) else ()))
    return tuple(entry for entry in entries if entry)


def _entry(item: Json) -> CatalogueEntry | None:
    if not isinstance(item, dict):
        return None
    texts = {key: _text(item, key) for key in ("title", "repo", "file", "licence", "why")}
    size, about = _number(item, "size"), _number(item, "size_about")
    sha256 = _text(item, "sha256")
    beside = _text(item, "beside")
    if not all(texts.values()) or not (size or about) or not texts["file"].lower().endswith(".gguf"):
        return None
    if (sha256 and not re.fullmatch(r"[0-9a-f]{64}", sha256)) or (beside and not _BESIDE.fullmatch(beside)):
        return None
    try:
        place = parse(f"hf://{texts['repo']}@{_text(item, 'revision') or 'main'}/{texts['file']}")
    except BadRequest:
        return None
    return CatalogueEntry(
        name=place.file_name,
        title=texts["title"],
        size=size,
        licence=texts["licence"],
        sources=(*((beside,) if beside else ()), resolve_url(place.repo, place.path, place.revision)),
        sha256=sha256,
        size_about=0 if size else about,
        memory=_number(item, "memory"),
        parameters=_number(item, "parameters"),
        why=texts["why"],
        repo=place.repo,
    )


def _text(item: Mapping[str, Json], key: str) -> str:
    value = item.get(key)
    return value.strip() if isinstance(value, str) else ""


def _number(item: Mapping[str, Json], key: str) -> int:
    value = item.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
