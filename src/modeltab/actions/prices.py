"""Prices of models: the list that comes with the app, and those that a person sets."""

from datetime import UTC, datetime

from modeltab.actions.app import App, UiEvent
from modeltab.domain.connections import clean_base_url, host_of
from modeltab.domain.errors import BadRequest, ModelTabError, record_of
from modeltab.domain.prices import Price, find, price_book
from modeltab.state.prices import MAX_PRICE
from modeltab.state.store import Dialog

_FORM = "prices"


async def load(app: App) -> None:
    """Read the list that comes with the app."""
    app.update(prices=await app.page.read_prices())


def open_(app: App, event: UiEvent) -> None:
    """Show the prices; the form is for a new one."""
    app.update(dialog=Dialog(_FORM))


def edit(app: App, event: UiEvent) -> None:
    """Put a price into the form, to be changed. `event.id` is its host and its model, with a space between them."""
    host, _, model = event.id.partition(" ")
    price = find(price_book(app.state.prices, app.state.settings.prices), host, model)
    dialog = app.state.dialog
    if price is None or dialog is None:
        return
    cached = "" if price.cached is None else f"{price.cached:g}"
    values = {"host": host, "model": model, "input": f"{price.input:g}", "output": f"{price.output:g}", "cached": cached}
    app.update(dialog=Dialog(_FORM, values=values, revision=dialog.revision + 1))
    app.page.focus("price-input")


def save(app: App, event: UiEvent) -> None:
    """Keep a price of one's own; the answers that it is for show it at once."""
    dialog = app.state.dialog
    if dialog is None:
        return
    try:
        price = _price(app, event)
    except ModelTabError as error:
        app.update(dialog=dialog._replace(error=record_of(error)))
        return
    others = tuple(p for p in app.state.settings.prices if (p.host, p.model) != (price.host, price.model))
    app.set_setting(prices=tuple(sorted((*others, price))))
    app.update(dialog=Dialog(_FORM, note=f"The price of {price.model} is kept.", revision=dialog.revision + 1))
    app.say(f"The price of {price.model} is kept")


def remove(app: App, event: UiEvent) -> None:
    """Forget a price of one's own; a list price counts again where there is one."""
    host, _, model = event.id.partition(" ")
    app.set_setting(prices=tuple(p for p in app.state.settings.prices if (p.host, p.model) != (host, model)))
    app.say(f"Your price of {model} is removed")


def _price(app: App, event: UiEvent) -> Price:
    model = event.values.get("model", "").strip()
    if not model:
        raise BadRequest("The model is missing.", "Type its name as the connection lists it.")
    host = host_of(clean_base_url(event.values.get("host", "")))
    cached = event.values.get("cached", "").strip()
    return Price(
        host,
        model,
        _amount(event.values.get("input", ""), "a prompt token"),
        _amount(event.values.get("output", ""), "an answer token"),
        _amount(cached, "a cached token") if cached else None,
        datetime.fromtimestamp(app.clock(), UTC).date().isoformat(),
        own=True,
    )


def _amount(text: str, what: str) -> float:
    try:
        amount = float(text.strip().replace(",", "."))
    except ValueError:
        raise BadRequest(
            f"The price of {what} is missing or no number.", "Type dollars per million tokens, like 0.25."
        ) from None
    if not 0 <= amount <= MAX_PRICE:
        raise BadRequest(f"The price of {what} is out of range.", f"Type 0 to {MAX_PRICE:,.0f} dollars per million tokens.")
    return amount
