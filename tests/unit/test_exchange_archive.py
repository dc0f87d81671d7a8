"""What ModelTab exports, another ModelTab reads back without loss; nothing is added twice, and no key is in any of it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import zipfile
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modeltab.domain.connections import Connection
from modeltab.domain.errors import ErrorRecord
from modeltab.domain.exchange import Thread
from modeltab.domain.messages import Conversation, ImageRef, Message, Stats, ToolCall
from modeltab.domain.requests import Parameters
from modeltab.exchange import archive, link, recognise, zip_reader
from modeltab.exchange.values import Entry
from modeltab.exchange.zip_writer import ZipWriter
from modeltab.state.records import UnreadableError, config_to_json, conversation_to_json, message_to_json
from modeltab.state.writing import Attachment
from tests.servers.transport import run
from tests.unit.exchange_files import PNG, chatgpt, chatgpt_node, unzipped, zipped
from tests.unit.fakes import MemoryFile, MemoryFolder, copied
from tests.unit.rig import SERVER, TAB, Rig

MODEL = f"{TAB}/a.gguf"
NOTHING = "http://127.0.0.1:1/api/v1"
KEY = "sk-everywhere-0123456789"
DIGEST = hashlib.sha256(PNG).hexdigest()


async def talked() -> Rig:
    """An app with two conversations, versions, an image, a connection and settings."""
    rig = Rig("a.gguf", url=NOTHING)
    await rig.start(MODEL)
    await rig.say("One ❤")
    await rig.do("message.regenerate", rig.shown[-1].id)
    await rig.say("Two")
    await rig.do("chat.new")
    await rig.images.add(DIGEST, PNG)
    rig.app.update(attachments=(Attachment("point", "point.png", image=ImageRef(DIGEST, "image/png", "point.png", len(PNG))),))
    await rig.say("Three")
    rig.app.set_setting(theme="dark", parameters=Parameters(temperature=0.5))
    return rig


async def exported(rig: Rig) -> bytes:
    """What "Export data" saves."""
    rig.page.saved.clear()
    await rig.do("data.export")
    (content,) = rig.page.saved.values()
    return content


async def read_in(rig: Rig, *contents: Any, name: str = "data.zip", **values: str) -> None:
    """Imports files with that content, after a look at what is in them."""
    raw = [c if isinstance(c, bytes) else json.dumps(c).encode() for c in contents]
    await rig.do("data.import", files=tuple(MemoryFile(name, content) for content in raw))
    if rig.state.dialog:
        await rig.do("data.import.start", values=values)


def before(rig: Rig) -> dict[str, Any]:
    """The JSON file that ModelTab exported before it had archives."""
    return {
        "format": "modeltab-export",
        "modeltab": "0.1.0",
        "config": copied(config_to_json(rig.state.connections, rig.state.settings)),
        "conversations": copied(list(rig.records.conversations.values())),
        "messages": copied(list(rig.records.by_id.values())),
    }


async def fresh() -> Rig:
    """An app with nothing in it."""
    rig = Rig("a.gguf")
    await rig.start()
    return rig


# ---- Everything ------------------------------------------------------------------------------------------------------


async def test_the_archive_has_everything_by_names_that_say_what_it_is():
    files = unzipped(await exported(await talked()))
    assert list(files) == ["config.json", "conversations.jsonl", "comparisons.jsonl", f"images/{DIGEST}.png"]
    assert files[f"images/{DIGEST}.png"] == PNG
    kinds = [next(iter(json.loads(line))) for line in files["conversations.jsonl"].splitlines()]
    assert (kinds[0], kinds.count("conversation"), kinds.count("message")) == ("format", 2, 7)


async def test_what_was_exported_is_read_back_elsewhere_as_it_was():
    old, new = await talked(), await fresh()
    await read_in(new, await exported(old), settings="yes")
    assert new.records.conversations == old.records.conversations
    assert new.records.by_id == old.records.by_id
    assert new.images.content == old.images.content
    assert new.state.conversations == old.state.conversations
    assert [connection.id for connection in new.state.connections] == [TAB, SERVER]
    assert [entry["id"] for entry in new.config.value["connections"]] == [TAB, SERVER]
    assert new.state.settings == old.state.settings
    assert new.page.theme == "dark"
    assert (new.state.status, new.alerts, new.state.dialog) == ("2 conversations are imported", [], None)
    await new.visit(f"#/chat/{old.state.conversations[1].id}")
    assert new.texts == ["One ❤", "Hello there", "Two", "Hello there"]


async def test_reading_back_twice_adds_nothing_twice():
    old, new = await talked(), await fresh()
    content = await exported(old)
    for _ in range(2):
        await read_in(new, content)
    assert new.records.by_id == old.records.by_id
    assert (len(new.state.conversations), len(new.state.connections)) == (2, 2)
    assert new.state.status == "0 conversations are imported"


COMPARED = {
    "version": 1,
    "id": "c1",
    "title": f"Why? {KEY}",
    "created": 1.0,
    "updated": 2.0,
    "columns": [{"id": "a", "model": MODEL}, {"id": "b", "model": ""}],
    "rounds": [{"id": "r", "text": "Why?", "created": 1.0, "vote": "a", "outcomes": []}],
    "blind": True,
    "revealed": True,
}
ANSWERED = message_to_json(Message("r-a", "c1", None, "assistant", "Because.", 1.5, model="a.gguf"))


async def test_comparisons_with_their_answers_come_back_too_once_and_without_keys():
    old, new = await talked(), await fresh()
    await old.keys.set(SERVER, NOTHING, KEY)
    await old.comparisons.save(COMPARED, ANSWERED)
    content = await exported(old)
    assert KEY.encode() not in unzipped(content)["comparisons.jsonl"]
    await old.visit("#/compare")
    for kind in ("json", "csv"):
        await old.do(f"compare.export.{kind}")
        assert KEY not in str(old.page.saved[f"modeltab-comparisons.{kind}"])
    await new.do("data.import", files=(MemoryFile("data.zip", content),))
    assert new.state.exchange.preview is not None and new.state.exchange.preview.comparisons == 1
    await new.do("data.import.start")
    (record,) = new.comparisons.comparisons.values()
    assert (record["rounds"][0]["vote"], record["columns"][0]["model"]) == ("a", MODEL)
    assert new.comparisons.by_id == {"r-a": ANSWERED}
    assert [comparison.id for comparison in new.state.comparisons] == ["c1"]
    new.comparisons.by_id["r-a"]["text"] = "Changed here."
    await read_in(new, content)
    assert new.comparisons.by_id["r-a"]["text"] == "Changed here."
    await new.visit("#/compare/c1")
    assert new.state.compared["r-a"].text == "Changed here."


async def test_what_the_compare_page_exports_is_read_back_and_what_is_broken_in_it_is_named():
    old, new = await talked(), await fresh()
    await old.comparisons.save(COMPARED, ANSWERED)
    await old.visit("#/compare")
    await old.do("compare.export.json")
    document = json.loads(old.page.saved["modeltab-comparisons.json"])
    document["comparisons"].append({"version": 1, "id": "c2", "title": "Broken"})
    document["answers"].append({"version": 1})
    await new.do("data.import", files=(MemoryFile("c.json", json.dumps(document).encode()),))
    preview = new.state.exchange.preview
    assert preview is not None and preview.comparisons == 1
    assert any("“Broken”" in problem for problem in preview.problems) and len(preview.problems) == 2
    await new.do("data.import.start")
    assert list(new.comparisons.comparisons) == ["c1"] and list(new.comparisons.by_id) == ["r-a"]


async def test_settings_are_taken_over_only_where_the_person_says_so():
    old, new = await talked(), await fresh()
    await read_in(new, await exported(old))
    assert new.state.settings.theme == "auto"


async def test_what_is_in_a_file_is_shown_before_anything_is_added():
    old, new = await talked(), await fresh()
    await new.do("data.import", files=(MemoryFile("data.zip", await exported(old)),))
    preview = new.state.exchange.preview
    assert preview is not None and new.state.dialog is not None and new.state.dialog.name == "import"
    assert (preview.file, preview.source) == ("data.zip", "ModelTab")
    assert (preview.conversations, preview.messages, preview.images, preview.known) == (2, 7, 1, 0)
    assert (preview.connections, preview.has_settings, preview.takes_settings) == (("Workshop",), True, True)
    assert new.records.conversations == {}
    await new.do("dialog.close")
    assert not any((new.state.dialog, new.state.exchange.preview, new.app.found))
    await new.do("data.import.start")
    assert new.records.conversations == {}


async def test_the_json_files_of_before_are_still_read():
    old, new = await talked(), await fresh()
    await read_in(new, before(old), name="modeltab-export.json")
    assert new.records.by_id == old.records.by_id
    assert [connection.id for connection in new.state.connections] == [TAB, SERVER]
    # Those files had no images.
    (alert,) = new.state.alerts
    assert alert.error.detail == "The image point.png of “Three”."


async def test_a_folder_that_was_backed_up_to_is_read_back_from_its_files():
    old, new = await talked(), await fresh()
    old.page.folder = MemoryFolder()
    await old.do("data.backup")
    assert old.state.status == "Backed up to the folder Backups"
    assert old.page.folder.files == unzipped(await exported(old))
    chosen = tuple(MemoryFile(name.rpartition("/")[2], content) for name, content in old.page.folder.files.items())
    await new.do("data.import", files=chosen)
    await new.do("data.import.start")
    assert (new.records.by_id, new.images.content) == (old.records.by_id, old.images.content)


async def test_nothing_happens_where_no_folder_is_chosen():
    rig = await talked()
    await rig.do("data.backup")
    assert (rig.alerts, rig.state.exchange.working) == ([], "")


async def test_a_conversation_that_went_on_elsewhere_grows_here():
    old, new = await talked(), await fresh()
    await read_in(new, await exported(old))
    talk = old.state.conversations[1]
    await new.visit(f"#/chat/{talk.id}")
    await old.visit(f"#/chat/{talk.id}")
    await old.say("Four")
    await read_in(new, await exported(old))
    assert new.records.by_id == old.records.by_id
    assert new.texts[-2:] == ["Four", "Hello there"]
    assert new.state.status == "1 conversation is imported"


async def test_a_deleted_conversation_comes_back_by_an_import():
    rig = await talked()
    content = await exported(rig)
    gone = rig.state.conversations[0]
    await rig.do("conversation.delete", gone.id)
    await read_in(rig, content)
    assert gone in rig.state.conversations
    assert len(rig.records.by_id) == 7


async def test_an_import_overwrites_no_message_that_is_there_and_adds_it_once_under_another_id():
    rig = await talked()
    value = before(rig)
    here = dict(rig.records.by_id)
    for conversation in value["conversations"]:
        conversation["id"] += "-copy"
    for message in value["messages"]:
        message["conversation_id"] += "-copy"
        message["text"] += " changed"
    for _ in range(2):
        await read_in(rig, value)
        assert {id_: rig.records.by_id[id_] for id_ in here} == here
        assert len(rig.records.by_id) == 14
    copy = next(c for c in rig.state.conversations if c.id.endswith("-copy") and c.title == "One ❤")
    await rig.visit(f"#/chat/{copy.id}")
    assert rig.texts == ["One ❤ changed", "Hello there changed", "Two changed", "Hello there changed"]


async def test_what_cannot_be_read_is_told_by_name_and_the_rest_comes_in():
    value = before(await talked())
    value["conversations"].append({"id": "x", "title": "Damaged"})
    value["messages"][0]["role"] = "ghost"
    value["config"]["connections"].append({"id": "y", "type": "openai", "name": "Broken", "base_url": "no address!"})
    rig = await fresh()
    await rig.do("data.import", files=(MemoryFile("old.json", json.dumps(value)),))
    preview = rig.state.exchange.preview
    assert preview is not None
    assert preview.problems[0].startswith("The connection “Broken”: ")
    assert preview.problems[1:] == (
        "A message of “One ❤”: a message has the role 'ghost'.",
        "The conversation “Damaged”: a conversation has no created.",
    )
    await rig.do("data.import.start")
    assert (len(rig.records.conversations), len(rig.records.by_id)) == (2, 6)
    assert SERVER in [c.id for c in rig.state.connections]


async def test_a_line_of_the_archive_that_is_damaged_costs_only_itself():
    files = unzipped(await exported(await talked()))
    files["conversations.jsonl"] += b"{cut off\n"
    rig = await fresh()
    await rig.do("data.import", files=(MemoryFile("a.zip", zipped(dict(files))),))
    preview = rig.state.exchange.preview
    assert preview is not None
    assert (preview.conversations, preview.problems) == (2, ("Line 11 of the conversations cannot be read.",))


async def test_an_image_that_is_not_what_its_name_says_is_not_taken():
    files = unzipped(await exported(await talked()))
    files[f"images/{DIGEST}.png"] = b"<script>"
    rig = await fresh()
    await read_in(rig, zipped(dict(files)))
    assert rig.images.content == {}
    (alert,) = rig.state.alerts
    assert alert.error.message == "1 part of data.zip is missing."
    assert alert.error.detail == "The image point.png of “Three”."


@pytest.mark.parametrize("change", [{"format": "other"}, {"conversations": None}, {"messages": 5}])
async def test_a_file_that_is_no_export_is_refused_by_its_name(change):
    rig = await fresh()
    await read_in(rig, {**before(await talked()), **change}, name="data.json")
    (alert,) = rig.alerts
    assert alert.startswith("data.json cannot be imported: ")
    assert (rig.records.conversations, rig.state.dialog, rig.state.exchange.preview) == ({}, None, None)


async def test_connections_of_unknown_types_and_a_second_tab_are_not_imported():
    value = before(await talked())
    value["config"]["connections"] += [
        {"id": "n", "type": "from-the-future", "name": "N", "base_url": ""},
        {"id": "another-id", "type": "in-tab", "name": "Tab", "base_url": ""},
    ]
    rig = await fresh()
    await read_in(rig, value)
    assert [connection.id for connection in rig.state.connections] == [TAB, SERVER]


async def test_no_file_changes_nothing_and_the_buttons_open_the_pickers():
    rig = await fresh()
    await rig.do("data.import.pick")
    await rig.do("data.import.folder")
    await rig.do("data.import")
    assert (rig.page.clicked, rig.alerts, rig.state.dialog) == (["import-input", "import-folder"], [], None)


async def test_an_export_of_another_app_becomes_a_conversation_once():
    nodes = [chatgpt_node("u", None, "user", "Hello"), chatgpt_node("a", "u", "assistant", "Hi.")]
    rig = await fresh()
    for _ in range(2):
        await read_in(rig, [chatgpt(*nodes, current="a")])
    (conversation,) = rig.state.conversations
    await rig.visit(f"#/chat/{conversation.id}")
    assert rig.texts == ["Hello", "Hi."]
    assert len(rig.records.by_id) == 2


# ---- Keys ------------------------------------------------------------------------------------------------------------


async def with_keys_everywhere() -> Rig:
    """An app whose person has pasted the key of a connection wherever one can paste."""
    rig = await talked()
    rig.connect(Connection("hosted", "openai", f"Mine {KEY}", "https://api.example/v1", f"m-{KEY}"))
    await rig.keys.set("hosted", "https://api.example/v1", KEY)
    rig.app.set_setting(parameters=Parameters(system_prompt=KEY, extra_json=json.dumps({"api_key": KEY})), model=KEY)
    talk = Conversation("keys", f"About {KEY}", 1.0, 2.0, "m1")
    message = Message(
        "m1",
        "keys",
        None,
        "assistant",
        f"Your key is {KEY}",
        1.0,
        reasoning=KEY,
        model=KEY,
        error=ErrorRecord(KEY, KEY, KEY),
        tool_calls=(ToolCall("1", KEY, json.dumps({"k": KEY})),),
        provider_data={KEY: [{"deep": f"x{KEY}x"}]},
        native_reason=KEY,
    )
    await rig.records.save(conversation_to_json(talk), message_to_json(message))
    rig.app.update(conversations=(talk, *rig.state.conversations))
    await rig.visit("#/chat/keys")
    return rig


async def test_no_key_is_in_any_export():
    rig = await with_keys_everywhere()
    rig.page.folder = MemoryFolder()
    await rig.do("data.backup")
    seen = [*rig.page.folder.files.values(), *unzipped(await exported(rig)).values()]
    rig.page.saved.clear()
    for ending in ("md", "html", "json"):
        await rig.do("export.open")
        await rig.do("export.save", ending)
    await rig.do("export.open")
    await rig.do("export.link")
    seen += rig.page.saved.values()
    seen.append(repr(link.unpacked(rig.page.clipboard.partition(link.ROUTE)[2])).encode())
    assert len(seen) == 12
    for content in seen:
        assert b"sk-everywhere" not in content
    for name, content in rig.page.saved.items():
        assert "sk-everywhere" not in name
        assert "Your key is ••••••••6789" in content.decode() or name.endswith("json")


async def test_a_key_that_may_be_a_word_is_left_in_texts():
    rig = await talked()
    await rig.keys.set(SERVER, NOTHING, "One")
    assert b"One" in b"".join(unzipped(await exported(rig)).values())


# ---- Without loss, whatever it is ------------------------------------------------------------------------------------

TEXT = st.text(max_size=20)
NUMBER = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
COUNT = st.none() | st.integers(0, 2**53)
IDS = st.text(st.sampled_from("abcdef0123456789"), min_size=1, max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
IMAGES = st.tuples(st.just(DIGEST), st.just("image/png"), TEXT, st.just(len(PNG))).map(lambda fields: ImageRef(*fields))
STATS = st.tuples(NUMBER, NUMBER, COUNT, COUNT, NUMBER, COUNT, COUNT).map(lambda fields: Stats(*fields))
CALLS = st.tuples(TEXT, TEXT, TEXT).map(lambda fields: ToolCall(*fields))
ERRORS = st.tuples(TEXT, TEXT, TEXT).map(lambda fields: ErrorRecord(*fields))
TIMES = st.floats(0, 4e9)
MESSAGES = st.tuples(
    IDS,
    st.just(""),
    st.none() | IDS,
    st.sampled_from(["system", "user", "assistant"]),
    TEXT,
    TIMES,
    st.sampled_from(["streaming", "done", "stopped", "error"]),
    *([TEXT] * 3),
    STATS,
    TEXT,
    TEXT,
    st.none() | ERRORS,
    st.lists(IMAGES, max_size=2).map(tuple),
    st.lists(CALLS, max_size=2).map(tuple),
    st.dictionaries(TEXT, VALUES, max_size=2),
)


@st.composite
def threads(draw: Callable[..., Any]) -> list[Thread]:
    """Conversations with messages of all kinds."""
    found = []
    for id_ in draw(st.lists(IDS, max_size=3, unique=True)):
        rows = draw(st.lists(MESSAGES, max_size=4, unique_by=lambda fields: fields[0]))
        messages = tuple(Message(*fields)._replace(conversation_id=id_) for fields in rows)
        leaf = draw(st.none() | IDS)
        found.append(Thread(Conversation(id_, draw(TEXT), draw(TIMES), draw(TIMES), leaf), messages))
    return found


async def packed(found: list[Thread]) -> bytes:
    """The archive of these conversations."""
    own = {t.conversation.id: [message_to_json(m) for m in t.messages] for t in found}

    async def messages(id_: str) -> list[dict[str, Any]]:
        return copied(own[id_])

    async def image(digest: str) -> bytes | None:
        return PNG

    config = copied(config_to_json((), Rig().state.settings))
    records = [copied(conversation_to_json(t.conversation)) for t in found]
    writer = ZipWriter()
    chunks: list[bytes] = []
    pieces: AsyncIterator[archive.Piece] = archive.pieces(config, records, messages, image, [], messages, lambda text: text)
    async for piece in pieces:
        writer.add(piece)
        chunks += writer.take()
    return b"".join([*chunks, *writer.finish()])


@settings(max_examples=60)
@given(threads())
def test_any_conversations_come_back_equal_from_an_archive(found):
    async def there_and_back() -> Any:
        file = MemoryFile("a.zip", await packed(found))
        return await recognise.read([recognise.Source(file.name, file.size, file.read)])

    reading = run(there_and_back())
    assert reading.problems == ()
    assert {t.conversation.id: t for t in reading.threads} == {t.conversation.id: t for t in found}


@settings(max_examples=40)
@given(threads())
def test_any_conversation_comes_back_equal_from_its_own_json_file(found):
    for thread in found:
        file = MemoryFile("a.json", archive.alone(thread, {DIGEST: PNG}, lambda text: text))
        reading = run(recognise.read([recognise.Source(file.name, file.size, file.read)]))
        assert (reading.threads, reading.problems) == ((thread,), ())
        assert run(reading.images[DIGEST]()) == PNG  # type: ignore[arg-type]


def test_half_a_character_of_javascript_survives():
    thread = Thread(Conversation("a", "half \ud83d", 1.0, 1.0), ())
    file = MemoryFile("a.json", archive.alone(thread, {}, lambda text: text))
    assert run(recognise.read([recognise.Source("a", file.size, file.read)])).threads == (thread,)


# ---- ZIP archives ----------------------------------------------------------------------------------------------------


async def entries_of(content: bytes) -> dict[str, Entry]:
    """The files of an archive, by name."""
    file = MemoryFile("a.zip", content)
    return {entry.name: entry for entry in await zip_reader.entries(file.read, file.size)}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
async def test_the_files_of_an_archive_are_read_where_they_lie(method):
    found = await entries_of(zipped({"a.txt": "A" * 1000, "folder/ü.txt": b"B", "folder/": b""}, method))
    assert {name: await entry.load() for name, entry in found.items()} == {"a.txt": b"A" * 1000, "folder/ü.txt": b"B"}


async def test_an_archive_of_which_a_file_is_damaged_or_says_less_than_it_holds_is_refused():
    content = zipped({"a.txt": b"A" * 1000})
    damaged = content.replace(content[35:45], b"\0" * 10)
    lying = bytearray(content)
    place = content.rfind(b"PK\x01\x02")
    lying[place + 24 : place + 28] = (10).to_bytes(4, "little")
    for broken in (damaged, bytes(lying)):
        found = await entries_of(broken)
        with pytest.raises(UnreadableError, match=r"a\.txt is damaged"):
            await found["a.txt"].load()


async def test_a_way_of_packing_that_is_not_known_and_a_password_are_told():
    found = await entries_of(zipped({"a.txt": b"A" * 1000}, zipfile.ZIP_BZIP2))
    with pytest.raises(UnreadableError, match="method 12"):
        await found["a.txt"].load()
    locked = bytearray(zipped({"a.txt": b"A"}))
    place = locked.rfind(b"PK\x01\x02")
    locked[place + 8] |= 1
    with pytest.raises(UnreadableError, match="encrypted"):
        await (await entries_of(bytes(locked)))["a.txt"].load()


async def test_what_is_written_piece_by_piece_is_an_archive_for_everybody():
    writer = ZipWriter()
    chunks = []
    for name, content in (("a.txt", b"one "), ("a.txt", b"two"), ("images/b.png", PNG)):
        writer.add(archive.Piece(name, content))
        chunks += writer.take()
        await asyncio.sleep(0)
    content = b"".join([*chunks, *writer.finish()])
    assert unzipped(content) == {"a.txt": b"one two", "images/b.png": PNG}
    assert {name: await entry.load() for name, entry in (await entries_of(content)).items()} == unzipped(content)
