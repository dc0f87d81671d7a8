"""What the builds of llama.cpp in the tab have in common, and what they run on."""

from collections.abc import Sequence
from typing import Any

import js
from pyodide.ffi import JsException, to_js

from modeltab.browser.files import BrowserFile
from modeltab.browser.local_storage import LocalStorage
from modeltab.domain.errors import EngineFailed, ModelTabError
from modeltab.files.fit import COMPAT_HEAP_LIMIT, HEAP_LIMIT
from modeltab.providers.base import ModelFile
from modeltab.providers.tab_engines import EngineDied, Machine
from modeltab.providers.tab_threads import MOST_THREADS, Calibration, calibration_from_json, calibration_to_json
from modeltab.state.machine import Device

#: What WebAssembly and emscripten say when a program has come to its end, rather than refused a request.
_BROKEN = ("abort", "memory", "alloc", "unreachable", "out of bounds", "signature mismatch")
#: So many models' measurements are kept.
_MOST_KEPT = 64
#: The smallest module with a 64-bit memory: a header, and a memory section with one memory of one page.
_MEMORY64_MODULE = b"\0asm\1\0\0\0" + bytes((5, 3, 1, 4, 1))


class LocalCalibrations:
    """What was measured, in localStorage beside the settings: it is of this machine, and goes to no other with them."""

    def __init__(self, storage: LocalStorage) -> None:
        self._storage = storage

    def read(self) -> dict[str, Calibration]:
        """All that is kept, the newest last."""
        value, _ = self._storage.read()
        entries = value.items() if isinstance(value, dict) else ()
        return {key: found for key, entry in entries if (found := calibration_from_json(entry))}

    def keep(self, key: str, calibration: Calibration) -> None:
        """Keep one more. What cannot be kept is measured again the next time."""
        kept = {name: entry for name, entry in self.read().items() if name != key}
        newest = [*kept.items(), (key, calibration)][-_MOST_KEPT:]
        self._storage.write({name: calibration_to_json(entry) for name, entry in newest})


async def machine() -> Machine:
    """What there is for an engine to run on: threads only where the page is isolated, for else there is no shared memory."""
    cores = js.navigator.hardwareConcurrency or 1
    memory = getattr(js.navigator, "deviceMemory", None)
    memory64 = has_memory64()
    return Machine(
        int(cores) if js.crossOriginIsolated else 1,
        await has_gpu(),
        int(memory * 2**30) if memory else None,
        memory64,
        HEAP_LIMIT if memory64 else COMPAT_HEAP_LIMIT,
    )


async def device() -> Device:
    """The same, for views."""
    found = await machine()
    return Device(min(found.cores, MOST_THREADS), found.gpu, found.memory, found.memory64)


async def has_gpu() -> bool:
    """Whether WebGPU has a real adapter. One made in software is slower than the engine's own threads."""
    gpu = getattr(js.navigator, "gpu", None)
    if not gpu:
        return False
    try:
        adapter = await gpu.requestAdapter()
    except JsException:
        return False
    return bool(adapter) and not getattr(adapter.info, "isFallbackAdapter", False)


def has_memory64() -> bool:
    """Whether WebAssembly has 64-bit memories here: then the engine's main build runs, else the one for other browsers."""
    return bool(js.WebAssembly.validate(to_js(_MEMORY64_MODULE)))


def listed(*items: Any) -> Any:
    """A JavaScript array."""
    array = js.Array.new()
    for item in items:
        array.push(item)
    return array


def handles_of(files: Sequence[ModelFile]) -> list[Any]:
    """The files as JavaScript has them."""
    return [file.handle for file in files if isinstance(file, BrowserFile)]


def unloaded_early(name: str) -> EngineFailed:
    """The error for a model that was unloaded while it was loading."""
    return EngineFailed(f"{name} was unloaded before it was ready.", "Load it again.")


def load_error(name: str, detail: str) -> ModelTabError:
    """The error for a model that cannot be loaded."""
    if "memory" in detail.lower() or "alloc" in detail.lower():
        return EngineFailed(
            f"{name} does not fit into the memory that a tab has.",
            "Use a smaller model or quantization, or a smaller context size in Parameters.",
            detail,
        )
    return EngineFailed(
        f"{name} could not be loaded.", "The file may be damaged, or of a kind that this engine does not know.", detail
    )


def generation_error(detail: str) -> EngineFailed:
    """The error for an answer that breaks off."""
    if "context" in detail.lower():
        return EngineFailed(
            "The conversation no longer fits into the model's context.",
            "Start a new chat, or set a larger context size in Parameters.",
            detail,
        )
    if any(sign in detail.lower() for sign in _BROKEN):
        return EngineDied(
            "The model stopped with an error, mostly a sign that memory is short, and was unloaded.",
            "Try again: it is loaded anew. If it stays, use a smaller context size in Parameters or a smaller model.",
            detail,
        )
    return EngineFailed(
        "The model stopped with an error.", "Try again; if it stays, unload the model and load it again.", detail
    )
