"""A Local LLM API beside the page: all of its eight endpoints, through the page, with a real model."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import MODEL, ROOT, OpenApp
from tests.servers.model_files import sparse_gguf
from tests.servers.processes import local_llm_api
from tests.servers.scripted import ScriptedServer, html_reply, json_reply

HEALTH = json_reply({"status": "healthy", "service": "Local LLM API", "version": "1.0.0"})
EMPTY_LIST = json_reply({"models": [], "count": 0})
NO_CACHE = json_reply({"cached_models": [], "count": 0})


def scripted(**more) -> ScriptedServer:
    """A Local LLM API that answers as a test says."""
    replies = {("GET", "/health"): HEALTH, ("GET", "/models"): EMPTY_LIST, ("GET", "/cache/status"): NO_CACHE}
    return ScriptedServer(replies | more.get("replies", {}))


def test_every_endpoint_through_the_page_with_a_real_model(built: str, open_app: OpenApp, models: Path):
    with local_llm_api(models) as server:
        app = open_app(built, api=server.url, route="#/connections")
        expect(app.health()).to_have_attribute("data-health", "healthy")
        expect(app.health()).to_contain_text("Local LLM API 1.0.0")

        app.visit("Models")
        app.add_files(MODEL, to="Local LLM API")  # POST /models
        expect(app.transfer(MODEL.name)).to_have_attribute("data-phase", "done", timeout=60_000)
        row = app.row(MODEL.name)
        expect(row).to_contain_text("93.8 MB")
        expect(row).to_contain_text("On disk")

        shutil.copy(MODEL, models / "by-hand.gguf")
        app.page.get_by_role("button", name="Sync").click()  # POST /models/sync
        expect(app.row("by-hand.gguf")).to_be_visible()

        row.get_by_role("button", name=f"Use {MODEL.name}").click()
        app.page.get_by_role("button", name="Parameters").click()
        dialog = app.page.get_by_role("dialog")
        expect(dialog.get_by_label("Max tokens")).to_be_disabled()
        expect(dialog).to_contain_text("Local LLM API does not take it.")
        dialog.get_by_label("Temperature").fill("0.2")
        dialog.get_by_label("GPU layers").fill("0")
        dialog.get_by_label("Batch size").fill("64")
        dialog.get_by_role("button", name="Save").click()
        answer = app.send("What is the capital of France?")  # POST /generate
        expect(answer).to_have_attribute("data-status", "done", timeout=120_000)
        expect(answer.locator("[data-part=text]")).not_to_be_empty()
        expect(answer.locator("[data-part=stats]")).to_have_text(re.compile(r"^\d+ tokens · \d.* s · \d.* tokens/s · "))

        app.visit("Models")
        loaded = app.page.get_by_role("list", name="Loaded models of Local LLM API")
        expect(loaded).to_contain_text(MODEL.name)  # GET /cache/status
        expect(row).to_contain_text("Loaded")
        app.page.get_by_role("button", name="Free memory", exact=True).click()  # POST /cache/clear
        expect(loaded).to_contain_text("No model is loaded")

        app.row("by-hand.gguf").get_by_role("button", name="Delete by-hand.gguf").click()
        app.page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
        expect(app.row("by-hand.gguf")).to_have_count(0)
        assert [path.name for path in models.iterdir()] == [MODEL.name]


def test_the_earlier_messages_go_along(repository: str, open_app: OpenApp, echo_api: str, models: Path):
    sparse_gguf(models / "echo.gguf", 1000)
    app = open_app(repository, api=echo_api, route="#/models")
    app.page.get_by_role("button", name="Sync").click()
    app.row("echo.gguf").get_by_role("button", name="Use echo.gguf").click()
    app.send("My name is Ada.")
    expect(app.page.locator("article[data-role=assistant]")).to_contain_text("You said: My name is Ada.")
    answer = app.send("What is my name?")
    expect(answer).to_contain_text("User: My name is Ada.")
    expect(answer).to_contain_text("User: What is my name?")


def test_waiting_shows_the_time_and_can_be_stopped(repository: str, open_app: OpenApp, models: Path):
    sparse_gguf(models / "slow.gguf", 1000)
    with local_llm_api(models, "--engine", "echo", "--delay", "60") as server:
        app = open_app(repository, api=server.url)
        app.choose_model("slow.gguf")
        answer = app.send("Think about it.")
        expect(answer.locator("[data-part=stats]")).to_have_text(re.compile(r"^[2-9] s · the server answers in one piece"))
        app.page.get_by_role("button", name="Stop").click()
        expect(answer).to_have_attribute("data-status", "stopped")
        expect(app.page.get_by_role("button", name="Stop")).to_have_count(0)


def test_parameters_and_template_are_really_sent(repository: str, open_app: OpenApp):
    model = {"name": "a.gguf", "path": "./models/a.gguf", "size": "1.0 GB", "modified": "2026-01-01T00:00:00Z"}
    answer = {"success": True, "response": "Yes.", "model_used": "a.gguf", "processing_time": 2.0, "token_count": 10}
    with scripted(replies={("GET", "/models"): json_reply({"models": [model], "count": 1})}) as server:
        server.on("POST", "/generate", json_reply(answer))
        app = open_app(repository, api=server.url)
        app.choose_model("a.gguf")
        app.page.get_by_role("button", name="Parameters").click()
        dialog = app.page.get_by_role("dialog")
        for label, value in {
            "System prompt": "Be brief.",
            "Template": "Q: {question}\nA:",
            "Temperature": "0.35",
            "GPU layers": "12",
            "Batch size": "256",
        }.items():
            dialog.get_by_label(label).fill(value)
        dialog.get_by_role("button", name="Save").click()
        expect(app.send("Is it so?")).to_contain_text("10 tokens · 2.00 s · 5.0 tokens/s")
        assert server.wait_for_request("POST", "/generate").json() == {
            "question": "Be brief.\n\nIs it so?",
            "model_name": "a.gguf",
            "template": "Q: {question}\nA:",
            "temperature": 0.35,
            "n_gpu_layers": 12,
            "n_batch": 256,
        }


@pytest.mark.expected_errors("404", "500", "ERR_", "409")
@pytest.mark.parametrize(
    ("reply", "message", "advice"),
    [
        (json_reply({"error": "Model not found"}, 404), "Model not found.", "press Sync"),
        (
            json_reply({"success": False, "error": "Failed to generate response: out of memory"}, 500),
            "Failed to generate response: out of memory.",
            "fewer GPU layers",
        ),
        (html_reply("<h1>Internal Server Error</h1>"), "The server answered with status 500.", "own log"),
        (html_reply("<p>hello</p>", 200), "but not with JSON", "Check the base URL"),
        (json_reply({"answer": "Yes"}), "without an answer", "Check the base URL"),
        (json_reply({"success": True}, cut_after=5), "The connection broke", "still running"),
    ],
)
def test_a_failed_answer_keeps_the_prompt_says_why_and_offers_a_retry(
    repository: str, open_app: OpenApp, reply, message: str, advice: str
):
    model = {"name": "a.gguf", "path": "./models/a.gguf", "size": "1.0 GB", "modified": "2026-01-01T00:00:00Z"}
    answer = {"success": True, "response": "Now it works.", "model_used": "a.gguf", "processing_time": 1, "token_count": 3}
    with scripted(replies={("GET", "/models"): json_reply({"models": [model], "count": 1})}) as server:
        server.on("POST", "/generate", reply)
        app = open_app(repository, api=server.url)
        app.choose_model("a.gguf")
        failed = app.send("Will it work?")
        expect(failed).to_have_attribute("data-status", "error")
        expect(failed.get_by_role("alert")).to_contain_text(message)
        expect(failed.get_by_role("alert")).to_contain_text(advice)
        expect(app.page.locator("article[data-role=user]")).to_contain_text("Will it work?")
        server.on("POST", "/generate", json_reply(answer))
        failed.get_by_role("button", name="Retry").click()
        expect(app.page.locator("article[data-role=assistant][data-status=done]")).to_contain_text("Now it works.")


@pytest.mark.expected_errors("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE")
def test_a_server_that_goes_away_and_comes_back_is_shown_as_it_is(repository: str, open_app: OpenApp, models: Path):
    sparse_gguf(models / "here.gguf", 1000)
    command = [sys.executable, str(ROOT / "tests/servers/local_llm_api.py"), "--models", str(models), "--engine", "echo"]

    def start(port: int) -> tuple[subprocess.Popen, str]:
        process = subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        return process, process.stdout.readline().removeprefix("listening on ").strip()

    process, url = start(0)
    try:
        app = open_app(repository, api=url, route="#/connections")
        expect(app.health()).to_have_attribute("data-health", "healthy")
        process.terminate()
        process.wait()
        expect(app.health()).to_have_attribute("data-health", "unreachable")
        expect(app.health()).to_contain_text("No answer from")
        expect(app.health()).to_contain_text("Start the server")
        app.visit("Models")
        expect(app.page.get_by_text("here.gguf")).to_have_count(0)
        process, _ = start(int(url.split(":")[2].split("/")[0]))
        expect(app.row("here.gguf")).to_be_visible()
    finally:
        process.terminate()
        process.wait()


def test_another_base_url_is_tested_saved_and_used(repository: str, open_app: OpenApp, echo_api: str):
    app = open_app(repository, route="#/connections")
    app.page.get_by_role("button", name="Add connection").click()
    dialog = app.page.get_by_role("dialog")
    expect(dialog.get_by_role("combobox", name="Type")).to_have_value("local-llm")
    expect(dialog.get_by_role("textbox", name="Base URL")).to_have_value("http://127.0.0.1:5000/api/v1")
    dialog.get_by_role("textbox", name="Base URL").fill("ftp://nowhere")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_contain_text("is not an http address")
    dialog.get_by_role("textbox", name="Name", exact=True).fill("Beside me")
    dialog.get_by_role("textbox", name="Base URL").fill(echo_api)
    dialog.get_by_role("button", name="Test", exact=True).click()
    verdict = dialog.get_by_role("status", name="Diagnosis")
    expect(verdict).to_contain_text("Local LLM API 1.0.0 answers, but has no models")
    dialog.get_by_role("button", name="Save").click()
    expect(app.health("Beside me")).to_have_attribute("data-health", "healthy")
    app.reload()
    expect(app.health("Beside me")).to_have_attribute("data-health", "healthy")
    app.health("Beside me").get_by_role("button", name="Remove Beside me").click()
    app.page.get_by_role("dialog").get_by_role("button", name="Remove", exact=True).click()
    expect(app.health("Beside me")).to_have_count(0)


def test_a_page_from_elsewhere_asks_only_after_a_click(repository: str, open_app: OpenApp, context):
    with scripted() as server:
        # The same files under a name that is not this machine's: what a hosted page is.
        hosted = "https://modeltab.test/"

        def fulfil(route):
            route.fulfill(response=route.fetch(url=route.request.url.replace(hosted, repository)))

        context.route(hosted + "**", fulfil)
        context.grant_permissions(["local-network-access"])
        app = open_app(hosted, api=server.url, route="#/connections")
        app.page.wait_for_timeout(1500)
        expect(app.health()).to_have_attribute("data-health", "unknown")
        assert not server.requests
        app.health().get_by_role("button", name="Test Local LLM API").click()
        expect(app.health()).to_have_attribute("data-health", "healthy")
