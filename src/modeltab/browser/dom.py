"""State → page. At most once a frame, and nothing that looks the same as before.

HTML has one way in. What a view returns is parsed and sanitised by DOMPurify into a fragment, which is morphed into place;
the texts of `data-markdown` elements in it are rendered by static/js/prose.mjs, which sanitises once more under stricter rules.
So a defect in a view's escaping, or in the Markdown library, does not become a script.
"""

import asyncio
from typing import Any

import js
from pyodide.ffi import create_proxy

from modeltab.actions.reading import allowed_hosts
from modeltab.browser.focus import FocusKeeper, control
from modeltab.browser.images import OpfsImages
from modeltab.browser.interop import module, to_object
from modeltab.state.store import State
from modeltab.views.html import Html, join
from modeltab.views.page import PageView
from modeltab.views.shell import PLACES

#: Views escape what they are given, so ids and names are ours; DOMPurify need not guard them against clobbering.
#: They write a person's texts into attributes as they are, "</script>" included: the fragment is never text again.
VIEW_RULES = {
    "RETURN_DOM_FRAGMENT": True,
    "SANITIZE_DOM": False,
    "SAFE_FOR_XML": False,
    "ADD_ATTR": ["aria-current", "closedby", "enterkeyhint", "webkitdirectory"],
}
#: HTML that code in the playground shows: text, lists and tables. Nothing that acts, loads, or looks like a part of the app.
FOREIGN_RULES = {
    "RETURN_DOM_FRAGMENT": True,
    "ALLOWED_TAGS": [
        *("p", "br", "hr", "div", "span", "h1", "h2", "h3", "h4", "h5", "h6", "b", "strong", "i", "em", "u", "s", "del", "sub"),
        *("sup", "small", "code", "pre", "blockquote", "ul", "ol", "li", "dl", "dt", "dd", "table", "caption", "thead"),
        *("tbody", "tfoot", "tr", "th", "td"),
    ],
    "ALLOWED_ATTR": ["align", "colspan", "rowspan", "scope", "title", "lang", "dir"],
    "ALLOW_DATA_ATTR": False,
    "ALLOW_ARIA_ATTR": False,
}
#: A reader who has scrolled up further than this, in pixels, is not pulled back down by new text.
NEAR_END = 80
#: What changes with each token, and the pause after drawing it, in milliseconds: text that flows need not do it each frame.
STREAMED = frozenset({"messages", "generation", "comparing", "completing", "structured", "code_output"})
PAUSE_MS = 50
#: The least pause as a multiple of what the drawing took: what takes long is drawn less often.
REST = 4


