"""The memory that the engine takes in the app, against the estimate of modeltab.files.memory.

Models with weights of zero, which take the room of any others, beside the starter model. Each is loaded twice: as it is,
and with a heap that grows by no more than is asked for, whose size is then what is in use.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import gguf
import numpy as np
from common import ROOT, browser, serving
from playwright.sync_api import Browser, Page, expect, sync_playwright

from modeltab.files.gguf import read_header
from modeltab.files.memory import MemoryEstimate, estimate
from tests.e2e.memory import renderer_bytes
from tests.unit.gguf_files import CountedBytes, run

STARTER = ROOT / "static" / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
#: Makes every worker that wllama starts keep its memory where it can be looked at, and grow it exactly if EXACT.
HOOK = """(() => {
  const prelude = `{
    const {Memory} = WebAssembly;
    WebAssembly.Memory = new Proxy(Memory, {construct: (_, options) => self.engineHeap = new Memory(...options)});
    const {instantiate, instantiateStreaming} = WebAssembly;
    const wrapped = original => (code, imports) => {
      const name = "emscripten_resize_heap";
      if (EXACT && imports.env?.[name]) imports.env[name] = size => {
        try {
          self.engineHeap.grow(BigInt(Math.ceil((Number(size) - self.engineHeap.buffer.byteLength) / 65536)));
          return 1;
        } catch { return 0; }
      };
      return original.call(WebAssembly, code, imports);
    };
    WebAssembly.instantiate = wrapped(instantiate);
    WebAssembly.instantiateStreaming = wrapped(instantiateStreaming);
  }`;
  const create = URL.createObjectURL;
  URL.createObjectURL = object =>
    create.call(URL, object?.type === "text/javascript" ? new Blob([prelude, object], {type: object.type}) : object);
})()"""
STORE = """async input => {
  const root = await navigator.storage.getDirectory();
  const models = await root.getDirectoryHandle("models", {create: true});
  const file = input.files[0];
  const target = await (await models.getFileHandle(file.name, {create: true})).createWritable();
  await file.stream().pipeTo(target);
}"""


class Shape(NamedTuple):
    """What a synthetic model is like. `window`: tokens of a sliding window; `experts`: (how many, how many are used)."""

    architecture: str
    n_layer: int
    n_embd: int
    n_ff: int
    n_head: int
    n_head_kv: int
    head: int
    n_vocab: int
    type: str
    byte_pairs: bool = False
    tied: bool = False
    window: int = 0
    experts: tuple[int, int] | None = None


#: By name: the shape, the context, and whether the estimate's figures were found with it.
MODELS = {
    "llama-q8": (Shape("llama", 12, 512, 1536, 8, 4, 64, 32_000, "Q8_0", byte_pairs=True), 4096, True),
    "qwen2-q4": (Shape("qwen2", 20, 896, 4864, 14, 2, 64, 151_936, "Q4_0", byte_pairs=True, tied=True), 4096, True),
    "gemma3-q8": (Shape("gemma3", 18, 640, 2048, 4, 1, 256, 262_144, "Q8_0", tied=True, window=512), 4096, True),
    "llama-f16": (Shape("llama", 16, 1280, 4096, 20, 20, 64, 32_000, "F16"), 4096, True),
    "qwen3moe-q8": (Shape("qwen3moe", 6, 512, 384, 8, 2, 128, 32_000, "Q8_0", experts=(16, 4)), 4096, True),
    "qwen3-q4k": (Shape("qwen3", 20, 1024, 3072, 16, 8, 128, 100_000, "Q4_K", byte_pairs=True, tied=True), 8192, False),
    "gemma2-q6k": (Shape("gemma2", 12, 1280, 5120, 8, 4, 256, 128_000, "Q6_K", tied=True, window=4096), 8192, False),
}


def write(path: Path, shape: Shape) -> None:
    """A GGUF file of such a model, whose weights are zero."""
    writer = gguf.GGUFWriter(path, shape.architecture)
    writer.add_context_length(32_768)
    writer.add_embedding_length(shape.n_embd)
    writer.add_block_count(shape.n_layer)
    writer.add_feed_forward_length(shape.n_ff)
    writer.add_head_count(shape.n_head)
    writer.add_head_count_kv(shape.n_head_kv)
    writer.add_key_length(shape.head)
    writer.add_value_length(shape.head)
    writer.add_rope_dimension_count(shape.head)
    writer.add_layer_norm_rms_eps(1e-5)
    if shape.window:
        writer.add_sliding_window(shape.window)
    if shape.experts:
        writer.add_expert_count(shape.experts[0])
        writer.add_expert_used_count(shape.experts[1])
        writer.add_expert_feed_forward_length(shape.n_ff)
    add_vocabulary(writer, shape)
    for name, dimensions in tensors(shape):
        type_ = gguf.GGMLQuantizationType["F32" if len(dimensions) == 1 or "gate_inp" in name else shape.type]
        weights, size = gguf.GGML_QUANT_SIZES[type_]
        bytes_ = np.zeros((*dimensions[:-1], dimensions[-1] // weights * size), np.uint8)
        writer.add_tensor(name, bytes_, raw_dtype=type_)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_vocabulary(writer: gguf.GGUFWriter, shape: Shape) -> None:
    """Every byte as a token, and made-up ones."""
    if shape.byte_pairs:
        printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
        known = [chr(code) for code in printable] + [chr(256 + number) for number in range(256 - len(printable))]
        types = [gguf.TokenType.NORMAL] * len(known)
        known, types = [*known, "<s>", "</s>"], [*types, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    else:
        known = ["<unk>", "<s>", "</s>", *(f"<0x{code:02X}>" for code in range(256))]
        types = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL, *[gguf.TokenType.BYTE] * 256]
    made_up = shape.n_vocab - len(known)
    writer.add_tokenizer_model("gpt2" if shape.byte_pairs else "llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([*known, *(f"tok{number:07d}" for number in range(made_up))])
    writer.add_token_types([*types, *[gguf.TokenType.NORMAL] * made_up])
    writer.add_bos_token_id(known.index("<s>"))
    writer.add_eos_token_id(known.index("</s>"))
    if shape.byte_pairs:
        writer.add_token_merges([f"o k{number}" for number in range(made_up)])
    else:
        writer.add_token_scores([0.0] * shape.n_vocab)


def tensors(shape: Shape) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and dimensions, slowest first."""
    n_embd, n_ff, heads, kv_heads = shape.n_embd, shape.n_ff, shape.n_head * shape.head, shape.n_head_kv * shape.head
    yield "token_embd.weight", (shape.n_vocab, n_embd)
    yield "output_norm.weight", (n_embd,)
    if not shape.tied:
        yield "output.weight", (shape.n_vocab, n_embd)
    for layer in range(shape.n_layer):
        block = f"blk.{layer}."
        yield block + "attn_norm.weight", (n_embd,)
        yield block + "ffn_norm.weight", (n_embd,)
        for name, size in (("q", heads), ("k", kv_heads), ("v", kv_heads)):
            yield f"{block}attn_{name}.weight", (size, n_embd)
            if shape.architecture == "qwen2":
                yield f"{block}attn_{name}.bias", (size,)
        yield block + "attn_output.weight", (n_embd, heads)
        if shape.architecture in ("qwen3", "qwen3moe", "gemma3"):
            yield block + "attn_q_norm.weight", (shape.head,)
            yield block + "attn_k_norm.weight", (shape.head,)
        if shape.architecture in ("gemma2", "gemma3"):
            yield block + "post_attention_norm.weight", (n_embd,)
            yield block + "post_ffw_norm.weight", (n_embd,)
        experts = shape.experts[:1] if shape.experts else ()
        if experts:
            yield block + "ffn_gate_inp.weight", (*experts, n_embd)
        ending = "_exps.weight" if experts else ".weight"
        yield f"{block}ffn_gate{ending}", (*experts, n_ff, n_embd)
        yield f"{block}ffn_up{ending}", (*experts, n_ff, n_embd)
        yield f"{block}ffn_down{ending}", (*experts, n_embd, n_ff)


