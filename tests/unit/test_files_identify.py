"""Files that are no GGUF: what each is, by its bytes, and what to do instead."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import struct
import tarfile
import zipfile

import pytest

from modeltab.files.inspect import inspect
from modeltab.files.pickles import OLD_CHECKPOINT, imports_of
from tests.servers.model_files import small_gguf
from tests.unit.gguf_files import CountedBytes, run, whole_file

SHA256 = "0123456789abcdef" * 4


def inspected(data, name="model.gguf", size=None):
    """What a file with these bytes is, and with zeros behind them up to a size. It is never a model."""
    counted = CountedBytes(data.encode() if isinstance(data, str) else data, size)
    found = run(inspect(name, counted.size, counted))
    assert found.error and found.error.message and found.error.advice
    assert (found.name, found.size) == (name, counted.size)
    assert not (found.stored_name or found.header or found.facts or found.parts)
    return found


# Signatures


SIGNATURES = [
    ("Keras", b"\x89HDF\r\n\x1a\n", "HDF5 file, as Keras writes its models"),
    ("zstd", bytes.fromhex("28b52ffd"), "zstd archive"),
    ("xz", b"\xfd7zXZ\0", "xz archive"),
    ("bzip2", b"BZh9", "bzip2 archive"),
    ("7-Zip", bytes.fromhex("377abcaf271c"), "7-Zip archive"),
    ("RAR", b"Rar!\x1a\x07\x01\0", "RAR archive"),
    ("tar", bytes(257).replace(b"\0", b"n", 5) + b"ustar\x0000", "tar archive"),
    ("TensorFlow Lite", b"\x1c\0\0\0TFL3", "TensorFlow Lite model"),
    ("NumPy", b"\x93NUMPY\x01\0", "NumPy array"),
    ("PNG", b"\x89PNG\r\n\x1a\n", "picture (PNG)"),
    ("JPEG", b"\xff\xd8\xff\xe0", "picture (JPEG)"),
    ("GIF", b"GIF89a", "picture (GIF)"),
    ("WebP", b"RIFF\x24\0\0\0WEBPVP8 ", "picture (WebP)"),
    ("video", b"\0\0\0\x20ftypisom", "video"),
    ("PDF", b"%PDF-1.7\n", "PDF document"),
    ("SQLite", b"SQLite format 3\0", "SQLite database"),
    ("Linux", b"\x7fELF\x02\x01\x01", "program for Linux"),
    ("macOS", bytes.fromhex("cffaedfe"), "program for macOS"),
    ("llamafile", b"MZqFpD='\n", "llamafile, a program with a model in it"),
    ("Windows", b"MZ\x90\0", "program for Windows"),
]


@pytest.mark.parametrize(("start", "format_"), [case[1:] for case in SIGNATURES], ids=[case[0] for case in SIGNATURES])
def test_a_signature_is_known_whatever_the_name(start, format_):
    found = inspected(start + b"\x01\x02\x80" * 100)
    assert found.format == format_
    assert found.error and found.error.message.startswith(f"It is a {format_}")


def test_what_to_do_depends_on_what_it_is():
    advice = {name: inspected(start + bytes(99)).error.advice for name, start, _ in SIGNATURES}
    assert "convert" in advice["Keras"]
    assert "Unpack" in advice["zstd"]
    assert "Choose" in advice["PNG"]
    assert "Download the model itself" in advice["llamafile"]


def test_a_real_tar_archive_is_known():
    assert inspected(tar_of(small_gguf())).format == "tar archive"


def test_what_is_in_a_gzip_archive_is_looked_at():
    assert inspected(gzip.compress(small_gguf())).format == "GGUF file, compressed with gzip"
    assert inspected(gzip.compress(tar_of(b"x"))).format == "tar archive, compressed with gzip"
    assert inspected(gzip.compress(b"text")).format == "gzip archive"
    assert inspected(b"\x1f\x8b\x08 damaged").format == "gzip archive"


@pytest.mark.parametrize(
    ("data", "format_"),
    [
        (b"\x08\x07\x12\x07pytorch\x1a\x032.1:\x10", "ONNX model"),
        (b"\x08\x08\x12\x00\x1a\x02ab\x22\x00", "ONNX model"),
        (b"\x08\x0a\x3a\x90\x01\x0a\x05graph", "ONNX model"),
        (b"\x08\x01\x12\x90\x4a\x0a\x05\x12\x03", "TensorFlow SavedModel"),
        (b"\x08\x04\x12\x20\x0a\x1e\x0a\x05input\x80", "Core ML model"),
    ],
)
def test_messages_of_protobuf_are_told_apart(data, format_):
    found = inspected(data + b"\x80\x01")
    assert found.format == format_
    assert "convert" in found.error.advice


def test_a_core_ml_model_is_told_by_its_name_too():
    assert inspected(b"\x08\x01\x1a\x20\x80\x81\x82\x83", "a.mlmodel").format == "Core ML model"


# Nothing, or nothing that is known


def test_a_file_that_is_empty_says_so():
    found = inspected(b"")
    assert (found.format, found.error.message) == ("empty file", "It is empty: 0 bytes.")


def test_zeros_are_a_download_that_was_never_filled():
    assert inspected(bytes(3)).error.message.startswith("It begins with 3 zero bytes")
    found = inspected(b"\0", size=4_000_000_000)
    assert (found.format, found.error.advice) == ("zeros", "Download it again.")


def test_what_is_unknown_tells_how_it_begins():
    found = inspected(b"\x91\x92\x93\x94" * 100)
    assert (found.format, found.error.detail) == ("unknown", f"begins with {'91 92 93 94 ' * 4}".rstrip())
    assert "Choose a model file" in found.error.advice


@pytest.mark.parametrize("data", [b"\x08", b"\xff", b"\xe6\x97", b"\xff\xfe\0", b"\x80\x02", b"ab\xff", b"\x08\x01\x12"])
def test_a_few_bytes_are_unknown_too(data):
    assert inspected(data).format == "unknown"


@pytest.mark.parametrize(
    "ending", [".crdownload", ".part", ".partial", ".download", ".incomplete", ".aria2", ".tmp", ".!qB", ".PART"]
)
def test_a_download_that_is_not_complete_is_told_by_its_ending(ending):
    assert "let it complete" in inspected(b"\x91\x92\x93\x94" * 100, f"model.gguf{ending}").error.advice


# Texts


LFS = f"version https://git-lfs.github.com/spec/v1\noid sha256:{SHA256}\nsize 4100000000\n"


def test_a_git_lfs_pointer_tells_how_large_the_file_is():
    found = inspected(LFS)
    assert found.format == "Git LFS pointer"
    assert "a file of 4.1 GB" in found.error.message
    assert "git lfs pull" in found.error.advice
    assert SHA256 in found.error.detail


def test_a_text_about_git_lfs_is_no_pointer():
    assert inspected("version https://git-lfs.github.com/spec/v1\nand more").format == "text"


PAGES = [
    "<!DOCTYPE html><html><head><title>Sign in</title></head></html>",
    "\n  <html lang='en'><title data-x='1'> Sign in </title>",
    "\ufeff<!doctype HTML>\n<title>Sign in\n</title>",
    "<!-- saved --> <HTML><TITLE>Sign in</TITLE>",
]


@pytest.mark.parametrize("page", PAGES)
def test_a_web_page_tells_its_title(page):
    found = inspected(page)
    assert (found.format, found.error.detail) == ("web page", "Sign in")
    assert "web page" in found.error.message


def test_a_web_page_may_have_no_title():
    assert inspected("<body>404</body>").error.detail == ""


def test_an_xml_text_is_a_storages_error():
    found = inspected('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>')
    assert found.format == "XML"
    assert "AccessDenied" in found.error.detail


MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "layers": [
            {"mediaType": "application/vnd.ollama.image.license", "digest": "sha256:fedc", "size": 11_000},
            {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{SHA256}", "size": 2_019_377_376},
        ],
    }
)


def test_a_manifest_of_ollama_tells_which_blob_is_the_model():
    found = inspected(MANIFEST, "latest")
    assert found.format == "Ollama manifest"
    assert "a model of 2.0 GB" in found.error.message
    assert f"sha256-{SHA256}" in found.error.advice


def test_a_manifest_of_ollama_may_lack_the_size():
    assert "manifest of a model, not" in inspected(MANIFEST.replace("2019377376", "null")).error.message


@pytest.mark.parametrize(
    ("value", "format_"),
    [
        ({"mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": []}, "manifest"),
        ({"metadata": {"total_size": 1}, "weight_map": {"a": "model-00001-of-00002.safetensors"}}, "safetensors index"),
        ({"architectures": ["LlamaForCausalLM"], "hidden_size": 1}, "model configuration"),
        ({"model_type": "llama"}, "model configuration"),
        ({"version": "1.0", "model": {"type": "BPE", "vocab": {}}}, "tokenizer"),
        ({"error": ""}, "JSON"),
        ({"error": "a field of seven", **dict.fromkeys("abcdef", 1)}, "JSON"),
        ([1, 2], "JSON"),
    ],
)
def test_json_texts_are_told_apart(value, format_):
    assert inspected(json.dumps(value, indent=1)).format == format_


@pytest.mark.parametrize(
    "value",
    [
        {"error": "Repository not found"},
        {"error": {"message": "Repository not found", "code": 404}},
        {"detail": "Repository not found"},
        {"errors": ["Repository not found"]},
    ],
)
def test_a_servers_error_message_is_told(value):
    found = inspected(json.dumps(value))
    assert found.format == "error message"
    assert "Repository not found" in found.error.message


def test_json_that_is_not_whole_is_json():
    assert inspected('{"architectures": ["Llama').format == inspected("\ufeff[1").format == "JSON"


def test_a_configuration_longer_than_the_first_page_is_read():
    assert inspected(json.dumps({"a": "x" * 100_000, "model_type": "llama"})).format == "model configuration"


def test_any_other_text_is_a_text():
    found = inspected("# A model\n\tof “ours” 🙂\r\n")
    assert (found.format, found.error.detail) == ("text", "# A model\n\tof “ours” 🙂\r\n")


@pytest.mark.parametrize("before", range(4))
def test_a_character_that_the_first_page_cuts_is_no_harm(before):
    assert inspected("a" * before + "日🙂" * 2000).format == "text"


def test_a_text_with_a_wrong_byte_is_none():
    for data in (b"text \xff", b"text \xff more text", b"\x01 text", "text \x85".encode()):
        assert inspected(data).format == "unknown"


# safetensors


def safetensors(entries=None, data=bytes(64), metadata=None):
    """A safetensors file, with two tensors where nothing else is wanted."""
    entries = entries or {
        "model.embed.weight": {"dtype": "BF16", "shape": [4, 4], "data_offsets": [0, 32]},
        "model.norm.weight": {"dtype": "BF16", "shape": [16], "data_offsets": [32, 64]},
    }
    header = json.dumps(entries | ({"__metadata__": metadata} if metadata else {})).encode()
    return struct.pack("<Q", len(header)) + header + data


def test_a_safetensors_file_that_is_whole_tells_what_is_in_it():
    found = inspected(safetensors(metadata={"format": "pt"}), "model.safetensors")
    assert found.format == "safetensors"
    assert found.error.message == "It is a model in safetensors (2 tensors: 2 BF16), which no runtime here loads."
    assert "convert_hf_to_gguf.py" in found.error.advice
    assert "pt" in found.error.detail


def test_a_safetensors_file_that_is_cut_off_in_its_data():
    whole = safetensors({"a": {"dtype": "F16", "shape": [2_000_000], "data_offsets": [0, 4_000_000]}}, bytes(1_000_000))
    assert inspected(whole).error.message == "It is a safetensors file that is cut off: 1.0 of 4.0 MB are there."
    assert "cut off" in inspected(safetensors()[:-1]).error.message


def test_a_safetensors_file_that_is_cut_off_in_its_header():
    data = safetensors()
    for end in (9, 20, len(data) - 65):
        assert inspected(data[:end]).error.message == (
            f"It is a safetensors file that is cut off: its {end} bytes end within its header."
        )


@pytest.mark.parametrize("wrong", [b"{" * 50, b'{"a": \xff\xfe}', b'{"a": 1} and', b"{" + b"[" * 9000])
def test_a_safetensors_file_with_a_damaged_header(wrong):
    assert "header is damaged" in inspected(struct.pack("<Q", len(wrong)) + wrong + bytes(50)).error.message


@pytest.mark.parametrize(
    ("tensor", "metadata", "words"),
    [
        ("base_model.layers.0.q_proj.lora_A.weight", None, "a LoRA adapter"),
        ("lora_unet_down.lora_down.weight", None, "a LoRA adapter"),
        ("model.embed.weight", {"format": "mlx"}, "a model for MLX"),
        ("model.layers.0.q_proj.scales", None, "a model for MLX"),
        ("model.layers.0.q_proj.qweight", None, "GPTQ, AWQ or EXL2"),
        ("model.layers.0.q_proj.q_weight", None, "GPTQ, AWQ or EXL2"),
    ],
)
def test_kinds_of_safetensors_are_told_apart(tensor, metadata, words):
    entries = {tensor: {"dtype": "U32", "shape": [16], "data_offsets": [0, 64]}}
    found = inspected(safetensors(entries, metadata=metadata))
    assert words in found.error.message
    assert ("convert_lora_to_gguf.py" in found.error.advice) == ("LoRA" in words)


def test_the_usual_tensors_of_gptq_are_no_mlx():
    names = ("qweight", "qzeros", "scales", "g_idx")
    entries = {f"model.layers.0.q_proj.{name}": {"dtype": "I32", "shape": [4], "data_offsets": [0, 16]} for name in names}
    assert "GPTQ" in inspected(safetensors(entries)).error.message


def test_the_header_of_safetensors_may_be_too_large_to_read():
    counted = CountedBytes(struct.pack("<Q", 50_000_000) + b'{"', 200_000_000)
    found = run(inspect("a", counted.size, counted))
    assert found.error and "a model in safetensors, which" in found.error.message
    assert counted.bytes_read == 4096


# Pickles and checkpoints


def program(*names, end=b"N."):
    """A pickle that imports these names and does nothing with them."""
    return b"\x80\x02" + b"".join(b"c" + name.encode().replace(b" ", b"\n") + b"\n0" for name in names) + end


WEIGHTS = program("torch._utils _rebuild_tensor_v2", "torch FloatStorage", "collections OrderedDict")


class Runs:
    """Runs a command when it is loaded, which nothing here does."""

    def __reduce__(self):
        return os.system, ("true",)


def archive(files, compression=zipfile.ZIP_STORED):
    """A zip archive with these files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as target:
        for name, content in files.items():
            target.writestr(name, content)
    return stream.getvalue()


