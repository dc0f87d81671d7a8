"""Where the text of an answer stands, for each API, as an expression of each language.

`chunk` is a piece of a stream, `reply` an answer in one piece. Sources: see the providers of the same names.
"""

from collections.abc import Mapping
from typing import NamedTuple

from modeltab.snippets.call import Api


class Reading(NamedTuple):
    """How one API's answers are read.

    :param is_events: whether a stream is of server-sent events; if not, it is one JSON value a line.
    :param python_chunk: the text in `chunk`, in Python; the others likewise.
    """

    is_events: bool
    python_chunk: str
    python_reply: str
    javascript_chunk: str
    javascript_reply: str
    powershell_reply: str


READINGS: Mapping[Api, Reading] = {
    "chat": Reading(
        True,
        '"".join(choice["delta"].get("content") or "" for choice in chunk["choices"])',
        'reply["choices"][0]["message"]["content"]',
        'chunk.choices[0]?.delta?.content ?? ""',
        "reply.choices[0].message.content",
        "$reply.choices[0].message.content",
    ),
    "responses": Reading(
        True,
        'chunk["delta"] if chunk["type"] == "response.output_text.delta" else ""',
        '"".join(part.get("text", "") for item in reply["output"] if item["type"] == "message" for part in item["content"])',
        'chunk.type === "response.output_text.delta" ? chunk.delta : ""',
        'reply.output.flatMap((item) => (item.type === "message" ? item.content : [])).map((part) => part.text).join("")',
        "($reply.output | Where-Object { $_.type -eq 'message' }).content.text -join ''",
    ),
    "anthropic": Reading(
        True,
        'chunk["delta"].get("text", "") if chunk["type"] == "content_block_delta" else ""',
        '"".join(block.get("text", "") for block in reply["content"])',
        'chunk.type === "content_block_delta" ? (chunk.delta.text ?? "") : ""',
        'reply.content.map((block) => block.text ?? "").join("")',
        "($reply.content | Where-Object { $_.type -eq 'text' }).text -join ''",
    ),
    "gemini": Reading(
        True,
        '"".join(part.get("text", "") for part in parts_of(chunk) if not part.get("thought"))',
        '"".join(part.get("text", "") for part in parts_of(reply) if not part.get("thought"))',
        '(chunk.candidates?.[0]?.content?.parts ?? []).map((part) => (part.thought ? "" : (part.text ?? ""))).join("")',
        '(reply.candidates?.[0]?.content?.parts ?? []).map((part) => (part.thought ? "" : (part.text ?? ""))).join("")',
        "($reply.candidates[0].content.parts | Where-Object { -not $_.thought }).text -join ''",
    ),
    "ollama": Reading(
        False,
        'chunk["message"]["content"]',
        'reply["message"]["content"]',
        'chunk.message?.content ?? ""',
        "reply.message.content",
        "$reply.message.content",
    ),
    "local-llm": Reading(False, "", 'reply["response"]', "", "reply.response", "$reply.response"),
}
