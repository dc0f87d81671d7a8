"""What a model's file says: its figures, where its bytes are, its chat template on an example, every metadata key."""

from modeltab.domain.errors import ErrorRecord
from modeltab.files.values import Array, Header, ModelFacts, Scalar, Tensor, Value
from modeltab.state.store import FileDetails
from modeltab.views import file_picture
from modeltab.views import format as fmt
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import error_text

#: A text in the table of metadata is cut here; the chat template is shown whole in its own place.
_LONGEST = 400

_ROW = Template("<div><dt>{name}</dt><dd>{value}</dd></div>")
_FIGURES = Template('<dl class="details">{rows}</dl>')
_SECTION = Template('<section class="file-section" aria-label="{title}"><h3>{title}</h3>{body}</section>')
_FOLD = Template('<details class="fold"><summary>{title}</summary>{body}</details>')
_PRE = Template('<pre class="preview" tabindex="0" aria-label="{label}">{text}</pre>')
_TEXT = Template('<p class="field-hint">{text}</p>')
_METADATA = Template(
    '<div class="fold-scroll"><table class="plain-table" aria-label="Metadata"><thead><tr><th scope="col">Key</th>'
    '<th scope="col">Value</th></tr></thead><tbody>{rows}</tbody></table></div>'
)
_ENTRY = Template('<tr><th scope="row">{key}</th><td>{value}</td></tr>')
_TENSORS = Template(
    '<div class="fold-scroll"><table class="plain-table" aria-label="Tensors"><thead><tr><th scope="col">Name</th>'
    '<th scope="col">Shape</th><th scope="col">Type</th><th scope="col">Size</th></tr></thead>'
    "<tbody>{rows}</tbody></table></div>"
)
_TENSOR = Template('<tr><th scope="row">{name}</th><td>{shape}</td><td>{type}</td><td class="cell-number">{size}</td></tr>')


def figures(facts: ModelFacts, header: Header | None, size: int) -> list[tuple[str, str]]:
    """Name and value of each figure that is known."""
    roles = {
        "model": "",
        "projector": "a projector (mmproj): gives another model eyes or ears",
        "adapter": "an adapter (LoRA): changes another model",
        "vocabulary": "a vocabulary without a model",
    }
    rows = [
        ("Kind", roles[facts.role]),
        ("Title", facts.title),
        ("Architecture", facts.architecture),
        ("Parameters", parameters(facts.parameters)),
        ("Quantization", facts.quantization),
        ("Size of the file", fmt.size(size) if size else ""),
        ("Trained context", f"{facts.n_ctx_train:,} tokens" if facts.n_ctx_train else ""),
        ("Layers", str(facts.n_layers or "")),
        ("Embedding size", f"{facts.n_embd:,}" if facts.n_embd else ""),
        ("Vocabulary", f"{facts.n_vocab:,} tokens" if facts.n_vocab else ""),
        ("Tokenizer", facts.tokenizer),
        ("Chat template", "yes" if facts.chat_template else "none: the engine guesses one"),
        ("Licence", facts.licence),
        ("Part", f"{facts.shard[0]} of {facts.shard[1]}" if facts.shard else ""),
    ]
    if header:
        order = "big-endian" if header.big_endian else "little-endian"
        rows.append(("Format", f"GGUF {header.version}, {order}, {len(header.tensors):,} tensors"))
    return [(name, value) for name, value in rows if value]


def parameters(count: int) -> str:
    """How many weights, in words: "135 million", "7.24 billion"; a few are counted."""
    if not count:
        return ""
    if count < 1e6:
        return f"{count:,}"
    return f"{count / 1e9:.2f} billion" if count >= 1e9 else f"{count / 1e6:.0f} million"


def body(details: FileDetails) -> Html:
    """Everything but the figures: pictures, chat template, metadata, tensors."""
    if details.busy:
        return _TEXT(text="Reading the file's header…")
    if details.error:
        return _SECTION(title="File", body=error_text(details.error))
    header, facts = details.header, details.facts
    if header is None or facts is None:
        return EMPTY
    parts = []
    if header.tensors:
        parts.append(_SECTION(title="Where the bytes are", body=file_picture.pictures(header.tensors, facts.mix)))
    if facts.chat_template:
        parts.append(
            _SECTION(title="Chat template", body=_template(facts.chat_template, details.example, details.example_error))
        )
    parts.append(_FOLD(title=f"Metadata ({len(header.metadata)} keys)", body=_METADATA(rows=join(_entries(header)))))
    if header.tensors:
        table = _TENSORS(rows=join(map(_tensor, header.tensors)))
        parts.append(_FOLD(title=f"Tensors ({len(header.tensors):,})", body=table))
    return join(parts)


def figure_rows(rows: list[tuple[str, str]]) -> Html:
    """Names and values as a list."""
    return _FIGURES(rows=join(_ROW(name=name, value=value) for name, value in rows if value))


def _template(template: str, example: str, error: ErrorRecord | None) -> Html:
    shown = error_text(error) if error else _PRE(label="Example conversation as the model reads it", text=example)
    return join([shown, _FOLD(title="The template itself", body=_PRE(label="Chat template", text=template))])


def _entries(header: Header) -> list[Html]:
    return [_ENTRY(key=key, value=_value(value)) for key, value in header.metadata.items()]


def _value(value: Value) -> str:
    if isinstance(value, Array):
        more = ", …" if value.length > len(value.first) else ""
        return f"{value.length:,} × {value.type}: {', '.join(map(_scalar, value.first))}{more}"
    return _scalar(value)


def _scalar(value: Scalar | Array) -> str:
    if isinstance(value, Array):
        return f"[{value.length} × {value.type}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"


def _tensor(tensor: Tensor) -> Html:
    return _TENSOR(name=tensor.name, shape=" × ".join(map(str, tensor.shape)), type=tensor.type, size=fmt.size(tensor.size))
