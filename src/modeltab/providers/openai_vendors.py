"""Who speaks OpenAI's chat completions, and what each calls things: presets for a person, names for the request.

What a vendor's own reference does not list is not sent to it: several refuse a request for one field too many.
Looked up in November 2026 in the references of the vendors and in the types of their Python packages.
"""

from collections.abc import Mapping
from typing import NamedTuple

from modeltab.domain.connections import host_of
from modeltab.domain.diagnosis import Recipe
from modeltab.providers.base import Json
from modeltab.providers.connection_type import Preset
from modeltab.providers.http import KEY_VARIABLE

_COMMON = {"temperature": "temperature", "top_p": "top_p"}
_OLD = {**_COMMON, "max_tokens": "max_tokens"}
_NEW = {**_COMMON, "max_tokens": "max_completion_tokens"}


class Vendor(NamedTuple):
    """One vendor's dialect.

    :param preset: what a person chooses.
    :param hosts: the ends of the hosts that are this vendor's; empty for programs, which may be anywhere.
    :param names: what each parameter is called, by the names of `Parameters`; one that is not here is not taken.
    :param reasoning: how the effort is asked for: "reasoning_effort", "reasoning" (an object), "thinking" (on or off).
    :param asks_usage: whether the figures come only when they are asked for (`stream_options`).
    :param key_header: "bearer" or the name of the header that has the key as it is.
    :param requires_key: whether nothing works without one.
    :param check_path: what is asked to see whether the key is right, where the list of models is open to everybody.
    :param hides_refusal: whether a wrong key is answered without CORS headers, so that a page sees no answer at all.
    :param unusable: why a page cannot use it at all, empty when it can.
    :param key_variable: the environment variable that its key usually stands in.
    :param completes: of how many alternatives it tells at most in the older `/completions`; 0 where it has no such thing.
    :param alternatives: of how many alternatives it tells at most in chat; 0 where it refuses to.
    :param schema: whether it holds an answer to a JSON schema (`response_format`).
    """

    preset: Preset
    hosts: tuple[str, ...] = ()
    names: Mapping[str, str] = {}
    reasoning: str = "reasoning_effort"
    asks_usage: bool = True
    key_header: str = "bearer"
    requires_key: bool = True
    check_path: str = ""
    hides_refusal: bool = False
    unusable: str = ""
    key_variable: str = KEY_VARIABLE
    completes: int = 0
    alternatives: int = 0
    schema: bool = True


#: What an unknown server is asked with: it ignores what it does not know, or says so.
GENERIC_NAMES = {**_OLD, "top_k": "top_k", "seed": "seed"}
#: Of so many tokens servers tell how likely they were, unless they are set up otherwise.
MOST_ALTERNATIVES = 20
#: What to do about a vendor that no page can use.
ELSEWHERE = "Use it through a gateway that does, such as OpenRouter or a LiteLLM of your own."

