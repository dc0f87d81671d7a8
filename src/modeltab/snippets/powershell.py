"""A call as a PowerShell script. The answer comes in one piece: Invoke-RestMethod does not stream."""

from modeltab.snippets.answers import READINGS
from modeltab.snippets.call import Call
from modeltab.snippets.literals import json_text, powershell, powershell_with_variable


def code(call: Call) -> str:
    """The script, for Windows PowerShell 5.1 and later; one that sends a file needs PowerShell 7."""
    lines = ["# PowerShell 7 or newer"] if call.upload else []
    lines += ["$request = @{", f"  Method = {powershell(call.method.capitalize())}", f"  Uri = {powershell(call.url)}"]
    headers = [
        f"{powershell(name)} = {powershell(value)}"
        for name, value in call.headers.items()
        if name.lower() != "content-type"  # Windows PowerShell takes it only as an option
    ]
    if call.key:
        value = powershell_with_variable(call.key.prefix, call.key.variable)
        headers.append(f"{powershell(call.key.header)} = {value}")
    if headers:
        lines.append(f"  Headers = @{{ {'; '.join(headers)} }}")
    if call.upload:
        file = f"Get-Item -LiteralPath {powershell(call.upload.name)}"
        lines.append(f"  Form = @{{ {powershell(call.upload.field)} = {file} }}")
    if call.body is not None:
        # ASCII alone: Windows PowerShell reads a script, and sends a text, in an encoding of its own.
        lines += ["  ContentType = 'application/json'", "  Body = @'", json_text(call.body, ascii_only=True), "'@"]
    lines.append("}")
    if call.api == "json":
        return "\n".join([*lines, "Invoke-RestMethod @request | ConvertTo-Json -Depth 10"]) + "\n"
    return "\n".join([*lines, "$reply = Invoke-RestMethod @request", READINGS[call.api].powershell_reply]) + "\n"
