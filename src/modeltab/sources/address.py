"""What a person types or pastes to say where a model is → what that is.

A link to a file, a repository on Hugging Face in any of the ways that people write one, or a model of the Ollama library.
"""

import re
from typing import Literal, NamedTuple
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

from modeltab.domain.errors import BadRequest

Kind = Literal["url", "hugging-face", "ollama"]

HUGGING_FACE = "https://huggingface.co"
_HUGGING_FACE_HOSTS = frozenset({"huggingface.co", "www.huggingface.co", "hf.co", "www.hf.co"})
_OLLAMA_HOSTS = frozenset({"ollama.com", "www.ollama.com", "registry.ollama.ai"})
#: huggingface_hub's validate_repo_id, with the user that every model repository of today has.
_REPO = re.compile(r"(?=.{3,96}$)(?!.*(?:--|\.\.))\w[\w.-]*(?<![.-])/\w[\w.-]*(?<![.-])", re.ASCII)
#: Ollama's types/model/name.go: a namespace has no dot, a model and a tag may.
_OLLAMA_NAMESPACE = re.compile(r"\w[\w-]{0,79}", re.ASCII)
_OLLAMA_PART = re.compile(r"\w[\w.-]{0,79}", re.ASCII)
#: What people paste with a name: the command that it is used in.
_COMMAND = re.compile(r"(?:ollama\s+(?:run|pull)|llama(?:-cli|-server)?\s+(?:-hf|-hfr|--hf-repo))\s+")
#: The first part of a name without "https://" that is a host: it has a dot, and its end is no file's.
_HOST = re.compile(r"(?:localhost|[\w-]+(?:\.[\w-]+)*\.[a-z]{2,})(?::\d+)?", re.IGNORECASE)
#: Pages of the Hub about something else than models.
_OTHER_PAGES = {
    "datasets": "a dataset",
    "spaces": "a space",
    "collections": "a collection",
    "papers": "a paper",
    "docs": "documentation",
    "blog": "the blog",
    "models": "the list of models",
}
_FORMS = (
    "Type a link to a .gguf file, a Hugging Face repository like user/repo, or a name of the Ollama library like llama3.2:1b."
)


class Address(NamedTuple):
    """Where a model is.

    :param url: of the file, where the address names one.
    :param file_name: what the file is called, where the address names one.
    :param repo: on Hugging Face, as user/repo; `path`, a file or a folder in it, empty for the whole.
    :param tag: the quantization or the file that is wanted of a repository ("Q4_K_M"), empty where it is left open.
    :param name: what an Ollama or a llama-server that fetches models by itself is asked for; empty where none can be.
    :param other: what the same text may mean as well: user/name is a repository on Hugging Face or a person's model on Ollama.
    """

    kind: Kind
    url: str = ""
    file_name: str = ""
    repo: str = ""
    revision: str = "main"
    path: str = ""
    tag: str = ""
    name: str = ""
    other: "Address | None" = None


def parse(text: str) -> Address:
    """What a person means.

    :raises BadRequest: when it can mean nothing, with the reason.
    """
    typed = _COMMAND.sub("", text.strip().strip("<>\"'").strip(), count=1).rstrip("/")
    if not typed:
        raise BadRequest("Nothing is typed.", _FORMS)
    if re.search(r"[\s\x00-\x1f\\]", typed):
        raise _unclear(text, "it has a space or a backslash in it")
    scheme = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]*)://", typed)
    if scheme:
        return _with_scheme(typed, scheme[1].lower())
    first, slash, _ = typed.partition("/")
    if slash and _HOST.fullmatch(first) and not re.search(r"\.gguf$", first, re.IGNORECASE):
        is_deep = typed.count("/") > 1 or typed.lower().endswith(".gguf")
        if is_deep or first.lower() in _HUGGING_FACE_HOSTS | _OLLAMA_HOSTS:
            return _with_scheme(f"https://{typed}", "https")
    return _name(typed)


def resolve_url(repo: str, path: str, revision: str = "main", base_url: str = HUGGING_FACE) -> str:
    """The address of a file in a repository: it answers with the file, by way of another host."""
    return f"{base_url}/{repo}/resolve/{quote(revision, safe='')}/{quote(path)}"


def _with_scheme(typed: str, scheme: str) -> Address:
    if scheme in ("hf", "huggingface"):  # as huggingface_hub's file system has it: hf://user/repo@revision/path
        place, _, revision_and_path = typed.partition("://")[2].partition("@")
        revision, _, path = revision_and_path.partition("/")
        parts = place.split("/")
        return _repository("/".join(parts[:2]), revision or "main", path or "/".join(parts[2:]))
    if scheme not in ("http", "https"):
        raise BadRequest(f"An address that begins with {scheme}:// cannot be opened from here.", _FORMS)
    try:
        parts_ = urlsplit(typed)
        parts_.port  # noqa: B018 — reading it is what checks it
    except ValueError as error:
        raise BadRequest(f"“{typed}” is not an address.", _FORMS, str(error)) from None
    if not parts_.hostname:
        raise BadRequest(f"“{typed}” is not an address: it names no host.", _FORMS)
    if parts_.username or parts_.password:
        raise BadRequest("The address has a user name or password in it.", "Remove the part before the @.")
    if parts_.hostname.lower() in _HUGGING_FACE_HOSTS:
        return _hub_page(parts_)
    if parts_.hostname.lower() in _OLLAMA_HOSTS:
        return _library_page(parts_)
    file_name = unquote(parts_.path.rpartition("/")[2])
    if not file_name:
        raise BadRequest(f"The address names no file on {parts_.hostname}.", "Copy the address of the .gguf file itself.")
    return Address("url", typed.partition("#")[0], file_name)


