"""The table of models: sorted, filtered, grouped, drawn in part; a deletion that is undone; what Sync and Free memory tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modeltab.domain.connections import Connection
from modeltab.domain.errors import EngineFailed
from modeltab.domain.models import Model, ModelState
from modeltab.providers import in_tab, local_llm
from modeltab.providers.in_tab import InTab
from modeltab.providers.local_llm import LocalLlm
from modeltab.state.inventory import ALL_ROWS, BEFORE, WINDOW, Heading, bytes_of, details_line, page_of, rows_of, same_file
from modeltab.state.store import Facts, Inventory, State
from modeltab.views.inventory import table
from tests.servers.model_files import small_gguf
from tests.servers.ollama import OllamaModel, ollama_server
from tests.servers.transport import RealTransport
from tests.unit.conftest import echo_server
from tests.unit.fakes import FakeEngine, FakeModels, JinjaTemplates, MemoryFile
from tests.unit.markup import Node, parse
from tests.unit.rig import SERVER, TAB, Rig

TYPES = (in_tab.connection_type(FakeModels(), FakeEngine(), JinjaTemplates()), local_llm.connection_type(RealTransport()))


def model(
    place: str, name: str, size: int | None = None, words: str = "", when: str = "", state: ModelState = "On disk"
) -> Model:
    """A model."""
    return Model(place, name, size, words, when, state)


STATE = State(
    connections=(Connection("tab", "in-tab", "In this tab"), Connection("shop", "local-llm", "Workshop", "http://127.0.0.1:1")),
    types=TYPES,
    facts={"tab": Facts("In this tab", InTab.capabilities, True), "shop": Facts("Local LLM API", LocalLlm.capabilities)},
    models={
        "tab": (
            model("tab", "Beta-Q4_0.gguf", 2_000_000_000, when="2026-11-02T00:00:00+00:00"),
            model("tab", "alpha.gguf", 500, when="2026-11-01T00:00:00+00:00", state="Loaded"),
        ),
        "shop": (
            model("shop", "beta:q4_0", words="1.5 GB", when="2026-11-03T00:00:00+00:00"),
            model("shop", "gamma"),
        ),
    },
)


def names(state: State) -> list[str]:
    """The rows: names of models, titles of groups with how many are in them."""
    return [f"{row.title} ({row.size})" if isinstance(row, Heading) else row.name for row in rows_of(state)]


def shown(state: State, **inventory: Any) -> Node:
    """The table as HTML."""
    return parse(str(table(state._replace(inventory=Inventory(**inventory)))))


def many(count: int) -> State:
    """So many models in the tab."""
    models = tuple(model("tab", f"m{number:04d}.gguf", number) for number in range(count))
    return STATE._replace(models={"tab": models})


# ---- Rows ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "descending", "rows"),
    [
        ("", False, ["Beta-Q4_0.gguf", "alpha.gguf", "beta:q4_0", "gamma"]),
        ("name", False, ["alpha.gguf", "Beta-Q4_0.gguf", "beta:q4_0", "gamma"]),
        ("name", True, ["gamma", "beta:q4_0", "Beta-Q4_0.gguf", "alpha.gguf"]),
        ("size", False, ["alpha.gguf", "beta:q4_0", "Beta-Q4_0.gguf", "gamma"]),
        ("size", True, ["Beta-Q4_0.gguf", "beta:q4_0", "alpha.gguf", "gamma"]),
        ("modified", False, ["alpha.gguf", "Beta-Q4_0.gguf", "beta:q4_0", "gamma"]),
        ("modified", True, ["beta:q4_0", "Beta-Q4_0.gguf", "alpha.gguf", "gamma"]),
        ("connection", True, ["beta:q4_0", "gamma", "Beta-Q4_0.gguf", "alpha.gguf"]),
        ("state", False, ["alpha.gguf", "Beta-Q4_0.gguf", "beta:q4_0", "gamma"]),
    ],
)
def test_rows_are_sorted_and_what_is_not_known_comes_last(column, descending, rows):
    assert names(STATE._replace(inventory=Inventory(column, descending))) == rows


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("beta", ["Beta-Q4_0.gguf", "beta:q4_0"]),
        ("BETA workshop", ["beta:q4_0"]),
        ("loaded", ["alpha.gguf"]),
        ("  ", ["Beta-Q4_0.gguf", "alpha.gguf", "beta:q4_0", "gamma"]),
        ("nothing", []),
    ],
)
def test_a_row_has_all_the_words_of_the_filter(query, rows):
    assert names(STATE._replace(inventory=Inventory(query=query))) == rows


def test_what_the_api_told_of_a_model_is_found_too():
    models = {"tab": (Model("tab", "a.gguf", details={"Family": "Llama"}), Model("tab", "b.gguf"))}
    assert names(STATE._replace(models=models, inventory=Inventory(query="llama"))) == ["a.gguf"]


def test_one_connections_models_are_shown_alone():
    assert names(STATE._replace(inventory=Inventory(place="shop"))) == ["beta:q4_0", "gamma"]


@pytest.mark.parametrize(
    ("group", "rows"),
    [
        ("connection", ["In this tab (2)", "Beta-Q4_0.gguf", "alpha.gguf", "Workshop (2)", "beta:q4_0", "gamma"]),
        (
            "model",
            ["Beta-Q4_0.gguf (2)", "Beta-Q4_0.gguf", "beta:q4_0", "alpha.gguf (1)", "alpha.gguf", "gamma (1)", "gamma"],
        ),
    ],
)
def test_rows_are_grouped(group, rows):
    assert names(STATE._replace(inventory=Inventory(group=group))) == rows


def test_groups_keep_the_order_of_the_sort():
    rows = names(STATE._replace(inventory=Inventory("size", group="connection")))
    assert rows == ["In this tab (2)", "alpha.gguf", "Beta-Q4_0.gguf", "Workshop (2)", "beta:q4_0", "gamma"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Model("a", "SmolLM2-135M-Instruct.Q4_1.gguf"), Model("b", "smollm2-135m-instruct:q4_1"), True),
        (Model("a", "llama3.2:latest"), Model("b", "llama3.2.gguf"), True),
        (Model("a", "x.gguf"), Model("b", "x.bin"), True),
        (Model("a", "x-Q4_0.gguf"), Model("b", "x-Q8_0.gguf"), False),
        (Model("a", "x", digest="1" * 64), Model("b", "y", digest="1" * 64), True),
        (Model("a", "x", digest="1" * 64), Model("b", "x", digest="2" * 64), False),
    ],
)
def test_one_file_on_two_runtimes_is_known_by_its_digest_or_its_plain_name(one, other, same):
    assert (same_file(one) == same_file(other)) is same


@pytest.mark.parametrize(
    ("size", "words", "count"),
    [
        (5, "1 GB", 5.0),
        (None, "1.5 GB", 1.5 * 1024**3),
        (None, " 12 kB", 12 * 1024.0),
        (None, "3MiB", 3 * 1024.0**2),
        (None, "7 B", 7.0),
        (None, "", None),
        (None, "large", None),
        (None, "1.2.3 GB", None),
        (None, ". GB", None),
    ],
)
def test_a_size_is_read_from_words(size, words, count):
    assert bytes_of(Model("a", "x", size, words)) == count


def test_below_a_name_is_what_is_known_of_its_weights():
    told = Model("a", "x-Q8_0.gguf", details={"Parameters": "1.2B", "Quantization": "Q4_K_M"})
    assert [details_line(m) for m in (told, Model("a", "x-Q8_0.gguf"), Model("a", "x"))] == ["1.2B · Q4_K_M", "Q8_0", ""]


# ---- Long lists ------------------------------------------------------------------------------------------------------


def test_a_list_of_common_length_is_drawn_whole():
    page = page_of(many(ALL_ROWS)._replace(inventory=Inventory(first=100)))
    assert (len(page.rows), page.first, page.total) == (ALL_ROWS, 0, ALL_ROWS)


@pytest.mark.parametrize(
    ("first", "drawn_from"), [(0, 0), (BEFORE, 0), (300, 300 - BEFORE), (999, 1000 - WINDOW), (5000, 1000 - WINDOW)]
)
def test_of_a_long_list_the_rows_near_those_that_are_seen_are_drawn(first, drawn_from):
    page = page_of(many(1000)._replace(inventory=Inventory(first=first)))
    assert (page.first, len(page.rows), page.total, page.models) == (drawn_from, WINDOW, 1000, 1000)
    assert isinstance(page.rows[0], Model) and page.rows[0].name == f"m{drawn_from:04d}.gguf"


def test_what_is_not_drawn_has_its_height_and_rows_keep_their_numbers():
    html = shown(many(1000), first=300, row_height=50)
    grid = html.one("table", "Models")
    assert (grid["aria-rowcount"], grid["data-long"]) == ("1001", "true")
    assert [node["height"] for node in grid if "height" in node] == ["14000", str((1000 - 280 - WINDOW) * 50)]
    rows = [node for node in grid.all("row") if "id" in node]
    assert (rows[0]["aria-rowindex"], rows[-1]["aria-rowindex"]) == ("282", str(281 + WINDOW))


# ---- The table -------------------------------------------------------------------------------------------------------


def test_the_table_says_what_it_is_sorted_by_and_how_much_of_all_is_shown():
    html = shown(STATE, sort="size", descending=True, query="beta")
    sorts = {node.text.strip(): node["aria-sort"] for node in html.all("columnheader") if "aria-sort" in node}
    assert sorts == {
        "Name": "none", "Connection": "none", "Size": "descending", "Modified": "none", "State": "none"
    }  # fmt: skip
    assert (html.one("status").text, html.one("searchbox")["value"]) == ("2 of 4 models", "beta")
    assert shown(STATE).one("status").text == "4 models"
    assert shown(many(1)).one("status").text == "1 model"


def test_a_filter_without_a_find_keeps_its_field():
    html = shown(STATE, query="nothing")
    assert (html.all("table"), html.one("searchbox")["value"]) == ([], "nothing")
    assert "No model has all of these words." in html.text
    assert html.one("status").text == "0 of 4 models"


def test_the_places_are_those_that_have_models():
    html = shown(STATE._replace(models={"tab": STATE.models["tab"], "shop": ()}), place="tab", group="model")
    chosen = [option.text for option in html.all("option") if "selected" in option]
    assert html.names("option") == ["all connections", "In this tab", "nothing", "connection", "model"]
    assert chosen == ["In this tab", "model"]


@pytest.mark.parametrize(("group", "words"), [("connection", "2 models"), ("model", "in 2 places")])
def test_a_groups_row_says_how_many_are_in_it(group, words):
    html = shown(STATE, group=group)
    (first, *_) = [node for node in html if node.attributes.get("class") == "group-row"]
    assert words in first.text
    assert html.one("table")["aria-rowcount"] == str(1 + len(names(STATE._replace(inventory=Inventory(group=group)))))


# ---- What a person does with it --------------------------------------------------------------------------------------


async def test_a_columns_name_sorts_turns_round_and_lets_go():
    rig = Rig()
    await rig.start()
    seen = []
    rig.app.update(inventory=Inventory(first=50))
    for column in ("size", "size", "size", "name", "name", "size"):
        await rig.do("inventory.sort", column)
        seen.append((rig.state.inventory.sort, rig.state.inventory.descending))
    assert seen == [("size", False), ("size", True), ("", False), ("name", False), ("name", True), ("size", False)]
    assert rig.state.inventory.first == 0


@pytest.mark.parametrize(
    ("action", "field"), [("inventory.filter", "query"), ("inventory.place", "place"), ("inventory.group", "group")]
)
async def test_what_narrows_the_table_shows_it_from_its_beginning(action, field):
    rig = Rig()
    await rig.start()
    rig.app.update(inventory=Inventory("size", first=50))
    await rig.do(action, value="model")
    values: dict[str, Any] = {field: "model"}
    assert rig.state.inventory == Inventory("size", **values)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("105:48", (100, 48)), ("110:48", (100, 48)), ("111:48", (111, 48)), ("89:48", (89, 48)), ("105:60", (105, 60))],
)
async def test_a_short_scroll_draws_nothing_anew(value, expected):
    rig = Rig()
    await rig.start()
    rig.app.update(inventory=Inventory(first=100))
    await rig.do("inventory.scroll", value=value)
    assert (rig.state.inventory.first, rig.state.inventory.row_height) == expected


# ---- Deleting and undoing --------------------------------------------------------------------------------------------


async def test_a_deletion_in_the_tab_says_that_it_can_be_undone_and_on_a_server_that_it_cannot(echo):
    rig = Rig("a.gguf", url=echo.url)
    await rig.start()
    notes = []
    for key in (f"{TAB}/a.gguf", f"{SERVER}/b.gguf"):
        await rig.do("model.delete.ask", key)
        assert rig.state.dialog is not None
        notes.append(rig.state.dialog.note)
    assert "This can be undone until you leave the Models page." in notes[0]
    assert "To have it again you need its file." in notes[1]


async def test_a_deleted_model_is_there_again_when_that_is_undone():
    rig = Rig("a.gguf", "b.gguf")
    await rig.start()
    await rig.do("model.delete", f"{TAB}/a.gguf")
    assert (rig.models(TAB), rig.state.deleted) == (["b.gguf"], (f"{TAB}/a.gguf",))
    await rig.do("inventory.undo", f"{TAB}/a.gguf")
    assert (rig.models(TAB), rig.state.deleted, rig.state.status) == (["b.gguf", "a.gguf"], (), "a.gguf is there again")


async def test_each_of_several_deletions_can_be_undone():
    rig = Rig("a.gguf", "b.gguf")
    await rig.start()
    for name in ("a.gguf", "b.gguf"):
        await rig.do("model.delete", f"{TAB}/{name}")
    await rig.do("inventory.undo", f"{TAB}/a.gguf")
    assert (rig.models(TAB), rig.state.deleted) == (["a.gguf"], (f"{TAB}/b.gguf",))


async def test_all_parts_of_a_model_come_back():
    parts = [f"m-0000{number}-of-00002.gguf" for number in (1, 2)]
    rig = Rig(*parts)
    await rig.start()
    await rig.do("model.delete", f"{TAB}/{parts[0]}")
    assert rig.files.files == {}
    await rig.do("inventory.undo", f"{TAB}/{parts[0]}")
    assert (list(rig.files.files), rig.models(TAB)) == (parts, [parts[0]])


async def test_a_model_that_was_added_and_deleted_twice_comes_back_once():
    rig = Rig("a.gguf")
    await rig.start()
    for _ in range(2):
        rig.files.files["a.gguf"] = 1000
        await rig.do("model.delete", f"{TAB}/a.gguf")
    assert rig.state.deleted == (f"{TAB}/a.gguf",)
    await rig.do("inventory.undo", f"{TAB}/a.gguf")
    assert (rig.models(TAB), rig.alerts, rig.files.log.count("restore a.gguf")) == (["a.gguf"], [], 1)


async def test_on_another_page_what_was_deleted_is_gone_for_good():
    rig = Rig("a.gguf")
    await rig.start()
    await rig.visit("#/models")
    await rig.do("model.delete", f"{TAB}/a.gguf")
    await rig.visit("#/models/again")
    assert (rig.files.deleted, "empty" in rig.files.log) == ({"a.gguf": 1000}, False)
    await rig.visit("#/settings")
    assert (rig.state.deleted, rig.files.deleted, rig.files.log[-1]) == ((), {}, "empty")


async def test_a_page_that_is_left_with_nothing_deleted_empties_nothing():
    rig = Rig("a.gguf")
    await rig.start()
    await rig.visit("#/models")
    await rig.visit("#/settings")
    assert rig.files.log == []


async def test_what_a_server_deletes_is_not_offered_for_undo(echo):
    (echo.folder / "a.gguf").write_bytes(small_gguf())
    rig = Rig(url=echo.url)
    await rig.start()
    await rig.do("models.sync")
    await rig.do("model.delete", f"{SERVER}/a.gguf")
    assert (rig.models(SERVER), rig.state.deleted) == ([], ())


async def test_a_model_that_cannot_be_deleted_is_not_offered_for_undo():
    rig = Rig("a.gguf")
    await rig.start()
    rig.files.files.clear()
    await rig.do("model.delete", f"{TAB}/a.gguf")
    assert (rig.state.deleted, len(rig.alerts), rig.models(TAB)) == ((), 1, [])


# ---- Sync ------------------------------------------------------------------------------------------------------------


def put(folder: Path, *file_names: str) -> None:
    """Models in a server's folder."""
    for name in file_names:
        (folder / name).write_bytes(small_gguf())


