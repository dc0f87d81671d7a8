"""The memory that wllama 3.8 takes for a GGUF model: what llama.cpp allocates in a tab, by the header alone.

The engine has one heap (a `WebAssembly.Memory`), which only grows. Into it go, in this order, the program and the
vocabulary, the weights, the KV cache, the scheduler and the graph's buffer, the threads' stacks. The rules are
llama.cpp's: src/llama-hparams.cpp, src/llama-kv-cache.cpp, src/llama-kv-cache-iswa.cpp, src/models/*.cpp,
`llama_context::graph_max_nodes`, `ggml_backend_sched_new`; the figures that no rule gives are of wllama's heap,
traced at every growth (benchmarks/memory.py).
"""

from collections.abc import Iterable, Mapping
from itertools import repeat
from typing import NamedTuple

from modeltab.files.gguf import padded
from modeltab.files.values import Array, Header, Value


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MIB = 1 << 20
#: Tokens that one graph computes: wllama leaves llama.cpp's default.
N_UBATCH = 512
_F16, _F32 = 2, 4

# What the program needs before it has read a model, static data and the main thread's stack included.
_PROGRAM = 21 * _MIB // 2
#: Unicode tables by which texts are split before byte-pair encoding (tokenizer "gpt2").
_SPLITTER = 11 * _MIB // 5
#: A token: its text, score and type, its number by its text, its piece; a merge: its two texts and its rank.
_TOKEN, _MERGE = 157, 109
#: Of that, what belonged to the file's reader and is free again, for small things, once the model is loaded.
_FREED_TOKEN, _FREED_MERGE = 32, 24
#: A token's place among the logits and in the sampler.
_LOGIT = _F32 + 12
#: Each thread but the first has a stack of its own.
_STACK = 5 * _MIB
#: What the first completion leaves: template, grammar, task, the cells' bookkeeping.
_FIRST_COMPLETION = 3 * _MIB // 2

#: The scheduler keeps room for each node of the largest graph to be a split of its own, with 30 inputs and as many
#: copies: a `ggml_tensor` for each, in one piece, and four numbers. And there are two graphs of that size.
_NODE_TENSORS, _NODE_NUMBERS = 2 * 30 * 336, 2 * 30 * 4 * 4
_NODE_IN_GRAPHS = 2 * (368 + 80)
_MIN_NODES, _NODES_PER_TENSOR = 1024, 8
#: Architectures whose graphs grow with the tokens: 40 nodes for each, or 32 for each tensor.
_LONG_GRAPHS = _names(
    "qwen3next qwen35 qwen35moe qwen4exp kimi-linear bailingmoe3 deepseek4 nanbeige minimax-01 minimax-m3 hy_v4"
)
_LONG_GRAPH, _LONG_GRAPH_NODES_PER_TENSOR = 40, 32

#: Sliding windows: of how many layers the last one sees everything, or the first one where that is told.
_PERIODS = {
    "afmoe": 4,
    "cohere2": 4,
    "cohere2moe": 4,
    "exaone-moe": 4,
    "exaone4": 4,
    "gemma2": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "gpt-oss": 2,
    "laguna": 4,
    "llama4": 4,
    "mellum": 4,
    "muse-glimmer": 4,
    "olmo2": 4,
    "plamo3": 8,
    "smallthinker": 4,
}
_DENSE_FIRST = _names("cohere2moe laguna smallthinker")
#: Windows that llama.cpp knows by itself.
_WINDOWS = {"gemma2": 4096, "llama4": 8192}
#: Architectures whose window is in a list of layers only. Any other architecture's window is ignored.
_LISTED = _names("gemma4 mimo2 step35 spark2_5 maple dots3note granite_swa")
#: A layer's cells are a multiple of this.
_CELLS = 256
#: llama.cpp refuses a model of more layers.
_MAX_LAYERS = 512

_RECURRENT = _names("mamba mamba2 rwkv6 rwkv6qwen2 rwkv7 arwkv7")
#: Hybrids in which every so many layers one has attention and the others a state.
_INTERVALS = {"qwen3next": 4, "qwen35": 4, "qwen35moe": 4, "qwen4exp": 4, "minimax-01": 8}
_NO_CACHE = _names(
    "bert modern-bert nomic-bert nomic-bert-moe neo-bert jina-bert-v2 jina-bert-v3 eurobert gemma-embedding "
    "wavtokenizer-dec dream llada llada-moe rnd1"
)
#: Caches that are more than keys and values of a layer, and are not worked out here.
_OTHER_CACHES = _names("deepseek32 deepseek4 glm-dsa glm5-next dots3note minimax-m3 hy_v4 kimi-k3")


