"""What the name of a model file tells, by the habits of those who publish them (ggml's docs/gguf.md, "Naming convention")."""

import re

_QUANTIZATION = re.compile(
    r"(?<![A-Z0-9])(?:UD-)?(?:I?Q[1-8](?:_[0-9K](?:_[A-Z0-9]+)*|_[A-Z]{1,3})|TQ[12]_0|BF16|FP?(?:16|32)|MXFP4(?:_MOE)?|NVFP4)"
    r"(?![A-Z0-9])"
)
_FLOATS = {"FP16": "F16", "FP32": "F32"}


def quantization_span(name: str) -> tuple[int, int] | None:
    """Where the quantization stands in a name: the last one, where there are several. None where there is none."""
    found = list(_QUANTIZATION.finditer(name.upper()))
    return found[-1].span() if found else None


def quantization_of(name: str) -> str:
    """The quantization that a name tells, as llama.cpp writes it ("Q4_K_M", "UD-Q4_K_XL", "F16"); empty where it tells none."""
    span = quantization_span(name)
    if span is None:
        return ""
    found = name[span[0] : span[1]].upper()
    return _FLOATS.get(found, found)


def is_projector(name: str) -> bool:
    """Whether a file gives another model eyes or ears, and is none itself: llama.cpp finds it by this word."""
    return "mmproj" in name.lower()
