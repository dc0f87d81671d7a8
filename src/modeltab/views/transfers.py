"""The files on their way, one card each, in the order of the queue."""

from modeltab.domain.transfers import ENDED, Transfer
from modeltab.state.store import State
from modeltab.state.updates import connection_name
from modeltab.views import format as fmt
from modeltab.views.html import Html, Template, join
from modeltab.views.parts import button, error_text, icon_button

_TRANSFER = Template(
    '<div class="transfer" id="t-{id}" data-phase="{phase}"><div class="transfer-head"><span class="transfer-name" '
    'title="{name}">{name}</span>{actions}</div><progress class="transfer-bar" aria-label="{name}" '
    'value="{percent}" max="100"></progress><div class="transfer-text">{text}</div></div>'
)
_FILE = Template(
    '<label class="button small">Choose the file again<input class="visually-hidden" type="file" id="t-file-{id}" '
    'data-id="{id}" data-change="transfer.file" accept=".gguf,.bin" aria-label="Choose {name} again"></label>'
)


def transfers(state: State) -> Html:
    """The transfers that are there."""
    waiting = [t.id for t in state.transfers if t.phase == "queued"]
    return join(_transfer(state, t, can_rise=t.id in waiting[1:]) for t in state.transfers)


def _transfer(state: State, transfer: Transfer, can_rise: bool) -> Html:
    return _TRANSFER(
        id=transfer.id,
        phase=transfer.phase,
        name=transfer.name,
        actions=join(_actions(transfer, can_rise)),
        percent=int(transfer.fraction * 100),
        text=_text(state, transfer),
    )


def _actions(transfer: Transfer, can_rise: bool) -> list[Html]:
    id_, name = transfer.id, transfer.name
    actions = []
    if can_rise:
        actions.append(icon_button("up", f"Move {name} up", "transfer.up", id_))
    if transfer.phase == "failed":
        actions.append(button("Retry", "transfer.resume", id_, f"Retry {name}", "small"))
    if transfer.phase == "paused":
        if transfer.needs_file:
            actions.append(_FILE(id=id_, name=name))
        else:
            actions.append(button("Resume", "transfer.resume", id_, f"Resume {name}", "small"))
    if transfer.phase in ("queued", "sending") and (transfer.resumes or transfer.phase == "queued"):
        actions.append(button("Pause", "transfer.pause", id_, f"Pause {name}", "small"))
    if transfer.phase in ENDED:
        actions.append(icon_button("close", f"Dismiss {name}", "transfer.dismiss", id_))
    else:
        actions.append(button("Cancel", "transfer.cancel", id_, f"Cancel {name}", "small"))
    return actions


def _text(state: State, transfer: Transfer) -> str | Html:
    where = connection_name(state, transfer.connection_id)
    if transfer.phase == "queued":
        return f"Waiting to go to {where}"
    if transfer.phase == "processing":
        return f"All bytes are sent; {where} is processing the file"
    if transfer.phase == "done":
        return f"{fmt.size(transfer.size)} added to {where}"
    if transfer.phase == "cancelled":
        return _cancelled(transfer, where)
    if transfer.phase == "failed":
        return error_text(transfer.error) if transfer.error else "Failed"
    return " · ".join(_progress(transfer, where))


def _cancelled(transfer: Transfer, where: str) -> str:
    if transfer.size and transfer.sent >= transfer.size and not transfer.resumes:
        return f"Cancelled when all bytes were sent; {where} may still have kept the file"
    if transfer.is_download:
        return f"Cancelled after {fmt.size(transfer.sent)}; {where} may keep what it has for the next time"
    return f"Cancelled after {fmt.size(transfer.sent)}; nothing was kept"


def _progress(transfer: Transfer, where: str) -> list[str]:
    """How far it is, in words."""
    parts = ["Paused"] if transfer.phase == "paused" else []
    if transfer.step:
        parts.append(transfer.step)
    if transfer.size:
        parts += [fmt.percent(transfer.fraction), f"{fmt.size(transfer.sent)} of {fmt.size(transfer.size)}"]
    elif transfer.sent:
        parts.append(fmt.size(transfer.sent))
    if transfer.rate:
        parts.append(f"{fmt.size(transfer.rate)}/s")
    if transfer.seconds_left is not None and transfer.phase != "paused":
        parts.append(f"{fmt.duration(transfer.seconds_left)} left")
    if transfer.phase == "sending" and not transfer.resumes:
        parts.append(f"if it breaks off, {where} makes it start again")
    return parts or ["Starting"]
