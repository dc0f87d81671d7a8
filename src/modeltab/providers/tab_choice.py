"""Which build of llama.cpp runs a model in the tab: the first of the quick ones that can, the main one for all else.

On the same cores wllama 2.3.1 writes nearly twice as fast as wllama 3.8, and wllama 2.4 half as fast again
(benchmarks/README.md): the first is the last one with llama.cpp's kernels for WebAssembly. They have no GPU, know no
architecture that came after them, and nothing of what llama.cpp's server adds: tools, schemas, images, log probabilities.
Each function tells what keeps a model or a request from one, for a person to read; "" where nothing does.
"""

from collections.abc import Mapping
from typing import Any

from modeltab.files import memory
from modeltab.files.facts import chat_template_of
from modeltab.files.fit import ARCHITECTURES
from modeltab.files.values import Header
from modeltab.files.words import size as size_words
from modeltab.providers.base import Json
from modeltab.providers.quick_requests import is_known
from modeltab.providers.tab_engines import Limits, Machine

#: Architectures of wllama 3.8's llama.cpp that are not in wllama 2.4's (b8948): their names are not in its program.
_AFTER_2_4 = frozenset(
    """
    bailingmoe3 cohere2moe deepseek32 deepseek4 dflash dots3note eagle3 gemma4-assistant glm5-next granite_swa graniteswitch
    hrm_text hy_v3 hy_v4 kimi-k3 laguna maple minimax-01 minimax-m3 muse-glimmer nanbeige pockettts qwen3tts qwen4exp
    spark2_5 talkie
    """.split()  # noqa: SIM905 - as in files/fit.py
)
#: The same for wllama 2.3.1. Those with a state are there, but it does not tell when that cannot be taken back.
_AFTER_2_3 = _AFTER_2_4 | frozenset(
    """
    afmoe apertus arcee bailingmoe2 clip cogvlm deepseek2-ocr dots1 dream ernie4_5 ernie4_5-moe eurobert exaone-moe exaone4
    falcon-h1 gemma-embedding gemma3n gemma4 glm-dsa glm4moe gpt-oss granitehybrid grovemoe hunyuan-dense hunyuan-moe
    hunyuan_vl jais2 jamba jina-bert-v3 kimi-linear lfm2 lfm2moe llada llada-moe llama-embed maincoder mamba2 mellum mimo2
    minimax-m2 mistral3 mistral4 modern-bert nemotron_h nemotron_h_moe neo-bert nomic-bert-moe paddleocr pangu-embedded plamo2
    plamo3 qwen35 qwen35moe qwen3next qwen3vl qwen3vlmoe rnd1 seed_oss smallthinker smollm3 step35
    arwkv7 mamba rwkv6 rwkv6qwen2 rwkv7
    """.split()  # noqa: SIM905 - as above
)
#: Those that read with one half and write with the other.
_TWO_HALVES = frozenset({"t5", "t5encoder"})
#: Its pointers have 32 bits, and JavaScript takes those beyond half of them for negative.
WLLAMA_2_3 = Limits(_AFTER_2_3 | _TWO_HALVES, frozenset({"MXFP4", "NVFP4", "Q1_0"}), heap=2 << 30)
WLLAMA_2_4 = Limits(_AFTER_2_4 | _TWO_HALVES, memory64=True)
#: How templates mark reasoning and calls other than by <think>: the server of the main build takes such answers apart.
_MARKS = ("<|channel", "<|START_THINKING|>", "[THINK]", "<seed:think>", "<|inner_prefix|>", "<|content|>")
#: What a request asks for that has such a field.
_ASKS = {
    "tools": "the request has tools",
    "response_format": "the request has a format for the answer",
    "logprobs": "the request asks for the probabilities of tokens",
}
#: They copy a file into their heap through figures of 32 bits.
_FILE_LIMIT = 2 << 30


def why_not_model(header: Header | None, sizes: tuple[int, ...], n_ctx: int, machine: Machine, limits: Limits) -> str:
    """What keeps a model from a quick build, by its header and the sizes of its files."""
    if machine.gpu:
        return "it computes on the GPU"
    if limits.memory64 and not machine.memory64:
        return "this browser has no 64-bit memories"
    if header is None:
        return "its header is not known"
    architecture = str(header.metadata.get("general.architecture", ""))
    if architecture in limits.lacks or architecture not in ARCHITECTURES:
        return f"the quicker engine does not know the architecture “{architecture}”"
    if lacking := {tensor.type for tensor in header.tensors} & limits.lacks_types:
        return f"the quicker engine does not know weights of the type {min(lacking)}"
    if max(sizes) >= _FILE_LIMIT:
        return f"the quicker engine takes files of less than {size_words(_FILE_LIMIT)}"
    if memory.quick_heap(header, n_ctx, sum(sizes), machine.cores) > min(machine.heap_limit, limits.heap):
        return "the quicker engine would need more memory for it than a tab can have"
    return ""


def why_not_chat(header: Header) -> str:
    """What keeps a model's chats from the quick build, which only goes on with texts: its template has to be enough."""
    template = chat_template_of(header)
    if not template:
        return "its file has no chat template, so the engine has to guess one"
    if any(mark in template for mark in _MARKS):
        return "its answers come in several channels"
    return ""


def why_not_request(body: Mapping[str, Any]) -> str:
    """What keeps a request from the quick build."""
    if not _is_plain(body.get("messages")) or not isinstance(body.get("prompt", ""), str):
        return "the request has more than texts"
    unknown = next((name for name, value in body.items() if not is_known(name, value)), "")
    return _ASKS.get(unknown, f"the request has “{unknown}”") if unknown else ""


def _is_plain(messages: Json) -> bool:
    """Whether messages are texts alone."""
    return messages is None or (
        isinstance(messages, list)
        and all(
            isinstance(message, dict) and isinstance(message.get("content"), str) and message.keys() <= {"role", "content"}
            for message in messages
        )
    )
