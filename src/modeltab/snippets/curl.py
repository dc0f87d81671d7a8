"""A call as a command of curl."""

from modeltab.snippets.call import Call
from modeltab.snippets.literals import json_text, shell, shell_with_variable

#: Linux takes no argument of 128 KiB or more; what is longer goes in by standard input.
LONGEST_ARGUMENT = 100_000
#: No line of JSON is this.
_END = "END_OF_BODY"


def code(call: Call) -> str:
    """The command. What the server answers is printed as it comes."""
    options = ["--fail-with-body --silent --show-error" + (" --no-buffer" if call.streams else "")]
    if call.method != ("GET" if call.body is None and not call.upload else "POST"):
        options.append(f"--request {call.method}")
    if set("[]{}") & set(call.url):
        options.append("--globoff")
    options += [f"--header {shell(f'{name}: {value}')}" for name, value in call.headers.items()]
    if call.key:
        options.append("--header " + shell_with_variable(f"{call.key.header}: {call.key.prefix}", call.key.variable))
    below = ""
    if call.upload:
        options.append("--form " + shell(f"{call.upload.field}=@{call.upload.name}"))
    if call.body is not None:
        text = json_text(call.body)
        is_long = len(text.encode("utf-8", "surrogatepass")) > LONGEST_ARGUMENT
        options.append("--data-binary @-" if is_long else "--data-raw " + shell(text))
        below = f" <<'{_END}'\n{text}\n{_END}" if is_long else ""
    return " \\\n  ".join(["curl " + shell(call.url), *options]) + below + "\n"
