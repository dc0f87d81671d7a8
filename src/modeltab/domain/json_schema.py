"""JSON schemas that a person writes: whether they are JSON, and schemas, and where they are not.

Source: the JSON Schema specification, draft 2020-12, and its vocabularies. A schema is only checked for what makes it
useless: a keyword with a value that it cannot have. What a validator makes of it is the validator's.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")

#: What a keyword's value has to be.
_SCHEMA = ("additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then")
_SCHEMAS = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("$defs", "definitions", "dependentSchemas", "patternProperties", "properties")
_COUNTS = ("maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties")
_NUMBERS = ("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum")
#: What is wrong when none of several schemas fits: said beside what is wrong with each.
_CHOICES = ("/anyOf", "/oneOf")
_TEXTS = ("$comment", "$id", "$ref", "$schema", "description", "format", "pattern", "title")


class Problem(NamedTuple):
    """What is wrong with a schema, or with a value that should keep to one.

    :param place: where: a JSON pointer, empty for the whole, or "line 3, column 5" in a text that is no JSON.
    """

    place: str
    text: str


def read_json(text: str) -> tuple[Any, Problem | None]:
    """A text as JSON; or None, and where it is not JSON. Only what JSON knows: no NaN."""
    try:
        return json.loads(text, parse_constant=_refuse), None
    except json.JSONDecodeError as error:
        return None, Problem(f"line {error.lineno}, column {error.colno}", error.msg)
    except (ValueError, RecursionError) as error:
        return None, Problem("", str(error))


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def read_schema(text: str) -> tuple[Mapping[str, Any] | None, tuple[Problem, ...]]:
    """A schema from its text; or None, and what is wrong with it."""
    value, problem = read_json(text)
    if problem:
        return None, (problem,)
    if not isinstance(value, dict):
        return None, (Problem("", 'A schema is an object, like {"type": "object"}.'),)
    problems = tuple(_check(value, ""))
    return (None, problems) if problems else (value, ())


def _check(schema: Any, place: str) -> Iterator[Problem]:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        yield Problem(place, "This has to be a schema: an object, true or false.")
        return
    for name, value in schema.items():
        yield from _check_keyword(name, value, f"{place}/{_escaped(name)}")


def _check_keyword(name: str, value: Any, place: str) -> Iterator[Problem]:
    if name in _SCHEMA:
        yield from _check(value, place)
    elif name in _SCHEMAS:
        if not isinstance(value, list) or not value:
            yield Problem(place, f"“{name}” is a list of schemas.")
            return
        for index, inner in enumerate(value):
            yield from _check(inner, f"{place}/{index}")
    elif name in _NAMED:
        if not isinstance(value, dict):
            yield Problem(place, f"“{name}” is an object whose values are schemas.")
            return
        for key, inner in value.items():
            yield from _check(inner, f"{place}/{_escaped(key)}")
    else:
        wrong = _wrong(name, value)
        if wrong:
            yield Problem(place, wrong)


def _wrong(name: str, value: Any) -> str:
    """What is wrong with the value of a keyword that holds no schema; empty when nothing is."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if name == "type":
        names = value if isinstance(value, list) else [value]
        if not names or not all(item in TYPES for item in names if isinstance(item, str)) or _has_others(names):
            return f"A type is one of {', '.join(TYPES)}, or a list of them."
    elif name == "required" and (not isinstance(value, list) or _has_others(value)):
        return "“required” is a list of names."
    elif name == "enum" and not isinstance(value, list):
        return "“enum” is a list of values."
    elif name in _COUNTS and (not is_number or value < 0 or value != int(value)):
        return f"“{name}” is a whole number, 0 or more."
    elif name in _NUMBERS and not is_number:
        return f"“{name}” is a number."
    elif name == "multipleOf" and (not is_number or value <= 0):
        return "“multipleOf” is a number greater than 0."
    elif name == "uniqueItems" and not isinstance(value, bool):
        return "“uniqueItems” is true or false."
    elif name in _TEXTS and not isinstance(value, str):
        return f"“{name}” is a text."
    return ""


def _has_others(names: list[Any]) -> bool:
    """Whether a list has something but texts in it, or the same text twice."""
    return not all(isinstance(name, str) for name in names) or len(set(names)) < len(names)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def is_strict(schema: Any) -> bool:
    """Whether a schema is of the kind that OpenAI's "strict" takes: every object names all that it has, and requires it."""
    if isinstance(schema, list):
        return all(map(is_strict, schema))
    if not isinstance(schema, Mapping):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        names = schema.get("properties") or {}
        required = schema.get("required") or []
        if schema.get("additionalProperties") is not False or set(names) != set(required):
            return False
    inner = [schema[name] for name in (*_SCHEMA, *_SCHEMAS) if name in schema]
    named = [value for name in _NAMED for value in (schema.get(name) or {}).values()]
    return all(map(is_strict, [*inner, *named]))


def leaves(found: list[tuple[str, str, str]]) -> tuple[Problem, ...]:
    """The problems of a value that say something: a validator also tells of every object around the place that is wrong.

    :param found: (place of the keyword in the schema, place in the value, words), as the validator tells them.
    """
    places = [keyword for keyword, _, _ in found]
    kept = [
        Problem(place.removeprefix("#"), words)
        for keyword, place, words in found
        if keyword.endswith(_CHOICES) or not any(other.startswith(keyword + "/") for other in places)
    ]
    return tuple(dict.fromkeys(kept))
