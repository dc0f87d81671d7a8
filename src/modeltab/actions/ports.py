"""What actions want of the browser: the page, its storage, its files. `browser` keeps these protocols."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from modeltab.domain.connections import AddressSpace
from modeltab.domain.diagnosis import PageFacts, Permission
from modeltab.domain.json_schema import Problem
from modeltab.domain.prices import Price
from modeltab.providers.base import ModelFile
from modeltab.state.machine import Storage


class TextFile(ModelFile, Protocol):
    """A file that can be read as a whole."""

    async def text(self) -> str:
        """The whole of it, as text."""
        ...

    async def content(self) -> bytes:
        """The whole of it."""
        ...


class Page(Protocol):
    """What actions may do to the page besides changing the state."""

    is_loopback: bool

    def value(self, element_id: str) -> str:
        """A field's text."""
        ...

    def set_value(self, element_id: str, value: str) -> None:
        """Change a field's text."""
        ...

    def focus(self, element_id: str) -> None:
        """Put the focus there, after the next drawing."""
        ...

    def focus_control(self, action: str, id_: str) -> None:
        """Put the focus on the control that does that, after the next drawing."""
        ...

    def is_shown(self, element_id: str) -> bool:
        """Whether it can be seen."""
        ...

    def click(self, element_id: str) -> None:
        """Press it, as a person would: opens a file picker."""
        ...

    def go(self, route: str) -> None:
        """Change the address's hash."""
        ...

    def replace_route(self, route: str) -> None:
        """Change the address's hash without a step back."""
        ...

    def set_theme(self, theme: str) -> None:
        """Apply "light", "dark" or "auto"."""
        ...

    async def copy(self, text: str) -> None:
        """To the clipboard."""
        ...

    def save_file(self, name: str, content: str | Sequence[bytes], media_type: str = "application/json") -> None:
        """Let the browser save a file: a text, or pieces that come one after the other."""
        ...

    def address(self, route: str) -> str:
        """The page's address with another hash."""
        ...

    def has_folders(self) -> bool:
        """Whether this browser lets a page write into a folder."""
        ...

    async def pick_folder(self) -> "Folder | None":
        """Ask for a folder to write into, None when the person chooses none. :raises StorageFailed: when it is refused."""
        ...

    def reload(self) -> None:
        """Load the page again."""
        ...

    async def storage(self) -> Storage:
        """How full the browser's storage is."""
        ...

    async def persist(self) -> bool:
        """Ask the browser to keep the storage."""
        ...

    async def read_prices(self) -> tuple[Price, ...]:
        """The list prices that come with the app; none where they cannot be read."""
        ...


class Folder(Protocol):
    """A folder of this machine. A file is replaced only when it is written as a whole."""

    name: str

    async def write(self, name: str, content: bytes) -> None:
        """Add to a file, which may lie in a folder of it. :raises StorageFailed: when the system refuses."""
        ...

    async def finish(self) -> None:
        """Close the file that was written last."""
        ...


class Surroundings(Protocol):
    """What the browser tells of the page's circumstances."""

    def page(self) -> PageFacts:
        """The page's own."""
        ...

    async def permission(self, space: AddressSpace) -> Permission:
        """Whether the page may reach servers there."""
        ...

    async def answers_without_cors(self, url: str, seconds: float) -> bool | None:
        """Whether anything answers there, within so many seconds."""
        ...


class ImageStore(Protocol):
    """Where the images of messages are kept, by the SHA-256 of their bytes."""

    async def add(self, digest: str, content: bytes) -> None:
        """Keep an image. :raises StorageFailed: when the browser refuses."""
        ...

    async def read(self, digest: str) -> bytes | None:
        """An image's bytes, None when it is gone."""
        ...

    async def clear(self) -> None:
        """Delete all."""
        ...


class PdfReader(Protocol):
    """Takes the text out of PDF files."""

    async def pages(self, name: str, content: bytes) -> tuple[str, ...]:
        """The text of each page. :raises BadRequest: when it cannot be read."""
        ...


class SchemaValidator(Protocol):
    """Holds values against JSON schemas."""

    async def problems(self, schema: Mapping[str, Any], value: Any) -> tuple[Problem, ...]:
        """What of a value does not keep to a schema; nothing when all does.

        :raises BadRequest: when the schema cannot be used.
        """
        ...


class ConversationRecords(Protocol):
    """Where conversations are kept, as records."""

    async def all(self) -> list[dict[str, Any]]: ...
    async def messages(self, conversation_id: str) -> list[dict[str, Any]]: ...
    async def taken(self, ids: list[str]) -> list[str]: ...
    async def save(self, conversation: dict[str, Any] | None, *messages: dict[str, Any]) -> None: ...
    async def clear(self) -> None: ...

    async def take(self, conversation_ids: list[str]) -> Any:
        """Delete conversations with their messages; what `put_back` needs to have them again."""
        ...

    async def take_messages(self, ids: list[str]) -> Any:
        """Delete messages; what `put_back` needs to have them again."""
        ...

    async def put_back(self, taken: Any) -> None:
        """Have again what was taken. What somebody else has written there since stays."""
        ...

    async def read_texts(self) -> None:
        """Read the texts of all messages that are new, for `find`."""
        ...

    async def find(self, words: tuple[str, ...]) -> dict[str, str]:
        """The conversations that have all of these words (small letters) in their title or messages: id → the text around
        the first in a message, empty where none has any.
        """
        ...


class ComparisonRecords(Protocol):
    """Where comparisons are kept, as records."""

    async def all(self) -> list[dict[str, Any]]: ...
    async def answers(self, comparison_id: str) -> list[dict[str, Any]]: ...
    async def save(self, comparison: dict[str, Any] | None, *answers: dict[str, Any]) -> None: ...
    async def delete(self, comparison_id: str) -> None: ...
    async def clear(self) -> None: ...


class DraftRecords(Protocol):
    """Where drafts are kept, each under its conversation's id; at once, so that a page that closes loses none."""

    def read(self, place: str) -> Any: ...
    def write(self, place: str, value: Any) -> str: ...
    def remove(self, place: str) -> str: ...
    def clear(self) -> None: ...


class ConfigRecord(Protocol):
    """Where the configuration is kept."""

    def read(self) -> tuple[Any, str]: ...
    def write(self, value: Any) -> str: ...
    def clear(self) -> None: ...
