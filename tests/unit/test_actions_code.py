"""Copy as code: what is chosen, what it is written for, and that it is what was sent."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from modeltab.domain.connections import Connection
from modeltab.domain.messages import ImageRef, Message
from modeltab.domain.parameters import Parameters
from modeltab.state.records import config_from_json
from modeltab.views import dialog as dialog_view
from tests.servers.hosted import HostedApis
from tests.unit.rig import SERVER, TAB, Rig

KEY = "sk-secret-0123456789abcdefghij"
AWAY = "away"
MODEL = f"{AWAY}/gpt-5-mini"


@pytest.fixture
def apis() -> Iterator[HostedApis]:
    """An API with a key."""
    with HostedApis(KEY) as server:
        yield server


async def talking(rig: Rig, apis: HostedApis, **parameters) -> Message:
    """An answer of the API in a conversation."""
    rig.connect(Connection(AWAY, "openai", "Away", apis.url + "/v1"))
    await rig.app.keys.set(AWAY, apis.url, KEY)
    await rig.start(MODEL)
    rig.app.set_setting(parameters=Parameters(**parameters))
    return await rig.say('It\'s "quoted" $HOME')


def shown(rig: Rig) -> str:
    """The dialog's HTML."""
    return dialog_view.dialog(rig.state)


def code(rig: Rig):
    """What the dialog shows."""
    assert rig.state.code is not None and rig.state.dialog is not None and rig.state.dialog.name == "code"
    return rig.state.code


# ---- A turn ----


async def test_a_turn_is_shown_as_it_was_sent_whatever_is_set_since(apis):
    rig = Rig()
    answer = await talking(rig, apis, temperature=0.25, system_prompt="Be brief.")
    sent = apis.requests[-1].json()
    rig.app.set_setting(parameters=Parameters(temperature=1.0), model=f"{TAB}/other.gguf")
    await rig.do("snippet.message", answer.id)
    assert code(rig).call.body == sent
    assert code(rig).notes == ("Your key is not in the code: it is taken from the environment variable API_KEY.",)
    assert code(rig).call.parameters == {"temperature": 0.25}
    assert "$API_KEY" in code(rig).text
    await rig.do("snippet.message", rig.shown[0].id)  # the question that it answers
    assert code(rig).call.body == sent
    assert rig.alerts == []


async def test_the_question_of_two_answers_is_that_of_the_one_that_is_shown(apis):
    rig = Rig()
    first = await talking(rig, apis, temperature=0.25)
    question = rig.shown[0].id
    rig.app.set_setting(parameters=Parameters(temperature=0.75))
    await rig.do("message.regenerate", first.id)
    await rig.do("snippet.message", question)
    assert code(rig).call.body["temperature"] == 0.75
    await rig.do("message.version", first.id)
    await rig.do("snippet.message", question)
    assert code(rig).call.body["temperature"] == 0.25


async def test_an_answer_that_goes_on_was_asked_with_its_beginning():
    rig = Rig("t.gguf")
    await rig.start(f"{TAB}/t.gguf")
    first = await rig.say("Count")
    await rig.do("message.continue", first.id)
    going_on = rig.shown[-1]
    assert going_on.text.startswith(first.text) and going_on.continued_from == len(first.text) > 0
    await rig.do("snippet.message", going_on.id)
    assert code(rig).call.messages[-1] == {"role": "assistant", "content": first.text}
    await rig.do("snippet.message", first.id)
    assert code(rig).call.messages[-1]["role"] == "user"


async def test_a_turn_of_an_older_version_says_that_its_parameters_are_todays(apis):
    rig = Rig()
    answer = await talking(rig, apis)
    rig.app.update(messages={**rig.state.messages, answer.id: answer._replace(parameters=None)})
    rig.app.set_setting(parameters=Parameters(temperature=0.5))
    await rig.do("snippet.message", answer.id)
    assert code(rig).call.body["temperature"] == 0.5
    assert "were not kept" in code(rig).notes[-1]


async def test_a_turn_whose_connection_is_gone_is_for_the_model_that_is_chosen(apis):
    rig = Rig("t.gguf")
    answer = await talking(rig, apis)
    rig.app.set_connections(tuple(c for c in rig.state.connections if c.id != AWAY))
    rig.app.set_setting(model="")
    await rig.do("snippet.message", answer.id)
    assert rig.alerts == ["No model is chosen."]
    rig.app.set_setting(model=f"{TAB}/t.gguf")
    await rig.do("snippet.message", answer.id)
    assert code(rig).call.body["model"] == f"{TAB}/t.gguf"
    assert "not here any more" in code(rig).notes[1]


async def test_a_message_without_an_answer_is_for_the_model_that_is_chosen():
    rig = Rig("t.gguf")
    await rig.start(f"{TAB}/t.gguf")
    answer = await rig.say("Hello")
    rig.app.update(messages={id_: m for id_, m in rig.state.messages.items() if id_ != answer.id})
    rig.app.set_setting(parameters=Parameters(temperature=0.5))
    await rig.do("snippet.message", answer.parent_id or "")
    assert (code(rig).call.body["temperature"], len(code(rig).notes)) == (0.5, 1)


