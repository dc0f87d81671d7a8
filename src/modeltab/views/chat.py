"""The chat page: model picker, conversation, composer."""

from modeltab.domain.catalogue import STARTER
from modeltab.domain.models import Model, split_key
from modeltab.state.context import about
from modeltab.state.store import State
from modeltab.state.updates import all_models, connection_name, model_of
from modeltab.state.writing import Attachment
from modeltab.views import format as fmt
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button, icon_button

_PICKER = Template(
    '<span class="icon icon-models picker-icon" aria-hidden="true"></span>'
    '<input class="input picker-input" id="model-input" role="combobox" aria-label="Model" aria-expanded="{expanded}" '
    'aria-controls="model-options" aria-autocomplete="list" aria-activedescendant="{active}" placeholder="Choose a model" '
    'value="{value}" autocomplete="off" spellcheck="false" data-input="picker.type" data-keydown="picker.key" '
    'data-focus="picker.open" data-blur="picker.close" data-action="picker.open">{options}'
)
_OPTIONS = Template('<div class="picker-options" id="model-options" role="listbox" aria-label="Models">{groups}</div>')
_GROUP = Template(
    '<div class="picker-group" role="group" aria-label="{name}"><div class="picker-group-name" aria-hidden="true">{name}</div>'
    "{options}</div>"
)
_CHOICE = Template(
    '<div class="picker-option" role="option" id="{id}" aria-selected="{selected}" data-active="{active}" '
    'data-mousedown="picker.choose" data-id="{key}" aria-label="{name}"><span class="picker-name">{name}</span>'
    '<span class="picker-note" aria-hidden="true">{note}</span></div>'
)
_NOTHING = Template('<div class="picker-nothing">{text}</div>')
_EMPTY_CHAT = Template('<div class="empty"><h1>{title}</h1><p>{text}</p><div class="empty-actions">{actions}</div>{note}</div>')
_EMPTY_NOTE = Template('<p class="empty-note">{text}</p>')
_ATTACHMENT = Template('<span class="attachment">{picture}{name}<span class="attachment-note">{note}</span>{remove}</span>')
_FILE_ICON = Template('<span class="icon icon-file" aria-hidden="true"></span>')
_THUMBNAIL = Template('<img class="thumbnail" data-image="{digest}" alt="">')
_BAR = Template(
    '<div class="composer-tools">{attach}{prompts}{parameters}{preview}'
    '<input type="file" id="attach-input" aria-label="Files to attach" '
    'data-change="attach.files" multiple="" hidden=""></div><div class="composer-send">{hint}{main}</div>'
)
_SEND = Template(
    '<button class="button primary send" type="submit" aria-label="Send" {?disabled}>'
    '<span class="icon icon-send" aria-hidden="true"></span><span class="send-text">Send</span></button>'
)
_STOP = Template(
    '<button class="button stop" type="button" data-action="chat.stop" aria-label="Stop">'
    '<span class="icon icon-stop" aria-hidden="true"></span><span class="send-text">Stop</span></button>'
)
_HINT = Template('<span class="composer-hint">{text}</span>')


#: Hosted APIs list hundreds of models; nobody looks through more of them than this.
PICKER_SHOWS = 100


def matches(state: State) -> list[Model]:
    """The models that the picker shows: all, or those whose name or connection has what is typed; the first of them, and
    the chosen one.
    """
    found = _matching(state)
    chosen = [model for model in found[PICKER_SHOWS:] if model.key == state.settings.model]
    return [*found[: PICKER_SHOWS - len(chosen)], *chosen]


def _matching(state: State) -> list[Model]:
    wanted = state.picker.query.strip().casefold()
    found = all_models(state)
    if not wanted:
        return found
    return [m for m in found if wanted in f"{m.name} {connection_name(state, m.connection_id)}".casefold()]


def picker(state: State) -> Html:
    """The combobox "Model", and its options while it is open."""
    value = state.picker.query if state.picker.open else split_key(state.settings.model)[1]
    shown = matches(state) if state.picker.open else []
    active = f"option-{state.picker.active}" if shown else ""
    return _PICKER(
        expanded="true" if state.picker.open else "false",
        active=active,
        value=value,
        options=_options(state, shown) if state.picker.open else EMPTY,
    )


