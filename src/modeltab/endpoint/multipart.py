"""Where in a form its file is. A model's file may be larger than any memory, so of the form only both ends are read.

Source: RFC 7578 and RFC 2046, 5.1; names are escaped as browsers do (HTML, "multipart/form-data encoding algorithm").
"""

import re
from typing import NamedTuple
from urllib.parse import unquote

from modeltab.providers.base import ModelFile

#: What stands before the file, and what stands behind it, has to fit into this.
WINDOW = 64 * 1024
_BOUNDARY = re.compile(r"""boundary=(?:"([^"]+)"|([^;\s]+))""", re.IGNORECASE)
_PARAMETER = re.compile(r"""(?:^|;)\s*(\w+)="([^"]*)\"""")
_ESCAPED = re.compile("%(?:22|0A|0D)")


class FilePart(NamedTuple):
    """A file in a form: its name, and its bytes from `start` up to `end`."""

    name: str
    start: int
    end: int


async def file_part(form: ModelFile, content_type: str, field: str) -> FilePart | None:
    """The file of that field; None when there is none, or the form is damaged."""
    found = _BOUNDARY.search(content_type)
    if not found:
        return None
    line = b"--" + (found[1] or found[2]).encode()
    head = await form.read(0, min(WINDOW, form.size))
    place = 0
    while head.startswith(line + b"\r\n", place):
        content = head.find(b"\r\n\r\n", place) + 4
        if content < 4:
            return None
        values = _disposition(head[place:content].decode("utf-8", "replace"))
        end = head.find(b"\r\n" + line, content)
        if values.get("name") == field and "filename" in values:
            name = _ESCAPED.sub(lambda match: unquote(match[0]), values["filename"])
            end = end if end >= 0 else await _last(form, b"\r\n" + line, content)
            return FilePart(name, content, end) if end >= 0 else None
        if end < 0:
            return None
        place = end + 2
    return None


async def _last(form: ModelFile, mark: bytes, content: int) -> int:
    """Where the file ends that goes beyond the first window: before the first mark in the last one."""
    begin = max(content, form.size - WINDOW)
    place = (await form.read(begin, form.size)).find(mark)
    return begin + place if place >= 0 else -1


def _disposition(head: str) -> dict[str, str]:
    line = next((line for line in head.split("\r\n") if line.lower().startswith("content-disposition:")), "")
    return {name.lower(): value for name, value in _PARAMETER.findall(line)}
