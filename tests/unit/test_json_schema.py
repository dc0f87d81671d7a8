"""JSON schemas that a person writes, held against the specification's own schema of schemas."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator, SchemaError

from modeltab.domain.json_schema import Problem, is_strict, leaves, read_json, read_schema
from modeltab.domain.schema_examples import EXAMPLES

GOOD = [
    {},
    {"type": "object", "properties": {"a": True, "b": {"type": ["string", "null"]}}, "required": ["a"]},
    {"type": "array", "prefixItems": [{}], "items": False, "minItems": 1, "uniqueItems": True},
    {"$defs": {"x": {"multipleOf": 0.5}}, "$ref": "#/$defs/x", "description": "A half"},
    {"anyOf": [{"const": 1}, {"enum": ["a", None]}], "not": {"pattern": "^\\d+$"}, "if": {}, "then": {}, "else": {}},
    {"title": "T", "default": [], "examples": [1], "x-order": 3, "maximum": 3, "exclusiveMinimum": 0.5, "format": "date"},
    {"maxLength": 3.0, "patternProperties": {"^a/b~": {"type": "integer"}}, "propertyNames": {"minLength": 1}},
]
BAD = [
    ({"type": "strin"}, "/type"),
    ({"type": []}, "/type"),
    ({"type": ["string", "string"]}, "/type"),
    ({"type": ["string", 3]}, "/type"),
    ({"properties": {"a": 3}}, "/properties/a"),
    ({"properties": []}, "/properties"),
    ({"properties": {"a/b~c": {"minimum": "1"}}}, "/properties/a~1b~0c/minimum"),
    ({"required": "a"}, "/required"),
    ({"required": ["a", "a"]}, "/required"),
    ({"enum": "a"}, "/enum"),
    ({"items": [{}]}, "/items"),
    ({"anyOf": []}, "/anyOf"),
    ({"anyOf": {"type": "string"}}, "/anyOf"),
    ({"oneOf": [{}, {"minLength": -1}]}, "/oneOf/1/minLength"),
    ({"maxItems": 1.5}, "/maxItems"),
    ({"multipleOf": 0}, "/multipleOf"),
    ({"uniqueItems": "yes"}, "/uniqueItems"),
    ({"description": 3}, "/description"),
    ({"$ref": 3}, "/$ref"),
    ({"maximum": True}, "/maximum"),
]


@pytest.mark.parametrize("schema", [*GOOD, *(example.schema for example in EXAMPLES)], ids=json.dumps)
def test_a_schema_is_taken_where_the_specification_takes_it(schema):
    Draft202012Validator.check_schema(schema)
    assert read_schema(json.dumps(schema)) == (schema, ())


@pytest.mark.parametrize(("schema", "place"), BAD, ids=[json.dumps(schema) for schema, _ in BAD])
def test_what_the_specification_refuses_is_told_with_its_place(schema, place):
    with pytest.raises(SchemaError):
        Draft202012Validator.check_schema(schema)
    found, problems = read_schema(json.dumps(schema))
    assert found is None
    assert [problem.place for problem in problems] == [place]


@pytest.mark.parametrize(
    ("text", "place"),
    [('{"type": }', "line 1, column 10"), ('{\n  "a" 1\n}', "line 2, column 7"), ("{} {}", "line 1, column 4")],
)
def test_where_a_text_stops_being_json_is_told_by_line_and_column(text, place):
    _, (problem,) = read_schema(text)
    assert problem.place == place


@pytest.mark.parametrize("text", ["3", "[]", '"a"', "true"])
def test_a_schema_is_an_object(text):
    schema, (problem,) = read_schema(text)
    assert (schema, problem.place) == (None, "")


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "[" * 100_000, ""])
def test_what_python_alone_would_read_or_cannot_read_is_no_json(text):
    value, problem = read_json(text)
    assert value is None and problem


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.id)
def test_the_examples_are_of_the_kind_that_strict_takes(example):
    assert is_strict(example.schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {}}, "additionalProperties": False},
        {"type": "array", "items": {"type": "object"}},
        {"$defs": {"x": {"properties": {"a": {}}}}, "$ref": "#/$defs/x"},
    ],
)
def test_a_schema_that_leaves_something_open_is_not_strict(schema):
    assert not is_strict(schema)


def test_of_a_validators_errors_those_are_told_that_say_what_is_wrong():
    found = [
        ("#/properties", "#", 'Property "a" does not match schema.'),
        ("#/properties/a/items", "#/a", "Items did not match schema."),
        ("#/properties/a/items/type", "#/a/1", 'Expected "string".'),
        ("#/properties/a/items/type", "#/a/1", 'Expected "string".'),
        ("#/required", "#", 'No "b".'),
        ("#/anyOf", "#", "None fits."),
        ("#/anyOf/0/type", "#", "No text."),
    ]
    assert leaves(found) == (
        Problem("/a/1", 'Expected "string".'),
        Problem("", 'No "b".'),
        Problem("", "None fits."),
        Problem("", "No text."),
    )
