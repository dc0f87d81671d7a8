"""A picture of where a model's bytes are: one column a layer, what is in it stacked by kind; and a bar of tensor types."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from modeltab.files.values import Tensor
from modeltab.views import format as fmt
from modeltab.views.html import Html, Template, join

#: In the viewBox's units; the page scales the picture to its width.
WIDTH, HEIGHT = 640, 150
_BAR_HEIGHT = 14

_PICTURE = Template(
    '<figure class="picture"><svg viewBox="0 0 640 150" role="img" aria-label="{label}" preserveAspectRatio="none">'
    "{columns}</svg>"
    '<figcaption class="legend">{legend}</figcaption></figure>'
)
_BAR = Template(
    '<figure class="picture"><svg class="picture-bar" viewBox="0 0 640 14" role="img" aria-label="{label}" '
    'preserveAspectRatio="none">{parts}</svg><figcaption class="legend">{legend}</figcaption></figure>'
)
_RECT = Template('<rect class="fill-{fill}" x="{x}" y="{y}" width="{width}" height="{height}"><title>{title}</title></rect>')
_LEGEND = Template(
    '<span class="legend-item"><svg class="legend-mark" viewBox="0 0 10 10" aria-hidden="true">'
    '<rect class="fill-{fill}" width="10" height="10" rx="2"></rect></svg>{text}</span>'
)

#: What a tensor is for, by the first of these that its name has: name, pattern.
_KINDS = (
    ("Experts", re.compile(r"_exps?\b|_exps|_shexp|ffn_gate_inp")),
    ("Attention", re.compile(r"attn|\.(?:wq|wk|wv|wo)\b|ssm|time_mix|shortconv")),
    ("Feed-forward", re.compile(r"ffn|mlp|channel_mix")),
    ("Embeddings", re.compile(r"embd|output\.|output$|mm\.")),
)
KINDS = (*(name for name, _ in _KINDS), "Other")
_LAYER = re.compile(r"(?:^|\.)blk\.(\d+)\.")


class Column(NamedTuple):
    """One column: a layer, or what is before or after them. `kinds`: bytes by kind."""

    name: str
    kinds: Mapping[str, int]


def columns(tensors: Iterable[Tensor]) -> list[Column]:
    """Bytes by layer and kind: what comes before the layers, each layer, what comes after."""
    first: Counter[str] = Counter()
    last: Counter[str] = Counter()
    layers: dict[int, Counter[str]] = {}
    for tensor in tensors:
        layer = _LAYER.search(tensor.name)
        outside = last if tensor.name.startswith("output") else first
        place = layers.setdefault(int(layer[1]), Counter()) if layer else outside
        place[_kind(tensor.name)] += tensor.size
    found = [Column("Input", first)] if first else []
    found += [Column(f"Layer {number}", layers[number]) for number in sorted(layers)]
    return [*found, Column("Output", last)] if last else found


def _kind(name: str) -> str:
    return next((kind for kind, pattern in _KINDS if pattern.search(name)), "Other")


def by_layer(tensors: Iterable[Tensor]) -> Html:
    """The picture by layer."""
    shown = columns(tensors)
    highest = max((sum(column.kinds.values()) for column in shown), default=0) or 1
    step = WIDTH / max(len(shown), 1)
    gap = min(2.0, step * 0.2)
    rects = []
    for number, column in enumerate(shown):
        top = float(HEIGHT)
        for place, kind in enumerate(KINDS):
            size = column.kinds.get(kind, 0)
            if size:
                height = size / highest * HEIGHT
                top -= height
                title = f"{column.name}: {kind.lower()}, {fmt.size(size)}"
                rects.append(_rect(place, number * step + gap / 2, top, step - gap, height, title))
    totals: Counter[str] = Counter()
    for column in shown:
        totals.update(column.kinds)
    used = [(place, kind) for place, kind in enumerate(KINDS) if totals[kind]]
    words = ", ".join(f"{kind.lower()} {fmt.size(totals[kind])}" for _, kind in used)
    layers = sum(column.name.startswith("Layer") for column in shown)
    return _PICTURE(
        label=f"Bytes by layer: {layers} layers; {words}",
        columns=join(rects),
        legend=join(_LEGEND(fill=place, text=f"{kind} {fmt.size(totals[kind])}") for place, kind in used),
    )


def by_type(mix: Mapping[str, int]) -> Html:
    """The bar of tensor types."""
    total = sum(mix.values()) or 1
    rects, legend, left = [], [], 0.0
    for place, (name, size) in enumerate(sorted(mix.items(), key=lambda item: -item[1])):
        width = size / total * WIDTH
        text = f"{name} {fmt.size(size)} ({size / total:.1%})"
        rects.append(_rect(min(place, len(KINDS) - 1), left, 0, width, _BAR_HEIGHT, text))
        legend.append(_LEGEND(fill=min(place, len(KINDS) - 1), text=text))
        left += width
    words = ", ".join(f"{name} {size / total:.0%}" for name, size in mix.items())
    return _BAR(label=f"Bytes by tensor type: {words}", parts=join(rects), legend=join(legend))


def _rect(fill: int, x: float, y: float, width: float, height: float, title: str) -> Html:
    return _RECT(fill=fill, x=f"{x:.2f}", y=f"{y:.2f}", width=f"{width:.2f}", height=f"{height:.2f}", title=title)
