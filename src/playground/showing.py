"""What a value looks like below the code: a table, a picture, HTML, or text."""

import base64
import pprint
from collections.abc import Mapping, Sequence
from typing import Any

#: What is shown of a long table.
MAX_ROWS, MAX_COLUMNS = 500, 50


def shown(value: object) -> dict[str, Any]:
    """A value as a message to the page.

    What can draw itself does, by the methods that notebooks ask for: `_repr_svg_`, `_repr_png_`, `_repr_html_`. A list of
    dictionaries is a table; of everything else, its text.
    """
    for method, kind in (("_repr_svg_", "svg"), ("_repr_png_", "png"), ("_repr_html_", "html")):
        content = _drawn(value, method)
        if isinstance(content, bytes):
            content = base64.b64encode(content).decode("ascii")
        if isinstance(content, str) and content:
            return {"kind": kind, "text": content}
    if is_table(value):
        return table(value)  # type: ignore[arg-type]
    return {"kind": "value", "text": str(value) if type(value).__str__ is str.__str__ else pprint.pformat(value, width=100)}


def is_table(value: object) -> bool:
    """Whether a value is a list of dictionaries."""
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(row, Mapping) for row in value)


def table(rows: Sequence[Mapping[Any, Any]]) -> dict[str, Any]:
    """A table: its columns are the keys of all rows, in the order of their first appearance."""
    columns = list(dict.fromkeys(key for row in rows for key in row))[:MAX_COLUMNS]
    cells = [[_cell(row.get(column)) for column in columns] for row in rows[:MAX_ROWS]]
    return {"kind": "table", "columns": [str(column) for column in columns], "rows": cells, "left_out": len(rows) - len(cells)}


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _drawn(value: object, method: str) -> object:
    draw = None if isinstance(value, type) else getattr(value, method, None)
    return draw() if callable(draw) else None
