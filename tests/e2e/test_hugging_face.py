"""Models of Hugging Face, which a scripted Hub serves at its real name: what there is, what it is, and that it arrives."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserType, Locator, expect

from tests.e2e.conftest import App, ErrorLog, configuration
from tests.e2e.test_transfers_in_tab import digest_of, parts_of
from tests.servers.files import gguf_content
from tests.servers.hosted import self_signed
from tests.servers.hugging_face import HubRepository, HubServer
from tools.chromium import launch_arguments

SIZE = 6_000_000
SMALL, LARGE, OTHER = (gguf_content(SIZE, seed) for seed in (1, 2, 3))
Q4, Q8 = "Tiny-1B-Q4_K_M.gguf", "Tiny-1B-Q8_0.gguf"
REPO = "maker/Tiny-1B-GGUF"
BROKEN = ("ERR_CONTENT_LENGTH_MISMATCH", "ERR_CONNECTION", "ERR_INCOMPLETE")


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> Iterator[HubServer]:
    """The Hub."""
    with HubServer({}, tls=self_signed(tmp_path_factory.mktemp("tls"))) as server:
        yield server


@pytest.fixture(scope="module")
def elsewhere(hub: HubServer, browser_type: BrowserType, browser_type_launch_args) -> Iterator[Browser]:
    """A browser for which its names lead to it."""
    browser = browser_type.launch(**{**browser_type_launch_args, "args": [*launch_arguments(), *hub.browser_arguments]})
    yield browser
    browser.close()


@pytest.fixture
def app(elsewhere: Browser, hub: HubServer, errors: ErrorLog, repository: str) -> Iterator[App]:
    """The app on the page of models, with a profile of its own."""
    hub.repositories = {
        REPO: HubRepository({Q4: SMALL, Q8: LARGE, "README.md": b"# Tiny"}, licence="apache-2.0"),
        "maker/Terms-GGUF": HubRepository({Q4: SMALL}, gated="manual"),
        "maker/Tiny-1B": HubRepository({"model.safetensors": b"x" * 100, "config.json": b"{}"}),
    }
    profile = elsewhere.new_context(viewport={"width": 1280, "height": 800})
    page = profile.new_page()
    errors.watch(page)
    config = json.dumps(json.dumps(configuration(None)))
    page.add_init_script(f"localStorage.getItem('modeltab.config') ?? localStorage.setItem('modeltab.config', {config})")
    yield App(page, repository).open("#/models")
    profile.close()


def look_up(app: App, address: str) -> Locator:
    """Names a repository in "Add model" and presses Look up; the dialog."""
    app.page.get_by_role("button", name="Add model", exact=True).first.click()
    dialog = app.page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="URL or repository").fill(address)
    dialog.get_by_role("button", name="Look up").click()
    return dialog


def add(dialog: Locator) -> None:
    """Presses Add."""
    dialog.get_by_role("button", name="Add", exact=True).click()


def is_whole(app: App, name: str, content: bytes) -> None:
    """The model is listed with its whole content, and nothing else is left."""
    expect(app.row(name)).to_be_visible()
    assert digest_of(app, name) == hashlib.sha256(content).hexdigest()
    assert parts_of(app) == []


@pytest.mark.parametrize("address", [REPO, f"https://huggingface.co/{REPO}", f"hf.co/{REPO}"])
def test_the_files_of_a_repository_are_there_to_choose_from(app: App, address: str):
    dialog = look_up(app, address)
    choices = dialog.get_by_role("region", name=f"Models of {REPO}")
    expect(choices).to_contain_text("licence: apache-2.0")
    expect(choices.get_by_role("button")).to_have_count(2)
    expect(choices.get_by_role("button", name=f"Choose {Q4}")).to_contain_text("a good choice for most")
    choices.get_by_role("button", name=f"Choose {Q8}").click()
    candidate = dialog.get_by_role("list", name="To be added").get_by_role("listitem", name=Q8)
    expect(candidate).to_contain_text("llama · 6 million parameters")
    expect(candidate).to_contain_text("In this tab: ")
    add(dialog)
    is_whole(app, Q8, LARGE)


def test_a_tag_chooses_the_quantization(app: App):
    dialog = look_up(app, f"hf.co/{REPO}:Q8_0")
    expect(dialog.get_by_role("list", name="To be added").get_by_role("listitem", name=Q8)).to_be_visible()
    add(dialog)
    is_whole(app, Q8, LARGE)


@pytest.mark.expected_errors(*BROKEN)
def test_its_sha256_is_checked_across_a_break(app: App, hub: HubServer):
    dialog = look_up(app, f"{REPO}:Q4_K_M")
    expect(dialog.get_by_role("list", name="To be added")).to_contain_text("llama · ")
    hub.cut_after = SIZE // 2
    add(dialog)
    expect(app.transfer(Q4)).to_contain_text("connection lost, trying again")
    is_whole(app, Q4, SMALL)
    ranges = [request.headers.get("range", "") for request in hub.requests if "/xet-bridge-us/" in request.path]
    [start] = re.findall(r"^bytes=(\d+)-$", ranges[-1])
    assert 0 < int(start) <= SIZE // 2  # of what was on its way when the connection broke, the browser may have lost some


def test_a_file_with_another_sha256_than_the_hub_names_is_not_kept(app: App, hub: HubServer):
    dialog = look_up(app, f"{REPO}:Q4_K_M")
    expect(dialog.get_by_role("list", name="To be added")).to_contain_text("llama · ")
    hub.repositories[REPO] = HubRepository({Q4: OTHER, Q8: LARGE})
    add(dialog)
    card = app.transfer(Q4)
    expect(card).to_contain_text("did not arrive as it was published, so it was not kept")
    expect(app.row(Q4)).to_have_count(0)
    assert parts_of(app) == []
    hub.repositories[REPO] = HubRepository({Q4: SMALL, Q8: LARGE})
    card.get_by_role("button", name=f"Retry {Q4}").click()
    expect(card).to_have_attribute("data-phase", "done")
    is_whole(app, Q4, SMALL)


@pytest.mark.expected_errors("401", "404")
@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("maker/Nothing-GGUF", r"maker/Nothing-GGUF"),
        ("maker/Terms-GGUF", r"accepted its terms|accept"),
        ("maker/Tiny-1B", r"safetensors"),
        (f"{REPO}:Q2_K", r"has no “Q2_K”"),
    ],
)
def test_what_a_repository_does_not_give_is_told(app: App, address: str, words: str):
    dialog = look_up(app, address)
    expect(dialog).to_contain_text(re.compile(words))
    expect(app.page.locator(".transfer")).to_have_count(0)
