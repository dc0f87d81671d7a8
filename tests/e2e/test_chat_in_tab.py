"""The main job with nothing else installed: a real model answers in the tab."""

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.conftest import MODEL, OpenApp, until
from tests.servers.model_files import sparse_gguf

pytestmark = pytest.mark.model
FIGURES = re.compile(r"\d+ tokens · .* tokens/s · first token after")


def finished(answer: Locator, status: str = "done") -> Locator:
    expect(answer).to_have_attribute("data-status", status, timeout=120_000)
    return answer


def test_the_starter_model_answers_streamed_and_the_conversation_stays(site: str, open_app: OpenApp):
    app = open_app(site, max_tokens=120)  # at temperature 0 so small a model may go in circles
    app.add_starter()
    app.page.evaluate(
        """() => {
          window.lengths = [];
          new MutationObserver(() => {
            const text = document.querySelector("article[data-status=streaming] [data-part=text]");
            if (text && text.textContent.length !== window.lengths.at(-1)) window.lengths.push(text.textContent.length);
          }).observe(document.getElementById("conversation"), {subtree: true, childList: true, characterData: true});
        }"""
    )
    first = finished(app.send("List the seven colours of the rainbow, one a line, and what has each of them."))
    expect(first.locator("[data-part=text]")).not_to_be_empty()
    expect(first.locator("[data-part=stats]")).to_have_text(FIGURES)
    assert len(app.page.evaluate("() => window.lengths")) >= 3, "the text came in one piece"
    expect(app.page.get_by_role("status", name="Status")).to_have_text("Answer complete")

    # The engine has read the first question and answer too: the prompt is longer than the second question alone.
    second = finished(app.send("Say only the first one."))
    prompts = [int(re.findall(r"(\d+) prompt tokens", a.inner_text())[0]) for a in (first, second)]
    assert prompts[1] > prompts[0]

    texts = app.page.locator("[data-part=text]").all_inner_texts()
    address = app.page.url
    app.reload()
    expect(app.page.locator("[data-part=text]")).to_have_text(texts, use_inner_text=True)
    assert app.page.url == address
    expect(app.page.get_by_role("list", name="Conversations").get_by_role("listitem")).to_have_count(1)
    expect(app.page.get_by_role("combobox", name="Model")).to_have_value(MODEL.name)


def test_stop_ends_the_answer_and_keeps_its_text_and_it_can_go_on(repository: str, open_app: OpenApp):
    app = open_app(repository)
    app.add_starter()
    answer = app.send("Write a long story about a dragon who learns to read.")
    expect(answer.locator("[data-part=text]")).to_have_text(re.compile(r"\w+ \w+ \w+"), timeout=120_000)
    app.page.get_by_role("button", name="Stop").click()
    finished(answer, "stopped")
    expect(app.page.get_by_role("button", name="Stop")).to_have_count(0)
    kept = answer.locator("[data-part=text]").inner_text()
    expect(answer.get_by_role("button", name="Copy", exact=True)).to_be_visible()
    app.reload()
    answer = app.page.locator("article[data-role=assistant]")
    expect(answer.locator("[data-part=text]")).to_have_text(kept)

    answer.get_by_role("button", name="Continue").click()
    expect(app.page.get_by_text("2 of 2")).to_be_visible()
    longer = app.page.locator("article[data-role=assistant] [data-part=text]")
    expect(longer).to_have_text(re.compile(re.escape(kept.split("\n")[0][:40])))
    app.page.wait_for_function(
        "(length) => document.querySelector('article[data-role=assistant] [data-part=text]').innerText.length > length",
        arg=len(kept),
        timeout=60_000,
    )
    app.page.get_by_role("button", name="Stop").click()
    assert len(longer.inner_text()) > len(kept)
    app.page.get_by_role("button", name="Previous version").click()
    expect(longer).to_have_text(kept)


def test_an_answer_cut_short_by_a_reload_keeps_its_text(repository: str, open_app: OpenApp):
    app = open_app(repository)
    app.add_starter()
    answer = app.send("Write a long story about a lighthouse keeper, with many details.")
    expect(answer.locator("[data-part=text]")).to_have_text(re.compile(r"(\w+\W+){12}"), timeout=120_000)
    app.page.wait_for_timeout(1200)
    app.reload()
    answer = app.page.locator("article[data-role=assistant]")
    expect(answer).to_have_attribute("data-status", "stopped")
    assert len(answer.locator("[data-part=text]").inner_text().split()) >= 8


def test_a_model_in_the_tab_is_loaded_unloaded_and_deleted(built: str, open_app: OpenApp):
    app = open_app(built, route="#/models")
    app.page.get_by_role("button", name="Get the starter model").click()
    row = app.row(MODEL.name)
    expect(row).to_contain_text("98.4 MB")
    expect(row).to_contain_text("On disk")
    row.get_by_role("button", name=f"Load {MODEL.name}", exact=True).click()
    expect(row).to_contain_text(re.compile(r"Loading \d+%"))
    expect(row.locator("[data-state=Loaded]")).to_be_visible(timeout=60_000)
    loaded = app.page.get_by_role("list", name="Loaded models of In this tab")
    expect(loaded).to_contain_text(MODEL.name)
    row.get_by_role("button", name=f"Details of {MODEL.name}").click()
    expect(app.page.get_by_role("dialog")).to_contain_text("4096 of 8192 tokens")
    app.page.get_by_role("dialog").get_by_role("button", name="Close", exact=True).click()
    row.get_by_role("button", name=f"Unload {MODEL.name}").click()
    expect(row).to_contain_text("On disk")
    expect(loaded).to_contain_text("No model is loaded")
    app.reload()
    app.row(MODEL.name).get_by_role("button", name=f"Delete {MODEL.name}").click()
    app.page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(app.page.get_by_role("heading", name="No models yet")).to_be_visible()


def test_a_model_file_is_copied_into_the_tab_with_progress_and_cancel(repository: str, open_app: OpenApp, tmp_path):
    app = open_app(repository, route="#/models")
    big = sparse_gguf(tmp_path / "big.gguf", 3_000_000_000)
    app.add_files(big, to="In this tab")
    card = app.transfer("big.gguf")
    expect(card).to_contain_text(re.compile(r"\d+% · .* of 3\.0 GB"))
    card.get_by_role("button", name="Cancel big.gguf").click()
    expect(card).to_have_attribute("data-phase", "cancelled")
    until(
        app.page,
        """async () => {
          const root = await navigator.storage.getDirectory();
          for (const folder of ["models", "partial"])
            for await (const name of (await root.getDirectoryHandle(folder)).keys()) return false;
          return true;
        }""",
    )
    expect(app.page.get_by_role("heading", name="No models yet")).to_be_visible()


def test_a_damaged_model_is_told_and_the_prompt_is_kept(repository: str, open_app: OpenApp, tiny):
    app = open_app(repository, route="#/models")
    app.add_files(tiny, to="In this tab")
    app.row("tiny.gguf").get_by_role("button", name="Use tiny.gguf").click()
    answer = finished(app.send("Hello?"), "error")
    expect(answer.get_by_role("alert")).to_contain_text("tiny.gguf could not be loaded")
    expect(answer.get_by_role("button", name="Retry")).to_be_visible()
    expect(app.page.locator("article[data-role=user]")).to_contain_text("Hello?")
