"""A call as Python for this app's own playground, where the module `modeltab` asks any model of any connection."""

from modeltab.snippets.call import Call
from modeltab.snippets.literals import python_string, python_text


def sync(call: Call) -> str:
    """The program that waits for the answer."""
    return f"import modeltab\n\nprint(modeltab.chat({_arguments(call)}))\n"


def awaited(call: Call) -> str:
    """The program that lets others go on meanwhile."""
    return f"import modeltab\n\nprint(await modeltab.chat_async({_arguments(call)}))\n"


def _arguments(call: Call) -> str:
    return f"{python_string(call.model)}, {python_text(call.messages)}"
