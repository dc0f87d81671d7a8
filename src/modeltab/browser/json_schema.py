"""JSON schemas: a library that interprets them, and so makes no code of them, which this page would refuse to run."""

from collections.abc import Mapping
from typing import Any

from pyodide.ffi import JsException

from modeltab.browser.interop import error_text, from_object, module, to_object
from modeltab.domain.errors import BadRequest
from modeltab.domain.json_schema import Problem, leaves

LIBRARY = "./static/vendor/json-schema/index.js"
DRAFT = "2020-12"


class JsonSchemas:
    """Holds values against schemas. The library is loaded with the first one."""

    async def problems(self, schema: Mapping[str, Any], value: Any) -> tuple[Problem, ...]:
        """What of a value does not keep to a schema."""
        library = await module(LIBRARY)
        wrapped = to_object({"schema": schema, "value": value})  # a value may be a text or a number
        try:
            found = from_object(library.Validator.new(wrapped.schema, DRAFT, False).validate(wrapped.value))
        except JsException as error:
            raise BadRequest(
                "The answer could not be held against the schema.", "Correct the schema where it says so.", error_text(error)
            ) from None
        return leaves([(item["keywordLocation"], item["instanceLocation"], item["error"]) for item in found["errors"]])
