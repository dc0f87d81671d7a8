"""The sandbox's beginning: what static/js/sandbox_python.js calls once its Python is up."""

import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from playground import client
from playground.bridge import Bridge
from playground.running import Runner


def begin(post: Callable[[str], object]) -> tuple[Callable[[str], Any], Callable[[str], None]]:
    """Make ready for code: (what runs it, what takes the page's answers)."""
    from pyodide.ffi import can_run_sync, run_sync  # only there, as what `patch` imports

    from playground.network import patch

    patch()
    bridge = Bridge(post)
    runner = Runner(bridge)
    sys.modules["modeltab"] = client
    client.__name__ = "modeltab"

    def wait(work: Any) -> Any:
        if not can_run_sync():
            work.close()
            raise client.ModelError("Here Python cannot wait. Write await modeltab.chat_async(…), and the same for the others.")
        runner.flush()
        ended: list[Callable[[], Any]] = []  # what comes back through run_sync has been JavaScript's, where an Answer is a text
        run_sync(_keep(work, ended))
        return ended[0]()

    client.connect(bridge, wait)
    return runner.run, bridge.receive


async def _keep(work: Awaitable[Any], ended: list[Callable[[], Any]]) -> None:
    """Await work; what it ends with, a value or an error, is had by calling what stands in `ended` then."""
    try:
        value = await work
    except Exception as error:
        ended.append(partial(_fail, error))
    else:
        ended.append(lambda: value)


def _fail(error: Exception) -> None:
    raise error
