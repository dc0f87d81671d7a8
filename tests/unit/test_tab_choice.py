"""What keeps a model or a request from the tab's quick build."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modeltab.files.values import Array, Header, Tensor, Value
from modeltab.providers.tab_choice import WLLAMA_2_3, WLLAMA_2_4, why_not_chat, why_not_model, why_not_request
from modeltab.providers.tab_engines import Machine

MACHINE = Machine(2)
HI = [{"role": "user", "content": "Hi"}]


def header(architecture: str = "llama", **entries: Value) -> Header:
    """A header of a small model."""
    shape = {"block_count": 2, "embedding_length": 64, "attention.head_count": 4, "context_length": 4096}
    metadata: dict[str, Value] = {f"{architecture}.{key}": value for key, value in shape.items()}
    metadata |= {"general.architecture": architecture, "tokenizer.ggml.tokens": Array("STRING", 0, ()), **entries}
    return Header(3, False, metadata, (), 32, 0, 0)


def test_a_small_model_on_a_cpu_is_for_the_quick_build():
    assert why_not_model(header(), (1000,), 4096, MACHINE, WLLAMA_2_3) == ""
    assert why_not_model(header(), (1000,), 4096, MACHINE, WLLAMA_2_4) == ""


@pytest.mark.parametrize(
    ("model", "size", "machine", "words"),
    [
        (header("smollm3"), 1000, MACHINE, "“smollm3”"),
        (header("mamba"), 1000, MACHINE, "“mamba”"),
        (header()._replace(tensors=(Tensor("a", (32,), "MXFP4", 0, 17),)), 1000, MACHINE, "MXFP4"),
        (header(), (2 << 30) - 1, MACHINE, "more memory"),
    ],
)
def test_the_quickest_build_knows_less_than_the_next_one(model, size, machine, words):
    assert words in why_not_model(model, (size,), 4096, machine, WLLAMA_2_3)
    assert why_not_model(model, (size,), 4096, machine, WLLAMA_2_4) == ""


def test_only_the_newer_one_needs_64_bit_memories():
    machine = MACHINE._replace(memory64=False)
    assert why_not_model(header(), (1000,), 4096, machine, WLLAMA_2_3) == ""
    assert "64-bit" in why_not_model(header(), (1000,), 4096, machine, WLLAMA_2_4)


@pytest.mark.parametrize(
    ("model", "sizes", "machine", "words"),
    [
        (header(), (1000,), MACHINE._replace(gpu=True), "GPU"),
        (None, (1000,), MACHINE, "header"),
        (header("qwen4exp"), (1000,), MACHINE, "“qwen4exp”"),
        (header("t5"), (1000,), MACHINE, "“t5”"),
        (header("of-tomorrow"), (1000,), MACHINE, "“of-tomorrow”"),
        (header(), (1000, 3 << 30), MACHINE, "files of less than"),
        (header(), (1 << 30,) * 4, MACHINE, "more memory"),
    ],
)
def test_what_it_has_not_or_does_not_know_is_told(model, sizes, machine, words):
    assert words in why_not_model(model, sizes, 4096, machine, WLLAMA_2_4)


@pytest.mark.parametrize(
    ("template", "words"),
    [("", "no chat template"), ("{{ '<|channel|>analysis' }}", "several channels"), ("{{ messages[0].content }}", "")],
)
def test_chats_need_a_template_that_is_enough(template, words):
    why = why_not_chat(header(**{"tokenizer.chat_template": template}) if template else header())
    assert words in why
    assert bool(words) == bool(why)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"messages": HI, "tools": [{}]}, "has tools"),
        ({"messages": HI, "response_format": {"type": "json_schema"}}, "a format for the answer"),
        ({"messages": HI, "logprobs": True, "top_logprobs": 3}, "probabilities"),
        ({"prompt": "Hi", "logprobs": 3}, "probabilities"),
        ({"messages": HI, "dry_multiplier": 0.8}, "“dry_multiplier”"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "more than texts"),
        ({"messages": [{"role": "tool", "content": "7", "tool_call_id": "1"}]}, "more than texts"),
        ({"prompt": [1, 2]}, "more than texts"),
    ],
)
def test_what_a_request_has_that_only_the_server_does_is_told(body: dict[str, Any], words: str):
    assert words in why_not_request(body)


@pytest.mark.parametrize("body", [{"messages": HI, "temperature": 1, "return_progress": True}, {"prompt": "Hi", "seed": 1}])
def test_a_plain_request_is_for_the_quick_build(body):
    assert why_not_request(body) == ""


def test_the_builds_are_called_what_is_installed():
    root = Path(__file__).parents[2]
    installed = json.loads((root / "package.json").read_text(encoding="utf-8"))["dependencies"]
    source = root / "src" / "modeltab"
    main, engine = ((source / name).read_text(encoding="utf-8") for name in ("main.py", "browser/main_engine.py"))
    assert f'name = "wllama {installed["@wllama/wllama"]}"' in engine
    for version in ("2-3", "2-4"):
        number = installed[f"wllama-{version}"].rpartition("@")[2]
        assert f'QuickEngine("{number}", WLLAMA_{version.replace("-", "_")})' in main
