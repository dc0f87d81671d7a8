"""The page Completion: prompts rendered and completed, tokens looked at, branches, and what is kept of it all."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from modeltab.actions import completion, kept_pages, navigation
from modeltab.domain.completions import Branch
from modeltab.domain.connections import Connection
from modeltab.domain.errors import EngineFailed
from modeltab.domain.messages import INTERRUPTED
from modeltab.domain.models import Model
from modeltab.domain.tokens import Alternative, Token
from modeltab.state import playground
from modeltab.state.playground import branch_from_json, branch_to_json
from modeltab.state.store import Route, State
from modeltab.views.page import PageView
from tests.unit.fakes import CannedTransport, MemoryFile, ended, sse, stop, tokens, told
from tests.unit.gguf_files import STRING, by_hand, whole_file
from tests.unit.markup import Node, parse
from tests.unit.rig import TAB, Rig

MODEL = f"{TAB}/a.gguf"
PROMPT = "The capital of France is"
TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"


@pytest.fixture
def rig() -> Rig:
    """An app with a model in the tab."""
    return Rig("a.gguf")


async def begin(rig: Rig) -> None:
    """Opens the page with that model and a prompt."""
    await rig.start(MODEL)
    rig.app.update(route=Route("playground-completion"))
    rig.page.fields["completion-prompt"] = PROMPT


def branching(rig: Rig) -> list[Node]:
    """The buttons of the alternatives."""
    return [n for n in region(rig, "completion-output") if n.attributes.get("data-action") == "completion.branch"]


def templated() -> MemoryFile:
    """The model's file, with a chat template in it."""
    return MemoryFile("a.gguf", by_hand([("tokenizer.chat_template", (STRING, TEMPLATE))]))


def region(rig: Rig, name: str) -> Node:
    """One region of the page as it is now."""
    return parse(PageView().regions(rig.state)[name])


def shown(rig: Rig) -> Branch:
    """The completion that is looked at."""
    found = playground.branch_of(rig.state.completion, rig.state.completion.shown)
    assert found is not None
    return found


def again(rig: Rig) -> Rig:
    """The app after a reload, with what was kept."""
    other = Rig("a.gguf")
    other.drafts.by_place = json.loads(json.dumps(rig.drafts.by_place))
    completion.begin(other.app)
    return other


async def test_a_prompt_is_completed_with_the_pages_numbers_over_the_defaults(rig: Rig):
    await begin(rig)
    rig.app.set_setting(parameters=rig.state.settings.parameters._replace(temperature=0.9, top_p=0.5))
    await rig.do("completion.input", values={"temperature": "0.1", "max_tokens": "8", "seed": "", "alternatives": "2"})
    await rig.do("completion.send")
    (body,) = rig.engine.bodies
    assert (body["prompt"], body["temperature"], body["top_p"], body["max_tokens"], body["logprobs"]) == (
        PROMPT,
        0.1,
        0.5,
        8,
        2,
    )
    assert "seed" not in body
    assert (shown(rig).text, shown(rig).status, shown(rig).finish_reason) == (" Paris.", "done", "stop")
    assert rig.state.status == "Completion complete"
    assert rig.state.completing is None


async def test_each_token_is_shown_with_its_probability_in_words_and_as_a_shade(rig: Rig):
    await begin(rig)
    await rig.do("completion.send")
    found = [node for node in region(rig, "completion-output") if node.attributes.get("role") == "button"]
    assert [node["aria-label"] for node in found] == ["“·Paris”, 75 %", "“.”, 75 %"]
    assert [node["data-heat"] for node in found] == ["1", "1"]
    assert [node["tabindex"] for node in found] == ["0", "-1"]


async def test_the_alternatives_of_a_token_are_listed_and_one_of_them_branches(rig: Rig):
    await begin(rig)
    await rig.do("completion.send")
    first = shown(rig)
    await rig.do("completion.select", "1")
    names = [
        n["aria-label"] for n in region(rig, "completion-output") if n.attributes.get("data-action") == "completion.branch"
    ]
    assert names == ["Branch: “.”, 75 %", "Branch: “.?”, 25 %"]
    rig.engine.completion = (*tokens(" Or", " Lyon"), ended("length"))
    await rig.do("completion.branch", "1")
    new = shown(rig)
    assert rig.engine.bodies[-1]["prompt"] == PROMPT + " Paris.?"
    assert new.text == " Paris.? Or Lyon"
    assert (new.parent, new.place, new.prompt) == (first.id, 1, PROMPT)
    assert new.tokens[0] == first.tokens[0]
    assert new.tokens[1].alternatives == first.tokens[1].alternatives  # so that the next one can be chosen, too
    await rig.do("completion.show", first.id)  # and back: nothing is lost
    assert shown(rig) == first


