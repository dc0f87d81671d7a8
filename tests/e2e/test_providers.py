"""The page with other servers: a real llama-server in all of its formats, an Ollama, faults, and the browser's own model."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.e2e.conftest import MODEL, App, ErrorLog, OpenApp, configuration
from tests.servers.ollama import OllamaModel, ollama_server
from tests.servers.processes import RunningServer, llama_server
from tests.servers.scripted import Reply, ScriptedServer, json_reply

KEY = "secret-0123456789abcdef"
CHUNK = b'data: {"choices": [{"index": 0, "delta": {"content": "word "}}]}\n\n'
END = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
MODELS = json_reply({"object": "list", "data": [{"id": "m1", "object": "model"}]})
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")

Connect = Callable[..., App]


@pytest.fixture
def connect(context: BrowserContext, errors: ErrorLog, repository: str) -> Connect:
    """Opens the app with one connection, and a key if there is one."""

    def connect_(type_: str, base_url: str, key: str = "", route: str = "", **settings: Any) -> App:
        page = context.new_page()
        errors.watch(page)
        value = configuration(None)
        value["connections"].append({"id": "c", "type": type_, "name": "C", "base_url": base_url})
        value["settings"]["parameters"].update(settings)
        origin = re.match(r"\w+://[^/]+", base_url)
        kept = {"c": {"origin": origin[0], "key": key}} if origin and key else {}
        keys = {"version": 1, "protection": "browser", "keys": kept}
        for name, entry in (("config", value), ("keys", keys)):
            text = json.dumps(json.dumps(entry))
            page.add_init_script(f"localStorage.getItem('modeltab.{name}') ?? localStorage.setItem('modeltab.{name}', {text})")
        return App(page, repository).open(route)

    return connect_


# ---- A real llama-server ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> Iterator[RunningServer]:
    """A llama-server that wants a key."""
    with llama_server(MODEL, "--api-key", KEY) as server:
        yield server


FORMATS = {"llama-server": "", "openai": "/v1", "openai-responses": "/v1", "anthropic": "/v1"}


@pytest.mark.model
@pytest.mark.parametrize("type_", list(FORMATS))
def test_a_real_llama_server_answers_in_each_of_its_formats(type_: str, connect: Connect, real: RunningServer):
    app = connect(type_, real.url + FORMATS[type_], KEY, max_tokens=12)
    app.choose_model("SmolLM2")
    answer = app.send("Name three colours.")
    expect(answer).to_have_attribute("data-status", "done", timeout=60_000)
    expect(answer.locator("[data-part=text]")).not_to_be_empty()
    expect(answer.locator("[data-part=stats]")).to_contain_text(
        re.compile(r"Cut off at the token limit · 12 tokens .* \d+ prompt")
    )


@pytest.mark.model
@pytest.mark.expected_errors("status of 401")
def test_a_real_llama_server_shows_its_model_and_the_prompt_that_it_would_read(connect: Connect, real: RunningServer):
    app = connect("llama-server", real.url, KEY, system_prompt="You are a pirate.")
    app.choose_model("SmolLM2")
    app.page.get_by_role("textbox", name="Message").fill("Ahoy?")
    app.page.get_by_role("button", name="Preview prompt").click()
    dialog = app.page.get_by_role("dialog")
    expect(dialog.get_by_label("Prompt", exact=True)).to_contain_text("<|im_start|>user\nAhoy?<|im_end|>")
    expect(dialog.get_by_label("Prompt", exact=True)).to_contain_text("You are a pirate.")
    expect(dialog.get_by_role("status")).to_have_text(re.compile(r"\d+ of \d+ tokens"))
    app.page.keyboard.press("Escape")
    expect(app.page.get_by_role("textbox", name="Message")).to_have_value("Ahoy?")
    app.visit("Models")
    app.page.get_by_role("button", name=re.compile("Details of .*SmolLM2")).click()
    for text in ("Context", "Slots", "0 of 2 busy", "Build"):
        expect(app.page.get_by_role("dialog")).to_contain_text(text)


# ---- Ollama ----------------------------------------------------------------------------------------------------------


def test_an_ollama_is_used_from_the_first_download_to_the_last_delete(connect: Connect):
    thinker = OllamaModel(answer="Four.", thinking="Two and two.", capabilities=("completion", "thinking"))
    with ollama_server(
        {"thinker:1b": thinker}, ["*"], registry={"tiny:1b": OllamaModel(size=1000)}, pull_delay_s=0.02
    ) as server:
        app = connect("ollama", server.url, route="#/models", n_ctx=2048, seed=7)
        app.page.get_by_role("button", name="Add model", exact=True).first.click()
        dialog = app.page.get_by_role("dialog")
        dialog.get_by_role("combobox", name="Destination").select_option(label="C")
        dialog.get_by_role("textbox", name="URL or repository").fill("tiny:1b")
        dialog.get_by_role("button", name="Add", exact=True).click()
        expect(app.row("tiny:1b")).to_be_visible()

        app.row("thinker:1b").get_by_role("button", name="Load thinker:1b").click()
        expect(app.row("thinker:1b")).to_contain_text("Loaded")
        app.row("thinker:1b").get_by_role("button", name="Copy thinker:1b to…").click()
        dialog.get_by_role("textbox", name="New name").fill("mine:1b")
        dialog.get_by_role("button", name="Copy", exact=True).click()
        expect(app.row("mine:1b")).to_be_visible()

        app.row("thinker:1b").get_by_role("button", name="Use thinker:1b").click()
        answer = app.send("What is two and two?")
        expect(answer).to_have_attribute("data-status", "done")
        expect(answer.locator("[data-part=text]")).to_have_text("Four.")
        expect(answer.locator("[data-part=reasoning]")).to_have_text("Two and two.")
        sent = server.wait_for_request("POST", "/api/chat").json()
        assert sent["options"] == {"temperature": 0, "num_ctx": 2048, "seed": 7}

        app.visit("Models")
        app.row("thinker:1b").get_by_role("button", name="Unload thinker:1b").click()
        expect(app.row("thinker:1b")).to_contain_text("On disk")
        app.row("mine:1b").get_by_role("button", name="Delete mine:1b").click()
        dialog.get_by_role("button", name="Delete", exact=True).click()
        expect(app.row("mine:1b")).to_have_count(0)
        assert set(server.models) == {"thinker:1b", "tiny:1b"}


# ---- One wrapper -----------------------------------------------------------------------------------------------------


def test_stop_closes_the_connection_and_keeps_the_text(connect: Connect):
    endless = Reply(chunks=repeat(CHUNK, 2000), chunk_delay_s=0.02, content_type="text/event-stream")
    with ScriptedServer({("GET", "/v1/models"): MODELS, ("POST", "/v1/chat/completions"): endless}) as server:
        app = connect("openai", server.url + "/v1")
        app.choose_model("m1")
        answer = app.send("Go on.")
        expect(answer.locator("[data-part=text]")).to_contain_text("word word")
        app.page.get_by_role("button", name="Stop").click()
        expect(answer).to_have_attribute("data-status", "stopped")
        request = server.wait_for_request("POST", "/v1/chat/completions")
        assert request.finished.wait(2) and request.client_left
        expect(answer.locator("[data-part=text]")).to_contain_text("word word")


@pytest.mark.expected_errors("status of (503|429)")
def test_an_overloaded_server_is_asked_again_visibly_and_the_pause_can_be_stopped(connect: Connect):
    replies = [json_reply({"error": {"message": "Overloaded"}}, 503), Reply(body=CHUNK + END, content_type="text/event-stream")]
    limited = json_reply({"error": {"message": "Too many requests"}}, 429)
    slow = Reply(429, limited.body, headers={"Retry-After": "30", "Access-Control-Expose-Headers": "retry-after"})
    with ScriptedServer({("GET", "/v1/models"): MODELS}) as server:
        server.on("POST", "/v1/chat/completions", lambda request: replies.pop(0))
        app = connect("openai", server.url + "/v1")
        app.choose_model("m1")
        answer = app.send("One.")
        expect(answer).to_contain_text("Overloaded. Trying again in 1 s (2 of ")
        expect(answer).to_have_attribute("data-status", "done")
        expect(answer.locator("[data-part=text]")).to_have_text("word")

        server.on("POST", "/v1/chat/completions", slow)
        answer = app.send("Two.")
        expect(answer).to_contain_text("Too many requests. Trying again in 30 s")
        app.page.get_by_role("button", name="Stop").click()
        expect(answer).to_have_attribute("data-status", "stopped")
        asked = [request for request in server.requests if request.method == "POST"]
        assert len(asked) == 3


def test_a_stream_without_its_end_mark_is_told_as_cut_off_and_one_with_an_error_as_failed(connect: Connect):
    cut = Reply(body=CHUNK * 2, content_type="text/event-stream")
    broken = Reply(body=CHUNK + b'data: {"error": {"message": "The model crashed"}}\n\n', content_type="text/event-stream")
    with ScriptedServer({("GET", "/v1/models"): MODELS, ("POST", "/v1/chat/completions"): cut}) as server:
        app = connect("openai", server.url + "/v1")
        app.choose_model("m1")
        answer = app.send("One.")
        expect(answer).to_have_attribute("data-status", "error")
        expect(answer.locator("[data-part=text]")).to_have_text("word word")
        expect(answer).to_contain_text("ended before its end")
        server.on("POST", "/v1/chat/completions", broken)
        answer = app.send("Two.")
        expect(answer).to_have_attribute("data-status", "error")
        expect(answer.locator("[data-part=text]")).to_have_text("word")
        expect(answer).to_contain_text("The model crashed")


def test_extra_json_is_sent_and_what_an_api_does_not_take_says_why(connect: Connect):
    reply = Reply(body=CHUNK + END, content_type="text/event-stream")
    with ScriptedServer({("GET", "/v1/models"): MODELS, ("POST", "/v1/chat/completions"): reply}) as server:
        app = connect("openai", server.url + "/v1")
        app.choose_model("m1")
        app.page.get_by_role("button", name="Parameters").click()
        dialog = app.page.get_by_role("dialog")
        expect(dialog.get_by_label("Context size")).to_be_disabled()
        dialog.get_by_label("Extra JSON").fill('{"logit_bias": {"50256": -100}}')
        dialog.get_by_role("button", name="Save").click()
        expect(app.send("Hi")).to_have_attribute("data-status", "done")
        assert server.wait_for_request("POST", "/v1/chat/completions").json()["logit_bias"] == {"50256": -100}


def test_an_image_goes_along_stays_after_a_reload_and_is_sent_again(connect: Connect, tmp_path: Path):
    picture = tmp_path / "pixel.png"
    picture.write_bytes(PIXEL)
    reply = Reply(body=CHUNK + END, content_type="text/event-stream")
    with ScriptedServer({("GET", "/v1/models"): MODELS, ("POST", "/v1/chat/completions"): reply}) as server:
        app = connect("openai", server.url + "/v1")
        app.choose_model("m1")
        app.page.get_by_label("Files to attach").set_input_files(picture)
        expect(app.page.get_by_role("button", name="Remove pixel.png")).to_be_visible()
        expect(app.send("What is this?")).to_have_attribute("data-status", "done")
        content = server.wait_for_request("POST", "/v1/chat/completions").json()["messages"][-1]["content"]
        url = "data:image/png;base64," + base64.b64encode(PIXEL).decode()
        assert {"type": "image_url", "image_url": {"url": url}} in content
        app.reload()
        image = app.page.get_by_role("img", name="pixel.png")
        expect(image).to_be_visible()
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1
        expect(app.send("And its colour?")).to_have_attribute("data-status", "done")
        assert url in json.dumps(server.wait_for_request("POST", "/v1/chat/completions").json())


# ---- The browser's own model -----------------------------------------------------------------------------------------

#: What Chrome has and Chromium has not, as far as its documentation says how it behaves.
LANGUAGE_MODEL = """
window.LanguageModel = class LanguageModel {
  static state = "downloadable";
  static made = [];
  static async availability() { return LanguageModel.state; }
  static async create(options = {}) {
    if (options.monitor) {
      const target = new EventTarget();
      options.monitor(target);
      for (const loaded of [0.25, 0.5, 1]) {
        await new Promise((resolve) => setTimeout(resolve, 150));
        target.dispatchEvent(Object.assign(new Event("downloadprogress"), { loaded, total: 1 }));
      }
      LanguageModel.state = "available";
    }
    LanguageModel.made.push(options.initialPrompts);
    return new LanguageModel();
  }
  promptStreaming(text, { signal } = {}) {
    const words = ["You", " said:", " " + text];
    return new ReadableStream({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        if (signal?.aborted) return controller.error(signal.reason);
        words.length ? controller.enqueue(words.shift()) : controller.close();
      },
    });
  }
  destroy() {}
};
"""


def test_the_browsers_own_model_is_downloaded_with_progress_and_answers(context: BrowserContext, connect: Connect):
    context.add_init_script(LANGUAGE_MODEL)
    app = connect("browser-model", "", system_prompt="Be brief.")
    app.visit("Connections")
    expect(app.health("C")).to_contain_text("Experimental")
    app.visit("Chat")
    app.choose_model("Built-in model")
    answer = app.send("Hello")
    expect(answer).to_contain_text(re.compile("Loading .*: (25|50) %|Loading .*: (25|50)%"))
    expect(answer).to_have_attribute("data-status", "done")
    expect(answer.locator("[data-part=text]")).to_have_text("You said: Hello")
    assert app.page.evaluate("LanguageModel.made.at(-1)") == [{"role": "system", "content": "Be brief."}]


def test_a_browser_without_a_model_of_its_own_says_so(repository: str, open_app: OpenApp):
    app = open_app(repository, route="#/connections")
    app.page.get_by_role("button", name="Add connection", exact=True).click()
    dialog = app.page.get_by_role("dialog")
    options = dialog.get_by_role("combobox", name="Type").get_by_role("option")
    if app.page.evaluate("() => typeof LanguageModel") == "undefined":
        expect(options.filter(has_text="built-in model")).to_have_text(re.compile("not in this browser"))
        return
    dialog.get_by_role("combobox", name="Type").select_option("browser-model")
    dialog.get_by_role("button", name="Test", exact=True).click()
    expect(dialog.get_by_role("status", name="Diagnosis")).to_contain_text("This browser has no model for this machine.")
