"""What a reader does with an answer's parts: code is copied, images are shown once their host is agreed to."""

from __future__ import annotations

import pytest

from modeltab.actions.app import UiEvent
from modeltab.actions.reading import allowed_hosts
from modeltab.actions.table import perform
from tests.unit.rig import Rig


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_code_is_copied_as_it_is_and_the_copy_is_announced(rig: Rig):
    await rig.start()
    await rig.do("code.copy", value="a < b\n")
    assert (rig.page.clipboard, rig.state.status) == ("a < b\n", "Copied")


async def test_a_host_is_remembered_once_it_is_agreed_to(rig: Rig):
    for _ in range(2):
        perform(rig.app, UiEvent("images.show", id="a.example:81"))
    perform(rig.app, UiEvent("images.show", id="b.example"))
    assert rig.state.image_hosts == allowed_hosts(rig.state) == ("a.example:81", "b.example")
    assert rig.state.status == "Images from b.example are shown"


async def test_offline_only_leaves_this_machines_images(rig: Rig):
    perform(rig.app, UiEvent("images.show", id="a.example"))
    rig.app.update(settings=rig.state.settings._replace(offline_only=True))
    perform(rig.app, UiEvent("images.show", id="b.example"))
    perform(rig.app, UiEvent("images.show", id="[::1]:81"))
    assert "b.example is not asked" in rig.state.alerts[-1].error.message
    assert rig.state.image_hosts == ("a.example", "[::1]:81")
    assert allowed_hosts(rig.state) == ("[::1]:81",)
