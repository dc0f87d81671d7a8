"""The details of a model's file: its header, its chat template on an example, pictures of where its bytes are."""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise

import pytest

from modeltab.actions.file_details import details_of
from modeltab.domain.connections import Connection
from modeltab.domain.errors import ServerFailed
from modeltab.files.values import Array, Header, Tensor
from modeltab.views.file_details import body
from modeltab.views.file_picture import HEIGHT, KINDS, WIDTH, layers, pictures
from tests.servers.model_files import small_gguf
from tests.servers.ollama import OllamaModel, ollama_server
from tests.servers.scripted import json_reply
from tests.unit.fakes import MemoryFile
from tests.unit.gguf_files import ARRAY, STRING, TWO_TENSORS, TWO_TENSORS_DATA, Value, by_hand
from tests.unit.markup import Node, parse
from tests.unit.rig import TAB, Rig

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
KEY = f"{TAB}/a.gguf"


def with_template(template: str, *more: tuple[str, Value]) -> bytes:
    """A file with a chat template and a small vocabulary."""
    entries: list[tuple[str, Value]] = [
        ("general.architecture", (STRING, "llama")),
        ("tokenizer.ggml.tokens", (ARRAY, (STRING, ["<unk>", "<s>", "</s>"]))),
        ("tokenizer.ggml.bos_token_id", (4, 1)),
        ("tokenizer.ggml.eos_token_id", (4, 2)),
        ("tokenizer.chat_template", (STRING, template)),
        *more,
    ]
    return by_hand(entries, TWO_TENSORS, TWO_TENSORS_DATA)


async def opened(content: bytes) -> Rig:
    """An app that shows the details of a file in the tab."""
    rig = Rig("a.gguf")
    rig.files.contents["a.gguf"] = MemoryFile("a.gguf", content)
    await rig.start()
    await rig.do("model.details", KEY)
    return rig


def tensor(name: str, size: int) -> Tensor:
    """A tensor."""
    return Tensor(name, (size,), "F32", 0, size)


# ---- The dialog ------------------------------------------------------------------------------------------------------


async def test_the_header_is_shown_with_the_chat_template_on_an_example():
    rig = await opened(with_template(TEMPLATE))
    details = rig.state.file_details
    assert details is not None and details.header is not None and details.facts is not None
    assert (details.subject, details.busy, details.error, details.example_error) == (KEY, False, None, None)
    assert (details.facts.architecture, len(details.header.tensors)) == ("llama", 2)
    assert details.example == (
        "<s><system>You are a helpful assistant.</s><user>Hello!</s><assistant>Hello! How can I help?</s>"
        "<user>Why is the sky blue?</s><assistant>"
    )
    html = parse(str(body(details)))
    assert html.one(name="Example conversation as the model reads it").text == details.example
    assert html.one(aria_label="Chat template", tabindex="0").text == TEMPLATE


@pytest.mark.parametrize("template", ["{% for m in messages %}", "{{ raise_exception('no system role') }}"])
async def test_a_template_that_fails_says_why_and_all_else_is_shown(template):
    rig = await opened(with_template(template))
    details = rig.state.file_details
    assert details is not None and details.header is not None and details.example_error is not None
    assert (details.example, details.example_error.message) == ("", "The chat template could not be rendered here.")
    assert rig.alerts == []
    html = parse(str(body(details)))
    assert "The chat template could not be rendered here." in html.text
    assert html.one(aria_label="Chat template", tabindex="0").text == template
    assert html.one("table", "Metadata")


async def test_a_file_without_a_template_shows_none():
    rig = await opened(small_gguf())
    details = rig.state.file_details
    assert details is not None and details.header is not None
    assert (details.example, details.example_error) == ("", None)
    assert parse(str(body(details))).all(aria_label="Chat template") == []


async def test_a_header_that_cannot_be_read_says_so_in_the_dialog():
    rig = await opened(b"GGUF" + bytes(4))
    details = rig.state.file_details
    assert details is not None and details.error is not None
    assert (details.busy, details.header, rig.alerts) == (False, None, [])
    assert details.error.message in parse(str(body(details))).text


async def test_a_file_that_is_gone_says_so_in_the_dialog():
    rig = Rig("a.gguf")
    await rig.start()
    rig.files.files.clear()
    await rig.do("model.details", KEY)
    assert rig.state.file_details is not None and rig.state.file_details.error is not None
    assert rig.state.file_details.error.message == "a.gguf is no longer in this browser's storage."