async def test_the_one_that_came_and_what_is_no_text_cannot_be_branched_to(rig: Rig):
    await begin(rig)
    odd = {"token": "�", "logprob": -3.0}
    rig.engine.completion = (
        {"choices": [{"text": "a", "logprobs": {"content": [{"token": "a", "logprob": -1.0, "top_logprobs": [odd]}]}}]},
        ended(),
    )
    await rig.do("completion.send")
    await rig.do("completion.select", "0")
    (node,) = branching(rig)
    assert "disabled" in node.attributes


async def test_it_goes_on_where_it_ended(rig: Rig):
    await begin(rig)
    rig.engine.completion = (*tokens(" Paris"), ended("length"))
    await rig.do("completion.send")
    await rig.do("completion.continue")
    assert rig.engine.bodies[-1]["prompt"] == PROMPT + " Paris"
    assert shown(rig).text == " Paris Paris"
    assert len(rig.state.completion.branches) == 1


async def test_stop_keeps_what_has_come_and_a_second_one_waits_for_the_first(rig: Rig):
    await begin(rig)
    gate = asyncio.Event()
    rig.engine.completion = (*tokens(" Paris"), gate)
    rig.press("completion.send")
    await rig.until(lambda: rig.state.completing is not None and rig.state.completing.text == " Paris")
    rig.press("completion.send")
    assert rig.alerts == ["A completion is still coming."]
    await rig.do("completion.stop")
    assert (shown(rig).text, shown(rig).status) == (" Paris", "stopped")
    assert "stopped" in rig.engine.log
    assert rig.state.status == "Completion stopped"


async def test_a_failure_is_told_beside_what_has_come(rig: Rig):
    await begin(rig)
    rig.engine.completion = (*tokens(" Paris"), EngineFailed("The engine broke.", "Load it again."))
    await rig.do("completion.send")
    assert (shown(rig).text, shown(rig).status) == (" Paris", "error")
    assert shown(rig).error is not None and "The engine broke." in region(rig, "completion-output").text
    rig.engine.completion = tokens(" Paris")  # without its end
    await rig.do("completion.send")
    assert "before its end mark" in region(rig, "completion-output").text


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"temperature": "3"}, "Temperature is from 0 to 2."),
        ({"max_tokens": "0"}, "Max tokens is from 1 to 100000."),
        ({"max_tokens": "1.5"}, "Max tokens is a whole number, not “1.5”."),
        ({"seed": "-1"}, "Seed is from 0 to 4294967295."),
        ({"temperature": "nan"}, "Temperature is from 0 to 2."),
    ],
)
async def test_a_number_that_is_wrong_is_named_and_nothing_is_asked(rig: Rig, values, words):
    await begin(rig)
    await rig.do("completion.input", values=values)
    await rig.do("completion.send")
    assert rig.alerts == [words]
    assert (rig.engine.bodies, rig.state.completion.branches) == ([], ())


async def test_without_a_prompt_or_a_model_it_says_what_is_missing(rig: Rig):
    await begin(rig)
    rig.page.fields["completion-prompt"] = ""
    await rig.do("completion.send")
    rig.page.fields["completion-prompt"] = PROMPT
    rig.app.set_setting(model="")
    await rig.do("completion.send")
    assert rig.alerts == ["There is no prompt.", "No model is chosen."]
    await rig.do("completion.model", value=f"{TAB}/gone.gguf")
    await rig.do("completion.send")
    assert "gone.gguf is not there now." in region(rig, "completion-output").text


async def test_a_model_that_completes_no_text_says_why_and_cannot_be_asked(rig: Rig):
    await begin(rig)
    rig.connect(Connection("m", "openai", "M", "https://api.mistral.ai/v1"))
    await rig.do("completion.model", value="m/chat")
    bar = region(rig, "completion-bar")
    (button,) = [node for node in bar if node.attributes.get("type") == "submit"]
    assert "disabled" in button.attributes
    assert "Mistral answers messages only." in bar.text


async def test_messages_are_rendered_by_the_template_of_the_models_file_and_the_prompt_before_stays(rig: Rig):
    await begin(rig)
    rig.files.contents["a.gguf"] = templated()
    rig.page.fields |= {"completion-system": "Be brief.", "completion-message": " Why? "}
    await rig.do("completion.render", "typed")
    assert rig.page.fields["completion-prompt"] == "<system>Be brief.<user>Why?<assistant>"
    assert rig.state.completion.note.startswith("Rendered by the template of a.gguf: about ")
    assert [branch.prompt for branch in rig.state.completion.branches] == [PROMPT]
    await rig.do("completion.show", rig.state.completion.branches[0].id)
    await rig.do("completion.take")
    assert rig.page.fields["completion-prompt"] == PROMPT


