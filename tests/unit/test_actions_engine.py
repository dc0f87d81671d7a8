"""Measuring a model of the tab anew, and giving its memory back while nobody looks."""

from __future__ import annotations

import asyncio

import pytest

from modeltab.actions import sparing
from modeltab.state.machine import Device
from modeltab.views.model_details import body
from tests.unit.fakes import words
from tests.unit.rig import TAB, Rig

KEY = f"{TAB}/a.gguf"


class Engine:
    """Remembers why it was to give up."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    async def give_up(self, why: str) -> None:
        """Remembers it."""
        self.reasons.append(why)


async def loaded() -> Rig:
    rig = Rig("a.gguf")
    await rig.start(KEY)
    await rig.do("model.load", KEY)
    return rig


def details(rig: Rig) -> str:
    """The dialog with the model's details."""
    assert rig.state.dialog is not None
    return str(body(rig.state, rig.state.dialog))


async def test_a_loaded_model_is_measured_again_from_its_details():
    rig = await loaded()
    await rig.do("model.details", KEY)
    assert 'aria-label="Measure a.gguf again"' in details(rig)
    await rig.do("model.measure", KEY)
    assert (rig.engine.log[-1], rig.state.status) == ("measure", "a.gguf is measured")
    assert rig.state.models[TAB][0].state == "Loaded"
    await rig.do("model.unload", KEY)
    assert "Measure" not in details(rig)


async def test_a_model_that_is_not_loaded_is_not_measured():
    rig = Rig("a.gguf")
    await rig.start()
    await rig.do("model.measure", KEY)
    assert "a.gguf is not loaded." in rig.alerts[0]
    assert not any(turn.locked() for turn in rig.app.engines.values())


async def test_a_page_that_is_put_to_sleep_gives_its_model_up_but_not_in_an_answer():
    rig, engine = await loaded(), Engine()
    rig.engine.steps = (*words("Half"), gate := asyncio.Event())
    await rig.begin("Hi", "Half")
    await sparing.asleep(rig.app, engine)
    assert engine.reasons == []
    gate.set()
    await rig.until(lambda: not sparing.is_answering(rig.app))
    await sparing.asleep(rig.app, engine)
    assert engine.reasons == ["the browser has put this tab to sleep"]


@pytest.mark.parametrize(("gigabytes", "count"), [(2, 1), (4, 1), (8, 0), (None, 0)])
async def test_a_page_that_nobody_sees_gives_its_model_up_where_memory_is_scarce(monkeypatch, gigabytes, count):
    monkeypatch.setattr(sparing, "UNSEEN_S", 0.01)
    rig, engine = await loaded(), Engine()
    rig.app.update(device=Device(memory=gigabytes << 30 if gigabytes else None))
    await sparing.unseen(rig.app, engine, asyncio.Event())
    assert len(engine.reasons) == count


async def test_a_page_that_is_seen_again_keeps_its_model(monkeypatch):
    monkeypatch.setattr(sparing, "UNSEEN_S", 0.05)
    rig, engine = await loaded(), Engine()
    rig.app.update(device=Device(memory=2 << 30))
    visible = asyncio.Event()
    watching = asyncio.ensure_future(sparing.unseen(rig.app, engine, visible))
    await asyncio.sleep(0)
    visible.set()
    await watching
    assert engine.reasons == []


async def test_what_the_engine_does_by_itself_is_said_and_shown():
    rig = await loaded()
    rig.engine.info, rig.engine.gone = None, ("a.gguf", "the browser has put this tab to sleep")
    await sparing.news(rig.app, "a.gguf was unloaded")
    assert rig.state.status == "a.gguf was unloaded"
    (model,) = rig.state.models[TAB]
    assert (model.state, model.details) == ("On disk", {"Unloaded": "the browser has put this tab to sleep"})
