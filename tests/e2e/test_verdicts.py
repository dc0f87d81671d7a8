"""The connection doctor: each of its verdicts on a cause that is really there, and another one when the cause is gone.

Elsewhere: a page opened as a file (test_start.py), keys that hosted APIs refuse (test_hosted.py). Chromium cannot produce
"safari-loopback": it reaches servers on this machine from secure pages, once that is allowed.
"""

import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, BrowserContext, BrowserType, Locator, Page, expect

from tests.e2e.conftest import MODEL, SITES, App, ErrorLog, configuration, until
from tests.servers.hosted import OPENAI, HostedApis, self_signed
from tests.servers.model_files import sparse_gguf
from tests.servers.ollama import OllamaModel, ollama_server
from tests.servers.processes import llama_server, local_llm_api
from tests.servers.scripted import RecordedRequest, Reply, ScriptedServer, html_reply, json_reply
from tools.chromium import launch_arguments
from tools.serve import SiteServer, isolation_headers, make_server

KEY = "sk-secret-0123456789abcdefghij"
USUAL_PORTS = (1234, 4000, 5000, 8000, 8080, 9931, 11434)
#: The permissions of Local Network Access: the older one stands for both of the others.
PERMISSIONS = ("loopback-network", "local-network", "local-network-access")
#: What Chromium writes of a request that came to nothing, and of an answer that says no.
FAILED = ("net::ERR_", "blocked by CORS policy", "status of [45]")
MODELS = {"object": "list", "data": [{"id": "m1", "object": "model"}]}

pytestmark = [pytest.mark.alone, pytest.mark.expected_errors(*FAILED)]


# ---- Where the page is, and where servers are ------------------------------------------------------------------------


class Places(NamedTuple):
    """Where the app is served for pages from elsewhere, and a server in "this network", as the browser sees them.

    :param hosted: over https, as a static host does; `insecure`: over http, from another computer's name.
    :param local: the address of `neighbour`.
    """

    hosted: str
    insecure: str
    neighbour: ScriptedServer
    local: str
    openai: HostedApis


@contextmanager
def serving(server: SiteServer) -> Iterator[int]:
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """What servers prove themselves with, to a browser that believes everything."""
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def places(tls) -> Iterator[Places]:
    """The places, for as long as this module lasts: the browser is told at its start which ports they have."""
    secure = make_server(*_repository(), isolate=True)
    secure.socket = tls.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
    plain = make_server(*_repository(), isolate=True)
    with (
        serving(secure) as hosted,
        serving(plain) as insecure,
        ScriptedServer() as neighbour,
        HostedApis(KEY, tls) as openai,
    ):
        yield Places(
            f"https://modeltab.test:{hosted}/",
            f"http://modeltab.test:{insecure}/",
            neighbour,
            f"http://server.local:{neighbour.port}",
            openai,
        )


def _repository() -> tuple[Path, int, str]:
    root, prefix = SITES["repository"]
    return root, 0, prefix


@pytest.fixture(scope="module")
def browser(browser_type: BrowserType, browser_type_launch_args: dict[str, Any], places: Places) -> Iterator[Browser]:
    """A browser to which some ports of this machine are the internet, and one is the network around it."""
    ports = {url.rstrip("/").rpartition(":")[2] for url in (places.hosted, places.insecure)} | {str(places.openai.port)}
    spaces = [*(f"127.0.0.1:{port}=public" for port in sorted(ports)), f"127.0.0.1:{places.neighbour.port}=local"]
    arguments = [
        *launch_arguments(),
        f"--host-resolver-rules=MAP {OPENAI} 127.0.0.1:{places.openai.port}, MAP *.test 127.0.0.1, MAP *.local 127.0.0.1",
        f"--ip-address-space-overrides={','.join(spaces)}",
        "--ignore-certificate-errors",
    ]
    started = browser_type.launch(**{**browser_type_launch_args, "args": arguments})
    yield started
    started.close()