class MemoryEstimate(NamedTuple):
    """What a loaded model takes, in bytes.

    Chats that follow add to it: llama.cpp's server keeps the cache of each that it has left, as long as the heap has room.

    :param weights: its tensors. They are not copied, not repacked, and a tied output matrix is the embedding itself.
    :param kv_cache: keys and values of the whole context, and recurrent states: taken at once, however short the chat.
    :param compute: one batch's activations, the attention mask, the scheduler's bookkeeping.
    :param overhead: the program, the vocabulary, the stacks.
    :param total: all of it.
    :param in_heap: what of that lies in the engine's heap: all of it, unless a GPU computes.
    :param heap_size: what the heap grows to for that, in steps of a fifth, or of 96 MiB more than is needed.
    :param exact: whether llama.cpp's rules for the architecture are followed in full, and its figures were there.
    """

    weights: int
    kv_cache: int
    compute: int
    overhead: int
    total: int
    in_heap: int
    heap_size: int
    exact: bool


def estimate(
    header: Header,
    n_ctx: int,
    *,
    gpu: bool = False,
    n_ubatch: int = N_UBATCH,
    n_threads: int = 1,
    weights: int | None = None,
    whole_windows: bool = False,
) -> MemoryEstimate:
    """The memory of a model with a context of `n_ctx` tokens, once it is loaded and has answered.

    :param gpu: whether layers are computed on a GPU (WebGPU), in whose memory they then lie: by the rules, not measured.
    :param weights: bytes of the tensors of all parts, where the header is the first part's only.
    :param whole_windows: whether layers with a sliding window keep the whole context all the same.
    """
    model = _Model(header.metadata, whole_windows)
    weights = sum(tensor.size for tensor in header.tensors) if weights is None else weights
    cells = padded(max(n_ctx, 1), _CELLS)
    n_ubatch = min(n_ubatch, cells)
    kv_cache = _kv_cache(model, cells, n_ubatch)
    activations = _activations(model, cells, n_ubatch)
    nodes = _nodes(header, model.architecture, n_ubatch)
    tokens, merges = (_length(header, f"tokenizer.ggml.{key}") for key in ("tokens", "merges"))
    splitter = _SPLITTER if header.metadata.get("tokenizer.ggml.model") == "gpt2" else 0
    program = _PROGRAM + splitter + tokens * _TOKEN + merges * _MERGE
    small = tokens * _LOGIT + nodes * _NODE_IN_GRAPHS + _FIRST_COMPLETION
    later = (max(n_threads, 1) - 1) * _STACK + max(small - tokens * _FREED_TOKEN - merges * _FREED_MERGE, 0)
    in_heap = weights, kv_cache, activations
    if gpu:
        # The embedding is looked up by the CPU: it stays in the heap, and is on the GPU a second time where it is tied.
        embedding = next((tensor.size for tensor in header.tensors if tensor.name == "token_embd.weight"), 0)
        in_heap = embedding, 0, 0
        if not any(tensor.name == "output.weight" for tensor in header.tensors):
            weights += embedding
    heap = _Heap()
    heap.add_pieces(program)
    heap.add(in_heap[0])
    heap.add(in_heap[1])
    heap.add_pieces(nodes * _NODE_NUMBERS)
    heap.add(nodes * _NODE_TENSORS)
    heap.add(in_heap[2])
    heap.add_pieces(later)
    compute, overhead = activations + nodes * (_NODE_NUMBERS + _NODE_TENSORS), program + later
    total = weights + kv_cache + compute + overhead
    exact = model.n_layer > 0 and model.n_embd > 0 and model.architecture not in _OTHER_CACHES
    return MemoryEstimate(weights, kv_cache, compute, overhead, total, heap.used, heap.size, exact)


def quick_heap(header: Header, n_ctx: int, size: int, n_threads: int) -> int:
    """What wllama 2.4 needs in its heap for files of `size` bytes: it holds them whole there, and windows are not used."""
    return estimate(header, n_ctx, n_threads=n_threads, weights=size, whole_windows=True).in_heap