async def test_the_dialog_is_open_while_the_header_is_read_and_what_comes_after_it_was_closed_is_left():
    rig = Rig("a.gguf", "b.gguf")
    rig.files.contents |= {name: MemoryFile(name, small_gguf()) for name in rig.files.files}
    await rig.start()
    rig.files.gate = asyncio.Event()
    rig.press("model.details", KEY)
    await rig.until(lambda: rig.state.file_details is not None)
    assert rig.state.file_details is not None and rig.state.file_details.busy
    assert parse(str(body(rig.state.file_details))).text == "Reading the file's header…"
    rig.press("dialog.close")
    rig.press("model.details", f"{TAB}/b.gguf")
    await rig.until(lambda: rig.state.file_details is not None and rig.state.file_details.subject == f"{TAB}/b.gguf")
    seen: list[str] = []
    rig.app.store.subscribe(lambda state: seen.append(state.file_details.subject) if state.file_details else None)
    rig.files.gate.set()
    await rig.idle()
    assert set(seen) == {f"{TAB}/b.gguf"}
    assert rig.state.file_details.header is not None


async def test_a_model_in_parts_shows_the_tensors_of_all():
    names = [f"m-0000{number}-of-00002.gguf" for number in (1, 2)]
    rig = Rig(*names)
    rig.files.contents |= {name: MemoryFile(name, small_gguf()) for name in names}
    await rig.start()
    await rig.do("model.details", f"{TAB}/{names[0]}")
    assert rig.state.file_details is not None and rig.state.file_details.header is not None
    assert len(rig.state.file_details.header.tensors) == 2


async def test_the_details_of_a_model_that_is_gone_are_no_error():
    rig = Rig()
    await rig.start()
    await rig.do("model.details", KEY)
    assert (rig.alerts, rig.state.file_details and rig.state.file_details.busy) == ([], False)


# ---- Of a server -----------------------------------------------------------------------------------------------------


async def test_ollama_tells_the_header_of_a_model():
    with ollama_server(models={"tiny:1b": OllamaModel()}) as server:
        rig = Rig()
        rig.connect(Connection("o", "ollama", "My Ollama", server.url))
        await rig.start()
        await rig.do("model.details", "o/tiny:1b")
        details = rig.state.file_details
        assert details is not None and details.header is not None and details.facts is not None
        assert (details.facts.architecture, details.facts.n_ctx_train, len(details.header.tensors)) == ("llama", 131_072, 2)
        assert rig.state.models["o"][0].details["Capabilities"]


async def test_when_ollama_tells_nothing_the_dialog_does_not_wait_for_ever():
    with ollama_server(models={"tiny:1b": OllamaModel()}) as server:
        rig = Rig()
        rig.connect(Connection("o", "ollama", "My Ollama", server.url))
        await rig.start()
        server.on("POST", "/api/show", json_reply({"error": "it broke"}, 500))
        await rig.do("model.details", "o/tiny:1b")
        details = rig.state.file_details
        assert details is not None and details.error is not None
        assert (details.busy, len(rig.alerts)) == (False, 1)


async def test_more_that_does_not_come_does_not_keep_the_header_back(monkeypatch):
    with ollama_server(models={"tiny:1b": OllamaModel()}) as server:
        rig = Rig()
        rig.connect(Connection("o", "ollama", "My Ollama", server.url))
        await rig.start()

        async def refuse(name: str) -> dict[str, str]:
            raise ServerFailed("It broke.")

        monkeypatch.setattr(rig.app.provider("o"), "details", refuse)
        await rig.do("model.details", "o/tiny:1b")
        assert rig.alerts == ["It broke."]
        assert rig.state.file_details is not None and rig.state.file_details.header is not None


# ---- Special tokens --------------------------------------------------------------------------------------------------


def header_with(**metadata: object) -> Header:
    """A header whose template says its special tokens."""
    told = {f"tokenizer.ggml.{key}": value for key, value in metadata.items()}
    template = {"general.architecture": "llama", "tokenizer.chat_template": "{{ bos_token }}|{{ eos_token }}"}
    return Header(3, False, {**template, **told}, (), 32, 0, 0)  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        ({"bos_token_id": 1, "eos_token_id": 0, "tokens": Array("STRING", 2, ("</s>", "<s>"))}, "<s>|</s>"),
        ({"bos_token_id": 1, "eos_token_id": 128_009, "tokens": Array("STRING", 128_256, ("!", '"'))}, '"|<eos>'),
        ({"bos_token_id": 1}, "<bos>|"),
        ({"eos_token_id": -1, "tokens": Array("STRING", 2, ("a", "b"))}, "|<eos>"),
        ({"tokens": Array("STRING", 2, ("a", "b"))}, "|"),
    ],
)
async def test_a_special_token_is_its_text_or_its_name_where_that_was_not_kept(metadata, text):
    assert (await details_of(Rig().app, "x", header_with(**metadata))).example == text


