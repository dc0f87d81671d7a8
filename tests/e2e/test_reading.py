"""Answers as they are read: CommonMark, GFM, code, formulas, links and images, in Chromium."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import ROOT, App, OpenApp
from tests.servers.scripted import Reply, ScriptedServer, json_reply

SPECIFICATION = ROOT / "node_modules" / "commonmark-spec" / "spec.txt"
VERSION = "0.31.2"
#: Examples whose result has raw HTML of the source in it. Here that is text: no HTML of a model becomes markup.
RAW_HTML = frozenset(
    {
        *(21, 31, 344),  # in examples of backslashes, entities, and what binds tighter than a code span
        *range(148, 192),  # the section "HTML blocks"
        *(201, 308, 309),  # beside a definition; comments between two lists
        *(475, 476, 477, 491, 494, 524, 536),  # in emphasis and in the text of links
        *(613, 614, 615, 616, 617, 623, 625, 626, 627, 628, 629, 630, 631),  # the section "Raw HTML"
        *(642, 643),  # hard line breaks in a tag
    }
)
#: Examples that come out otherwise once GFM's extensions are on, as they do on GitHub: a bare address is a link.
AUTOLINKS = frozenset({602, 608, 611, 612})

#: Both sides as text that can be compared: attributes in order, white space between blocks as HTML sees it, and without
#: what the app adds around the elements that Markdown means.
COMPARABLE = """
const comparable = (root) => {
  root.querySelectorAll(".code-head").forEach(e => e.remove());
  root.querySelectorAll(".code-block, .table-frame").forEach(e => e.replaceWith(...e.childNodes));
  root.querySelectorAll("[class^=hljs]").forEach(e => e.replaceWith(...e.childNodes));
  root.querySelectorAll(".remote-image").forEach(e => {
    const image = document.createElement("img");
    image.setAttribute("data-src", e.dataset.src);
    image.alt = e.dataset.alt;
    if (e.title) image.title = e.title;
    e.replaceWith(image);
  });
  root.querySelectorAll("img[src]").forEach(e => {
    e.setAttribute("data-src", e.getAttribute("src"));
    e.removeAttribute("src");
  });
  const added = ["target", "rel", "data-host", "tabindex", "aria-label"];
  const write = (node) => {
    if (node.nodeType === 3) return JSON.stringify(node.data);
    const meant = [...(node.attributes ?? [])].filter(a => !added.includes(a.name));
    const attributes = meant.map(a => ` ${a.name}=${a.value.trim()}`);
    const children = [...node.childNodes].filter(c => c.nodeType !== 3 || isText(c, node)).map(write);
    return `<${node.nodeName}${attributes.sort().join("")}>${children.join("")}</>`;
  };
  const CONTAINER = /^(UL|OL|LI|BLOCKQUOTE|DIV|TABLE|THEAD|TBODY|TR)$/;
  const isText = (text, parent) => text.data.trim() || !CONTAINER.test(parent.nodeName);
  const trim = (node) => {
    for (const child of [...node.childNodes]) {
      if (child.nodeType === 1) { trim(child); continue; }
      if (node.closest?.("pre")) continue;
      const block = (e) => e?.nodeType === 1 && /^(P|UL|OL|LI|BLOCKQUOTE|PRE|TABLE|H\\d|HR|BR)$/.test(e.nodeName);
      if (!child.previousSibling || block(child.previousSibling)) child.data = child.data.replace(/^\\s+/, "");
      if (!child.nextSibling || block(child.nextSibling)) child.data = child.data.replace(/\\s+$/, "");
      if (!child.data) child.remove();
    }
  };
  root.normalize();
  trim(root);
  return write(root);
};
"""
RENDER = """async (cases) => {
  const { render } = await import(new URL("static/js/prose.mjs", document.baseURI));
  const { createMarkdown } = await import(new URL("static/js/markdown.mjs", document.baseURI));
  const plain = createMarkdown(false);
  return cases.map(({ markdown, extensions }) => render(markdown, extensions ? undefined : plain).innerHTML);
}"""
#: On a page of its own: the app's own would not let a string become HTML.
COMPARE = (
    "(pairs) => {"
    + COMPARABLE
    + """
  const parse = (html) => new DOMParser().parseFromString(`<div>${html}</div>`, "text/html").body.firstChild;
  return pairs.map(pair => pair.map(html => comparable(parse(html)))).map(([a, b]) => a === b ? "" : `${a} instead of ${b}`);
}"""
)


Case = dict[str, Any]


def examples() -> list[Case]:
    """The specification's examples: `number`, `markdown`, `html`."""
    text = SPECIFICATION.read_text(encoding="utf-8")
    assert f"version: '{VERSION}'" in text
    found = re.findall(r"^`{32} example\n(.*?)^\.\n(.*?)^`{32}$", text, re.MULTILINE | re.DOTALL)
    return [
        {"number": number, "markdown": markdown.replace("→", "\t"), "html": html.replace("→", "\t"), "extensions": False}
        for number, (markdown, html) in enumerate(found, 1)
    ]


