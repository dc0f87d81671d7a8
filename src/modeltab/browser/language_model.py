"""The browser's own model, through the Prompt API (`LanguageModel`)."""

from collections.abc import AsyncGenerator
from typing import Any

import js
from pyodide.ffi import JsException, create_proxy

from modeltab.browser.interop import error_name, error_text, to_object
from modeltab.domain.errors import EngineFailed
from modeltab.providers.base import Json, OnFraction


class BrowserLanguageModel:
    """`LanguageModel`, where the browser has it."""

    def __init__(self) -> None:
        self.exists = hasattr(js, "LanguageModel")

    async def availability(self) -> str:
        """What the browser says."""
        if not self.exists:
            return "unavailable"
        try:
            return str(await js.LanguageModel.availability())
        except JsException as error:
            raise _failed(error) from None

    async def prepare(self, on_fraction: OnFraction) -> None:
        """Make a session, which downloads the model, and let it go again."""
        progress = create_proxy(lambda event: on_fraction(float(event.loaded)))
        monitor = create_proxy(lambda target: target.addEventListener("downloadprogress", progress))
        options = to_object({})
        options.monitor = monitor
        try:
            (await js.LanguageModel.create(options)).destroy()
        except JsException as error:
            raise _failed(error) from None
        finally:
            progress.destroy()
            monitor.destroy()

    async def prompt(self, history: Json, text: str, schema: Json = None) -> AsyncGenerator[str, None]:
        """The answer in pieces."""
        controller = js.AbortController.new()
        session: Any = None
        try:
            options = to_object({"initialPrompts": history})
            options.signal = controller.signal
            session = await js.LanguageModel.create(options)
            asked = to_object({} if schema is None else {"responseConstraint": schema})
            asked.signal = controller.signal
            reader = session.promptStreaming(text, asked).getReader()
            while not (step := await reader.read()).done:
                yield str(step.value)
        except JsException as error:
            raise _failed(error) from None
        finally:
            controller.abort()
            if session is not None:
                session.destroy()


def _failed(error: JsException) -> EngineFailed:
    advice = {
        "NotAllowedError": "The browser downloads its model only right after a click: press Retry.",
        "QuotaExceededError": "The conversation is too long for this model: start a new one, or choose another model.",
        "NotSupportedError": "The browser's model does not know this language or kind of input. Choose another model.",
    }.get(error_name(error), "Try again; this API is experimental, and browsers still change it.")
    return EngineFailed("The browser's model refused or stopped.", advice, f"{error_name(error)}: {error_text(error)}")
