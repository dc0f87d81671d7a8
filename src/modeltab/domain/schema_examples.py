"""Schemas to begin with, each with a prompt that fits."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class SchemaExample(NamedTuple):
    """A schema and a prompt, by a name for a person."""

    id: str
    label: str
    prompt: str
    schema: Mapping[str, Any]


def _object(properties: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """An object that names all that it has, and requires it: the kind that every API takes."""
    named = dict(properties)
    return {"type": "object", "properties": named, "required": list(named), "additionalProperties": False, **more}


EXAMPLES = (
    SchemaExample(
        "person",
        "Facts out of a text",
        "Marie Curie was born in Warsaw in 1867. She was a physicist and a chemist. Extract the facts as JSON.",
        _object(
            {
                "name": {"type": "string"},
                "born": {"type": "integer", "description": "The year"},
                "professions": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
            }
        ),
    ),
    SchemaExample(
        "sentiment",
        "Classify a text",
        "Classify this review as JSON: “The battery lasts two days, but the screen scratches far too easily.”",
        _object(
            {
                "sentiment": {"type": "string", "enum": ["positive", "mixed", "negative"]},
                "topics": {"type": "array", "items": {"type": "string", "enum": ["battery", "screen", "price", "other"]}},
            }
        ),
    ),
    SchemaExample(
        "steps",
        "Steps of a plan",
        "Plan a picnic in at most three steps, as JSON.",
        _object(
            {
                "title": {"type": "string"},
                "steps": {
                    "type": "array",
                    "maxItems": 3,
                    "items": _object({"what": {"type": "string"}, "minutes": {"type": "integer"}}),
                },
            }
        ),
    ),
)
