"""The fields of a call's JSON, checked as they are taken."""

import json
from typing import Any

from modeltab.endpoint.errors import CallError
from modeltab.endpoint.values import Request

_KINDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", list: "a list", dict: "an object"}


class Fields:
    """The JSON object in a call's body. A field that is null counts as one that is not there."""

    def __init__(self, request: Request) -> None:
        """:raises CallError: when the body is no JSON object."""
        try:
            value = json.loads(request.content)
        except (ValueError, RecursionError):
            raise CallError(400, "The request's body is not JSON.", "invalid_json") from None
        if not isinstance(value, dict):
            raise CallError(400, "The request's body is not a JSON object.", "invalid_json")
        self.left: dict[str, Any] = {name: item for name, item in value.items() if item is not None}

    def take(self, name: str, kind: type, default: Any = None) -> Any:
        """A field's value, which is then no longer among those that are `left`.

        :raises CallError: when it is of another kind.
        """
        value = self.left.pop(name, default)
        if value is default:
            return value
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if kind is int and isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise CallError(400, f"“{name}” has to be {_KINDS[kind]}.", "invalid_type", name)
        return value

    def need(self, name: str, kind: type) -> Any:
        """A field that has to be there. :raises CallError: when it is not."""
        value = self.take(name, kind)
        if value is None or value == "":
            raise CallError(400, f"“{name}” is missing.", "missing_required_parameter", name)
        return value


def unsupported(name: str, model: str, why: str = "") -> CallError:
    """The error for a field that the model's API does not take."""
    return CallError(400, f"{model} does not take “{name}”." + (f" {why}" if why else ""), "unsupported_parameter", name)
