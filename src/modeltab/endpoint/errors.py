"""What goes wrong with a call, as the two APIs tell it.

Source of OpenAI's shape: its API reference, "Error codes", and the classes that npm's `openai` makes of a status.
"""

from modeltab.domain import errors
from modeltab.domain.errors import ModelTabError
from modeltab.providers.base import Json


class CallError(ModelTabError):
    """A call that cannot be answered as it is.

    :param code: OpenAI's `code`; `param`, the field that it is about.
    """

    def __init__(self, status: int, message: str, code: str = "", param: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param


_STATUSES: tuple[tuple[type[ModelTabError], int, str], ...] = (
    (errors.TooLarge, 413, "too_large"),
    (errors.BadRequest, 400, ""),
    (errors.KeysLocked, 401, "keys_locked"),
    (errors.KeyMissing, 401, "key_missing"),
    (errors.Unauthorized, 401, "unauthorized"),
    (errors.OutOfCredit, 402, "insufficient_quota"),
    (errors.OfflineOnly, 403, "offline_only"),
    (errors.NotFound, 404, "not_found"),
    (errors.Conflict, 409, "conflict"),
    (errors.RateLimited, 429, "rate_limit_exceeded"),
    (errors.NotAModel, 400, "not_a_model"),
    (errors.EngineFailed, 500, "engine_failed"),
    (errors.StorageFull, 507, "storage_full"),
    (errors.StorageFailed, 500, "storage_failed"),
    (errors.NoAnswerInTime, 504, "timeout"),
    (errors.Unreachable, 502, "unreachable"),
)
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def status_of(error: BaseException) -> int:
    """The HTTP status of a failure."""
    if isinstance(error, CallError):
        return error.status
    if not isinstance(error, ModelTabError):
        return 500
    return next((status for kind, status, _ in _STATUSES if isinstance(error, kind)), 502)


def words_of(error: BaseException) -> str:
    """What happened and what to do, in one text."""
    record = errors.record_of(error)
    return f"{record.message} {record.advice}".strip()


def openai_error(error: BaseException) -> Json:
    """A failure in OpenAI's shape."""
    status = status_of(error)
    code = next((code for kind, _, code in _STATUSES if isinstance(error, kind)), "")
    if isinstance(error, CallError):
        code = error.code
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    param = error.param if isinstance(error, CallError) else ""
    return {"error": {"message": words_of(error), "type": kind, "param": param or None, "code": code or None}}


def local_error(error: BaseException) -> Json:
    """A failure in the Local LLM API's shape."""
    return {"error": words_of(error)}


def retry_headers(error: BaseException) -> dict[str, str]:
    """When to ask again, where the provider has said so."""
    after = error.retry_after if isinstance(error, ModelTabError) else None
    return {"retry-after": f"{after:.0f}"} if after else {}
