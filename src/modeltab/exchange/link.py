"""A conversation in a link: what is shown of it, as JSON, compressed (deflate) and written in base64url after the address's #.

A browser sends nobody what stands after the #. Whoever opens the link reads what somebody else has written: it is untrusted.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Sequence
from typing import Any

from modeltab.domain.exchange import Shared, SharedMessage
from modeltab.domain.messages import Message
from modeltab.exchange.values import at, text_at
from modeltab.state.records import UnreadableError

ROUTE = "#/shared/"
#: Longer links are cut off by chats, mails and some servers, in characters.
MAX_LINK = 30_000
#: What a link may hold at most once it is unpacked, in bytes: a small one could else fill the memory.
_MAX_UNPACKED = 5_000_000
_VERSION = 1
_LETTERS = {"user": "u", "assistant": "a", "system": "s"}
_ROLES = {letter: role for role, letter in _LETTERS.items()}


def shared(title: str, messages: Sequence[Message], with_reasoning: bool) -> Shared:
    """What of a conversation goes into a link: no images, no figures, no addresses."""
    return Shared(title, tuple(SharedMessage(m.role, m.text, m.model, m.reasoning if with_reasoning else "") for m in messages))


def packed(value: Shared) -> str:
    """The part of the address after `ROUTE`."""
    messages = [_short([_LETTERS[m.role], m.text, m.model, m.reasoning]) for m in value.messages]
    text = json.dumps({"v": _VERSION, "t": value.title, "m": messages}, separators=(",", ":"))
    data = zlib.compress(text.encode(), 9, wbits=-15)
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unpacked(text: str) -> Shared:
    """What a link holds. :raises UnreadableError: when it is cut off, or no link of ModelTab."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        unpacking = zlib.decompressobj(wbits=-15)
        content = unpacking.decompress(data, _MAX_UNPACKED)
        value: Any = json.loads(content) if unpacking.eof else None
    except (ValueError, binascii.Error, zlib.error, RecursionError):
        raise UnreadableError("it is cut off or damaged") from None
    if not unpacking.eof:
        raise UnreadableError("it is cut off, or too large")
    if not isinstance(at(value, "v"), int):
        raise UnreadableError("it is not a conversation")
    if value["v"] > _VERSION:
        raise UnreadableError("it was made by a newer ModelTab")
    items = value.get("m")
    found = tuple(_message(item) for item in items if isinstance(item, list)) if isinstance(items, list) else ()
    if not found:
        raise UnreadableError("it has no messages")
    return Shared(text_at(value, "t") or "Shared conversation", found)


def _short(fields: list[str]) -> list[str]:
    """Without the empty fields at the end."""
    while fields and not fields[-1]:
        fields.pop()
    return fields


def _message(item: list[Any]) -> SharedMessage:
    letter, text, model, reasoning = (*(field if isinstance(field, str) else "" for field in item[:4]), "", "", "", "")[:4]
    return SharedMessage(_ROLES.get(letter, "assistant"), text, model, reasoning)
