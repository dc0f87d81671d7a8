"""The figures under an answer: what is computed, what is estimated, what it cost, and where it went."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from modeltab.domain.connections import Connection, host_of
from modeltab.domain.figures import completed, destination, estimate_tokens
from modeltab.domain.messages import Message, Stats
from modeltab.domain.prices import Price, cost, find, price_book
from modeltab.providers.base import HttpRequest
from modeltab.state.prices import listed, price_to_json, prices_from_json
from modeltab.state.records import config_from_json, config_to_json, message_from_json, message_to_json
from modeltab.state.store import Settings, State
from modeltab.views import format as fmt
from modeltab.views.figures import AnswerNotes, stats_parts
from tests.unit.fakes import CannedResponse, CannedTransport, canned, sse, stop, words
from tests.unit.rig import Rig

LIST = Path(__file__).parents[2] / "static" / "prices.json"
HOST = "api.example"
MINI = Price(HOST, "gpt-5-mini", 0.25, 2.0, 0.025, "2025-08")
OPENAI = Connection("hosted", "openai", "Hosted", f"https://{HOST}/v1", "gpt-5-mini")


class Vendor(CannedTransport):
    """Lists its model when it is asked for that, and else answers from the list."""

    async def send(self, request: HttpRequest) -> CannedResponse:
        """The next reply."""
        return canned({"data": [{"id": OPENAI.model}]}) if request.method == "GET" else await super().send(request)


def hosted(*replies: CannedResponse) -> Rig:
    """An app whose OpenAI answers from a list."""
    rig = Rig(transport=Vendor(*replies))
    rig.connect(OPENAI)
    rig.page.prices = (MINI,)
    return rig


# ---- What is computed and estimated ----


@pytest.mark.parametrize(("text", "low", "high"), [("", 0, 0), ("Hello there, how are you?", 5, 9), ("你好世界", 2, 5)])
def test_tokens_are_estimated_by_the_bytes_of_a_text(text, low, high):
    assert low <= estimate_tokens(text) <= high


def test_what_the_api_told_is_never_estimated():
    told = Stats(2.0, 0.5, 7, 30, 15.0)
    assert completed(told, 99, "Hello", 3.0) == told


def test_what_it_did_not_tell_is_estimated_and_says_so():
    stats = completed(Stats(first_token_seconds=1.0), 12, "Hello there!", 4.0)
    assert stats == Stats(4.0, 1.0, 12, 3, 1.0, prompt_is_estimate=True, completion_is_estimate=True)
    assert stats_parts(stats) == [
        *("about 3 tokens", "4.00 s", "about 1.0 tokens/s", "first token after 1.00 s", "about 12 prompt tokens")
    ]


def test_where_nothing_came_nothing_is_estimated():
    assert completed(Stats(), 12, "", 4.0) == Stats(4.0)


def test_the_speed_is_that_of_writing_without_the_wait_for_the_first_token():
    stats = completed(Stats(first_token_seconds=9.0, prompt_tokens=5, completion_tokens=20), 5, "…", 10.0)
    assert stats.tokens_per_second == 20.0
    assert not stats.completion_is_estimate


def test_an_answer_that_came_at_once_has_no_speed():
    assert completed(Stats(first_token_seconds=1.0), 1, "Hello", 1.001).tokens_per_second is None


@pytest.mark.parametrize(
    ("base_url", "in_tab", "place"),
    [
        ("", True, "this tab"),
        ("", False, "this browser"),
        ("http://127.0.0.1:5000/api/v1", False, "127.0.0.1"),
        ("https://api.openai.com/v1", False, "api.openai.com"),
    ],
)
def test_a_request_goes_to_a_host_or_stays(base_url, in_tab, place):
    assert destination(base_url, in_tab) == place


# ---- Prices ----


def test_the_cost_counts_cached_tokens_at_their_own_price_and_reasoning_among_the_answer():
    stats = Stats(prompt_tokens=1_000_000, completion_tokens=500_000, cached_tokens=400_000, reasoning_tokens=300_000)
    assert cost(MINI, stats) == pytest.approx(0.6 * 0.25 + 0.4 * 0.025 + 0.5 * 2.0)
    assert cost(MINI._replace(cached=None), stats) == pytest.approx(0.25 + 1.0)


def test_without_tokens_there_is_no_cost():
    assert cost(MINI, Stats(1.0)) is None


@pytest.mark.parametrize("name", ["gpt-5-mini", "gpt-5-mini-2025-08-07", "gpt-5-mini-latest"])
def test_a_dated_edition_has_the_price_of_its_model(name):
    assert find(price_book([MINI]), HOST, name) == MINI


def test_a_price_is_of_one_host_and_of_no_other_model():
    book = price_book([MINI])
    assert find(book, "127.0.0.1", "gpt-5-mini") is None
    assert find(book, HOST, "gpt-5-mini-tuned") is None


def test_a_price_of_ones_own_counts_before_the_list():
    own = MINI._replace(input=1.0, own=True)
    assert find(price_book([MINI], [own]), HOST, "gpt-5-mini") == own


def test_the_list_that_comes_with_the_app_is_whole():
    content = json.loads(LIST.read_text(encoding="utf-8"))
    prices = listed(content)
    assert len(prices) == len(content["prices"]) >= 40
    assert len({(p.host, p.model) for p in prices}) == len(prices)
    for price in prices:
        assert price.as_of
        assert price.host == host_of(f"https://{price.host}/v1")
        assert price.output >= price.input
        assert price.cached is None or price.cached < price.input


@pytest.mark.parametrize(
    "item",
    [
        None,
        3,
        {},
        {"host": "a", "model": "b"},
        {"host": "a", "model": "b", "input": -1, "output": 1},
        *({"host": "a", "model": "b", "input": value, "output": 1} for value in (True, "1", math.nan, math.inf, 1e9)),
    ],
)
def test_a_price_that_is_none_is_left_out_and_the_others_stay(item):
    assert [p.model for p in prices_from_json([item, price_to_json(MINI)], own=False)] == ["gpt-5-mini"]


@pytest.mark.parametrize("content", [None, [], {}, {"prices": 3}])
def test_a_list_that_is_none_has_no_prices(content):
    assert listed(content) == ()


def test_prices_of_ones_own_are_kept_in_the_configuration():
    own = MINI._replace(own=True, cached=None)
    assert config_from_json(json.loads(json.dumps(config_to_json((), Settings(prices=(own,))))))[1].prices == (own,)


@pytest.mark.parametrize(
    ("value", "words_"), [(0, "$0"), (0.00001, "less than $0.0001"), (0.00123, "$0.0012"), (0.25, "$0.25"), (12.5, "$12.50")]
)
def test_an_amount_is_told_with_the_digits_that_matter(value, words_):
    assert fmt.dollars(value) == words_


# ---- In the app ----


async def test_an_answer_tells_cost_model_and_where_it_went():
    usage = {"choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 500}}
    rig = hosted(sse(*words("Hello", " there"), stop(), usage))
    await rig.start("hosted/gpt-5-mini")
    rig.app.update(prices=rig.page.prices)
    answer = await rig.say("Hello?")
    assert answer.went_to == HOST
    note = AnswerNotes().note(rig.state, answer)
    assert note == "$0.0013 (list price of 2025-08) · gpt-5-mini · api.example"


async def test_an_answer_without_figures_from_its_api_has_estimated_ones():
    rig = hosted(sse(*words("Hello", " there"), stop()))
    await rig.start("hosted/gpt-5-mini")
    rig.app.update(prices=rig.page.prices)
    answer = await rig.say("Hello?")
    assert answer.stats.completion_is_estimate and answer.stats.prompt_is_estimate
    assert AnswerNotes().note(rig.state, answer).startswith("about less than $0.0001 (list price")
    assert message_from_json(message_to_json(answer)) == answer


async def test_an_answer_in_the_tab_stays_there_and_costs_nothing_to_tell():
    rig = Rig("a.gguf")
    await rig.start("in-tab/a.gguf")
    answer = await rig.say("Hello?")
    assert AnswerNotes().note(rig.state, answer) == "a.gguf · stayed in this tab"


def test_an_answer_of_before_is_told_by_where_its_connection_leads_and_nothing_when_it_is_gone():
    old = Message("a", "c", "q", "assistant", "Hello", 0.0, model="m", connection="gone")
    assert AnswerNotes().note(State(), old) == "m"


async def test_where_an_answer_went_stays_true_when_its_connection_is_changed():
    rig = hosted(sse(*words("Hello"), stop()))
    await rig.start("hosted/gpt-5-mini")
    answer = await rig.say("Hello?")
    rig.app.set_connections((OPENAI._replace(base_url="https://elsewhere.example/v1"),))
    assert AnswerNotes().note(rig.state, answer).endswith(HOST)


# ---- Changing prices ----


FORM = {"host": HOST, "model": "gpt-5-mini", "input": "1", "output": "4,5", "cached": ""}


async def test_a_price_can_be_added_changed_and_removed():
    rig = Rig()
    rig.watch()
    rig.page.prices = (MINI,)
    rig.app.update(prices=rig.page.prices)
    await rig.do("prices.open")
    await rig.do("prices.edit", f"{HOST} gpt-5-mini")
    assert rig.state.dialog is not None
    assert rig.state.dialog.values["cached"] == "0.025"
    assert rig.page.focused == "price-input"
    await rig.do("prices.save", values=FORM)
    (own,) = rig.state.settings.prices
    assert (own.input, own.output, own.cached, own.own) == (1.0, 4.5, None, True)
    assert own.as_of.startswith("2027-")
    assert rig.config.value["settings"]["prices"][0]["input"] == 1.0
    await rig.do("prices.save", values={**FORM, "input": "2"})
    assert [p.input for p in rig.state.settings.prices] == [2.0]
    await rig.do("prices.remove", f"{HOST} gpt-5-mini")
    assert rig.state.settings.prices == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": " "}, "The model is missing."),
        ({"host": ""}, "is not an http address"),
        ({"input": "much"}, "The price of a prompt token is missing or no number."),
        ({"output": ""}, "The price of an answer token is missing or no number."),
        ({"cached": "-1"}, "The price of a cached token is out of range."),
        ({"input": "nan"}, "The price of a prompt token is out of range."),
    ],
)
async def test_a_price_that_cannot_be_one_is_refused_with_what_to_do(changes, message):
    rig = Rig()
    rig.watch()
    await rig.do("prices.open")
    await rig.do("prices.save", values={**FORM, **changes})
    assert rig.state.dialog is not None and rig.state.dialog.error is not None
    assert message in rig.state.dialog.error.message
    assert rig.state.dialog.error.advice
    assert rig.state.settings.prices == ()
