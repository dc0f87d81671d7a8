"""Runs one piece of code: its output streams to the page, its last expression is shown, its failure is readable."""

import ast
import builtins
import inspect
import io
import linecache
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from playground.bridge import Bridge
from playground.showing import shown

FILE = "snippet.py"
#: So many pieces of output go out in a second, each as soon as a line is whole; what is more waits so many seconds.
_BURST, _PAUSE = 50, 0.03
#: So many characters go out in one piece at most.
_PIECE = 8192
#: More than this, in characters, is not sent: nobody reads it, and the page would have to show it.
MAX_OUTPUT = 200_000
#: What an error does not say by itself: name of the exception, or of the browser's error → what to do.
_REFUSED = (
    "Either nothing listens at that address, or the server does not let this code read its answers (CORS): the sandbox's "
    'origin is "null", so the server has to allow every origin. With "Offline only" on, only this machine can be reached.'
)
_NOT_THERE = "Here are most of Python's standard library, requests, urllib3 and modeltab; nothing else can be installed."
_HINTS = {
    "NetworkError": _REFUSED,
    "ConnectionError": _REFUSED,
    "URLError": _REFUSED,
    "ModuleNotFoundError": _NOT_THERE,
}


class Output(io.TextIOBase):
    """What is printed, on its way to the page.

    :param kind: "stdout" or "stderr".
    """

    def __init__(self, send: Callable[[dict[str, Any]], None], kind: str) -> None:
        self._send = send
        self._kind = kind
        self._held = ""
        self._sent = 0
        self._last = 0.0
        self._second = 0.0
        self._pieces = 0

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Send whole lines at once, but in a burst not each by itself."""
        self._held += text
        now = time.monotonic()
        rested = now - self._last > _PAUSE
        if len(self._held) > _PIECE or rested or ("\n" in text and self._is_calm(now)):
            self.flush()
        return len(text)

    def _is_calm(self, now: float) -> bool:
        if now - self._second > 1:
            self._second, self._pieces = now, 0
        self._pieces += 1
        return self._pieces <= _BURST

    def flush(self) -> None:
        """Send what is held."""
        text, self._held = self._held[: MAX_OUTPUT - self._sent], ""
        if text:
            self._sent += len(text)
            self._last = time.monotonic()
            self._send({"kind": self._kind, "text": text})
            if self._sent >= MAX_OUTPUT:
                self._send({"kind": "note", "text": f"Only the first {MAX_OUTPUT:,} characters are shown."})


class Runner:
    """Runs code once: a sandbox is new for each run."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self.outputs = [Output(bridge.send, "stdout"), Output(bridge.send, "stderr")]

    async def run(self, code: str) -> None:
        """Run code, and tell the page how it ended."""
        linecache.cache[FILE] = (len(code), None, code.splitlines(True), FILE)
        sys.stdout, sys.stderr = self.outputs
        builtins.input = _no_input
        builtins.display = self.display  # type: ignore[attr-defined]
        ended = {"kind": "ended", "status": "done"}
        try:
            value = await evaluated(code, {"__name__": "__main__", "__builtins__": builtins})
            if value is not None:
                self.display(value)
        except SystemExit as error:
            if error.code not in (None, 0):
                ended = {"kind": "ended", "status": "error", "text": f"SystemExit: {error.code}\n", "hint": ""}
        except (Exception, KeyboardInterrupt) as error:
            ended = {"kind": "ended", "status": "error", "text": readable(error), "hint": hint(error)}
        self.flush()
        self._bridge.send(ended)

    def display(self, *values: object) -> None:
        """Show values below the code: tables, pictures, HTML, text."""
        for value in values:
            self.flush()
            self._bridge.send(shown(value))

    def flush(self) -> None:
        """Send what is printed and still held."""
        for output in self.outputs:
            output.flush()


async def evaluated(code: str, namespace: dict[str, Any]) -> object:
    """Run code, which may await; the value of its last line if that is an expression.

    :raises SyntaxError: when it is not Python.
    """
    tree = ast.parse(code, FILE)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    await _done(compile(tree, FILE, "exec", flags), namespace)
    if not isinstance(last, ast.Expr):
        return None
    return await _done(compile(ast.Expression(last.value), FILE, "eval", flags), namespace)


async def _done(code: Any, namespace: dict[str, Any]) -> object:
    value = eval(code, namespace)
    return await value if code.co_flags & inspect.CO_COROUTINE else value


def readable(error: BaseException) -> str:
    """A traceback with the person's own lines alone; what happened inside libraries is in its last line."""
    told = traceback.TracebackException.from_exception(error)
    _keep_own(told)
    return "".join(told.format())


def _keep_own(told: traceback.TracebackException) -> None:
    told.stack = traceback.StackSummary.from_list([frame for frame in told.stack if frame.filename == FILE])
    told.__cause__ = _own(told.__cause__)
    told.__context__ = _own(told.__context__)


def _own(told: traceback.TracebackException | None) -> traceback.TracebackException | None:
    if told is None or all(frame.filename != FILE for frame in told.stack):
        return None
    _keep_own(told)
    return told


def hint(error: BaseException) -> str:
    """What to do about an error, where its own text does not say it."""
    seen: BaseException | None = error
    while seen is not None:
        for name in (str(getattr(seen, "name", "")), type(seen).__name__):
            if name in _HINTS:
                return _HINTS[name]
        seen = seen.__cause__ or seen.__context__
    return ""


def _no_input(prompt: object = "") -> str:
    raise RuntimeError("input() has nobody to ask in the playground. Write the value into the code.")
