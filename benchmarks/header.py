"""A GGUF file of 20 GB, only its header on disk: how long the app takes to tell what it is, and to parse that header.

`told`: from the choice in the dialog "Add model" until what the file is has been drawn, for the first file after a start of
the page and for the second, with the bytes that the page read of it. `parsed`: `read_header` in the app's Pyodide beside
npm's `@huggingface/gguf` in the same page, in turn, from the chosen file and from bytes in memory, which leaves the parsing
alone. Both tell the same entries and tensors, but Hugging Face's keeps every token and merge, and the app the first few.
"""

import argparse
import json
import random
import statistics
import tempfile
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from common import ROOT, browser, serving
from memory import Shape, tensors
from playwright.sync_api import BrowserContext, Page, Route, expect, sync_playwright

from benchmarks.figures import figure
from tests.e2e.conftest import App, configuration
from tools.packages import install_packages

PEER = ROOT / "node_modules/@huggingface"
#: 300 tensors, 20 GB.
SHAPE = Shape("llama", 33, 5120, 29_952, 40, 8, 128, 150_000, "Q8_0")
SYLLABLES = ("an", "be", "con", "de", "er", "fi", "ga", "in", "le", "or", "pa", "st", "un", "ère", "über", "的", "の", "ый")
TEMPLATE = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}" * 20
# Before anything of the page runs: every way to the bytes of a Blob counts them.
COUNT = """(() => {
  globalThis.taken = {bytes: 0, reads: 0};
  for (const name of ["arrayBuffer", "bytes", "stream", "text"]) {
    const original = Blob.prototype[name];
    if (original) Blob.prototype[name] = function () {
      taken.bytes += this.size;
      taken.reads += 1;
      return original.call(this);
    };
  }
})()"""
# Drawn: a task that begins after the frame with it.
LISTEN = """() => {
  globalThis.told = new Promise(resolve => {
    let chosen = 0;
    addEventListener("change", event => {
      chosen = event.timeStamp;
      globalThis.taken = {bytes: 0, reads: 0};
    }, {capture: true, once: true});
    const watch = new MutationObserver(() => {
      const summary = document.querySelector("dialog .candidate-summary");
      if (!summary || !chosen) return;
      watch.disconnect();
      requestAnimationFrame(() => {
        const {port1, port2} = new MessageChannel();
        port1.onmessage = () => resolve({ms: performance.now() - chosen, text: summary.textContent, ...taken});
        port2.postMessage(null);
      });
    });
    watch.observe(document.body, {childList: true, subtree: true});
  });
}"""
IN_PYTHON = """
import json
import js
from pyodide.ffi import create_proxy, to_js
from modeltab.browser.files import BrowserFile
from modeltab.files.gguf import read_header

def told(header):
    names = [[tensor.name, list(tensor.shape)] for tensor in header.tensors]
    return json.dumps([header.version, list(header.metadata), names, header.data_offset])

async def from_file(file):
    return await read_header(BrowserFile(file).read, file.size)

head = b""

def keep(buffer):
    global head
    head = buffer.to_bytes()

async def from_memory(file):
    async def read(start, end):
        return head[start:end]
    return await read_header(read, file.size)

last = None

async def parse(how, file):
    global last
    last = await (from_file if how == "file" else from_memory)(file)

steps = {"keep": keep, "parse": parse, "told": lambda: told(last)}
js.pyodide = to_js({name: create_proxy(step) for name, step in steps.items()}, dict_converter=js.Object.fromEntries)
"""
# <py-script> runs in the interpreter that the app runs in. `fetch` stands for a server that gives ranges of the file.
PREPARE = """async code => {
  const element = document.createElement("py-script");
  element.append(code);
  document.body.append(element);
  const {gguf} = await import(new URL("huggingface/gguf/dist/browser/index.mjs", location).href);
  while (!globalThis.pyodide) await new Promise(resolve => setTimeout(resolve, 20));
  globalThis.input = Object.assign(document.createElement("input"), {type: "file", id: "benchmark-file"});
  document.body.append(input);
  let head = null, last = null;
  const serve = (how, file) => async (_, {headers}) => {
    const [first, final] = headers.Range.match(/\\d+/g).map(Number);
    const body = how === "file" ? file.slice(first, final + 1) : head.subarray(first, final + 1);
    return new Response(body, {status: 206, headers: {"Content-Range": `bytes ${first}-${final}/${file.size}`}});
  };
  globalThis.peer = {
    keep(buffer) { head = new Uint8Array(buffer); },
    async parse(how, file) { last = await gguf("https://models.test/big.gguf", {fetch: serve(how, file)}); },
    told() {
      const own = ["version", "tensor_count", "kv_count"];
      const keys = Object.keys(last.metadata).filter(key => !own.includes(key));
      const tensors = last.tensorInfos.map(({name, shape}) => [name, shape.map(Number)]);
      return JSON.stringify([last.metadata.version, keys, tensors, Number(last.tensorDataOffset)]);
    },
  };
}"""
KEEP = """async size => {
  for (const where of ["pyodide", "peer"]) globalThis[where].keep(await input.files[0].slice(0, size).arrayBuffer());
}"""
MEASURE = """async ({where, how}) => {
  const file = input.files[0];
  const began = performance.now();
  await globalThis[where].parse(how, file);
  return {ms: performance.now() - began, told: globalThis[where].told()};
}"""
#: (where, how): `pyodide` is the app's interpreter, `peer` is @huggingface/gguf.
WAYS = [("pyodide", "file"), ("peer", "file"), ("pyodide", "memory"), ("peer", "memory")]