VENDORS = (
    Vendor(
        Preset("openai", "OpenAI", "https://api.openai.com/v1", keys_at="platform.openai.com/api-keys"),
        ("api.openai.com",),
        {**_NEW, "seed": "seed"},
        hides_refusal=True,
        key_variable="OPENAI_API_KEY",
        completes=5,
        alternatives=20,
    ),
    Vendor(
        Preset("mistral", "Mistral", "https://api.mistral.ai/v1", keys_at="console.mistral.ai/api-keys"),
        ("api.mistral.ai",),
        {**_OLD, "top_k": "top_k", "seed": "random_seed"},
        asks_usage=False,
        key_variable="MISTRAL_API_KEY",
    ),
    Vendor(
        Preset("groq", "Groq", "https://api.groq.com/openai/v1", keys_at="console.groq.com/keys"),
        ("api.groq.com",),
        {**_NEW, "seed": "seed"},
        asks_usage=False,
        key_variable="GROQ_API_KEY",
    ),
    Vendor(
        Preset("openrouter", "OpenRouter", "https://openrouter.ai/api/v1", keys_at="openrouter.ai/settings/keys"),
        ("openrouter.ai",),
        GENERIC_NAMES,
        reasoning="reasoning",
        check_path="/key",
        key_variable="OPENROUTER_API_KEY",
        completes=20,
        alternatives=20,
    ),
    Vendor(
        Preset("deepseek", "DeepSeek", "https://api.deepseek.com", keys_at="platform.deepseek.com/api_keys"),
        ("api.deepseek.com",),
        _OLD,
        reasoning="thinking",
        key_variable="DEEPSEEK_API_KEY",
        alternatives=20,
        schema=False,
    ),
    Vendor(
        Preset("xai", "xAI", "https://api.x.ai/v1", keys_at="console.x.ai"),
        ("api.x.ai",),
        {**_NEW, "seed": "seed"},
        key_variable="XAI_API_KEY",
        alternatives=8,
    ),
    Vendor(
        Preset("together", "Together", "https://api.together.xyz/v1", keys_at="api.together.ai/settings/api-keys"),
        ("api.together.xyz", "api.together.ai"),
        GENERIC_NAMES,
        key_variable="TOGETHER_API_KEY",
        completes=20,
    ),
    Vendor(
        Preset(
            "azure",
            "Azure OpenAI",
            "https://YOUR-RESOURCE.openai.azure.com/openai/v1",
            is_example=True,
            keys_at="ai.azure.com",
            about="Put the name of your resource into the base URL, and that of your deployment into Model name.",
        ),
        (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com"),
        {**_NEW, "seed": "seed"},
        key_header="api-key",
        key_variable="AZURE_OPENAI_API_KEY",
        completes=5,
        alternatives=20,
    ),
    Vendor(
        Preset("hugging-face", "Hugging Face", "https://router.huggingface.co/v1", keys_at="huggingface.co/settings/tokens"),
        ("router.huggingface.co",),
        {**_OLD, "seed": "seed"},
        key_variable="HF_TOKEN",
    ),
    Vendor(
        Preset("lm-studio", "LM Studio", "http://127.0.0.1:1234/v1", local=True, about="Its server has to allow this page."),
        names=GENERIC_NAMES,
        requires_key=False,
    ),
    Vendor(Preset("vllm", "vLLM", "http://127.0.0.1:8000/v1", local=True), names=GENERIC_NAMES, requires_key=False),
    Vendor(Preset("litellm", "LiteLLM", "http://127.0.0.1:4000/v1", local=True), names=GENERIC_NAMES, requires_key=False),
)
_UNUSABLE = (
    (("amazonaws.com",), "Amazon Bedrock"),
    (("api.nvidia.com",), "NVIDIA's hosted API"),
    (("api.modular.com",), "Modular Cloud"),
    (("api.kimi.com",), "The Kimi coding API"),
)
GENERIC = Vendor(
    Preset("openai-compatible", "OpenAI-compatible", ""),
    names=GENERIC_NAMES,
    requires_key=False,
    completes=MOST_ALTERNATIVES,
    alternatives=MOST_ALTERNATIVES,
)


def vendor_of(base_url: str) -> Vendor:
    """Whose API an address is, as far as its host tells."""
    host = host_of(base_url)
    for vendor in VENDORS:
        if any(host == end or (end.startswith(".") and host.endswith(end)) for end in vendor.hosts):
            return vendor
    for ends, label in _UNUSABLE:
        if any(host == end or host.endswith("." + end) for end in ends):
            preset = Preset("", label, "")
            return GENERIC._replace(preset=preset, unusable=f"{label} answers no page of another origin.")
    return GENERIC


def reasoning_fields(vendor: Vendor, effort: str | None) -> dict[str, Json]:
    """What asks for that much reasoning, in a vendor's words."""
    if not effort:
        return {}
    if vendor.reasoning == "thinking":
        if effort == "off":
            return {"thinking": {"type": "disabled"}}
        return {"thinking": {"type": "enabled"}, "reasoning_effort": effort}
    if vendor.reasoning == "reasoning":
        return {"reasoning": {"enabled": False} if effort == "off" else {"effort": effort}}
    return {"reasoning_effort": "none" if effort == "off" else effort}


def allow_recipes(base_url: str) -> tuple[Recipe, ...]:
    """How a server of this API is told to answer this page, most likely first."""
    lm_studio = Recipe("LM Studio: switch on “Enable CORS” in the server's settings, or run", "lms server start --cors")
    vllm = Recipe("vLLM: start it with", "vllm serve MODEL --allowed-origins '[\"{origin}\"]'")
    other = Recipe("Any other server, or a proxy before it, has to send this header", "Access-Control-Allow-Origin: {origin}")
    if base_url.endswith(":1234/v1"):
        return lm_studio, other
    if base_url.endswith(":8000/v1"):
        return vllm, other
    return other, lm_studio, vllm