@pytest.fixture
def reader(repository: str, open_app: OpenApp) -> Page:
    """The app's page."""
    return open_app(repository).page


def differences(page: Page, cases: list[Case]) -> dict[int, str]:
    """Number → how the app's rendering differs from what is wanted."""
    rendered = page.evaluate(RENDER, cases)
    blank = page.context.new_page()
    found = blank.evaluate(COMPARE, [[html, case["html"]] for html, case in zip(rendered, cases, strict=True)])
    return {case["number"]: text for case, text in zip(cases, found, strict=True) if text}


def test_commonmarks_examples_come_out_as_the_specification_has_them(reader: Page):
    cases = examples()
    assert len(cases) == 652
    found = differences(reader, cases)
    assert {n: text for n, text in found.items() if n not in RAW_HTML} == {}
    assert sorted(RAW_HTML - set(found)) == [], "these pass, and are no exceptions"


def test_the_exceptions_are_raw_html_and_nothing_else(reader: Page):
    """With the one option that lets raw HTML through, the library has what the specification has for each of them."""
    cases = [case for case in examples() if case["number"] in RAW_HTML]
    library = """async (cases) => {
      const { createMarkdown } = await import(new URL("static/js/markdown.mjs", document.baseURI));
      const md = createMarkdown(false);
      md.set({ html: true });
      return cases.map(({ markdown }) => md.render(markdown));
    }"""
    found = reader.context.new_page().evaluate(
        COMPARE, [[html, case["html"]] for html, case in zip(reader.evaluate(library, cases), cases, strict=True)]
    )
    assert [text for text in found if text] == []
    for case, html in zip(cases, reader.evaluate(RENDER, cases), strict=True):
        assert "&lt;" in html, case["number"]  # it is shown as it was written


def test_gfms_extensions_change_no_example_but_for_bare_addresses(reader: Page):
    cases = examples()
    with_extensions = [{**case, "extensions": True} for case in cases]
    rendered, plain = reader.evaluate(RENDER, with_extensions), reader.evaluate(RENDER, cases)
    found = reader.context.new_page().evaluate(COMPARE, list(zip(rendered, plain, strict=True)))
    assert {case["number"] for case, text in zip(cases, found, strict=True) if text} == AUTOLINKS


#: Markdown → what GFM makes of it.
GFM = [
    (
        "| a | b |\n|:--|--:|\n| *1* | 2 \\| 3 |\n| x |\n",
        (
            '<table><thead><tr><th align="left">a</th><th align="right">b</th></tr></thead>'
            '<tbody><tr><td align="left"><em>1</em></td><td align="right">2 | 3</td></tr>'
            '<tr><td align="left">x</td><td align="right"></td></tr></tbody></table>'
        ),
    ),
    ("before\n| a |\n|---|\n", "<p>before</p><table><thead><tr><th>a</th></tr></thead></table>"),
    ("| a | b |\n|---|\n", "<p>| a | b |\n|---|</p>"),
    ("- a | b\n--|--\n", "<ul><li>a | b\n--|--</li></ul>"),
    ("# a | b\n---|---\n", "<h1>a | b</h1><p>---|---</p>"),
    (
        "- [ ] a\n- [x] b\n- [X] *c*\n- [y] d\n- [ ]e\n",
        (
            '<ul><li><input disabled type="checkbox"> a</li><li><input checked disabled type="checkbox"> b</li>'
            '<li><input checked disabled type="checkbox"> <em>c</em></li><li>[y] d</li><li>[ ]e</li></ul>'
        ),
    ),
    ("1. [ ] a\n\n   more\n", '<ol><li><p><input disabled type="checkbox"> a</p><p>more</p></li></ol>'),
    ("~~a~~ ~b~ ~~~c~~~ ~~d~ a~e~f", "<p><del>a</del> <del>b</del> ~~~c~~~ ~~d~ a<del>e</del>f</p>"),
    ("**~~a~~**", "<p><strong><del>a</del></strong></p>"),
    ("www.commonmark.org/help.", '<p><a href="http://www.commonmark.org/help">www.commonmark.org/help</a>.</p>'),
    ("(www.a.com/b(c)d) x", '<p>(<a href="http://www.a.com/b(c)d">www.a.com/b(c)d</a>) x</p>'),
    ("www.a.com/q=b&hl; xwww.a.com", '<p><a href="http://www.a.com/q=b">www.a.com/q=b</a>&amp;hl; xwww.a.com</p>'),
    (
        "see http://a.com/x_y_z*! and ftp://b.org",
        ('<p>see <a href="http://a.com/x_y_z">http://a.com/x_y_z</a>*! and <a href="ftp://b.org">ftp://b.org</a></p>'),
    ),
    (
        "http://localhost:8080/a?b=1,2, ok",
        '<p><a href="http://localhost:8080/a?b=1,2">http://localhost:8080/a?b=1,2</a>, ok</p>',
    ),
    ("http://a_b.com_x javascript://a.com example.com", "<p>http://a_b.com_x javascript://a.com example.com</p>"),
    ("a.b+c@d-e.org. and a@b_", '<p><a href="mailto:a.b+c@d-e.org">a.b+c@d-e.org</a>. and a@b_</p>'),
    ("`www.a.com` [www.b.com](http://c.org)", '<p><code>www.a.com</code> <a href="http://c.org">www.b.com</a></p>'),
    ("**https://a.org**", '<p><strong><a href="https://a.org">https://a.org</a></strong></p>'),
    ("<b>x</b> <!-- c -->", "<p>&lt;b&gt;x&lt;/b&gt; &lt;!-- c --&gt;</p>"),
    ("[a](javascript:x) [b](data:text/html,x)", "<p>[a](javascript:x) [b](data:text/html,x)</p>"),
    (
        "[a](JaVaScRiPt&colon;x) <javascript:x> [a](file:///etc/passwd)",
        "<p>[a](JaVaScRiPt:x) &lt;javascript:x&gt; [a](file:///etc/passwd)</p>",
    ),
]


