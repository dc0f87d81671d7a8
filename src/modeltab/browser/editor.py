"""The Playground's editor: CodeMirror, brought when it is shown for the first time."""

import asyncio
from collections.abc import Callable
from typing import Any

from pyodide.ffi import create_proxy

from modeltab.actions.app import UiEvent
from modeltab.browser.dom import element
from modeltab.browser.interop import module

EDITOR = "./static/js/editor.mjs"


class BrowserEditor:
    """The editor in the element "playground-editor".

    :param perform: is given what a person does in it: "playground.edit" with the text, "playground.run" for Ctrl+Enter.
    """

    def __init__(self, perform: Callable[[UiEvent], object]) -> None:
        self._perform = perform
        self._editor: Any = None
        self._one_load = asyncio.Lock()
        self._shown = ("", "")

    async def show(self, text: str, language: str) -> None:
        """Show another text."""
        async with self._one_load:
            if self._editor is None:
                create = (await module(EDITOR)).createEditor
                change = create_proxy(self._changed)  # for as long as the page lives
                run = create_proxy(lambda: self._perform(UiEvent("playground.run")))
                self._editor = create(element("playground-editor"), change, run)
        if self._shown != (text, language):
            self._shown = (text, language)
            self._editor.show(text, language)

    def _changed(self, text: str) -> None:
        self._shown = (text, self._shown[1])
        self._perform(UiEvent("playground.edit", value=text))
