"""An answer as sentences, for those who hear it: whole ones, as they are complete, without Markdown's marks."""

import re

#: A sentence ends at its mark, what closes after it, and a space; at the marks of languages without spaces; or with its line.
_END = re.compile(r"(?<=[.!?…])[\"'”’)\]*_]*\s+|[。！？][」』”）]*\s*|\n+")
#: What has a full stop and goes on.
_GOES_ON = re.compile(r"(?:^|[\s(])(?:[A-Za-z]|\d+|e\.g|i\.e|etc|vs|cf|Mr|Mrs|Ms|Dr|Prof|St|No|Fig|approx)\.$")
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})[^\n]*$", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_LEAD = re.compile(r"^\s*(?:#{1,6}\s+|>\s?|[-*+]\s+(?:\[[ xX]\]\s+)?)+")
_MARKS = re.compile(r"\*\*|__|~~|`|(?<!\w)[*_]|[*_](?!\w)")


def sentences(text: str, start: int, ended: bool) -> tuple[list[str], int]:
    """The whole sentences of an answer from a place on, and the place where the next one begins.

    A block of code is one sentence, "Code.", once it is closed: nobody wants to hear its characters.

    :param start: as it was returned for the text before, 0 at first.
    :param ended: whether nothing more comes, and what is left is a sentence, too.
    """
    found: list[str] = []
    while start < len(text):
        fence = _FENCE.search(text, start)
        prose_end = fence.start() if fence else len(text)
        start = _take_prose(text, start, prose_end, ended or fence is not None, found)
        if fence is None or start < prose_end:
            break
        closing = re.compile(rf"^\s*{re.escape(fence[1])}[ \t]*$\n?", re.MULTILINE).search(text, fence.end())
        if closing is None and not ended:
            break
        found.append("Code.")
        start = closing.end() if closing else len(text)
    return found, start


def _take_prose(text: str, start: int, end: int, whole: bool, found: list[str]) -> int:
    """Add the sentences between two places; :returns: where the first incomplete one begins."""
    searched = start
    while mark := _END.search(text, searched, end):
        searched = mark.end()
        is_line = "\n" in mark[0]
        if mark.end() == len(text) and not is_line and not whole and not text[: mark.start()].endswith(("!", "?")):
            break  # "3." may go on as "3.5"; what follows will tell
        if is_line or not _GOES_ON.search(text[start : mark.start()].rstrip("\"'”’)]*_")):
            _add(text[start : mark.end()], found)
            start = mark.end()
    if whole:
        _add(text[start:end], found)
        return end
    return start


def _add(sentence: str, found: list[str]) -> None:
    spoken = " ".join(_MARKS.sub("", _LEAD.sub("", _LINK.sub(r"\1", sentence))).replace("|", ", ").split()).strip(", ")
    if any(character.isalnum() for character in spoken):
        found.append(spoken)
