"""Which part of the page shows what: state → the HTML of each region that can be seen."""

from modeltab import __version__
from modeltab.domain.messages import path
from modeltab.state.store import State
from modeltab.views import chat, connections, dialog, models, settings, shell
from modeltab.views.html import EMPTY, Html
from modeltab.views.message import MessageViews

TITLES = dict(shell.PAGES)


class PageView:
    """The page as a function of the state; it remembers only what it has drawn, so as not to draw it again."""

    def __init__(self) -> None:
        self._messages = MessageViews()

    def regions(self, state: State) -> dict[str, Html]:
        """Element id → HTML of its inside. A region that cannot be seen is not in it."""
        shown = {
            "nav": shell.navigation(state),
            "conversation-list": shell.conversation_list(state),
            "alerts": shell.alerts(state),
            "transfers": shell.transfers(state),
            "dialog": dialog.dialog(state),
        }
        if state.route.page == "chat":
            shown["model-picker"] = chat.picker(state)
            shown["chat-empty"] = EMPTY if state.messages or state.route.id else chat.empty(state)
            shown["attachments"] = chat.attachments(state)
            shown["composer-bar"] = chat.composer_bar(state)
        elif state.route.page == "models":
            shown["page-models"] = models.page(state)
        elif state.route.page == "connections":
            shown["page-connections"] = connections.page(state)
        elif state.route.page == "settings":
            shown["page-settings"] = settings.page(state, __version__)
        return shown

    def messages(self, state: State) -> list[tuple[str, Html]]:
        """(element id, HTML) of each message of the conversation that is shown."""
        if state.conversation is None:
            return []
        names = {c.id: c.name for c in state.connections}
        return self._messages.draw(state, path(state.messages, state.conversation.leaf_id), names)

    def title(self, state: State) -> str:
        """The document's title."""
        if state.route.page == "chat" and state.conversation:
            return f"{state.conversation.title} · ModelTab"
        return f"{TITLES.get(state.route.page, 'Chat')} · ModelTab"
