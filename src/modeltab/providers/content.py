"""What a conversation's messages become for an API: who speaks, in turns, with their images."""

import base64
from typing import NamedTuple

from modeltab.domain.errors import BadRequest
from modeltab.domain.messages import ImageRef, Message
from modeltab.domain.requests import ChatRequest


class Turn(NamedTuple):
    """One message as it is sent.

    :param images: (media type, base64) of each.
    """

    role: str
    text: str
    images: tuple[tuple[str, str], ...] = ()
    message: Message | None = None


def turns(request: ChatRequest, takes_images: bool) -> list[Turn]:
    """The messages that say something. For an API that takes no images, earlier ones are named in the text.

    :raises BadRequest: when the last message has images and the API takes none, or an image's bytes are gone.
    """
    found = []
    last = request.messages[-1] if request.messages else None
    for message in request.messages:
        images = message.images if message.role == "user" else ()
        if images and not takes_images:
            if message is last:
                raise BadRequest(
                    "This model takes no images.", "Choose a model that sees, or remove the images with “Edit” and send again."
                )
            named = "\n".join(f"[image: {image.name}]" for image in images)
            found.append(Turn(message.role, f"{named}\n\n{message.text}".strip(), message=message))
        elif message.text or images:
            encoded = tuple((image.media_type, _base64(request, image)) for image in images)
            found.append(Turn(message.role, message.text, encoded, message))
    return found


def _base64(request: ChatRequest, image: ImageRef) -> str:
    content = request.images.get(image.digest)
    if content is None:
        raise BadRequest(f"The image {image.name} is no longer in this browser's storage.", "Attach it again.")
    return base64.b64encode(content).decode()
