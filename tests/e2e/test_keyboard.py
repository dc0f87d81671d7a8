"""The app by keyboard alone, in Chromium: the command palette, the shortcuts, Escape, Tab, and where the focus goes."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.conftest import App, ErrorLog, configuration
from tests.e2e.test_compare import answering
from tests.servers.scripted import ScriptedServer


@pytest.fixture(scope="module")
def steady() -> Iterator[ScriptedServer]:
    """Takes some seconds to answer."""
    with answering("steady", 40, 0.2) as server:
        yield server


@pytest.fixture
def app(context: BrowserContext, errors: ErrorLog, repository: str, steady: ScriptedServer) -> App:
    """The app with one server, whose model is chosen."""
    return opened(context, errors, repository, steady)


def opened(context: BrowserContext, errors: ErrorLog, repository: str, steady: ScriptedServer) -> App:
    """The app in a profile."""
    page = context.new_page()
    errors.watch(page)
    value: dict[str, Any] = configuration(None)
    value["settings"]["model"] = "s/steady"
    value["connections"].append({"id": "s", "type": "openai", "name": "Server", "base_url": steady.url + "/v1"})
    text = json.dumps(json.dumps(value))
    page.add_init_script(f"localStorage.getItem('modeltab.config') ?? localStorage.setItem('modeltab.config', {text})")
    app = App(page, repository).open()
    expect(page.get_by_role("combobox", name="Model")).to_have_value("steady")
    return app


Press = Callable[..., None]


@pytest.fixture
def press(app: App) -> Press:
    """Presses keys, one after the other."""

    def press_(*keys: str) -> None:
        for key in keys:
            app.page.keyboard.press(key)

    return press_


def box(app: App) -> Any:
    """The message box."""
    return app.page.get_by_role("textbox", name="Message", exact=True)


def look_for(app: App, text: str) -> None:
    """Opens the palette, and types into it."""
    app.page.keyboard.press("Control+k")
    expect(app.page.get_by_role("dialog", name="Command palette").get_by_role("combobox")).to_be_focused()
    app.page.keyboard.type(text)


def begin(app: App, text: str) -> None:
    """Sends a message, and waits until its answer is coming."""
    box(app).fill(text)
    app.page.keyboard.press("Enter")
    expect(app.page.get_by_role("button", name="Stop")).to_be_visible()
    expect(app.page.locator("article[data-role=assistant]").last).to_contain_text("word1")


def ask(app: App, text: str) -> None:
    """Sends a message, and stops the answer by Escape."""
    begin(app, text)
    app.page.keyboard.press("Escape")
    expect(app.page.get_by_role("button", name="Stop")).to_have_count(0)


def test_the_palette_finds_and_does_what_is_typed_and_the_focus_returns(app: App, press: Press):
    palette = app.page.get_by_role("dialog", name="Command palette")
    field = palette.get_by_role("combobox", name="Command")
    options = palette.get_by_role("option")
    box(app).fill("My draft")
    press("Control+k")
    expect(field).to_be_focused()
    expect(options.first).to_have_attribute("aria-selected", "true")
    press("End")
    expect(options.last).to_have_attribute("aria-selected", "true")
    expect(options.last).to_be_in_viewport()
    press("Home", "ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    expect(field).to_have_attribute("aria-activedescendant", "palette-1")
    app.page.keyboard.type("thm dark")
    expect(options).to_have_count(1)
    press("Enter")
    expect(palette).to_have_count(0)
    expect(app.page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(box(app)).to_be_focused()
    expect(box(app)).to_have_value("My draft")

    press("Control+k", "Control+k")
    expect(palette).to_have_count(0)
    look_for(app, "choose a model")
    press("Enter")
    expect(palette.get_by_role("combobox", name="Choose a model")).to_have_value("")
    expect(options).to_have_text(["steady Server"])
    press("Escape")
    expect(palette).to_have_count(0)
    expect(box(app)).to_be_focused()

    look_for(app, "add connection")
    press("Enter")
    dialog = app.page.get_by_role("dialog", name="Add connection")
    expect(dialog.get_by_role("combobox", name="Preset")).to_be_focused()
    dialog.get_by_role("textbox", name="Name", exact=True).fill("Typed")
    press("Control+k")
    expect(palette.get_by_role("status")).to_contain_text("A dialog is open")
    press("Escape")
    expect(palette).to_have_count(0)
    expect(dialog.get_by_role("textbox", name="Name", exact=True)).to_be_focused()
    expect(dialog.get_by_role("textbox", name="Name", exact=True)).to_have_value("Typed")
    press("Escape")
    expect(dialog).to_have_count(0)
    expect(box(app)).to_be_focused()

    app.reload()
    press("Control+k")
    expect(options.nth(1)).to_contain_text("Choose a model")  # the latest come first


def test_the_palette_is_opened_and_left_with_the_pointer_too(app: App):
    palette = app.page.get_by_role("dialog", name="Command palette")
    app.page.get_by_role("button", name="Command palette").click()
    palette.get_by_role("option", name="Go to Settings").click()
    app.page.get_by_role("region", name="Keyboard").get_by_role("button", name="Command palette").click()
    expect(palette).to_be_visible()
    app.page.mouse.click(5, 5)  # beside it
    expect(palette).to_have_count(0)
    app.page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(app.page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()


def test_the_question_mark_lists_the_shortcuts_where_no_text_is_written(app: App, press: Press):
    dialog = app.page.get_by_role("dialog", name="Keyboard shortcuts")
    box(app).focus()
    app.page.keyboard.type("Why?/")
    expect(box(app)).to_have_value("Why?/")
    expect(dialog).to_have_count(0)
    press("Control+/")
    expect(dialog.get_by_role("row", name="New chat")).to_contain_text("Alt+N")
    press("Escape")
    expect(box(app)).to_be_focused()
    app.page.get_by_role("button", name="Parameters").focus()
    press("?")
    expect(dialog).to_be_visible()
    switch = dialog.get_by_role("switch", name="Single-key shortcuts")
    expect(switch).to_be_focused()
    press("Space")
    expect(switch).to_have_attribute("aria-checked", "false")
    press("Escape")
    expect(app.page.get_by_role("button", name="Parameters")).to_be_focused()
    press("?", "/")
    app.page.evaluate("() => new Promise(requestAnimationFrame)")
    expect(dialog).to_have_count(0)
    expect(app.page.get_by_role("button", name="Parameters")).to_be_focused()
    press("Alt+i")
    expect(box(app)).to_be_focused()


def test_escape_leaves_one_thing_at_a_time_and_composed_text_is_no_key(app: App, press: Press):
    stop = app.page.get_by_role("button", name="Stop")
    begin(app, "One")
    for key in ("Escape", "k"):
        app.page.evaluate(
            """(key) => document.getElementById("message").dispatchEvent(new KeyboardEvent("keydown",
               {key, ctrlKey: key === "k", isComposing: true, bubbles: true, cancelable: true}))""",
            key,
        )
    app.page.get_by_role("button", name="Select conversations").click()
    expect(app.page.get_by_role("button", name="End selection")).to_be_visible()
    box(app).focus()
    press("ArrowUp")
    editor = app.page.get_by_role("textbox", name="Edited message")
    expect(editor).to_be_focused()
    app.page.keyboard.type(", changed")
    expect(editor).to_have_value("One, changed")  # one goes on behind what is there
    press("Control+k")
    expect(app.page.get_by_role("dialog", name="Command palette")).to_be_visible()
    press("Escape")
    expect(editor).to_be_focused()
    press("Escape")
    question = app.page.get_by_role("dialog", name="Discard your changes?")
    expect(question.get_by_role("button", name="Keep editing")).to_be_focused()
    press("Enter")
    expect(editor).to_be_focused()
    expect(editor).to_have_value("One, changed")
    press("Escape")
    expect(question.get_by_role("button", name="Keep editing")).to_be_focused()
    press("Tab", "Enter")
    expect(editor).to_have_count(0)
    expect(box(app)).to_be_focused()
    press("Escape")
    expect(app.page.get_by_role("button", name="Select conversations")).to_be_visible()
    expect(stop).to_be_visible()
    press("Alt+l")
    expect(app.page.get_by_role("searchbox", name="Search conversations")).to_be_focused()
    app.page.keyboard.type("one")
    press("Escape")
    expect(app.page.get_by_role("searchbox", name="Search conversations")).to_have_value("")
    expect(stop).to_be_visible()
    press("Escape")
    expect(stop).to_have_count(0)
    expect(app.page.locator("article[data-role=assistant]")).to_have_attribute("data-status", "stopped")


def test_conversations_are_gone_through_by_keyboard(app: App, press: Press):
    for text in ("About whales", "About tides"):
        press("Alt+n")
        expect(box(app)).to_be_focused()
        expect(app.page.locator("article")).to_have_count(0)
        ask(app, text)
    shown = app.page.locator("article[data-role=user]")
    press("Alt+ArrowDown")
    expect(shown).to_contain_text("About whales")
    press("Alt+ArrowUp")
    expect(shown).to_contain_text("About tides")
    search = app.page.get_by_role("searchbox", name="Search conversations")
    links = app.page.get_by_role("list", name="Conversations").get_by_role("link")
    steps = (("Alt+l", search), ("ArrowDown", links.nth(0)), ("ArrowDown", links.nth(1)), ("ArrowUp", links.nth(0)))
    for key, place in (*steps, ("ArrowUp", search), *steps[1:3]):
        press(key)
        expect(place).to_be_focused()
    press("Enter")
    expect(shown).to_contain_text("About whales")
    look_for(app, "tides")
    press("Enter")
    expect(shown).to_contain_text("About tides")
    expect(box(app)).to_be_focused()


def test_the_focus_finds_another_place_where_what_had_it_is_gone(app: App, press: Press):
    begin(app, "One")
    app.page.get_by_role("button", name="Stop").press("Enter")
    expect(app.page.get_by_role("button", name="Send", exact=True)).to_be_focused()
    answer = app.page.locator("article[data-role=assistant]")
    answer.get_by_role("button", name="Regenerate").press("Enter")
    expect(answer).to_contain_text("word1")
    press("Escape")
    expect(answer.get_by_text("2 of 2")).to_be_visible()
    answer.get_by_role("button", name="Previous version").press("Enter")
    expect(answer.get_by_text("1 of 2")).to_be_visible()
    expect(answer.get_by_role("button", name="Next version")).to_be_focused()
    question = app.page.locator("article[data-role=user]")
    question.get_by_role("button", name="Edit").press("Enter")
    expect(app.page.get_by_role("textbox", name="Edited message")).to_be_focused()
    press("Escape")
    expect(question.get_by_role("button", name="Edit")).to_be_focused()
    answer.get_by_role("button", name="Delete").press("Enter")
    expect(answer).to_contain_text("steady answers")  # the other version
    assert in_article(app.page)

    press("Alt+n")
    ask(app, "Two")
    app.page.get_by_role("button", name="Delete Two").press("Enter")
    expect(app.page.get_by_role("link", name="One")).to_be_focused()
    app.page.get_by_role("button", name="Prompts").press("Enter")
    app.page.get_by_role("dialog", name="Prompts").get_by_role("button", name="Add prompt").press("Enter")
    expect(app.page.get_by_role("dialog", name="Prompt", exact=True).get_by_label("Name")).to_be_focused()
    press("Escape")
    expect(app.page.get_by_role("button", name="Prompts")).to_be_focused()


def in_article(page: Page) -> bool:
    """Whether the focus is in a message."""
    return bool(page.evaluate("() => document.activeElement.closest('article') !== null"))


#: What Tab has to reach: all that can be used, of a group of radio buttons one.
WALK = """async () => {
  const usable = (e) => e.tabIndex >= 0 && !e.disabled && e.getClientRects().length > 0;
  const all = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex], [data-action]")];
  return all.filter((e) => usable(e) && !(e.type === "radio" && !e.checked)).map((e) => {
    e.walked = false;
    return e.getAttribute("aria-label") || e.labels?.[0]?.textContent || e.textContent.trim();
  });
}"""
STEP = """() => {
  const e = document.activeElement, seen = e.walked === true;
  e.walked = true;
  const ring = (x) => getComputedStyle(x).outlineStyle !== "none";
  const framed = e.closest(".composer, .compare-composer, .palette-head");
  return {
    name: e === document.body ? "" : e.getAttribute("aria-label") || e.labels?.[0]?.textContent || e.textContent.trim(),
    seen, visible: ring(e) || (framed !== null && ring(framed)),
  };
}"""


@pytest.mark.parametrize(
    ("page", "control"),
    [
        ("Chat", "Send"),
        ("Models", "Add model"),
        ("Connections", "Add connection"),
        ("Compare", "Add column"),
        ("Settings", "Erase everything"),
    ],
)
def test_tab_reaches_every_control_of_a_page_and_shows_where_it_is(app: App, press: Press, page: str, control: str):
    ask(app, "Hello?")
    app.visit(page)
    expect(app.page.get_by_role("button", name=control, exact=True)).to_be_visible()
    app.page.get_by_role("link", name="Skip to the conversation").focus()
    press("Shift+Tab")  # to before the first
    wanted = app.page.evaluate(WALK)
    assert len(wanted) > 10
    found: list[str] = []
    for _ in range(2 * len(wanted)):
        press("Tab")
        step = app.page.evaluate(STEP)
        if not step["name"] or step["seen"]:
            break
        assert step["visible"], step
        found.append(step["name"])
    assert sorted(found) == sorted(wanted)


def test_a_phone_has_the_palette_without_keys(browser: Browser, errors: ErrorLog, repository: str, steady: ScriptedServer):
    phone = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    app = opened(phone, errors, repository, steady)
    box(app).fill("Hello?")
    app.page.get_by_role("button", name="Send", exact=True).tap()
    app.page.get_by_role("button", name="Stop").tap()
    app.visit("Settings")
    app.page.get_by_role("region", name="Keyboard").get_by_role("button", name="Command palette").tap()
    palette = app.page.get_by_role("dialog", name="Command palette")
    expect(palette.get_by_role("option", name="New chat")).to_be_visible()
    expect(palette.locator("kbd").first).to_be_hidden()
    palette.get_by_role("option", name="Search conversations").tap()
    expect(app.page.get_by_role("searchbox", name="Search conversations")).to_be_focused()
    expect(app.page.get_by_role("link", name="Hello?")).to_be_visible()
    phone.close()