async def test_the_conversation_that_is_open_is_rendered_as_it_would_be_sent(rig: Rig):
    await begin(rig)
    rig.files.contents["a.gguf"] = templated()
    await rig.do("completion.render", "conversation")
    assert rig.alerts == ["There is no conversation to render."]
    await rig.say("Hi")
    rig.type("And now?")
    await rig.do("completion.render", "conversation")
    assert rig.page.fields["completion-prompt"] == "<user>Hi<assistant>Hello there<user>And now?<assistant>"


async def test_what_cannot_be_rendered_is_told_in_its_place(rig: Rig):
    await begin(rig)
    await rig.do("completion.render", "typed")
    assert rig.alerts == ["There is no message to render."]
    rig.files.contents["a.gguf"] = MemoryFile("a.gguf", whole_file())
    rig.page.fields["completion-message"] = "Why?"
    await rig.do("completion.render", "typed")
    assert "no chat template" in region(rig, "completion-render").text
    assert rig.page.fields["completion-prompt"] == PROMPT


async def test_arrows_go_from_token_to_token(rig: Rig):
    await begin(rig)
    await rig.do("completion.send")
    places = []
    for key in ("Enter", "ArrowRight", "ArrowRight", "Home", "End", "ArrowLeft"):
        assert rig.press("completion.key", key=key)
        places.append(rig.state.completion.selected)
        assert rig.page.focused == f"token-{places[-1]}"
    assert places == [0, 1, 1, 0, 1, 0]
    assert not rig.press("completion.key", key="Tab")


async def test_the_page_is_as_it_was_after_a_reload(rig: Rig):
    await begin(rig)
    rig.page.fields |= {"completion-system": "Be brief.", "completion-message": "Why?"}
    await rig.do("completion.input", values={"temperature": "0.2", "max_tokens": "9", "seed": "", "alternatives": "3"})
    await rig.do("completion.model", value=MODEL)
    await rig.do("completion.send")
    other = again(rig)
    assert other.page.fields["completion-prompt"] == PROMPT
    assert (other.page.fields["completion-system"], other.page.fields["completion-message"]) == ("Be brief.", "Why?")
    page, before = other.state.completion, rig.state.completion
    assert (page.model, page.values, page.shown) == (MODEL, before.values, before.shown)
    assert [b.text for b in page.branches] == [" Paris."]
    alternative = page.branches[0].tokens[0].alternatives[1]
    assert (alternative.text, round(alternative.logprob, 3)) == (" PARIS?", -1.386)


async def test_one_that_was_coming_when_the_page_was_closed_is_cut_off_and_keeps_its_text(rig: Rig):
    await begin(rig)
    rig.engine.completion = (*tokens(" Paris"), asyncio.Event())
    rig.press("completion.send")
    await rig.until(lambda: rig.state.completing is not None and rig.state.completing.text == " Paris")
    rig.press("completion.input", values={})
    kept_pages.keep(rig.app)  # as when the page is hidden
    (found,) = again(rig).state.completion.branches
    assert (found.text, found.status, found.finish_reason) == (" Paris", "stopped", INTERRUPTED)
    await rig.do("completion.stop")


async def test_a_completion_of_another_tab_is_not_overwritten_and_a_deleted_one_does_not_come_back(rig: Rig):
    await begin(rig)
    await rig.do("completion.send")
    other = again(rig)
    other.page.fields["completion-prompt"] = "Elsewhere"
    await other.start(MODEL)
    await other.do("completion.send")
    rig.drafts.by_place = other.drafts.by_place
    mine = shown(rig).id
    await rig.do("completion.delete.ask", mine)
    assert rig.state.dialog is not None and rig.state.dialog.values["action"] == "completion.delete"
    await rig.do("completion.delete", mine)
    assert rig.state.completion.branches == ()
    assert [branch.prompt for branch in again(rig).state.completion.branches] == ["Elsewhere"]


