"""The chart of the ratios, as SVG: two groups, since of some less is better, and a mark where each goal is."""

from collections.abc import Iterator, Sequence
from html import escape

from benchmarks.figures import Outcome
from benchmarks.report import value

WIDTH, NAMES, FIGURES = 800, 340, 90
ROW, BAR, HEAD = 34, 16, 44
PLOT = WIDTH - NAMES - FIGURES
#: A bar that would be longer than this many times its group's largest goal is cut off and says so.
LONGEST = 1.6
#: What the colours say.
LEGEND = {"bar": "goal reached", "short": "fell short", "unset": "no goal set"}
#: Colours for both: a picture in a page is told of the page's scheme by the media query alone.
STYLE = """text{font:13px system-ui,sans-serif;fill:#1f2328}.quiet{fill:#59636e}.group{font-weight:600}
.bar{fill:#2f6feb}.short{fill:#bc4c00}.unset{fill:#8b949e}
.even{stroke:#8b949e;stroke-dasharray:2 3}.goal{stroke:#1f2328;stroke-width:2}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.quiet{fill:#9198a1}.bar{fill:#4c8dff}.short{fill:#f0883e}
.unset{fill:#6e7681}.even{stroke:#6e7681}.goal{stroke:#e6edf3}}"""


def chart(outcomes: Sequence[Outcome], caption: str) -> str:
    """The picture. Only ratios are in it; `caption` stands below."""
    ratios = [one for one in outcomes if one.against]
    groups = [
        ("Less is better", [one for one in ratios if not one.more_is_better]),
        ("More is better", [one for one in ratios if one.more_is_better]),
    ]
    body: list[str] = []
    top = 8
    for title, members in groups:
        if members:
            body += _group(title, members, top)
            top += HEAD + ROW * len(members) + 10
    for number, (look, said) in enumerate(LEGEND.items()):
        body.append(f'<circle class="{look}" cx="{5 + 130 * number}" cy="{top + 10}" r="5"/>')
        body.append(_text(16 + 130 * number, top + 14, said, "quiet"))
    body.append(_text(NAMES + 66, top + 14, f"line: goal · dotted: as the other · {caption}", "quiet"))
    height = top + 26
    said = escape("ModelTab against others: " + "; ".join(f"{_name(one)} {value(one, one.value)}" for one in ratios))
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    return f"{head}\n<title>{said}</title>\n<style>{STYLE}</style>\n" + "\n".join(body) + "\n</svg>\n"


def _group(title: str, members: Sequence[Outcome], top: int) -> Iterator[str]:
    goals = [one.goal for one in members if one.goal is not None]
    most = max([*goals, 1.0]) * LONGEST
    scale = PLOT / min(most, max([*(one.value for one in members), *goals, 1.0]) * 1.05)
    yield _text(0, top + 20, title, "group")
    yield _text(NAMES, top + 20, "ModelTab ÷ the other", "quiet")
    first, last = top + HEAD - 14, top + HEAD + ROW * len(members) - 10
    yield _line(NAMES + scale, first, last, "even")
    for number, one in enumerate(members):
        middle = top + HEAD + ROW * number + BAR // 2
        long = min(one.value * scale, PLOT)
        look = {None: "unset", True: "bar", False: "short"}[one.reached]
        yield _text(0, middle + 5, _name(one))
        yield f'<rect class="{look}" x="{NAMES}" y="{middle - BAR // 2}" width="{long:.1f}" height="{BAR}" rx="2"/>'
        if one.goal is not None:
            yield _line(NAMES + one.goal * scale, middle - BAR // 2 - 4, middle + BAR // 2 + 4, "goal")
        cut = "→ " if one.value * scale > PLOT else ""
        yield _text(NAMES + PLOT + 10, middle + 5, f"{cut}{value(one, one.value)}")


def _name(one: Outcome) -> str:
    return f"{one.what} / {one.against}"


def _text(x: float, y: float, said: str, look: str = "") -> str:
    marked = f' class="{look}"' if look else ""
    return f'<text{marked} x="{x:.0f}" y="{y:.0f}">{escape(said)}</text>'


def _line(x: float, top: float, bottom: float, look: str) -> str:
    return f'<line class="{look}" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>'
