"""One request to an API, told so that code for it can be written: what a provider sends, and never the key itself."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

#: How an answer is read: OpenAI's chat completions, its Responses, Anthropic's Messages, Gemini, Ollama, the Local LLM API's
#: generation; "json" for what is shown as it comes.
Api = Literal["chat", "responses", "anthropic", "gemini", "ollama", "local-llm", "json"]


class KeyPlace(NamedTuple):
    """Where the key goes.

    :param header: the header's name; `prefix`, what stands in it before the key.
    :param variable: the environment variable that the code takes the key from.
    :param required: whether the API answers nothing without one.
    """

    header: str
    prefix: str
    variable: str
    required: bool = False


class Upload(NamedTuple):
    """A file that goes as one part of multipart/form-data: the part's name, and the file's."""

    field: str
    name: str


class Call(NamedTuple):
    """One HTTP request.

    :param headers: all but the key's; `key`, where that goes, None where none is sent.
    :param body: JSON, None for none.
    :param streams: whether the answer comes in pieces.
    :param in_page: whether only a page can send it: it goes to this app itself, at a URL relative to the app's own.
    :param model: the model's key across connections; `messages`, the conversation as OpenAI's `messages`; `parameters`, what
        else was set, by the names of `Parameters`: what the playground asks by. Empty for what asks no model.
    """

    method: str
    url: str
    headers: Mapping[str, str] = {}
    key: KeyPlace | None = None
    body: Any = None
    upload: Upload | None = None
    api: Api = "json"
    streams: bool = False
    in_page: bool = False
    model: str = ""
    messages: tuple[Any, ...] = ()
    parameters: Mapping[str, Any] = {}