async def test_sync_names_what_is_new_and_what_is_gone(echo):
    put(echo.folder, "a.gguf", "b.gguf")
    rig = Rig("t.gguf", url=echo.url)
    await rig.start()
    await rig.do("models.sync")
    (echo.folder / "a.gguf").unlink()
    put(echo.folder, "c.gguf", "d.gguf")
    rig.files.files.clear()
    await rig.do("models.sync")
    told = "2 new: c.gguf (Workshop), d.gguf (Workshop); 2 gone: t.gguf (In this tab), a.gguf (Workshop)."
    assert rig.state.inventory_note == rig.state.status == f"The lists are up to date. {told}"


async def test_sync_says_that_nothing_has_changed_and_the_note_can_be_closed(echo):
    rig = Rig("t.gguf", url=echo.url)
    await rig.start()
    await rig.do("models.sync")
    assert rig.state.inventory_note == "The lists are up to date. Nothing has changed."
    await rig.do("inventory.note.close")
    assert rig.state.inventory_note == ""


async def test_the_models_of_a_connection_that_was_not_asked_before_are_not_told_as_new(echo):
    put(echo.folder, "a.gguf")
    rig = Rig()
    await rig.start()
    rig.add_server(SERVER, echo.url)
    await rig.do("models.sync")
    assert (rig.models(SERVER), rig.state.inventory_note) == (
        ["a.gguf"],
        "The lists are up to date. Nothing has changed.",
    )


