"""The Playground's page Code: what a person does there, and what code in a sandbox may ask for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from modeltab.actions.code_calls import key_of, request_of
from modeltab.domain.code_examples import EXAMPLES, code_of
from modeltab.domain.code_runs import MAX_PARTS, MAX_RUNS, CodeRun, Part, part_of, run_from_json, run_to_json, with_part
from modeltab.domain.errors import BadRequest, ModelTabError, NotFound
from modeltab.state.code_page import CODE
from modeltab.views import playground as view
from tests.unit.code_fakes import FakeSandbox
from tests.unit.fakes import MemoryFile
from tests.unit.rig import TAB, Rig

MODEL = f"{TAB}/a.gguf"


async def opened(*models: str) -> Rig:
    rig = Rig(*(models or ("a.gguf",)))
    await rig.start(MODEL)
    await rig.visit("#/playground")
    return rig


async def begun(rig: Rig, code: str = "print(1)") -> FakeSandbox:
    """Code runs; its sandbox."""
    rig.press("playground.edit", value=code)
    rig.press("playground.run")
    await rig.until(lambda: rig.state.code_page.phase == "running")
    assert isinstance(rig.app.code.sandbox, FakeSandbox)
    return rig.app.code.sandbox


def says(sandbox: FakeSandbox, *messages: dict[str, Any]) -> None:
    for message in messages:
        sandbox.hear(message)


ENDED = {"kind": "ended", "status": "done"}


async def test_opening_the_page_warms_a_sandbox_and_shows_the_models_code():
    rig = await opened()
    assert [(s.language, s.offline) for s in rig.sandboxes.made] == [("python", False)]
    text, language = rig.editor.shown
    assert language == "python" and MODEL in text and "import modeltab" in text
    await rig.do("playground.tab", "javascript")
    assert rig.editor.shown[1] == "javascript"
    assert rig.sandboxes.made[0].killed and rig.sandboxes.made[1].language == "javascript"
    await rig.do("playground.tab", "curl")
    assert len(rig.sandboxes.made) == 2 and rig.sandboxes.made[1].killed
    await rig.visit("#/chat")
    assert rig.app.code.warm is None


async def test_a_run_takes_the_warm_sandbox_and_leaves_another():
    rig = await opened()
    sandbox = await begun(rig)
    assert sandbox is rig.sandboxes.made[0] and sandbox.code == "print(1)"
    says(sandbox, {"kind": "stdout", "text": "1"}, {"kind": "stdout", "text": "\n"}, ENDED)
    await rig.idle()
    assert rig.state.code_output == (Part("stdout", "1\n"),)
    assert sandbox.killed and not rig.sandboxes.made[1].killed
    (run,) = rig.state.code_page.runs
    assert (run.code, run.status, run.model, run.output) == ("print(1)", "done", MODEL, (Part("stdout", "1\n"),))
    assert list(rig.code_runs.runs) == [run.id]
    says(sandbox, {"kind": "stdout", "text": "late"})
    assert rig.state.code_output == (Part("stdout", "1\n"),)


async def test_a_failure_is_shown_with_its_hint_and_kept():
    rig = await opened()
    sandbox = await begun(rig)
    says(sandbox, {"kind": "ended", "status": "error", "text": "Traceback\n", "hint": "Do this."})
    await rig.idle()
    assert rig.state.code_output == (Part("error", "Traceback\n"), Part("hint", "Do this."))
    assert rig.state.code_page.runs[0].status == "error"


async def test_stop_kills_the_sandbox_before_anything_else():
    rig = await opened()
    sandbox = await begun(rig)
    rig.press("playground.stop")
    assert sandbox.killed
    await rig.idle()
    assert rig.state.code_page.shown is not None and rig.state.code_page.shown.status == "stopped"
    assert rig.state.code_page.phase == ""


async def test_a_sandbox_that_cannot_start_says_so():
    rig = await opened()
    rig.sandboxes.made[0].failure = ModelTabError("The sandbox could not start.", "Reload the page.")
    rig.press("playground.run")
    await rig.idle()
    assert rig.state.code_output == (Part("error", "The sandbox could not start. Reload the page."),)


async def test_offline_only_makes_another_sandbox_for_the_next_run():
    rig = await opened()
    rig.app.set_setting(offline_only=True)
    sandbox = await begun(rig)
    assert sandbox.offline and rig.sandboxes.made[0].killed


async def test_code_is_kept_by_language_and_model_and_reset():
    rig = await opened("a.gguf", "b.gguf")
    await rig.do("playground.edit", value="print('mine')")
    assert rig.state.code_page.edited
    await rig.do("playground.model", value=f"{TAB}/b.gguf")
    assert not rig.state.code_page.edited and "b.gguf" in rig.editor.shown[0]
    await rig.do("playground.model", value=MODEL)
    assert rig.editor.shown[0] == "print('mine')"
    assert rig.app.drafts.read(CODE)["edits"] == {f"python {MODEL}": "print('mine')"}
    generated = rig.editor.shown
    await rig.do("playground.reset")
    assert rig.editor.shown != generated and rig.app.code.edits == {}
    await rig.do("playground.edit", value=rig.editor.shown[0])
    assert not rig.state.code_page.edited


async def test_an_example_is_about_the_chosen_model_and_is_python():
    rig = await opened()
    for example in EXAMPLES:
        await rig.do("playground.example", value=example.id)
        assert rig.editor.shown == (code_of(example.id, MODEL), "python")
        compile(rig.editor.shown[0], "example", "exec")
        assert "MODEL" not in rig.editor.shown[0]


async def test_a_run_can_be_opened_again_and_deleted():
    rig = await opened()
    says(await begun(rig, "print('first')"), {"kind": "stdout", "text": "first"}, ENDED)
    await rig.idle()
    says(await begun(rig, "print('second')"), ENDED)
    await rig.idle()
    first = rig.state.code_page.runs[1]
    await rig.do("playground.reopen", first.id)
    assert rig.editor.shown[0] == "print('first')" and rig.state.code_output == (Part("stdout", "first"),)
    await rig.do("playground.run.delete", first.id)
    assert [run.code for run in rig.state.code_page.runs] == ["print('second')"]
    await rig.do("playground.runs.ask")
    assert rig.state.dialog is not None and rig.state.dialog.values["action"] == "playground.runs.clear"
    await rig.do("playground.runs.clear")
    assert rig.state.code_page.runs == () and rig.code_runs.runs == {}


async def test_only_the_last_runs_are_kept():
    rig = await opened()
    old = tuple(CodeRun(f"r{n}", float(n), "python", MODEL, "1") for n in reversed(range(MAX_RUNS)))
    rig.app.update(code_page=rig.state.code_page._replace(runs=old))
    rig.code_runs.runs = {run.id: run_to_json(run) for run in old}
    says(await begun(rig), ENDED)
    await rig.idle()
    assert len(rig.state.code_page.runs) == MAX_RUNS and "r0" not in rig.code_runs.runs


# ---- What the code asks ----


def question(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {"kind": "ask", "id": number, "method": "models", **fields}


async def test_nothing_is_told_before_the_person_allows_it():
    rig = await opened()
    sandbox = await begun(rig)
    says(sandbox, question(1), question(2))
    await rig.until(lambda: rig.state.code_page.asks)
    assert sandbox.answers == [] and rig.page.focused == "playground-allow"
    rig.press("playground.allow", "run")
    await rig.until(lambda: len(sandbox.answers) == 2)
    assert sandbox.answers[0]["models"] == [{"id": MODEL, "name": "a.gguf", "connection": "In this tab"}]
    says(sandbox, ENDED)
    await rig.idle()
    sandbox = await begun(rig)
    says(sandbox, question())
    await rig.until(lambda: rig.state.code_page.asks)  # that was for one run
    rig.press("playground.stop")
    await rig.idle()


async def test_no_is_an_error_for_the_code_and_stays_no_for_the_run():
    rig = await opened()
    sandbox = await begun(rig)
    says(sandbox, question(1))
    await rig.until(lambda: rig.state.code_page.asks)
    rig.press("playground.allow", "no")
    await rig.until(lambda: len(sandbox.answers) == 1)
    says(sandbox, question(2, method="chat", model=MODEL, messages=[{"role": "user", "content": "x"}], parameters={}))
    await rig.until(lambda: len(sandbox.answers) == 2)
    assert {answer["event"] for answer in sandbox.answers} == {"error"}
    assert "You did not allow" in sandbox.answers[1]["message"]
    rig.press("playground.stop")
    await rig.idle()


async def test_always_is_kept_and_can_be_taken_back():
    rig = await opened()
    sandbox = await begun(rig)
    says(sandbox, question())
    await rig.until(lambda: rig.state.code_page.asks)
    rig.press("playground.allow", "always")
    says(sandbox, ENDED)
    await rig.idle()
    assert rig.state.settings.code_uses_models
    sandbox = await begun(rig)
    says(sandbox, question())
    await rig.until(lambda: bool(sandbox.answers))
    says(sandbox, ENDED)
    await rig.do("playground.ask-again")
    assert not rig.state.settings.code_uses_models


async def test_a_file_cannot_allow_what_a_person_has_to():
    old = await opened()
    old.app.set_setting(code_uses_models=True, theme="dark")
    await old.do("data.export")
    (content,) = old.page.saved.values()
    rig = await opened()
    await rig.do("data.import", files=(MemoryFile("data.zip", content),))
    await rig.do("data.import.start", values={"settings": "yes"})
    assert rig.state.settings.theme == "dark" and not rig.state.settings.code_uses_models


async def test_a_chat_is_answered_by_the_models_own_provider_and_stops_with_the_code():
    rig = await opened()
    rig.app.set_setting(code_uses_models=True)
    sandbox = await begun(rig)
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}]
    says(sandbox, question(1, method="chat", model="a.gguf", messages=messages, parameters={"temperature": 0, "max_tokens": 9}))
    await rig.until(lambda: bool(sandbox.answers) and sandbox.answers[-1]["event"] == "done")
    text = "".join(answer["text"] for answer in sandbox.answers if answer["event"] == "text")
    assert text and sandbox.answers[-1]["finish_reason"] == "stop"
    says(sandbox, ENDED)
    await rig.idle()


REQUEST = {"messages": [{"role": "user", "content": "x"}], "parameters": {}}


async def test_what_the_code_sends_becomes_a_request():
    rig = await opened()
    rig.app.set_setting(parameters=rig.state.settings.parameters._replace(n_ctx=512, temperature=1.0, system_prompt="mine"))
    given = {"temperature": 0, "max_tokens": 5, "system_prompt": "A", "logit_bias": {"1": 2}}
    schema = {"type": "object"}
    given["response_format"] = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    messages = [{"role": "system", "content": "B"}, {"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
    request = request_of(rig.app, MODEL, {"messages": messages, "parameters": given})
    parameters = request.parameters
    assert (parameters.system_prompt, parameters.temperature, parameters.max_tokens, parameters.n_ctx) == ("A\n\nB", 0, 5, 512)
    assert parameters.extra_json == '{"logit_bias": {"1": 2}}' and request.schema == schema
    assert [(message.role, message.text) for message in request.messages] == [("user", "x"), ("assistant", "y")]
    assert request_of(rig.app, MODEL, REQUEST).parameters.system_prompt is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"messages": []},
        {"messages": "x"},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"parameters": []},
        {"parameters": {"temperature": "hot"}},
        {"parameters": {"max_tokens": 1.5}},
        {"parameters": {"seed": True}},
        {"parameters": {"system_prompt": 1}},
        {"parameters": {"reasoning": "much"}},
    ],
)
async def test_what_is_not_in_shape_is_refused_with_words(wrong: dict[str, Any]):
    rig = await opened()
    with pytest.raises(BadRequest):
        request_of(rig.app, MODEL, {**REQUEST, **wrong})


async def test_a_model_is_meant_by_its_id_or_by_a_name_that_only_one_has():
    rig = await opened("a.gguf", "b.gguf")
    assert key_of(rig.app, MODEL) == key_of(rig.app, "a.gguf") == MODEL
    with pytest.raises(NotFound, match="There is no model c"):
        key_of(rig.app, "c")
    with pytest.raises(BadRequest):
        key_of(rig.app, None)


# ---- Values and the view ----


@pytest.mark.parametrize(
    "message", [{}, {"kind": "stdout"}, {"kind": "stdout", "text": 1}, {"kind": "table"}, {"kind": "x", "text": "y"}]
)
def test_a_message_that_is_no_output_is_dropped(message: dict[str, Any]):
    assert part_of(message) is None


def test_output_is_joined_and_has_an_end():
    output: tuple[Part, ...] = ()
    for _ in range(3):
        output = with_part(output, Part("stdout", "a"))
    assert output == (Part("stdout", "aaa"),)
    for _ in range(MAX_PARTS + 5):
        output = with_part(output, Part("value", "x"))
    assert len(output) == MAX_PARTS + 1 and output[-1].kind == "note"


def test_a_run_survives_its_record_and_a_broken_one_is_none():
    table = Part("table", "", ("a",), (("1",),), 2)
    run = CodeRun("r", 1.0, "python", MODEL, "1", "error", 2.5, (Part("stderr", "x"), table))
    assert run_from_json(json.loads(json.dumps(run_to_json(run)))) == run
    for broken in (None, {}, {**run_to_json(run), "code": 1}, {**run_to_json(run), "created": None}):
        assert run_from_json(broken) is None


async def test_the_view_escapes_what_code_shows():
    rig = await opened()
    trick = "<img src=x onerror=alert(1)>"
    parts = tuple(Part(kind, trick) for kind in ("stdout", "error", "value", "html", "svg", "hint"))
    rig.app.update(code_output=(*parts, Part("table", "", (trick,), ((trick,),), 3)))
    html = view.output(rig.state)
    assert "<img src=x" not in html and "3 more rows" in html
    assert 'src="data:image/svg+xml;charset=utf-8,%3Cimg' in html


async def test_the_view_says_why_curl_does_not_run():
    rig = await opened()
    await rig.do("playground.tab", "curl")
    html = view.bar(rig.state)
    assert "copy it" in html and "disabled" in html
    assert rig.press("playground.tab.key", key="ArrowLeft") and rig.state.code_page.tab == "javascript"
    assert rig.press("playground.tab.key", key="Home") and rig.state.code_page.tab == "curl"
    assert not rig.press("playground.tab.key", key="a")
