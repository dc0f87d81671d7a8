"""The code that the Playground shows for a model before anyone has changed it: that of “Copy as code”, where it can run."""

import json

from modeltab.actions.app import App
from modeltab.actions.code import EXAMPLE, example_call
from modeltab.domain.errors import ModelTabError
from modeltab.snippets import curl, javascript, playground

_NO_MODEL = {
    "curl": "# Choose a model.\n",
    "python": "import modeltab\n\nmodeltab.models()\n",
    "javascript": "return await modeltab.models();\n",
}
_IN_PAGE = (
    "# This model runs in the page itself, where no other program reaches it.\n"
    "# Python and JavaScript can ask it here; a page of the same address can, too (“Copy as code” on the Models page).\n"
)
_JAVASCRIPT = """for await (const piece of modeltab.stream({model}, {prompt})) {{
  process.stdout.write(piece);
}}
"""


def snippet_for(app: App, language: str, model: str) -> str:
    """The code in a language that asks a model an example.

    JavaScript asks the model's own API where it has one; for a model in the page it asks the page.
    """
    try:
        call = example_call(app, model)
    except ModelTabError:
        return _NO_MODEL[language]  # its connection is gone, or what is set it does not take
    if language == "python":
        return playground.sync(call)
    if language == "curl":
        return _IN_PAGE if call.in_page else curl.code(call)
    if call.in_page:
        return _JAVASCRIPT.format(model=json.dumps(model, ensure_ascii=False), prompt=json.dumps(EXAMPLE))
    return javascript.fetch(call)
