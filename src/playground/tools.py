"""A Python function as a tool: its description for the model, and the call that the model asks for."""

import inspect
import json
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args, get_origin, get_type_hints

#: So often may a model ask for tools before it has to answer.
MAX_ROUNDS = 5
_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", list: "array", dict: "object"}


class Tool:
    """A function that a model may have called.

    :raises TypeError: for what is no function with a name.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function) or not hasattr(function, "__name__"):
            raise TypeError("tools is a list of Python functions.")
        self.function = function
        self.name = function.__name__


def described(tool: Tool) -> dict[str, Any]:
    """The tool as OpenAI's API wants it: its parameters by their annotations, its purpose by its docstring."""
    hints = get_type_hints(tool.function)
    properties, required = {}, []
    for name, parameter in inspect.signature(tool.function).parameters.items():
        properties[name] = _schema(hints.get(name, str))
        if parameter.default is parameter.empty:
            required.append(name)
    parameters = {"type": "object", "properties": properties, "required": required}
    description = inspect.getdoc(tool.function) or ""
    return {"type": "function", "function": {"name": tool.name, "description": description, "parameters": parameters}}


def _schema(hint: Any) -> dict[str, Any]:
    if get_origin(hint) is Literal:
        return {"type": "string", "enum": [str(choice) for choice in get_args(hint)]}
    origin = get_origin(hint) or hint
    schema: dict[str, Any] = {"type": _TYPES.get(origin, "string")}
    if origin is list and get_args(hint):
        schema["items"] = _schema(get_args(hint)[0])
    return schema


async def called(tools: Sequence[Tool], call: dict[str, Any]) -> dict[str, Any]:
    """Do what the model asks for. What goes wrong is the result: the model may do better the next time."""
    result: Any
    tool = next((tool for tool in tools if tool.name == call["name"]), None)
    try:
        arguments = json.loads(call["arguments"] or "{}")
        if tool is None:
            result = f"Error: there is no tool {call['name']}"
        else:
            result = tool.function(**arguments)
            if inspect.isawaitable(result):
                result = await result
    except Exception as error:
        result = f"Error: {type(error).__name__}: {error}"
    return {"name": call["name"], "arguments": call["arguments"], "result": result}
