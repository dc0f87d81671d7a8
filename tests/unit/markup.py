"""HTML as a person or a screen reader meets it: elements with roles, accessible names and texts."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

VOID = frozenset({"area", "br", "hr", "img", "input", "link", "meta", "source", "wbr"})
INPUT_ROLES = {"checkbox": "checkbox", "number": "spinbutton", "search": "searchbox"}
TAG_ROLES = {
    "a": "link",
    "article": "article",
    "button": "button",
    "dialog": "dialog",
    "h1": "heading",
    "h2": "heading",
    "li": "listitem",
    "meter": "meter",
    "nav": "navigation",
    "option": "option",
    "progress": "progressbar",
    "select": "combobox",
    "table": "table",
    "td": "cell",
    "textarea": "textbox",
    "th": "columnheader",
    "tr": "row",
    "ul": "list",
}


class Node:
    """One element with its attributes and what is in it."""

    def __init__(self, tag: str, attributes: dict[str, str], parent: Node | None) -> None:
        self.tag = tag
        self.attributes = attributes
        self.parent = parent
        self.children: list[Node | str] = []

    def __getitem__(self, name: str) -> str:
        return self.attributes[name]

    def __contains__(self, name: str) -> bool:
        return name in self.attributes

    def __iter__(self) -> Iterator[Node]:
        """Every element inside, in document order."""
        for child in self.children:
            if isinstance(child, Node):
                yield child
                yield from child

    @property
    def text(self) -> str:
        """The text inside, as it is."""
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    @property
    def role(self) -> str:
        """Its role, empty where it has none that the tests ask for."""
        if "role" in self:
            return self["role"]
        if self.tag == "input":
            kind = self.attributes.get("type", "text")
            return INPUT_ROLES.get(kind, "textbox" if kind in ("text", "url") else kind)
        return TAG_ROLES.get(self.tag, "")

    @property
    def name(self) -> str:
        """Its accessible name: aria-label, the element that aria-labelledby names, its label, or its text."""
        if "aria-label" in self:
            return self["aria-label"]
        for node in self.root:
            if node.attributes.get("id") == self.attributes.get("aria-labelledby", "-"):
                return node.text
            if node.tag == "label" and node.attributes.get("for") == self.attributes.get("id", "-"):
                return node.text
        return self.text

    @property
    def root(self) -> Node:
        """The topmost node."""
        return self.parent.root if self.parent else self

    @property
    def disabled(self) -> bool:
        """Whether it cannot be used."""
        return "disabled" in self

    def all(self, role: str = "", name: str | None = None, **attributes: str) -> list[Node]:
        """The elements inside with that role, name and those attributes; `_` in an attribute's name stands for `-`."""
        wanted = {key.replace("_", "-"): value for key, value in attributes.items()}
        return [
            node
            for node in self
            if (not role or node.role == role)
            and all(node.attributes.get(key) == value for key, value in wanted.items())
            and (name is None or node.name == name)
        ]

    def one(self, role: str = "", name: str | None = None, **attributes: str) -> Node:
        """The only element inside that fits. AssertionError, with what there is, when there is none or another."""
        found = self.all(role, name, **attributes)
        assert len(found) == 1, f"{len(found)} × {role} {name!r} {attributes}: {[(n.role, n.name) for n in self if n.role]}"
        return found[0]

    def names(self, role: str) -> list[str]:
        """The accessible names of the elements inside with that role."""
        return [node.name for node in self.all(role)]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("", {}, None)
        self._open = self.root

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        node = Node(tag, {name: value or "" for name, value in attrs}, self._open)
        self._open.children.append(node)
        if tag not in VOID:
            self._open = node

    def handle_endtag(self, tag: str) -> None:
        assert tag == self._open.tag, f"</{tag}> ends <{self._open.tag}>"
        assert self._open.parent is not None
        self._open = self._open.parent

    def handle_data(self, data: str) -> None:
        self._open.children.append(data)

    def end(self) -> Node:
        """The root. AssertionError when something is still open."""
        self.close()
        assert self._open is self.root, f"<{self._open.tag}> is not closed"
        return self.root


def parse(html: str) -> Node:
    """The elements of well-formed HTML. AssertionError when a tag is not closed or closed in the wrong place."""
    reader = _Reader()
    reader.feed(html)
    return reader.end()


class _Skeleton(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, object]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))

    def handle_endtag(self, tag: str) -> None:
        self.found.append(("/" + tag, None))

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] == "text":
            data = str(self.found.pop()[1]) + data
        self.found.append(("text", data))

    def handle_comment(self, data: str) -> None:
        self.found.append(("comment", data))

    def handle_decl(self, decl: str) -> None:
        self.found.append(("declaration", decl))

    def handle_pi(self, data: str) -> None:
        self.found.append(("instruction", data))


def skeleton(html: str) -> list[tuple[str, object]]:
    """Everything that an HTML parser finds in any HTML, in order: tags with all their attributes, and texts."""
    reader = _Skeleton()
    reader.feed(html)
    reader.close()
    return reader.found
