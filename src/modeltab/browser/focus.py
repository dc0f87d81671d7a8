"""The focus while the page is drawn anew: it must not fall off with what had it, for then the keyboard is nowhere."""

from typing import Any, NamedTuple

import js

#: Where the focus may land by itself: not in a text field, which brings up the keyboard of a phone.
_LANDING = ":is(button, select, summary, a[href], [tabindex='0']):not(:disabled, [hidden])"


class _Place(NamedTuple):
    """A part of the page around the focus, and those on both sides of it.

    :param order: the focus's place among the controls of the part, in the smallest one.
    """

    part: Any
    after: Any
    before: Any
    order: int = 0


class FocusKeeper:
    """Remembers what has the focus before a drawing, and finds another place for it where that is gone after it."""

    def __init__(self) -> None:
        self._had: Any = None
        self._places: list[_Place] = []

    def remember(self) -> None:
        """Before a drawing."""
        self._had = had = js.document.activeElement
        self._places = []
        part = had.closest("[id]") if had else None
        order = js.Array.prototype.indexOf.call(part.querySelectorAll(_LANDING), had) if part else 0
        while part:
            self._places.append(_Place(part, part.nextElementSibling, part.previousElementSibling, max(order, 0)))
            part, order = part.parentElement and part.parentElement.closest("[id]"), 0

    def settle(self) -> None:
        """After it: the same control where it was made anew, one near it where it is gone, else the page."""
        had = self._had
        if not self._places or (had.isConnected and not getattr(had, "disabled", False)):
            return
        now = js.document.activeElement
        if now and now not in (js.document.body, had):
            return  # somebody else has seen to it
        target = self._twin() or self._near()
        (target or js.document.getElementById("main")).focus()

    def _twin(self) -> Any:
        action = self._had.getAttribute("data-action")
        return control(action, self._had.getAttribute("data-id") or "") if action else None

    def _near(self) -> Any:
        """A control of the smallest part that is still there, or of the part beside it."""
        for place in self._places:
            for part in (place.part,) if place.part.isConnected else (place.after, place.before):
                if part and part.isConnected:
                    found = [item for item in part.querySelectorAll(_LANDING) if item.getClientRects().length]
                    if found:
                        return found[min(place.order, len(found) - 1) if part is place.part else 0]
        return None


def control(action: str, id_: str) -> Any:
    """The control that does that, None where there is none that can be used."""
    for found in js.document.querySelectorAll(f"[data-action='{action}']:not(:disabled)"):
        if (found.getAttribute("data-id") or "") == id_ and found.getClientRects().length:
            return found
    return None
