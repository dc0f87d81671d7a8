"""What is kept: every value comes back as it was, and what is not one of ours is refused in words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeltab.domain.connections import Connection
from modeltab.domain.errors import ErrorRecord
from modeltab.domain.messages import Conversation, ImageRef, Message, Stats, ToolCall
from modeltab.domain.requests import Parameters
from modeltab.state.records import (
    CONFIG_VERSION,
    UnreadableError,
    config_from_json,
    config_to_json,
    conversation_from_json,
    conversation_to_json,
    message_from_json,
    message_to_json,
)
from modeltab.state.store import Settings

CONNECTIONS = (
    Connection("in-tab", "in-tab", "In this tab"),
    Connection("x", "local-llm", "Mine", "http://127.0.0.1:5000/api/v1"),
    Connection("y", "openai", "Theirs", "https://api.example/v1", "a, b"),
)
CONFIG = config_to_json(CONNECTIONS, Settings("dark", True, "x/a.gguf", Parameters(temperature=0.5)))
CONVERSATION = conversation_to_json(Conversation("c", "Title", 1.0, 2.0, "m"))
MESSAGE = message_to_json(Message("m", "c", None, "user", "Hi", 1.0))

texts = st.text(max_size=20)
moments = st.floats(0, 4e9)
optional_numbers = st.none() | st.floats(0, 1e9) | st.integers(0, 10**9)
parameters = st.builds(
    Parameters,
    system_prompt=st.none() | texts,
    template=st.none() | texts,
    temperature=st.none() | st.floats(0, 2),
    max_tokens=st.none() | st.integers(1, 10**6),
    reasoning=st.none() | texts,
    seed=st.none() | st.integers(0, 2**32),
    extra_json=st.none() | texts,
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)
messages = st.builds(
    Message,
    id=texts,
    conversation_id=texts,
    parent_id=st.none() | texts,
    role=st.sampled_from(["system", "user", "assistant"]),
    text=texts,
    created=moments,
    status=st.sampled_from(["streaming", "done", "stopped", "error"]),
    reasoning=texts,
    model=texts,
    connection=texts,
    stats=st.builds(Stats, *[optional_numbers] * 7),
    finish_reason=texts,
    native_reason=texts,
    error=st.none() | st.builds(ErrorRecord, texts, texts, texts),
    images=st.lists(st.builds(ImageRef, texts, texts, texts, st.integers(0, 10**8)), max_size=2).map(tuple),
    tool_calls=st.lists(st.builds(ToolCall, texts, texts, texts), max_size=2).map(tuple),
    provider_data=st.dictionaries(texts, json_values, max_size=3),
    parameters=st.none() | parameters,
).flatmap(lambda message: st.integers(0, len(message.text)).map(lambda begun: message._replace(continued_from=begun)))
conversations = st.builds(Conversation, texts, texts, moments, moments, st.none() | texts, st.booleans(), texts)


def stored(value: Any) -> Any:
    """The value after its time in a browser's storage."""
    return json.loads(json.dumps(value))


