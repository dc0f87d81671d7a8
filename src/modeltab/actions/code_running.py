"""Runs code in a sandbox of its own, shows what comes out of it, and keeps it."""

import asyncio
from collections.abc import Mapping
from typing import Any

from modeltab.actions import code_calls
from modeltab.actions.app import App, UiEvent
from modeltab.actions.code_ports import Sandbox
from modeltab.domain.code_runs import MAX_RUNS, RUNNABLE, CodeRun, Part, RunStatus, part_of, run_to_json, with_part
from modeltab.domain.errors import ModelTabError, record_of
from modeltab.state.updates import code_model


def warm(app: App) -> None:
    """Have a sandbox ready for the next run of what is shown: its Python takes longer to start than most code to run."""
    wanted = (app.state.code_page.tab, app.state.settings.offline_only)
    if app.code.warm and app.code.warm[0] == wanted:
        return
    _cool(app)
    if wanted[0] in RUNNABLE:
        app.code.warm = wanted, app.code.sandboxes.create(*wanted)


def _cool(app: App) -> None:
    if app.code.warm:
        app.code.warm[1].kill()
        app.code.warm = None


def leave(app: App) -> None:
    """The page is not shown any more: what waits there takes memory; what runs goes on."""
    _cool(app)


def run(app: App, code: str) -> None:
    """Run code in the language that is shown, unless some runs already."""
    page = app.state.code_page
    if page.phase or page.tab not in RUNNABLE or not code.strip():
        return
    run_ = CodeRun(app.new_id(), app.clock(), page.tab, code_model(app.state), code)
    app.code.allowed = None
    app.update(code_page=page._replace(phase="starting", shown=None), code_output=())
    app.code.running = app.spawn(_run(app, run_))


def stop(app: App, event: UiEvent) -> None:
    """End it at once: whatever the code does, its sandbox is taken away."""
    if app.code.sandbox:
        app.code.sandbox.kill()
    app.cancel(app.code.running)


async def _run(app: App, run_: CodeRun) -> None:
    warm(app)  # "Offline only" may have been switched since
    assert app.code.warm is not None
    sandbox, app.code.warm = app.code.warm[1], None
    app.code.sandbox = sandbox
    ended: asyncio.Future[RunStatus] = asyncio.get_running_loop().create_future()
    sandbox.hear = lambda message: _hear(app, sandbox, message, ended)
    status: RunStatus = "stopped"
    try:
        await sandbox.ready()
        app.update(code_page=app.state.code_page._replace(phase="running"))
        app.say("The code is running")
        sandbox.run(run_.code)
        status = await ended
    except asyncio.CancelledError:
        pass  # stopped, and said below
    except ModelTabError as error:
        status, record = "error", record_of(error)
        _show(app, Part("error", f"{record.message} {record.advice}"))
    finally:
        sandbox.kill()
        app.code.sandbox = None
        code_calls.end_all(app)
        await _keep(app, run_._replace(status=status, seconds=app.clock() - run_.created, output=app.state.code_output))
    app.say({"done": "The code has ended", "stopped": "The code is stopped", "error": "The code has failed"}[status])
    if app.state.route.page == "playground":
        warm(app)


def _hear(app: App, sandbox: Sandbox, message: Mapping[str, Any], ended: "asyncio.Future[RunStatus]") -> None:
    if ended.done() or app.code.sandbox is not sandbox:
        return
    kind = message.get("kind")
    if kind in ("ask", "cancel"):
        code_calls.hear(app, sandbox, message)
    elif kind == "ended":
        failed = message.get("status") == "error"
        for name, text in (("error", message.get("text")), ("hint", message.get("hint"))):
            if failed and isinstance(text, str) and text:
                _show(app, Part(name, text))
        ended.set_result("error" if failed else "done")
    elif part := part_of(message):
        _show(app, part)


def _show(app: App, part: Part) -> None:
    output = with_part(app.state.code_output, part)
    if output is not app.state.code_output:
        app.update(code_output=output)


async def _keep(app: App, run_: CodeRun) -> None:
    """Keep a run with its code, and let go of the oldest."""
    page = app.state.code_page
    runs = (run_, *page.runs)
    app.update(code_page=page._replace(phase="", asks=False, shown=run_, runs=runs[:MAX_RUNS]))
    await app.code.records.save(run_to_json(run_))
    if runs[MAX_RUNS:]:
        await app.code.records.delete([old.id for old in runs[MAX_RUNS:]])
