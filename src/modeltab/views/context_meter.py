"""The context meter by the message box: how much of what the model can look back on is used."""

from modeltab.domain.models import split_key
from modeltab.state.store import State
from modeltab.state.writing import ContextUse
from modeltab.views.html import EMPTY, Html, Template, join

_PLAIN = Template('<p class="context-text">{text}</p>')
_METER = Template(
    '<meter class="gauge context-gauge" data-level="{level}" min="0" max="{size}" value="{used}" aria-label="Context used">'
    '{text}</meter><p class="context-text">{text}</p>'
)
_WARNING = Template('<p class="context-warning" role="status" data-level="{level}">{text}</p>')


def meter(state: State) -> Html:
    """The meter, with a warning before the context overflows; empty where nothing would be sent."""
    use = state.context
    if not use.used:
        return EMPTY
    text = f"{'' if use.is_counted else 'about '}{use.used:,}"
    if use.size is None:
        return _PLAIN(text=f"{text} tokens")
    level = "over" if use.used > use.size else "near" if use.used + use.reserve > use.size else "room"
    shown = _METER(level=level, size=use.size, used=min(use.used, use.size), text=f"{text} of {use.size:,} tokens")
    if level == "room":
        return shown
    warning = _WARNING(level=level, text=_warning(use, split_key(state.settings.model)[1], level))
    return join([shown, warning])


def _warning(use: ContextUse, model: str, level: str) -> str:
    if level == "over":
        begin = f"This is more than the {use.size:,} tokens that {model} can look back on."
    else:
        begin = f"Little room is left in the {use.size:,} tokens that {model} can look back on."
    if not use.dropped:
        return f"{begin} Shorten the message or what is attached, or set a larger context size."
    oldest = "the first message" if use.dropped == 1 else f"the first {use.dropped} messages, up to"
    return (
        f"{begin} To fit the next answer, {oldest} “{use.until}” would have to be dropped: some servers leave the oldest out "
        "without a word, others refuse. Begin a new chat, or set a larger context size."
    )