async def test_of_many_that_are_new_the_first_are_named(echo):
    rig = Rig(url=echo.url)
    await rig.start()
    put(echo.folder, *(f"m{number:02d}.gguf" for number in range(11)))
    await rig.do("models.sync")
    assert rig.state.inventory_note.startswith("The lists are up to date. 11 new: m00.gguf (Workshop), ")
    assert rig.state.inventory_note.endswith("m07.gguf (Workshop) and 3 more.")


async def test_models_of_a_server_that_does_not_answer_any_more_are_not_told_as_gone(tmp_path):
    put_there = tmp_path / "models"
    with echo_server(put_there) as server:
        put(put_there, "a.gguf")
        rig = Rig(url=server.url)
        await rig.start()
        await rig.do("models.sync")
        assert rig.models(SERVER) == ["a.gguf"]
    await rig.do("models.sync")
    assert (rig.health(SERVER), rig.state.inventory_note) == (
        "unreachable", "The lists are up to date. Nothing has changed."
    )  # fmt: skip


# ---- Free memory -----------------------------------------------------------------------------------------------------


async def test_free_memory_names_what_has_left_with_its_size():
    with ollama_server(models={"tiny:1b": OllamaModel(size=4_000_000_000)}) as server:
        rig = Rig("a.gguf")
        rig.connect(Connection("o", "ollama", "My Ollama", server.url))
        await rig.start()
        await rig.do("model.load", f"{TAB}/a.gguf")
        await rig.do("model.load", "o/tiny:1b")
        await rig.do("connection.test", "o")
        (loaded,) = rig.state.models["o"]
        assert (loaded.state, bool(loaded.memory)) == ("Loaded", True)
        await rig.do("models.free")
        note = rig.state.inventory_note
        assert note.startswith("Memory is free. Unloaded 2: a.gguf (In this tab), tiny:1b (My Ollama, ")
        assert {m.state for models in rig.state.models.values() for m in models} == {"On disk"}
        assert rig.state.status == note


