"""Keys: the name under which the table of controls has what is pressed, and how a person reads that name.

Two modifiers differ by system. "Mod" is Ctrl, and ⌘ on Apple's systems. "App" is Alt, and ⌃⌘ there: Alt with a letter types
characters on a Mac, and ⌃ with one moves the cursor.
"""

from typing import Literal, NamedTuple

#: What has the focus: a text field, a search box with something in it, or a list whose choice the arrows move.
Field = Literal["", "text", "search", "choice"]

#: The keys of the message box, which are not those of a control.
SEND, NEW_LINE, EDIT_LAST, COMMAND = "Enter", "Shift+Enter", "ArrowUp", "/"

_ARROWS = {"ArrowUp": "↑", "ArrowDown": "↓", "ArrowLeft": "←", "ArrowRight": "→"}
_READ = {**_ARROWS, "Escape": "Esc"}
_HERE = {"Mod": "Ctrl", "App": "Alt", "Shift": "Shift"}
_APPLE = {"Mod": "⌘", "App": "⌃⌘", "Shift": "⇧"}
_ARIA_HERE = {"Mod": "Control", "App": "Alt"}
_ARIA_APPLE = {"Mod": "Meta", "App": "Control+Meta"}


class Pressed(NamedTuple):
    """A key as it is pressed.

    :param key: what it types, or its name; `code`, its place on the keyboard: `KeyboardEvent.key` and `.code`.
    :param field: what has the focus.
    """

    key: str
    code: str = ""
    ctrl: bool = False
    alt: bool = False
    shift: bool = False
    meta: bool = False
    field: Field = ""


def name_of(pressed: Pressed, apple: bool) -> str:
    """The name in the table, such as "Mod+K", "App+ArrowUp", "?"; empty for modifiers that no control has.

    A letter is named by what it types; where it types one of another script, by its place on the keyboard.
    """
    held = (pressed.ctrl, pressed.alt, pressed.meta)
    modifiers = {
        (False, False, False): "",
        (False, False, True) if apple else (True, False, False): "Mod+",
        (True, False, True) if apple else (False, True, False): "App+",
    }
    if held not in modifiers:
        return ""
    key = pressed.key
    if len(key) == 1 and key.isalpha():
        key = key.upper() if key.isascii() else pressed.code.removeprefix("Key")
    # Which of the other characters need Shift is the keyboard's affair.
    shift = "Shift+" if pressed.shift and (len(key) > 1 or key.isalpha()) else ""
    return f"{modifiers[held]}{shift}{key}"


def is_bare(name: str) -> bool:
    """Whether it is a single character, which a text field would take for itself."""
    return len(name) == 1


def words(name: str, apple: bool) -> str:
    """The keys as a person reads them: "Ctrl+K", "⌘K"."""
    *modifiers, key = name.split("+")
    table = _APPLE if apple else _HERE
    return ("" if apple else "+").join([*(table[modifier] for modifier in modifiers), _READ.get(key, key)])


def aria(name: str, apple: bool) -> str:
    """The keys as `aria-keyshortcuts` has them: "Control+K"."""
    *modifiers, key = name.split("+")
    table = _ARIA_APPLE if apple else _ARIA_HERE
    return "+".join([*(table.get(modifier, modifier) for modifier in modifiers), key])
