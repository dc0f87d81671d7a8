"""The API in this tab, on the Settings page: the switch, its addresses, who may call from elsewhere, and the log."""

from datetime import UTC, datetime

from modeltab.domain.calls import LEFT, STOPPED, Call
from modeltab.state.store import State
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button

_SECTION = Template(
    '<section class="card" aria-label="API in this tab"><h2>API in this tab</h2><div class="switch-row">'
    '<button class="switch" type="button" role="switch" aria-checked="{on}" aria-label="Let other pages use these models" '
    'aria-describedby="api-hint" data-action="api.toggle"><span></span></button><div>'
    '<strong>Let other pages use these models</strong><p class="field-hint" id="api-hint">Pages under {base} can then ask '
    "every model of every connection, and add and delete the models of this tab, while ModelTab is open. What they ask for may "
    "cost what your own messages cost; they never see a key. A page of another site has to ask you first.</p></div></div>"
    "{addresses}{origins}{log}</section>"
)
_ADDRESSES = Template('<dl class="api-addresses">{rows}</dl>')
_ADDRESS = Template("<div><dt>{name}</dt><dd><code>{url}</code>{copy}</dd></div>")
_ORIGINS = Template('<div><h3>Sites that may ask</h3><ul class="api-origins" aria-label="Sites that may ask">{rows}</ul></div>')
_ORIGIN = Template("<li><span>{origin}</span>{revoke}</li>")
_LOG = Template(
    '<div><h3>Calls</h3><div class="api-log" role="region" aria-label="Calls" tabindex="0"><table aria-label="Calls">'
    '<thead><tr><th scope="col">Time</th><th scope="col">Call</th><th scope="col">Status</th><th scope="col">Tokens</th></tr>'
    "</thead><tbody>{rows}</tbody></table></div>"
    '<div class="card-actions">{clear}</div></div>'
)
_CALL = Template(
    '<tr><td>{time}<span class="cell-sub">{date}</span></td><th scope="row">{call}<span class="cell-model">{model}</span>'
    '<span class="cell-sub">{caller}</span></th><td><span data-status="{kind}">{status}</span>'
    '<span class="cell-sub">{ms}</span></td><td>{tokens}</td></tr>'
)

_WORDS = {0: "running", LEFT: "cancelled", STOPPED: "stopped here"}


def section(state: State) -> Html:
    """The part of the Settings page."""
    settings = state.settings
    origins = join(
        _ORIGIN(origin=origin, revoke=button("Revoke", "api.revoke", origin, name=f"Revoke {origin}"))
        for origin in settings.api_origins
    )
    return _SECTION(
        on="true" if settings.api else "false",
        base=state.api_base or "this address",
        addresses=_addresses(state.api_base) if settings.api else EMPTY,
        origins=_ORIGINS(rows=origins) if settings.api_origins else EMPTY,
        log=_log(state.api_calls) if state.api_calls else EMPTY,
    )


def _addresses(base: str) -> Html:
    rows = (("OpenAI", base + "v1"), ("Local LLM API", base + "api/v1"), ("Bridge for other sites", base + "bridge.html"))
    return _ADDRESSES(
        rows=join(
            _ADDRESS(name=name, url=url, copy=button("Copy", "recipe.copy", url, name=f"Copy the address of {name}"))
            for name, url in rows
        )
    )


def _log(calls: tuple[Call, ...]) -> Html:
    return _LOG(rows=join(map(_call, calls)), clear=button("Clear log", "api.log.clear"))


def _call(call: Call) -> Html:
    counts = (call.prompt_tokens, call.completion_tokens)
    begun = datetime.fromtimestamp(call.started, UTC).astimezone()
    return _CALL(
        time=begun.strftime("%H:%M:%S"),
        date=begun.strftime("%Y-%m-%d"),
        call=f"{call.method} {call.path}",
        caller=call.caller,
        model=call.model,
        kind="good" if 200 <= call.status < 400 else "running" if not call.status else "bad",
        status=_WORDS.get(call.status, call.status),
        ms=f"{call.seconds * 1000:.0f} ms" if call.status else "",
        tokens=" + ".join(str(count or 0) for count in counts) if any(count is not None for count in counts) else "",
    )
