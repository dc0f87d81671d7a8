"""The app as the API in the tab sees it: every model through the same providers, turns and transfers as the page itself."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

from modeltab.actions import transfers
from modeltab.actions.answer import load_model
from modeltab.actions.app import App, UiEvent
from modeltab.actions.connections import may_ask, refresh
from modeltab.actions.engines import Turn
from modeltab.actions.models import delete_model, free_connection
from modeltab.domain.errors import Conflict, ModelTabError
from modeltab.domain.models import Model
from modeltab.domain.requests import ChatRequest, CompletionRequest, Event, Parameters
from modeltab.endpoint import names
from modeltab.endpoint.errors import CallError
from modeltab.files.values import Slice
from modeltab.providers import retrying
from modeltab.providers.base import Capabilities, Embedded, ModelFile, Provider
from modeltab.state.updates import is_coming, transfer_of


class AppHost:
    """The app behind the API.

    :param on_connection: called with the connection that a call uses, before it does.
    """

    def __init__(self, app: App, on_connection: Callable[[str], None]) -> None:
        self._app = app
        self._on_connection = on_connection

    def clock(self) -> float:
        """Seconds since 1970."""
        return self._app.clock()

    def new_id(self) -> str:
        """A new id."""
        return self._app.new_id()

    def max_tokens(self) -> int | None:
        """What the person has set in Parameters."""
        return self._app.state.settings.parameters.max_tokens

    async def models(self) -> Mapping[str, Model]:
        """Every model, by its name. A connection that was never asked is asked now, where that needs no click."""
        app = self._app
        unknown = [c.id for c in app.state.connections if c.id not in app.state.models and may_ask(app, c)]
        await asyncio.gather(*(refresh(app, connection_id) for connection_id in unknown))
        return names.named(app.state.connections, app.state.models)

    async def find(self, name: str) -> Model:
        """The model that a caller names; its connection is asked again when it does not list it."""
        found = self._known(name)
        if found is None:
            await self.models()
            for connection, _ in names.connections_of(name, self._app.state.connections):
                await refresh(self._app, connection.id)
                found = self._known(name)
                if found is None and self._app.state.health[connection.id].health != "healthy":
                    await self._app.provider(connection.id).models()  # raises what is wrong with it
            found = found or self._known(name)
        if found is None:
            raise CallError(404, f"There is no model “{name}” here. v1/models lists what there is.", "model_not_found", "model")
        return found

    def _known(self, name: str) -> Model | None:
        return names.find(name, self._app.state.connections, self._app.state.models)

    def capabilities(self, model: Model) -> Capabilities:
        """What a model's provider takes."""
        return self._app.provider(model.connection_id).capabilities

    def completion(self, model: Model) -> Capabilities | None:
        """What it takes for text without a template."""
        completes = self._app.provider(model.connection_id).completes
        return completes.completion if completes else None

    async def generate(self, model: Model, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Answer when its turn has come."""
        request = request._replace(parameters=self._placed(request.parameters))
        async with aclosing(self._in_turn(model, request.parameters, lambda p: retrying.generate(p, request))) as events:
            async for event in events:
                yield event

    async def complete(self, model: Model, request: CompletionRequest) -> AsyncGenerator[Event, None]:
        """Go on with a text when its turn has come."""
        request = request._replace(parameters=self._placed(request.parameters))

        def ask(provider: Provider) -> AsyncGenerator[Event, None]:
            completes = provider.completes
            if completes is None:
                raise CallError(400, f"{model.name} cannot complete text without a chat template.", "unsupported_endpoint")
            return retrying.retried(lambda: completes.complete(request))

        async with aclosing(self._in_turn(model, request.parameters, ask)) as events:
            async for event in events:
                yield event

    def _placed(self, parameters: Parameters) -> Parameters:
        """With the context that the person has set: another one would load a model of the tab anew."""
        return parameters._replace(n_ctx=self._app.state.settings.parameters.n_ctx)

    async def _in_turn(
        self, model: Model, parameters: Parameters, ask: Callable[[Provider], AsyncGenerator[Event, None]]
    ) -> AsyncGenerator[Event, None]:
        app = self._app
        self._on_connection(model.connection_id)
        provider = app.provider(model.connection_id)
        turn = Turn(app, model.connection_id)
        try:
            await turn.begin(lambda text: None)
            if provider.memory and provider.memory.loads_first:
                await load_model(app, provider, model, parameters)
            async with aclosing(ask(provider)) as events:
                async for event in events:
                    yield event
        finally:
            turn.end()

    async def embed(self, model: Model, texts: tuple[str, ...]) -> Embedded:
        """A vector for each text."""
        embedder = self._app.provider(model.connection_id).embedder
        if embedder is None:
            where = self._app.connection(model.connection_id).name
            text = f"“{where}” makes no embeddings. Ask a model of llama-server, Ollama or an OpenAI-compatible connection."
            raise CallError(400, text, "unsupported_endpoint", "model")
        self._on_connection(model.connection_id)
        return await embedder.embed(model.name, texts)

    async def stored(self) -> tuple[Model, ...]:
        """The models of this tab."""
        return await self._app.provider(self._tab).models()

    async def add(self, file: ModelFile, name: str) -> None:
        """Take a file into this tab. Its card is among the transfers, where the person can cancel it."""
        app = self._app
        if is_coming(app.state, name, self._tab) or any(model.name == name for model in await self.stored()):
            raise Conflict(f"{name} is in this tab already.")
        transfer_id = transfers.start(app, file, name, self._tab)
        try:
            await transfers.ended(app, transfer_id)
        except asyncio.CancelledError:
            await transfers.cancel(app, UiEvent("transfer.cancel", transfer_id))
            raise
        transfer = transfer_of(app.state, transfer_id)
        if transfer is None or transfer.phase != "done":
            record = transfer.error if transfer else None
            raise ModelTabError(*(record or (f"The transfer of {name} was stopped in ModelTab.", "", "")))

    async def remove(self, model: Model) -> None:
        """Delete a model of this tab; the person can undo it on the Models page, as any other."""
        await delete_model(self._app, model.key)

    async def loaded(self) -> tuple[str, ...]:
        """The models of this tab that are in memory."""
        memory = self._app.provider(self._tab).memory
        return await memory.loaded() if memory else ()

    async def free(self) -> None:
        """Take them out of memory, stopping what they answer."""
        await free_connection(self._app, self._tab)

    def cut(self, form: ModelFile, start: int, end: int, name: str) -> ModelFile:
        """A piece of a form as a file."""
        return self._app.compose((Slice(start, end),), (form,), name)

    @property
    def _tab(self) -> str:
        """The connection whose models are in this tab."""
        facts = self._app.state.facts
        return next(c.id for c in self._app.state.connections if facts[c.id].permanent and facts[c.id].adds)
