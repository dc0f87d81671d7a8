"""Databases in IndexedDB, through Dexie."""

from collections.abc import Mapping
from typing import Any

from modeltab.browser.interop import module, to_object

DEXIE = "./static/vendor/dexie/dexie.mjs"
ATTEMPT = "./static/js/attempt.mjs"


class DatabaseFailed(Exception):
    """The browser refused to read or write. The text is the error's name and message."""


async def opened(name: str, stores: Mapping[str, str]) -> Any:
    """A database. `stores`: its tables, each with its key and its indexes as Dexie writes them ("id, updated")."""
    database = (await module(DEXIE)).Dexie.new(name)
    database.version(1).stores(to_object(stores))
    return database


async def done(target: Any, method: str, *given: Any) -> Any:
    """What a method of Dexie's brings. `given` are JavaScript values.

    :raises DatabaseFailed: when it fails: called from here, its error could not be raised, and to await it would never end.
    """
    result = await (await module(ATTEMPT)).attempt(target, method, *given)
    if result.error:
        raise DatabaseFailed(str(result.error))
    return result.value
