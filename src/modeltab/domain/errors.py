"""Everything that can go wrong, told so that a person can act on it.

ModelTabError
├── Unreachable           no answer at all: not running, wrong address, CORS, refused by the browser
│   └── NoAnswerInTime    it takes requests and does not answer them
├── NotForBrowsers        an API that answers no page of another origin, whatever is done
├── Redirected            the answer leads to another address, where no key and no prompt is sent
├── OfflineOnly           the person's own setting forbids the request
├── NotAsked              the page must not ask this address without a click
├── CutOff                the answer stopped before its end
├── BadReply              an answer that is not what the API promises
├── BadRequest            400, 413, 422: what was sent is refused
│   └── TooLarge          413
├── Unauthorized          401, 403
│   ├── KeyMissing        no key is kept for this address
│   └── KeysLocked        the keys are encrypted, and the passphrase has not been typed
├── WrongPassphrase       the passphrase is another
├── OutOfCredit           402
├── NotFound              404
├── Conflict              409
├── RateLimited           429
├── ServerFailed          5xx
├── StorageFull           the browser's storage has no room
├── StorageFailed         the browser's storage refused
├── NotAModel             a file that no runtime can load
└── EngineFailed          the engine in the tab refused or stopped
"""

from typing import NamedTuple


class ErrorRecord(NamedTuple):
    """An error as a value: kept with a message, shown in an alert."""

    message: str
    advice: str = ""
    detail: str = ""


class ModelTabError(Exception):
    """Something went wrong that a person can read about.

    :param message: what happened and why, one sentence, for a person.
    :param advice: what to do about it.
    :param detail: the technical detail, shown on request.
    :ivar transient: whether the same request may well succeed a little later.
    :ivar retry_after: the seconds that the server asked to wait, None when it did not say.
    """

    transient = False
    retry_after: float | None = None

    def __init__(self, message: str, advice: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.detail = detail

    def record(self) -> ErrorRecord:
        """The error as a value."""
        return ErrorRecord(self.message, self.advice, self.detail)


class Unreachable(ModelTabError):
    """No answer came: the browser does not tell a page why."""


class NoAnswerInTime(Unreachable):
    """The server takes requests and does not answer them."""


class NotForBrowsers(ModelTabError):
    """The API answers no page of another origin."""


class Redirected(ModelTabError):
    """The answer leads to another address."""


class OfflineOnly(ModelTabError):
    """The setting "Offline only" forbids the request."""


class CutOff(ModelTabError):
    """The answer stopped before its end."""


class BadReply(ModelTabError):
    """The answer is not what the API promises."""


class BadRequest(ModelTabError):
    """The server refuses what was sent."""


class TooLarge(BadRequest):
    """The server refuses the size of what was sent."""


class Unauthorized(ModelTabError):
    """The server wants other credentials."""


class KeyMissing(Unauthorized):
    """No key is kept for this address."""


class KeysLocked(Unauthorized):
    """The keys are encrypted, and locked."""


class WrongPassphrase(ModelTabError):
    """The passphrase is another."""


class OutOfCredit(ModelTabError):
    """The account behind the key has no credit left."""


class NotFound(ModelTabError):
    """The server does not have what was named."""


class Conflict(ModelTabError):
    """The server has something of that name already."""


class RateLimited(ModelTabError):
    """The server takes no more requests for now."""


class ServerFailed(ModelTabError):
    """The server failed while it worked on the request."""


class StorageFull(ModelTabError):
    """The browser's storage has no room."""


class StorageFailed(ModelTabError):
    """The browser's storage refused to work."""


class NotAModel(ModelTabError):
    """The file is not a model that a runtime can load."""


class EngineFailed(ModelTabError):
    """The engine in the tab refused a model or stopped."""


def unexpected(error: BaseException) -> ErrorRecord:
    """An error that nobody foresaw, as a value: honest about what it is."""
    return ErrorRecord(
        "ModelTab met an error that it did not expect.",
        "Try again. If it stays, report the details.",
        f"{type(error).__name__}: {error}",
    )


def record_of(error: BaseException) -> ErrorRecord:
    """Any exception as a value."""
    return error.record() if isinstance(error, ModelTabError) else unexpected(error)
