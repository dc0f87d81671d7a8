"""The dialog "Add model": what was chosen or named, what each is and where it will run, and the destination."""

from modeltab.domain.catalogue import CatalogueEntry
from modeltab.domain.models import model_key
from modeltab.files.fit import Fit
from modeltab.files.shards import ShardSet
from modeltab.sources.hugging_face import Choice
from modeltab.sources.hugging_face import wanted as recommended
from modeltab.state.places import fit_of
from modeltab.state.store import Candidate, Choices, Dialog, Facts, State
from modeltab.state.updates import model_of
from modeltab.views import file_details
from modeltab.views import format as fmt
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button, error_text, field, form_error, icon_button, select, text_input

_FORM = Template(
    '<form class="dialog-form" data-submit="models.add.save">{error}{file}{source}{destination}'
    '<p class="form-note" role="status">{note}</p>{choices}{candidates}{catalogue}'
    '<div class="dialog-bar"><span class="spacer"></span>{cancel}'
    '<button class="button primary" type="submit" {?disabled}>Add</button></div></form>'
)
_FILE = Template(
    '<div class="field"><label class="field-label" for="model-file">Model file</label>'
    '<input class="input" type="file" id="model-file" name="files" multiple="" data-change="models.add.files" '
    'aria-describedby="model-file-hint"><p class="field-hint" id="model-file-hint">GGUF files, one or several; files of '
    "Ollama and old .bin files, too. Drop files or a folder anywhere on the page, or "
    '<label class="link-button">choose a folder<input class="visually-hidden" type="file" id="model-folder" '
    'aria-label="Folder of models" webkitdirectory="" data-change="models.add.files"></label>.</p></div>'
)
_SOURCE = Template(
    '<div class="field"><label class="field-label" for="source">URL or repository</label><div class="input-row">{control}{look}'
    '</div><p class="field-hint" id="source-hint">{hint}</p></div>'
)
_CHOICES = Template(
    '<section class="files-offered" aria-label="Models of {title}"><p class="field-hint">{title}{notes}</p>'
    '<ul class="file-list" role="list">{items}</ul></section>'
)
_CHOICE = Template(
    '<li><button class="file-choice" type="button" aria-pressed="{chosen}" aria-label="Choose {name}, {size}" '
    'data-action="models.add.choose" data-id="{name}"><span class="file-choice-name">{label}</span>'
    '<span class="file-choice-size">{size}</span><span class="file-choice-note">{note}</span></button></li>'
)
_CANDIDATES = Template('<ul class="candidates" role="list" aria-label="To be added">{items}</ul>')
_CANDIDATE = Template(
    '<li class="candidate" aria-label="{name}" data-verdict="{verdict}"><div class="candidate-head"><strong>{name}</strong>'
    '<span class="candidate-size">{size}</span>{remove}</div>{body}</li>'
)
_SUMMARY = Template('<p class="candidate-summary">{text}</p>')
_NOTE = Template('<p class="field-hint">{text}</p>')
_FITS = Template('<ul class="fits" role="list" aria-label="Where {name} will run">{items}</ul>')
_FIT = Template(
    '<li data-verdict="{verdict}"><span class="fit-mark" aria-hidden="true"></span><span><strong>{place}</strong>: '
    "{word}{reason}</span></li>"
)
_DETAILS = Template('<details class="fold"><summary>Details of {name}</summary>{body}</details>')
_CATALOGUE = Template(
    '<section class="catalogue" aria-label="Models for this tab"><h3>Models that run well in this tab</h3>'
    '<ul class="cards" role="list">{cards}</ul></section>'
)
_CARD = Template(
    '<li class="model-card" aria-label="{title}"><div class="candidate-head"><strong>{title}</strong>{action}</div>'
    '<p class="field-hint">{figures}</p><p>{why}</p></li>'
)
_WORDS = {"yes": "yes", "no": "no", "unknown": "not known"}


def form(state: State, dialog: Dialog) -> Html:
    """The dialog's content."""
    takers = [c for c in state.connections if state.facts[c.id].adds or state.facts[c.id].downloads]
    destinations = [(c.id, c.name) for c in takers]
    chosen = dialog.values.get("destination") or (destinations[0][0] if destinations else "")
    facts = state.facts.get(chosen)
    return _FORM(
        error=form_error(dialog.error),
        file=_FILE(),
        source=_source(facts, dialog),
        choices=_choices(state, state.choices) if state.choices else EMPTY,
        candidates=_candidates(state),
        destination=field(
            "destination",
            "Destination",
            select("destination", "destination", destinations, chosen, "models.add.destination"),
            _limits(facts),
        ),
        note="Looking…" if dialog.busy else "",
        disabled=dialog.busy,
        catalogue=_catalogue(state) if not state.candidates and not state.choices else EMPTY,
        cancel=button("Cancel", "dialog.close"),
    )


def _limits(facts: Facts | None) -> str:
    """What a person should know of a destination before they send something there."""
    if facts is None:
        return ""
    parts = []
    if not facts.adds:
        parts.append("It takes no files from here: type what it should bring.")
    if facts.max_file_bytes:
        parts.append(f"It takes files up to {fmt.size(facts.max_file_bytes)} unless it is set up otherwise.")
    if facts.adds and not facts.resumes:
        parts.append("A transfer that breaks off has to start again.")
    return " ".join(parts)