def _hub_page(parts: SplitResult) -> Address:
    """A page of Hugging Face: a repository, a folder of it, or a file."""
    segments = [unquote(segment) for segment in parts.path.split("/") if segment]
    if segments[:1] == ["api"]:
        segments = segments[2:]
    if segments and segments[0] in _OTHER_PAGES:
        raise BadRequest(f"This is {_OTHER_PAGES[segments[0]]} on Hugging Face, not a model.", _FORMS)
    if len(segments) < 2:
        who = f"“{segments[0]}” alone names a person or an organization" if segments else "The address names nothing"
        raise BadRequest(f"{who} on Hugging Face, not a model.", "Add the repository's name: huggingface.co/user/repo.")
    repo, tag = _tagged("/".join(segments[:2]))
    view, place = segments[2:3], segments[3:]
    revision, path = "main", ""
    if view and view[0] in ("tree", "blob", "resolve", "raw", "blame", "edit") and place:
        taken = 3 if place[0] == "refs" and len(place) > 2 else 1  # refs/pr/1 and refs/convert/…: names with slashes
        revision, path = "/".join(place[:taken]), "/".join(place[taken:])
    shown = parse_qs(parts.query).get("show_file_info", [""])[0]
    return _repository(repo, revision, path or shown, tag)


def _library_page(parts: SplitResult) -> Address:
    """A page of the Ollama library: a model, or the list of its tags."""
    segments = [unquote(segment) for segment in parts.path.split("/") if segment]
    if len(segments) == 1 and ":" not in segments[0]:
        raise BadRequest(
            f"“{segments[0]}” names no model on Ollama.", "Copy a model's own page: ollama.com/library/llama3.2:1b."
        )
    if not segments:
        raise BadRequest("The address names no model on Ollama.", "Copy a model's own page: ollama.com/library/llama3.2:1b.")
    return _ollama("/".join(segments[:2]))


def _name(typed: str) -> Address:
    """A name without a host."""
    parts = typed.split("/")
    if len(parts) == 1:
        if re.search(r"\.(gguf|bin|safetensors)$", typed, re.IGNORECASE):
            raise BadRequest(
                f"“{typed}” is a file's name, not where it is.",
                "Choose the file with “Add a file”, or paste the address that it can be downloaded from.",
            )
        return _ollama(typed)
    if parts[0] == "library":
        return _ollama(typed)
    if len(parts) > 2:
        return _repository("/".join(parts[:2]), "main", "/".join(parts[2:]))
    repo, tag = _tagged(typed)
    try:
        other: Address | None = _ollama(typed)
    except BadRequest:
        other = None
    return _repository(repo, "main", "", tag)._replace(other=other)


def _tagged(text: str) -> tuple[str, str]:
    """user/repo:tag → the repository and the tag."""
    repo, _, tag = text.partition(":")
    return repo, tag


def _repository(repo: str, revision: str, path: str, tag: str = "") -> Address:
    if not _REPO.fullmatch(repo):
        raise BadRequest(f"“{repo}” is not a repository's name on Hugging Face.", "It is written like user/repo.")
    if tag and not re.fullmatch(r"[\w.-]+", tag):
        raise BadRequest(f"“{tag}” is not the name of a quantization.", "It is written like user/repo:Q4_K_M.")
    if any(segment in (".", "..", "") for segment in path.split("/")) and path:
        raise BadRequest(f"“{path}” is not a file's place in a repository.", "Copy the file's link from its page.")
    is_file = bool(re.search(r"\.[A-Za-z]\w*$", path))
    return Address(
        "hugging-face",
        url=resolve_url(repo, path, revision) if is_file else "",
        file_name=path.rpartition("/")[2] if is_file else "",
        repo=repo,
        revision=revision,
        path=path,
        tag=tag,
        name=pull_name(repo, path if is_file else tag) if revision == "main" and "/" not in path else "",
    )


def pull_name(repo: str, tag: str = "") -> str:
    """What an Ollama is asked for to bring a model of Hugging Face: its tag is a quantization, or a file's whole name.

    It finds neither folders nor other revisions.
    """
    return f"hf.co/{repo}" + (f":{tag}" if tag else "")


def _ollama(typed: str) -> Address:
    """A name of the Ollama library: model, model:tag, user/model:tag."""
    place, _, tag = typed.partition(":")
    *users, model = place.removeprefix("library/").split("/")
    valid = _OLLAMA_PART.fullmatch(model) and (not tag or _OLLAMA_PART.fullmatch(tag)) and not typed.endswith(":")
    is_deep = len(users) > 1 or (users and place.startswith("library/"))
    if not valid or is_deep or not all(map(_OLLAMA_NAMESPACE.fullmatch, users)):
        raise _unclear(typed, "it is no link, no repository and no name of the Ollama library")
    return Address("ollama", tag=tag, name="/".join([*users, model]) + (f":{tag}" if tag else ""))


def _unclear(text: str, reason: str) -> BadRequest:
    return BadRequest(f"“{text.strip()[:80]}” does not say where a model is: {reason}.", _FORMS)