async def test_free_memory_says_that_nothing_was_loaded():
    rig = Rig("a.gguf")
    await rig.start()
    await rig.do("models.free")
    assert (rig.state.inventory_note, rig.files.log) == ("Memory is free: nothing was loaded.", [])


async def test_free_memory_of_one_connection_leaves_the_others():
    with ollama_server(models={"tiny:1b": OllamaModel()}) as server:
        rig = Rig("a.gguf")
        rig.connect(Connection("o", "ollama", "My Ollama", server.url))
        await rig.start()
        await rig.do("model.load", f"{TAB}/a.gguf")
        await rig.do("model.load", "o/tiny:1b")
        await rig.do("connection.free", "o")
        assert [m.state for models in rig.state.models.values() for m in models] == ["Loaded", "On disk"]


async def test_memory_that_cannot_be_freed_is_told_by_its_place_and_what_stays_is_not_said_to_have_left(monkeypatch):
    rig = Rig("a.gguf")
    await rig.start()
    await rig.do("model.load", f"{TAB}/a.gguf")

    async def refuse() -> None:
        raise EngineFailed("It does not stop.", "Reload the page.")

    monkeypatch.setattr(rig.engine, "unload", refuse)
    await rig.do("models.free")
    assert (rig.state.inventory_note, rig.alerts) == ("In this tab: It does not stop.", [])


async def test_a_model_that_is_added_is_in_the_table():
    rig = Rig()
    await rig.start()
    await rig.do("models.add")
    await rig.do("models.add.save", files=(MemoryFile("a.gguf", small_gguf()),), values={"destination": TAB})
    html = parse(str(table(rig.state)))
    assert [node["aria-label"] for node in html.all("row") if "id" in node] == ["a.gguf"]
