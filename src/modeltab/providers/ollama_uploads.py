"""Model files into an Ollama: hashed, sent as a blob unless it has that already, then made into a model.

Source: Ollama's docs/api.md ("Push a Blob", "Create a Model"), server/routes.go, server/create.go and types/model/name.go
of August 2026.
"""

import re
from collections.abc import MutableMapping
from contextlib import aclosing

from modeltab.domain import errors
from modeltab.domain.model_names import is_projector, quantization_span
from modeltab.files.fit import EngineKind
from modeltab.providers.base import KeySource, ModelFile, ModelUploads, OnStep
from modeltab.providers.http import Advice, Endpoint, bearer, error_from, read, redacted
from modeltab.providers.ollama_chat import error_in_line
from modeltab.providers.ollama_models import entries_of, name_of

#: The SHA-256 of files that were hashed since the page was opened, by name, size and stamp.
Digests = MutableMapping[tuple[str, int, str], str]

#: The longest name or tag that Ollama takes.
MAX_NAME = 80
_SPACE = "Free space where Ollama keeps its models, then try again. For a while it needs twice the file's size."
_LOG = "Ollama's own log says more."
_UNUSABLE = "This Ollama cannot use the file: a newer version may. What is inside is shown when the file is added."


class Uploads(ModelUploads):
    """What one Ollama takes. Parts of a model come as one file: versions before 0.30 knew no parts.

    :param advice: what to do about Ollama's own errors, by the beginning of its words.
    """

    max_file_bytes: int | None = None
    takes_shards = False
    fetches = False
    engine: EngineKind = "llama.cpp"

    def __init__(self, endpoint: Endpoint, key: KeySource, advice: Advice, digests: Digests) -> None:
        self._endpoint = endpoint
        self._key = key
        self._advice = {**advice, "": _UNUSABLE}
        self._maker = Endpoint(endpoint.transport, endpoint.base_url, key, bearer, self._advice)
        self._digests = digests

    def stored_name(self, name: str) -> str:
        """What a file of this name is called as a model."""
        return model_name(name)

    async def add(self, file: ModelFile, name: str, on_step: OnStep) -> None:
        """HEAD and POST /api/blobs/{digest}, POST /api/create.

        :raises Conflict: when there is a model of that name.
        """
        model = model_name(name)
        if is_projector(name):
            raise errors.NotAModel(
                f"{name} is a projector: it gives another model eyes, and Ollama takes it only together with that model.",
                "Where Ollama runs, use ollama create with a Modelfile that names both files, one FROM line each.",
            )
        await self._check_free(model)
        digest = await self._digest(file, on_step)
        if await self._has(digest):
            on_step("already there", file.size)
        else:
            await self._send(file, digest, on_step)
        await self._create(model, name, digest, file.size, on_step)

    async def _check_free(self, model: str) -> None:
        """Ollama would put the new model in the place of one of that name, in capitals or not, without a word."""
        tags = entries_of(await self._endpoint.call("GET", "/api/tags"))
        if model.casefold() in (name_of(entry).casefold() for entry in tags):
            raise errors.Conflict(f"Ollama has a model {model} already.", "Delete that one first, or rename the file.")

    async def _digest(self, file: ModelFile, on_step: OnStep) -> str:
        key = (file.name, file.size, file.stamp)
        if not file.stamp or key not in self._digests:
            on_step("hashing", 0)
            self._digests[key] = await file.sha256(lambda done: on_step("hashing", done))
        return self._digests[key]

    async def _has(self, digest: str) -> bool:
        try:
            await self._endpoint.call("HEAD", f"/api/blobs/sha256:{digest}")
        except errors.NotFound:
            return False
        return True

    async def _send(self, file: ModelFile, digest: str, on_step: OnStep) -> None:
        url = f"{self._endpoint.base_url}/api/blobs/sha256:{digest}"
        key = self._key()
        with redacted(key):
            on_step("", 0)
            transport = self._endpoint.transport
            response = await transport.upload(url, "", file, file.name, lambda sent: on_step("", sent), bearer(key))
            body = await read(response)
            if response.status < 300:
                return
            error = error_from(response.status, body, url, {"": _LOG})
            if not error.message.startswith("digest mismatch"):
                raise _with_space(error)
            self._digests.pop((file.name, file.size, file.stamp), None)
            raise errors.BadRequest(
                f"{file.name} changed while it was sent, or was damaged on the way.", "Add it again.", error.detail
            )

    async def _create(self, model: str, name: str, digest: str, size: int, on_step: OnStep) -> None:
        """Versions from 0.30 on copy the file in this step, to check it: that takes a while, and room."""
        body = {"model": model, "files": {_path_of(name): f"sha256:{digest}"}, "stream": True}
        try:
            async with aclosing(self._maker.ndjson("/api/create", body)) as lines:
                async for line in lines:
                    if not isinstance(line, dict) or line.get("error"):
                        raise error_in_line(line if isinstance(line, dict) else {}, self._advice)
                    status = str(line.get("status") or "")
                    if status == "success":
                        return
                    completed = line.get("completed")
                    on_step(_short(status), min(completed, size) if isinstance(completed, int) else size)
        except errors.ServerFailed as error:
            error.transient = False
            raise _with_space(error) from None
        raise errors.CutOff(
            "Ollama stopped before the model was made.", "Add the file again: it need not be sent again.", model
        )


def model_name(file_name: str) -> str:
    """What a model is called whose file has this name: in small letters, with the quantization as its tag, as the Ollama
    library has it. "SmolLM2-135M-Instruct.Q4_1.gguf" → "smollm2-135m-instruct:q4_1".
    """
    stem = re.sub(r"\.gguf$", "", file_name, flags=re.IGNORECASE)
    if re.fullmatch(r"\w[\w.-]{0,79}:\w[\w.-]{0,79}", stem, re.ASCII):
        return stem  # it is a name with a tag already
    span = quantization_span(stem)
    tag = ""
    if span:
        stem, tag = f"{stem[: span[0]].rstrip('-._ ')} {stem[span[1] :]}", stem[slice(*span)]
    return f"{_allowed(stem) or 'model'}:{_allowed(tag) or 'latest'}"


def _allowed(text: str) -> str:
    """Text in the characters of a name: small letters, figures, "_", "-" and "."; it begins with none of the last two."""
    return re.sub(r"[^a-z0-9_.]+", "-", text.lower()).strip("-.")[:MAX_NAME].rstrip("-.")


def _path_of(file_name: str) -> str:
    """A file's name as Ollama takes it: a path that leads nowhere else, and that says what the file is."""
    stem = re.sub(r"\.gguf$", "", file_name, flags=re.IGNORECASE)
    return re.sub(r"[^\w.-]+", "-", stem).strip(".-") + ".gguf"


def _short(status: str) -> str:
    """Ollama's word for a step, with no more of a digest than a person can take in."""
    return re.sub(r"(sha256:[0-9a-f]{12})[0-9a-f]+", r"\1", status)


def _with_space(error: errors.ModelTabError) -> errors.ModelTabError:
    if "no space left" in error.message or "not enough space" in error.message:
        error.advice = _SPACE
        error.transient = False
    return error