class Measured(NamedTuple):
    """Bytes: of the engine's heap when the model is loaded and has answered; of the page's process before, at most, then."""

    heap: int
    page: int
    highest: int
    process: int


def measure(chromium: Browser, url: str, path: Path, n_ctx: int, exact: bool) -> tuple[Measured, int]:
    """Load a model in the app and let it answer: what it took, and the threads it had."""
    context = chromium.new_context(service_workers="block")
    page = context.new_page()
    page.goto(url + "static/vendor/wllama/LICENSE")  # of the app's origin, without the app
    page.evaluate("() => document.body.append(Object.assign(document.createElement('input'), {type: 'file'}))")
    field = page.locator("input")
    field.set_input_files(path)
    field.evaluate(STORE)
    settings = {"parameters": {"temperature": 0, "max_tokens": 8, "n_ctx": n_ctx}, "model": f"in-tab/{path.name}"}
    connections = [{"id": "in-tab", "type": "in-tab", "name": "In this tab", "base_url": ""}]
    config = json.dumps(json.dumps({"version": 1, "connections": connections, "settings": settings}))
    page.add_init_script(f"localStorage.setItem('modeltab.config', {config})")
    page.add_init_script(HOOK.replace("EXACT", str(exact).lower()))
    page.goto(url)
    expect(page.locator("html")).to_have_attribute("data-state", "ready", timeout=60_000)
    before = renderer_bytes(chromium, page)
    page.get_by_role("textbox", name="Message").fill("Say hello.")
    page.keyboard.press("Enter")
    answer = page.locator("article[data-role=assistant]")
    expect(answer).to_be_visible()
    highest = before
    while answer.get_attribute("data-status") == "streaming":
        highest = max(highest, renderer_bytes(chromium, page))
        page.wait_for_timeout(100)
    expect(answer).to_have_attribute("data-status", "done")
    found = Measured(heap_bytes(page), before, highest, renderer_bytes(chromium, page))
    threads = int(page.evaluate("() => Math.min(navigator.hardwareConcurrency, 8)"))
    context.close()
    return found, threads


