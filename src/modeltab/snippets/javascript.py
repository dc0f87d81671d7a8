"""A call as a JavaScript module: for Node.js by fetch or npm's openai, for a page where only a page can send it."""

import json

from modeltab.snippets.answers import READINGS
from modeltab.snippets.call import Call, KeyPlace
from modeltab.snippets.literals import is_exact_in_javascript, javascript_text
from modeltab.snippets.python_packages import openai_base

_NODE = "// Node.js 20 or newer; save it as a file that ends in .mjs"
_PAGE = '// In a page of the same address: <script type="module">'


def fetch(call: Call) -> str:
    """The module that uses fetch."""
    lines = [_PAGE if call.in_page else _NODE]
    options = []
    if call.method != "GET":
        options.append(f'method: "{call.method}"')
    headers = [f"{_string(name)}: {_string(value)}" for name, value in call.headers.items()]
    if call.key:
        before = f"{_string(call.key.prefix)} + " if call.key.prefix else ""
        headers.append(f"{_string(call.key.header)}: {before}{_variable(call.key)}")
    if headers:
        options.append(f"headers: {{ {', '.join(headers)} }}")
    if call.upload:
        name = _string(call.upload.name)
        lines += ['import { openAsBlob } from "node:fs";', "", "const form = new FormData();"]
        lines.append(f"form.append({_string(call.upload.field)}, await openAsBlob({name}), {name});")
        options.append("body: form")
    if call.body is not None:
        options.append(f"body: {_body(call)}")
    url = _string(call.url)
    if options:
        lines += [f"const response = await fetch({url}, {{", *(f"  {option}," for option in options), "});"]
    else:
        lines.append(f"const response = await fetch({url});")
    lines.append("if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);")
    return "\n".join([*lines, *_answer(call)]) + "\n"


def openai_fits(call: Call) -> bool:
    """Whether npm's openai can send the call as it is."""
    return bool(openai_base(call)) and is_exact_in_javascript(call.body)


def openai(call: Call) -> str:
    """The module that uses npm's openai."""
    options = [f"baseURL: {_string(openai_base(call))}", f"apiKey: {_variable(call.key) if call.key else _string('none')}"]
    if call.in_page:
        options.append("dangerouslyAllowBrowser: true")
    lines = ["// npm install openai", _PAGE if call.in_page else _NODE, 'import OpenAI from "openai";', ""]
    lines.append(f"const client = new OpenAI({{ {', '.join(options)} }});")
    method = "chat.completions" if call.api == "chat" else "responses"
    asked = f"await client.{method}.create({javascript_text(call.body)});"
    if call.streams:
        loop = f"for await (const chunk of stream) {_print(call, READINGS[call.api].javascript_chunk)}"
        return "\n".join([*lines, f"const stream = {asked}", loop, *_end(call)]) + "\n"
    text = "reply.choices[0].message.content" if call.api == "chat" else "reply.output_text"
    return "\n".join([*lines, f"const reply = {asked}", f"console.log({text});"]) + "\n"


def _body(call: Call) -> str:
    if is_exact_in_javascript(call.body):
        return f"JSON.stringify({javascript_text(call.body, 2)})"
    return _string(json.dumps(call.body))  # as text: JavaScript's numbers would change one of these


def _answer(call: Call) -> list[str]:
    if call.api == "json":
        return ["console.log(JSON.stringify(await response.json(), null, 2));"]
    reading = READINGS[call.api]
    if not call.streams:
        return ["const reply = await response.json();", f"console.log({reading.javascript_reply});"]
    data, value = "line.trim()", "line"
    if reading.is_events:
        data, value = r"/^data:(?!\s*(\[DONE\])?$)/.test(line)", "line.slice(5)"
    return [
        'let rest = "";',
        "for await (const text of response.body.pipeThrough(new TextDecoderStream())) {",
        "  const lines = (rest + text).split(/\\r?\\n/);",
        "  rest = lines.pop();",
        "  for (const line of lines) {",
        f"    if (!{data}) continue;",
        f"    const chunk = JSON.parse({value});",
        f"    {_print(call, reading.javascript_chunk)}",
        "  }",
        "}",
        *_end(call),
    ]


def _print(call: Call, text: str) -> str:
    return f"document.body.append({text});" if call.in_page else f"process.stdout.write({text});"


def _end(call: Call) -> list[str]:
    return [] if call.in_page else ["console.log();"]


def _variable(key: KeyPlace) -> str:
    return f"process.env.{key.variable}"


def _string(text: str) -> str:
    return javascript_text(text)
