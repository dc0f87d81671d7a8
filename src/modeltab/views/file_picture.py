"""Pictures of where a model's bytes are: by purpose, by layer (one column each, what is in it stacked), by tensor type."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from modeltab.files.values import Tensor
from modeltab.views import format as fmt
from modeltab.views.html import EMPTY, Html, Template, join

#: In the viewBox's units; the page scales the picture to its width.
WIDTH, HEIGHT = 640, 150
_BAR_HEIGHT = 14

_PICTURE = Template(
    '<figure class="picture"><h4>{title}</h4><svg viewBox="0 0 640 {height}" class="{kind}" role="img" aria-label="{label}" '
    'preserveAspectRatio="none">{rects}</svg>{legend}</figure>'
)
_CAPTION = Template('<figcaption class="legend">{items}</figcaption>')
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


def pictures(tensors: Sequence[Tensor], mix: Mapping[str, int]) -> Html:
    """What the bytes are for, how they lie in the layers, and of which types they are."""
    kinds: Counter[str] = Counter()
    for tensor in tensors:
        kinds[_kind(tensor.name)] += tensor.size
    parts = [_bar("What they are for", [(place, kind, kinds[kind]) for place, kind in enumerate(KINDS) if kinds[kind]])]
    found = layers(tensors)
    if found:
        parts.append(_columns(found))
    ordered = sorted(mix.items(), key=lambda item: -item[1])
    parts.append(_bar("Types", [(min(place, len(KINDS) - 1), name, size) for place, (name, size) in enumerate(ordered)]))
    return join(parts)


def layers(tensors: Iterable[Tensor]) -> list[Mapping[str, int]]:
    """Bytes by kind of each layer, in order."""
    found: dict[int, Counter[str]] = {}
    for tensor in tensors:
        layer = _LAYER.search(tensor.name)
        if layer:
            found.setdefault(int(layer[1]), Counter())[_kind(tensor.name)] += tensor.size
    return [found[number] for number in sorted(found)]


def _kind(name: str) -> str:
    return next((kind for kind, pattern in _KINDS if pattern.search(name)), "Other")


def _columns(found: Sequence[Mapping[str, int]]) -> Html:
    highest = max(sum(layer.values()) for layer in found) or 1
    step = WIDTH / len(found)
    gap = min(2.0, step * 0.2)
    rects = []
    for number, layer in enumerate(found):
        top = float(HEIGHT)
        for place, kind in enumerate(KINDS):
            size = layer.get(kind, 0)
            if size:
                height = size / highest * HEIGHT
                top -= height
                title = f"Layer {number}: {kind.lower()}, {fmt.size(size)}"
                rects.append(_rect(place, number * step + gap / 2, top, step - gap, height, title))
    label = f"{len(found)} layers, of at most {fmt.size(highest)}"
    return _PICTURE(title=label, kind="picture-columns", height=HEIGHT, label=label, rects=join(rects), legend=EMPTY)


def _bar(title: str, parts: Sequence[tuple[int, str, int]]) -> Html:
    """One bar of parts: (fill, name, bytes)."""
    total = sum(size for _, _, size in parts) or 1
    rects, legend, left = [], [], 0.0
    for fill, name, size in parts:
        width = size / total * WIDTH
        text = f"{name} {fmt.size(size)} ({size / total:.1%})"
        rects.append(_rect(fill, left, 0, width, _BAR_HEIGHT, text))
        legend.append(_LEGEND(fill=fill, text=text))
        left += width
    label = f"{title}: " + ", ".join(f"{name} {size / total:.0%}" for _, name, size in parts)
    caption = _CAPTION(items=join(legend))
    return _PICTURE(title=title, kind="picture-bar", height=_BAR_HEIGHT, label=label, rects=join(rects), legend=caption)


def _rect(fill: int, x: float, y: float, width: float, height: float, title: str) -> Html:
    return _RECT(fill=fill, x=f"{x:.2f}", y=f"{y:.2f}", width=f"{width:.2f}", height=f"{height:.2f}", title=title)