def _options(state: State, shown: list[Model]) -> Html:
    if not shown:
        text = "No model has this in its name." if state.picker.query else "No models yet. Add one on the Models page."
        return _OPTIONS(groups=_NOTHING(text=text))
    groups: dict[str, list[Html]] = {}
    for place, model in enumerate(shown):
        choice = _CHOICE(
            id=f"option-{place}",
            key=model.key,
            name=model.name,
            selected="true" if model.key == state.settings.model else "false",
            active="true" if place == state.picker.active else "false",
            note=" · ".join(filter(None, [size_of(model), model.state if model.state != "On disk" else ""])),
        )
        groups.setdefault(model.connection_id, []).append(choice)
    parts = [_GROUP(name=connection_name(state, key), options=join(group)) for key, group in groups.items()]
    count = len(_matching(state))
    if count > len(shown):
        parts.append(_NOTHING(text=f"{len(shown)} of {count} models. Type to find the others."))
    return _OPTIONS(groups=join(parts))


def size_of(model: Model) -> str:
    """A model's size in words, empty when it is unknown."""
    return fmt.size(model.size) if model.size is not None else model.size_text


def empty(state: State) -> Html:
    """What stands where no message is yet: what to do first. Nothing where a conversation is shown, or about to be."""
    if state.conversation or state.route.id:
        return EMPTY
    chosen = model_of(state, state.settings.model)
    if chosen:
        where = connection_name(state, chosen.connection_id)
        return _EMPTY_CHAT(
            title="What is on your mind?", text=f"{chosen.name} answers, from {where}.", actions=EMPTY, note=EMPTY
        )
    if any(not c.base_url and c.id not in state.models for c in state.connections):
        return _EMPTY_CHAT(title="Every model you have, in one tab", text="", actions=EMPTY, note=EMPTY)  # not known yet
    if all_models(state):
        actions = [button("Choose a model", "picker.focus", kind="primary")]
        if not any(state.facts[m.connection_id].permanent for m in all_models(state)):
            actions.append(_starter_button())
        return _EMPTY_CHAT(title="Choose a model", text="Pick one above, and start typing.", actions=join(actions), note=EMPTY)
    actions = [
        _starter_button("primary"),
        button("Add a model file", "models.add"),
        button("Add connection", "connection.add"),
    ]
    note = (
        f"{STARTER.title} is small and quick ({STARTER.licence}). It is stored in this browser and runs in this tab: "
        "nothing that you write leaves this machine."
    )
    return _EMPTY_CHAT(
        title="Every model you have, in one tab",
        text="Start with a model that runs right here, or connect one that you have.",
        actions=join(actions),
        note=_EMPTY_NOTE(text=note),
    )


def _starter_button(kind: str = "") -> Html:
    return button(f"Get {STARTER.title} ({fmt.size(STARTER.size)})", "starter.add", kind=kind)


def attachments(state: State) -> Html:
    """The files that go with the next message."""
    return join(map(_attachment, state.attachments))


def _attachment(item: Attachment) -> Html:
    picture = _THUMBNAIL(digest=item.image.digest) if item.image else _FILE_ICON()
    remove = icon_button("close", f"Remove {item.name}", "attach.remove", item.id)
    note = ""
    if item.text:
        pages = f"{item.pages} {'page' if item.pages == 1 else 'pages'}, " if item.pages else ""
        note = f"{pages}about {about(len(item.text)):,} tokens"
    return _ATTACHMENT(picture=picture, name=item.name, note=note, remove=remove)


def composer_bar(state: State) -> Html:
    """The controls below the message box."""
    elsewhere = state.generation is None and bool(state.elsewhere)
    busy = state.generation is not None or elsewhere
    facts = state.facts.get(split_key(state.settings.model)[0])
    return _BAR(
        attach=icon_button("attach", "Attach", "attach.pick", ""),
        prompts=icon_button("prompts", "Prompts", "prompts.open", ""),
        parameters=icon_button("sliders", "Parameters", "parameters.open", ""),
        preview=icon_button("prompt", "Preview prompt", "preview.open", "") if facts and facts.previews else EMPTY,
        hint=_HINT(text=_hint(busy, elsewhere)),
        main=join([_STOP(), _SEND(disabled=False)]) if busy else _SEND(disabled=False),
    )


def _hint(busy: bool, elsewhere: bool) -> str:
    if elsewhere:
        return "This answer comes in another tab"
    return "Enter queues the message" if busy else "Enter sends, Shift+Enter breaks the line"
