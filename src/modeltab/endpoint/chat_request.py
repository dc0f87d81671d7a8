"""OpenAI's chat completion, the request: JSON → what the app's providers take.

Source: OpenAI's API reference, "Create chat completion". To a provider that speaks it, everything goes as it came: messages,
tools, formats, and what a server adds to the API. For every other it is translated as far as that API has the like,
and what it has not is refused by name: nothing that a caller asks for is left out without a word.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from modeltab.domain.messages import ImageRef, Message
from modeltab.domain.requests import ChatRequest, Parameters
from modeltab.endpoint.errors import CallError
from modeltab.endpoint.fields import Fields, unsupported
from modeltab.providers.base import Capabilities

#: Parameters with a name of ours → their kind.
KINDS: Mapping[str, type] = {"temperature": float, "top_p": float, "top_k": int, "seed": int}
#: What changes nothing in the answer of an API that has not the like.
IGNORED = (
    *("user", "metadata", "store", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "service_tier"),
    *("parallel_tool_calls", "prediction"),
)
#: Values that ask for what happens anyway.
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "stop": ([],),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
}
_EFFORTS = {"none": "off", "minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high"}
_DATA_URL = re.compile(r"data:([\w./+-]+);base64,", re.IGNORECASE)
#: The most alternatives that OpenAI's API tells of.
_MOST_ALTERNATIVES = 20


class ChatCall(NamedTuple):
    """A chat completion that is asked for."""

    request: ChatRequest
    stream: bool
    include_usage: bool
    wants_logprobs: bool


def chat_call(fields: Fields, model: str, name: str, takes: Capabilities) -> ChatCall:
    """What a request's body asks of a model.

    :param model: as its provider calls it; `name`, as the caller does, who is told of it.
    :raises CallError: when something in it cannot be done.
    """
    stream, include_usage = stream_of(fields)
    if fields.take("n", int, 1) != 1:
        raise unsupported("n", name, "Ask several times for several answers.")
    messages = fields.need("messages", list)
    if not all(isinstance(message, dict) and isinstance(message.get("role"), str) for message in messages):
        raise CallError(400, "Each of “messages” has to be an object with a “role”.", "invalid_type", "messages")
    parameters = parameters_of(fields, takes)
    wants_logprobs, count = bool(fields.take("logprobs", bool, False)), fields.take("top_logprobs", int, 0)
    if wants_logprobs and not takes.alternatives:
        raise unsupported("logprobs", name)
    if not 0 <= count <= min(_MOST_ALTERNATIVES, max(takes.alternatives, 0)):
        raise unsupported("top_logprobs", name, f"It can be up to {min(_MOST_ALTERNATIVES, takes.alternatives)}.")
    request = ChatRequest(model, (), parameters, n_alternatives=max(count, 1) if wants_logprobs else 0)
    if takes.passes_through:
        request = _with_extra(request, {"messages": messages, **fields.left})
        return ChatCall(request, stream, include_usage, wants_logprobs)
    request = _with_schema(request, fields, name, takes)
    refuse_rest(fields, name, takes)
    return ChatCall(_translated(request, messages, name, takes), stream, include_usage, wants_logprobs)


def stream_of(fields: Fields) -> tuple[bool, bool]:
    """Whether the answer is to be streamed, and whether its last piece is to tell the tokens."""
    stream = bool(fields.take("stream", bool, False))
    options = fields.take("stream_options", dict, {})
    return stream, options.get("include_usage") is True


def parameters_of(fields: Fields, takes: Capabilities) -> Parameters:
    """The parameters that have names of ours, as far as the provider takes them; what it does not stays among the fields."""
    given: dict[str, Any] = {}
    for name, kind in KINDS.items():
        if name in takes.parameters:
            given[name] = fields.take(name, kind)
    if "max_tokens" in takes.parameters:
        longest = fields.take("max_completion_tokens", int)
        given["max_tokens"] = longest if longest is not None else fields.take("max_tokens", int)
        fields.left.pop("max_tokens", None)
    if "reasoning" in takes.parameters and "reasoning_effort" in fields.left:
        effort = fields.take("reasoning_effort", str)
        if effort not in _EFFORTS:
            raise CallError(400, f"“reasoning_effort” is one of {', '.join(_EFFORTS)}.", "invalid_value", "reasoning_effort")
        given["reasoning"] = _EFFORTS[effort]
    return Parameters(**given)


def without(fields: Fields, names: tuple[str, ...]) -> dict[str, Any]:
    """The fields that are left, but for these."""
    return {name: value for name, value in fields.left.items() if name not in names}


def refuse_rest(fields: Fields, name: str, takes: Capabilities) -> None:
    """Refuse the first field that is left and asks for something. :raises CallError:"""
    for field, value in without(fields, IGNORED).items():
        if value not in _NEUTRAL.get(field, ()):
            raise unsupported(field, name, takes.reasons.get("max_tokens" if field.startswith("max_") else field, ""))


def _with_extra(request: ChatRequest, extra: Mapping[str, Any]) -> ChatRequest:
    return request._replace(parameters=request.parameters._replace(extra_json=json.dumps(extra)))


def _with_schema(request: ChatRequest, fields: Fields, name: str, takes: Capabilities) -> ChatRequest:
    wanted = fields.left.get("response_format")
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        return request
    about = wanted.get("json_schema")
    schema = about.get("schema") if isinstance(about, dict) else None
    if not isinstance(schema, dict):
        raise CallError(400, "“response_format” has no schema.", "invalid_value", "response_format")
    if not takes.schema:
        raise unsupported("response_format", name, takes.reasons.get("schema", ""))
    del fields.left["response_format"]
    return request._replace(schema=schema)


def _translated(request: ChatRequest, messages: list[Any], name: str, takes: Capabilities) -> ChatRequest:
    """The messages as the app's own: system prompts in one, texts, and images where the provider takes them."""
    system: list[str] = []
    found: list[Message] = []
    images: dict[str, bytes] = {}
    for place, message in enumerate(messages):
        role = message["role"]
        if role not in ("system", "developer", "user", "assistant") or message.get("tool_calls"):
            raise unsupported("tools", name)
        text, refs = _content(message.get("content"), name, takes, images)
        if role in ("system", "developer"):
            system.append(text)
        else:
            found.append(Message(str(place), "", None, role, text, 0.0, images=refs))
    parameters = request.parameters._replace(system_prompt="\n\n".join(system) or None)
    return request._replace(messages=tuple(found), parameters=parameters, images=images)


def _content(content: Any, name: str, takes: Capabilities, images: dict[str, bytes]) -> tuple[str, tuple[ImageRef, ...]]:
    if content is None or isinstance(content, str):
        return content or "", ()
    texts: list[str] = []
    refs: list[ImageRef] = []
    for part in content if isinstance(content, list) else [content]:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind == "image_url" and takes.images:
            refs.append(_image(part.get("image_url"), images))
        else:
            raise CallError(400, f"{name} does not take content of the type “{kind}”.", "unsupported_content", "messages")
    return "".join(texts), tuple(refs)


def _image(value: Any, images: dict[str, bytes]) -> ImageRef:
    url = value.get("url") if isinstance(value, dict) else None
    found = _DATA_URL.match(url) if isinstance(url, str) else None
    if not found or not isinstance(url, str):
        raise CallError(400, "An image for this model has to come as a data: URL in base64.", "invalid_image_url", "messages")
    try:
        content = base64.b64decode(url[found.end() :], validate=True)
    except binascii.Error:
        raise CallError(400, "The base64 of an image is damaged.", "invalid_image_url", "messages") from None
    digest = hashlib.sha256(content).hexdigest()
    images[digest] = content
    return ImageRef(digest, found[1], "image", len(content))