# ---- The pictures ----------------------------------------------------------------------------------------------------

TENSORS = (
    tensor("token_embd.weight", 1000),
    tensor("blk.0.attn_q.weight", 300),
    tensor("blk.0.ffn_up.weight", 100),
    tensor("blk.1.attn_q.weight", 100),
    tensor("blk.1.ffn_gate_exps.weight", 400),
    tensor("blk.1.ffn_norm.weight", 50),
    tensor("output_norm.weight", 50),
)


def drawn(tensors: tuple[Tensor, ...], mix: dict[str, int]) -> list[Node]:
    """The pictures' figures."""
    return [node for node in parse(str(pictures(tensors, mix))) if node.tag == "figure"]


def rects(figure: Node) -> list[tuple[float, float, float, float]]:
    """x, y, width and height of each part."""
    places = [node for node in figure if node.tag == "rect" and "x" in node]
    return [tuple(float(node[name]) for name in ("x", "y", "width", "height")) for node in places]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("blk.0.attn_norm.weight", "Attention"),
        ("blk.3.ssm_conv1d.weight", "Attention"),
        ("blk.0.ffn_down.weight", "Feed-forward"),
        ("blk.0.ffn_up_exps.weight", "Experts"),
        ("blk.0.ffn_gate_inp.weight", "Experts"),
        ("blk.0.ffn_down_shexp.weight", "Experts"),
        ("blk.0.layer_output_norm.weight", "Other"),
    ],
)
def test_a_tensor_is_counted_by_what_it_is_for(name, kind):
    assert layers([tensor(name, 7)]) == [{kind: 7}]


def test_what_lies_in_no_layer_is_in_none():
    assert layers([tensor("output.weight", 7), tensor("token_embd.weight", 7)]) == []


def test_layers_are_in_the_order_of_their_numbers():
    found = layers([tensor("blk.10.attn_q.weight", 10), tensor("blk.9.attn_q.weight", 9), tensor("v.blk.9.ffn_up.weight", 1)])
    assert found == [{"Attention": 9, "Feed-forward": 1}, {"Attention": 10}]


def test_a_bar_says_what_the_bytes_are_for_and_fills_its_width():
    purpose, _, types = drawn(TENSORS, {"F32": 1500, "F16": 500})
    label = purpose.one("img")["aria-label"]
    assert label == "What they are for: Experts 20%, Attention 20%, Feed-forward 8%, Embeddings 50%, Other 2%"
    places = rects(purpose)
    assert sum(width for _, _, width, _ in places) == pytest.approx(WIDTH, abs=0.1)
    assert all(left[0] + left[2] == pytest.approx(right[0], abs=0.02) for left, right in pairwise(places))
    assert types.one("img")["aria-label"] == "Types: F32 75%, F16 25%"
    assert rects(types)[0][2] == pytest.approx(WIDTH * 0.75)
    assert "F32 1.5 kB (75.0%)" in types.text


def test_each_layer_is_a_column_as_high_as_its_share_of_the_largest():
    _, columns, _ = drawn(TENSORS, {"F32": 2000})
    assert columns.one("img")["aria-label"].startswith("2 layers, of at most ")
    first, second = ([rect for rect in rects(columns) if (rect[0] < WIDTH / 2) is left] for left in (True, False))
    assert sum(rect[3] for rect in first) == pytest.approx(HEIGHT * 400 / 550, abs=0.1)
    assert sum(rect[3] for rect in second) == pytest.approx(HEIGHT, abs=0.1)
    assert all(0 <= rect[1] <= HEIGHT and rect[1] + rect[3] <= HEIGHT + 0.1 for rect in rects(columns))
    assert "Layer 1: experts, 400 bytes" in columns.text


def test_a_model_without_layers_has_no_columns():
    figures = drawn((tensor("output.weight", 10),), {"F32": 10})
    assert [re.sub(":.*", "", figure.one("img")["aria-label"]) for figure in figures] == ["What they are for", "Types"]


def test_more_types_than_colours_share_the_last_one():
    mix = {f"Q{number}": 100 - number for number in range(8)}
    *_, types = drawn((tensor("output.weight", 10),), mix)
    fills = [node["class"] for node in types if node.tag == "rect" and "x" in node]
    assert fills == [f"fill-{min(number, len(KINDS) - 1)}" for number in range(8)]


def test_tensors_of_no_bytes_do_no_harm():
    figures = drawn((tensor("blk.0.attn_q.weight", 0),), {"F32": 0})
    assert all(0 <= value <= WIDTH for figure in figures for rect in rects(figure) for value in rect)