def write(path: Path, shape: Shape = SHAPE) -> int:
    """A GGUF file whose tensors are a hole; the bytes of its header."""
    writer = gguf.GGUFWriter(path, shape.architecture)
    writer.add_name("Benchmark")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_context_length(131_072)
    writer.add_embedding_length(shape.n_embd)
    writer.add_block_count(shape.n_layer)
    writer.add_feed_forward_length(shape.n_ff)
    writer.add_head_count(shape.n_head)
    writer.add_head_count_kv(shape.n_head_kv)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(1_000_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    tokens = vocabulary(shape.n_vocab)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(number) for number in range(len(tokens))])
    writer.add_token_types([gguf.TokenType.NORMAL] * len(tokens))
    writer.add_token_merges([f"{token[: len(token) // 2]} {token[len(token) // 2 :]}" for token in tokens])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(TEMPLATE)
    for name, dimensions in tensors(shape):
        type_ = gguf.GGMLQuantizationType["F32" if len(dimensions) == 1 else shape.type]
        weights, size = gguf.GGML_QUANT_SIZES[type_]
        writer.add_tensor_info(name, dimensions, np.dtype(np.float32), int(np.prod(dimensions)) // weights * size, type_)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    padded = [writer.ggml_pad(tensor.nbytes, writer.data_alignment) for tensor in writer.tensors[0].values()]
    writer.close()
    header = writer.ggml_pad(path.stat().st_size, writer.data_alignment)
    with path.open("r+b") as file:
        file.truncate(header + sum(padded))
    return int(header)


def vocabulary(count: int) -> list[str]:
    """So many tokens, each another, half of them with the space before a word as byte pairs have it."""
    chance = random.Random(0)
    tokens: dict[str, None] = {}
    while len(tokens) < count:
        tokens["Ġ" * chance.randrange(2) + "".join(chance.choices(SYLLABLES, k=chance.randint(1, 4)))] = None
    return list(tokens)


def tell(app: App, path: Path) -> dict[str, Any]:
    """What the app tells of a file, after how many ms, and the bytes and the reads that it took."""
    app.page.get_by_role("button", name="Add model", exact=True).first.click()
    dialog = app.page.get_by_role("dialog")
    field = dialog.get_by_label("Model file")
    expect(field).to_be_visible()
    app.page.wait_for_timeout(500)
    app.page.evaluate(LISTEN)
    field.set_input_files(path)
    found: dict[str, Any] = app.page.evaluate("() => globalThis.told")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    return found


def opened(context: BrowserContext, url: str) -> App:
    """The models' page, at rest."""
    page = context.new_page()
    config = json.dumps(json.dumps(configuration(None)))
    page.add_init_script(f"localStorage.setItem('modeltab.config', {config})")
    page.add_init_script(COUNT)
    app = App(page, url).open("#/models")
    page.wait_for_timeout(1000)
    return app


def prepare(page: Page, url: str, path: Path, header: int) -> None:
    """Both parsers in the app's page, with the file, and with the bytes of its header."""

    def peer(route: Route) -> None:
        source = (PEER / route.request.url.partition("/huggingface/")[2]).read_text(encoding="utf-8")
        tasks = f"{url}huggingface/tasks/dist/esm/gguf.js"  # all that is needed of that package
        route.fulfill(body=source.replace('"@huggingface/tasks"', json.dumps(tasks)), content_type="text/javascript")

    page.route(url + "huggingface/**", peer)
    page.evaluate(PREPARE, IN_PYTHON)
    page.locator("#benchmark-file").set_input_files(path)
    page.evaluate(KEEP, header + 4_000_000)  # the peer takes 2 MB at a time, up to two more than it needs


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    if not (PEER / "gguf").exists():
        install_packages(ROOT, for_tests=True)
    version = json.loads((PEER / "gguf/package.json").read_text(encoding="utf-8"))["version"]
    with tempfile.TemporaryDirectory() as folder, serving(ROOT) as url, sync_playwright() as playwright:
        path = Path(folder, "big.gguf")
        header = write(path)
        size = path.stat().st_size
        print(f"{size / 1e9:.1f} GB, its header {header / 1e6:.2f} MB; ms, median [min–max] of {options.runs}")
        context = browser(playwright).new_context()
        opened(context, url).page.close()  # fills the caches
        first, second = [], []
        for _ in range(options.runs):
            app = opened(context, url)
            first.append(tell(app, path))
            second.append(tell(app, path))
            app.page.close()
        print(f"told: “{first[0]['text']}”")
        for name, found in (("first", first), ("second", second)):
            (taken,) = {(each["bytes"], each["reads"]) for each in found}
            share = f"{taken[0]:,} bytes of the file in {taken[1]} reads"
            print(f"  {name:7}{figure([each['ms'] for each in found])}, {share}")
        page = opened(context, url).page
        prepare(page, url, path, header)
        times: dict[tuple[str, str], list[float]] = {way: [] for way in WAYS}
        for run in range(options.runs + 1):
            results = set()
            for where, how in WAYS if run % 2 else WAYS[::-1]:  # a machine that slows down must not favour either
                measured = page.evaluate(MEASURE, {"where": where, "how": how})
                results.add(json.dumps(json.loads(measured["told"])))
                if run:  # the first one warms up
                    times[where, how].append(measured["ms"])
            assert len(results) == 1, "they tell different things"
    print(f"parsed, @huggingface/gguf {version}")
    for how in ("file", "memory"):
        ours, theirs = times["pyodide", how], times["peer", how]
        ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
        print(f"  {how:7}Pyodide {figure(ours):14} @huggingface/gguf {figure(theirs):18} {ratio:.1f} times as long")


if __name__ == "__main__":
    main()
