"""Writes dist/: what a static host needs, and nothing else.

All that the app is made of lies in one folder that is named by a hash of what is in it, so a browser's cache may keep it for
ever, and a page never gets files of two versions. Models stay outside, and so does the client that other pages import.
"""

import json
import re
import shutil
import tomllib
from pathlib import Path

from tools.model import MODEL_FILE
from tools.precompress import BEST, precompress
from tools.report import Problem, step
from tools.serve import BRIDGE, SITE_FILES, SITE_FOLDER
from tools.stamps import hash_of

DIST = "dist"
_CONFIG = "pyscript.toml"
#: What keeps its address from version to version.
_CLIENT = Path("js", "modeltab-client.mjs")
_STYLES = Path("css", "modeltab.css")
_STYLE_LINK = re.compile(rf'^ *<link rel="stylesheet" href="{SITE_FOLDER}/([\w/.-]+)">\n', re.MULTILINE)
_TOML_LINK = re.compile(r'<link rel="\w+" [^>]*href="[^"]*toml')
_HASH_LENGTH = 12


def build(root: Path, with_model: bool, quality: int = BEST) -> None:
    """Write the app as it is set up in `root` to dist/, which is exchanged only once all of it is there.

    Args:
        root: the repository, set up.
        with_model: whether the starter model comes along.
        quality: how well files are compressed, as precompress.py takes it.

    Raises:
        Problem: a file of the app is missing.
    """
    with step(f"Writing {DIST}/"):
        partial = root / f".{DIST}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        pages = _pages(root)
        models = MODEL_FILE.parent.name
        static = partial / SITE_FOLDER / "new"
        shutil.copytree(root / SITE_FOLDER, static, ignore=shutil.ignore_patterns(".*", "*.partial", models))
        pages["index.html"] = _with_one_style_sheet(pages, static)
        version = hash_of(static)[:_HASH_LENGTH]
        folder = f"{SITE_FOLDER}/{version}"
        static.rename(partial / folder)
        for name, text in _hashed(pages, folder).items():
            (partial / name).write_text(text, encoding="utf-8", newline="\n")
        (partial / SITE_FOLDER / _CLIENT.parent).mkdir()
        shutil.copyfile(root / SITE_FOLDER / _CLIENT, partial / SITE_FOLDER / _CLIENT)
        precompress(partial, root / ".setup" / "compressed", quality)
        if with_model:
            shutil.copytree(root / SITE_FOLDER / models, partial / SITE_FOLDER / models)
        _exchange(partial, root / DIST)


def _pages(root: Path) -> dict[str, str]:
    """The texts of the files that lie at the top."""
    for name in SITE_FILES:
        if not (root / name).is_file():
            raise Problem(f"{name} is missing.", "Restore it with git, then run this again.")
    return {name: (root / name).read_text(encoding="utf-8") for name in SITE_FILES}


def _with_one_style_sheet(pages: dict[str, str], static: Path) -> str:
    """Put the style sheets of the app's page into one, in their order; the page with that one in the place of the first."""
    page = pages["index.html"]
    names = _STYLE_LINK.findall(page)
    (static / _STYLES).write_text("".join((static / name).read_text(encoding="utf-8") for name in names), encoding="utf-8")
    for name in set(names) - set(_STYLE_LINK.findall(pages[BRIDGE])):
        (static / name).unlink()
    first, link = names[0], f'  <link rel="stylesheet" href="{SITE_FOLDER}/{_STYLES.as_posix()}">\n'
    return _STYLE_LINK.sub(lambda match: link if match[1] == first else "", page)


def _hashed(pages: dict[str, str], folder: str) -> dict[str, str]:
    """The pages with their files in `folder`. PyScript's settings go into the page: one request less, and no parser."""
    settings = tomllib.loads(pages[_CONFIG].replace(f'"./{SITE_FOLDER}/', f'"./{folder}/'))
    texts = {name: text for name, text in pages.items() if name != _CONFIG}
    for name in ("index.html", BRIDGE):
        texts[name] = texts[name].replace(f'="{SITE_FOLDER}/', f'="{folder}/').replace(f'="{SITE_FOLDER}"', f'="{folder}"')
    config = json.dumps(settings, separators=(",", ":"))
    lines = texts["index.html"].replace(f'config="./{_CONFIG}"', f"config='{config}'").splitlines(keepends=True)
    texts["index.html"] = "".join(line for line in lines if not _TOML_LINK.search(line))
    return texts


def _exchange(new: Path, place: Path) -> None:
    """Put a folder in the place of another, which a server may be reading: it is away for a moment only."""
    old = place.with_name(f".{place.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)
