"""What the browser's storage has refused to keep, and so waits to be written."""

from modeltab.domain.errors import ErrorRecord
from modeltab.state.records import Record


class Unkept:
    """What waits to be written.

    :ivar trouble: why, as the person was told; None while everything is on record.
    """

    def __init__(self) -> None:
        self.conversations: dict[str, Record] = {}
        self.messages: dict[str, Record] = {}
        self.trouble: ErrorRecord | None = None

    def forget(self, *ids: str) -> None:
        """Conversations and messages that are deleted wait no longer."""
        gone = set(ids)
        self.conversations = {key: record for key, record in self.conversations.items() if key not in gone}
        self.messages = {
            key: record for key, record in self.messages.items() if key not in gone and record["conversation_id"] not in gone
        }
