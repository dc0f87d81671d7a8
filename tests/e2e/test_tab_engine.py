"""What runs a model in the tab: the quick build, measured, which goes on from what it has read."""

import json
import re

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.conftest import MODEL, App, OpenApp

pytestmark = pytest.mark.model


def answered(app: App, text: str) -> Locator:
    """The answer to a message, at its end."""
    answer = app.send(text)
    expect(answer).to_have_attribute("data-status", "done", timeout=120_000)
    return answer


def details(app: App, name: str) -> Locator:
    """The dialog with a model's details."""
    app.visit("Models")
    app.row(name).get_by_role("button", name=f"Details of {name}").click()
    return app.page.get_by_role("dialog")


def figure(dialog: Locator, name: str) -> str:
    """One of the details."""
    return dialog.locator("dt", has_text=re.compile(f"^{name}$")).locator("xpath=following-sibling::dd[1]").inner_text()


def measured(app: App) -> dict[str, dict[str, float]]:
    """What is kept of measurements."""
    found: dict[str, dict[str, float]] = json.loads(app.page.evaluate("() => localStorage.getItem('modeltab.measured')"))
    return found


def test_the_quick_build_answers_goes_on_from_what_it_has_read_and_is_measured(repository: str, open_app: OpenApp):
    app = open_app(repository)
    app.add_starter()
    first = answered(app, "What is the capital of France?")
    assert "Paris" in first.locator("[data-part=text]").inner_text()
    assert "cached" not in first.locator("[data-part=stats]").inner_text()
    second = answered(app, "And of Italy?")
    assert "Rome" in second.locator("[data-part=text]").inner_text()
    assert re.search(r"\d+ prompt tokens, \d\d+ of them cached", second.locator("[data-part=stats]").inner_text())

    dialog = details(app, MODEL.name)
    assert figure(dialog, "Engine") == "wllama 2.3.1"
    assert re.fullmatch(r"\d of \d+ cores", figure(dialog, "Threads"))
    assert re.fullmatch(r"\d+ tokens/s read, [\d.]+ written, as measured here", figure(dialog, "Speed"))
    (key,) = measured(app)
    assert key.startswith("wllama 2.3.1, ")
    app.page.evaluate("() => localStorage.removeItem('modeltab.measured')")
    dialog.get_by_role("button", name=f"Measure {MODEL.name} again").click()
    expect(app.page.get_by_role("status", name="Status")).to_have_text(f"{MODEL.name} is measured", timeout=60_000)
    assert measured(app).keys() == {key}