def test_gfms_extensions_come_out_as_github_has_them(reader: Page):
    cases = [{"number": n, "markdown": m, "html": html, "extensions": True} for n, (m, html) in enumerate(GFM)]
    assert {cases[n]["markdown"]: text for n, text in differences(reader, cases).items()} == {}


STREAMED = """async (texts) => {
  const { Blocks, createMarkdown } = await import(new URL("static/js/markdown.mjs", document.baseURI));
  const { write, render } = await import(new URL("static/js/prose.mjs", document.baseURI));
  const md = createMarkdown();
  const wrong = [];
  for (const text of texts) {
    const blocks = new Blocks(md);
    const element = document.createElement("div");
    for (let end = 1; end <= text.length; end++) {
      blocks.append(text[end - 1]);
      const shown = Array.from({ length: blocks.length }, (_, n) => blocks.html(n)).join("");
      const whole = md.render(text.slice(0, end));
      if (shown !== whole) { wrong.push([text.slice(0, end), shown, whole]); break; }
      if (end % 7 && end < text.length) continue;
      write(element, text.slice(0, end));
      if (element.innerHTML !== render(text.slice(0, end)).innerHTML) {
        wrong.push([text.slice(0, end), element.innerHTML]);
        break;
      }
    }
  }
  return wrong;
}"""
HARD = [
    "see [a] and [b][c]\n\n# [x]\n\n- [a]\n- [ ] t [c]\n\n[a]: /u\n'ti\ntle'\n\n[a]: /2\n[c]: <x y> 'z'\n[x]: /x\n",
    "- a\n| a | b |\n|---|---|x\nfoo\n\n| a | b\n|---|---|\n| 1 | 2 |\n---\nx\n\\[\n a\n # b\n\\]\n",
    "a\n\n$$\nx\n- 1\n\n=\n$$\n\n$$\na\n- b\n=\n$$ \nfoo\n- a\n$$\nb\n$$\n",
    "a\r\nb\r\n\r\nc\r\r\n# d\r\n```\r\nx\r\n```\r\n",
    "- a\n\n- b\n\n\n1. c\n   > d\ne\n\n    f\n\n\tg\n2) h\n* * *\n- - -\n-\n  i\n",
    "```py\na\n``\n````\nb\n\n~~~\nc\n```\n~~~ \n    code\n\n    more\n> q\nlazy\n\n> r\n===\n",
]


def test_a_text_that_streams_in_is_at_every_moment_what_it_is_as_a_whole(reader: Page):
    texts = [case["markdown"] for case in examples()]
    joined = ["".join(texts[(n * step) % len(texts)] + "\n" * (n % 2) for step in (1, 7, 13)) for n in range(1, 400)]
    assert reader.evaluate(STREAMED, [*texts, *joined, *HARD]) == []


