"""The code that the Playground shows for a model before anyone has changed it."""

import json

from modeltab.actions.app import App

_PROMPT = "Say hello in one sentence."
_PYTHON = """import modeltab

for piece in modeltab.stream({model}, {prompt}):
    print(piece, end="")
"""
_JAVASCRIPT = """for await (const piece of modeltab.stream({model}, {prompt})) {{
  console.log(piece);
}}
"""


def snippet_for(app: App, language: str, model: str) -> str:
    """The code in a language that asks a model."""
    template = _JAVASCRIPT if language == "javascript" else _PYTHON
    return template.format(model=json.dumps(model, ensure_ascii=False), prompt=json.dumps(_PROMPT))
