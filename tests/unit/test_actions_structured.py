"""The page Structured output: the schema as it is typed, the answer held against it, and what is kept."""

from __future__ import annotations

import asyncio
import json

import pytest

from modeltab.actions import kept_pages, structured
from modeltab.domain.connections import Connection
from modeltab.domain.schema_examples import EXAMPLES
from modeltab.state.store import Route
from modeltab.views.page import PageView
from tests.unit.fakes import stop, words
from tests.unit.markup import Node, parse
from tests.unit.rig import TAB, Rig

MODEL = f"{TAB}/a.gguf"
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"], "additionalProperties": False}
TEXT = json.dumps(SCHEMA)


@pytest.fixture
def rig() -> Rig:
    """An app with a model in the tab, which says something that keeps to the schema."""
    rig = Rig("a.gguf")
    rig.engine.steps = (*words('{"na', 'me": "Ada"}'), stop())
    return rig


async def begin(rig: Rig) -> None:
    """Opens the page with that model, a schema and a prompt."""
    await rig.start(MODEL)
    rig.app.update(route=Route("playground-structured"))
    await type_schema(rig, TEXT)
    rig.page.fields["structured-prompt"] = "Who?"


async def type_schema(rig: Rig, text: str) -> None:
    """Types a schema."""
    rig.page.fields["structured-schema"] = text
    await rig.do("structured.input")


def region(rig: Rig, name: str) -> Node:
    """One region of the page as it is now."""
    return parse(PageView().regions(rig.state)[name])


def can_send(rig: Rig) -> bool:
    """Whether the button can be pressed."""
    (button,) = [node for node in region(rig, "structured-bar") if node.attributes.get("type") == "submit"]
    return "disabled" not in button.attributes


def again(rig: Rig) -> Rig:
    """The app after a reload, with what was kept."""
    other = Rig("a.gguf")
    other.drafts.by_place = json.loads(json.dumps(rig.drafts.by_place))
    structured.begin(other.app)
    return other


async def test_an_answer_is_asked_for_with_the_schema_and_held_against_it(rig: Rig):
    await begin(rig)
    await rig.do("structured.send")
    (body,) = rig.engine.bodies
    assert body["messages"] == [{"role": "user", "content": "Who?"}]
    assert body["response_format"]["json_schema"] == {"name": "answer", "schema": SCHEMA, "strict": True}
    assert rig.state.structured.pretty == '{\n  "name": "Ada"\n}'
    assert "The answer keeps to the schema." in region(rig, "structured-answer").text
    assert rig.state.status == "Answer complete. It keeps to the schema"


async def test_each_thing_that_does_not_keep_to_it_is_told_with_its_place(rig: Rig):
    await begin(rig)
    rig.engine.steps = (*words('{"name": 3, "age": 4}'), stop())
    await rig.do("structured.send")
    answer = region(rig, "structured-answer")
    (problems,) = [node for node in answer if node.attributes.get("aria-label") == "Problems of the answer"]
    lines = [node.text for node in problems if node.tag == "li"]
    assert len(lines) == 2
    assert any(line.startswith("/name ") for line in lines) and any("age" in line for line in lines)
    assert rig.state.status == "Answer complete. It does not keep to the schema"


async def test_an_answer_that_is_no_json_is_told_to_be_none_and_shown_as_it_came(rig: Rig):
    await begin(rig)
    rig.engine.steps = (*words("Sure: {"), stop("length"))
    await rig.do("structured.send")
    text = region(rig, "structured-answer").text
    assert "The answer is no JSON" in text and "line 1, column 1" in text and "Sure: {" in text


@pytest.mark.parametrize(
    ("text", "words", "sends"),
    [
        ("", "No schema yet.", False),
        ('{"type": "object"}', "The schema is valid.", True),
        ('{\n"type" "object"}', "line 2, column 8", False),
        ('{"type": "objekt"}', "/type", False),
    ],
)
async def test_the_schema_is_looked_at_as_it_is_typed(rig: Rig, text, words, sends):
    await begin(rig)
    await type_schema(rig, text)
    assert words in region(rig, "structured-state").text
    assert can_send(rig) is sends


