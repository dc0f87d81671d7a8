"""What the page shows of the machine that it runs on: what the engine has there, the storage, the copy of the app in it."""

from typing import NamedTuple


class Device(NamedTuple):
    """What this device has for the engine in the tab.

    :param memory: bytes, as coarse as the browser tells it; None where it does not.
    :param has_memory64: whether the engine's heap can have 4 GiB rather than 2.
    """

    n_threads: int = 1
    gpu: bool = False
    memory: int | None = None
    has_memory64: bool = False


class Storage(NamedTuple):
    """The browser's storage, in bytes."""

    used: int = 0
    quota: int = 0
    persisted: bool = False


class Offline(NamedTuple):
    """The copy of the app that it starts from without a network.

    :param version: this page's; empty where it is not a built app, which has none.
    :param size: what the copy takes, in bytes.
    :param possible: whether the browser lets this page have one.
    :param kept: whether this version's is there; `busy`, whether it is being made; `error`, why that has failed.
    :param news: "new" when another version is ready, "incomplete" when a file of this one is lost for good; else empty.
    """

    version: str = ""
    size: int = 0
    possible: bool = False
    kept: bool = False
    busy: bool = False
    error: str = ""
    news: str = ""