def tar_of(content):
    """A tar archive with one file."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as target:
        item = tarfile.TarInfo("model.gguf")
        item.size = len(content)
        target.addfile(item, io.BytesIO(content))
    return stream.getvalue()


def checkpoint(pickled=WEIGHTS, compression=zipfile.ZIP_STORED, **more):
    """A checkpoint as `torch.save` writes it since 1.6."""
    files = {"archive/data.pkl": pickled, "archive/data/0": bytes(500), "archive/version": b"3\n"}
    return archive(files | more, compression)


def old_checkpoint(pickled=WEIGHTS):
    """A checkpoint as `torch.save` wrote it before 1.6."""
    about = (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True})
    return b"".join(pickle.dumps(value, 2) for value in about) + pickled + pickle.dumps(["0"], 2) + bytes(100)


def test_a_checkpoint_of_pytorch_is_a_program():
    found = inspected(checkpoint(), "pytorch_model.bin")
    assert found.format == "PyTorch checkpoint"
    assert "a program in Python" in found.error.message
    assert "convert_hf_to_gguf.py" in found.error.advice
    assert found.error.detail == "torch._utils._rebuild_tensor_v2, torch.FloatStorage and collections.OrderedDict"
    assert found.notes == ()


def test_a_checkpoint_from_before_1_6():
    data = old_checkpoint()
    assert data.startswith(OLD_CHECKPOINT)
    found = inspected(data, "model.pt")
    assert (found.format, found.notes) == ("PyTorch checkpoint (before 1.6)", ())


def test_a_pickle_with_tensors_and_one_without():
    assert inspected(WEIGHTS).format == "pickle with PyTorch tensors"
    for protocol in (2, 3, 4, 5):
        assert inspected(pickle.dumps({"a": [1, 2.5, "text"]}, protocol)).format == "Python pickle"


TAMPERED = {
    "a pickle": pickle.dumps(Runs(), 4),
    "a pickle of protocol 2": pickle.dumps({"weights": Runs()}, 2),
    "a checkpoint": checkpoint(pickle.dumps(Runs(), 2)),
    "a compressed checkpoint": checkpoint(pickle.dumps([1, Runs()], 4), zipfile.ZIP_DEFLATED),
    "an old checkpoint": old_checkpoint(pickle.dumps(Runs(), 2)),
    "another pickle of a checkpoint": checkpoint(**{"archive/more.pkl": pickle.dumps(Runs())}),
}


@pytest.mark.parametrize("data", TAMPERED.values(), ids=TAMPERED)
def test_a_pickle_that_would_run_something_says_what(data):
    found = inspected(data)
    assert f"it would run {os.system.__module__}.system" in found.error.message
    assert found.error.advice.startswith("Delete it")
    assert "Nothing of it was run here" in found.notes[0]


@pytest.mark.parametrize(
    "name",
    [
        "builtins exec",
        "__builtin__ eval",
        "builtins getattr",
        "subprocess Popen",
        "torch load",
        "torch.hub load",
        "torch.storage _load_from_bytes",
        "importlib import_module",
        "webbrowser open",
    ],
)
def test_what_runs_code_is_named(name):
    found = imports_of(program("collections OrderedDict", name))
    assert found.running == (name.replace(" ", "."),)
    assert found.unusual == ()


@pytest.mark.parametrize(
    "name",
    [
        "torch._utils _rebuild_tensor_v2",
        "torch BFloat16Storage",
        "torch.nn.modules.linear Linear",
        "torch.nn.parameter Parameter",
        "numpy._core.multiarray scalar",
        "numpy dtype",
        "_codecs encode",
        "__builtin__ set",
        "argparse Namespace",
    ],
)
def test_what_weights_need_is_not_named(name):
    found = imports_of(program(name))
    assert found.names == (name.replace(" ", "."),)
    assert (found.running, found.unusual, found.whole) == ((), (), True)


def test_what_weights_do_not_need_is_named():
    found = inspected(checkpoint(program("pytorch_lightning.callbacks ModelCheckpoint")))
    assert "would import pytorch_lightning.callbacks.ModelCheckpoint, which weights do not need" in found.notes[0]
    assert "Delete" not in found.error.advice


def test_a_name_behind_a_layers_module_is_no_layer():
    hidden = b"\x80\x04\x8c\x17torch.nn.modules.module\x8c\x0ftorch.os.system\x93."
    assert imports_of(hidden).unusual == ("torch.nn.modules.module.torch.os.system",)


def test_names_that_come_from_the_memo_are_found():
    data = b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94NN\x30h\x00h\x01\x93."
    assert imports_of(data).running == ("os.system",)


@pytest.mark.parametrize("data", [b"\x80\x04\x8c\x02os\x94NN\x30h\x00h\x09\x93.", b"\x80\x02\x82\x01.", b"\x80\x04NN\x93."])
def test_a_name_that_is_hidden_counts_as_running(data):
    assert imports_of(data).running == ("something whose name is hidden",)


def test_what_comes_before_damage_is_known():
    found = imports_of(program("os system", end=b"\xff\xff"))
    assert (found.running, found.whole) == (("os.system",), False)
    assert "Only a part" in inspected(program("collections OrderedDict", end=b"")).notes[0]


def test_a_program_without_end_is_given_up():
    found = imports_of(b"\x80\x02" + b"N0" * 250_000 + b"cos\nsystem\n.")
    assert found == ((), False)


# Archives


@pytest.mark.parametrize(
    ("names", "format_"),
    [
        (["a/data.pkl", "a/constants.pkl", "a/code/__torch__.py"], "TorchScript model"),
        (["model.gguf", "readme.txt"], "zip archive with a GGUF file in it"),
        (["a.npy", "b.npy"], "NumPy archive (.npz)"),
        (["metadata.json", "config.json", "model.weights.h5"], "Keras model"),
        (["Manifest.json", "Data/com.apple.CoreML/model.mlmodel"], "Core ML package"),
        (["[Content_Types].xml", "word/document.xml"], "document of an office program"),
        (["META-INF/MANIFEST.MF", "A.class"], "Java archive"),
        (["m/saved_model.pb", "m/variables/variables.index"], "zip archive with a TensorFlow SavedModel"),
        (["m/model.safetensors"], "zip archive with a model in it"),
        (["holiday.jpg"], "zip archive"),
        ([], "zip archive"),
    ],
)
def test_what_an_archive_is_depends_on_its_files(names, format_):
    assert inspected(archive(dict.fromkeys(names, WEIGHTS))).format == format_


def test_an_archive_that_is_cut_off_says_so():
    assert "damaged or cut off" in inspected(checkpoint()[:-30]).error.message


def test_the_weights_in_a_checkpoint_are_not_read():
    counted = CountedBytes(checkpoint(**{"archive/data/1": bytes(5_000_000)}))
    found = run(inspect("a.bin", counted.size, counted))
    assert found.format == "PyTorch checkpoint"
    assert counted.bytes_read < 300_000


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_pickle_that_cannot_be_looked_at_is_noted(compression):
    found = inspected(checkpoint(compression=compression))
    assert (found.format, found.notes) == ("PyTorch checkpoint", ("Only a part of its program could be looked at.",))


def test_a_pickle_that_is_damaged_in_its_archive_is_noted():
    data = checkpoint().replace(b"_rebuild_tensor_v2", b"_rebuild_tensor_v3", 1)
    assert "Only a part" in inspected(data).notes[0]


def test_more_pickles_than_are_looked_at_are_noted():
    many = {f"archive/{n}.pkl": WEIGHTS for n in range(9)}
    assert "Only a part" in inspected(checkpoint(**many)).notes[0]


def test_two_pickles_of_one_name_are_noted():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target, pytest.warns(UserWarning, match="Duplicate"):
        target.writestr("archive/data.pkl", pickle.dumps(Runs(), 2))
        target.writestr("archive/data.pkl", WEIGHTS)
    assert "Only a part" in inspected(stream.getvalue()).notes[0]


def test_only_the_beginning_of_a_large_pickle_is_inflated():
    length = 5_000_000
    data = checkpoint(b"\x80\x02X" + struct.pack("<I", length) + b"a" * length + b".", zipfile.ZIP_DEFLATED)
    assert "Only a part" in inspected(data).notes[0]


#: Small files of every family, for tests of what bytes can do.
SAMPLES: dict[str, bytes] = {
    "gguf": small_gguf(400),
    "gguf with every type": whole_file(),
    "safetensors": safetensors(metadata={"format": "pt"}),
    "lfs": LFS.encode(),
    "page": PAGES[0].encode(),
    "manifest": MANIFEST.encode(),
    "pickle": TAMPERED["a pickle"],
    "old checkpoint": old_checkpoint(),
    "checkpoint": checkpoint(),
    "compressed checkpoint": checkpoint(compression=zipfile.ZIP_DEFLATED),
    "gzip": gzip.compress(small_gguf(400)),
    "onnx": b"\x08\x07\x12\x07pytorch\x1a\x032.1:\x10" + bytes(20),
    "ggml": b"tjgg" + struct.pack("<8I", 3, 300, 64, 32, 4, 2, 16, 1) + bytes(300),
    "zeros": bytes(40),
}
