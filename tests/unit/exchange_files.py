"""Files of conversations: archives and pictures, and exports written to the shapes that other apps publish."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from typing import Any

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
PNG_URL = "data:image/png;base64," + base64.b64encode(PNG).decode()


def zipped(files: dict[str, bytes | str], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP archive of these files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def unzipped(archive: bytes) -> dict[str, bytes]:
    """The files of a ZIP archive."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def chatgpt_node(
    id_: str, parent: str | None, role: str, *parts: Any, kind: str = "text", recipient: str = "all", **content: Any
) -> dict[str, Any]:
    """A node of ChatGPT's `mapping`; without a role, one without a message."""
    message = {
        "id": id_,
        "author": {"role": role, "name": None, "metadata": {}},
        "create_time": 1_700_000_000.0 + len(id_),
        "update_time": None,
        "content": {"content_type": kind, **({"parts": list(parts)} if parts else {}), **content},
        "status": "finished_successfully",
        "end_turn": None,
        "weight": 1.0,
        "metadata": {"model_slug": "gpt-4o"} if role == "assistant" else {},
        "recipient": recipient,
        "channel": None,
    }
    return {"id": id_, "message": message if role else None, "parent": parent, "children": []}


def chatgpt(*nodes: dict[str, Any], current: str, id_: str = "c1", title: str = "Orchids") -> dict[str, Any]:
    """A conversation of ChatGPT's conversations.json."""
    mapping = {node["id"]: node for node in nodes}
    for node in nodes:
        if node["parent"] in mapping:
            mapping[node["parent"]]["children"].append(node["id"])
    return {
        "title": title,
        "create_time": 1_700_000_000.5,
        "update_time": 1_700_000_100.5,
        "mapping": mapping,
        "moderation_results": [],
        "current_node": current,
        "plugin_ids": None,
        "conversation_id": id_,
        "conversation_template_id": None,
        "gizmo_id": None,
        "is_archived": False,
        "safe_urls": [],
        "default_model_slug": "gpt-4o",
        "id": id_,
    }


def open_webui(messages: list[dict[str, Any]], current: str, title: str = "Ferns", **chat: Any) -> dict[str, Any]:
    """A chat of Open WebUI's export."""
    tree = {message["id"]: message for message in messages}
    return {
        "id": "9f0c",
        "user_id": "u",
        "title": title,
        "chat": {
            "id": "",
            "title": title,
            "models": ["llama3.2:3b"],
            "params": {},
            "history": {"messages": tree, "currentId": current},
            "messages": messages[:2],
            "tags": [],
            "timestamp": 1_700_000_000_000,
            "files": [],
            **chat,
        },
        "updated_at": 1_700_000_200,
        "created_at": 1_700_000_000,
        "share_id": None,
        "archived": False,
        "pinned": False,
        "meta": {},
        "folder_id": None,
    }


def owui_message(id_: str, parent: str | None, role: str, content: str, **more: Any) -> dict[str, Any]:
    """A message of it."""
    base: dict[str, Any] = {"id": id_, "parentId": parent, "childrenIds": [], "role": role, "content": content}
    base["timestamp"] = 1_700_000_010
    return {**base, **({"model": "llama3.2:3b", "modelName": "Llama", "done": True} if role == "assistant" else {}), **more}


def llama_message(id_: str, parent: str | None, role: str, content: str, type_: str = "text", **more: Any) -> dict[str, Any]:
    """A message of llama.cpp's web UI."""
    return {
        "convId": "conv-1",
        "id": id_,
        "type": type_,
        "timestamp": 1_700_000_000_000 + len(id_),
        "role": role,
        "content": content,
        "parent": parent,
        "children": [],
        **more,
    }


LLAMA_CONV = {"id": "conv-1", "name": "Mosses", "lastModified": 1_700_000_050_000, "currNode": "a2", "pinned": False}
LLAMA_MESSAGES = [
    llama_message("root", None, "system", "", "root"),
    llama_message("s", "root", "system", "Be brief.", "system"),
    llama_message("u1", "s", "user", "What is a moss?", extra=[{"type": "TEXT", "name": "a.txt", "content": "A text."}]),
    llama_message("a1", "u1", "assistant", "A plant.", model="qwen.gguf"),
    llama_message(
        "a2",
        "u1",
        "assistant",
        "A small plant.",
        model="qwen.gguf",
        reasoningContent="Hm.",
        timings={"prompt_n": 12, "prompt_ms": 100.0, "predicted_n": 4, "predicted_ms": 200.0, "cache_n": 3},
    ),
]


def llama_jsonl(conv: dict[str, Any] = LLAMA_CONV, messages: list[dict[str, Any]] = LLAMA_MESSAGES) -> str:
    """Its JSON Lines of one conversation."""
    head = json.dumps({"harness": "llama.cpp-webui", "type": "session", **conv})
    return "\n".join([head, *(json.dumps({"message": message, "type": "message"}) for message in messages)])


def nextchat(*sessions: dict[str, Any]) -> dict[str, Any]:
    """NextChat's backup, with the store that has keys."""
    return {
        "chat-next-web-store": {"sessions": list(sessions), "currentSessionIndex": 0, "lastInput": "", "lastUpdateTime": 1},
        "access-control": {"accessCode": "", "openaiApiKey": "sk-nextchat-secret-key", "openaiUrl": "https://api.openai.com"},
        "app-config": {"theme": "auto", "modelConfig": {"model": "gpt-4o-mini"}},
        "mask-store": {"masks": {}},
        "prompt-store": {"prompts": {}},
    }


def nextchat_session(*messages: dict[str, Any], topic: str = "Lichens") -> dict[str, Any]:
    """A conversation of it."""
    return {
        "id": "n1",
        "topic": topic,
        "memoryPrompt": "",
        "messages": list(messages),
        "stat": {"tokenCount": 0, "wordCount": 0, "charCount": 10},
        "lastUpdate": 1_700_000_300_000,
        "lastSummarizeIndex": 0,
        "mask": {"id": "m", "name": "Lichens", "context": [], "modelConfig": {"model": "gpt-4o-mini"}},
    }
