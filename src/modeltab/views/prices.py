"""The prices of models: the part of the Settings page, and the dialog in which they are seen and changed."""

from collections.abc import Mapping

from modeltab.domain.prices import Price, price_book
from modeltab.state.store import Dialog, State
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button, field, form_error, number_input, text_input

_SECTION = Template(
    '<section class="card" aria-label="Prices"><h2>Prices</h2><p class="field-hint">{text}</p>'
    '<div class="card-actions">{open}</div></section>'
)
_FORM = Template(
    '<form class="dialog-form" data-submit="prices.save">{error}<p class="dialog-lead">{lead}</p>{note}'
    '<div class="fields price-fields">{fields}</div><div class="dialog-bar">'
    '<span class="spacer"></span>{close}<button class="button primary" type="submit">Save price</button></div></form>{table}'
)
_NOTE = Template('<p class="dialog-lead" role="status">{text}</p>')
_TABLE = Template(
    '<div class="price-table"><table aria-label="Prices"><thead><tr><th scope="col">Model</th><th scope="col">Prompt</th>'
    '<th scope="col">Cached</th><th scope="col">Answer</th><th scope="col">As of</th>'
    '<th scope="col"><span class="visually-hidden">Actions</span></th></tr></thead><tbody>{rows}</tbody></table></div>'
)
_ROW = Template(
    '<tr aria-label="{model}"><th scope="row">{model}<span class="cell-sub">{host}</span></th><td>{input}</td><td>{cached}</td>'
    "<td>{output}</td><td>{as_of}</td><td>{actions}</td></tr>"
)

_LEAD = (
    "US dollars per million tokens. The list prices came with ModelTab and may be out of date: look at the date, "
    "and at your bill. Your own prices count before them. They stay in this browser."
)


def section(state: State) -> Html:
    """The part of the Settings page."""
    own = len(state.settings.prices)
    yours = f" {own} of your own {'count' if own > 1 else 'counts'} before them." if own else ""
    text = f"{len(state.prices)} list prices of hosted models tell what an answer cost. They may be out of date.{yours}"
    return _SECTION(text=text, open=button("Prices…", "prices.open", name="Prices"))


def dialog(state: State, item: Dialog) -> Html:
    """A form for a price, and all prices below it, those of one's own first."""
    prices = price_book(state.prices, state.settings.prices).values()
    rows = sorted(prices, key=lambda price: (not price.own, price.host, price.model))
    return _FORM(
        error=form_error(item.error),
        lead=_LEAD,
        note=_NOTE(text=item.note) if item.note else EMPTY,
        fields=_fields(item),
        close=button("Close", "dialog.close"),
        table=_TABLE(rows=join(map(_row, rows))) if rows else EMPTY,
    )


def _fields(item: Dialog) -> Html:
    values = item.values
    model = text_input("price-model", "model", values.get("model", ""), "gpt-5-mini", required=True)
    host = text_input("price-host", "host", values.get("host", ""), "api.openai.com", required=True)
    return join(
        [
            field("price-model", "Model", model, "As the connection lists it."),
            field("price-host", "Host", host, "Of the connection's address."),
            field("price-input", "Prompt", _number("input", values)),
            field("price-cached", "Cached prompt", _number("cached", values), "Empty: as the prompt."),
            field("price-output", "Answer", _number("output", values)),
        ]
    )


def _number(name: str, values: Mapping[str, str]) -> Html:
    return number_input(f"price-{name}", name, values.get(name, ""), "", "any", "0", "100000", False)


def _row(price: Price) -> Html:
    id_ = f"{price.host} {price.model}"
    actions = [button("Change", "prices.edit", id_, f"Change the price of {price.model}", "small")]
    if price.own:
        actions.append(button("Remove", "prices.remove", id_, f"Remove your price of {price.model}", "small danger"))
    return _ROW(
        model=price.model,
        host=price.host,
        input=f"${price.input:g}",
        cached="" if price.cached is None else f"${price.cached:g}",
        output=f"${price.output:g}",
        as_of=f"{price.as_of}, yours" if price.own else price.as_of,
        actions=join(actions),
    )