def heap_bytes(page: Page) -> int:
    """The size of the engine's heap. Its threads are workers too, but they wait for work and never answer."""
    engine = next(worker for worker in page.workers if "engine_worker.js" in worker.url)
    return int(engine.evaluate("() => self.engineHeap.buffer.byteLength"))


def estimated(path: Path, n_ctx: int, n_threads: int) -> MemoryEstimate:
    """What the app says of the file."""
    with ThreadPoolExecutor() as pool:  # Playwright's event loop has this thread
        header = pool.submit(run, read_header(CountedBytes(path), path.stat().st_size)).result()
    return estimate(header, n_ctx, n_threads=n_threads)


def compared(told: int, true: int) -> str:
    """Both in MB, and by how much the estimate is off."""
    return f"{told / 1e6:.0f} | {true / 1e6:.0f} | {100 * (told / true - 1):+.1f} %"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=["starter", *MODELS], help="which models")
    options = parser.parse_args()
    print("Megabytes; of the process: before, at most while the model loads, in the end")
    print("| model | file | context | in use: estimated | measured | off | heap: estimated | measured | off | process |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, serving(ROOT) as url, sync_playwright() as playwright:
        chromium = browser(playwright)
        for name in options.names:
            cases = [(STARTER, n_ctx, True) for n_ctx in (2048, 4096, 8192)]
            if name != "starter":
                shape, n_ctx, is_fitted = MODELS[name]
                path = Path(folder, f"{name}.gguf")
                write(path, shape)
                cases = [(path, n_ctx, is_fitted)]
            for path, n_ctx, is_fitted in cases:
                exact, n_threads = measure(chromium, url, path, n_ctx, exact=True)
                usual, _ = measure(chromium, url, path, n_ctx, exact=False)
                told = estimated(path, n_ctx, n_threads)
                print(
                    f"| {path.stem}{'' if is_fitted else ' *'} | {path.stat().st_size / 1e6:.0f} | {n_ctx}",
                    compared(told.in_heap, exact.heap),
                    compared(told.heap_size, usual.heap),
                    f"{usual.page / 1e6:.0f}, {usual.highest / 1e6:.0f}, {usual.process / 1e6:.0f} |",
                    sep=" | ",
                    flush=True,
                )
            if name != "starter":
                path.unlink()
    print("\n* not among the models that the estimate's figures were found with")


if __name__ == "__main__":
    main()