async def test_an_image_is_copied_whole_and_shown_by_its_beginning(apis):
    rig = Rig()
    answer = await talking(rig, apis)
    question = rig.shown[0]
    rig.images.content["d1"] = bytes(range(256)) * 20
    image = ImageRef("d1", "image/png", "it.png", 5120)
    rig.app.update(messages={**rig.state.messages, question.id: question._replace(images=(image,))})
    await rig.do("snippet.message", answer.id)
    assert len(code(rig).text) > len(code(rig).shown_text) + 5000
    assert "modeltab" not in {form.id for form in code(rig).forms}  # its module takes texts
    assert "…" in code(rig).shown_text and "…" not in code(rig).text
    await rig.do("snippet.copy")
    assert rig.page.clipboard == code(rig).text


# ---- A model ----


async def test_code_for_a_model_asks_it_an_example_and_is_announced_when_copied(apis):
    rig = Rig()
    await talking(rig, apis, temperature=0.25)
    await rig.do("snippet.model", MODEL)
    assert code(rig).call.body["messages"] == [{"role": "user", "content": "Why is the sky blue?"}]
    assert code(rig).call.body["temperature"] == 0.25
    await rig.do("snippet.copy")
    assert (rig.page.clipboard, rig.state.status) == (code(rig).text, "Copied")
    await rig.do("dialog.close")
    assert rig.state.code is None and rig.state.dialog is None


async def test_a_model_in_the_tab_is_called_at_the_address_of_the_page():
    rig = Rig("t.gguf")
    await rig.start()
    await rig.do("snippet.model", f"{TAB}/t.gguf")
    assert code(rig).call.url == "https://modeltab.test/v1/chat/completions"
    assert [form.id for form in code(rig).forms] == ["javascript-fetch", "javascript-openai", "modeltab", "modeltab-async"]
    assert "curl and other programs cannot reach a tab" in code(rig).notes[0]


async def test_a_server_that_needs_no_key_gets_none_unless_one_is_kept(apis):
    rig = Rig()
    rig.connect(Connection(AWAY, "openai", "Away", apis.url + "/v1", "gpt-5-mini"))
    await rig.start(MODEL)
    await rig.do("snippet.model", MODEL)
    assert code(rig).call.key is None and "API_KEY" not in code(rig).text
    await rig.app.keys.set(AWAY, apis.url, KEY)
    await rig.do("snippet.model", MODEL)
    assert "$API_KEY" in code(rig).text
    assert all(KEY not in text for text in (repr(rig.state), shown(rig)))


async def test_a_vendor_that_needs_a_key_has_its_place_in_the_code_before_there_is_one():
    rig = Rig()
    rig.connect(Connection(AWAY, "openai", "Away", "https://api.openai.com/v1", "gpt-5-mini"))
    rig.watch()
    await rig.do("snippet.model", MODEL)
    assert "Authorization: Bearer $OPENAI_API_KEY" in code(rig).text


# ---- Choosing ----


async def test_the_choice_is_remembered_also_where_it_does_not_fit(apis):
    rig = Rig("t.gguf")
    await talking(rig, apis)
    await rig.do("snippet.model", MODEL)
    assert (code(rig).shown_form.id, code(rig).call.streams) == ("curl", True)
    await rig.do("snippet.form", value="python-openai")
    await rig.do("snippet.stream")
    assert "from openai import OpenAI" in code(rig).text and "stream" not in code(rig).text
    await rig.do("dialog.close")
    await rig.do("snippet.model", f"{TAB}/t.gguf")
    assert code(rig).shown_form.id == "javascript-fetch"
    await rig.do("snippet.model", MODEL)
    assert (code(rig).shown_form.id, code(rig).streams) == ("python-openai", False)
    kept = config_from_json(json.loads(json.dumps(rig.config.value)))[1]
    assert (kept.code_form, kept.code_streams) == ("python-openai", False)


async def test_a_form_that_cannot_stream_offers_no_choice_of_it(apis):
    rig = Rig()
    await talking(rig, apis)
    await rig.do("snippet.model", MODEL)
    assert "Stream the answer" in shown(rig)
    await rig.do("snippet.form", value="powershell")
    assert "Stream the answer" not in shown(rig)
    assert '"stream"' not in code(rig).text


# ---- A connection ----


async def test_the_local_llm_apis_other_operations_are_on_its_connection(echo):
    rig = Rig("t.gguf", url=echo.url)
    await rig.start()
    assert (rig.state.facts[SERVER].operations, rig.state.facts[TAB].operations) == (True, False)
    await rig.do("snippet.connection", SERVER)
    labels = [subject.label for subject in code(rig).subjects]
    assert "Health" in labels and "/health" in code(rig).text
    await rig.do("snippet.operation", value=str(labels.index("Delete a model")))
    assert "DELETE" in code(rig).text and "model.gguf" in code(rig).text
    assert shown(rig).count("<option") == len(labels) + len(code(rig).forms)
    await rig.do("snippet.connection", TAB)
    assert rig.alerts == ["This API has nothing else that code could call."]


async def test_code_with_fences_in_it_is_one_block(apis):
    rig = Rig()
    await talking(rig, apis)
    await rig.say("```python\n````\n")
    await rig.do("snippet.message", rig.shown[-1].id)
    assert "`````bash\ncurl " in shown(rig)


async def test_the_playground_is_told_the_parameters_that_the_model_takes(apis):
    rig = Rig()
    answer = await talking(rig, apis, temperature=0.25, n_ctx=2048, top_k=5, extra_json='{"min_p": 0.1}')
    await rig.do("snippet.message", answer.id)
    assert code(rig).call.parameters == {"temperature": 0.25, "top_k": 5, "min_p": 0.1}
