"""One conversation as a file to read, or as a link; and what comes in a link, which anybody may have written."""

from __future__ import annotations

import base64
import json
import random
import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeltab.domain.errors import ErrorRecord
from modeltab.domain.exchange import Shared, SharedMessage
from modeltab.domain.messages import Conversation, ImageRef, Message, Stats, ToolCall
from modeltab.exchange import link, markdown
from modeltab.state.records import UnreadableError
from modeltab.state.store import State
from modeltab.views import exported, shared
from modeltab.views.exchange import button_of_chat
from tests.unit.exchange_files import PNG_URL
from tests.unit.fakes import words
from tests.unit.markup import parse
from tests.unit.rig import TAB, Rig
from tests.unit.test_html import TRICKY

#: What an HTML file is made of.
TAGS = {"html", "head", "meta", "title", "style", "body", "header", "h1", "p", "main", "article"}
TAGS |= {"details", "summary", "div", "pre", "code", "img"}
TALK = Conversation("c", "Mosses & <ferns>", 1_700_000_000.0, 1.0, "a")
IMAGE = ImageRef("d1", "image/png", "moss [1].png", 70)
QUESTION = Message("q", "c", None, "user", "What is\nthis?", 1.0, images=(IMAGE,))
ANSWER = Message(
    "a",
    "c",
    "q",
    "assistant",
    "A moss:\n\n```python\nprint('<moss>')\n```\nThat is all.",
    2.0,
    reasoning="Green.\n\nSmall.",
    model="a.gguf",
    stats=Stats(completion_tokens=4),
    tool_calls=(ToolCall("1", "clock", '{"z": 1}'),),
    error=ErrorRecord("It was cut off."),
)


async def talked(*answer: str) -> Rig:
    """An app in which a conversation is shown."""
    rig = Rig("a.gguf")
    if answer:
        rig.engine.steps = words(*answer)
    await rig.start(f"{TAB}/a.gguf")
    await rig.say("What is a moss?")
    return rig


async def shared_link(rig: Rig) -> str:
    """The link to the shown conversation."""
    await rig.do("export.open")
    await rig.do("export.link")
    return rig.page.clipboard


# ---- Files -----------------------------------------------------------------------------------------------------------


def test_markdown_has_who_said_what_with_images_and_reasoning():
    text = markdown.document(TALK, (QUESTION, ANSWER), {"d1": PNG_URL})
    assert text.startswith("# Mosses & <ferns>\n\n*2023-11-14 22:13 UTC*\n\n## You\n\n")
    assert f"![moss (1).png]({PNG_URL})\n\nWhat is\nthis?\n\n## Assistant (a.gguf)\n\n" in text
    assert "> **Reasoning**\n>\n> Green.\n>\n> Small.\n\nA moss:" in text
    assert '**Asks for the tool clock**\n\n```json\n{"z": 1}\n```\n\n**It was cut off.**\n' in text
    assert "*moss [1].png" not in text


def test_an_image_that_is_gone_is_named():
    assert "*moss (1).png is no longer there.*" in markdown.document(TALK, (QUESTION,), {})
    assert "moss [1].png is no longer there." in exported.page(TALK, (QUESTION,), {})


def test_the_html_file_has_everything_inside_and_no_script():
    page = exported.page(TALK, (QUESTION, ANSWER), {"d1": PNG_URL})
    tree = parse(page)
    assert {node.tag for node in tree} <= TAGS
    (image,) = [node for node in tree if node.tag == "img"]
    assert (image["src"], image["alt"]) == (PNG_URL, "moss [1].png")
    assert [node.text for node in tree if node.tag == "code"] == ["print('<moss>')", '{"z": 1}']
    assert "Mosses & <ferns>" in [node.text for node in tree if node.tag == "h1"]
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|url\(|@import|<link", page)


@pytest.mark.parametrize("text", [*TRICKY, "```\n</code></pre><script>alert(1)</script>", "</title><script>", "data:x"])
def test_every_text_in_the_html_file_is_text(text):
    def tags(value: str) -> list[tuple[str, list[str]]]:
        answer = ANSWER._replace(text=value, reasoning=value, model=value, error=ErrorRecord(value), images=(IMAGE,))
        answer = answer._replace(tool_calls=(ToolCall(value, value, value),), images=(IMAGE._replace(name=value),))
        page = exported.page(TALK._replace(title=value), (QUESTION._replace(text=value), answer), {"d1": PNG_URL})
        return [(node.tag, sorted(node.attributes)) for node in parse(page) if node.tag not in ("pre", "code", "div")]

    assert tags(text) == tags("plain")


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Mosses", "Mosses.md"),
        ('a/b\\c:d*e?f"g<h>i|j', "a b c d e f g h i j.md"),
        ("…", "conversation.md"),
        ("Füße ❤ 日本", "Füße 日本.md"),
        ("../../etc/passwd", "etc passwd.md"),
        ("x" * 100, "x" * 60 + ".md"),
    ],
)
def test_a_files_name_is_one_that_every_system_takes(title, name):
    assert markdown.file_name(title, "md") == name


@pytest.mark.parametrize("ending", ["md", "html", "json"])
async def test_the_conversation_is_saved_in_each_format(ending):
    rig = await talked()
    await rig.do("export.open")
    assert rig.state.dialog is not None and rig.state.dialog.name == "export"
    await rig.do("export.save", ending)
    ((name, content),) = rig.page.saved.items()
    assert name == f"What is a moss.{ending}"
    assert "Hello there" in content.decode()
    assert rig.state.dialog is None
    assert rig.state.status == f"Saved as {name}"