class Drawing:
    """Draws states, and remembers what is drawn."""

    def __init__(self, images: OpfsImages) -> None:
        self._stored_images = images
        self._image_urls: dict[str, str] = {}
        self._loading: set[asyncio.Task[None]] = set()
        self._view = PageView()
        self._drawn: dict[str, str] = {}
        self._messages: list[tuple[str, Html]] = []
        self._streamed = ("", "")
        self._compared: dict[str, str] = {}
        self._image_hosts: tuple[str, ...] = ()
        self._shown: State | None = None
        self._pending: State | None = None
        self._rest_until = 0.0
        self._timer = 0
        self._frame_asked = False
        self._timeout = create_proxy(self._ask_for_frame)
        self._focus: tuple[str, ...] = ()
        self._keeper = FocusKeeper()
        self._frame = create_proxy(self._draw_frame)
        # What a person folded open stays open, and a modal dialog stays modal.
        self._attribute_rule = create_proxy(lambda name, node, kind: name != "open")

    async def load(self) -> None:
        """Bring the libraries that draw."""
        purify, idiomorph, self._prose = await asyncio.gather(
            module("./static/vendor/dompurify/purify.es.mjs"),
            module("./static/vendor/idiomorph/idiomorph.esm.js"),
            module("./static/js/prose.mjs"),
        )
        self._purify = purify.default
        self._idiomorph = idiomorph.Idiomorph
        self._view_rules = to_object(VIEW_RULES)
        self._foreign_rules = to_object(FOREIGN_RULES)
        self._inside = self._morph_options("innerHTML")
        self._whole = self._morph_options("outerHTML")

    def show(self, state: State) -> None:
        """Draw the state with the next frame; when only an answer has grown, after a pause."""
        shown, self._pending = self._pending or self._shown, state
        pause = self._rest_until - js.performance.now() if _only_streamed(shown, state) else 0
        if pause <= 0:
            self._ask_for_frame()
        elif not self._timer and not self._frame_asked:
            self._timer = js.setTimeout(self._timeout, pause)

    def focus(self, target: tuple[str, ...], state: State) -> None:
        """Put the focus into an element once the state is drawn: it may not be there before.

        :param target: its id; or the action of a control and the id that goes with that.
        """
        self._focus = target
        self.show(state)

    def draw(self, state: State) -> None:
        """Draw the state now."""
        self._shown = state
        self._keeper.remember()
        if self._changed("page", state.route.page):
            for name, _ in PLACES:
                element(f"page-{name}").hidden = name != state.route.page
        hosts = allowed_hosts(state)
        if hosts != self._image_hosts:
            self._image_hosts = hosts
            self._prose.allowImages(to_object(hosts))
        title = self._view.title(state)
        if self._changed("title", title):
            js.document.title = title
        for element_id, html in self._view.regions(state).items():
            if self._changed(element_id, html):
                self._patch(element_id, html)
                if element_id == "compare-columns":
                    self._compared.clear()  # the texts that flow in are not in it
        if state.route.page == "compare":
            self._draw_compared(self._view.compared(state))
        if state.route.page == "chat":
            self._draw_messages(self._view.messages(state), self._view.streamed(state))
        if self._changed("list", f"{state.settings.conversation_sort} {state.search}"):
            element("conversation-list").scrollTop = 0
        active = self._view.active_option(state) if state.route.page == "chat" else ""
        if self._changed("active-option", active):
            element("message").setAttribute("aria-activedescendant", active)
            self._bring_into_view(active)
        line = self._view.active_line(state)
        if self._changed("active-line", line):
            self._bring_into_view(line)
        if self._changed("status", state.status):
            element("status").textContent = state.status
        if self._focus:
            wanted, self._focus = self._focus, ()
            target = control(*wanted) if len(wanted) == 2 else js.document.getElementById(wanted[0])
            if target:
                target.focus()
                if target.tagName == "TEXTAREA" and not target.selectionEnd:
                    target.setSelectionRange(len(target.value), len(target.value))  # one goes on behind what is there
        self._keeper.settle()

    def _bring_into_view(self, element_id: str) -> None:
        if element_id:
            element(element_id).scrollIntoView(to_object({"block": "nearest"}))

    def _ask_for_frame(self) -> None:
        if self._timer:
            js.clearTimeout(self._timer)
            self._timer = 0
        if not self._frame_asked:
            self._frame_asked = True
            js.requestAnimationFrame(self._frame)

    def _draw_frame(self, _: float) -> None:
        self._frame_asked = False
        state, self._pending = self._pending, None
        if state is not None:
            began = js.performance.now()
            self.draw(state)
            now = js.performance.now()
            self._rest_until = now + max(PAUSE_MS, REST * (now - began))

    def _changed(self, name: str, value: str) -> bool:
        before = self._drawn.get(name)
        self._drawn[name] = value
        return before != value

    def _patch(self, element_id: str, html: Html) -> None:
        if element_id in ("dialog", "palette"):
            self._patch_dialog(element(element_id), html)
        else:
            target = element(element_id)
            is_log = target.getAttribute("role") == "log"
            at_end = is_log and target.scrollHeight - target.scrollTop - target.clientHeight < NEAR_END
            self._idiomorph.morph(target, self._fragment(html), self._inside)
            self._prose.settle(target)
            if at_end:
                target.scrollTop = target.scrollHeight

    def _patch_dialog(self, root: Any, html: Html) -> None:
        """A dialog has to be opened and closed by its methods: only they hold the focus and return it."""
        fragment = self._fragment(html)
        shown, new = root.querySelector("dialog"), fragment.querySelector("dialog")
        if shown and not new:
            shown.close()
        is_same = bool(shown and new and shown.getAttribute("data-name") == new.getAttribute("data-name"))
        if is_same:
            # What was typed into a secret field is nowhere but in the page, so it stays even when the rest is filled anew.
            same = shown.getAttribute("data-revision") == new.getAttribute("data-revision")
            kept = "[name]:not([type=file])" if same else "[name][type=password]"
            for field in shown.querySelectorAll(kept):
                twin = new.querySelector(f'[name="{field.name}"]')
                if twin:
                    twin.value = field.value
        self._idiomorph.morph(root, fragment, self._inside)
        self._prose.settle(root)
        shown = root.querySelector("dialog")
        if shown and not is_same:
            if not shown.open:
                shown.showModal()
            first = shown.querySelector(":is(.dialog-body, .palette-head) :is(input, select, textarea, button):not(:disabled)")
            if first:
                first.focus()  # the browser would begin with the button that closes it

    def _draw_messages(self, messages: list[tuple[str, Html]], streamed: tuple[str, str]) -> None:
        """Only what changed: the messages that differ, the end where some were added or are gone, the text that flows in."""
        before = self._messages
        if before == messages and streamed == self._streamed:
            return
        scroll = element("conversation-scroll")
        at_end = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR_END
        from_end = scroll.scrollHeight - scroll.scrollTop
        earlier = self._draw_earlier(before, messages)
        before = [*earlier, *before]
        same = 0
        while same < min(len(before), len(messages)) and before[same][0] == messages[same][0]:
            element_id, html = messages[same]
            if before[same][1] != html:
                self._idiomorph.morph(element(element_id), self._fragment(html), self._whole)
            same += 1
        for element_id, _ in before[same:]:
            element(element_id).remove()
        if messages[same:]:
            element("conversation").append(self._fragment(join(html for _, html in messages[same:])))
        self._prose.settle(element("conversation"))
        if streamed[1] and any(element_id == streamed[0] for element_id, _ in messages):
            part = element(streamed[0]).querySelector("[data-part=text]")
            self._prose.write(part, streamed[1])
        self._messages, self._streamed = messages, streamed
        if at_end or not same or len(messages) > len(before):
            scroll.scrollTop = scroll.scrollHeight
        elif earlier:
            scroll.scrollTop = scroll.scrollHeight - from_end  # what is seen stays where it is

    def _draw_earlier(self, before: list[tuple[str, Html]], messages: list[tuple[str, Html]]) -> list[tuple[str, Html]]:
        """Put what comes before the first message that is drawn above it."""
        first = before[0][0] if before else ""
        place = next((n for n, (element_id, _) in enumerate(messages) if element_id == first), 0)
        if place:
            element(first).before(self._fragment(join(html for _, html in messages[:place])))
        return messages[:place]

    def _draw_compared(self, streamed: list[tuple[str, str]]) -> None:
        """The answers that flow into a comparison: only the texts that have grown."""
        for element_id, text in streamed:
            part = js.document.getElementById(element_id)
            if part and self._compared.get(element_id) != text:
                self._prose.write(part, text)
                self._compared[element_id] = text

    def _fragment(self, html: Html) -> Any:
        """The one way from HTML to nodes."""
        fragment = self._purify.sanitize(html, self._view_rules)
        self._prose.prepare(fragment)
        for node in fragment.querySelectorAll("[data-html]"):
            node.replaceChildren(self._purify.sanitize(node.textContent, self._foreign_rules))
        for node in fragment.querySelectorAll("[data-image]"):
            digest = node.getAttribute("data-image")
            if self._image_urls.get(digest):
                node.src = self._image_urls[digest]
            elif digest not in self._image_urls:
                self._image_urls[digest] = ""  # asked for once
                task = asyncio.ensure_future(self._load_image(digest))
                self._loading.add(task)
                task.add_done_callback(self._loading.discard)
        return fragment

    async def _load_image(self, digest: str) -> None:
        """Show an image from storage wherever it stands by now."""
        file = await self._stored_images.open(digest)
        if file is None:
            del self._image_urls[digest]
            return
        url = self._image_urls[digest] = js.URL.createObjectURL(file)
        for node in js.document.querySelectorAll(f'[data-image="{digest}"]'):
            node.src = url

    def _morph_options(self, style: str) -> Any:
        options = to_object({"morphStyle": style, "restoreFocus": True, "callbacks": {}})
        options.callbacks.beforeAttributeUpdated = self._attribute_rule
        options.callbacks.beforeNodeMorphed = self._prose.mayMorph
        return options


def _only_streamed(before: State | None, after: State) -> bool:
    """Whether nothing differs but what changes with each token."""
    return before is not None and all(
        a is b or name in STREAMED for name, a, b in zip(State._fields, before, after, strict=True)
    )


def element(element_id: str) -> Any:
    """An element that is always in the page."""
    return js.document.getElementById(element_id)
