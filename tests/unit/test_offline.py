"""The copy of the app for work without a network: when it is kept, what the Settings say, how a new version is taken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from modeltab.actions import offline
from modeltab.actions.offline_copy import OfflineCopy
from modeltab.domain.errors import ModelTabError
from modeltab.state.machine import Offline
from modeltab.state.records import config_from_json, config_to_json
from modeltab.state.store import Settings
from modeltab.views import offline as view
from tests.unit.markup import Node, parse
from tests.unit.rig import Rig

FACTS = Offline("abc123", 33_500_000, possible=True)


class FakeCopy(OfflineCopy):
    """Notes what is asked of it. `gate`, when it is given, holds `keep` until it is set; `fails` ends that."""

    name = "modeltab-copy / abc123"

    def __init__(self) -> None:
        self.log: list[str] = []
        self.kept = False
        self.saves = False
        self.fails: ModelTabError | None = None
        self.gate: asyncio.Event | None = None

    def facts(self) -> Offline:
        """Of a built app."""
        return FACTS

    def saves_data(self) -> bool:
        """As a test says."""
        return self.saves

    async def is_kept(self) -> bool:
        """Whether it is."""
        return self.kept

    async def listen(self) -> None:
        """Hears nothing."""

    async def quiet(self) -> None:
        """At once."""

    async def keep(self) -> None:
        """Keeps it."""
        self.log.append("keep")
        if self.gate:
            await self.gate.wait()
        if self.fails:
            raise self.fails
        self.kept = True

    async def drop(self) -> None:
        """Breaks `keep` off, as the worker does."""
        self.log.append("drop")
        self.kept = False
        if self.gate:
            self.fails = ModelTabError("The copy could not be made.", "", "it is not wanted any more")
            self.gate.set()

    async def remove(self) -> None:
        """Forgets it."""
        self.log.append("remove")
        self.kept = False

    async def clear(self) -> None:
        """Forgets all."""
        self.log.append("clear")
        self.kept = False

    async def take_over(self) -> None:
        """Notes it."""
        self.log.append("take over")


class OfflineRig(Rig):
    """A built app."""

    def __init__(self) -> None:
        super().__init__()
        self.copy = FakeCopy()
        self.app.copy = self.copy
        self.app.update(offline=self.copy.facts())
        self.watch()

    @property
    def section(self) -> Node:
        """The part of the Settings page."""
        return parse(view.section(self.state))

    async def open(self, until: Callable[[], bool]) -> None:
        """The page is opened and stays open until that is so."""
        visible = asyncio.Event()
        visible.set()
        watching = self.app.spawn(offline.watch(self.app, visible))
        await self.until(until)
        await asyncio.sleep(0)
        await self.app.cancel_and_wait(watching)


def notice(rig: Rig) -> Node:
    """What is new of the version."""
    return parse(view.notice(rig.state))


async def test_the_copy_is_made_while_nothing_goes_on_and_the_settings_say_so():
    rig = OfflineRig()
    assert "There is no copy yet" in rig.section.text
    assert "33.5 MB" in rig.section.text
    assert rig.section.one("switch", "Work offline")["aria-checked"] == "true"
    assert rig.section.one("button", "Remove offline copy").disabled
    await rig.open(until=lambda: rig.state.offline.kept)
    assert "Version abc123 is kept." in rig.section.text
    assert rig.section.names("button") == ["Remove offline copy"]
    assert not rig.section.one("button", "Remove offline copy").disabled


async def test_a_page_that_can_have_none_asks_for_none():
    rig = OfflineRig()
    for facts, reason in [(Offline(), "this is a development tree"), (FACTS._replace(possible=False), "it takes https")]:
        rig.app.update(offline=facts)
        visible = asyncio.Event()
        await offline.watch(rig.app, visible)
        assert reason in rig.section.text
        assert rig.section.one("switch", "Work offline").disabled
    assert rig.copy.log == []


async def test_with_data_saver_the_copy_is_made_only_when_a_person_says_so():
    rig = OfflineRig()
    rig.copy.saves = True
    await rig.open(until=lambda: not rig.state.offline.busy)
    assert rig.copy.log == []
    await rig.do("offline.keep")
    assert rig.copy.log == ["keep"]
    assert rig.state.status == "ModelTab works offline now"


async def test_a_copy_that_could_not_be_made_says_why_in_the_settings_and_disturbs_nobody():
    rig = OfflineRig()
    rig.copy.fails = ModelTabError("The copy could not be made.", "", "The disk is full.")
    await rig.open(until=lambda: bool(rig.state.offline.error))
    assert "There is no copy: The copy could not be made. The disk is full." in rig.section.text
    assert rig.alerts == []
    rig.copy.fails = None
    await rig.do("offline.keep")
    assert "is kept" in rig.section.text


async def test_switched_off_there_is_no_copy_and_none_is_made():
    rig = OfflineRig()
    await rig.do("offline.keep")
    await rig.do("offline.toggle")
    assert rig.copy.log == ["keep", "drop"]
    assert rig.config.value["settings"]["work_offline"] is False
    assert rig.section.one("switch", "Work offline")["aria-checked"] == "false"
    assert "There is no copy." in rig.section.text
    await rig.open(until=lambda: True)
    assert rig.copy.log == ["keep", "drop"]
    await rig.do("offline.toggle")
    assert rig.copy.log == ["keep", "drop", "keep"]


async def test_switched_off_while_it_is_made_it_is_broken_off_which_is_no_failure():
    rig = OfflineRig()
    rig.copy.gate = asyncio.Event()
    rig.press("offline.keep")
    await rig.until(lambda: rig.state.offline.busy)
    assert "The copy is being made." in rig.section.text
    rig.press("offline.keep")
    await rig.do("offline.toggle")
    assert rig.copy.log == ["keep", "drop"]
    assert rig.state.offline == FACTS


async def test_removing_it_switches_it_off_too():
    rig = OfflineRig()
    await rig.do("offline.keep")
    await rig.do("offline.remove")
    assert rig.copy.log == ["keep", "remove"]
    assert not rig.state.settings.work_offline
    assert not rig.state.offline.kept
    assert rig.state.status == "The offline copy is removed"


async def test_erasing_everything_erases_the_apps_own_files_too():
    rig = OfflineRig()
    await rig.do("data.erase")
    assert rig.copy.log == ["clear"]
    assert rig.page.reloads == 1


@pytest.mark.parametrize(("news", "text"), [("new", "A new version is ready."), ("incomplete", "A file of this version")])
async def test_a_new_version_is_announced_and_taken_with_reload_or_later(news, text):
    rig = OfflineRig()
    assert notice(rig).children == []
    offline.hear(rig.app, news)
    assert text in notice(rig).text
    assert notice(rig).names("button") == ["Reload", "Not now"]
    await rig.do("offline.later")
    assert notice(rig).children == []
    await rig.do("offline.reload")
    assert rig.copy.log == ["take over"]
    assert rig.page.reloads == 1


def test_the_setting_is_kept():
    for setting in (Settings(), Settings(work_offline=False)):
        assert config_from_json(config_to_json((), setting))[1] == setting
