"""The store, and the pure updates of what it holds."""

from __future__ import annotations

import pytest

from modeltab.domain.connections import Connection, HealthRecord
from modeltab.domain.messages import Message
from modeltab.domain.models import Model, model_key, split_key
from modeltab.domain.transfers import Transfer
from modeltab.state.store import State, Store
from modeltab.state.updates import (
    all_models,
    connection,
    connection_name,
    model_of,
    running_transfers,
    with_health,
    with_message,
    with_model_state,
    with_models,
    with_transfer,
)

STATE = State(
    connections=(Connection("one", "t", "First"), Connection("two", "t", "Second")),
    models={"two": (Model("two", "b"),), "one": (Model("one", "a"), Model("one", "x/y")), "gone": (Model("gone", "z"),)},
)


def test_listeners_are_told_of_each_new_state_once_and_in_order():
    store = Store(State())
    told: list[tuple[int, str]] = []
    store.subscribe(lambda state: told.append((1, state.status)))
    store.subscribe(lambda state: told.append((2, state.status)))
    store.update(status="a")
    store.update(status="b", search="x")
    assert told == [(1, "a"), (2, "a"), (1, "b"), (2, "b")]
    assert (store.state.status, store.state.search) == ("b", "x")


def test_what_an_update_does_not_name_stays_the_very_same_for_views_see_by_that_what_is_new():
    store = Store(STATE)
    store.update(status="new", models=dict(STATE.models))
    replaced = [name for name, a, b in zip(State._fields, STATE, store.state, strict=True) if a is not b]
    assert replaced == ["models", "status"]


def test_the_state_before_is_not_touched_by_an_update():
    store = Store(STATE)
    store.update(status="new", **with_health(STATE, "one", HealthRecord("healthy")))
    assert (STATE.status, STATE.health) == ("", {})


def test_a_field_that_the_state_does_not_have_is_refused():
    with pytest.raises(ValueError, match="nonsense"):
        Store(State()).update(nonsense=1)


def test_a_listener_sees_the_new_state_in_the_store_too():
    store = Store(State())
    seen: list[bool] = []
    store.subscribe(lambda state: seen.append(store.state is state))
    store.update(status="a")
    assert seen == [True]


def test_a_connection_is_found_by_its_id_and_named_by_its_id_when_it_is_gone():
    found = connection(STATE, "two")
    assert found is not None and found.name == "Second"
    assert connection(STATE, "gone") is None
    assert connection_name(STATE, "one") == "First"
    assert connection_name(STATE, "gone") == "gone"


def test_models_are_listed_in_the_order_of_the_connections_and_only_of_those_that_exist():
    assert [model.name for model in all_models(STATE)] == ["a", "x/y", "b"]


@pytest.mark.parametrize(("id_", "name"), [("one", "a"), ("one", "x/y"), ("one", ""), ("", "")])
def test_a_key_is_taken_apart_as_it_was_put_together(id_, name):
    assert split_key(model_key(id_, name)) == (id_, name)


def test_a_model_is_found_by_its_key_even_with_a_slash_in_its_name():
    assert model_of(STATE, "one/x/y") == Model("one", "x/y")
    assert model_of(STATE, "one/none") is None
    assert model_of(STATE, "none/a") is None
    assert model_of(STATE, "") is None


def test_one_connections_health_leaves_the_others_alone():
    state = STATE._replace(health={"one": HealthRecord("healthy")})
    changed = with_health(state, "two", HealthRecord("unreachable"))
    assert changed == {"health": {"one": HealthRecord("healthy"), "two": HealthRecord("unreachable")}}


def test_the_models_in_memory_are_marked():
    models = with_models(STATE, "one", (Model("one", "a"), Model("one", "c")), ("c",))["models"]
    assert [(model.name, model.state) for model in models["one"]] == [("a", "On disk"), ("c", "Loaded")]
    assert models["two"] == STATE.models["two"]


def test_a_models_state_changes_alone():
    models = with_model_state(STATE, "one/a", "Loading", 0.5)["models"]
    assert [(model.state, model.progress) for model in models["one"]] == [("Loading", 0.5), ("On disk", 0.0)]
    assert with_model_state(STATE, "none/a", "Loaded")["models"]["none"] == ()


def test_a_transfer_is_added_at_the_end_and_changed_in_its_place():
    first, second = Transfer("1", "a", "c", 10), Transfer("2", "b", "c", 10)
    state = STATE._replace(**with_transfer(STATE, first))
    state = state._replace(**with_transfer(state, second))
    state = state._replace(**with_transfer(state, first._replace(sent=5)))
    assert [(item.id, item.sent) for item in state.transfers] == [("1", 5), ("2", 0)]


@pytest.mark.parametrize(
    ("phase", "runs"),
    [("queued", True), ("sending", True), ("processing", True), ("done", False), ("failed", False), ("cancelled", False)],
)
def test_a_transfer_runs_until_it_is_done_failed_or_cancelled(phase, runs):
    state = STATE._replace(transfers=(Transfer("1", "a", "c", 10, phase=phase),))
    assert bool(running_transfers(state)) is runs


def test_a_message_is_added_or_replaced_by_its_id():
    first = Message("1", "c", None, "user", "a", 1.0)
    state = STATE._replace(**with_message(STATE, first))
    state = state._replace(**with_message(state, first._replace(text="b")))
    assert state.messages == {"1": first._replace(text="b")}