def test_a_long_block_of_code_has_all_its_text_while_it_grows_and_all_its_colours_in_the_end(reader: Page):
    code = "".join(f"value_{n} = compute({n}, 'text')  # why\n" for n in range(200))
    for end in ("```\n", "```", "", "```\n\nMore.\n"):
        found = reader.evaluate(
            """async ([text, code]) => {
              const { write, render } = await import(new URL("static/js/prose.mjs", document.baseURI));
              render("```python\\nx\\n```");
              const sample = () => render("```python\\nif x: 1\\n```").querySelector(".hljs-keyword");
              while (!sample()) await new Promise(r => setTimeout(r, 20));
              const element = document.createElement("div");
              for (let end = 40; end < text.length; end += 40) {
                write(element, text.slice(0, end));
                const shown = element.querySelector("code")?.textContent.trimEnd() ?? "";
                if (end < code.length && shown !== text.slice(10, end).trimEnd()) return [end, shown];
              }
              write(element, text);
              write(element, text, false);
              return element.innerHTML === render(text).innerHTML;
            }""",
            [f"```python\n{code}{end}", code],
        )
        assert found is True, end


def api(answer: str) -> ScriptedServer:
    """A Local LLM API whose only model gives this answer."""
    model = {"name": "a.gguf", "path": "./models/a.gguf", "size": "1 GB", "modified": "2026"}
    reply = {"success": True, "response": answer, "model_used": "a", "processing_time": 1, "token_count": 1}
    return ScriptedServer(
        {
            ("GET", "/health"): json_reply({"status": "healthy", "service": "s", "version": "1"}),
            ("GET", "/models"): json_reply({"models": [model], "count": 1}),
            ("GET", "/cache/status"): json_reply({"cached_models": ["a.gguf"], "count": 1}),
            ("POST", "/generate"): json_reply(reply),
        }
    )


def ask(app: App) -> Locator:
    """Let the model answer; the answer's text."""
    app.choose_model("a.gguf")
    answer = app.send("Go.")
    expect(answer).to_have_attribute("data-status", "done")
    return answer.locator("[data-part=text]")


def width_over(page: Page) -> int:
    """By how many pixels the page, or its conversation, is wider than it can be seen."""
    return page.evaluate(
        """() => Math.max(...[document.documentElement, document.getElementById("conversation-scroll")]
          .map(e => e.scrollWidth - e.clientWidth))"""
    )


def test_code_has_its_language_colours_and_a_button_that_copies_it(repository: str, open_app: OpenApp):
    source = "def f(x):\n    return '<b>' + x  # <script>"
    with api(f"```python\n{source}\n```\n\n```nonsense\na & b\n```\n\n    plain\n") as server:
        app = open_app(repository, api=server.url)
        app.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        asked: list[str] = []
        app.page.on("request", lambda request: asked.append(request.url))
        text = ask(app)
        expect(text.locator(".hljs-keyword").first).to_have_text("def")
        assert [url for url in asked if "highlight" in url], "it comes with the first block, not before"
        assert text.locator("pre code").first.text_content() == source + "\n"
        expect(text.locator(".code-language")).to_have_text(["python", "nonsense", "text"])
        text.get_by_role("button", name="Copy python code").press("Enter")
        expect(app.page.get_by_role("status", name="Status")).to_have_text("Copied")
        assert app.page.evaluate("() => navigator.clipboard.readText()") == source + "\n"
        app.reload()
        expect(app.page.locator(".hljs-keyword").first).to_have_text("def")


def test_formulas_are_set_and_prices_are_not(repository: str, open_app: OpenApp):
    answer = (
        "It costs $5 and $6, or US$7$. Inline $E = mc^2$ and \\(a_b + c_d\\).\n\n$$\n\\frac{1}{2}\n= x\n$$\n\n"
        "\\[ \\sqrt{y} \\]\n\n`$code$` and $\\wrong{$ and $\\href{javascript:alert(1)}{x}$\n\n```\n$$ z $$\n```\n"
    )
    with api(answer) as server:
        app = open_app(repository, api=server.url)
        asked: list[str] = []
        app.page.on("request", lambda request: asked.append(request.url))
        assert not [url for url in asked if "katex" in url]
        text = ask(app)
        expect(text.locator(".formula math")).to_have_count(5)
        expect(text.locator(".formula .katex-html[aria-hidden=true]").first).to_be_visible()
        assert text.locator(".formula annotation").all_text_contents()[:4] == [
            "E = mc^2",
            "a_b + c_d",
            "\\frac{1}{2}\n= x",
            "\\sqrt{y}",
        ]
        expect(text.locator("p").first).to_contain_text("It costs $5 and $6, or US$7$.")
        expect(text.locator(".formula-error")).to_have_text("$\\wrong{$")
        expect(text.locator("code").filter(has_text="$code$")).to_be_visible()
        expect(text.locator("pre code")).to_have_text("$$ z $$")
        expect(text.locator(".formula a")).to_have_count(0)
        # Styles arrive although the page's policy forbids style attributes, and the fonts are the app's own.
        assert text.locator(".formula .vlist > span").first.evaluate("e => getComputedStyle(e).top") != "auto"
        assert app.page.evaluate("() => document.fonts.ready.then(() => [...document.fonts].some(f => f.status === 'loaded'))")
        own = app.page.evaluate("() => location.origin")
        assert all(url.startswith((own, server.url, "blob:", "data:")) for url in asked)


