"""Commands at the beginning of a message: "/model name", "/temperature 0.5", …; and the list that completes them."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from modeltab.actions import conversations, drafts, parameters, presets, prompts
from modeltab.actions.answer import set_conversation
from modeltab.actions.app import App, UiEvent
from modeltab.actions.keeping import keep
from modeltab.domain.errors import BadRequest, ModelTabError
from modeltab.domain.messages import title_from
from modeltab.domain.prompts import named
from modeltab.domain.requests import Parameters
from modeltab.state.store import Dialog, State
from modeltab.state.updates import all_models, connection_name, own_parameters
from modeltab.state.writing import Menu, Suggestion
from modeltab.views.parameters import FIELDS, Field

_COMMAND = re.compile(r"/([a-z][a-z-]*)(?:\s+(.*))?\Z", re.DOTALL | re.IGNORECASE)
#: The list shows this many.
SHOWS = 50


class Command(NamedTuple):
    """A command.

    :param argument: what comes after its name, in a word; empty where nothing does.
    :param values: what its argument may be, with a note on each; None where it is free.
    :param label: what the command palette calls it; empty where that has a control that does the same.
    """

    name: str
    argument: str
    about: str
    run: Callable[[App, str], None]
    values: Callable[[State], list[tuple[str, str]]] | None = None
    label: str = ""


def take(app: App, text: str) -> bool:
    """Do the command that stands in the message box. False where what stands there is a message.

    What only looks like a command is told of first, and is a message when it is sent again.
    """
    match = _COMMAND.match(text)
    if match is None:
        return False
    command = next((c for c in COMMANDS if c.name == match[1].lower()), None)
    if command is None:
        note = f"“/{match[1]}” is not a command. Press Enter or Send again to send it as text; /help lists the commands."
        if app.state.menu.note == note:
            return False
        _tell(app, Menu(note=note))
        return True
    argument = (match[2] or "").strip()
    if command.argument and not argument and command.name != "system":
        values = _menu(app.state, f"/{command.name} ")
        _tell(app, values._replace(note=f"/{command.name} {command.argument}: say which."))
        return True
    typed_ = app.page.value(drafts.BOX)
    app.page.set_value(drafts.BOX, "")
    try:
        command.run(app, argument)
    except ModelTabError as error:
        app.page.set_value(drafts.BOX, typed_)
        _tell(app, Menu(note=f"{error.message} {error.advice}"))
        return True
    app.update(menu=Menu())
    drafts.touch(app)
    return True


def _tell(app: App, menu: Menu) -> None:
    """Show a note above the message box, and let it be heard."""
    app.update(menu=menu)
    app.say(menu.note)


def begin(app: App) -> None:
    """Offer the models that come while "/model" is being typed."""
    seen = [app.state.models]

    def follow(state: State) -> None:
        if state.models is not seen[0]:
            seen[0] = state.models
            text = app.page.value(drafts.BOX)
            if text.startswith("/") and not state.menu.note:
                typed(app, text)

    app.store.subscribe(follow)


def typed(app: App, text: str) -> None:
    """Follow what is typed: the list is open while a command is."""
    menu = _menu(app.state, text) if text.startswith("/") else Menu()
    if menu != app.state.menu:
        app.update(menu=menu)


def _menu(state: State, text: str) -> Menu:
    name, space, argument = text[1:].partition(" ")
    if not space:
        if "\n" in text:
            return Menu()
        found = [
            Suggestion(f"/{c.name}{' ' if c.argument else ''}", f"/{c.name} {c.argument}".strip(), c.about, not c.argument)
            for c in COMMANDS
            if c.name.startswith(name.lower())
        ]
        return Menu(tuple(found[:SHOWS]))
    command = next((c for c in COMMANDS if c.name == name.lower()), None)
    if command is None or command.values is None:
        return Menu()
    wanted = argument.strip().casefold()
    values = [pair for pair in command.values(state) if wanted in f"{pair[0]} {pair[1]}".casefold()]
    return Menu(tuple(Suggestion(f"/{command.name} {value}", value, note, True) for value, note in values[:SHOWS]))


def key(app: App, pressed: str) -> bool:
    """A key while the list is open. True when that was all there is to it."""
    menu = app.state.menu
    if pressed == "Escape" and menu != Menu():
        app.update(menu=Menu())
        return True
    if not menu.items:
        return False
    if pressed in ("ArrowDown", "ArrowUp"):
        step = 1 if pressed == "ArrowDown" else -1
        app.update(menu=menu._replace(active=(menu.active + step) % len(menu.items)))
        return True
    if pressed in ("Tab", "Enter"):
        _take_suggestion(app, menu.items[menu.active], runs=pressed == "Enter")
        return True
    return False


def choose(app: App, event: UiEvent) -> bool:
    """A line of the list was pressed."""
    items, place = app.state.menu.items, int(event.id)
    if place < len(items):
        _take_suggestion(app, items[place], runs=True)
    return True


def _take_suggestion(app: App, item: Suggestion, runs: bool) -> None:
    app.page.set_value(drafts.BOX, item.text)
    drafts.touch(app)
    if runs and item.is_whole:
        take(app, item.text.strip())
    else:
        typed(app, item.text)


# ---- What they do ----------------------------------------------------------------------------------------------------


def _choose_model(app: App, name: str) -> None:
    wanted = name.casefold()
    models = all_models(app.state)
    found = [m for m in models if m.name.casefold() == wanted] or [m for m in models if wanted in m.name.casefold()]
    if not found:
        raise BadRequest(f"No model has “{name}” in its name.", "Type /model and choose one of the list.")
    app.set_setting(model=found[0].key)
    app.say(f"{found[0].name} answers from now on")


def _set_parameter(name: str, label: str) -> Callable[[App, str], None]:
    def run(app: App, text: str) -> None:
        value = parameters.parsed(name, text) if text else ""
        changes: dict[str, Any] = {name: value}
        own = own_parameters(app.state) or Parameters()
        parameters.set_own(app, own._replace(**changes))
        app.say(f"{label} of this conversation: {value}" if text else f"{label}: none in this conversation")

    return run


def _use_prompt(app: App, name: str) -> None:
    place = named(app.state.settings.prompts, name)
    if place is None:
        raise BadRequest(f"There is no prompt “{name}”.", "Type /prompt and choose one of the list, or add it in Prompts.")
    prompts.begin(app, app.state.settings.prompts[place])


def _use_preset(app: App, name: str) -> None:
    place = named(app.state.settings.presets, name)
    if place is None:
        raise BadRequest(f"There is no preset “{name}”.", "Type /preset and choose one of the list, or save one in Parameters.")
    presets.apply(app, app.state.settings.presets[place])


def _begin(app: App, text: str) -> None:
    conversations.new(app, UiEvent("chat.new"))


def _rename(app: App, text: str) -> None:
    conversation = app.state.conversation
    if conversation is None:
        raise BadRequest("This conversation has not begun.", "Send its first message, then give it a title.")
    set_conversation(app, conversation._replace(title=title_from(text, 200)))
    app.spawn(keep(app, app.state.conversation))
    app.say("The conversation has a new title")


def _help(app: App, text: str) -> None:
    rows = {f"/{c.name} {c.argument}".strip(): c.about for c in COMMANDS}
    app.update(dialog=Dialog("help", values=rows))


def _parameter(field: Field) -> Command:
    choices = [(value, "") for value, _ in field.options if value]
    return Command(
        field.label.lower().replace(" ", "-"),
        "text" if field.rows else "choice" if choices else "n",
        f"{field.label}, for this conversation. {field.hint}",
        _set_parameter(field.name, field.label),
        (lambda state: choices) if choices else None,
        field.label,
    )


COMMANDS = (
    Command(
        "model",
        "name",
        "Choose who answers.",
        _choose_model,
        lambda state: [(m.name, connection_name(state, m.connection_id)) for m in all_models(state)],
    ),
    Command(
        "system",
        "text",
        "The system prompt, for this conversation; without a text: none.",
        _set_parameter("system_prompt", "System prompt"),
        label="System prompt",
    ),
    Command(
        "prompt",
        "name",
        "Bring a prompt of the library into the message box.",
        _use_prompt,
        lambda state: [(p.name, p.text.partition("\n")[0]) for p in state.settings.prompts],
        "Use a prompt",
    ),
    Command(
        "preset",
        "name",
        "Use a preset: its model, system prompt and parameters.",
        _use_preset,
        lambda state: [(p.name, "") for p in state.settings.presets],
        "Use a preset",
    ),
    Command("new", "", "Begin a new chat.", _begin),
    Command("title", "text", "Give the conversation a title.", _rename),
    *(_parameter(field) for field in FIELDS if field.name != "system_prompt"),
    Command("help", "", "List the commands.", _help, label="Commands of the message box"),
)