class _Heap:
    """How the engine's heap grows: by emscripten's `emscripten_resize_heap`, from what wllama begins with."""

    def __init__(self) -> None:
        self.size = 128 * _MIB
        self.used = 0

    def add(self, piece: int) -> None:
        """Something in one piece."""
        self.used += piece
        if self.used > self.size:
            self._grow(self.used)

    def add_pieces(self, together: int) -> None:
        """Many small things: whichever does not fit makes the heap grow."""
        self.used += together
        while self.used > self.size:
            self._grow(self.size + 1)

    def _grow(self, needed: int) -> None:
        self.size = padded(max(needed, min(self.size * 6 // 5, needed + 96 * _MIB)), 65_536)


class _Model:
    """A model's hyperparameters, as llama.cpp reads them."""

    def __init__(self, metadata: Mapping[str, Value], whole_windows: bool = False) -> None:
        self._metadata = metadata
        self._whole_windows = whole_windows
        architecture = metadata.get("general.architecture")
        self.architecture = architecture if isinstance(architecture, str) else ""
        self.n_layer = min(self.number("block_count"), _MAX_LAYERS)
        self.n_embd = self.number("embedding_length")
        self.n_head = max(self.layers("attention.head_count"), default=0)
        self.n_head_kv = tuple(self.layers("attention.head_count_kv", self.n_head))
        head = self.n_embd // self.n_head if self.n_head else 0
        self.n_key = self.number("attention.key_length", head)
        self.n_value = self.number("attention.value_length", head)

    def number(self, key: str, default: int = 0) -> int:
        value = self._metadata.get(f"{self.architecture}.{key}")
        return int(value) if isinstance(value, (int, float)) and 0 <= value < 1 << 40 else default

    def layers(self, key: str, default: int = 0) -> Iterable[int]:
        """A figure for each layer: from an array, or the same for all."""
        listed = self.array(key)
        if listed:
            return (*listed, *repeat(max(listed), self.n_layer - len(listed)))[: self.n_layer]
        return repeat(self.number(key, default), self.n_layer)

    def array(self, key: str) -> tuple[int, ...]:
        value = self._metadata.get(f"{self.architecture}.{key}")
        if not isinstance(value, Array):
            return ()
        return tuple(int(entry) for entry in value.first if isinstance(entry, (int, float)) and 0 <= entry < 1 << 40)

    def windows(self) -> list[int]:
        """The tokens that each layer sees back, 0 for all."""
        if self._whole_windows:
            return [0] * len(self.n_head_kv)
        window = self.number("attention.sliding_window", _WINDOWS.get(self.architecture, 0))
        if self.architecture == "exaone4" and self.n_layer != 64:
            window = 0
        listed = self.array("attention.sliding_window_pattern")
        if self.architecture in ("lfm2", "lfm2moe"):
            return [window] * len(self.n_head_kv)
        if listed and (self.architecture in _LISTED or self.architecture in _PERIODS):
            return [window if slides else 0 for slides in (*listed, *repeat(0, self.n_layer - len(listed)))]
        if self.architecture not in _PERIODS or not window:
            return [0] * len(self.n_head_kv)
        period = self.number("attention.sliding_window_pattern", _PERIODS[self.architecture]) or self.n_layer + 1
        full = 0 if self.architecture in _DENSE_FIRST else period - 1
        return [0 if layer % period == full else window for layer in range(len(self.n_head_kv))]

    def recurrent(self) -> list[bool]:
        """Which layers have a state instead of keys and values (falcon-h1: as well)."""
        listed = self.array("attention.recurrent_layers")
        if self.architecture in _RECURRENT or self.architecture == "falcon-h1":
            return [True] * len(self.n_head_kv)
        if self.architecture in _INTERVALS:
            if listed:
                return [bool(entry) for entry in listed]
            interval = self.number("full_attention_interval", _INTERVALS[self.architecture]) or 1
            return [(layer + 1) % interval != 0 for layer in range(len(self.n_head_kv))]
        if self.array("attention.head_count_kv"):
            return [n_head_kv == 0 for n_head_kv in self.n_head_kv]
        return [False] * len(self.n_head_kv)

    def state(self) -> int:
        """Values of a layer's recurrent state: the last inputs of its convolution, and what it remembers."""
        if wkv := self.number("wkv.head_size"):
            return self.n_embd * (self.number("token_shift_count", 2) + wkv)
        if cache := self.number("shortconv.l_cache"):
            return self.n_embd * (cache - 1)
        kernel = max(self.number("ssm.conv_kernel") - 1, 0)
        if kda := self.number("kda.head_dim"):
            return 3 * (kernel or 3) * self.n_head * kda + kda * kda * self.n_head
        inner, size, groups = (self.number(f"ssm.{key}") for key in ("inner_size", "state_size", "group_count"))
        return kernel * (inner + 2 * groups * size) + size * inner


def _kv_cache(model: _Model, cells: int, n_ubatch: int) -> int:
    if model.architecture in _NO_CACHE:
        return 0
    recurrent = model.recurrent()
    states = 2 * sum(recurrent) * model.state() * _F32  # the server keeps a copy, to return to before an answer
    if model.architecture in _RECURRENT:
        return states
    sliding = model.number("attention.key_length_swa", model.n_key), model.number("attention.value_length_swa", model.n_value)
    has_values = not model.number("attention.key_length_mla")  # MLA keeps both in the keys
    values = 0
    layers = zip(model.n_head_kv, model.windows(), recurrent, strict=False)
    for layer, (n_head_kv, window, is_recurrent) in enumerate(layers):
        if layer >= _layers_with_cache(model) or (is_recurrent and model.architecture != "falcon-h1"):
            continue
        key, value = sliding if window else (model.n_key, model.n_value)
        kept = _window_cells(window, cells, n_ubatch) if window else cells
        values += kept * n_head_kv * (key + (value if has_values else 0))
    return values * _F16 + states


def _layers_with_cache(model: _Model) -> int:
    """The first layers: gemma 3n's and 4's later ones use the cache of an earlier one."""
    if model.architecture == "gemma3n":
        return 20
    return model.n_layer - model.number("attention.shared_kv_layers")


def _window_cells(window: int, cells: int, n_ubatch: int) -> int:
    return padded(min(cells, window + n_ubatch), _CELLS)


def _activations(model: _Model, cells: int, n_ubatch: int) -> int:
    """The graph's buffer: as much as lives at once in the layer that needs most, for each token of a batch."""
    n_embd, heads = model.n_embd, model.n_head * model.n_key
    kv_heads = max(model.n_head_kv, default=0) * model.n_key
    n_ff = max(model.layers("feed_forward_length"), default=0)
    used = model.number("expert_used_count")
    n_ff_experts = max(model.layers("expert_feed_forward_length"), default=0) * used
    # The residual and its norm are in all of them. Attention: queries and keys before and after they are rotated, values
    # and output. Feed-forward: gate, up and their product, above what attention left. Experts: a product and an output
    # each, weighted. State-space: the projection in two halves, the convolution's input and output, the scan's output;
    # or, in delta nets, what is convolved three times.
    attention = 2 * n_embd + 2 * heads + 4 * kv_heads
    feed_forward = 4 * n_embd + 3 * max(n_ff, n_ff_experts)
    experts = 3 * n_embd + n_ff_experts + 2 * used * n_embd
    inner = model.number("ssm.inner_size")
    convolved = inner + 2 * model.number("ssm.group_count") * model.number("ssm.state_size")
    state_space = 3 * n_embd + max(5 * inner, 3 * convolved)
    most = max(attention, feed_forward, experts, state_space)
    has_attention = model.n_head and model.architecture not in _RECURRENT
    windows = {_window_cells(window, cells, n_ubatch) for window in model.windows() if window}
    masks = (cells + sum(windows)) * _F16 if has_attention else 0
    return n_ubatch * (most * _F32 + masks)


def _nodes(header: Header, architecture: str, n_ubatch: int) -> int:
    told = header.metadata.get("split.tensors.count")
    n_tensors = told if isinstance(told, int) and 0 < told < 1 << 20 else len(header.tensors)
    if architecture in _LONG_GRAPHS:
        return max(_LONG_GRAPH * n_ubatch, _LONG_GRAPH_NODES_PER_TENSOR * n_tensors)
    return max(_MIN_NODES, _NODES_PER_TENSOR * n_tensors)


def _length(header: Header, key: str) -> int:
    value = header.metadata.get(key)
    return value.length if isinstance(value, Array) else 0