@pytest.fixture
def decide(browser: Browser, context: BrowserContext) -> Callable[[str], None]:
    """Decides for the person what pages may reach: "granted", "denied", or "prompt" for not asked yet."""

    def decide_(setting: str) -> None:
        session = context.new_cdp_session(context.pages[0] if context.pages else context.new_page())
        profile = session.send("Target.getTargetInfo")["targetInfo"]["browserContextId"]
        whole = browser.new_browser_cdp_session()
        for name in PERMISSIONS:
            asked = {"permission": {"name": name}, "setting": setting, "browserContextId": profile}
            whole.send("Browser.setPermission", asked)

    return decide_


# ---- The page --------------------------------------------------------------------------------------------------------


class Patient(App):
    """The app on its Connections page, with one connection, "C"."""

    @property
    def verdict(self) -> Locator:
        return self.page.get_by_role("status", name="Diagnosis")

    @property
    def origin(self) -> str:
        return self.url.rstrip("/")

    def test(self) -> None:
        """Press "Test", the first time or again."""
        self.health("C").get_by_role("button", name="Test C").click()

    def is_told(self, kind: str, *texts: str | re.Pattern[str], stops_at: str = "") -> None:
        """A verdict, its words, and at which of the steps it says that it stops."""
        expect(self.verdict).to_have_attribute("data-kind", kind)
        for text in texts:
            expect(self.verdict).to_contain_text(text)
        failed = self.verdict.locator("li[data-state=failed] .step-name")
        expect(failed).to_have_text([stops_at] if stops_at else [])

    def copies(self, code: str) -> None:
        """The recipe with that code is shown, and "Copy" copies it whole."""
        recipe = self.verdict.locator(".recipe").filter(has=self.page.get_by_text(code, exact=True))
        recipe.get_by_role("button", name="Copy").click()
        expect(self.page.get_by_role("status", name="Status")).to_have_text("Copied")
        until(self.page, "async (code) => await navigator.clipboard.readText() === code", code)


Examine = Callable[..., Patient]


@pytest.fixture
def examine(context: BrowserContext, errors: ErrorLog) -> Examine:
    """Opens the app at `url` with a connection, and a key for it if there is one."""

    def examine_(url: str, type_: str, base_url: str, key: str = "", **settings: Any) -> Patient:
        page = context.new_page()
        errors.watch(page)
        value = configuration(None)
        value["settings"].update(settings)
        value["connections"].append({"id": "c", "type": type_, "name": "C", "base_url": base_url})
        origin = re.match(r"\w+://[^/]+", base_url)
        kept = {"c": {"origin": origin[0], "key": key}} if origin and key else {}
        for name, entry in (("config", value), ("keys", {"version": 1, "protection": "browser", "keys": kept})):
            text = json.dumps(json.dumps(entry))
            page.add_init_script(f"localStorage.getItem('modeltab.{name}') ?? localStorage.setItem('modeltab.{name}', {text})")
        patient = Patient(page, url)
        patient.open("#/connections")
        return patient

    return examine_


