"""A call as Python for this app's own playground, where the module `modeltab` asks any model of any connection."""

import keyword

from modeltab.snippets.call import Call
from modeltab.snippets.literals import python_string, python_text


def fits(call: Call) -> bool:
    """Whether the module can ask the same: a model, in text alone."""
    return bool(call.model) and all(isinstance(message["content"], str) for message in call.messages)


def sync(call: Call) -> str:
    """The program that waits for the answer."""
    if call.streams:
        return f'import modeltab\n\nfor piece in modeltab.stream({_arguments(call)}):\n    print(piece, end="")\n'
    return f"import modeltab\n\nprint(modeltab.chat({_arguments(call)}))\n"


def awaited(call: Call) -> str:
    """The program that lets others go on meanwhile."""
    if call.streams:
        return f'import modeltab\n\nasync for piece in modeltab.stream_async({_arguments(call)}):\n    print(piece, end="")\n'
    return f"import modeltab\n\nprint(await modeltab.chat_async({_arguments(call)}))\n"


def _arguments(call: Call) -> str:
    named = {name: value for name, value in call.parameters.items() if _is_name(name)}
    others = {name: value for name, value in call.parameters.items() if not _is_name(name)}
    arguments = [python_string(call.model), python_text(list(call.messages))]
    arguments += [f"{name}={python_text(value)}" for name, value in named.items()]
    return ", ".join(arguments + ([f"**{python_text(others)}"] if others else []))


def _is_name(text: str) -> bool:
    return text.isidentifier() and text.isascii() and not keyword.iskeyword(text)
