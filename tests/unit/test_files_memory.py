"""The memory that a model needs in the tab: llama.cpp's rules, one for one. benchmarks/memory.py measures the whole."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeltab.files.memory import estimate
from modeltab.files.values import Array, Header, Tensor, Value

MIB = 1 << 20


def numbers(*values: int) -> Array:
    return Array("INT32", len(values), values)


def header(architecture: str = "llama", sizes: tuple[int, ...] = (1000,), **metadata: Any) -> Header:
    """A header of a model with four layers of four heads of 64, for what a test does not say itself."""
    keys: dict[str, Value] = {
        "block_count": 4,
        "embedding_length": 256,
        "feed_forward_length": 512,
        "attention.head_count": 4,
        **{name.replace("__", "."): value for name, value in metadata.items()},
    }
    entries: dict[str, Value] = {"general.architecture": architecture}
    entries |= {(key if key.startswith(("tokenizer.", "split.")) else f"{architecture}.{key}"): keys[key] for key in keys}
    tensors = tuple(Tensor(f"blk.{number}.w", (size,), "I8", 0, size) for number, size in enumerate(sizes))
    return Header(3, False, entries, tensors, 32, 0, sum(sizes))


def kv_cache(architecture: str, n_ctx: int = 4096, **metadata: Any) -> int:
    return estimate(header(architecture, **metadata), n_ctx).kv_cache


#: (what it shows, the architecture, its metadata, values of keys and values in a cell of all layers).
CACHES: list[tuple[str, str, dict[str, Any], int]] = [
    ("as many heads as queries have", "llama", {}, 4 * 4 * 128),
    ("fewer heads for keys and values", "llama", {"attention__head_count_kv": 1}, 4 * 1 * 128),
    ("heads that differ by layer", "llama", {"attention__head_count_kv": numbers(4, 2, 2, 1)}, 9 * 128),
    ("heads of another length", "llama", {"attention__key_length": 96, "attention__value_length": 32}, 4 * 4 * 128),
    ("MLA keeps keys only", "deepseek2", {"attention__key_length": 576, "attention__key_length_mla": 192}, 4 * 4 * 576),
    ("layers without attention", "nemotron_h", {"attention__head_count_kv": numbers(0, 0, 0, 2)}, 2 * 128),
    ("one layer in four with attention", "qwen35", {}, 4 * 128),
    ("layers that are told to be recurrent", "qwen35", {"attention__recurrent_layers": numbers(1, 0, 0, 0)}, 3 * 4 * 128),
    ("later layers that share", "gemma4", {"attention__shared_kv_layers": 3}, 1 * 4 * 128),
    ("a window that llama.cpp does not heed", "qwen2", {"attention__sliding_window": 512}, 4 * 4 * 128),
    ("embedding models have none", "bert", {}, 0),
]


@pytest.mark.parametrize(("architecture", "metadata", "values"), [case[1:] for case in CACHES], ids=[c[0] for c in CACHES])
def test_keys_and_values_are_two_bytes_each_in_every_cell(architecture: str, metadata: dict[str, Any], values: int):
    assert kv_cache(architecture, **metadata) == 4096 * values * 2


def test_the_context_is_a_multiple_of_256():
    assert kv_cache("llama", 1) == kv_cache("llama", 256) == kv_cache("llama", 257) // 2


#: (the architecture, its metadata, which of four layers slide).
WINDOWS: list[tuple[str, dict[str, Any], str]] = [
    ("gpt-oss", {}, "s-s-"),
    ("olmo2", {}, "sss-"),
    ("gemma3", {}, "ssss"),
    ("gemma3", {"attention__sliding_window_pattern": 2}, "s-s-"),
    ("gemma4", {"attention__sliding_window_pattern": numbers(1, 0, 0, 1)}, "s--s"),
    ("cohere2moe", {}, "-sss"),
    ("exaone4", {}, "----"),
]


@pytest.mark.parametrize(("architecture", "metadata", "layers"), WINDOWS)
def test_layers_with_a_sliding_window_keep_the_window_and_a_batch(architecture: str, metadata: dict[str, Any], layers: str):
    expected = sum(1024 + 512 if layer == "s" else 8192 for layer in layers) * 4 * 128 * 2
    assert kv_cache(architecture, 8192, attention__sliding_window=1024, **metadata) == expected


def test_a_window_larger_than_the_context_is_the_context():
    assert kv_cache("gemma2", 2048) == 2048 * 4 * 4 * 128 * 2


def test_sliding_layers_may_have_heads_of_their_own():
    lengths = {"attention__key_length_swa": 32, "attention__value_length_swa": 32}
    with_window = kv_cache("gpt-oss", 8192, attention__sliding_window=1024, **lengths)
    assert with_window == (2 * 1536 * 64 + 2 * 8192 * 128) * 4 * 2


#: (the architecture, its metadata, values of state in a layer).
STATES: list[tuple[str, dict[str, Any], int]] = [
    ("mamba", {"ssm__conv_kernel": 4, "ssm__inner_size": 512, "ssm__state_size": 16}, 3 * 512 + 16 * 512),
    ("rwkv7", {"wkv__head_size": 64, "token_shift_count": 2}, 256 * (2 + 64)),
]


@pytest.mark.parametrize(("architecture", "metadata", "values"), STATES)
def test_recurrent_layers_take_the_same_for_any_context(architecture: str, metadata: dict[str, Any], values: int):
    short, long = (kv_cache(architecture, n_ctx, **metadata) for n_ctx in (512, 65_536))
    assert short == long == 4 * values * 4 * 2


def test_a_hybrid_has_both():
    heads = numbers(0, 0, 2, 0)
    short_convolution = 3 * 256 * (3 - 1) * 4 * 2
    assert kv_cache("lfm2", attention__head_count_kv=heads, shortconv__l_cache=3) == 4096 * 2 * 128 * 2 + short_convolution


def test_falcon_h1_has_both_in_every_layer():
    state = 4 * (3 * 512 + 16 * 512) * 4 * 2
    found = kv_cache("falcon-h1", ssm__conv_kernel=4, ssm__inner_size=512, ssm__state_size=16)
    assert found == 4096 * 4 * 4 * 128 * 2 + state


def test_weights_are_the_tensors_bytes_or_those_of_all_parts():
    assert estimate(header(sizes=(1000, 500)), 4096).weights == 1500
    assert estimate(header(sizes=(1000, 500)), 4096, weights=9000).weights == 9000


def test_the_scheduler_keeps_room_for_eight_nodes_a_tensor():
    def compute(count: int, architecture: str = "llama", **metadata: Any) -> int:
        return estimate(header(architecture, sizes=(32,) * count, **metadata), 4096).compute

    assert compute(10) == compute(128)
    assert compute(256) - compute(128) == 128 * 8 * (60 * 336 + 60 * 16)
    assert compute(10, split__tensors__count=256) == compute(256)
    assert compute(10, "qwen35") - compute(10) > 400_000_000


def test_a_batch_is_no_longer_than_the_context():
    assert estimate(header(), 256).compute < estimate(header(), 512).compute


def test_experts_count_as_many_as_are_used():
    few, many = (
        estimate(header("qwen3moe", expert_feed_forward_length=512, expert_used_count=used), 4096).compute for used in (2, 8)
    )
    assert many - few == 512 * 4 * 3 * (8 - 2) * 512


def test_each_thread_but_the_first_has_five_mebibytes_of_stack():
    one, four = (estimate(header(), 4096, n_threads=count).overhead for count in (1, 4))
    assert four - one == 15 * MIB


def test_a_vocabulary_takes_its_tokens_and_merges():
    texts: dict[str, Any] = {
        "tokenizer__ggml__tokens": Array("STRING", 100_000, ("a",)),
        "tokenizer__ggml__merges": Array("STRING", 90_000, ()),
    }
    more = estimate(header(**texts), 4096).overhead - estimate(header(), 4096).overhead
    assert 20 * MIB < more < 28 * MIB


def test_with_a_gpu_the_heap_has_the_embedding_only():
    tied = header(sizes=(1000, 500))
    tied = tied._replace(tensors=(*tied.tensors, Tensor("token_embd.weight", (700,), "I8", 0, 700)))
    untied = tied._replace(tensors=(*tied.tensors, Tensor("output.weight", (700,), "I8", 0, 700)))
    with_gpu, without = estimate(tied, 4096, gpu=True), estimate(tied, 4096)
    assert with_gpu.weights == without.weights + 700
    assert with_gpu.in_heap < without.in_heap == without.total
    assert estimate(untied, 4096, gpu=True).weights == 2900


@pytest.mark.parametrize("size", [10, 40, 90, 300, 1200])
def test_the_heap_grows_to_more_than_is_in_it_by_a_fifth_or_96_mebibytes_at_most(size: int):
    found = estimate(header(sizes=(size * MIB,)), 4096)
    assert found.total == sum(found[:4])
    assert found.in_heap <= found.heap_size <= max(128 * MIB, found.in_heap + min(found.in_heap // 5, 96 * MIB) + 65_536)


def test_an_architecture_whose_cache_is_not_worked_out_is_told():
    assert estimate(header(), 4096).exact
    assert not estimate(header("deepseek4"), 4096).exact
    assert not estimate(header(block_count=0), 4096).exact


VALUES = st.one_of(
    st.integers(-10, 1 << 62),
    st.floats(),
    st.booleans(),
    st.text(max_size=3),
    st.builds(numbers),
    st.lists(st.integers(-1, 1 << 62), max_size=5).map(lambda values: numbers(*values)),
)
KEYS = [
    "block_count",
    "embedding_length",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.sliding_window",
    "attention.sliding_window_pattern",
    "attention.recurrent_layers",
    "attention.shared_kv_layers",
    "full_attention_interval",
    "ssm.conv_kernel",
]


@given(
    st.sampled_from(["llama", "gemma3", "gemma4", "qwen35", "lfm2", "mamba"]), st.dictionaries(st.sampled_from(KEYS), VALUES)
)
def test_no_header_makes_it_fail(architecture: str, metadata: dict[str, Any]):
    found = estimate(header(architecture, **{key.replace(".", "__"): value for key, value in metadata.items()}), 4096)
    assert found.total >= 0
