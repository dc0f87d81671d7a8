"""What is kept, as JSON-like values: the configuration (localStorage), conversations and messages (IndexedDB), exports.

Names are those of the values' own fields. Reading is strict where a wrong value would break something later, and forgiving
where a newer version may have added a field.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from modeltab.domain.connections import Connection, clean_base_url
from modeltab.domain.errors import ErrorRecord, ModelTabError
from modeltab.domain.messages import Conversation, ImageRef, Message, Stats, ToolCall
from modeltab.domain.prompts import Preset, Prompt
from modeltab.domain.requests import Parameters
from modeltab.state.palette import RECENT
from modeltab.state.prices import price_to_json, prices_from_json
from modeltab.state.store import SORTS, Settings

#: The version of the configuration. A change that an older ModelTab would misread raises it, and `migrate` learns the step.
CONFIG_VERSION = 1

Record = dict[str, Any]


class UnreadableError(ValueError):
    """A record that is not what it should be."""


def config_to_json(connections: tuple[Connection, ...], settings: Settings) -> Record:
    """The configuration as it is kept."""
    return {
        "version": CONFIG_VERSION,
        "connections": [connection._asdict() for connection in connections],
        "settings": {
            **settings._asdict(),
            "parameters": _given(settings.parameters._asdict()),
            "prompts": [prompt._asdict() for prompt in settings.prompts],
            "presets": [{**preset._asdict(), "parameters": _given(preset.parameters._asdict())} for preset in settings.presets],
            "prices": [price_to_json(price) for price in settings.prices],
        },
    }


def config_from_json(value: Any) -> tuple[tuple[Connection, ...], Settings]:
    """The configuration from what was kept.

    :raises UnreadableError: when it is not one, or of a newer version.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("version"), int):
        raise UnreadableError("it has no version")
    if value["version"] > CONFIG_VERSION:
        raise UnreadableError(f"it was written by a newer ModelTab, version {value['version']}")
    entries, settings = value.get("connections"), value.get("settings")
    if not isinstance(entries, list) or not isinstance(settings, Mapping):
        raise UnreadableError("connections or settings are missing")
    return tuple(map(connection_from_json, entries)), _settings_from_json(settings)


def connection_from_json(value: Any) -> Connection:
    """A connection. :raises UnreadableError: when it is not one."""
    fields = _fields(Connection, value, ("id", "type", "name", "base_url"))
    if not fields["id"] or "/" in fields["id"]:
        raise UnreadableError("a connection has no usable id")
    if not isinstance(fields.get("model", ""), str):
        raise UnreadableError("a connection's model is not a text")
    if fields["base_url"]:
        try:
            fields["base_url"] = clean_base_url(fields["base_url"])
        except ModelTabError as error:
            raise UnreadableError(error.message) from None
    return Connection(**fields)


def _settings_from_json(value: Mapping[str, Any]) -> Settings:
    theme = value.get("theme")
    return Settings(
        theme=theme if theme in ("auto", "light", "dark") else "auto",
        offline_only=value.get("offline_only") is True,
        auto_lock=_minutes(value.get("auto_lock")),
        model=_text_of(value.get("model")),
        parameters=parameters_from_json(value.get("parameters")),
        prompts=tuple(_items(Prompt, value.get("prompts"), ("name", "text"))),
        presets=tuple(
            preset._replace(parameters=parameters_from_json(preset.parameters))
            for preset in _items(Preset, value.get("presets"), ("name", "model"))
        ),
        prices=prices_from_json(value.get("prices"), own=True),
        conversation_sort=_one_of(SORTS, value.get("conversation_sort")),
        folded_folders=_texts_of(value.get("folded_folders")),
        recent=_texts_of(value.get("recent"))[:RECENT],
        single_keys=value.get("single_keys") is not False,
        code_uses_models=value.get("code_uses_models") is True,
        code_form=_text_of(value.get("code_form")),
        code_streams=value.get("code_streams") is not False,
        api=value.get("api") is True,
        api_origins=_texts_of(value.get("api_origins")),
        work_offline=value.get("work_offline") is not False,
    )


