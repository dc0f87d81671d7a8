"""Which part of the page shows what: state → the HTML of each region that can be seen."""

from collections.abc import Callable
from typing import NamedTuple

from modeltab.state.listing import drawn_of
from modeltab.state.store import State
from modeltab.views import (
    chat,
    command_menu,
    compare,
    compare_results,
    completion,
    connections,
    context_meter,
    conversations,
    dialog,
    exchange,
    models,
    offline,
    palette,
    playground,
    queue,
    settings,
    shared,
    shell,
    structured,
    transfers,
)
from modeltab.views.html import Html
from modeltab.views.message import MessageViews, streamed

TITLES = dict(shell.PLACES)


class Region(NamedTuple):
    """A part of the page that is drawn as a whole.

    :param draw: state → the HTML inside the element.
    :param reads: the fields of the state that it shows; it is drawn again only when one of them is replaced.
    :param page: the page that it is on; empty for every page.
    """

    element_id: str
    draw: Callable[[State], Html]
    reads: tuple[str, ...]
    page: str = ""


_COMPARED = ("comparison", "compared", "compare_progress", "models", "connections", "facts", "prices", "settings")
_CHOICE = ("models", "connections", "settings")
_COMPLETING = ("completing", "facts", "settings")
_SETTINGS = ("settings", "storage", "isolated", "keys", "prices", "exchange", "apple", "api_base", "api_calls", "offline")
_HEALTH = ("connections", "facts", "health")
_DIALOG = (
    *("dialog", "settings", "models", "facts", "connections", "types", "keys"),
    *("conversations", "candidates", "choices", "catalogue", "file_details", "storage", "device", "prices"),
    *("exchange", "apple", "code"),
)
_LIST = ("conversations", "conversations_loaded", "conversation", "search", "listing", "settings")
REGIONS = (
    Region("nav", shell.navigation, ("route",)),
    Region("conversation-tools", conversations.tools, ("conversations", "search", "listing", "settings")),
    Region("conversation-list", conversations.listed, _LIST),
    Region("update", offline.notice, ("offline",)),
    Region("removed", conversations.removed, ("removed",)),
    Region("alerts", shell.alerts, ("alerts",)),
    Region("spoken", shell.spoken, ("spoken",)),
    Region("transfers", transfers.transfers, ("transfers", "connections")),
    # Before the dialog: when a command opens that, the focus goes back first to where it was.
    Region("palette", palette.palette, ("palette", "apple")),
    Region("dialog", dialog.dialog, _DIALOG),
    Region("model-picker", chat.picker, ("picker", "settings", "models", "connections"), "chat"),
    Region("conversation-earlier", conversations.earlier, ("conversation", "messages", "first_shown"), "chat"),
    Region("chat-empty", chat.empty, ("route", "settings", "models", "connections", "conversation", "facts"), "chat"),
    Region("attachments", chat.attachments, ("attachments",), "chat"),
    Region("composer-queue", queue.queue, ("queue", "conversation", "route", "editing"), "chat"),
    Region("composer-menu", command_menu.menu, ("menu",), "chat"),
    Region("context-meter", context_meter.meter, ("context", "settings"), "chat"),
    Region("composer-bar", chat.composer_bar, ("generation", "elsewhere", "settings", "facts"), "chat"),
    Region("page-models", models.page, (*_HEALTH, "models", "inventory", "inventory_note", "deleted", "storage"), "models"),
    Region("page-connections", connections.page, (*_HEALTH, "diagnoses", "keys"), "connections"),
    Region("compare-head", compare.head, ("comparison",), "compare"),
    Region("compare-columns", compare.columns, _COMPARED, "compare"),
    Region("compare-bar", compare.bar, ("comparison", "compared"), "compare"),
    Region("compare-results", compare_results.page, ("comparisons", "comparisons_loaded", "comparison"), "compare"),
    Region("playground-head", playground.head, ("code_page", *_CHOICE), "playground"),
    Region("playground-tabs", playground.tabs, ("code_page",), "playground"),
    Region("playground-bar", playground.bar, ("code_page",), "playground"),
    Region("playground-question", playground.question, ("code_page", "settings"), "playground"),
    Region("playground-output-head", playground.output_head, ("code_page",), "playground"),
    Region("playground-output", playground.output, ("code_page", "code_output"), "playground"),
    Region("playground-runs", playground.runs, ("code_page",), "playground"),
    Region("completion-head", completion.head, ("completion", *_CHOICE), "playground-completion"),
    Region("completion-render", completion.rendering, ("completion", "facts", "settings"), "playground-completion"),
    Region("completion-bar", completion.bar, ("completion", *_COMPLETING), "playground-completion"),
    Region("completion-output", completion.output, ("completion", *_COMPLETING), "playground-completion"),
    Region("completion-branches", completion.branches, ("completion",), "playground-completion"),
    Region("structured-head", structured.head, ("structured", *_CHOICE), "playground-structured"),
    Region("structured-tools", structured.tools, ("structured",), "playground-structured"),
    Region("structured-state", structured.schema_state, ("structured",), "playground-structured"),
    Region("structured-bar", structured.bar, ("structured", "facts", "settings"), "playground-structured"),
    Region("structured-answer", structured.answer, ("structured",), "playground-structured"),
    Region("page-settings", settings.page, _SETTINGS, "settings"),
    Region("chat-export", exchange.button_of_chat, ("conversation",), "chat"),
    Region("page-shared", shared.page, ("exchange",), "shared"),
)


class PageView:
    """The page as a function of the state; it remembers only what it has drawn, so as not to draw it again."""

    def __init__(self) -> None:
        self._messages = MessageViews()
        self._read: dict[str, list[object]] = {}

    def regions(self, state: State) -> dict[str, Html]:
        """Element id → HTML of its inside, for each region that can be seen and whose part of the state was replaced."""
        drawn = {}
        for region in REGIONS:
            if region.page and region.page != state.route.page:
                continue
            read = [getattr(state, name) for name in region.reads]
            before = self._read.get(region.element_id)
            if before is None or any(a is not b for a, b in zip(read, before, strict=True)):
                self._read[region.element_id] = read
                drawn[region.element_id] = region.draw(state)
        return drawn

    def messages(self, state: State) -> list[tuple[str, Html]]:
        """(element id, HTML) of each message of the conversation that is shown, of a long one the last."""
        if state.conversation is None:
            return []
        names = {c.id: c.name for c in state.connections}
        return self._messages.draw(state, drawn_of(state)[0], names)

    def streamed(self, state: State) -> tuple[str, str]:
        """(element id, text so far) of the answer that is being streamed, or empty texts."""
        return streamed(state)

    def compared(self, state: State) -> list[tuple[str, str]]:
        """(element id, text so far) of each answer that is flowing into the comparison that is shown."""
        return compare.streamed(state)

    def active_option(self, state: State) -> str:
        """The id of the option of the message box's list that Enter takes, empty while there is none."""
        return command_menu.active_option(state)

    def active_line(self, state: State) -> str:
        """The id of the line of the palette that Enter takes, empty while there is none."""
        return palette.active_option(state)

    def title(self, state: State) -> str:
        """The document's title."""
        if state.route.page == "chat" and state.conversation:
            return f"{state.conversation.title} · ModelTab"
        return f"{TITLES.get(state.route.page, 'Chat')} · ModelTab"
