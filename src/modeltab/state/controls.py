"""The table of controls: what can be done from anywhere, by its name in the command palette or by a key.

Each does what the button of its name does: it names the same action, and gives it what the button would. One that is not
possible now has no target, and is not there.
"""

from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

from modeltab.domain.comparisons import MAX_COLUMNS
from modeltab.domain.messages import Conversation, Message
from modeltab.domain.models import split_key
from modeltab.state.listing import beside, drawn_of, remembering
from modeltab.state.palette import Item
from modeltab.state.shortcuts import is_bare
from modeltab.state.store import State
from modeltab.state.updates import all_models, can_continue, connection_name, place_of

Target = Callable[[State], str | None]
#: So many conversations that fit are compared by how well they do.
_CLOSER = 200


class Control(NamedTuple):
    """One of them.

    :param action: in the table of actions; `value`, what its event has of a value.
    :param target: state → the id of its event, None where it is not possible now.
    :param keys: its shortcuts, by the names of `shortcuts`.
    :param words: what else a person may call it.
    :param stays: whether it leaves what is open, a page or a dialog, as it is.
    :param page: where what it does is seen, empty for everywhere.
    """

    name: str
    group: str
    action: str
    target: Target
    keys: tuple[str, ...] = ()
    value: str = ""
    words: str = ""
    stays: bool = False
    page: str = ""

    def item(self, id_: str) -> Item:
        """It as a line of the palette."""
        keys = self.keys[0] if self.keys else ""
        return Item(self.name, self.name, self.group, self.action, id_, self.value, keys, self.words, self.page)


def always(state: State) -> str | None:
    """It is always possible."""
    return ""


def _for(id_: str) -> Target:
    return lambda state: id_


def _when(holds: Callable[[State], bool], id_: str = "") -> Target:
    return lambda state: id_ if holds(state) else None


def _page(name: str) -> Target:
    """A page other than the one that is shown."""
    return _when(lambda state: state.route.page != name, name)


def _is_chat(state: State) -> bool:
    return state.route.page == "chat"


def _is_answering(state: State) -> bool:
    return bool(state.generation or state.elsewhere)


def _last(state: State, role: str = "") -> Message | None:
    """The last message that is shown, or the last of a role; none while it is still coming."""
    shown = drawn_of(state)[0] if _is_chat(state) else ()
    found = next((message for message in reversed(shown) if not role or message.role == role), None)
    return found if found and found.status != "streaming" else None


def _message(role: str = "") -> Target:
    def target(state: State) -> str | None:
        found = _last(state, role)
        return found.id if found else None

    return target


def _answer_to_repeat(state: State) -> str | None:
    found = _last(state)
    return found.id if found and found.role == "assistant" and found.parent_id and not _is_answering(state) else None


def _answer_to_continue(state: State) -> str | None:
    found = _last(state)
    return found.id if found and can_continue(state, found) and not _is_answering(state) else None


def _conversation(pinned: bool | None = None) -> Target:
    def target(state: State) -> str | None:
        shown = state.conversation if _is_chat(state) else None
        return shown.id if shown and pinned in (None, shown.pinned) else None

    return target


def _neighbour(step: int) -> Target:
    def target(state: State) -> str | None:
        found = beside(state, step)
        return f"chat/{found}" if found else None

    return target


def _previews(state: State) -> bool:
    facts = state.facts.get(split_key(state.settings.model)[0])
    return _is_chat(state) and facts is not None and facts.previews


def _compares(state: State) -> bool:
    return state.route.page == "compare" and state.comparison is not None


def _is_comparing(state: State) -> bool:
    shown = state.comparison.id if _compares(state) and state.comparison else ""
    return any(answer.conversation_id == shown for answer in state.comparing.values())


def _has_room(state: State) -> bool:
    return _compares(state) and state.comparison is not None and len(state.comparison.shown) < MAX_COLUMNS


def _has_rounds(state: State) -> bool:
    return _compares(state) and state.comparison is not None and bool(state.comparison.rounds)


def _queue_waits(state: State) -> bool:
    return _is_chat(state) and any(item.waits for item in state.queue if item.place == place_of(state))


