"""The keys of the connections: in memory while they are usable, on record as the person chose.

Keys are not in the state and not in the configuration: what shows, logs or exports those can have none. Each is bound to
the origin of the base URL that it was typed for.
"""

import asyncio
import base64
import json
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from modeltab.domain.connections import Connection, origin_of
from modeltab.domain.errors import BadRequest, KeyMissing, KeysLocked, StorageFailed, WrongPassphrase
from modeltab.domain.keys import KeyHint, KeysStatus, Protection, StoredKey, hidden, masked
from modeltab.state.records import UnreadableError

#: The version of the record, and of what the passphrase becomes: PBKDF2 with SHA-256, as many rounds as OWASP asks for.
KEYS_VERSION = 1
KDF = "PBKDF2-SHA-256"
ROUNDS = 600_000
#: More rounds than this, on record, would hold the page up for minutes: nobody wrote that.
MOST_ROUNDS = 20_000_000
SALT_BYTES = 16
SHORTEST_PASSPHRASE = 8
_STILL_THERE = "What was kept may still be there: clear this page's site data in the browser's settings."
_CHECK = b"ModelTab"
_CHECK_CONTEXT = "check"

Record = dict[str, Any]


class Sealed(NamedTuple):
    """A text that is encrypted with AES-GCM: the nonce, and the ciphertext with its tag."""

    nonce: bytes
    data: bytes


class Vault(Protocol):
    """Encrypts. What a passphrase became never leaves it: `Any` is a handle of its own."""

    available: bool

    def random(self, count: int) -> bytes:
        """Random bytes, fit for cryptography."""
        ...

    async def derive(self, passphrase: str, salt: bytes, rounds: int) -> Any:
        """The AES-GCM-256 key of a passphrase, by PBKDF2 with SHA-256."""
        ...

    async def seal(self, key: Any, text: bytes, context: str) -> Sealed:
        """Encrypt, under a nonce of its own. Only the same `context` opens it again."""
        ...

    async def open(self, key: Any, sealed: Sealed, context: str) -> bytes:
        """Decrypt.

        :raises WrongPassphrase: when the key or the context is another, or the text was changed.
        """
        ...


class KeyRecord(Protocol):
    """Where the record is kept."""

    def read(self) -> tuple[Any, str]:
        """The record, None when there is none; and what is wrong with it, or an empty text."""
        ...

    def write(self, value: Any) -> str:
        """Keep it; what went wrong, or an empty text."""
        ...

    def set_aside(self, reason: str) -> str:
        """Move a record that cannot be used out of the way; what to tell about it."""
        ...

    def drop_aside(self) -> None:
        """Forget what was moved out of the way."""
        ...

    def clear(self) -> None:
        """Forget it, and what was moved out of the way."""
        ...


