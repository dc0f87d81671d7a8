"""A call as a PowerShell script. The answer comes in one piece: Invoke-RestMethod does not stream."""

from modeltab.snippets.answers import READINGS
from modeltab.snippets.call import Call
from modeltab.snippets.literals import json_text, powershell, powershell_with_variable


def code(call: Call) -> str:
    """The script, for Windows PowerShell 5.1 and later; one that sends a file needs PowerShell 7."""
    lines = ["# PowerShell 7 or newer"] if call.upload else []
    options = [f"-Method {call.method.capitalize()}", f"-Uri {powershell(call.url)}"]
    headers = [
        f"{powershell(name)} = {powershell(value)}"
        for name, value in call.headers.items()
        if name.lower() != "content-type"  # Windows PowerShell takes it only as an option
    ]
    if call.key:
        value = powershell_with_variable(call.key.prefix, call.key.variable)
        headers.append(f"{powershell(call.key.header)} = {value}")
    if headers:
        lines.append(f"$headers = @{{ {'; '.join(headers)} }}")
        options.append("-Headers $headers")
    if call.upload:
        file = f"Get-Item -LiteralPath {powershell(call.upload.name)}"
        options.append(f"-Form @{{ {powershell(call.upload.field)} = {file} }}")
    if call.body is not None:
        # ASCII alone: Windows PowerShell reads a script, and sends a text, in an encoding of its own.
        lines += ["$body = @'", json_text(call.body, ascii_only=True), "'@"]
        options.append("-ContentType 'application/json' -Body $body")
    sent = f"Invoke-RestMethod {' '.join(options)}"
    if call.api == "json":
        return "\n".join([*lines, f"{sent} | ConvertTo-Json -Depth 10"]) + "\n"
    return "\n".join([*lines, f"$reply = {sent}", READINGS[call.api].powershell_reply]) + "\n"
