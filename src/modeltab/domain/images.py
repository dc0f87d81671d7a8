"""Images that models can see, recognised by their first bytes."""

#: Larger ones are refused by every API (Anthropic takes 5 MB, OpenAI and Gemini about 20 MB a request), in bytes.
MAX_IMAGE_BYTES = 20_000_000
HEAD_BYTES = 12


def media_type_of(head: bytes) -> str:
    """The media type of a file that begins with these bytes, empty when it is no image that models take."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return ""
