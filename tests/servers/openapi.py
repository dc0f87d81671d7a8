"""Checks a recorded exchange, a request and its reply, against an OpenAPI document (3.0 or 3.1).

    spec = OpenApi.read(path)
    assert spec.problems(Exchange("GET", "/api/version", reply_type="application/json", reply=b'{"version": "0.1"}')) == []

The documents are other people's and are not in this repository: `document("ollama.yaml")` finds one in the folder that the
environment variable MODELTAB_OPENAPI names, and skips the test where it is not set.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

VARIABLE = "MODELTAB_OPENAPI"
_URI = "urn:openapi"
#: The same document with open objects, for parts of an object that are closed as a whole.
_OPEN_URI = "urn:openapi-open"
#: The C loader reads OpenAI's 90,000 lines in seconds, the Python one in minutes.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Exchange:
    """A request and its reply. ``path`` is without the query; a type is a Content-Type header."""

    method: str
    path: str
    request_type: str = ""
    request: bytes = b""
    status: int = 200
    reply_type: str = ""
    reply: bytes = b""


def document(name: str) -> Path:
    """A document by its file's name. Skips the test when there is none."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        pytest.skip(f"{VARIABLE} is not set: it names a folder with the vendors' OpenAPI documents")
    path = Path(folder) / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


class OpenApi:
    """One document.

    :param closed: whether an object may only have the properties that the document lists, where it does not say itself
        whether there may be others: so that a misspelt field of a request is found.
    """

    def __init__(self, value: dict[str, Any], closed: bool = False) -> None:
        self._paths: dict[str, Any] = value.get("paths", {})
        self._bases = tuple(_base_path(server) for server in value.get("servers", ()))
        old = str(value.get("openapi", "")).startswith("3.0")
        schemas = ((uri, _translated(value, old, strict)) for uri, strict in ((_URI, closed), (_OPEN_URI, False)))
        resources = ((uri, DRAFT202012.create_resource(schema)) for uri, schema in schemas)
        self._registry: Registry[Any] = Registry().with_resources(resources)
        self._value = value

    @classmethod
    @functools.cache
    def read(cls, path: Path, closed: bool = False) -> OpenApi:
        """A document from a file, YAML or JSON."""
        return cls(yaml.load(path.read_text(encoding="utf-8"), _LOADER), closed)

    def problems(self, exchange: Exchange) -> list[str]:
        """What is wrong with a request and its reply; empty when nothing is."""
        return self.request_problems(exchange) + self.reply_problems(exchange)

    def request_problems(self, exchange: Exchange) -> list[str]:
        """What is wrong with a request."""
        found = self._operation(exchange)
        if found is None:
            return [f"{exchange.method} {exchange.path}: no such operation"]
        pointer, operation = found
        pointer, wanted = self._resolved(f"{pointer}/requestBody", operation.get("requestBody"))
        where = f"{exchange.method} {exchange.path}: request"
        if wanted is None:
            return [f"{where}: a body where there should be none"] if exchange.request else []
        if not exchange.request:
            return [f"{where}: no body"] if wanted.get("required") else []
        return self._body_problems(where, f"{pointer}/content", wanted, exchange.request_type, exchange.request)

    def reply_problems(self, exchange: Exchange) -> list[str]:
        """What is wrong with a reply. A failure that the document does not describe is not judged."""
        found = self._operation(exchange)
        if found is None:
            return [f"{exchange.method} {exchange.path}: no such operation"]
        pointer, operation = found
        where = f"{exchange.method} {exchange.path}: reply {exchange.status}"
        replies = operation.get("responses", {})
        key = next((key for key in (str(exchange.status), f"{exchange.status // 100}XX", "default") if key in replies), None)
        if key is None:
            return [] if exchange.status >= 400 else [f"{where}: no such status"]
        pointer, wanted = self._resolved(f"{pointer}/responses/{key}", replies[key])
        if not wanted or not wanted.get("content"):
            return []
        return self._body_problems(where, f"{pointer}/content", wanted, exchange.reply_type, exchange.reply)

    def _operation(self, exchange: Exchange) -> tuple[str, dict[str, Any]] | None:
        """The operation of a request and where it stands. A path without parameters comes before one with."""
        paths = {exchange.path, *(exchange.path.removeprefix(base) for base in self._bases)}
        for template in sorted(self._paths, key=lambda template: template.count("{")):
            pattern = re.sub(r"\\{[^/]+?\\}", "[^/]+", re.escape(template))
            if any(re.fullmatch(pattern, path) for path in paths):
                operation = self._paths[template].get(exchange.method.lower())
                if operation is not None:
                    return f"/paths/{_escaped(template)}/{exchange.method.lower()}", operation
        return None

    def _resolved(self, pointer: str, value: Any) -> tuple[str, Any]:
        """A value, and where it stands, behind its references."""
        while isinstance(value, dict) and "$ref" in value:
            pointer = value["$ref"].removeprefix("#")
            value = self._value
            for part in pointer.strip("/").split("/"):
                value = value[part.replace("~1", "/").replace("~0", "~")]
        return pointer, value

    def _body_problems(self, where: str, pointer: str, wanted: dict[str, Any], kind: str, body: bytes) -> list[str]:
        kind = kind.partition(";")[0].strip().lower()
        content = wanted.get("content", {})
        if kind not in content:
            return [f"{where}: {kind or 'no type'} is none of {', '.join(content)}"]
        if "schema" not in content[kind]:
            return []
        schema = {"$ref": f"{_URI}#{pointer}/{_escaped(kind)}/schema"}
        validator = Draft202012Validator(schema, registry=self._registry)
        found = []
        try:
            for value in _values(kind, body):
                for error in validator.iter_errors(value):
                    found.append(f"{where}: {error.json_path}: {error.message[:300]}")
        except ValueError as error:
            found.append(f"{where}: not JSON: {error}")
        return found


