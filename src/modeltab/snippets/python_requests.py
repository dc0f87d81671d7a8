"""A call as a Python program that uses the package requests."""

from modeltab.snippets.answers import READINGS
from modeltab.snippets.call import Call
from modeltab.snippets.literals import python_string, python_text

_PARTS_OF = """
def parts_of(reply):
    return [part for item in reply.get("candidates", []) for part in item.get("content", {}).get("parts", [])]


"""


def code(call: Call) -> str:
    """The program: it prints the answer's text, or the reply's JSON where there is no such text."""
    imports = ["import json"] if call.streams or call.api == "json" else []
    imports += ["import os"] if call.key else []
    lines = ["# pip install requests", *imports, *([""] if imports else []), "import requests", ""]
    if call.api == "gemini":
        lines += _PARTS_OF.splitlines()
    return "\n".join([*lines, *_request(call), *_checked(), *_answer(call)]) + "\n"


def _request(call: Call) -> list[str]:
    arguments = [python_string(call.url)]
    headers = _headers(call)
    if headers:
        arguments.append(f"headers={headers}")
    if call.body is not None:
        arguments.append(f"json={python_text(call.body, 4)}")
    if call.upload:
        arguments.append(f"files={{{python_string(call.upload.field)}: file}}")
    if call.streams:
        arguments.append("stream=True")
    begin, end = f"response = requests.{call.method.lower()}(", ")"
    joined = ", ".join(arguments)
    is_short = len(joined) < 80 and "\n" not in joined
    lines = [begin + joined + end] if is_short else [begin, *(f"    {argument}," for argument in arguments), end]
    if call.upload:
        about = "# requests holds the whole file in memory while it sends it; curl does not."
        opened = f'with open({python_string(call.upload.name)}, "rb") as file:'
        return [about, opened, *(f"    {line}" for line in lines)]
    return lines


def _headers(call: Call) -> str:
    """The headers as a dict; the type of JSON is requests' own to tell."""
    fields = [
        f"{python_string(name)}: {python_string(value)}"
        for name, value in call.headers.items()
        if name.lower() != "content-type"
    ]
    if call.key:
        variable = f"os.environ[{python_string(call.key.variable)}]"
        before = f"{python_string(call.key.prefix)} + " if call.key.prefix else ""
        fields.append(f"{python_string(call.key.header)}: {before}{variable}")
    return "{" + ", ".join(fields) + "}" if fields else ""


def _checked() -> list[str]:
    return ["if not response.ok:", '    raise SystemExit(f"{response.status_code}: {response.text}")']


def _answer(call: Call) -> list[str]:
    if call.api == "json":
        return ["print(json.dumps(response.json(), indent=2))"]
    reading = READINGS[call.api]
    if not call.streams:
        return ["reply = response.json()", f"print({reading.python_reply})"]
    begin, chunk = "line", "line"
    if reading.is_events:
        begin, chunk = 'line.startswith(b"data:") and line[5:].strip() not in (b"", b"[DONE]")', "line[5:]"
    return [
        "for line in response.iter_lines():",
        f"    if {begin}:",
        f"        chunk = json.loads({chunk})",
        f'        print({reading.python_chunk}, end="", flush=True)',
        "print()",
    ]
