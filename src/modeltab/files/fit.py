"""Whether a model will run somewhere: yes, no with the reason, or unknown."""

from typing import Literal, NamedTuple

from modeltab.files import memory
from modeltab.files.values import Header, ModelFacts
from modeltab.files.words import size as size_words

#: What the engine's heap can grow to: its build for browsers with 64-bit WebAssembly memory, and the other one.
HEAP_LIMIT, COMPAT_HEAP_LIMIT = 4 << 30, 2 << 30
#: What the page takes besides the engine's heap, while it reads the model: Python, the app, the engine's code and the
#: pieces of the file on their way. 230 to 420 MB are measured, 90 to 170 afterwards (benchmarks/memory.py).
PAGE_BYTES = 300_000_000
#: `navigator.deviceMemory` is rounded to a power of two, so there may be less; and the system and other programs need theirs.
_SURE_SHARE = 0.7
#: What any device has that runs a browser with WebAssembly threads.
_SURE_BYTES = 1_500_000_000
_LEAST_CONTEXT = 512
#: llama.cpp lays out the cells of a context in so many at once.
_CONTEXT_STEP = 256

#: Architectures that wllama 3.8's llama.cpp can load, as `general.architecture` names them (LLM_ARCH_NAMES).
ARCHITECTURES = frozenset(
    """
    afmoe apertus arcee arctic arwkv7 baichuan bailingmoe bailingmoe2 bailingmoe3 bert bitnet bloom chameleon chatglm clip
    codeshell cogvlm cohere2 cohere2moe command-r dbrx deci deepseek deepseek2 deepseek2-ocr deepseek32 deepseek4 dflash
    dots1 dots3note dream eagle3 ernie4_5 ernie4_5-moe eurobert exaone exaone-moe exaone4 falcon falcon-h1 gemma
    gemma-embedding gemma2 gemma3 gemma3n gemma4 gemma4-assistant glm-dsa glm4 glm4moe glm5-next gpt-oss gpt2 gptneox
    granite granite_swa granitehybrid granitemoe graniteswitch grok grovemoe hrm_text hunyuan-dense hunyuan-moe hunyuan_vl
    hy_v3 hy_v4 internlm2 jais jais2 jamba jina-bert-v2 jina-bert-v3 kimi-k3 kimi-linear laguna lfm2 lfm2moe llada
    llada-moe llama llama-embed llama4 maincoder mamba mamba2 maple mellum mimo2 minicpm minicpm3 minimax-01 minimax-m2
    minimax-m3 mistral3 mistral4 modern-bert mpt muse-glimmer nanbeige nemotron nemotron_h nemotron_h_moe neo-bert
    nomic-bert nomic-bert-moe olmo olmo2 olmoe openelm orion paddleocr pangu-embedded phi2 phi3 phimoe plamo plamo2 plamo3
    plm pockettts qwen qwen2 qwen2moe qwen2vl qwen3 qwen35 qwen35moe qwen3moe qwen3next qwen3tts qwen3vl qwen3vlmoe
    qwen4exp refact rnd1 rwkv6 rwkv6qwen2 rwkv7 seed_oss smallthinker smollm3 spark2_5 stablelm starcoder starcoder2 step35
    t5 t5encoder talkie wavtokenizer-dec xverse
    """.split()  # noqa: SIM905 - one name a line would be three times as long as the module
)
#: Those that do not write texts, and what they do.
_NOT_CHAT = {
    name: what
    for what, names in {
        "It makes vectors for searching": "bert eurobert gemma-embedding jina-bert-v2 jina-bert-v3 llama-embed modern-bert "
        "neo-bert nomic-bert nomic-bert-moe t5encoder",
        "It helps a larger model to guess ahead": "dflash eagle3 gemma4-assistant",
        "It makes sounds": "pockettts qwen3tts wavtokenizer-dec",
        "It writes by diffusion, which this tab's engine does not do": "dream llada llada-moe rnd1",
    }.items()
    for name in names.split()
}
_ROLES = {
    "projector": "It is a projector, which gives its model eyes or ears, and does not answer by itself.",
    "adapter": "It is an adapter, which changes a model, and does not answer by itself.",
    "vocabulary": "It is only a vocabulary: it has no weights.",
}


EngineKind = Literal["tab", "llama.cpp", "unknown"]


class Fit(NamedTuple):
    """A verdict and its reason, one sentence for people."""

    verdict: Literal["yes", "no", "unknown"]
    reason: str


class Place(NamedTuple):
    """What a destination can, as far as it matters for one model.

    :param engine: what runs models there: this tab, some llama.cpp elsewhere, or nobody knows.
    :param takes_files: whether a file can be sent there, of up to `max_file_bytes` bytes (None: no limit is known).
    :param takes_shards: whether the parts of a model may come as they are.
    :param free_bytes: storage there, in bytes; None when it is not known, or when the file is there already.
    :param n_ctx: tokens of context. What follows is for a tab:
    :param n_threads: threads of its engine.
    :param gpu: whether its engine has a GPU.
    :param heap_limit: what its engine's heap can grow to, in bytes.
    :param device_bytes: the device's memory, in bytes, as coarse as the browser tells it; None where it does not.
    """

    engine: EngineKind = "unknown"
    takes_files: bool = True
    max_file_bytes: int | None = None
    takes_shards: bool = False
    free_bytes: int | None = None
    n_ctx: int = 4096
    n_threads: int = 1
    gpu: bool = False
    heap_limit: int = HEAP_LIMIT
    device_bytes: int | None = None


