"""The forms that code comes in, and which of them fit a call."""

from collections.abc import Callable
from typing import NamedTuple

from modeltab.snippets import curl, javascript, playground, powershell, python_packages, python_requests
from modeltab.snippets.call import Call


class Form(NamedTuple):
    """One form of code.

    :param language: as highlight.js names it.
    :param fits: whether it can send a call as it is.
    :param streams: whether it has a way to read an answer in pieces.
    """

    id: str
    label: str
    language: str
    fits: Callable[[Call], bool]
    code: Callable[[Call], str]
    streams: bool = True


def _outside(call: Call) -> bool:
    return not call.in_page


FORMS = (
    Form("curl", "curl", "bash", _outside, curl.code),
    Form("python-requests", "Python, requests", "python", _outside, python_requests.code),
    Form(
        "python-openai",
        "Python, openai",
        "python",
        lambda call: _outside(call) and bool(python_packages.openai_base(call)),
        python_packages.openai,
    ),
    Form(
        "python-anthropic",
        "Python, anthropic",
        "python",
        lambda call: bool(python_packages.anthropic_base(call)),
        python_packages.anthropic,
    ),
    Form(
        "python-ollama",
        "Python, ollama",
        "python",
        lambda call: bool(python_packages.ollama_host(call)),
        python_packages.ollama,
    ),
    Form("javascript-fetch", "JavaScript, fetch", "javascript", lambda call: True, javascript.fetch),
    Form("javascript-openai", "JavaScript, openai", "javascript", javascript.openai_fits, javascript.openai),
    Form("powershell", "PowerShell", "powershell", _outside, powershell.code, streams=False),
    Form("modeltab", "Python, in the playground", "python", playground.fits, playground.sync),
    Form("modeltab-async", "Python, in the playground, async", "python", playground.fits, playground.awaited),
)


def forms_of(call: Call) -> tuple[Form, ...]:
    """The forms that fit a call; there is always one."""
    return tuple(form for form in FORMS if form.fits(call))
