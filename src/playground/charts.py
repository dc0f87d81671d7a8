"""A bar chart as SVG: plotting libraries are compiled code, which a sandbox that loads nothing cannot have."""

from collections.abc import Mapping
from html import escape

_ROW, _NAME, _BAR, _WIDTH = 30, 200, 360, 640


class BarChart:
    """One bar a value. `display` draws it.

    :param values: name → number, none below 0.
    :param unit: what stands behind each number.
    """

    def __init__(self, values: Mapping[str, float], title: str = "", unit: str = "") -> None:
        if any(value < 0 for value in values.values()):
            raise ValueError("A bar chart's values cannot be below 0.")
        self.values = dict(values)
        self.title = title
        self.unit = unit

    def _repr_svg_(self) -> str:
        top = 34 if self.title else 8
        height = top + _ROW * len(self.values) + 8
        most = max(self.values.values(), default=0) or 1
        parts = [f'<text x="8" y="22" font-weight="600">{escape(self.title)}</text>' if self.title else ""]
        for place, (name, value) in enumerate(self.values.items()):
            y = top + _ROW * place
            length = _BAR * value / most
            label = name if len(name) <= 28 else name[:27] + "…"
            parts.append(
                f'<text x="{_NAME - 8}" y="{y + 19}" text-anchor="end">{escape(label)}</text>'
                f'<rect x="{_NAME}" y="{y + 5}" width="{length:.1f}" height="20" rx="3" fill="#3f50dc"/>'
                f'<text x="{_NAME + length + 6:.1f}" y="{y + 19}">{value:.3g} {escape(self.unit)}</text>'
            )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
            f'font-family="system-ui, sans-serif" font-size="13" fill="#1e1d1a"><title>{escape(self.title)}</title>'
            f"{''.join(parts)}</svg>"
        )
