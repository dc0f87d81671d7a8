"""Which part of the two APIs a call is for, and how a failure is told in the shape of the one that was called."""

from collections.abc import Awaitable, Callable

from modeltab.domain.errors import ModelTabError
from modeltab.endpoint import local_llm_api, openai_api
from modeltab.endpoint.errors import CallError, openai_error, retry_headers, status_of, words_of
from modeltab.endpoint.values import Exchange, Host

Handler = Callable[[Exchange, Host], Awaitable[None]]

#: Path → method → what answers. A path that ends in a slash stands for all below it.
ROUTES: dict[str, dict[str, Handler]] = {
    "v1/models": {"GET": openai_api.models},
    "v1/models/": {"GET": openai_api.model},
    "v1/chat/completions": {"POST": openai_api.chat},
    "v1/completions": {"POST": openai_api.completions},
    "v1/embeddings": {"POST": openai_api.embeddings},
    "api/v1/health": {"GET": local_llm_api.health},
    "api/v1/models": {"GET": local_llm_api.models, "POST": local_llm_api.upload},
    "api/v1/models/": {"DELETE": local_llm_api.delete},
    "api/v1/models/sync": {"POST": local_llm_api.sync},
    "api/v1/generate": {"POST": local_llm_api.generate},
    "api/v1/cache/clear": {"POST": local_llm_api.cache_clear},
    "api/v1/cache/status": {"GET": local_llm_api.cache_status},
}


async def answer(exchange: Exchange, host: Host) -> None:
    """Answer a call. What it fails with is told to the caller; what nobody foresaw is raised again then."""
    try:
        await _handler(exchange)(exchange, host)
    except Exception as error:
        fail(exchange, error)
        if not isinstance(error, ModelTabError):
            raise


def fail(exchange: Exchange, error: BaseException) -> None:
    """Tell a failure as the answer still can: by its status, by an event, or by an end before the end."""
    if not exchange.status:
        local = exchange.request.path.startswith("api/")
        value = local_llm_api.error_value(exchange.request, error) if local else openai_error(error)
        status = status_of(error)
        if local and status not in (400, 401, 403, 404, 405, 409, 503):
            status = 500
        exchange.answer(value, status, {**retry_headers(error), **_allow(exchange, status)})
    elif exchange.streams:
        exchange.event(openai_error(error))
        exchange.end()
    else:
        exchange.break_off(words_of(error))


def _handler(exchange: Exchange) -> Handler:
    request = exchange.request
    methods = _methods(request.path)
    if not methods:
        raise CallError(404, f"There is nothing at {request.path}.", "unknown_url")
    if request.method not in methods:
        raise CallError(405, f"{request.path} takes {' and '.join(methods)}, not {request.method}.", "method_not_allowed")
    return methods[request.method]


def _methods(path: str) -> dict[str, Handler]:
    above = next((name for name in ROUTES if name.endswith("/") and path.startswith(name) and path != name), "")
    return ROUTES.get(path) or ROUTES.get(above, {}) if not path.endswith("/") else {}


def _allow(exchange: Exchange, status: int) -> dict[str, str]:
    return {"allow": ", ".join(_methods(exchange.request.path))} if status == 405 else {}
