"""API keys: how they are kept, and how they are shown."""

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from modeltab.domain.errors import BadRequest

Protection = Literal["session", "browser", "passphrase"]
#: How keys can be kept, with the words for it.
PROTECTIONS: Mapping[Protection, str] = {
    "session": "This session only",
    "browser": "In this browser",
    "passphrase": "Encrypted with a passphrase",
}
PROTECTION_HINTS: Mapping[Protection, str] = {
    "session": "In this tab's memory. Forgotten when the tab is closed or loaded again.",
    "browser": "In this browser's storage as they are: whoever can use this browser profile can read them.",
    "passphrase": "In this browser's storage, readable only with your passphrase. Nobody can restore a forgotten one.",
}
#: The end of a key that is shown, to tell keys apart, and how long a key must be for that to give nothing away.
_SHOWN = 4
_SHOWN_FROM = 16
#: The length from which a key is none by chance.
_HIDDEN_FROM = 8
_DOTS = "••••••••"
#: What a key never begins or ends with: white space, quotation marks, and what is invisible.
_AROUND = " \t\r\n\"'`\u00a0\u200b\ufeff"
_IN_A_HEADER = re.compile(r"[!-~]+(?: [!-~]+)*")


class StoredKey(NamedTuple):
    """A key and the origin that it is for: it is sent nowhere else."""

    origin: str
    secret: str


class KeyHint(NamedTuple):
    """What may be shown of a key."""

    origin: str
    masked: str


class KeysStatus(NamedTuple):
    """What the page shows of the keys.

    :param hints: by connection id, the connections that have a key.
    :param can_encrypt: whether this page may encrypt: browsers allow it in secure contexts only.
    """

    protection: Protection = "browser"
    locked: bool = False
    hints: Mapping[str, KeyHint] = {}
    can_encrypt: bool = True


def clean_key(text: str) -> str:
    """A key as it is sent: without what comes along when it is copied.

    :raises BadRequest: when no header can carry it.
    """
    key = re.sub(r"^(?:Authorization:\s*)?Bearer\s+", "", text.strip(_AROUND), flags=re.IGNORECASE).strip(_AROUND)
    if key and not _IN_A_HEADER.fullmatch(key):
        raise BadRequest("This is not a key: it has characters that no key has.", "Copy it again, alone and whole.")
    return key


def hidden(text: str, secret: str) -> str:
    """The text without the key: a person may have pasted it into a message, too. One so short that it may be a word stays."""
    return text.replace(secret, masked(secret)) if len(secret) >= _HIDDEN_FROM else text


def masked(secret: str) -> str:
    """A key that can be recognised and not used."""
    return _DOTS + secret[-_SHOWN:] if len(secret) >= _SHOWN_FROM else _DOTS
