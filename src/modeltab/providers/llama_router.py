"""llama-server's router mode: it was started without a model, and loads, downloads and deletes models as it is told.

Source: llama.cpp's tools/server/README.md, "Using multiple models", and server-models.cpp of August 2026. Whatever takes
time there is begun with one request and watched with others: its stream of events is not used, because a list tells the
same and can be asked for again after any break.
"""

import asyncio
from collections.abc import AsyncGenerator
from urllib.parse import quote

from modeltab.domain.errors import BadRequest, ModelTabError, NotFound, ServerFailed
from modeltab.domain.models import Model
from modeltab.domain.requests import Parameters
from modeltab.providers.base import DownloadProgress, ModelDownloads, ModelHost, ModelMemory, OnFraction
from modeltab.providers.http import Endpoint
from modeltab.providers.llama_models import RUNNING, Entry, bytes_of, entries_of, progress_of, routed, status_of

#: How often what takes time is looked after, in seconds.
POLL_S = 0.5
#: A model that is told to leave has ten seconds before it is made to; after this many it is left to itself.
UNLOAD_POLLS = 30
LOAD_FAILED = "Its log says why: often the memory is too small. Unload others, or choose a smaller model."
_NOT_REMOVABLE = "A router deletes what it downloaded itself; delete other files in its models folder."


class Router(ModelHost, ModelMemory, ModelDownloads):
    """The models of one router.

    :param autoloads: whether it loads a model by itself when that is asked (its default).
    """

    syncs = True
    loads = True
    unloads_one = True
    frees = True
    names_hint = "user/repo:Q4_K_M, as on Hugging Face"
    hub_prefix = ""
    has_library = False

    def __init__(self, endpoint: Endpoint, connection_id: str, autoloads: bool) -> None:
        self._endpoint = endpoint
        self._connection_id = connection_id
        self.loads_first = not autoloads

    async def remove(self, name: str) -> None:
        """DELETE /models: only what the server downloaded itself."""
        try:
            await self._endpoint.call("DELETE", f"/models?model={quote(name, safe='')}")
        except ModelTabError as error:
            if "is not removable" in error.message:
                error.advice = _NOT_REMOVABLE
            raise

    async def sync(self) -> tuple[Model, ...]:
        """GET /models?reload=1: its folder and presets are read again."""
        reply = await self._endpoint.call("GET", "/models?reload=1")
        return tuple(routed(self._connection_id, entry) for entry in entries_of(reply))

    async def loaded(self) -> tuple[str, ...]:
        """The models that are loaded, those that sleep among them."""
        found = (await self._entries()).items()
        return tuple(name for name, entry in found if status_of(entry).get("value") in ("loaded", "sleeping"))

    async def load(self, name: str, parameters: Parameters, on_fraction: OnFraction) -> None:
        """POST /models/load, then watch. With which context and on which GPU is set where the server was started.

        Cancelling it takes the model out again.
        """
        try:
            await self._begin_load(name)
            while True:
                entry = await self._entry(name)
                value = status_of(entry).get("value")
                if value in ("loaded", "sleeping"):
                    return
                if value != "loading":
                    raise ServerFailed(
                        f"llama-server did not load {name}.",
                        LOAD_FAILED,
                        str(status_of(entry))[:400],
                    )
                on_fraction(progress_of(entry))
                await asyncio.sleep(POLL_S)
        except asyncio.CancelledError:
            await self._stop(name)
            raise

    async def unload(self, name: str) -> None:
        """POST /models/unload, then watch: it is answered before the model has left."""
        await self._stop(name, quietly=False)
        for _ in range(UNLOAD_POLLS):
            entry = (await self._entries()).get(name)
            if entry is None or status_of(entry).get("value") not in RUNNING:
                return
            await asyncio.sleep(POLL_S)

    async def free(self) -> None:
        """Unload every model."""
        for name in await self.loaded():
            await self.unload(name)

    async def download(self, name: str) -> AsyncGenerator[DownloadProgress, None]:
        """POST /models, then watch. The list has the model under the name that was asked for while it comes; when it is
        there, under its own, which has the quantization. A download that failed vanishes from the list.
        """
        before = set(await self._entries())
        done = total = 0
        try:
            await self._endpoint.call("POST", "/models", {"model": name})
            while True:
                entries = await self._entries()
                entry = entries.get(name)
                if entry is None or status_of(entry).get("value") != "downloading":
                    break
                done, total = bytes_of(entry)
                yield DownloadProgress("downloading", done, total)
                await asyncio.sleep(POLL_S)
        except (asyncio.CancelledError, GeneratorExit):
            await self._stop(name)
            raise
        wanted = name.casefold()
        found = {id_ for id_ in entries if id_.casefold() == wanted or id_.casefold().startswith(f"{wanted}:")}
        # Where it was there before, under its whole name, nothing is new and no byte is missing.
        if not found or (found <= before and done < total):
            raise ServerFailed(
                f"llama-server did not download {name}.",
                "Its log says why: often the disk is full, or the network broke. Start it again: what is there is kept.",
            )
        yield DownloadProgress("downloaded", total, total)

    async def _begin_load(self, name: str) -> None:
        try:
            await self._endpoint.call("POST", "/models/load", {"model": name})
        except BadRequest as error:
            if not error.message.startswith("model is already running"):
                raise

    async def _stop(self, name: str, quietly: bool = True) -> None:
        """Take a model out of memory, or stop its download. That nothing runs any more is no failure."""
        try:
            await self._endpoint.call("POST", "/models/unload", {"model": name})
        except ModelTabError as error:
            if not quietly and not error.message.startswith("model is not running"):
                raise

    async def _entries(self) -> dict[str, Entry]:
        entries = entries_of(await self._endpoint.call("GET", "/models"))
        return {str(entry["id"]): entry for entry in entries}

    async def _entry(self, name: str) -> Entry:
        entry = (await self._entries()).get(name)
        if entry is None:
            raise NotFound(f"llama-server has no model {name} any more.", "Press Sync on the Models page.")
        return entry
