"""The model that some browsers bring along: the Prompt API (`LanguageModel`), in Chrome Gemini Nano. Experimental.

Source: the Prompt API's explainer and MDN, "Using the Prompt API". What the browser offers is a protocol here;
`browser.language_model` keeps it. Web pages cannot set its sampling, so no parameter but the system prompt is taken.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from modeltab.domain.connections import Connection
from modeltab.domain.errors import EngineFailed, Unreachable
from modeltab.domain.models import Model, ModelState
from modeltab.domain.requests import ChatRequest, Event, Finished, Parameters, TextDelta
from modeltab.providers.base import Capabilities, Json, ModelMemory, OnFraction, Provider
from modeltab.providers.chat_completions import call_in_page
from modeltab.providers.connection_type import ConnectionType
from modeltab.providers.content import turns
from modeltab.snippets.call import Call

NAME = "Built-in model"
_STATES: dict[str, ModelState] = {"available": "On disk", "downloading": "Downloading", "downloadable": "Remote"}


class LanguageModel(Protocol):
    """The browser's model.

    :ivar exists: whether this browser has the API at all.
    """

    exists: bool

    async def availability(self) -> str:
        """ "available", "downloading", "downloadable" or "unavailable"."""
        ...

    async def prepare(self, on_fraction: OnFraction) -> None:
        """Let the browser download the model if it has to. Needs a click that is a few seconds old at most.

        :raises EngineFailed: when the browser refuses.
        """
        ...

    def prompt(self, history: Json, text: str, schema: Json = None) -> AsyncGenerator[str, None]:
        """The answer's text in pieces. Closing it stops the model.

        :param history: what was said before, [{"role", "content"}, …].
        :param schema: the JSON Schema that the answer has to keep to, None for an answer in words.
        :raises EngineFailed: when the browser refuses.
        """
        ...


class BrowserModel(Provider):
    """The browser's own model, as a connection with one model."""

    capabilities = Capabilities(
        streaming=True,
        parameters=frozenset({"system_prompt"}),
        reasons={
            name: "Browsers let no page set this."
            for name in ("temperature", "max_tokens", "top_p", "top_k", "seed", "n_ctx", "reasoning", "extra_json")
        },
        schema=True,
    )
    loads = False  # a session of its own for each answer, so there is nothing to do before the first but the download
    loads_first = True
    unloads_one = False
    frees = False

    def __init__(self, connection: Connection, model: LanguageModel) -> None:
        self._connection_id = connection.id
        self._model = model
        self.memory: ModelMemory | None = self

    async def check(self) -> str:
        """Whether this browser has a model for this machine."""
        state = await self._model.availability()
        if state not in _STATES:
            raise Unreachable(
                "This browser has no model for this machine.",
                "Chrome needs a recent version, 22 GB of free disk space, and 4 GB of GPU memory or 16 GB of memory.",
                f"availability: {state}",
            )
        return {
            "available": "Experimental. The model is on this machine",
            "downloading": "Experimental. The browser is downloading the model",
            "downloadable": "Experimental. The browser downloads the model at the first message",
        }[state]

    async def models(self) -> tuple[Model, ...]:
        """The one model."""
        state = await self._model.availability()
        return (Model(self._connection_id, NAME, state=_STATES[state]),) if state in _STATES else ()

    async def loaded(self) -> tuple[str, ...]:
        """Not told: the browser loads and unloads as it likes."""
        return ()

    async def load(self, name: str, parameters: Parameters, on_fraction: OnFraction) -> None:
        """Let the browser download the model."""
        await self._model.prepare(on_fraction)

    async def unload(self, name: str) -> None:
        """The browser unloads by itself."""

    async def free(self) -> None:
        """The browser unloads by itself."""

    async def generate(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """A session of its own for each answer: what was said before, then the prompt."""
        spoken = turns(request, takes_images=False)
        if not spoken:
            raise EngineFailed("There is nothing to answer.", "Type a message.")
        history = [{"role": turn.role, "content": turn.text} for turn in spoken[:-1] if turn.role != "system"]
        if request.parameters.system_prompt:
            history.insert(0, {"role": "system", "content": request.parameters.system_prompt})
        schema = None if request.schema is None else dict(request.schema)
        async with aclosing(self._model.prompt(history, spoken[-1].text, schema)) as pieces:
            async for piece in pieces:
                yield TextDelta(piece)
        yield Finished("stop")

    def call(self, request: ChatRequest, stream: bool = True) -> Call:
        """The same question to the app's own endpoint: the browser has none."""
        return call_in_page(self._connection_id, request, {}, stream)


def connection_type(model: LanguageModel) -> ConnectionType:
    """The type for the registry."""
    return ConnectionType(
        "browser-model",
        "Chrome's built-in model (experimental)",
        takes_url=False,
        build=lambda connection, key: BrowserModel(connection, model),
        about="Runs inside the browser; nothing leaves this machine. Browsers still change how it works.",
        unavailable="" if model.exists else "This browser has no built-in model.",
    )
