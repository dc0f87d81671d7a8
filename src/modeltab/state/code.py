"""What the dialog "Copy as code" shows: what can be called, which of it is chosen, and the code for that."""

import re
from typing import NamedTuple

from modeltab.snippets.call import Call
from modeltab.snippets.forms import Form, forms_of

#: Bytes in base64 are shown by their beginning; what is copied has all of them.
_BYTES = re.compile(r"([A-Za-z0-9+/]{60})[A-Za-z0-9+/=]{200,}")


class Subject(NamedTuple):
    """One thing that code can do: in words, and as the calls whose answer comes in pieces and in one; often they are one."""

    label: str
    streamed: Call
    whole: Call


class Code(NamedTuple):
    """What the dialog shows.

    :param lead: what the code is for; `notes`, what a person has to know of it.
    :param subjects: what can be called; `subject` is the place of the chosen one.
    :param form: the form that a person chose, which need not fit; `streams`, whether they want the answer in pieces.
    :param text: the code.
    """

    lead: str
    subjects: tuple[Subject, ...]
    notes: tuple[str, ...] = ()
    subject: int = 0
    form: str = ""
    streams: bool = True
    text: str = ""

    @property
    def chosen(self) -> Subject:
        """The subject that is chosen."""
        return self.subjects[self.subject]

    @property
    def forms(self) -> tuple[Form, ...]:
        """The forms that fit."""
        return forms_of(self.chosen.streamed)

    @property
    def shown_form(self) -> Form:
        """The form that the code is in: the chosen one, else the first that fits."""
        return next((form for form in self.forms if form.id == self.form), self.forms[0])

    @property
    def can_stream(self) -> bool:
        """Whether there is a choice between an answer in pieces and in one."""
        return self.shown_form.streams and self.chosen.streamed.streams

    @property
    def call(self) -> Call:
        """The call that the code sends."""
        return self.chosen.streamed if self.can_stream and self.streams else self.chosen.whole

    @property
    def shown_text(self) -> str:
        """The code as it is shown: images are shortened."""
        return _BYTES.sub(r"\1…", self.text)


def written(code: Code) -> Code:
    """The same with the code of what is chosen."""
    return code._replace(text=code.shown_form.code(code.call))