async def test_what_cannot_be_sent_is_not_and_says_why(rig: Rig):
    await begin(rig)
    rig.page.fields["structured-prompt"] = " "
    await rig.do("structured.send")
    await type_schema(rig, '{"type": 3}')
    await rig.do("structured.send")
    rig.app.set_setting(model="")
    await rig.do("structured.send")
    assert rig.alerts == [
        "There is no prompt.",
        "The schema cannot be used: A type is one of array, boolean, integer, null, number, object, string, or a list of them.",
        "No model is chosen.",
    ]
    assert rig.engine.bodies == []


async def test_a_model_that_holds_no_answer_to_a_schema_says_so(rig: Rig):
    await begin(rig)
    rig.connect(Connection("deep", "openai", "Deep", "https://api.deepseek.com"))
    await rig.do("structured.model", value="deep/chat")
    assert not can_send(rig)
    assert "DeepSeek holds answers to JSON, but to no schema." in region(rig, "structured-bar").text


async def test_a_schema_that_a_validator_cannot_use_leaves_the_answer_unchecked(rig: Rig):
    await begin(rig)
    await type_schema(rig, '{"$ref": "#/$defs/gone"}')
    await rig.do("structured.send")
    assert "could not be held against the schema" in region(rig, "structured-answer").text
    assert rig.state.structured.pretty


async def test_stop_keeps_what_has_come_and_a_second_one_waits(rig: Rig):
    await begin(rig)
    rig.engine.steps = (*words('{"na'), asyncio.Event())
    rig.press("structured.send")
    await rig.until(lambda: rig.state.structured.answer == '{"na')
    rig.press("structured.send")
    assert rig.alerts == ["An answer is still coming."]
    await rig.do("structured.stop")
    assert (rig.state.structured.answer, rig.state.structured.status) == ('{"na', "stopped")
    assert "not held against the schema" in region(rig, "structured-answer").text


async def test_an_example_fills_both_fields_and_what_was_there_can_be_had_again(rig: Rig):
    await begin(rig)
    for example in EXAMPLES:
        await rig.do("structured.example", value=example.id)
        assert json.loads(rig.page.fields["structured-schema"]) == example.schema
        assert rig.page.fields["structured-prompt"] == example.prompt
    assert "What was here before" in region(rig, "structured-tools").text
    await rig.do("structured.example", value="before")
    assert (rig.page.fields["structured-schema"], rig.page.fields["structured-prompt"]) == (TEXT, "Who?")
    await rig.do("structured.example", value="")
    assert rig.page.fields["structured-schema"] == TEXT


async def test_a_schema_is_written_one_thing_a_line(rig: Rig):
    await begin(rig)
    await rig.do("structured.format")
    assert rig.page.fields["structured-schema"] == json.dumps(SCHEMA, indent=2)
    await type_schema(rig, "{")
    await rig.do("structured.format")
    assert rig.alerts[0].startswith("The schema is no JSON")


async def test_the_page_is_as_it_was_after_a_reload(rig: Rig):
    await begin(rig)
    rig.engine.steps = (*words('{"name": 3}'), stop())
    await rig.do("structured.example", value=EXAMPLES[0].id)
    await rig.do("structured.example", value="before")
    await rig.do("structured.model", value=MODEL)
    await rig.do("structured.send")
    other = again(rig)
    assert (other.page.fields["structured-schema"], other.page.fields["structured-prompt"]) == (TEXT, "Who?")
    assert other.state.structured == rig.state.structured


async def test_what_had_come_when_the_page_was_closed_is_there_again(rig: Rig):
    await begin(rig)
    rig.engine.steps = (*words('{"na'), asyncio.Event())
    rig.press("structured.send")
    await rig.until(lambda: rig.state.structured.answer == '{"na')
    rig.press("structured.input")
    kept_pages.keep(rig.app)  # as when the page is hidden
    page = again(rig).state.structured
    assert (page.answer, page.status) == ('{"na', "stopped")
    await rig.do("structured.stop")


@pytest.mark.parametrize("kept", [3, [], {"errors": 3, "before": ["a"], "status": "?"}, {"errors": [[1]], "answer": None}])
async def test_what_was_kept_and_cannot_be_read_is_left_out(rig: Rig, kept):
    await begin(rig)
    rig.drafts.by_place = {"playground.structured": kept}
    page = again(rig).state.structured
    assert (page.errors, page.before, page.status) == ((), None, "")


async def test_the_answer_can_be_copied(rig: Rig):
    await begin(rig)
    await rig.do("structured.send")
    await rig.do("structured.copy")
    assert rig.page.clipboard == '{\n  "name": "Ada"\n}'
