"""The page: events go out as actions, HTML comes in.

HTML has one way in. What a view returns is parsed and sanitised by DOMPurify into a fragment, `data-markdown` elements in
it are rendered and sanitised once more under stricter rules, and the fragment is morphed into place. So a defect in a
view's escaping, or in the Markdown library, does not become a script.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import js
from pyodide.ffi import JsException, create_proxy

from modeltab.actions.app import UiEvent
from modeltab.browser.files import BrowserFile
from modeltab.browser.interop import from_object, module, to_object
from modeltab.domain.connections import is_loopback
from modeltab.state.store import State, Storage
from modeltab.views.html import Html
from modeltab.views.page import PageView

#: DOM event → the data attribute that names its action.
EVENTS = {
    "click": "action",
    "submit": "submit",
    "input": "input",
    "change": "change",
    "keydown": "keydown",
    "focusin": "focus",
    "focusout": "blur",
    "mousedown": "mousedown",
}
PAGES = ("chat", "models", "connections", "settings")

#: Views escape what they are given, so ids and names are ours; DOMPurify need not guard them against clobbering.
VIEW_RULES = {"RETURN_DOM_FRAGMENT": True, "SANITIZE_DOM": False, "ADD_ATTR": ["aria-current", "enterkeyhint"]}
#: What a model wrote gets no ids, no classes but a code block's language, no forms, no media, and links of three kinds.
MARKDOWN_RULES = {
    "RETURN_DOM_FRAGMENT": True,
    "ALLOWED_TAGS": (
        "p br hr h1 h2 h3 h4 h5 h6 strong em s del code pre blockquote ul ol li table thead tbody tr th td a".split()
    ),
    "ALLOWED_ATTR": ["href", "title", "class", "start", "align"],
    "ALLOWED_URI_REGEXP": None,
    "ALLOW_DATA_ATTR": False,
    "ALLOW_ARIA_ATTR": False,
}
MORPH = {"morphStyle": "innerHTML", "ignoreActiveValue": True, "restoreFocus": True}
#: A reader who has scrolled up further than this, in pixels, is not pulled back down by new text.
NEAR_END = 80


class BrowserPage:
    """The page in the browser."""

    def __init__(self) -> None:
        self.is_loopback = is_loopback(js.location.hostname)
        self.perform: Callable[[UiEvent], bool] = lambda event: False
        self._view = PageView()
        self._drawn: dict[str, str] = {}
        self._messages: list[tuple[str, Html]] = []
        self._pending: State | None = None
        self._focus = ""
        self._proxies: list[Any] = []

    async def load(self) -> None:
        """Bring the libraries that draw."""
        purify, idiomorph, markdown = await asyncio.gather(
            module("./static/vendor/dompurify/purify.es.mjs"),
            module("./static/vendor/idiomorph/idiomorph.esm.js"),
            module("./static/vendor/markdown-it/markdown-it.mjs"),
        )
        self._purify = purify.default
        self._idiomorph = idiomorph.Idiomorph
        self._markdown = markdown.default(to_object({"html": False, "linkify": True, "typographer": False}))
        self._markdown.disable("image")  # an image would be a request that nobody asked for: it stays a link
        self._view_rules = to_object(VIEW_RULES)
        self._markdown_rules = to_object(MARKDOWN_RULES)
        self._markdown_rules.ALLOWED_URI_REGEXP = js.RegExp.new("^(?:https?|mailto):", "i")
        self._inner = self._morph_options("innerHTML")
        self._outer = self._morph_options("outerHTML")

    def listen(self, on_hash: Callable[[str], None], on_visible: Callable[[bool], None]) -> None:
        """Hear what happens, from now on."""
        for kind in EVENTS:
            self._on(js.document, kind, self._event)
        self._on(js.document, "cancel", self._dialog_cancelled, capture=True)
        self._on(js.window, "hashchange", lambda event: on_hash(js.location.hash))
        self._on(js.document, "visibilitychange", lambda event: on_visible(js.document.visibilityState == "visible"))
        for kind in ("dragover", "dragleave", "drop"):
            self._on(js.window, kind, self._drag)
        self._on(js.window, "beforeunload", self._leaving)
        self._on(js.document, "keydown", self._shortcut)

    # Drawing: at most once a frame, and nothing that looks the same as before.

    def show(self, state: State) -> None:
        """Draw the state with the next frame."""
        if self._pending is None:
            js.requestAnimationFrame(self._frame_proxy())
        self._pending = state

    def draw(self, state: State) -> None:
        """Draw the state now."""
        self._show_page(state.route.page)
        title = self._view.title(state)
        if js.document.title != title:
            js.document.title = title
        for element_id, html in self._view.regions(state).items():
            if self._drawn.get(element_id) != html:
                self._drawn[element_id] = html
                self._patch(element_id, html)
        if state.route.page == "chat":
            self._draw_messages(self._view.messages(state))
        if self._drawn.get("status") != state.status:
            self._drawn["status"] = state.status
            _element("status").textContent = state.status
        if self._focus:
            element = js.document.getElementById(self._focus)
            self._focus = ""
            if element:
                element.focus()

    def _frame_proxy(self) -> Any:
        if not hasattr(self, "_frame"):
            self._frame = create_proxy(self._draw_frame)
        return self._frame

    def _draw_frame(self, _: float) -> None:
        state, self._pending = self._pending, None
        if state is not None:
            self.draw(state)

    def _show_page(self, page: str) -> None:
        if self._drawn.get("page") == page:
            return
        self._drawn["page"] = page
        for name in PAGES:
            _element(f"page-{name}").hidden = name != page

    def _patch(self, element_id: str, html: Html) -> None:
        element = _element(element_id)
        if element_id == "dialog":
            self._patch_dialog(element, html)
        else:
            self._idiomorph.morph(element, self._fragment(html), self._inner)

    def _patch_dialog(self, root: Any, html: Html) -> None:
        """A dialog has to be opened and closed by its methods: only they hold and return the focus."""
        open_ = root.querySelector("dialog")
        if open_ and not html:
            open_.close()
        self._idiomorph.morph(root, self._fragment(html), self._inner)
        shown = root.querySelector("dialog")
        if shown and not shown.open:
            shown.showModal()

    def _draw_messages(self, messages: list[tuple[str, Html]]) -> None:
        """Only what changed: the messages that differ, the end where some were added or are gone."""
        root, scroll = _element("conversation"), _element("conversation-scroll")
        before = self._messages
        if before == messages:
            return
        at_end = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR_END
        same = 0
        while same < min(len(before), len(messages)) and before[same][0] == messages[same][0]:
            if before[same][1] != messages[same][1]:
                self._idiomorph.morph(_element(messages[same][0]), self._fragment(messages[same][1]), self._outer)
            same += 1
        for element_id, _ in before[same:]:
            _element(element_id).remove()
        if messages[same:]:
            root.append(self._fragment(Html("".join(html for _, html in messages[same:]))))
        self._messages = messages
        if at_end or len(messages) > len(before):
            scroll.scrollTop = scroll.scrollHeight

    def _fragment(self, html: Html) -> Any:
        """The one way from HTML to nodes."""
        fragment = self._purify.sanitize(html, self._view_rules)
        for node in fragment.querySelectorAll("[data-markdown]"):
            rendered = self._purify.sanitize(self._markdown.render(node.textContent), self._markdown_rules)
            for link in rendered.querySelectorAll("a[href]"):
                link.target = "_blank"
                link.rel = "noopener noreferrer"
            node.replaceChildren(rendered)
        return fragment

    def _morph_options(self, style: str) -> Any:
        options = to_object({**MORPH, "morphStyle": style})
        callbacks = to_object({})
        # What a person folded open stays open, and a modal dialog stays modal.
        callbacks.beforeAttributeUpdated = self._keep(lambda name, node, kind: name != "open")
        options.callbacks = callbacks
        return options

    # Events

    def _keep(self, function: Callable[..., Any]) -> Any:
        proxy = create_proxy(function)
        self._proxies.append(proxy)
        return proxy

    def _on(self, target: Any, kind: str, handler: Callable[[Any], None], capture: bool = False) -> None:
        target.addEventListener(kind, self._keep(handler), capture)

    def _event(self, event: Any) -> None:
        target = event.target
        if not hasattr(target, "closest"):
            return
        attribute = EVENTS[event.type]
        element = target.closest(f"[data-{attribute}]")
        if not element or not element.getAttribute(f"data-{attribute}"):
            return
        if event.type == "submit":
            event.preventDefault()
        if self.perform(_ui_event(event, element, element.getAttribute(f"data-{attribute}"))):
            event.preventDefault()
        if event.type == "change" and getattr(element, "type", "") == "file" and not element.form:
            element.value = ""  # so that the same file can be chosen again

    def _dialog_cancelled(self, event: Any) -> None:
        if event.target.tagName == "DIALOG":
            event.preventDefault()
            self.perform(UiEvent("dialog.close"))

    def _shortcut(self, event: Any) -> None:
        if event.altKey and event.code == "KeyN" and not event.ctrlKey and not event.metaKey:
            event.preventDefault()
            self.perform(UiEvent("chat.new"))

    def _drag(self, event: Any) -> None:
        if "Files" not in list(event.dataTransfer.types):
            return
        event.preventDefault()
        leaves = event.type == "dragleave" and event.relatedTarget
        _element("drop-hint").hidden = event.type != "dragover" and not leaves
        if event.type == "drop":
            files = tuple(BrowserFile(file) for file in event.dataTransfer.files)
            if files:
                self.perform(UiEvent("models.add", files=files))

    def _leaving(self, event: Any) -> None:
        if self.busy():
            event.preventDefault()

    busy: Callable[[], bool] = staticmethod(lambda: False)

    # What actions ask for

    def value(self, element_id: str) -> str:
        """A field's text."""
        return str(_element(element_id).value)

    def set_value(self, element_id: str, value: str) -> None:
        """Change a field's text."""
        _element(element_id).value = value

    def focus(self, element_id: str) -> None:
        """Put the focus there, with the next drawing."""
        self._focus = element_id
        js.requestAnimationFrame(self._focus_proxy())

    def _focus_proxy(self) -> Any:
        if not hasattr(self, "_focuser"):
            self._focuser = create_proxy(self._apply_focus)
        return self._focuser

    def _apply_focus(self, _: float) -> None:
        element = js.document.getElementById(self._focus) if self._focus else None
        if element:
            self._focus = ""
            element.focus()

    def click(self, element_id: str) -> None:
        """Press it."""
        _element(element_id).click()

    def go(self, route: str) -> None:
        """Change the hash."""
        js.location.hash = route

    def replace_route(self, route: str) -> None:
        """Change the hash without a step in the history."""
        js.location.replace(route)

    def set_theme(self, theme: str) -> None:
        """Apply a theme."""
        if theme == "auto":
            js.document.documentElement.removeAttribute("data-theme")
        else:
            js.document.documentElement.setAttribute("data-theme", theme)

    async def copy(self, text: str) -> None:
        """To the clipboard."""
        await js.navigator.clipboard.writeText(text)

    def save_file(self, name: str, text: str) -> None:
        """Save a text as a file."""
        parts = js.Array.new()
        parts.push(text)
        url = js.URL.createObjectURL(js.Blob.new(parts, to_object({"type": "application/json"})))
        link = js.document.createElement("a")
        link.href = url
        link.download = name
        link.click()
        js.URL.revokeObjectURL(url)

    def reload(self) -> None:
        """Load the page again."""
        js.location.reload()

    async def storage(self) -> Storage:
        """How full the storage is."""
        try:
            estimate = from_object(await js.navigator.storage.estimate())
            return Storage(int(estimate["usage"]), int(estimate["quota"]), bool(await js.navigator.storage.persisted()))
        except (AttributeError, JsException):
            return Storage()

    async def persist(self) -> bool:
        """Ask the browser to keep the storage."""
        try:
            return bool(await js.navigator.storage.persist())
        except (AttributeError, JsException):
            return False

    def ready(self) -> None:
        """Python answers every control."""
        js.document.documentElement.setAttribute("data-state", "ready")


def _element(element_id: str) -> Any:
    return js.document.getElementById(element_id)


def _ui_event(event: Any, element: Any, action: str) -> UiEvent:
    form = element if element.tagName == "FORM" else getattr(element, "form", None)
    values = _values(form) if form else {}
    key = ""
    if event.type == "keydown" and not event.isComposing:
        modifiers = ("Shift+" * event.shiftKey) + ("Alt+" * event.altKey) + ("Ctrl+" * (event.ctrlKey or event.metaKey))
        key = modifiers + event.key
    files: tuple[BrowserFile, ...] = ()
    inputs = form.querySelectorAll("input[type=file]") if form else [element]
    for item in inputs:
        if getattr(item, "type", "") == "file":
            files += tuple(BrowserFile(file) for file in item.files)
    return UiEvent(
        action, element.getAttribute("data-id") or "", str(getattr(element, "value", "") or ""), values, key, files
    )


def _values(form: Any) -> dict[str, str]:
    """A form's texts by name. Fields that are disabled are not in it."""
    entries = from_object(js.Object.fromEntries(js.FormData.new(form)))
    return {name: value for name, value in entries.items() if isinstance(value, str)}