def _source(facts: Facts | None, dialog: Dialog) -> Html:
    hint = "A link to a file, or a repository of Hugging Face: user/repo. It is looked at before anything is fetched."
    if facts and facts.downloads:
        hint = f"Like {facts.downloads}. The server brings it by itself."
    elif facts and not facts.fetches:
        hint = "This connection takes only files of this machine; add it to this tab first, then copy it there."
    looks = not facts or facts.fetches
    return _SOURCE(
        control=text_input("source", "source", dialog.values.get("source", "")),
        look=button("Look up", "models.add.look", disabled=dialog.busy) if looks else EMPTY,
        hint=hint,
    )


def _choices(state: State, choices: Choices) -> Html:
    if choices.busy:
        return _NOTE(text=f"Asking huggingface.co for {choices.title}…")
    best = recommended(choices.models)
    sources = {c.source for c in state.candidates}
    taken = {c.name for c in state.candidates if c.source == choices.address}
    items = join(
        _choice(choice, choice is best, bool(taken & {choice.name, _stem(choice)}) and choices.address in sources)
        for choice in choices.models
    )
    return _CHOICES(title=choices.title, notes=f" · {choices.notes}" if choices.notes else "", items=items)


def _stem(choice: Choice) -> str:
    """What the parts of one model are called as one."""
    return choice.name.split("-00001-of-")[0] + ".gguf" if len(choice.files) > 1 else choice.name


def _choice(choice: Choice, best: bool, chosen: bool) -> Html:
    notes = [f"{len(choice.files)} parts"] if len(choice.files) > 1 else []
    if choice.is_projector:
        notes.append("gives a model eyes; is none itself")
    if best:
        notes.append("a good choice for most")
    return _CHOICE(
        name=choice.name,
        label=choice.quantization or choice.name,
        size=fmt.size(choice.size),
        note=", ".join(notes),
        chosen="true" if chosen else "false",
    )


def _candidates(state: State) -> Html:
    return _CANDIDATES(items=join(_candidate(state, c) for c in state.candidates)) if state.candidates else EMPTY


def _candidate(state: State, candidate: Candidate) -> Html:
    remove = icon_button("close", f"Remove {candidate.name}", "models.add.remove", candidate.id)
    size = fmt.size(candidate.size)
    if candidate.reason:
        body = error_text(candidate.reason)
        return _CANDIDATE(name=candidate.name, verdict="no", size=size, remove=remove, body=body)
    if candidate.item is None:
        text = _NOTE(text="Reading its header…")
        return _CANDIDATE(name=candidate.name, verdict="unknown", size=size, remove=remove, body=text)
    places = [c for c in state.connections if state.facts[c.id].adds]
    fits = [(c.name, fit_of(state, candidate, c.id)) for c in places]
    parts = [_SUMMARY(text=summary(candidate)), *(_NOTE(text=note) for note in candidate.item.notes)]
    parts.append(_FITS(name=candidate.name, items=join(_fit(place, fit) for place, fit in fits)))
    parts.append(_DETAILS(name=candidate.name, body=_detail_rows(candidate)))
    return _CANDIDATE(name=candidate.name, verdict="", size=size, remove=remove, body=join(parts))


def summary(candidate: Candidate) -> str:
    """What a candidate is, in a line: "llama · 135 million parameters · Q4_1 · 8,192 tokens of context"."""
    item = candidate.item
    facts = item.facts if item else None
    if item is None or facts is None:
        return ""
    parts = [facts.architecture]
    if facts.parameters:
        parts.append(f"{file_details.parameters(facts.parameters)} parameters")
    parts.append(facts.quantization)
    if facts.n_ctx_train:
        parts.append(f"{facts.n_ctx_train:,} tokens of context")
    if isinstance(item, ShardSet):
        parts.append(f"{len(item.parts)} parts")
    elif item.parts:
        parts.append(f"{item.format}, which becomes GGUF on the way")
    return " · ".join(part for part in parts if part)


def _fit(place: str, fit: Fit) -> Html:
    return _FIT(place=place, verdict=fit.verdict, word=_WORDS[fit.verdict], reason=f". {fit.reason}" if fit.reason else "")


def _detail_rows(candidate: Candidate) -> Html:
    item = candidate.item
    if item is None or item.facts is None:
        return EMPTY
    header = None if isinstance(item, ShardSet) else item.header
    rows = file_details.figures(item.facts, header, candidate.size)
    return file_details.figure_rows(rows)


def _catalogue(state: State) -> Html:
    cards = join(_card(state, entry) for entry in state.catalogue)
    return _CATALOGUE(cards=cards) if cards else EMPTY


def _card(state: State, entry: CatalogueEntry) -> Html:
    tab = next((c.id for c in state.connections if state.facts[c.id].permanent and state.facts[c.id].fetches), "")
    there = model_of(state, model_key(tab, entry.name)) is not None
    word = "Use" if there else "Get"
    size = fmt.size(entry.size) if entry.size else f"about {fmt.size(entry.size_about)}"
    figures = [size, f"{fmt.size(entry.memory)} of memory" if entry.memory else "", f"licence: {entry.licence}"]
    return _CARD(
        title=entry.title,
        figures=" · ".join(filter(None, figures)),
        why=entry.why,
        action=button(word, "catalogue.add", entry.name, f"{word} {entry.title}", "small"),
    )