async def test_where_there_is_no_more_room_the_newest_are_kept_and_the_page_says_so(rig: Rig, monkeypatch):
    await begin(rig)
    await rig.do("completion.send")
    one = len(str(branch_to_json(shown(rig))))
    monkeypatch.setattr("modeltab.actions.completion.MOST_CHARACTERS", one + one // 2)
    await rig.do("completion.send")
    newest = shown(rig).id
    assert len(rig.state.completion.branches) == 2
    assert "no more room for 1 of the oldest" in region(rig, "completion-branches").text
    assert [branch.id for branch in again(rig).state.completion.branches] == [newest]


async def test_a_browser_that_refuses_to_keep_it_is_told_and_nothing_on_the_page_is_lost(rig: Rig):
    await begin(rig)
    rig.drafts.problem = "The browser is full."
    await rig.do("completion.send")
    assert rig.alerts == ["The browser is full."]
    assert shown(rig).text == " Paris."


async def test_the_text_can_be_copied_and_taken_as_a_prompt(rig: Rig):
    await begin(rig)
    await rig.do("completion.send")
    await rig.do("completion.copy")
    assert (rig.page.clipboard, rig.state.status) == (PROMPT + " Paris.", "Copied")
    await rig.do("completion.take")
    assert rig.page.fields["completion-prompt"] == PROMPT + " Paris."
    assert len(rig.state.completion.branches) == 1  # the prompt before is that of the completion


async def test_erasing_everything_stops_it_and_forgets_it(rig: Rig):
    await begin(rig)
    rig.engine.completion = (*tokens(" Paris"), asyncio.Event())
    rig.press("completion.send")
    await rig.until(lambda: rig.state.completing is not None and rig.state.completing.text == " Paris")
    await rig.do("data.erase")
    assert (rig.drafts.by_place, rig.page.reloads) == ({}, 1)


BRANCH = Branch("b", MODEL, "p", (Token("a", -1.0, (Alternative("a", -1.0),)), Token("b")), 3.0, "done", "x", 1, "stop")


def test_a_completion_is_the_same_after_it_was_kept():
    assert branch_from_json(json.loads(json.dumps(branch_to_json(BRANCH)))) == BRANCH


@pytest.mark.parametrize("value", [None, 3, [], {}, {"tokens": 3}, {**branch_to_json(BRANCH), "tokens": [[]]}])
def test_what_is_no_completion_is_left_out(value: Any):
    assert branch_from_json(value) is None


@pytest.mark.parametrize(
    ("logprob", "words", "shade"),
    [
        (0.0, "100 %", "0"),
        (-0.1, "90 %", "0"),
        (-0.69, "50 %", "1"),
        (-1.5, "22 %", "2"),
        (-2.5, "8.2 %", "3"),
        (-5.0, "0.7 %", "4"),
        (-20.0, "below 0.1 %", "4"),
    ],
)
def test_a_probability_has_words_and_a_shade_and_the_unlikely_are_underlined_by_the_style_sheet(logprob, words, shade):
    page = playground.Completion(branches=(BRANCH._replace(tokens=(Token("a", logprob),)),), shown="b")
    drawn = parse(PageView().regions(State(route=Route("playground-completion"), completion=page))["completion-output"])
    (token,) = [node for node in drawn if node.attributes.get("id") == "token-0"]
    assert (token["title"], token["data-heat"]) == (words, shade)
    assert [node.text.split()[0] for node in drawn if node.role == "listitem"] == ["Aa"] * 5  # the legend


@pytest.mark.parametrize(
    ("hash_", "page"),
    [
        ("#/playground/completion", "playground-completion"),
        ("#/playground/structured", "playground-structured"),
        ("#/playground-completion", "playground-completion"),
    ],
)
def test_the_pages_have_addresses_and_links_to_each_other(hash_, page):
    assert navigation.parse(hash_) == Route(page)
    head = parse(PageView().regions(State(route=Route(page)))[f"{page.removeprefix('playground-')}-head"])
    links = {node.text: node for node in head if node.role == "link"}
    assert list(links) == ["Code", "Completion", "Structured output"]
    current = [node["href"] for node in links.values() if node["aria-current"] == "page"]
    assert current == [f"#/playground/{page.removeprefix('playground-')}"]


async def test_a_model_that_only_answers_messages_but_tells_probabilities_is_given_the_prompt_as_one():
    told_chunks = [
        {"choices": [{"index": 0, "delta": {"reasoning_content": "Hm"}, "logprobs": {"content": [told("Hm")]}}]},
        {"choices": [{"index": 0, "delta": {"content": "Paris"}, "logprobs": {"content": [told("Paris")]}}]},
        stop(),
    ]
    transport = CannedTransport(sse(*told_chunks))
    other = Rig("a.gguf", transport=transport)
    await begin(other)
    other.connect(Connection("deep", "openai", "Deep", "https://api.deepseek.com"))
    other.app.update(models={"deep": (Model("deep", "chat"),)})
    await other.keys.set("deep", "https://api.deepseek.com", "sk-0123456789")
    other.page.fields["completion-system"] = "Be brief."
    await other.do("completion.model", value="deep/chat")
    assert "The prompt goes to it as one message" in region(other, "completion-bar").text
    await other.do("completion.send")
    assert transport.body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": PROMPT},
    ]
    assert transport.body["top_logprobs"] == 5
    assert [(token.text, len(token.alternatives)) for token in shown(other).tokens] == [("Paris", 2)]
    await other.do("completion.select", "0")
    assert all("disabled" in node.attributes for node in branching(other))
    await other.do("completion.continue")
    await other.do("completion.branch", "1")
    assert other.alerts == ["chat cannot go on with a text."]
