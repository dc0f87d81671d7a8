"""Chat templates: Jinja, through Hugging Face's own interpreter of it, which runs no code."""

from typing import Any

from pyodide.ffi import JsException

from modeltab.browser.interop import error_text, module, to_object
from modeltab.domain.errors import BadReply

JINJA = "./static/vendor/jinja/index.js"


class ChatTemplates:
    """Renders chat templates. The library is loaded with the first one."""

    async def render(self, template: str, context: dict[str, Any]) -> str:
        """The text that a template makes of a conversation."""
        library = await module(JINJA)
        try:
            return str(library.Template.new(template).render(to_object(context)))
        except JsException as error:
            raise BadReply(
                "The chat template could not be rendered here.",
                "An engine may still take it; some templates use what this interpreter of them does not know.",
                error_text(error),
            ) from None