def test_links_say_where_they_lead(repository: str, open_app: OpenApp):
    answer = (
        "[docs](https://evil.example/a) [1](https://b.example:81/) <https://same.example/x> [bank.example](https://c.example) "
        "[mail](mailto:a@b.c) [x](javascript:alert(1)) see [2]\n\n[2]: https://d.example 'T'\n"
    )
    with api(answer) as server:
        app = open_app(repository, api=server.url)
        text = ask(app)
        shown = text.locator("a").evaluate_all("links => links.map(a => getComputedStyle(a, '::after').content)")
        assert [content.replace('"', "").strip() for content in shown] == [
            "evil.example",
            "b.example:81",
            "none",
            "c.example",
            "none",
            "d.example",
        ]
        for link in text.locator("a").all():
            expect(link).to_have_attribute("rel", "noopener noreferrer")
            expect(link).to_have_attribute("target", "_blank")
        expect(text).to_contain_text("[x](javascript:alert(1))")


PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cf500f00038101"
    "8052f5d0a60000000049454e44ae426082"
)


@pytest.mark.expected_errors("CORS", "ERR_FAILED")
def test_an_image_is_fetched_once_its_host_is_agreed_to(repository: str, open_app: OpenApp):
    picture = Reply(chunks=[PIXEL], content_type="image/png")
    with ScriptedServer({("GET", "/p.png"): picture, ("GET", "/q.png"): picture}) as images:
        host = images.url.removeprefix("http://")
        answer = (
            f"![A red dot]({images.url}/p.png) ![Another]({images.url}/q.png 'Two') "
            "![](http://other.example/r.png) ![rel](x.png)"
        )
        with api(answer) as server:
            app = open_app(repository, api=server.url)
            text = ask(app)
            expect(text.locator(".remote-image")).to_have_count(4)
            expect(text).to_contain_text("A red dot")
            assert images.requests == []
            text.get_by_role("button", name=f"Show images from {host}").first.click()
            expect(text.get_by_role("img", name="A red dot")).to_be_visible()
            expect(text.get_by_role("img", name="Another")).to_be_visible()
            expect(text.get_by_role("button", name="Show images from other.example")).to_be_visible()
            assert {request.headers.get("referer") for request in images.requests} == {None}
            again = ask(app)  # remembered while the tab is open
            expect(again.get_by_role("img", name="A red dot")).to_be_visible()
            app.reload()
            expect(app.page.get_by_role("button", name=f"Show images from {host}").first).to_be_visible()


WIDE = (
    "| "
    + " | ".join(f"a long heading {n}" for n in range(20))
    + " |\n"
    + "|---" * 20
    + "|\n\n"
    + "```python\n"
    + "x = 1; " * 100
    + "\n```\n\n$$\n"
    + "a + " * 100
    + "b\n$$\n\n"
    + "https://a.example/"
    + "y" * 300
    + "\n\n!["
    + "alt" * 100
    + "](https://"
    + "h" * 60
    + ".example/i.png)\n"
)


def test_what_is_wide_scrolls_in_itself_on_a_phone(repository: str, open_app: OpenApp):
    with api(WIDE) as server:
        app = open_app(repository, api=server.url)
        text = ask(app)
        app.page.set_viewport_size({"width": 390, "height": 844})
        expect(text.locator(".formula math")).to_have_count(1)
        assert width_over(app.page) <= 0
        for part in (".table-frame", ".code-block pre", ".formula-display"):
            assert text.locator(part).evaluate("e => e.scrollWidth > e.clientWidth"), part
            text.locator(part).focus()
            app.page.keyboard.press("ArrowRight")
            app.page.wait_for_function(f"() => document.querySelector('.message {part}').scrollLeft > 0")
