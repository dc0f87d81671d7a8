"""What runs in the sandbox, run here: code and its output, tracebacks, values, tools, and the module that asks the page."""

from __future__ import annotations

import asyncio
import builtins
import json
import sys
from typing import Any, Literal

import pytest

from playground import client, running
from playground.bridge import Bridge
from playground.charts import BarChart
from playground.showing import MAX_ROWS, shown
from playground.tools import Tool, called, described


class Page:
    """The other end of a bridge: `sent` is what came, `answer` what it says to each question."""

    def __init__(self, *answers: list[dict[str, Any]]) -> None:
        self.sent: list[dict[str, Any]] = []
        self.answers = list(answers)
        self.bridge = Bridge(self._post)

    def _post(self, text: str) -> None:
        message = json.loads(text)
        self.sent.append(message)
        if message["kind"] == "ask" and self.answers:
            for event in self.answers.pop(0):
                self.bridge.receive(json.dumps({"id": message["id"], **event}))

    def texts(self, kind: str) -> str:
        return "".join(message["text"] for message in self.sent if message["kind"] == kind)

    @property
    def asked(self) -> list[dict[str, Any]]:
        return [message for message in self.sent if message["kind"] == "ask"]


@pytest.fixture(autouse=True)
def restored():
    """What a sandbox changes for good, for it ends after one run."""
    before = sys.stdout, sys.stderr, builtins.input
    yield
    sys.stdout, sys.stderr, builtins.input = before
    if hasattr(builtins, "display"):
        del builtins.display


async def run(code: str, page: Page | None = None) -> Page:
    page = page or Page()
    await running.Runner(page.bridge).run(code)
    return page


async def test_what_is_printed_streams_and_the_last_expression_is_shown():
    page = await run("import sys\nprint('one', 1)\nprint('two', file=sys.stderr)\n[1, 2]")
    assert (page.texts("stdout"), page.texts("stderr"), page.texts("value")) == ("one 1\n", "two\n", "[1, 2]")
    assert page.sent[-1] == {"kind": "ended", "status": "done"}


async def test_code_may_await_and_define_and_end_early():
    page = await run("import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    return 7\nawait f()")
    assert page.texts("value") == "7"
    assert (await run("print('a')\nraise SystemExit\nprint('b')")).sent[-1] == {"kind": "ended", "status": "done"}
    assert (await run("raise SystemExit('no')")).sent[-1]["text"] == "SystemExit: no\n"
    assert (await run("")).sent == [{"kind": "ended", "status": "done"}]
    assert (await run("None")).sent == [{"kind": "ended", "status": "done"}]


async def test_a_traceback_has_only_the_persons_own_lines():
    page = await run("import json\n\ndef f(text):\n    return json.loads(text)\n\nf('[')")
    end = page.sent[-1]
    assert end["status"] == "error"
    assert [line for line in end["text"].splitlines() if line.startswith("  File")] == [
        '  File "snippet.py", line 6, in <module>',
        '  File "snippet.py", line 4, in f',
    ]
    assert "return json.loads(text)" in end["text"]


async def test_causes_of_the_persons_own_code_stay_and_those_inside_libraries_go():
    own = await run("try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise ValueError('bad') from error")
    assert "direct cause" in own.sent[-1]["text"] and "ZeroDivisionError" in own.sent[-1]["text"]
    library = await run("import json\njson.loads('')")
    assert "During handling" not in library.sent[-1]["text"] and "StopIteration" not in library.sent[-1]["text"]


async def test_errors_that_say_too_little_get_a_hint():
    missing = await run("import nothing_like_it")
    assert "nothing else can be installed" in missing.sent[-1]["hint"]
    refused = await run("class NetworkError(Exception): pass\nraise NetworkError('failed')")
    assert "CORS" in refused.sent[-1]["hint"]
    assert (await run("1 / 0")).sent[-1]["hint"] == ""
    assert "SyntaxError" in (await run("def")).sent[-1]["text"]


async def test_input_is_refused_with_what_to_do():
    assert "Write the value into the code." in (await run("input('Name?')")).sent[-1]["text"]


async def test_output_has_an_end_and_a_burst_goes_out_in_few_pieces():
    page = await run(f"for n in range(5000):\n    print(n)\nprint('x' * {running.MAX_OUTPUT})\nprint('more')")
    assert len(page.texts("stdout")) == running.MAX_OUTPUT
    assert "Only the first" in page.texts("note")
    assert len(page.sent) < 500


def test_values_show_as_they_draw_themselves():
    class Drawn:
        def _repr_html_(self) -> str:
            return "<b>bold</b>"

        def _repr_svg_(self) -> None:
            return None

    class Image:
        def _repr_png_(self) -> bytes:
            return b"\x89PNG"

    assert shown(Drawn()) == {"kind": "html", "text": "<b>bold</b>"}
    assert shown(Image()) == {"kind": "png", "text": "iVBORw=="}
    assert shown(Drawn)["kind"] == "value"  # the class itself draws nothing
    assert shown("text") == {"kind": "value", "text": "text"}
    assert shown(client.Answer("text")) == {"kind": "value", "text": "text"}


def test_a_list_of_dictionaries_is_a_table_of_all_their_keys():
    table = shown([{"a": 1, "b": 1 / 3}, {"b": None, "c": "x"}])
    assert table == {"kind": "table", "columns": ["a", "b", "c"], "rows": [["1", "0.3333", ""], ["", "", "x"]], "left_out": 0}
    assert shown([{"a": n} for n in range(MAX_ROWS + 7)])["left_out"] == 7
    assert shown([])["kind"] == "value"


