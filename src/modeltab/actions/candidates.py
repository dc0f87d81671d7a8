"""What waits in the dialog "Add model": files, each looked at before anything is sent, parts of one model as one.

The state has what is known of each candidate; its files themselves are in `App.candidates`.
"""

import asyncio
from collections.abc import Sequence

from modeltab.actions.app import App
from modeltab.domain.errors import ErrorRecord, ModelTabError
from modeltab.files.inspect import inspect
from modeltab.files.shards import ShardSet, gather, merge_parts
from modeltab.files.values import Inspection
from modeltab.providers.base import ModelFile
from modeltab.state.store import Candidate


async def add(app: App, files: Sequence[ModelFile], source: str = "") -> None:
    """Look at files, and have them wait as candidates. `source`: where they are from, empty for a person's own disk."""
    new = {app.new_id(): file for file in files}
    app.candidates.update({id_: (file,) for id_, file in new.items()})
    app.update(candidates=(*app.state.candidates, *(Candidate(id_, file.name, file.size, source) for id_, file in new.items())))
    looks = [app.spawn(_look(app, id_, file)) for id_, file in new.items()]
    app.looking.update(looks)
    try:
        await asyncio.gather(*looks)
    finally:
        app.looking.difference_update(looks)
    _group(app)


async def looked_at(app: App) -> None:
    """Wait until every candidate has been looked at."""
    while app.looking:
        await asyncio.wait(set(app.looking))
        await asyncio.sleep(0)


def clear(app: App, source: str | None = None) -> None:
    """Forget the candidates, or those of one source."""
    kept = tuple(c for c in app.state.candidates if source is not None and c.source != source)
    app.candidates = {c.id: app.candidates[c.id] for c in kept}
    app.update(candidates=kept)


def remove(app: App, candidate_id: str) -> None:
    """Forget one candidate."""
    app.candidates.pop(candidate_id, None)
    app.update(candidates=tuple(c for c in app.state.candidates if c.id != candidate_id))


def files_for(app: App, candidate: Candidate, takes_shards: bool) -> list[tuple[ModelFile, str]]:
    """What is sent of a candidate, each file with the name that it gets.

    A file of an older format becomes GGUF, and the parts of a model become one file where only one is taken: both are put
    together from pieces, with nothing copied.
    """
    files = app.candidates[candidate.id]
    item = candidate.item
    if isinstance(item, ShardSet):
        if takes_shards:
            return [(file, part.stored_name) for file, part in zip(files, item.parts, strict=True)]
        return [(app.compose(merge_parts(item), files, item.name), item.name)]
    assert item is not None
    if item.parts:
        return [(app.compose(item.parts, files, item.stored_name), item.stored_name)]
    return [(files[0], item.stored_name)]


async def _look(app: App, id_: str, file: ModelFile) -> None:
    """What one file is. One that cannot be read says why."""
    item: Inspection | None = None
    error: ErrorRecord | None = None
    try:
        item = await inspect(file.name, file.size, file.read)
    except ModelTabError as problem:
        error = problem.record()
    app.update(candidates=tuple(c._replace(item=item, error=error) if c.id == id_ else c for c in app.state.candidates))


def _group(app: App) -> None:
    """Have the parts of one model as one candidate. Parts that were added later join those that were there."""
    known = [c for c in app.state.candidates if c.item is not None]
    pieces: list[tuple[Inspection, ModelFile, Candidate]] = []
    for candidate in known:
        parts = candidate.item.parts if isinstance(candidate.item, ShardSet) else (candidate.item,)
        pieces += [
            (part, file, candidate)
            for part, file in zip(parts, app.candidates[candidate.id], strict=True)
            if isinstance(part, Inspection)
        ]
    grouped = []
    for item in gather([piece[0] for piece in pieces]):
        own = [_take(pieces, part) for part in (item.parts if isinstance(item, ShardSet) else (item,))]
        first = own[0][2]
        grouped.append(Candidate(first.id, item.name, item.size, first.source, item))
        app.candidates[first.id] = tuple(file for _, file, _ in own)
    app.update(candidates=(*grouped, *(c for c in app.state.candidates if c.item is None)))
    app.candidates = {c.id: app.candidates[c.id] for c in app.state.candidates}


def _take(pieces: list[tuple[Inspection, ModelFile, Candidate]], part: Inspection) -> tuple[Inspection, ModelFile, Candidate]:
    """The piece that a part of a set was made from."""
    place = next(n for n, (item, _, _) in enumerate(pieces) if (item.name, item.size) == (part.name, part.size))
    return pieces.pop(place)
