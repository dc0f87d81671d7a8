"""The results of all comparisons: a table, a chart, and the list of what was compared."""

from modeltab.domain.comparisons import Comparison, Standing, standings
from modeltab.state.store import State
from modeltab.views import format as fmt
from modeltab.views.figures import place_words
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button, icon_button

_RESULTS = Template(
    '<section class="compare-results" aria-label="Results"><header class="compare-results-head"><h2>Results</h2>'
    '<div class="page-actions">{actions}</div></header>{table}<div class="compare-charts">{charts}</div></section>'
)
_TABLE = Template(
    '<div class="compare-table"><table aria-label="Results"><thead><tr><th scope="col">Model</th><th scope="col">Best</th>'
    '<th scope="col">Ties</th><th scope="col">First token</th><th scope="col">Speed</th><th scope="col">Tokens</th>'
    '<th scope="col">Cost</th></tr></thead><tbody>{rows}</tbody></table></div>'
)
_ROW = Template(
    '<tr aria-label="{model}"><th scope="row">{model}<span class="cell-sub">{place}</span></th><td>{best}</td><td>{ties}</td>'
    "<td>{first}</td><td>{speed}</td><td>{tokens}</td><td>{cost}</td></tr>"
)
_CHART = Template(
    '<figure class="compare-chart"><figcaption>{title}</figcaption>'
    '<svg viewBox="0 0 320 {height}" role="img" aria-label="{label}">{bars}</svg></figure>'
)
_BAR = Template(
    '<g transform="translate(0 {top})"><text class="chart-name" x="0" y="12">{name}</text>'
    '<rect class="chart-track" x="0" y="17" width="320" height="10" rx="3"></rect>'
    '<rect class="chart-bar" x="0" y="17" width="{width}" height="10" rx="3"><title>{name}: {value}</title></rect>'
    '<text class="chart-value" x="320" y="12" text-anchor="end">{value}</text></g>'
)
_LIST = Template(
    '<section class="compare-list" aria-label="Earlier comparisons"><h2>Comparisons</h2>'
    '<ul role="list" aria-label="Comparisons">{items}</ul>{note}</section>'
)
_ITEM = Template(
    '<li class="compare-item" aria-label="{title}"><a href="#/compare/{id}" aria-current="{current}">{title}</a>'
    '<span class="muted">{about}</span>{delete}</li>'
)
_NOTE = Template('<p class="muted">{text}</p>')

_STEP = 34
#: A name longer than this would run into the figure beside it.
_NAME = 32


def page(state: State) -> Html:
    """The results of all votes and answers, then the list of comparisons."""
    rows = standings(state.comparisons)
    results = EMPTY
    if rows:
        actions = [
            button("Export CSV", "compare.export.csv", kind="small"),
            button("Export JSON", "compare.export.json", kind="small"),
        ]
        results = _RESULTS(actions=join(actions), table=_TABLE(rows=join(map(_row, rows))), charts=_charts(rows))
    return join([results, _list(state)])


def _row(row: Standing) -> Html:
    return _ROW(
        model=row.model,
        place=place_words(row.place),
        best=f"{row.best} of {row.votes}" if row.votes else "no vote yet",
        ties=row.ties,
        first="" if row.first_token_seconds is None else fmt.seconds(row.first_token_seconds),
        speed="" if row.tokens_per_second is None else fmt.speed(row.tokens_per_second),
        tokens=f"{row.tokens:,}",
        cost="" if row.cost is None else fmt.dollars(row.cost),
    )


def _charts(rows: list[Standing]) -> Html:
    voted = [(row.model, row.best / row.votes, f"{row.best / row.votes:.0%}") for row in rows if row.votes]
    fast = [(row.model, row.tokens_per_second, f"{row.tokens_per_second:.1f}") for row in rows if row.tokens_per_second]
    charts = [_chart("Voted best", voted, 1.0)] if voted else []
    if fast:
        charts.append(_chart("Tokens per second", fast, max(speed for _, speed, _ in fast)))
    return join(charts)


def _chart(title: str, bars: list[tuple[str, float, str]], full: float) -> Html:
    label = f"{title}: " + "; ".join(f"{name} {text}" for name, _, text in bars)
    drawn = [
        _BAR(
            name=name if len(name) <= _NAME else name[: _NAME - 1] + "…",
            value=text,
            top=place * _STEP,
            width=f"{320 * value / full:.1f}",
        )
        for place, (name, value, text) in enumerate(bars)
    ]
    return _CHART(title=title, label=label, height=len(bars) * _STEP, bars=join(drawn))


def _list(state: State) -> Html:
    if not state.comparisons_loaded and not state.comparisons:
        return EMPTY
    current = state.comparison.id if state.comparison else ""
    note = EMPTY if state.comparisons else _NOTE(text="What you compare is kept in this browser and listed here.")
    return _LIST(items=join(_item(c, c.id == current) for c in state.comparisons), note=note)


def _item(comparison: Comparison, is_current: bool) -> Html:
    count = len(comparison.shown)
    voted = sum(1 for round_ in comparison.rounds if round_.vote)
    votes = {0: "no vote yet", 1: "1 vote"}.get(voted, f"{voted} votes")
    return _ITEM(
        id=comparison.id,
        title=comparison.title,
        current="page" if is_current else "false",
        about=f"{count} columns · {votes}",
        delete=icon_button("delete", f"Delete {comparison.title}", "comparison.delete.ask", comparison.id),
    )
