"""What people type to say where a model is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeltab.domain.errors import BadRequest
from modeltab.domain.model_names import is_projector, quantization_of
from modeltab.sources.address import HUGGING_FACE, Address, parse, resolve_url

REPO = "bartowski/Llama-3.2-1B-Instruct-GGUF"
FILE = "Llama-3.2-1B-Instruct-Q4_K_M.gguf"
WHOLE = Address("hugging-face", repo=REPO, name=f"hf.co/{REPO}")
TAGGED = Address("hugging-face", repo=REPO, tag="Q4_K_M", name=f"hf.co/{REPO}:Q4_K_M")
ONE_FILE = Address(
    "hugging-face",
    url=f"{HUGGING_FACE}/{REPO}/resolve/main/{FILE}",
    file_name=FILE,
    repo=REPO,
    path=FILE,
    name=f"hf.co/{REPO}:{FILE}",
)

MEANINGS = {
    f"https://huggingface.co/{REPO}": WHOLE,
    f"https://huggingface.co/{REPO}/": WHOLE,
    f"http://www.huggingface.co/{REPO}?library=llama-cpp#how": WHOLE,
    f"huggingface.co/{REPO}": WHOLE,
    f"https://huggingface.co/{REPO}/tree/main": WHOLE,
    f"https://huggingface.co/{REPO}/discussions/3": WHOLE,
    f"https://huggingface.co/api/models/{REPO}": WHOLE,
    f"hf.co/{REPO}": WHOLE,
    f"hf://{REPO}": WHOLE,
    f"  hf.co/{REPO}:Q4_K_M\n": TAGGED,
    f"https://hf.co/{REPO}:Q4_K_M": TAGGED,
    f"ollama run hf.co/{REPO}:Q4_K_M": TAGGED,
    f"<https://huggingface.co/{REPO}>": WHOLE,
    f"https://huggingface.co/{REPO}/blob/main/{FILE}": ONE_FILE,
    f"https://huggingface.co/{REPO}/resolve/main/{FILE}?download=true": ONE_FILE,
    f"https://huggingface.co/{REPO}?show_file_info={FILE}": ONE_FILE,
    f"{REPO}/{FILE}": ONE_FILE,
    f"huggingface://{REPO}/{FILE}": ONE_FILE,
    "https://huggingface.co/a/b/tree/main/BF16": Address("hugging-face", repo="a/b", path="BF16", name="hf.co/a/b"),
    "https://huggingface.co/a/b/tree/v1.0": Address("hugging-face", repo="a/b", revision="v1.0"),
    "hf://a/b@refs%2Fpr%2F1": Address("hugging-face", repo="a/b", revision="refs%2Fpr%2F1"),
    "https://huggingface.co/a/b/tree/refs%2Fpr%2F1": Address("hugging-face", repo="a/b", revision="refs/pr/1"),
    "https://huggingface.co/a/b/blob/refs/pr/1/deep/x%20y.gguf": Address(
        "hugging-face",
        url=f"{HUGGING_FACE}/a/b/resolve/refs%2Fpr%2F1/deep/x%20y.gguf",
        file_name="x y.gguf",
        repo="a/b",
        revision="refs/pr/1",
        path="deep/x y.gguf",
    ),
    "llama3.2:1b": Address("ollama", tag="1b", name="llama3.2:1b"),
    "llama3.2": Address("ollama", name="llama3.2"),
    "ollama pull llama3.2:1b": Address("ollama", tag="1b", name="llama3.2:1b"),
    "library/llama3.2:1b": Address("ollama", tag="1b", name="llama3.2:1b"),
    "https://ollama.com/library/llama3.2:1b": Address("ollama", tag="1b", name="llama3.2:1b"),
    "ollama.com/library/llama3.2": Address("ollama", name="llama3.2"),
    "https://ollama.com/library/llama3.2/tags": Address("ollama", name="llama3.2"),
    "https://registry.ollama.ai/mike/tiny:q4": Address("ollama", tag="q4", name="mike/tiny:q4"),
    "https://example.com/models/x.gguf": Address("url", "https://example.com/models/x.gguf", "x.gguf"),
    "https://example.com/a%20b.gguf?key=1#top": Address("url", "https://example.com/a%20b.gguf?key=1", "a b.gguf"),
    "http://127.0.0.1:8000/x.gguf": Address("url", "http://127.0.0.1:8000/x.gguf", "x.gguf"),
    "example.com/models/x.gguf": Address("url", "https://example.com/models/x.gguf", "x.gguf"),
    "example.com/x.gguf": Address("url", "https://example.com/x.gguf", "x.gguf"),
    "localhost:8000/x.gguf": Address("url", "https://localhost:8000/x.gguf", "x.gguf"),
}


@pytest.mark.parametrize(("text", "meaning"), MEANINGS.items())
def test_each_way_of_writing_it_is_understood(text, meaning):
    assert parse(text) == meaning


@pytest.mark.parametrize("text", ["mike/tiny", "mike/tiny:q4"])
def test_a_name_that_may_be_on_either_is_both(text):
    tag = text.partition(":")[2]
    found = parse(text)
    assert found == Address(
        "hugging-face", repo="mike/tiny", tag=tag, name=f"hf.co/{text}", other=Address("ollama", tag=tag, name=text)
    )


def test_a_user_that_ollama_cannot_have_is_on_hugging_face():
    assert parse("first.last/model").other is None


REFUSED = {
    "": "Nothing is typed",
    "   ": "Nothing is typed",
    "tell me a joke": "a space",
    "C:\\models\\x.gguf": "backslash",
    "ftp://example.com/x.gguf": "begins with ftp://",
    "file:///home/me/x.gguf": "begins with file://",
    "javascript:alert(1)": "does not say where a model is",
    "https:///x.gguf": "names no host",
    "https://[broken/x.gguf": "not an address",
    "https://example.com:99999/x.gguf": "not an address",
    "https://me:secret@example.com/x.gguf": "user name or password",
    "https://example.com": "names no file",
    "https://huggingface.co": "names nothing",
    "https://huggingface.co/bartowski": "person or an organization",
    "https://huggingface.co/datasets/a/b": "a dataset",
    "https://huggingface.co/spaces/a/b": "a space",
    "https://huggingface.co/models?library=gguf": "the list of models",
    "https://huggingface.co/a--b/c": "not a repository's name",
    "https://huggingface.co/a/b:Q4 K": "a space",
    "hf.co/a/b:%20": "not the name of a quantization",
    "../../etc/passwd": "not a repository's name",
    "a/b/../../x.gguf": "not a file's place",
    "x.gguf": "a file's name",
    "pytorch_model.bin": "a file's name",
    "llama3.2:": "does not say where a model is",
    ":1b": "does not say where a model is",
    "https://ollama.com/download": "names no model",
    "https://ollama.com": "names no model",
    "library/a/b": "does not say where a model is",
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.items())
def test_what_means_nothing_is_refused_with_the_reason_and_what_to_do(text, reason):
    with pytest.raises(BadRequest, match=reason) as caught:
        parse(text)
    assert caught.value.advice
    assert "secret" not in repr(caught.value.record())


@given(st.text(max_size=120) | st.from_regex(r"(https?://|hf://)?[\w.:/@?#%-]{0,60}", fullmatch=True))
def test_nothing_that_is_typed_breaks_it(text):
    try:
        found = parse(text)
    except BadRequest:
        return
    assert found.kind in ("url", "hugging-face", "ollama")
    assert found.url.startswith(("http://", "https://")) or not found.url
    assert found.url or found.repo or found.name


def test_an_address_of_a_file_in_a_repository_is_escaped():
    assert (
        resolve_url("a/b", "c d/ü#?.gguf", "refs/pr/1") == f"{HUGGING_FACE}/a/b/resolve/refs%2Fpr%2F1/c%20d/%C3%BC%23%3F.gguf"
    )


QUANTIZATIONS = {
    FILE: "Q4_K_M",
    "SmolLM2-135M-Instruct.Q4_1.gguf": "Q4_1",
    "qwen2.5-0.5b-instruct-q4_k_m.gguf": "Q4_K_M",
    "Qwen3-0.6B-UD-Q4_K_XL.gguf": "UD-Q4_K_XL",
    "model-IQ4_XS.gguf": "IQ4_XS",
    "model-IQ3_XXS-00001-of-00002.gguf": "IQ3_XXS",
    "model.f16.gguf": "F16",
    "model-fp16.gguf": "F16",
    "model-BF16.gguf": "BF16",
    "gpt-oss-20b-mxfp4.gguf": "MXFP4",
    "model-TQ1_0.gguf": "TQ1_0",
    "model-Q8_0-Q4_K_S.gguf": "Q4_K_S",
    "model-Q4_0_4_4.gguf": "Q4_0_4_4",
    "model-16bit.gguf": "",
    "Qwen3-4B.gguf": "",
    "q4.gguf": "",
}


@pytest.mark.parametrize(("name", "quantization"), QUANTIZATIONS.items())
def test_the_quantization_is_read_from_a_name(name, quantization):
    assert quantization_of(name) == quantization


def test_a_projector_is_told_by_its_name():
    assert is_projector("mmproj-model-f16.gguf") and is_projector("gemma-3-4b-it-mmproj-BF16.gguf")
    assert not is_projector(FILE)