def _one_of(allowed: tuple[str, ...], value: Any) -> str:
    """The value, or the first of what is allowed."""
    return value if isinstance(value, str) and value in allowed else allowed[0]


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts_of(value: Any) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _minutes(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1440 else Settings().auto_lock


_TEXT_PARAMETERS = frozenset({"system_prompt", "template", "reasoning", "extra_json"})


def parameters_from_json(value: Any) -> Parameters:
    """Parameters, as far as the values are what they should be."""
    kept = {}
    for name, item in value.items() if isinstance(value, Mapping) else ():
        right = isinstance(item, str) if name in _TEXT_PARAMETERS else isinstance(item, int | float)
        if name in Parameters._fields and right and not isinstance(item, bool):
            kept[name] = item
    return Parameters(**kept)


def conversation_to_json(conversation: Conversation) -> Record:
    """A conversation's record."""
    own = conversation.parameters
    return {**conversation._asdict(), "parameters": _given(own._asdict()) if own else None}


def conversation_from_json(value: Any) -> Conversation:
    """A conversation. :raises UnreadableError: when it is not one."""
    fields = _fields(Conversation, value, ("id", "title"))
    for name in ("created", "updated"):
        if not isinstance(fields.get(name), int | float):
            raise UnreadableError(f"a conversation has no {name}")
    fields["leaf_id"] = _text_or_none(fields.get("leaf_id"), "a conversation's leaf_id")
    fields["pinned"] = fields.get("pinned") is True  # as damaged as these two may be, the conversation is worth more
    fields["folder"] = fields["folder"] if isinstance(fields.get("folder"), str) else ""
    own = fields.get("parameters")
    fields["parameters"] = parameters_from_json(own) if isinstance(own, Mapping) else None
    return Conversation(**fields)


def message_to_json(message: Message) -> Record:
    """A message's record."""
    record = message._asdict()
    record["stats"] = {k: v for k, v in message.stats._asdict().items() if v is not None and v is not False}
    record["error"] = message.error._asdict() if message.error else None
    record["images"] = [image._asdict() for image in message.images]
    record["tool_calls"] = [call._asdict() for call in message.tool_calls]
    record["parameters"] = None if message.parameters is None else _given(message.parameters._asdict())
    return record


def message_from_json(value: Any) -> Message:
    """A message. :raises UnreadableError: when it is not one."""
    fields = _fields(Message, value, ("id", "conversation_id", "role", "text"))
    if fields["role"] not in ("system", "user", "assistant"):
        raise UnreadableError(f"a message has the role {fields['role']!r}")
    if not isinstance(fields.get("created"), int | float):
        raise UnreadableError("a message has no time")
    if "parent_id" not in fields:
        raise UnreadableError("a message has no parent_id")
    fields["parent_id"] = _text_or_none(fields["parent_id"], "a message's parent_id")
    for name in ("reasoning", "model", "connection", "finish_reason", "native_reason", "went_to"):
        if not isinstance(fields.get(name, ""), str):
            raise UnreadableError(f"a message's {name} is not a text")
    if fields.get("status") not in ("streaming", "done", "stopped", "error"):
        fields["status"] = "done"
    stats, error = fields.get("stats"), fields.get("error")
    fields["stats"] = Stats(**_numbers(Stats, stats)) if isinstance(stats, Mapping) else Stats()
    fields["error"] = ErrorRecord(**_texts(ErrorRecord, error)) if isinstance(error, Mapping) and "message" in error else None
    fields["images"] = tuple(_items(ImageRef, fields.get("images"), ("digest", "media_type", "name")))
    fields["tool_calls"] = tuple(_items(ToolCall, fields.get("tool_calls"), ("id", "name", "arguments")))
    data = fields.get("provider_data")
    fields["provider_data"] = data if isinstance(data, Mapping) else {}
    asked, begun = fields.get("parameters"), fields.get("continued_from")
    fields["parameters"] = parameters_from_json(asked) if isinstance(asked, Mapping) else None
    fields["continued_from"] = begun if isinstance(begun, int) and 0 <= begun <= len(fields["text"]) else 0
    return Message(**fields)


def _items(kind: Any, value: Any, texts: tuple[str, ...]) -> Iterator[Any]:
    """The values of a list that are what they should be; an image or a call that is damaged does not cost the message."""
    for item in value if isinstance(value, list) else ():
        try:
            yield kind(**_fields(kind, item, texts))
        except (UnreadableError, TypeError):
            continue


def _fields(kind: Any, value: Any, texts: tuple[str, ...]) -> Record:
    """The fields of `value` that `kind` has; those in `texts` must be there as text."""
    if not isinstance(value, Mapping):
        raise UnreadableError(f"a {kind.__name__.lower()} is not an object")
    for name in texts:
        if not isinstance(value.get(name), str):
            raise UnreadableError(f"a {kind.__name__.lower()} has no {name}")
    return {name: value[name] for name in kind._fields if name in value}


def _text_or_none(value: Any, what: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise UnreadableError(f"{what} is not an id")
    return value


def _numbers(kind: Any, value: Mapping[str, Any]) -> Record:
    return {name: value[name] for name in kind._fields if isinstance(value.get(name), int | float)}


def _texts(kind: Any, value: Mapping[str, Any]) -> Record:
    return {name: str(value[name]) for name in kind._fields if name in value}


def _given(values: Mapping[str, Any]) -> Record:
    return {name: value for name, value in values.items() if value is not None}