@pytest.fixture
def clipboard(context: BrowserContext) -> None:
    """Lets a test read what the page has copied. It also decides on all else: hosted pages may reach this machine."""
    context.grant_permissions(["clipboard-read", "clipboard-write", "local-network-access"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def healthy_local_llm() -> ScriptedServer:
    """A Local LLM API with one model."""
    model = {"name": "a.gguf", "path": "./models/a.gguf", "size": "1.0 GB", "modified": "2026-01-01T00:00:00Z"}
    return ScriptedServer(
        {
            ("GET", "/health"): json_reply({"status": "healthy", "service": "Local LLM API", "version": "1.0.0"}),
            ("GET", "/models"): json_reply({"models": [model], "count": 1}),
            ("GET", "/cache/status"): json_reply({"cached_models": [], "count": 0}),
        }
    )


HEALTHY = re.compile(r"Local LLM API 1\.0\.0, in \d+ ms")


# ---- The server ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("clipboard")
def test_a_server_that_is_not_started_is_told_with_its_command_until_it_is(repository: str, examine: Examine, models: Path):
    sparse_gguf(models / "a.gguf", 1000)
    port = free_port()
    app = examine(repository, "local-llm", f"http://127.0.0.1:{port}/api/v1")
    app.test()
    app.is_told("not-listening", f"Nothing listens at http://127.0.0.1:{port}.", "Start Local LLM API", stops_at="Server")
    app.copies("python app.py")
    with local_llm_api(models, "--engine", "echo", "--port", str(port)):
        app.test()
        app.is_told("healthy", HEALTHY)
        steps = app.verdict.get_by_role("list", name="Steps").get_by_role("listitem")
        expect(steps).to_have_text(
            [
                f"Page{app.origin}",
                "Permissionnot needed",
                f"Serverhttp://127.0.0.1:{port}",
                "CORSallows this page",
                "APILocal LLM API 1.0.0",
                "Keynone is needed",
                "Models1",
            ]
        )
        app.health("C").get_by_role("button", name="Close the diagnosis of C").click()
        expect(app.verdict).to_have_count(0)
        expect(app.health("C")).to_have_attribute("data-health", "healthy")


NO_CORS = Reply(body=b"{}", cors=False)


#: What a server may answer instead: where, with what; the verdict, and the step at which it stops.
INSTEAD = (
    ("/health", html_reply("<p>A wiki</p>", 200), "other-api", "API", "Something answers there, but not as Local LLM API"),
    ("/health", html_reply("<h1>Out of order</h1>", 500), "failed", "API", "status 500"),
    ("/health", json_reply({"error": "no"}, 404), "other-api", "API", "Something answers there, but not as Local LLM API"),
    (
        "/models",
        json_reply({"models": [], "count": 0}),
        "no-models",
        "Models",
        "Local LLM API 1.0.0 answers, but has no models",
    ),
)


def test_what_a_server_answers_instead_is_told_each_time_until_it_answers_rightly(repository: str, examine: Examine):
    with healthy_local_llm() as server:
        app = examine(repository, "local-llm", server.url)
        for path, reply, kind, step, text in INSTEAD:
            usual = server.script("GET", path)
            assert usual is not None
            server.on("GET", path, reply)
            app.test()
            app.is_told(kind, text, stops_at=step)
            server.on("GET", path, usual)
        app.test()
        app.is_told("healthy", HEALTHY)


def test_a_server_that_leads_elsewhere_is_not_followed(repository: str, examine: Examine):
    with healthy_local_llm() as server, ScriptedServer() as elsewhere:
        usual = server.script("GET", "/health")
        assert usual is not None
        server.on("GET", "/health", Reply(status=307, headers={"Location": f"{elsewhere.url}/health"}))
        app = examine(repository, "local-llm", server.url)
        app.test()
        app.is_told("redirected", f"{server.url} sends this request on to another address", stops_at="API")
        assert not elsewhere.requests
        server.on("GET", "/health", usual)
        app.test()
        app.is_told("healthy", HEALTHY)


def test_a_server_that_never_answers_is_told_and_holds_up_nothing(repository: str, examine: Examine):
    with healthy_local_llm() as server:
        usual = server.script("GET", "/health")
        assert usual is not None
        server.on("GET", "/health", Reply(delay_s=120))
        app = examine(repository, "local-llm", server.url)
        app.test()
        expect(app.health("C")).to_have_attribute("data-health", "checking")
        app.visit("Settings")
        expect(app.page.get_by_role("combobox", name="Theme")).to_be_visible()
        app.visit("Connections")
        app.is_told("no-answer", f"{server.url} takes requests but does not answer them.", stops_at="Server")
        server.on("GET", "/health", usual)
        app.test()
        app.is_told("healthy", HEALTHY)


def test_ollama_in_place_of_a_local_llm_api_is_recognised_and_used_as_what_it_is(repository: str, examine: Examine):
    with ollama_server({"llama3.2:1b": OllamaModel()}) as server:
        app = examine(repository, "local-llm", f"{server.url}/api/v1")
        app.test()
        app.is_told("other-api", "Not Local LLM API: Ollama 0.17.9 answers there.", stops_at="API")
        app.verdict.get_by_role("button", name="Use as Ollama").click()
        app.is_told("healthy", re.compile(r"Ollama 0\.17\.9, in \d+ ms"))
        expect(app.health("C").locator(".places")).to_have_text(f"Ollama{server.url}")


@pytest.mark.model
def test_a_real_llama_server_in_place_of_ollama_is_recognised_and_used_as_what_it_is(repository: str, examine: Examine):
    with llama_server(MODEL) as server:
        app = examine(repository, "ollama", server.url)
        app.test()
        app.is_told("other-api", re.compile("Not Ollama: llama-server.* answers there"), stops_at="API")
        app.verdict.get_by_role("button", name="Use as llama-server").click()
        app.is_told("healthy", "llama-server")
        expect(app.health("C").locator(".places")).to_have_text(f"llama-server{server.url}")


# ---- CORS ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("clipboard")
def test_a_server_without_cors_is_told_from_none_at_all_with_what_to_add(repository: str, examine: Examine):
    with healthy_local_llm() as server:
        usual = server.script("GET", "/health")
        assert usual is not None
        server.on("GET", "/health", NO_CORS)
        server.on("GET", "/", NO_CORS)
        app = examine(repository, "local-llm", server.url)
        app.test()
        words = f"{server.url} answers, but does not allow this page (CORS)."
        app.is_told("no-cors", words, f"Tell the server to allow {app.origin}, start it again", stops_at="CORS")
        app.copies(f'from flask_cors import CORS\nCORS(app, origins=["{app.origin}"])')
        app.copies(f"Access-Control-Allow-Origin: {app.origin}")
        server.on("GET", "/health", usual)
        app.test()
        app.is_told("healthy", HEALTHY)


@pytest.mark.usefixtures("clipboard")
def test_an_ollama_that_refuses_a_hosted_page_is_told_with_its_setting(places: Places, examine: Examine):
    with ollama_server({"llama3.2:1b": OllamaModel()}) as server:
        app = examine(places.hosted, "ollama", server.url)
        app.test()
        app.is_told("no-cors", f"{server.url} answers, but does not allow this page", f"allow {app.origin}", stops_at="CORS")
        assert server.requests[-1].headers.get("origin") in (app.origin, None)
        app.copies(f'launchctl setenv OLLAMA_ORIGINS "{app.origin}"')
        app.copies(f'OLLAMA_ORIGINS="{app.origin}" ollama serve')
        server.origins = (app.origin,)
        app.test()
        app.is_told("healthy", "Ollama 0.17.9")


def test_a_server_that_allows_the_page_but_not_its_headers_is_told(repository: str, examine: Examine):
    with ScriptedServer({("GET", "/v1/models"): json_reply(MODELS, preflight=False)}) as server:
        app = examine(repository, "openai", f"{server.url}/v1", KEY)
        app.test()
        app.is_told(
            "no-cors-header", f"{server.url} allows this page, but not the headers", "the header of the key", stops_at="CORS"
        )
        server.on("GET", "/v1/models", json_reply(MODELS))
        app.test()
        app.is_told("healthy", "OpenAI-compatible answers")


def test_a_host_whose_headers_hide_whether_anything_listens_is_told_as_the_reason(
    repository: str, examine: Examine, monkeypatch: pytest.MonkeyPatch
):
    def headers(user_agent: str) -> dict[str, str]:
        return {**isolation_headers(user_agent), "Cross-Origin-Embedder-Policy": "require-corp"}

    monkeypatch.setattr("tools.serve.isolation_headers", headers)
    with healthy_local_llm() as server:
        usual = server.script("GET", "/health")
        assert usual is not None
        server.on("GET", "/health", NO_CORS)
        server.on("GET", "/", NO_CORS)
        app = examine(repository, "local-llm", server.url)
        app.test()
        app.is_told("silent", f"No answer from {server.url} that this page may see.", app.origin, stops_at="Server")
        expect(app.verdict).to_contain_text(f'CORS(app, origins=["{app.origin}"])')
        server.on("GET", "/health", usual)
        app.test()
        app.is_told("healthy", HEALTHY)


# ---- Keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", KEY[::-1]], ids=["none", "another"])
def test_a_missing_or_wrong_key_is_told_until_the_right_one_is_pasted(repository: str, examine: Examine, key: str):
    def answer(request: RecordedRequest) -> Reply:
        if request.headers.get("authorization") == f"Bearer {KEY}":
            return json_reply(MODELS)
        return json_reply({"error": {"message": "Incorrect API key provided"}}, 401)

    with ScriptedServer({("GET", "/v1/models"): answer}) as server:
        app = examine(repository, "openai", f"{server.url}/v1", key)
        app.test()
        app.is_told("unauthorized", "Incorrect API key provided", "Check the key", stops_at="Key")
        expect(app.health("C")).to_have_attribute("data-health", "unauthorized")
        edit(app, key=KEY)
        app.test()
        app.is_told("healthy", "accepted")


def test_a_hosted_api_for_no_page_and_one_without_a_key_offline_and_with_a_wrong_key_are_told_each(
    repository: str, context: BrowserContext, examine: Examine, places: Places
):
    app = examine(repository, "openai", "https://integrate.api.nvidia.com/v1")
    app.test()
    app.is_told("not-for-browsers", "NVIDIA's hosted API answers no page of another origin.", stops_at="CORS")
    edit(app, base_url=f"https://{OPENAI}/v1")
    app.test()
    app.is_told("key-missing", "OpenAI needs an API key.", "paste one", stops_at="Key")
    edit(app, key=KEY[::-1])
    context.set_offline(True)
    app.test()
    app.is_told("offline", "This computer is offline.", "Connect to the internet", stops_at="Page")
    context.set_offline(False)
    app.test()
    app.is_told("key-refused-unseen", "OpenAI most likely refuses the key.", "Paste the key again", stops_at="Key")
    edit(app, key=KEY)
    app.test()
    app.is_told("healthy", "OpenAI answers, in")


def edit(app: Patient, **fields: str) -> None:
    """Fill fields of the connection's dialog, by their names, and save it."""
    app.health("C").get_by_role("button", name="Edit C").click()
    dialog = app.page.get_by_role("dialog")
    for name, value in fields.items():
        dialog.locator(f"[name={name}]").fill(value)
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)


def test_locked_keys_are_told_and_unlocked_from_the_verdict(repository: str, examine: Examine):
    with ScriptedServer({("GET", "/v1/models"): json_reply(MODELS)}) as server:
        app = examine(repository, "openai", f"{server.url}/v1", KEY)
        app.visit("Settings")
        app.page.get_by_role("radio", name="passphrase").check()
        dialog = app.page.get_by_role("dialog")
        dialog.get_by_label("Passphrase").fill("correct horse battery")
        dialog.get_by_label("Repeat it").fill("correct horse battery")
        dialog.get_by_role("button", name="Encrypt").click()
        expect(dialog).to_have_count(0)
        app.reload()
        app.visit("Connections")
        app.test()
        app.is_told("keys-locked", "locked", stops_at="Key")
        app.verdict.get_by_role("button", name="Unlock keys").click()
        dialog.get_by_label("Passphrase").fill("correct horse battery")
        dialog.get_by_role("button", name="Unlock").click()
        expect(dialog).to_have_count(0)
        app.test()
        app.is_told("healthy", "accepted")


# ---- The page's own circumstances ------------------------------------------------------------------------------------


def test_the_setting_that_forbids_a_request_is_named(repository: str, examine: Examine, places: Places):
    app = examine(repository, "openai", f"https://{OPENAI}/v1", KEY, offline_only=True)
    asked = len(places.openai.requests)
    app.test()
    app.is_told("offline-only", f"“Offline only” is on, so {OPENAI} is not asked.", stops_at="Page")
    assert len(places.openai.requests) == asked
    app.visit("Settings")
    app.page.get_by_role("switch", name="Offline only").click()
    app.visit("Connections")
    app.test()
    app.is_told("healthy", "OpenAI answers, in")


@pytest.mark.expected_errors("Cross-Origin-Opener-Policy header has been ignored")
def test_a_page_that_is_not_secure_is_told_so_where_a_secure_one_works(repository: str, examine: Examine, places: Places):
    with healthy_local_llm() as server:
        app = examine(places.insecure, "local-llm", server.url)
        app.test()
        words = f"This page is not secure, so the browser keeps it from {server.url}."
        app.is_told("insecure-context", words, f"instead of {app.origin}.", stops_at="Page")
        assert not server.requests
        app = examine(repository, "local-llm", server.url)
        app.test()
        app.is_told("healthy", HEALTHY)


@pytest.mark.expected_errors("Mixed Content")
def test_a_secure_page_and_an_unencrypted_server_elsewhere_are_told_as_such(
    places: Places, examine: Examine, decide: Callable[[str], None], tls
):
    with ScriptedServer({("GET", "/v1/models"): json_reply(MODELS)}, tls) as encrypted:
        app = examine(places.hosted, "openai", "http://api.test/v1")
        decide("granted")  # this machine is where api.test leads, for the lack of another
        app.test()
        words = "The browser blocks it: this page is https, http://api.test is not."
        app.is_told("mixed-content", words, "Give the server https", stops_at="Page")
        edit(app, base_url=f"https://api.test:{encrypted.port}/v1")
        app.test()
        app.is_told("healthy", "OpenAI-compatible answers, in")


def test_the_browsers_permission_for_this_machine_is_told_as_it_is(
    places: Places, examine: Examine, decide: Callable[[str], None]
):
    with healthy_local_llm() as server:
        app = examine(places.hosted, "local-llm", server.url)
        decide("denied")
        app.test()
        app.is_told(
            "permission-denied",
            "does not let the page reach servers on this machine",
            "“Apps on device”",
            stops_at="Permission",
        )
        expect(app.health("C")).to_have_attribute("data-health", "unreachable")
        assert not server.requests
        decide("granted")
        app.test()
        app.is_told("healthy", HEALTHY)
        expect(app.verdict.get_by_role("listitem").filter(has_text="Permission")).to_contain_text("granted")


def test_without_a_server_the_browser_has_not_asked_and_both_are_told(
    places: Places, examine: Examine, decide: Callable[[str], None]
):
    address = f"http://127.0.0.1:{free_port()}"
    app = examine(places.hosted, "local-llm", address)
    decide("prompt")
    app.test()
    words = f"Nothing listens at {address}, or the browser's question has no answer yet."
    app.is_told("permission-needed", words, "choose “Allow”", stops_at="Permission")
    expect(app.verdict).to_contain_text("python app.py")
    decide("granted")
    app.test()
    app.is_told("not-listening", f"Nothing listens at {address}.", stops_at="Server")


def test_the_browsers_permission_for_the_network_is_told_as_it_is(
    places: Places, examine: Examine, decide: Callable[[str], None]
):
    with healthy_local_llm() as server:
        for path in ("/health", "/models", "/cache/status"):
            places.neighbour.on("GET", path, server.script("GET", path) or NO_CORS)
    app = examine(places.hosted, "local-llm", places.local)
    decide("denied")
    app.test()
    app.is_told(
        "permission-denied", "does not let the page reach servers in your network", "“Local network”", stops_at="Permission"
    )
    assert not places.neighbour.requests
    decide("granted")
    app.test()
    app.is_told("healthy", HEALTHY)


def test_a_hosted_page_asks_this_machine_nothing_before_a_click(
    places: Places, examine: Examine, decide: Callable[[str], None]
):
    with healthy_local_llm() as server:
        app = examine(places.hosted, "local-llm", server.url)
        decide("granted")
        asked = requests_of(app.page)
        app.reload()
        for name in ("Models", "Settings", "Chat", "Connections"):
            app.visit(name)
            expect(app.page.get_by_role("region", name=name)).to_be_visible()
        app.page.wait_for_timeout(3500)  # longer than the first look at a connection that is watched
        expect(app.health("C")).to_have_attribute("data-health", "unknown")
        assert not server.requests
        assert all(url.startswith((places.hosted, "blob:", "data:")) for url in asked), asked
        app.test()
        app.is_told("healthy", HEALTHY)


def requests_of(page: Page) -> list[str]:
    """The addresses that a page asks from now on."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    return asked


# ---- In the dialog, and looking around -------------------------------------------------------------------------------


@pytest.mark.usefixtures("clipboard")
def test_the_dialog_tests_what_is_typed_before_it_is_saved(places: Places, examine: Examine):
    with ollama_server({"llama3.2:1b": OllamaModel()}) as server:
        app = examine(places.hosted, "local-llm", f"http://127.0.0.1:{free_port()}")
        app.page.get_by_role("button", name="Add connection").click()
        dialog = app.page.get_by_role("dialog")
        dialog.get_by_role("combobox", name="Preset").select_option(label="Ollama")
        address = dialog.get_by_role("textbox", name="Base URL")
        test = dialog.get_by_role("button", name="Test", exact=True)
        gone = f"http://127.0.0.1:{free_port()}"
        address.fill(gone)
        test.click()
        app.is_told("not-listening", f"Nothing listens at {gone}.", "Start Ollama there", stops_at="Server")
        app.copies("ollama serve")
        address.fill(server.url)
        test.click()
        app.is_told("no-cors", f"allow {app.origin}", stops_at="CORS")
        app.copies(f'OLLAMA_ORIGINS="{app.origin}" ollama serve')
        server.origins = (app.origin,)
        test.click()
        app.is_told("healthy", "Ollama 0.17.9")
        dialog.get_by_role("button", name="Save").click()
        expect(app.health("Ollama")).to_have_attribute("data-health", "healthy")


def test_local_servers_are_looked_for_on_a_click_and_added_with_another(repository: str, examine: Examine, models: Path):
    sparse_gguf(models / "a.gguf", 1000)
    free = [port for port in USUAL_PORTS if is_free(port)]
    if len(free) < 2:
        pytest.skip("other programs have the usual ports")
    port, mute = (5000 if 5000 in free else free[0]), free[-1]
    with local_llm_api(models, "--engine", "echo", "--port", str(port)) as server, without_cors(mute, models):
        app = examine(repository, "local-llm", f"http://127.0.0.1:{free_port()}")
        asked = requests_of(app.page)
        app.reload()
        app.page.wait_for_timeout(500)
        usual = tuple(f"http://127.0.0.1:{number}/" for number in USUAL_PORTS)
        assert not [url for url in asked if url.startswith(usual)]

        app.page.get_by_role("button", name="Find local servers").click()
        dialog = app.page.get_by_role("dialog")
        found = dialog.get_by_role("list", name="Servers").get_by_role("listitem")
        known = found.filter(has_text=server.url)
        expect(known).to_contain_text("Local LLM API 1.0.0")
        expect(found.filter(has_text=f":{mute}")).to_contain_text("Something answers, but not this page.")
        expect(dialog.get_by_role("status")).to_have_text(f"Looked at the ports {', '.join(map(str, USUAL_PORTS))}.")
        assert {url for url in usual if any(a.startswith(url) for a in asked)} == set(usual)

        known.get_by_role("button", name=f"Add {server.url}").click()
        expect(known).to_contain_text("Connected")
        dialog.locator(".dialog-bar").get_by_role("button", name="Close").click()
        expect(app.health("Local LLM API")).to_have_attribute("data-health", "healthy")
        app.reload()
        expect(app.health("Local LLM API")).to_have_attribute("data-health", "healthy")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextmanager
def without_cors(port: int, folder: Path) -> Iterator[None]:
    """A web server that has never heard of CORS."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), partial(Quiet, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield
    server.shutdown()
    server.server_close()