async def test_a_conversation_that_is_no_longer_shown_is_exported_from_its_records():
    rig = await talked()
    await rig.do("export.open")
    await rig.visit("#/chat")
    await rig.do("export.save", "md")
    assert "Hello there" in rig.page.saved["What is a moss.md"].decode()


async def test_there_is_nothing_to_export_where_no_conversation_is_shown():
    rig = Rig()
    await rig.start()
    await rig.do("export.open")
    assert rig.state.dialog is None
    assert button_of_chat(rig.state) == ""


async def test_only_the_shown_path_is_in_a_file_to_read_and_every_version_in_json():
    rig = await talked()
    first = rig.shown[-1]
    rig.engine.steps = words("Another answer")
    await rig.do("message.regenerate", first.id)
    for ending in ("md", "json"):
        await rig.do("export.open")
        await rig.do("export.save", ending)
    as_text, as_json = (content.decode() for content in rig.page.saved.values())
    assert "Another answer" in as_text and "Hello there" not in as_text
    assert "Another answer" in as_json and "Hello there" in as_json


# ---- Links -----------------------------------------------------------------------------------------------------------

TEXT = st.text(max_size=30)
MESSAGES = st.builds(SharedMessage, st.sampled_from(["user", "assistant", "system"]), TEXT, TEXT, TEXT)
SHARED = st.builds(Shared, st.text(min_size=1, max_size=10), st.lists(MESSAGES, min_size=1, max_size=5).map(tuple), st.just(""))


@given(SHARED)
def test_what_a_link_holds_comes_out_as_it_went_in(value):
    text = link.packed(value)
    assert re.fullmatch(r"[\w-]+", text)
    assert link.unpacked(text) == value


@given(st.text(max_size=60))
def test_any_text_after_the_route_is_a_conversation_or_is_refused(text):
    try:
        link.unpacked(text)
    except UnreadableError:
        return


def of_json(value: object) -> str:
    """A link that holds this."""
    return base64.urlsafe_b64encode(zlib.compress(json.dumps(value).encode(), wbits=-15)).decode().rstrip("=")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "cut off"),
        ("!!!", "damaged"),
        (of_json({"v": 1, "t": "T", "m": [["u", "Hi"]]})[:-8], "cut off"),
        (of_json([]), "not a conversation"),
        (of_json({"v": 2, "m": [["u", "Hi"]]}), "newer ModelTab"),
        (of_json({"v": 1, "m": []}), "no messages"),
        (of_json({"v": 1, "m": "x" * 6_000_000}), "too large"),
        (of_json({"v": 1, "m": [["u", "x" * 6_000_000]]}), "too large"),
    ],
)
def test_a_link_that_is_none_is_refused_with_the_reason(text, reason):
    with pytest.raises(UnreadableError, match=reason):
        link.unpacked(text)


def test_what_is_odd_in_a_link_becomes_plain_text():
    found = link.unpacked(of_json({"v": 1, "t": 5, "m": [["x", None, 3], [], "odd", ["s", "Be kind"]]}))
    assert found.title == "Shared conversation"
    assert [message.role for message in found.messages] == ["assistant", "assistant", "system"]


async def test_a_link_is_opened_elsewhere_to_read_and_kept_only_if_the_person_says_so():
    address = await shared_link(await talked())
    assert address.startswith("https://modeltab.test/#/shared/")
    rig = Rig()
    await rig.start()
    await rig.visit(address[address.index("#") :])
    found = rig.state.exchange.shared
    assert found is not None and rig.state.route.page == "shared"
    assert [(m.role, m.text) for m in found.messages] == [("user", "What is a moss?"), ("assistant", "Hello there")]
    assert (rig.records.conversations, rig.state.conversation, rig.state.generation) == ({}, None, None)
    await rig.do("shared.keep")
    await rig.idle()
    assert rig.texts == ["What is a moss?", "Hello there"]
    assert rig.shown[1].model == "a.gguf"
    assert len(rig.records.by_id) == 2


async def test_a_conversation_that_is_too_long_for_a_link_is_told_with_what_to_do_instead():
    noise = random.Random(1).randbytes(40_000).hex()
    rig = await talked(noise)
    await shared_link(rig)
    assert rig.page.clipboard == ""
    (alert,) = rig.state.alerts
    assert alert.error.message.startswith("The conversation is too long for a link: it would have 61,")
    assert alert.error.advice == "Save it as an HTML file and send that."


async def test_reasoning_stays_out_of_a_link_that_it_would_make_too_long():
    rig = await talked()
    answer = rig.shown[-1]
    longer = answer._replace(reasoning=random.Random(1).randbytes(40_000).hex())
    rig.app.update(messages={**rig.state.messages, answer.id: longer})
    await shared_link(rig)
    assert rig.page.clipboard
    assert rig.state.status == "The link is copied, without the reasoning"


def test_a_shared_conversation_has_nothing_to_press_but_what_keeps_a_copy():
    value = Shared("T", (SharedMessage("user", "<b>Hi"), SharedMessage("assistant", "# A", "m", "Hm")))
    tree = parse(shared.page(State()._replace(exchange=State().exchange._replace(shared=value))))
    assert tree.names("button") == ["Keep a copy"]
    assert [node["data-role"] for node in tree.all("article")] == ["user", "assistant"]


def test_a_link_that_cannot_be_read_says_why_and_offers_nothing():
    value = Shared(problem="This link cannot be opened: it is cut off.")
    tree = parse(shared.page(State()._replace(exchange=State().exchange._replace(shared=value))))
    assert tree.names("button") == []
    assert "it is cut off. Ask for the whole link" in tree.text
