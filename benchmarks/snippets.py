"""Runs all the code that "Copy as code" writes, and counts what was run and right of what was written, by language.

PowerShell's is not run but held against its grammar, where there is no PowerShell; the playground's module is a stand-in
that says what it was asked.
"""

import logging
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import common  # noqa: F401 — puts the repository on the path
import tree_sitter_powershell
from tree_sitter import Language, Parser

from modeltab.domain.connections import Connection
from modeltab.providers.local_llm import LocalLlm
from modeltab.snippets.forms import Form
from tests.servers.transport import RealTransport
from tests.unit.snippet_runs import BY_ID, CASES, NAME, OPERATION_FORMS, OPERATIONS, SERVICES, check, check_operation

_NAMES = {"bash": "curl", "python": "Python", "javascript": "JavaScript", "powershell": "PowerShell (grammar)"}


def main() -> None:
    """Run them."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    written: Counter[str] = Counter()
    right: Counter[str] = Counter()

    def attempt(form: Form, what: str, work: Callable[[], None]) -> None:
        language = "Playground (stand-in)" if form.id.startswith("modeltab") else _NAMES[form.language]
        written[language] += 1
        try:
            work()
        except AssertionError as error:
            print(f"{what}, {form.id}: {str(error)[:500]}", file=sys.stderr)
        else:
            right[language] += 1

    with tempfile.TemporaryDirectory() as root:
        for name, service in SERVICES.items():
            folder = Path(root, name)
            folder.mkdir()
            with service.open(folder) as bench:
                for place, (_, form_id, stream) in enumerate(case for case in CASES if case[0] == name):
                    own = folder / str(place)
                    own.mkdir()
                    form = BY_ID[form_id]
                    attempt(form, name, lambda form=form, stream=stream, own=own: check(bench, form, stream, own))
                if "powershell" in service.forms:
                    form = BY_ID["powershell"]
                    attempt(form, name, lambda form=form: _parse(form.code(bench.call(stream=False))))
        for operation in OPERATIONS:
            for form_id in OPERATION_FORMS:
                own = Path(tempfile.mkdtemp(dir=root))
                form = BY_ID[form_id]
                attempt(form, operation, lambda o=operation, form=form, own=own: check_operation(o, form, own))
        local = LocalLlm(Connection("c", "local-llm", "C", "http://127.0.0.1:1/api/v1"), RealTransport())
        for operation, call in local.examples(NAME):
            form = BY_ID["powershell"]
            attempt(form, operation, lambda form=form, call=call: _parse(form.code(call)))
    for language in sorted(written):
        print(f"{language}: {right[language]} of {written[language]}")


def _parse(code: str) -> None:
    tree = Parser(Language(tree_sitter_powershell.language())).parse(code.encode())
    assert not tree.root_node.has_error, code


if __name__ == "__main__":
    main()
