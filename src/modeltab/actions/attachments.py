"""The files beside the message box: texts and images that go with the next message."""

import hashlib

from modeltab.actions import drafts, onboarding
from modeltab.actions.app import App, UiEvent
from modeltab.actions.ports import TextFile
from modeltab.domain.errors import ModelTabError, StorageFailed, StorageFull
from modeltab.domain.images import HEAD_BYTES, MAX_IMAGE_BYTES, media_type_of
from modeltab.domain.messages import ImageRef
from modeltab.domain.models import split_key
from modeltab.state.context import about
from modeltab.state.writing import Attachment

#: A text file larger than this would fill any context.
MAX_ATTACHMENT_BYTES = 1_000_000

#: A PDF has its mark in its first bytes; one that is larger than this would take the tab too long.
PDF_HEAD_BYTES = 1024
MAX_PDF_BYTES = 100_000_000
#: How the names of model files end.
MODEL_ENDINGS = (".gguf", ".ggml", ".bin", ".safetensors", ".pt", ".pth", ".ckpt")


async def attach(app: App, event: UiEvent) -> None:
    """Put text files and images beside the message box, to go with the next message."""
    place = app.box
    for file in event.files:
        head = await file.read(0, max(HEAD_BYTES, PDF_HEAD_BYTES))
        media_type = media_type_of(head[:HEAD_BYTES])
        try:
            if b"%PDF-" in head:
                item = await _pdf(app, file)
            else:
                item = await (_image(app, file, media_type) if media_type else _text(app, file))
        except ModelTabError as error:
            app.alert(error)  # the others go along all the same
        else:
            _add(app, place, item)


def _add(app: App, place: str, item: Attachment) -> None:
    """To the draft of the conversation that the file was given to, also when another is shown by now."""
    if place == app.box:
        app.update(attachments=(*app.state.attachments, item))
        drafts.touch(app)
    else:
        draft = drafts.stored(app, place)
        drafts.put(app, place, draft._replace(attachments=(*draft.attachments, item)))


async def _text(app: App, file: TextFile) -> Attachment:
    if file.size > MAX_ATTACHMENT_BYTES:
        raise ModelTabError(f"{file.name} is too large to go with a message.", "Attach text files up to 1 MB.")
    if b"\0" in await file.read(0, 4096):
        raise ModelTabError(f"{file.name} is neither text nor an image.", "Attach text, code, CSV, PNG, JPEG and the like.")
    return await kept(app, Attachment(app.new_id(), file.name, await file.text()))


async def _pdf(app: App, file: TextFile) -> Attachment:
    """The text of a PDF, page by page."""
    if file.size > MAX_PDF_BYTES:
        raise ModelTabError(f"{file.name} is too large to be read here.", "Attach PDF files up to 100 MB, or a part of it.")
    app.say(f"Reading {file.name}…")
    pages = await app.pdfs.pages(file.name, await file.content())
    count = "1 page" if len(pages) == 1 else f"{len(pages)} pages"
    if not any(page.strip() for page in pages):
        raise ModelTabError(
            f"{file.name} has {count} and no text: it is probably a scan.",
            "Attach pictures of its pages for a model that sees, or a copy with text (made by text recognition, OCR).",
        )
    text = "\n\n".join(page.strip() for page in pages)
    app.say(f"{file.name}: {count}, about {about(len(text)):,} tokens")
    return await kept(app, Attachment(app.new_id(), file.name, text, pages=len(pages)))


def drop(app: App, event: UiEvent) -> None:
    """Files were dropped on the page: model files are added to the models, on the chat page all others go with the message."""
    in_chat = app.state.route.page == "chat" and app.state.dialog is None
    others = tuple(f for f in event.files if in_chat and not f.name.lower().endswith(MODEL_ENDINGS))
    models = tuple(f for f in event.files if f not in others)
    if others:
        app.spawn(attach(app, event._replace(files=others)))
    if models:
        app.spawn(onboarding.open_dialog(app, event._replace(files=models)))


async def kept(app: App, item: Attachment) -> Attachment:
    """A text, kept under its digest for the draft; as it is where the browser keeps nothing: it goes along all the same."""
    content = item.text.encode("utf-8", "replace")
    digest = hashlib.sha256(content).hexdigest()
    try:
        await app.images.add(digest, content)
    except (StorageFailed, StorageFull):
        return item
    return item._replace(digest=digest)


async def _image(app: App, file: TextFile, media_type: str) -> Attachment:
    facts = app.state.facts.get(split_key(app.state.settings.model)[0])
    if facts and not facts.capabilities.images:
        name = split_key(app.state.settings.model)[1]
        raise ModelTabError(f"{name} takes no images.", "Choose a model that sees, then attach the image again.")
    if file.size > MAX_IMAGE_BYTES:
        raise ModelTabError(f"{file.name} is too large to go with a message.", "Attach images up to 20 MB.")
    content = await file.content()
    image = ImageRef(hashlib.sha256(content).hexdigest(), media_type, file.name, len(content))
    await app.images.add(image.digest, content)
    return Attachment(app.new_id(), file.name, image=image)


def pick_attachment(app: App, event: UiEvent) -> None:
    """Open the file picker."""
    app.page.click("attach-input")


def remove_attachment(app: App, event: UiEvent) -> None:
    """Take a file away again."""
    app.update(attachments=tuple(a for a in app.state.attachments if a.id != event.id))
    drafts.touch(app)


def with_attachments(text: str, attachments: tuple[Attachment, ...]) -> str:
    """A message's text, after the text files that go with it."""
    blocks = [f"{a.name}:\n{fenced(a.text.rstrip())}" for a in attachments if not a.image]
    return "\n\n".join([*blocks, text] if text else blocks)


def fenced(text: str) -> str:
    """A text as a block of code, in a fence that is longer than any that the text has."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"
