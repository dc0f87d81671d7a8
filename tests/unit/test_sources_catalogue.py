"""The catalogue of small models: how it is read, and the one that is shipped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modeltab.domain.catalogue import STARTER, CatalogueEntry
from modeltab.sources.address import HUGGING_FACE
from modeltab.sources.catalogue import entries_from

SHIPPED = Path(__file__).parents[2] / "static" / "catalogue.json"
ENTRY: dict[str, Any] = {
    "title": "Tiny",
    "repo": "user/Tiny-GGUF",
    "file": "sub/Tiny-Q4_0.gguf",
    "size": 1000,
    "licence": "MIT",
    "memory": 2000,
    "parameters": 100,
    "why": "Small.",
}


def test_an_entry_is_read_whole():
    more = {**ENTRY, "revision": "abc", "beside": "./static/models/Tiny.gguf", "sha256": "0" * 64}
    assert entries_from({"models": [more]}) == (
        CatalogueEntry(
            "Tiny-Q4_0.gguf",
            "Tiny",
            1000,
            "MIT",
            ("./static/models/Tiny.gguf", f"{HUGGING_FACE}/user/Tiny-GGUF/resolve/abc/sub/Tiny-Q4_0.gguf"),
            sha256="0" * 64,
            memory=2000,
            parameters=100,
            why="Small.",
            repo="user/Tiny-GGUF",
        ),
    )


def test_a_size_that_was_not_seen_is_about():
    about = {**ENTRY, "size": None, "size_about": 900}
    (entry,) = entries_from({"models": [about]})
    assert (entry.size, entry.size_about) == (0, 900)


BROKEN: list[Any] = [
    5,
    None,
    {},
    *({**ENTRY, key: value} for key in ("title", "repo", "file", "licence", "why") for value in ("", None, 5)),
    {**ENTRY, "size": 0},
    {**ENTRY, "size": "1000"},
    {**ENTRY, "size": True},
    {**ENTRY, "repo": "no-user"},
    {**ENTRY, "repo": "../.."},
    {**ENTRY, "file": "model.safetensors"},
    {**ENTRY, "file": "../x.gguf"},
    {**ENTRY, "sha256": "0"},
    {**ENTRY, "beside": "https://evil.example/x.gguf"},
    {**ENTRY, "beside": "./../x.gguf"},
    {**ENTRY, "beside": "//evil.example/x.gguf"},
]


@pytest.mark.parametrize("item", BROKEN)
def test_a_broken_entry_is_left_out_and_keeps_no_other_out(item):
    assert [entry.title for entry in entries_from({"models": [item, ENTRY]})] == ["Tiny"]


@pytest.mark.parametrize("value", [None, 5, [], {}, {"models": 5}, {"models": {}}])
def test_what_is_no_catalogue_has_no_entries(value):
    assert entries_from(value) == ()


def test_the_shipped_catalogue_is_whole():
    value = json.loads(SHIPPED.read_text(encoding="utf-8"))
    entries = entries_from(value)
    assert len(entries) == len(value["models"]) == 12
    assert len({entry.name for entry in entries}) == len({entry.title for entry in entries}) == len(entries)
    first = entries[0]
    assert (first.name, first.title, first.size, first.licence, first.sources) == (
        STARTER.name,
        STARTER.title,
        STARTER.size,
        STARTER.licence,
        STARTER.sources,
    )
    assert [entry.size for entry in entries] == sorted(entry.size for entry in entries)
    for entry in entries:
        assert entry.size < entry.memory < 4 * 1024**3 - entry.size / 2, entry.title  # wasm's heap has 4 GiB
        assert 3 < entry.size * 8 / entry.parameters < 9, entry.title  # bits a weight
        assert entry.why.endswith(".") and len(entry.why) < 110
        assert entry.licence in ("Apache-2.0", "MIT", "Gemma Terms of Use", "Llama 3.2 Community License")
