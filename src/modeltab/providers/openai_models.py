"""The list of models at OpenAI's `GET /models`, which more APIs have than chat completions: read, checked, described."""

from collections.abc import Callable, Mapping

from modeltab.domain.connections import Connection
from modeltab.domain.errors import BadReply, NotForBrowsers, NotFound
from modeltab.domain.models import Model
from modeltab.providers.base import Json
from modeltab.providers.http import Endpoint, bearer
from modeltab.providers.openai_vendors import ELSEWHERE, Vendor

#: What vendors call a model that does not answer in words, and the size of a context.
_OTHER_KINDS = frozenset({"embedding", "embeddings", "image", "audio", "transcribe", "rerank", "moderation", "video"})
_CONTEXT_NAMES = ("context_length", "context_window", "max_model_len", "max_context_length")


def headers_of(vendor: Vendor) -> Callable[[str], Mapping[str, str]]:
    """Key → the headers that authenticate with a vendor."""
    if vendor.key_header == "bearer":
        return bearer
    return lambda key: {vendor.key_header: key} if key else {}


async def check_models(endpoint: Endpoint, connection: Connection, vendor: Vendor) -> str:
    """Whether the API answers and takes the key, in words.

    :raises ModelTabError: when it does not.
    """
    if vendor.unusable:
        raise NotForBrowsers(vendor.unusable, ELSEWHERE)
    label = vendor.preset.label
    if vendor.check_path:
        await endpoint.call("GET", vendor.check_path)
    try:
        entries_of(await endpoint.call("GET", "/models"))
    except NotFound:
        # Some serve answers only. Where the person has named a model, that is all that is needed.
        if not connection.model_names:
            raise
        return f"{label} answers; it does not list models"
    return f"{label} answers"


async def listed(endpoint: Endpoint, connection: Connection) -> tuple[Model, ...]:
    """The models that the person named, or else those that the API lists."""
    if connection.model_names:
        return tuple(Model(connection.id, name, state="Remote") for name in connection.model_names)
    entries = entries_of(await endpoint.call("GET", "/models"))
    models = (_model(connection.id, entry) for entry in entries if _answers(entry))
    return tuple(sorted(models, key=lambda model: model.name.casefold()))


def entries_of(reply: Json) -> list[Mapping[str, Json]]:
    """The entries of a list: in `data`, or bare (Together's).

    :raises BadReply: when it is none.
    """
    entries = reply.get("data") if isinstance(reply, dict) else reply
    if not isinstance(entries, list):
        raise BadReply(
            "The server answered without a list of models: this may be another API.",
            "Check the base URL: it usually ends in /v1.",
            str(reply)[:400],
        )
    return [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]


def _answers(entry: Mapping[str, Json]) -> bool:
    """Whether a model answers in words, as far as the list tells: embeddings, speech and pictures are left out."""
    kind = entry.get("type")
    if isinstance(kind, str) and kind in _OTHER_KINDS:
        return False
    capabilities = entry.get("capabilities")
    return not (isinstance(capabilities, dict) and capabilities.get("completion_chat") is False)


def _model(connection_id: str, entry: Mapping[str, Json]) -> Model:
    details: dict[str, str] = {}
    context = next((entry[name] for name in _CONTEXT_NAMES if entry.get(name)), None)
    if isinstance(context, int):
        details["Context"] = f"{context} tokens"
    owner = entry.get("owned_by")
    if isinstance(owner, str) and owner:
        details["Owner"] = owner
    architecture = entry.get("architecture")
    inputs = architecture.get("input_modalities") if isinstance(architecture, dict) else None
    if isinstance(inputs, list) and inputs:
        details["Takes"] = ", ".join(map(str, inputs))
    return Model(connection_id, str(entry["id"]), state="Remote", details=details)


def recognise_list(reply: Json) -> str:
    """What answers `GET /v1/models`, in words; empty when it is no list of models."""
    try:
        entries = entries_of(reply)
    except BadReply:
        return ""
    owners = {str(entry.get("owned_by")) for entry in entries}
    program = next((label for owner, label in _OWNERS.items() if owner in owners), "An OpenAI-compatible server")
    return f"{program}, {len(entries)} {'model' if len(entries) == 1 else 'models'}"


#: Programs that say who they are in the lists that they give.
_OWNERS = {"vllm": "vLLM", "organization_owner": "LM Studio", "llamacpp": "llama-server", "library": "Ollama"}