def broken(record: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The record with some fields replaced by anything, and some missing."""
    changed = st.dictionaries(st.sampled_from(sorted(record)), json_values, min_size=1, max_size=3)
    missing = st.sets(st.sampled_from(sorted(record)), max_size=2)
    return st.builds(
        lambda new, gone: {key: value for key, value in {**record, **new}.items() if key not in gone}, changed, missing
    )


# ---- Round trips -----------------------------------------------------------------------------------------------------


@given(messages)
def test_every_message_comes_back_as_it_was(message):
    assert message_from_json(stored(message_to_json(message))) == message


@given(conversations)
def test_every_conversation_comes_back_as_it_was(conversation):
    assert conversation_from_json(stored(conversation_to_json(conversation))) == conversation


@given(st.sampled_from(["auto", "light", "dark"]), st.booleans(), texts, parameters, st.integers(0, 1440))
def test_the_configuration_comes_back_as_it_was(theme, offline, model, given_parameters, minutes):
    settings = Settings(theme, offline, model, given_parameters, minutes)
    assert config_from_json(stored(config_to_json(CONNECTIONS, settings))) == (CONNECTIONS, settings)


def test_a_parameter_that_is_not_set_is_not_kept():
    assert CONFIG["settings"]["parameters"] == {"temperature": 0.5}


def test_the_configuration_has_its_version():
    assert CONFIG["version"] == CONFIG_VERSION


# ---- Newer writers ---------------------------------------------------------------------------------------------------


def test_a_field_that_a_newer_version_has_added_is_passed_over():
    assert message_from_json({**MESSAGE, "mood": "good", "stats": {"joules": 5, "seconds": 1}}).stats == Stats(seconds=1)
    assert conversation_from_json({**CONVERSATION, "coloured": True}) == Conversation("c", "Title", 1.0, 2.0, "m")
    changed = {**CONFIG, "plugins": [], "settings": {**CONFIG["settings"], "sound": "off"}}
    changed["connections"] = [{**entry, "colour": "red"} for entry in CONFIG["connections"]]
    assert config_from_json(changed) == config_from_json(CONFIG)


def test_a_conversation_of_an_older_version_is_neither_pinned_nor_in_a_folder():
    old = {key: value for key, value in CONVERSATION.items() if key not in ("pinned", "folder")}
    assert conversation_from_json(old) == Conversation("c", "Title", 1.0, 2.0, "m")
    assert conversation_from_json({**old, "pinned": "so", "folder": 5}) == Conversation("c", "Title", 1.0, 2.0, "m")


def test_a_status_that_only_a_newer_version_knows_is_done():
    assert message_from_json({**MESSAGE, "status": "dreaming"}).status == "done"


def test_a_configuration_of_a_newer_version_is_refused_by_its_number():
    with pytest.raises(UnreadableError, match=f"newer ModelTab, version {CONFIG_VERSION + 1}"):
        config_from_json({**CONFIG, "version": CONFIG_VERSION + 1})


# ---- Corrupt and foreign input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [None, [], "text", 5, {}, {"version": "1"}, {"version": 1}, {"version": 1, "connections": []}]
)
def test_what_is_not_a_configuration_is_refused(value):
    with pytest.raises(UnreadableError):
        config_from_json(value)


@pytest.mark.parametrize(
    "change",
    [
        {"id": ""},
        {"id": "a/b"},
        {"id": 5},
        {"type": None},
        {"name": ["x"]},
        {"base_url": "javascript://x"},
        {"base_url": "http://user:secret@host"},
        {"base_url": None},
    ],
)
def test_a_connection_that_would_break_something_later_is_refused(change):
    with pytest.raises(UnreadableError):
        config_from_json({**CONFIG, "connections": [{**CONFIG["connections"][1], **change}]})


@pytest.mark.parametrize("name", ["id", "type", "name", "base_url"])
def test_a_connection_without_one_of_its_fields_is_refused_by_that_name(name):
    entry = {key: value for key, value in CONFIG["connections"][1].items() if key != name}
    with pytest.raises(UnreadableError, match=name):
        config_from_json({**CONFIG, "connections": [entry]})


def test_a_connections_address_is_cleaned_when_it_is_read():
    entry = {**CONFIG["connections"][1], "base_url": "http://host/api/"}
    assert config_from_json({**CONFIG, "connections": [entry]})[0][0].base_url == "http://host/api"


def test_a_setting_that_is_not_one_falls_back_to_its_default():
    wrong = {"theme": "pink", "offline_only": "yes", "model": 5, "parameters": [1]}
    assert config_from_json({**CONFIG, "settings": wrong})[1] == Settings()


def test_a_parameter_of_the_wrong_kind_is_left_out():
    wrong = {"temperature": "hot", "top_k": True, "system_prompt": 5, "unknown": 1, "top_p": 0.5}
    settings = config_from_json({**CONFIG, "settings": {**CONFIG["settings"], "parameters": wrong}})[1]
    assert settings.parameters == Parameters(top_p=0.5)


@pytest.mark.parametrize("value", [None, [], "text", 5, {}])
@pytest.mark.parametrize("read", [message_from_json, conversation_from_json])
def test_what_is_not_a_record_is_refused(read, value):
    with pytest.raises(UnreadableError):
        read(value)


@pytest.mark.parametrize("name", ["id", "title", "created", "updated"])
def test_a_conversation_without_one_of_its_fields_is_refused_by_that_name(name):
    with pytest.raises(UnreadableError, match=name):
        conversation_from_json({key: value for key, value in CONVERSATION.items() if key != name})


@pytest.mark.parametrize("name", ["id", "conversation_id", "role", "text"])
def test_a_message_without_one_of_its_fields_is_refused_by_that_name(name):
    with pytest.raises(UnreadableError, match=name):
        message_from_json({key: value for key, value in MESSAGE.items() if key != name})


@pytest.mark.parametrize("change", [{"role": "tool"}, {"created": "today"}, {"text": None}, {"id": 1}])
def test_a_message_with_a_field_that_would_break_something_later_is_refused(change):
    with pytest.raises(UnreadableError):
        message_from_json({**MESSAGE, **change})


@pytest.mark.parametrize("stats", [None, 5, [], {"seconds": "long"}])
def test_figures_that_are_none_are_left_out(stats):
    assert message_from_json({**MESSAGE, "stats": stats}).stats == Stats()


@pytest.mark.parametrize("error", [None, "text", [], {}, {"advice": "none"}])
def test_an_error_that_is_none_is_left_out(error):
    assert message_from_json({**MESSAGE, "error": error}).error is None


@given(broken(CONFIG))
def test_a_broken_configuration_is_read_or_refused_in_words(value):
    try:
        connections, _ = config_from_json(value)
    except UnreadableError as error:
        assert str(error)
        return
    assert all(isinstance(connection, Connection) for connection in connections)


@given(broken(MESSAGE))
def test_a_broken_message_is_refused_in_words_or_is_a_message(value):
    try:
        message = message_from_json(value)
    except UnreadableError as error:
        assert str(error)
        return
    assert message.parent_id is None or isinstance(message.parent_id, str)
    for text in (message.text, message.reasoning, message.model, message.connection, message.finish_reason):
        assert isinstance(text, str)


def test_a_message_without_its_parents_field_is_refused_in_words():
    with pytest.raises(UnreadableError):
        message_from_json({key: value for key, value in MESSAGE.items() if key != "parent_id"})


@given(broken(CONVERSATION))
def test_a_broken_conversation_is_refused_in_words_or_is_a_conversation(value):
    try:
        conversation = conversation_from_json(value)
    except UnreadableError as error:
        assert str(error)
        return
    assert conversation.leaf_id is None or isinstance(conversation.leaf_id, str)


def test_a_turn_of_an_older_version_has_no_parameters_and_damaged_ones_cost_nothing_else():
    record = message_to_json(Message("m", "c", None, "assistant", "Hi", 1.0, parameters=Parameters(temperature=0.5)))
    older = {name: value for name, value in record.items() if name not in ("parameters", "continued_from")}
    assert message_from_json(stored(older)).parameters is None
    damaged = message_from_json({**record, "parameters": {"temperature": "warm", "seed": 7}, "continued_from": 3})
    assert (damaged.parameters, damaged.continued_from) == (Parameters(seed=7), 0)
    assert message_from_json({**record, "parameters": "warm", "continued_from": -1}).parameters is None


def test_the_form_of_code_is_remembered():
    settings = Settings(code_form="python-requests", code_streams=False)
    assert config_from_json(stored(config_to_json(CONNECTIONS, settings))) == (CONNECTIONS, settings)
    kept = config_to_json(CONNECTIONS, settings)
    kept["settings"] = {**kept["settings"], "code_form": 7, "code_streams": None}
    assert config_from_json(kept)[1] == Settings()