def test_a_bar_chart_is_svg_with_what_it_is_given_as_text():
    svg = BarChart({"<a>": 2, "b": 4}, "A & B", "tokens")._repr_svg_()
    assert "&lt;a&gt;" in svg and "A &amp; B" in svg and "4 tokens" in svg
    assert svg.count("<rect") == 2
    assert "<rect" not in BarChart({})._repr_svg_()
    with pytest.raises(ValueError, match="below 0"):
        BarChart({"a": -1})


def temperature(place: str, unit: Literal["C", "F"] = "C", days: list[int] | None = None) -> str:
    """The temperature of a place."""
    return f"20 {unit} in {place}"


def test_a_function_is_described_by_its_annotations_and_docstring():
    told = described(Tool(temperature))["function"]
    assert (told["name"], told["description"]) == ("temperature", "The temperature of a place.")
    assert told["parameters"]["properties"]["place"] == {"type": "string"}
    assert told["parameters"]["properties"]["unit"] == {"type": "string", "enum": ["C", "F"]}
    assert told["parameters"]["required"] == ["place"]
    with pytest.raises(TypeError):
        Tool("temperature")  # type: ignore[arg-type]


async def test_a_tool_that_fails_tells_the_model_so():
    tools = [Tool(temperature)]
    assert (await called(tools, {"name": "temperature", "arguments": '{"place": "Rome"}'}))["result"] == "20 C in Rome"
    assert "there is no tool" in (await called(tools, {"name": "other", "arguments": ""}))["result"]
    assert "JSONDecodeError" in (await called(tools, {"name": "temperature", "arguments": "{"}))["result"]
    assert "TypeError" in (await called(tools, {"name": "temperature", "arguments": "{}"}))["result"]


def waits(work: Any) -> Any:
    """Runs a coroutine to its end, as the sandbox does: nothing in these tests waits for longer than that."""
    try:
        while True:
            work.send(None)
    except StopIteration as end:
        return end.value


DONE = {"event": "done", "reasoning": "hm", "tool_calls": [], "usage": {"completion_tokens": 2}, "finish_reason": "stop"}


async def test_chat_gives_the_text_with_its_figures():
    page = Page([{"event": "text", "text": "Hel"}, {"event": "text", "text": "lo"}, DONE])
    client.connect(page.bridge, waits)
    answer = client.chat("m", "Say hello.", temperature=0)
    assert (answer, answer.reasoning, answer.finish_reason, answer.usage) == ("Hello", "hm", "stop", {"completion_tokens": 2})
    assert page.asked[0]["messages"] == [{"role": "user", "content": "Say hello."}]
    assert page.asked[0]["parameters"] == {"temperature": 0}


async def test_stream_gives_the_pieces_and_lets_go_when_it_is_left():
    page = Page([{"event": "text", "text": "a"}, {"event": "text", "text": "b"}, DONE])
    client.connect(page.bridge, waits)
    assert list(client.stream("m", "Hi")) == ["a", "b"]
    page = Page([{"event": "text", "text": "a"}, {"event": "text", "text": "b"}])
    client.connect(page.bridge, waits)
    pieces = client.stream("m", "Hi")
    assert next(pieces) == "a"
    pieces.close()  # type: ignore[attr-defined]
    assert page.sent[-1] == {"kind": "cancel", "id": 1}


async def test_several_answers_come_at_once():
    page = Page()
    client.connect(page.bridge, None)
    both = asyncio.gather(client.chat_async("a", "1"), client.chat_async("b", "2"))
    await asyncio.sleep(0.01)
    for number, text in ((2, "second"), (1, "first")):
        page.bridge.receive(json.dumps({"id": number, "event": "text", "text": text}))
        page.bridge.receive(json.dumps({"id": number, **DONE}))
    assert list(await both) == ["first", "second"]


async def test_functions_are_called_and_their_results_go_back():
    call = {"id": "1", "name": "temperature", "arguments": '{"place": "Rome"}'}
    page = Page([{**DONE, "tool_calls": [call]}], [{"event": "text", "text": "It is 20."}, DONE])
    client.connect(page.bridge, waits)
    answer = client.chat("m", "How warm?", tools=[temperature])
    assert answer == "It is 20."
    assert answer.tool_calls == [{"name": "temperature", "arguments": '{"place": "Rome"}', "result": "20 C in Rome"}]
    assert "20 C in Rome" in page.asked[1]["messages"][-1]["content"]


async def test_what_goes_wrong_is_a_model_error():
    page = Page([{"event": "error", "message": "No.", "advice": "Do this."}])
    client.connect(page.bridge, waits)
    with pytest.raises(client.ModelError, match=r"No\. Do this\."):
        client.models()
    with pytest.raises(client.ModelError, match="A message is"):
        client.chat("m", [{"role": "robot", "content": "x"}])
    with pytest.raises(client.ModelError, match="use chat"):
        list(client.stream("m", "x", tools=[temperature]))
    client.connect(page.bridge, None)
    with pytest.raises(client.ModelError, match="await"):
        client.models()


def test_an_answer_in_a_block_of_code_is_json_too():
    assert client.Answer('```json\n{"a": 1}\n```').json() == {"a": 1}
    assert client.Answer("[1]").json() == [1]