def _values(kind: str, body: bytes) -> Iterator[Any]:
    """The JSON values in a body: one, one a line, or one an event."""
    if kind == "text/event-stream":
        for line in body.split(b"\n"):
            data = line.removeprefix(b"data:").strip()
            if line.startswith(b"data:") and data and data != b"[DONE]":
                yield json.loads(data)
    elif kind in ("application/x-ndjson", "application/jsonl"):
        yield from (json.loads(line) for line in body.split(b"\n") if line.strip())
    else:
        yield json.loads(body)


def _translated(value: Any, old: bool, closed: bool, name: str = "") -> Any:
    """A document's schemas as JSON Schema 2020-12. Examples are not schemas and are left out."""
    if isinstance(value, list):
        return [_translated(item, old, closed) for item in value]
    if not isinstance(value, dict):
        return value
    is_schema = name not in ("properties", "schemas")
    result = {
        key: _translated(item, old, closed, key)
        for key, item in value.items()
        if not (is_schema and (key in ("example", "examples") or key.startswith("x-")))
    }
    if is_schema and old:
        _modernise(result)
    if is_schema and "oneOf" in result and "anyOf" not in result:
        # Vendors write it where several may well fit: OpenAI's own example of a message is two kinds of its items.
        result["anyOf"] = result.pop("oneOf")
    if is_schema and closed:
        _close(result)
    return result


def _close(schema: dict[str, Any]) -> None:
    """Allow an object only the properties that its schema lists, in all of its parts together."""
    if "additionalProperties" in schema or not ("allOf" in schema or isinstance(schema.get("properties"), dict)):
        return
    for parts in ("allOf", "anyOf", "oneOf"):
        if parts in schema:
            schema[parts] = [_opened(part) for part in schema[parts]]
    schema["unevaluatedProperties"] = False


def _opened(part: Any) -> Any:
    """A part of an object: it knows its own properties only, and must not refuse the others'."""
    if not isinstance(part, dict):
        return part
    part = {key: value for key, value in part.items() if key != "unevaluatedProperties"}
    if str(part.get("$ref", "")).startswith("#"):
        part["$ref"] = _OPEN_URI + part["$ref"]
    return part


def _modernise(schema: dict[str, Any]) -> None:
    """OpenAPI 3.0's own words in JSON Schema's."""
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(schema.get(exclusive), bool) and schema.pop(exclusive) and limit in schema:
            schema[exclusive] = schema.pop(limit)
    if schema.pop("nullable", False):
        inner = dict(schema)
        schema.clear()
        schema["anyOf"] = [inner, {"type": "null"}]


def _base_path(server: Mapping[str, Any]) -> str:
    return urlsplit(str(server.get("url", ""))).path.rstrip("/")


def _escaped(part: str) -> str:
    """A part of a JSON pointer, in a URI's fragment."""
    return part.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")
