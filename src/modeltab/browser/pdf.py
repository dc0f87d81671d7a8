"""The text of PDF files, through Mozilla's pdf.js: loaded with the first one, and at work in a worker of its own."""

from typing import Any

from pyodide.ffi import JsException, to_js

from modeltab.browser.interop import absolute, error_name, error_text, from_object, module, to_object
from modeltab.domain.errors import BadRequest

FOLDER = "./static/vendor/pdfjs/"


class PdfTexts:
    """Reads PDF files. Nothing in them is run, drawn or fetched."""

    async def pages(self, name: str, content: bytes) -> tuple[str, ...]:
        """The text of each page.

        :raises BadRequest: when the file is damaged, or locked with a password.
        """
        library = await module(FOLDER + "pdf.min.mjs")
        library.GlobalWorkerOptions.workerSrc = absolute(FOLDER + "pdf.worker.min.mjs")
        options = to_object(
            {
                "cMapUrl": absolute(FOLDER + "cmaps/"),
                "cMapPacked": True,
                "isEvalSupported": False,
                "disableFontFace": True,
                "useSystemFonts": False,
                "useWasm": False,
                "enableXfa": False,
                "verbosity": 0,
            }
        )
        options.data = to_js(content)
        task = None
        try:
            task = library.getDocument(options)
            document = await task.promise
            return tuple([await _text(document, number) for number in range(1, document.numPages + 1)])
        except JsException as error:
            if error_name(error) == "PasswordException":
                raise BadRequest(f"{name} is locked with a password.", "Save a copy without one, then attach that.") from None
            advice = "It may be damaged: open it elsewhere. A browser of before 2024 may be too old to read it."
            detail = f"{error_name(error)}: {error_text(error)}"
            raise BadRequest(f"{name} could not be read as a PDF.", advice, detail) from None
        finally:
            if task:
                await task.destroy()


async def _text(document: Any, number: int) -> str:
    page = await document.getPage(number)
    found = from_object((await page.getTextContent()).items)
    page.cleanup()
    return "".join(item.get("str", "") + ("\n" if item.get("hasEOL") else "") for item in found)