def _syncs(state: State) -> bool:
    return any(facts.syncs for facts in state.facts.values())


def _can_lock(state: State) -> bool:
    return state.keys.protection == "passphrase" and not state.keys.locked


def _is_offline(state: State) -> bool:
    return state.settings.offline_only


def _is_online(state: State) -> bool:
    return not state.settings.offline_only


def _can_back_up(state: State) -> bool:
    return state.exchange.has_folders and not state.exchange.working


def _can_select(state: State) -> bool:
    return bool(state.conversations) and state.listing.selected is None


def _theme(name: str) -> Target:
    return _when(lambda state: state.settings.theme != name)


#: The group of what has to do with no page.
EVERYWHERE = "Everywhere"
_GO, _CHAT, _LIST, _MODELS, _SERVERS, _SETTINGS = "Pages", "Chat", "Conversations", "Models", "Connections", "Settings"

CONTROLS = (
    Control("New chat", _CHAT, "chat.new", always, ("App+N",), words="begin conversation"),
    Control("Write a message", _CHAT, "composer.focus", always, ("/", "App+I"), words="message box input focus"),
    Control("Choose a model…", _CHAT, "palette.list", _for("models"), ("App+M",), words="switch change model"),
    Control("Stop", _CHAT, "chat.stop", _when(lambda s: _is_chat(s) and _is_answering(s)), ("Escape",), stays=True),
    Control("Regenerate", _CHAT, "message.regenerate", _answer_to_repeat, ("App+R",), words="retry ask again"),
    Control("Continue", _CHAT, "message.continue", _answer_to_continue, words="go on cut off"),
    Control("Copy last answer", _CHAT, "message.copy", _message("assistant"), ("App+C",), stays=True),
    Control("Edit last message", _CHAT, "message.edit", _message("user"), words="change question"),
    Control("Branch", _CHAT, "message.branch", _message(), words="fork copy conversation"),
    Control("Send the queue", _CHAT, "queue.resume", _when(_queue_waits), stays=True),
    Control("Attach", _CHAT, "attach.pick", _when(_is_chat), words="file image pdf upload"),
    Control("Prompts", _CHAT, "prompts.open", _when(_is_chat), words="library templates"),
    Control("Presets", _CHAT, "presets.open", _when(_is_chat), words="parameters system prompt"),
    Control("Parameters", _CHAT, "parameters.open", _when(_is_chat), ("App+P",), words="temperature top k seed settings"),
    Control("Preview prompt", _CHAT, "preview.open", _when(_previews), words="template tokens"),
    Control("Export", _CHAT, "export.open", _conversation(), words="save download share link markdown json html"),
    Control("Search conversations", _LIST, "conversations.find", always, ("App+L",), words="find history text"),
    Control(
        "Open a conversation…", _LIST, "palette.list", _when(lambda s: bool(s.conversations), "conversations"), words="history"
    ),
    Control("Next conversation", _LIST, "page.go", _neighbour(1), ("App+ArrowDown",), words="below"),
    Control("Previous conversation", _LIST, "page.go", _neighbour(-1), ("App+ArrowUp",), words="above"),
    Control("Rename or move", _LIST, "conversation.edit", _conversation(), words="title folder conversation"),
    Control("Pin", _LIST, "conversation.pin", _conversation(pinned=False), words="conversation top"),
    Control("Unpin", _LIST, "conversation.pin", _conversation(pinned=True), words="conversation"),
    Control("Delete conversation", _LIST, "conversation.delete", _conversation(), words="remove"),
    Control(
        "Select conversations",
        _LIST,
        "conversations.select",
        _when(_can_select),
        words="bulk several delete move",
    ),
    Control("Go to Chat", _GO, "page.go", _page("chat")),
    Control("Go to Models", _GO, "page.go", _page("models")),
    Control("Go to Connections", _GO, "page.go", _page("connections"), words="servers apis keys"),
    Control("Go to Compare", _GO, "page.go", _page("compare"), words="side by side arena"),
    Control("Go to Settings", _GO, "page.go", _page("settings"), words="preferences options"),
    Control("Add model", _MODELS, "models.add", always, words="download upload gguf hugging face file"),
    Control("Sync", _MODELS, "models.sync", _when(_syncs), words="refresh read folder again", page="models"),
    Control("Free memory", _MODELS, "models.free", always, words="unload ram cache", page="models"),
    Control("Add connection", _SERVERS, "connection.add", always, words="server api key provider"),
    Control("Find local servers", _SERVERS, "servers.find", always, words="ollama llama scan"),
    Control("Unlock keys", _SERVERS, "keys.unlock", _when(lambda s: s.keys.locked), words="passphrase"),
    Control("Lock now", _SERVERS, "keys.lock", _when(_can_lock), words="keys passphrase", page="settings"),
    Control("Stop all", "Compare", "compare.stop", _when(_is_comparing), ("Escape",), stays=True),
    Control("Add column", "Compare", "compare.add", _when(_has_room), words="model"),
    Control("New comparison", "Compare", "compare.new", _when(_has_rounds)),
    Control("Theme: as the system", _SETTINGS, "settings.theme", _theme("auto"), value="auto", words="appearance", stays=True),
    Control("Theme: light", _SETTINGS, "settings.theme", _theme("light"), value="light", words="appearance", stays=True),
    Control("Theme: dark", _SETTINGS, "settings.theme", _theme("dark"), value="dark", words="appearance night", stays=True),
    Control("Offline only: on", _SETTINGS, "settings.offline", _when(_is_online), words="privacy", stays=True),
    Control("Offline only: off", _SETTINGS, "settings.offline", _when(_is_offline), words="privacy", stays=True),
    Control("Prices", _SETTINGS, "prices.open", always, words="cost money"),
    Control("Export data", _SETTINGS, "data.export", _when(lambda s: not s.exchange.working), words="back up zip", stays=True),
    Control("Import data", _SETTINGS, "data.import.pick", always, words="chatgpt open webui restore"),
    Control("Back up to a folder", _SETTINGS, "data.backup", _when(_can_back_up)),
    Control("Erase everything", _SETTINGS, "data.erase.ask", always, words="delete reset"),
    Control("Command palette", EVERYWHERE, "palette.toggle", always, ("Mod+K",), stays=True),
    Control("Keyboard shortcuts", EVERYWHERE, "shortcuts.open", always, ("?", "Mod+/"), words="keys help hotkeys"),
)


