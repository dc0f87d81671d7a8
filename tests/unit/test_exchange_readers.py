"""Exports of other apps: recognised by what is in them, and read as they were meant."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeltab.domain.exchange import Thread
from modeltab.domain.messages import Message, Stats, path, versions
from modeltab.exchange import recognise, tree
from modeltab.exchange.values import Reading
from modeltab.state.records import UnreadableError
from tests.servers.transport import run
from tests.unit.exchange_files import (
    LLAMA_CONV,
    LLAMA_MESSAGES,
    PNG,
    PNG_URL,
    chatgpt,
    chatgpt_node,
    llama_jsonl,
    llama_message,
    nextchat,
    nextchat_session,
    open_webui,
    owui_message,
    zipped,
)
from tests.unit.fakes import MemoryFile


async def found(*contents: Any, name: str = "whatever.bin") -> Reading:
    """What is read from files with that content: bytes, text, or a value as JSON."""
    files = [MemoryFile(name, c if isinstance(c, bytes | str) else json.dumps(c)) for c in contents]
    return await recognise.read([recognise.Source(file.name, file.size, file.read) for file in files])


async def thread_of(content: Any) -> Thread:
    """The one conversation of a file, in which nothing is wrong."""
    reading = await found(content)
    assert reading.problems == ()
    (thread,) = reading.threads
    return thread


def shown(thread: Thread) -> list[Message]:
    """Its shown path."""
    return list(path({m.id: m for m in thread.messages}, thread.conversation.leaf_id))


def said(thread: Thread) -> list[tuple[str, str]]:
    """Who says what on it."""
    return [(message.role, message.text) for message in shown(thread)]


BRANCHED = [
    chatgpt_node("root", None, ""),
    chatgpt_node("sys", "root", "system", ""),
    chatgpt_node("ctx", "sys", "user", kind="user_editable_context", user_profile="I am Ada", user_instructions="Be kind"),
    chatgpt_node("u1", "ctx", "user", "Hello"),
    chatgpt_node("a1", "u1", "assistant", "First answer"),
    chatgpt_node("a1b", "u1", "assistant", "Second answer"),
    chatgpt_node("u2", "a1b", "user", "And then?"),
    chatgpt_node("a2", "u2", "assistant", "Nothing."),
]


# ---- ChatGPT ---------------------------------------------------------------------------------------------------------


async def test_chatgpts_tree_is_read_with_its_branches_and_shows_what_was_shown():
    thread = await thread_of([chatgpt(*BRANCHED, current="a2")])
    assert thread.conversation.title == "Orchids"
    assert (thread.conversation.created, thread.conversation.updated) == (1_700_000_000.5, 1_700_000_100.5)
    assert said(thread) == [
        ("user", "Hello"),
        ("assistant", "Second answer"),
        ("user", "And then?"),
        ("assistant", "Nothing."),
    ]
    messages = {m.id: m for m in thread.messages}
    assert [m.text for m in versions(messages, shown(thread)[1])] == ["First answer", "Second answer"]
    assert {m.model for m in thread.messages if m.role == "assistant"} == {"gpt-4o"}


async def test_what_a_model_thinks_and_its_tools_say_is_the_reasoning_of_the_answer_that_follows():
    nodes = [
        chatgpt_node("u", None, "user", "Plot it"),
        chatgpt_node("t", "u", "assistant", kind="thoughts", thoughts=[{"summary": "Plan", "content": "First look."}]),
        chatgpt_node("c", "t", "assistant", kind="code", recipient="python", language="python", text="print(1)"),
        chatgpt_node("o", "c", "tool", kind="execution_output", text="1"),
        chatgpt_node("r", "o", "assistant", kind="reasoning_recap", content="Thought for 2 seconds"),
        chatgpt_node("a", "r", "assistant", "It is one."),
    ]
    thread = await thread_of([chatgpt(*nodes, current="a")])
    question, answer = shown(thread)
    assert (question.text, answer.text) == ("Plot it", "It is one.")
    parts = ["**Plan**\n\nFirst look.", "```python\nprint(1)\n```", "```\n1\n```", "Thought for 2 seconds"]
    assert answer.reasoning == "\n\n".join(parts)


async def test_steps_that_no_answer_follows_are_kept_as_an_answer_without_text():
    nodes = [
        chatgpt_node("u", None, "user", "Plot it"),
        chatgpt_node("c", "u", "assistant", kind="code", recipient="python", text="print(1)"),
        chatgpt_node("u2", "c", "user", "Never mind"),
    ]
    thread = await thread_of([chatgpt(*nodes, current="u2")])
    assert said(thread) == [("user", "Plot it"), ("assistant", ""), ("user", "Never mind")]
    assert "print(1)" in shown(thread)[1].reasoning


async def test_an_answer_in_two_pieces_is_one_answer():
    nodes = [
        chatgpt_node("u", None, "user", "Look it up"),
        chatgpt_node("a", "u", "assistant", "I look."),
        chatgpt_node("q", "a", "assistant", kind="code", recipient="web", text="search('x')"),
        chatgpt_node("b", "q", "assistant", "Found."),
    ]
    assert said(await thread_of([chatgpt(*nodes, current="b")])) == [("user", "Look it up"), ("assistant", "I look.\n\nFound.")]


async def test_the_images_of_chatgpts_archive_go_along_and_missing_ones_are_told():
    def pointer(name: str) -> dict[str, Any]:
        return {"content_type": "image_asset_pointer", "asset_pointer": name, "size_bytes": len(PNG), "width": 1, "height": 1}

    nodes = [
        chatgpt_node("u", None, "user", pointer("file-service://file-abc"), "What is this?", kind="multimodal_text"),
        chatgpt_node("a", "u", "assistant", "A point."),
        chatgpt_node("u2", "a", "user", pointer("sediment://file_gone"), "And this?", kind="multimodal_text"),
    ]
    files: dict[str, bytes | str] = {
        "conversations.json": json.dumps([chatgpt(*nodes, current="u2")]),
        "file-abc-picture.png": PNG,
        "user.json": json.dumps({"id": "user-1", "email": "a@example.org"}),
        "chat.html": "<html>",
    }
    reading = await found(zipped(files))
    (thread,) = reading.threads
    (image,) = shown(thread)[0].images
    assert (image.media_type, image.size, image.name) == ("image/png", len(PNG), "file-abc-picture.png")
    assert await reading.images[image.digest]() == PNG
    assert reading.problems == ("“Orchids”: 1 image is not in the file.",)


async def test_citations_are_links_and_hidden_messages_are_left_out():
    mark = "\ue200cite\ue202turn0search1\ue201"
    answer = chatgpt_node("a", "h", "assistant", f"It is so{mark}, surely\ue200x\ue201.")
    answer["message"]["metadata"]["content_references"] = [{"matched_text": mark, "alt": "([site](https://site.example))"}]
    hidden = chatgpt_node("h", "u", "assistant", "hidden")
    hidden["message"]["metadata"]["is_visually_hidden_from_conversation"] = True
    thread = await thread_of([chatgpt(chatgpt_node("u", None, "user", "Is it?"), hidden, answer, current="a")])
    assert said(thread) == [("user", "Is it?"), ("assistant", "It is so([site](https://site.example)), surely.")]


async def test_a_conversation_that_cannot_be_read_is_told_by_its_title_and_the_rest_comes_in():
    empty = chatgpt(chatgpt_node("root", None, ""), current="root", title="Nothing here")
    reading = await found([chatgpt(*BRANCHED, current="a2"), empty, {"title": "Odd"}, 5])
    assert [thread.conversation.title for thread in reading.threads] == ["Orchids"]
    assert reading.problems == (
        "“Nothing here”: it has no messages.",
        "“Odd”: it is not a conversation.",
        "“Conversation 4”: it is not a conversation.",
    )


@pytest.mark.parametrize("time", [-1, 1e19, "yesterday", None, True])
async def test_a_time_that_is_none_does_not_cost_the_conversation(time):
    value = chatgpt(*BRANCHED, current="a2")
    for place in (value, *(node["message"] for node in value["mapping"].values() if node["message"])):
        place["create_time"] = place["update_time"] = time
    thread = await thread_of([value])
    assert said(thread)[-1] == ("assistant", "Nothing.")
    assert 0 <= thread.conversation.updated < 1e11


async def test_a_ring_of_parents_ends():
    ring = [chatgpt_node("a", "b", "user", "One"), chatgpt_node("b", "a", "assistant", "Two")]
    thread = await thread_of([chatgpt(*ring, current="b")])
    assert len(thread.messages) == 2


# ---- Open WebUI ------------------------------------------------------------------------------------------------------


async def test_open_webuis_tree_is_read_with_reasoning_figures_images_and_the_system_prompt():
    thinking = (
        '<details type="reasoning" done="true" duration="3">\n<summary>Thought for 3 seconds</summary>\n'
        "> one\n> two &lt; three\n</details>\n"
    )
    call = (
        '<details type="tool_calls" done="true" id="c" name="search" arguments="{&quot;q&quot;: 1}" result="&quot;ok&quot;">\n'
        "<summary>Tool Executed</summary>\n</details>\n"
    )
    messages = [
        owui_message("u", None, "user", "What is a fern?", files=[{"type": "image", "url": PNG_URL}]),
        owui_message("a", "u", "assistant", "An answer"),
        owui_message(
            "b", "u", "assistant", f"{thinking}{call}A <b>plant</b>.", usage={"prompt_tokens": 7, "completion_tokens": 3}
        ),
    ]
    thread = await thread_of([open_webui(messages, "b", params={"system": "Be brief."})])
    system, question, answer = shown(thread)
    assert (system.role, system.text) == ("system", "Be brief.")
    assert (question.text, question.images[0].size) == ("What is a fern?", len(PNG))
    assert answer.text == "A <b>plant</b>."
    assert answer.reasoning == 'one\ntwo < three\n\n**search**\n\n```\n{"q": 1}\n```\n\n```\n"ok"\n```'
    assert (answer.model, answer.stats) == ("llama3.2:3b", Stats(prompt_tokens=7, completion_tokens=3))
    assert (thread.conversation.created, thread.conversation.updated) == (1_700_000_000, 1_700_000_200)
    assert len(thread.messages) == 4


async def test_versions_of_the_same_second_keep_their_order():
    messages = [owui_message("u", None, "user", "Hi"), *(owui_message(i, "u", "assistant", i) for i in "zyxw")]
    thread = await thread_of([open_webui(messages, "w")])
    found = {m.id: m for m in thread.messages}
    assert [m.text for m in versions(found, shown(thread)[1])] == list("zyxw")


async def test_the_oldest_open_webui_had_a_mere_list():
    chat = {"title": "Old", "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    assert said(await thread_of([{"id": "1", "title": "Old", "chat": chat}])) == [("user", "Hi"), ("assistant", "Hello")]


async def test_an_image_that_lies_on_open_webuis_server_is_told():
    message = owui_message("u", None, "user", "See", files=[{"type": "image", "url": "/api/v1/files/1"}])
    assert (await found([open_webui([message], "u")])).problems == ("“Ferns”: 1 image is not in the file.",)


# ---- llama.cpp -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        llama_jsonl(),
        zipped({"2026-01-01_conv_conv-1_mosses.jsonl": llama_jsonl()}),
        {"conv": LLAMA_CONV, "messages": LLAMA_MESSAGES},
        [{"conv": LLAMA_CONV, "messages": LLAMA_MESSAGES}],
    ],
    ids=["JSON Lines", "ZIP", "JSON of one", "JSON of many"],
)
async def test_llama_cpps_exports_of_now_and_before_are_read(content):
    thread = await thread_of(content)
    system, question, answer = shown(thread)
    assert (thread.conversation.title, thread.conversation.updated) == ("Mosses", 1_700_000_050)
    assert (system.role, system.text) == ("system", "Be brief.")
    assert question.text == "a.txt:\n```\nA text.\n```\n\nWhat is a moss?"
    assert (answer.text, answer.reasoning, answer.model) == ("A small plant.", "Hm.", "qwen.gguf")
    assert answer.stats == Stats(0.3, 0.1, 12, 4, 20.0, None, 3)
    assert len(thread.messages) == 4


async def test_llama_cpps_images_tool_calls_and_what_tools_said_are_read():
    calls = [{"id": "1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}]
    messages = [
        llama_message("u", None, "user", "See", extra=[{"type": "IMAGE", "name": "p.png", "base64Url": PNG_URL}]),
        llama_message("a", "u", "assistant", "", toolCalls=calls),
        llama_message("t", "a", "tool", "12:00", toolCallId="1"),
        llama_message("b", "t", "assistant", "Noon."),
    ]
    thread = await thread_of(llama_jsonl({**LLAMA_CONV, "currNode": "b"}, messages))
    question, answer = shown(thread)
    assert question.images[0].name == "p.png"
    assert (answer.text, answer.reasoning) == ("Noon.", "```\n12:00\n```")
    assert [(call.name, call.arguments) for call in answer.tool_calls] == [("clock", "{}")]


async def test_a_broken_line_costs_only_itself():
    reading = await found(llama_jsonl() + "\n{broken")
    assert (len(reading.threads), reading.problems) == (1, ("1 line is not JSON.",))


# ---- NextChat --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [lambda store: store, lambda store: {"state": store, "version": 3.3}, json.dumps])
async def test_nextchats_sessions_are_read_and_its_keys_are_not(wrap):
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": PNG_URL}}]
    session = nextchat_session(
        {"id": "1", "date": "6/1/2024, 10:00:00 AM", "role": "user", "content": parts},
        {"id": "2", "date": "6/1/2024, 10:00:01 AM", "role": "assistant", "content": "A lichen.", "model": "gpt-4o-mini"},
    )
    backup = nextchat(session)
    backup["chat-next-web-store"] = wrap(backup["chat-next-web-store"])
    thread = await thread_of(backup)
    question, answer = shown(thread)
    assert (thread.conversation.title, thread.conversation.updated) == ("Lichens", 1_700_000_300)
    assert (question.text, question.images[0].media_type) == ("What is it?", "image/png")
    assert (answer.text, answer.model) == ("A lichen.", "gpt-4o-mini")
    assert "sk-nextchat" not in repr(await found(backup))


# ---- All of them -----------------------------------------------------------------------------------------------------


async def test_the_same_file_gives_the_same_ids_each_time():
    assert (await found([chatgpt(*BRANCHED, current="a2")])).threads == (
        await found([chatgpt(*BRANCHED, current="a2")])
    ).threads


async def test_exports_of_several_apps_are_read_together():
    session = nextchat_session({"id": "1", "role": "user", "content": "Hi"})
    reading = await found([chatgpt(*BRANCHED, current="a2")], nextchat(session), llama_jsonl())
    assert reading.source == "ChatGPT, NextChat, llama.cpp"
    assert [thread.conversation.title for thread in reading.threads] == ["Orchids", "Lichens", "Mosses"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "it is not JSON"),
        ("{", "it is not JSON"),
        ("[]", "it is not an export of an app that is known here"),
        ("5", "it is not an export"),
        ("[[[]]]", "it is not an export"),
        ("<html>", "it is not JSON"),
        (b"\xff\xfe\x00", "it is not text"),
        ("[" * 100_000, "it is not JSON"),
        (zipped({"a.txt": "x"}), "it has no conversations of an app"),
        (zipped({}), "it has no conversations of an app"),
        (zipped({"conversations.json": "{"}), "it is not JSON"),
        (zipped({"conversations.json": "[]"})[:-30], "it is not a whole ZIP archive"),
        (b"PK\x03\x04", "it is not a whole ZIP archive"),
        ('{"format": "modeltab-conversation", "version": 9}', "it was written by a newer ModelTab"),
    ],
)
async def test_a_file_that_is_no_export_is_refused_with_the_reason(content, reason):
    with pytest.raises(UnreadableError, match=f"^{reason}"):
        await found(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        *("mapping", "message", "content", "parts", "author", "role", "parent", "chat", "history", "messages", "conv", "extra"),
        *("sessions", "topic", "chat-next-web-store", "id", "parentId", "timestamp", "files", "toolCalls", "mask", "format"),
    ]
)
SHAPED = st.recursive(
    JSON | st.sampled_from(["user", "assistant", "text", "modeltab-export", "modeltab-conversation", "modeltab-config"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=5),
    max_leaves=20,
)


@given(SHAPED)
def test_whatever_the_json_is_it_is_read_or_refused(value):
    async def attempt() -> None:
        try:
            await found(value)
        except UnreadableError:
            return

    run(attempt())


NODES = st.lists(
    st.tuples(
        st.sampled_from("abcdefgh"),
        st.sampled_from([None, *"abcdefgh"]),
        st.sampled_from(["user", "assistant", "system", "aside", ""]),
        st.sampled_from(["", "One", "Two"]),
    ).map(lambda fields: tree.Node(*fields)),
    max_size=8,
    unique_by=lambda node: node.id,
)


@given(NODES, st.sampled_from("abcdefgh"))
def test_of_any_tree_everything_that_is_said_is_kept_and_hangs_together(nodes, leaf):
    try:
        built = run(tree.build(tree.Head("App", "1", leaf=leaf), nodes))
    except UnreadableError:
        assert not any(node.says_something and node.role for node in nodes)
        return
    messages = {message.id: message for message in built.thread.messages}
    assert all(message.parent_id is None or message.parent_id in messages for message in messages.values())
    assert built.thread.conversation.leaf_id in messages
    for message in messages.values():
        assert path(messages, message.id)[0].parent_id is None
    said_there = [node.text for node in nodes if node.says_something and node.role]
    said_here = " ".join(f"{message.text} {message.reasoning}" for message in messages.values())
    for text in ("One", "Two"):
        assert said_here.count(text) >= said_there.count(text)
