"""Code that runs in the playground, and what comes out of it. What a sandbox sends is never trusted to be in shape."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

#: The languages that code is shown in; the sandbox runs the last two.
LANGUAGES = ("curl", "python", "javascript")
RUNNABLE = ("python", "javascript")
#: What is shown and kept of one run, in characters and in parts.
MAX_CHARACTERS, MAX_PARTS = 1_000_000, 500
#: So many runs are kept.
MAX_RUNS = 50

RunStatus = Literal["done", "stopped", "error"]
#: Text as it is printed; and what a value looks like.
_TEXTS = ("stdout", "stderr", "value", "note", "error", "hint", "svg", "png", "html")
_PRINTED = ("stdout", "stderr")


class Part(NamedTuple):
    """A piece of output.

    :param kind: "stdout", "stderr", "value", "note", "error", "hint", "svg", "png" (in base64), "html" or "table".
    :param columns: of a table, with its `rows`; `left_out`: how many rows are not among them.
    """

    kind: str
    text: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    left_out: int = 0


class CodeRun(NamedTuple):
    """One run.

    :param created: seconds since 1970; `seconds`, how long it took.
    :param model: the key of the model that was chosen.
    """

    id: str
    created: float
    language: str
    model: str
    code: str
    status: RunStatus = "done"
    seconds: float = 0.0
    output: tuple[Part, ...] = ()


def part_of(message: Mapping[str, Any]) -> Part | None:
    """A message of the sandbox as output; None when it is none."""
    kind, text = message.get("kind"), message.get("text")
    if kind in _TEXTS and isinstance(text, str):
        return Part(kind, text)
    columns, rows = message.get("columns"), message.get("rows")
    if kind == "table" and isinstance(columns, list) and isinstance(rows, list):
        cells = tuple(tuple(str(cell) for cell in row) for row in rows if isinstance(row, list))
        left_out = message.get("left_out")
        return Part("table", "", tuple(map(str, columns)), cells, left_out if isinstance(left_out, int) else 0)
    return None


def with_part(output: tuple[Part, ...], part: Part) -> tuple[Part, ...]:
    """The output with one more piece; what is printed in one go stays one piece. What is too much is left out."""
    if len(output) >= MAX_PARTS or sum(map(size_of, output)) + size_of(part) > MAX_CHARACTERS:
        told = Part("note", "There is more output than can be shown.")
        return output if output and output[-1] == told else (*output, told)
    if output and part.kind in _PRINTED and output[-1].kind == part.kind:
        return (*output[:-1], output[-1]._replace(text=output[-1].text + part.text))
    return (*output, part)


def size_of(part: Part) -> int:
    """Characters."""
    return len(part.text) + sum(len(cell) for row in part.rows for cell in row)


def run_to_json(run: CodeRun) -> dict[str, Any]:
    """A run's record."""
    return {**run._asdict(), "output": [part._asdict() for part in run.output]}


def run_from_json(value: Any) -> CodeRun | None:
    """A run from its record; None when it is none."""
    if not isinstance(value, Mapping):
        return None
    texts = {name: value.get(name) for name in ("id", "language", "model", "code")}
    created, seconds = value.get("created"), value.get("seconds")
    if not all(isinstance(text, str) for text in texts.values()) or not isinstance(created, int | float):
        return None
    output = value.get("output")
    parts = [part_of(item) for item in output if isinstance(item, Mapping)] if isinstance(output, list) else []
    status = value.get("status")
    return CodeRun(
        **texts,  # type: ignore[arg-type]
        created=created,
        status=status if status in ("done", "stopped", "error") else "stopped",
        seconds=seconds if isinstance(seconds, int | float) else 0.0,
        output=tuple(part for part in parts if part),
    )