class KeyRing:
    """Holds the keys. `protection` is how they are kept; `locked` is whether a passphrase has to be typed first."""

    def __init__(self, record: KeyRecord, vault: Vault) -> None:
        self._record = record
        self._vault = vault
        self._keys: dict[str, StoredKey] = {}
        self._sealed: dict[str, tuple[str, Sealed]] = {}
        self._lock: Record = {}
        self._opened: Any = None
        self._turn = asyncio.Lock()  # encryption takes its time: what it works on changes for one at a time
        self.protection: Protection = "browser"

    @property
    def locked(self) -> bool:
        """Whether there is a passphrase that has not been typed."""
        return self.protection == "passphrase" and self._opened is None

    def load(self) -> str:
        """Read the record; what is wrong with it, or an empty text."""
        value, problem = self._record.read()
        if value is None:
            return problem
        try:
            self._take(value)
        except (UnreadableError, ValueError, TypeError, KeyError, AttributeError) as error:
            self._forget()
            return self._record.set_aside(str(error))
        return problem

    async def reload(self) -> str:
        """Another tab has changed the record: take it as it is now, and stay unlocked if the passphrase is the same.

        What is wrong with the record, or an empty text.
        """
        async with self._turn:
            lock, opened = self._lock, self._opened
            kept = self._keys if self.protection == "session" else {}
            self._forget()
            problem = self.load()
            if self.protection == "session":
                self._keys = kept
            elif self.protection == "passphrase" and opened is not None and lock == self._lock:
                self._opened, self._keys = opened, await self._opened_with(opened)
            return problem

    def key(self, connection: Connection) -> str:
        """The key for a connection's address, empty when it has none.

        :raises KeysLocked: when it is encrypted and the passphrase has not been typed.
        :raises KeyMissing: when the key that is kept belongs to another origin.
        """
        origin = self.origin(connection.id)
        if not origin:
            return ""
        if origin != origin_of(connection.base_url):
            raise KeyMissing(
                f"The key of {connection.name} is for {origin}, and is sent nowhere else.",
                f"Edit the connection and paste the key for {origin_of(connection.base_url)}.",
            )
        if self.locked:
            raise KeysLocked("The keys are locked.", "Unlock them with your passphrase.")
        if connection.id not in self._keys:
            raise KeyMissing(f"The key of {connection.name} cannot be read.", "Edit the connection and paste it again.")
        return self._keys[connection.id].secret

    def origin(self, connection_id: str) -> str:
        """The origin that a connection's key is for, empty when it has none."""
        if connection_id in self._keys:
            return self._keys[connection_id].origin
        return self._sealed[connection_id][0] if connection_id in self._sealed else ""

    def status(self) -> KeysStatus:
        """What the page shows of the keys."""
        hints = {id_: KeyHint(origin, "") for id_, (origin, _) in self._sealed.items()}
        hints |= {id_: KeyHint(key.origin, masked(key.secret)) for id_, key in self._keys.items()}
        return KeysStatus(self.protection, self.locked, hints, self._vault.available)

    async def set(self, connection_id: str, base_url: str, secret: str) -> None:
        """Keep a key for the origin of an address.

        :raises KeysLocked: when keys are encrypted and the passphrase has not been typed.
        :raises StorageFailed: when the browser keeps nothing; it is usable until the page is closed.
        """
        async with self._turn:
            if self.locked:
                raise KeysLocked("The keys are locked.", "Unlock them with your passphrase, then save again.")
            key = StoredKey(origin_of(base_url), secret)
            if self.protection == "passphrase":
                self._sealed[connection_id] = await self._seal(self._opened, connection_id, key)
            if not self.locked:
                self._keys[connection_id] = key
            self._write("The key works until the page is closed. Allow site data for this page to keep it.")

    def hide(self, text: str) -> str:
        """A text that leaves the app, without the keys that stand in it. Locked keys are not known, so not found."""
        for key in self._keys.values():
            text = hidden(text, key.secret)
        return text

    def erase(self, connection_id: str) -> None:
        """Forget a connection's key, in memory and on record. Needs no passphrase.

        :raises StorageFailed: when it stays on record.
        """
        if self.origin(connection_id):
            self._keys.pop(connection_id, None)
            self._sealed.pop(connection_id, None)
            self._write(_STILL_THERE)

    def erase_all(self) -> None:
        """Forget every key, and the passphrase; how keys are kept stays unless that needs a passphrase.

        :raises StorageFailed: when they stay on record.
        """
        protection: Protection = "browser" if self.protection == "passphrase" else self.protection
        self._forget()
        self.protection = protection
        self._write(_STILL_THERE)
        self._record.drop_aside()

    async def protect(self, protection: Protection, passphrase: str = "") -> None:
        """Keep the keys in another way from now on, those that are there too. Plain ones that were set aside go.

        :param passphrase: the new one, for "passphrase".
        :raises KeysLocked: when the keys that are there cannot be read yet.
        :raises BadRequest: when the passphrase is too short, or this page cannot encrypt.
        :raises StorageFailed: when the browser refuses; then they are kept as they were.
        """
        async with self._turn:
            if self.locked:
                raise KeysLocked("The keys are locked.", "Unlock them first; or erase them.")
            before = self.protection, self._lock, self._opened, self._sealed
            if protection == "passphrase":
                await self._new_lock(passphrase)
            else:
                self._lock, self._opened, self._sealed = {}, None, {}
            self.protection = protection
            try:
                self._write("Nothing has changed: the keys are kept as before. Allow site data for this page.")
            except StorageFailed:
                self.protection, self._lock, self._opened, self._sealed = before
                raise
            if protection != "browser":
                self._record.drop_aside()

    async def unlock(self, passphrase: str) -> None:
        """Make the encrypted keys usable.

        :raises WrongPassphrase: when it is another.
        """
        async with self._turn:
            if self.protection != "passphrase":
                return
            lock = self._lock
            opened = await self._vault.derive(passphrase, _bytes(lock["salt"]), lock["rounds"])
            await self._vault.open(opened, _sealed(lock["check"]), _CHECK_CONTEXT)
            keys = await self._opened_with(opened)
            if self.protection == "passphrase":  # not erased meanwhile
                self._opened, self._keys = opened, {id_: key for id_, key in keys.items() if id_ in self._sealed}

    def lock(self) -> None:
        """Forget the passphrase and what it opened."""
        if self.protection == "passphrase":
            self._opened = None
            self._keys = {}

    def clear(self) -> None:
        """Forget everything, how keys are kept included."""
        self._forget()
        self._record.clear()

    # ---- Within ----

    def _forget(self) -> None:
        self._keys, self._sealed, self._lock, self._opened = {}, {}, {}, None
        self.protection = "browser"

    async def _new_lock(self, passphrase: str) -> None:
        """Seal every key anew. Until all are, nothing changes; what is erased meanwhile stays erased."""
        if not self._vault.available:
            raise BadRequest("This page cannot encrypt.", "Open the app over https, or from this machine.")
        if len(passphrase) < SHORTEST_PASSPHRASE:
            raise BadRequest(
                f"The passphrase is too short: {SHORTEST_PASSPHRASE} characters at least.",
                "Four or five words make a good one.",
            )
        keys = dict(self._keys)
        salt = self._vault.random(SALT_BYTES)
        opened = await self._vault.derive(passphrase, salt, ROUNDS)
        check = await self._vault.seal(opened, _CHECK, _CHECK_CONTEXT)
        sealed = {id_: await self._seal(opened, id_, key) for id_, key in keys.items()}
        left = [id_ for id_ in keys if self.origin(id_)]
        self._lock = {"kdf": KDF, "rounds": ROUNDS, "salt": _text(salt), "check": _json(check)}
        self._opened = opened
        self._keys = {id_: keys[id_] for id_ in left}
        self._sealed = {id_: sealed[id_] for id_ in left}

    async def _seal(self, opened: Any, connection_id: str, key: StoredKey) -> tuple[str, Sealed]:
        return key.origin, await self._vault.seal(opened, key.secret.encode(), _context(connection_id, key.origin))

    async def _opened_with(self, opened: Any) -> dict[str, StoredKey]:
        keys = {}
        for id_, (origin, sealed) in list(self._sealed.items()):
            try:
                text = await self._vault.open(opened, sealed, _context(id_, origin))
            except WrongPassphrase:
                continue  # changed in storage, or moved there: `key` tells, and the others are usable
            keys[id_] = StoredKey(origin, text.decode())
        return keys

    def _take(self, value: Any) -> None:
        if not isinstance(value, Mapping) or value.get("version") != KEYS_VERSION:
            raise UnreadableError("it is of another version of ModelTab")
        protection = value.get("protection")
        if protection not in ("session", "browser", "passphrase"):
            raise UnreadableError("it does not say how keys are kept")
        self.protection = protection
        entries = value.get("keys") or {}
        if protection == "browser":
            self._keys = {id_: StoredKey(_string(entry["origin"]), _string(entry["key"])) for id_, entry in entries.items()}
        elif protection == "passphrase":
            # What is unreadable is found now, not at the passphrase.
            self._lock = dict(value["lock"])
            _sealed(self._lock["check"]), _bytes(self._lock["salt"])
            rounds = self._lock["rounds"]
            if self._lock["kdf"] != KDF or not isinstance(rounds, int) or not ROUNDS <= rounds <= MOST_ROUNDS:
                raise UnreadableError("it does not say how the passphrase is used")
            self._sealed = {id_: (_string(entry["origin"]), _sealed(entry)) for id_, entry in entries.items()}

    def _write(self, advice: str) -> None:
        value: Record = {"version": KEYS_VERSION, "protection": self.protection}
        if self.protection == "browser":
            value["keys"] = {id_: {"origin": key.origin, "key": key.secret} for id_, key in self._keys.items()}
        elif self.protection == "passphrase":
            value["lock"] = self._lock
            value["keys"] = {id_: {"origin": origin, **_json(sealed)} for id_, (origin, sealed) in self._sealed.items()}
        problem = self._record.write(value)
        if problem:
            raise StorageFailed(problem, advice)


def _context(connection_id: str, origin: str) -> str:
    """What a sealed key is bound to: moved to another connection or origin in storage, it does not open."""
    return json.dumps([connection_id, origin])


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise UnreadableError("an entry is not a text")
    return value


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _json(sealed: Sealed) -> Record:
    return {"nonce": _text(sealed.nonce), "data": _text(sealed.data)}


def _sealed(value: Mapping[str, Any]) -> Sealed:
    return Sealed(_bytes(value["nonce"]), _bytes(value["data"]))