def pressed(state: State, name: str) -> tuple[Control, str] | None:
    """The control of a key, with its event's id; None where no control has it, or it is not possible now.

    :param name: as `shortcuts.name_of` gives it.
    """
    if is_bare(name) and not state.settings.single_keys:
        return None
    for control in CONTROLS:
        if name in control.keys and _is_reachable(state, control):
            id_ = control.target(state)
            if id_ is not None:
                return control, id_
    return None


def _is_reachable(state: State, control: Control) -> bool:
    """An open dialog keeps everything else away, but for what leaves it as it is: what was typed there must not be lost."""
    return control.stays or state.dialog is None


def commands(state: State) -> list[Item]:
    """What is possible now, as lines of the palette."""
    reachable = [control for control in CONTROLS if _is_reachable(state, control) and control.action != "palette.toggle"]
    return [control.item(id_) for control in reachable if (id_ := control.target(state)) is not None]


def models(state: State) -> list[Item]:
    """The models of all connections, to choose one."""
    return [
        Item(f"model {m.key}", m.name, connection_name(state, m.connection_id), "picker.choose", m.key)
        for m in all_models(state)
    ]


def conversations(state: State, query: str) -> list[Item]:
    """The conversations whose titles have every word that is typed; of ten thousand, the first are worth a closer look."""
    wanted = query.casefold().split()
    fitting = (c for title, c in _titled(state.conversations) if all(word in title for word in wanted))
    found = islice(fitting, _CLOSER)
    return [Item("", c.title, c.folder or "Conversations", "page.go", f"chat/{c.id}") for c in found]


@remembering
def _titled(conversations_: tuple[Conversation, ...]) -> list[tuple[str, Conversation]]:
    return [(c.title.casefold(), c) for c in conversations_]