def fits(facts: ModelFacts | None, header: Header | None, size: int, place: Place) -> Fit:
    """Whether a model will run at a place.

    :param facts: of the whole model, where it has several parts; `header` is the first part's, `size` all bytes.
    """
    refused = _refused(facts, size, place)
    if refused:
        return Fit("no", refused)
    if facts is None or header is None:
        return Fit("unknown", "What is in the file is not known.")
    if place.engine == "tab":
        return _fits_tab(facts, header, place)
    return _fits_server(facts, header, place)


def context_that_fits(header: Header, n_ctx: int, place: Place) -> int:
    """The largest context, up to `n_ctx` and to what the model was trained for, with which a model fits into a tab.

    Where none fits, it is `n_ctx` all the same: to try tells more than an estimate does.
    """
    trained = header.metadata.get(f"{header.metadata.get('general.architecture')}.context_length")
    n_ctx = min(n_ctx, trained) if isinstance(trained, int) and trained > 0 else n_ctx

    def fits_with(tokens: int) -> bool:
        needed = memory.estimate(header, tokens, gpu=place.gpu, n_threads=place.n_threads)
        return not _short_of(needed, place)

    if fits_with(n_ctx) or not fits_with(_LEAST_CONTEXT):
        return n_ctx
    most, least = n_ctx // _CONTEXT_STEP, _LEAST_CONTEXT // _CONTEXT_STEP
    while most - least > 1:
        middle = (most + least) // 2
        most, least = (most, middle) if fits_with(middle * _CONTEXT_STEP) else (middle, least)
    return least * _CONTEXT_STEP


def _refused(facts: ModelFacts | None, size: int, place: Place) -> str:
    """Why a file cannot go to a place, or cannot be used anywhere; "" when it can."""
    if not place.takes_files:
        return "Files cannot be sent there."
    if facts and facts.role in _ROLES:
        return _ROLES[facts.role]
    if facts and facts.shard and not place.takes_shards:
        number, count = facts.shard
        return f"It is part {number} of {count}: choose all parts together."
    if place.max_file_bytes is not None and size > place.max_file_bytes:
        return f"It takes files of up to {size_words(place.max_file_bytes)}; this one has {size_words(size)}."
    if place.free_bytes is not None and size > place.free_bytes:
        return f"There is room for {size_words(place.free_bytes)} more; the file takes {size_words(size)}."
    return ""


def _fits_server(facts: ModelFacts, header: Header, place: Place) -> Fit:
    if header.big_endian:
        return Fit("unknown", "It is big-endian, which only machines such as IBM Z read; what this one is, is not known.")
    if place.engine == "unknown":
        return Fit("unknown", "What runs models there is not known.")
    if facts.architecture not in ARCHITECTURES:
        return Fit("unknown", f"Whether the engine there knows the architecture “{facts.architecture}” is not known.")
    return Fit("yes", f"It takes the file; whether the {size_words(_least(facts))} fit into its memory is not known.")


def _least(facts: ModelFacts) -> int:
    """The bytes of its weights, without which no engine can run it."""
    return sum(facts.mix.values())


def _fits_tab(facts: ModelFacts, header: Header, place: Place) -> Fit:
    if header.big_endian:
        return Fit("no", "It is big-endian, which browsers do not read.")
    if facts.architecture not in ARCHITECTURES:
        return Fit("no", f"The engine in this tab does not know the architecture “{facts.architecture}”.")
    if facts.architecture in _NOT_CHAT:
        return Fit("no", f"{_NOT_CHAT[facts.architecture]}: it does not chat in this tab.")
    needed = _needed(facts, header, place, place.n_ctx)
    total = needed.total + PAGE_BYTES
    reason = f"It needs {size_words(total)} with {place.n_ctx:,} tokens of context"
    short_of = _short_of(needed, place)
    if short_of:
        return Fit("no", f"{reason}, and {short_of}{_with_less_context(facts, header, place)}.")
    if not needed.exact:
        return Fit("unknown", f"{reason}, or more: its architecture is not worked out in full.")
    device = place.device_bytes
    if device is None and total > _SURE_BYTES:
        return Fit("unknown", f"{reason}; how much this device has, the browser does not tell.")
    if device is not None and total > device * _SURE_SHARE:
        return Fit("unknown", f"{reason}; this device has {size_words(device)}, which other programs need too.")
    return Fit("yes", f"{reason}.")


def _needed(facts: ModelFacts, header: Header, place: Place, n_ctx: int) -> memory.MemoryEstimate:
    return memory.estimate(header, n_ctx, gpu=place.gpu, n_threads=place.n_threads, weights=_least(facts))


def _short_of(needed: memory.MemoryEstimate, place: Place) -> str:
    """What there is too little of, in words; "" when there is enough."""
    if needed.in_heap > place.heap_limit:
        return f"the engine in a tab can have {size_words(place.heap_limit)}"
    if place.device_bytes is not None and needed.total + PAGE_BYTES > place.device_bytes:
        return f"this device has {size_words(place.device_bytes)}"
    return ""


def _with_less_context(facts: ModelFacts, header: Header, place: Place) -> str:
    """The context with which a model fits that does not fit as it is asked for, in words; "" if there is none."""
    n_ctx = place.n_ctx // 2
    while n_ctx >= _LEAST_CONTEXT:
        if not _short_of(_needed(facts, header, place, n_ctx), place):
            return f"; with {n_ctx:,} it would fit"
        n_ctx //= 2
    return ""
