"""What a person has written and not sent, as JSON-like values: one record a conversation, and one for the new chat."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from modeltab.domain.messages import ImageRef
from modeltab.domain.parameters import Parameters
from modeltab.state.records import parameters_from_json
from modeltab.state.writing import Attachment, Queued

Record = dict[str, Any]


class Draft(NamedTuple):
    """What stands in the message box, and what waits in the queue above it.

    :param parameters: what the new chat has of its own; of a conversation they are in its record.
    """

    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    queue: tuple[Queued, ...] = ()
    parameters: Parameters | None = None


def draft_to_json(draft: Draft) -> Record:
    """A draft's record. The texts of files are not in it: they are kept under their digests."""
    record: Record = {
        "text": draft.text,
        "attachments": _attachments(draft.attachments),
        "queue": [{"id": q.id, "text": q.text, "attachments": _attachments(q.attachments)} for q in draft.queue],
    }
    if draft.parameters:
        record["parameters"] = {name: value for name, value in draft.parameters._asdict().items() if value is not None}
    return record


def draft_from_json(value: Any, place: str, waits: str) -> Draft:
    """A draft, as far as the record is one; what is damaged in it does not cost the rest.

    :param place: its conversation; `waits`, why what it has in its queue does not go by itself.
    """
    if not isinstance(value, Mapping):
        return Draft()
    queue = [item for item in _list(value.get("queue")) if isinstance(item.get("id"), str)]
    own = value.get("parameters")
    return Draft(
        _text(value.get("text")),
        _attachments_from(value.get("attachments")),
        tuple(
            Queued(item["id"], place, _text(item.get("text")), _attachments_from(item.get("attachments")), waits)
            for item in queue
        ),
        parameters_from_json(own) if isinstance(own, Mapping) else None,
    )


def _attachments(items: tuple[Attachment, ...]) -> list[Record]:
    return [
        {
            "id": item.id,
            "name": item.name,
            "digest": item.digest,
            "pages": item.pages,
            "image": item.image._asdict() if item.image else None,
        }
        for item in items
        if item.image or item.digest
    ]


def _attachments_from(value: Any) -> tuple[Attachment, ...]:
    return tuple(item for entry in _list(value) if (item := _attachment(entry)))


def _attachment(entry: Mapping[str, Any]) -> Attachment | None:
    id_, name, digest, pages, image = (entry.get(key) for key in ("id", "name", "digest", "pages", "image"))
    if not isinstance(id_, str) or not isinstance(name, str):
        return None
    if isinstance(image, Mapping):
        texts = {key: image.get(key) for key in ("digest", "media_type", "name")}
        size = image.get("size")
        if not all(isinstance(text, str) for text in texts.values()) or not isinstance(size, int):
            return None
        return Attachment(id_, name, image=ImageRef(**texts, size=size))  # type: ignore[arg-type]
    if not isinstance(digest, str) or not digest:
        return None
    return Attachment(id_, name, digest=digest, pages=pages if isinstance(pages, int) else 0)


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
