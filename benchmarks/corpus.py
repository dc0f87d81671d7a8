"""Made-up conversations, put into the database of an app that is open in a page; the benchmarks and tests share them."""

import json
import random
from typing import NamedTuple

_WORDS = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "is",
    "that",
    "for",
    "it",
    "as",
    "with",
    "on",
    "be",
    "by",
    "this",
    "are",
    "from",
    "at",
    "or",
    "an",
    "not",
    "have",
    "which",
    "you",
    "can",
    "model",
    "river",
    "answer",
    "table",
    "python",
    "browser",
    "memory",
    "question",
    "language",
    "water",
    "window",
    "music",
    "garden",
    "history",
    "number",
    "science",
    "letter",
    "paper",
    "winter",
    "summer",
]


class Talk(NamedTuple):
    """A conversation's title, and the word that only it has in a message."""

    title: str
    own_word: str


def corpus(number: int) -> Talk:
    """The conversation of that number, 0 for the latest."""
    choice = random.Random(number)
    return Talk(f"{' '.join(choice.choices(_WORDS, k=4))} {number}", f"zebra{number}")


def options(conversations: int, messages: int) -> str:
    """The argument of `FILL`: how many conversations, and how many messages each."""
    titles = [corpus(n).title for n in range(conversations)]
    return json.dumps({"conversations": conversations, "messages": messages, "vocabulary": _WORDS, "titles": titles})


#: JavaScript: fills the database, as `options` says.
FILL = """async (options) => {
  const { conversations, messages, vocabulary, titles, words = 50 } = JSON.parse(options);
  const opened = indexedDB.open("modeltab");
  const database = await new Promise((resolve, reject) => {
    opened.onsuccess = () => resolve(opened.result);
    opened.onerror = () => reject(opened.error);
  });
  let seed = 1;
  const word = () => vocabulary[(seed = (seed * 48271) % 2147483647) % vocabulary.length];
  for (let start = 0; start < conversations; start += 500) {
    const work = database.transaction(["conversations", "messages"], "readwrite");
    for (let c = start; c < Math.min(conversations, start + 500); c += 1) {
      const updated = 1.7e9 - 60 * c;
      const id = (n) => "m" + c + "-" + n;
      for (let n = 0; n < messages; n += 1) {
        const body = Array.from({ length: words }, word).join(" ");
        work.objectStore("messages").put({
          id: id(n), conversation_id: "c" + c, parent_id: n ? id(n - 1) : null, role: n % 2 ? "assistant" : "user",
          text: n === messages - 1 ? `${body} zebra${c} message ${n}` : `${body} message ${n}`,
          created: updated - 5000 + n, status: "done", reasoning: "", model: n % 2 ? "fake" : "", connection: "",
          stats: { seconds: 1.5, completion_tokens: 70 }, finish_reason: "", native_reason: "", error: null, images: [],
          tool_calls: [], provider_data: {},
        });
      }
      work.objectStore("conversations").put({
        id: "c" + c, title: titles[c], created: updated - 5000, updated, leaf_id: id(messages - 1),
      });
    }
    await new Promise((resolve, reject) => { work.oncomplete = resolve; work.onabort = () => reject(work.error); });
  }
  database.close();
}"""

#: JavaScript: the same, into the database of llama.cpp's interface that is open in the page.
FILL_LLAMA_UI = """async (options) => {
  const { conversations, messages, vocabulary, titles, words = 50 } = JSON.parse(options);
  const opened = indexedDB.open("LlamaUi");
  const database = await new Promise((resolve, reject) => {
    opened.onsuccess = () => resolve(opened.result);
    opened.onerror = () => reject(opened.error);
  });
  let seed = 1;
  const word = () => vocabulary[(seed = (seed * 48271) % 2147483647) % vocabulary.length];
  const work = database.transaction(["conversations", "messages"], "readwrite");
  for (let c = 0; c < conversations; c += 1) {
    const updated = 1.7e12 - 60000 * c;
    const id = (n) => (n < 0 ? "root" + c : "m" + c + "-" + n);
    const put = (n, more) => work.objectStore("messages").put({
      id: id(n), convId: "c" + c, timestamp: updated + n, parent: n < 0 ? null : id(n - 1),
      children: n < messages - 1 ? [id(n + 1)] : [], toolCalls: "", ...more,
    });
    put(-1, { type: "root", role: "system", content: "" });
    for (let n = 0; n < messages; n += 1) {
      const body = Array.from({ length: words }, word).join(" ");
      const content = n === messages - 1 ? `${body} zebra${c} message ${n}` : `${body} message ${n}`;
      put(n, { type: "text", role: n % 2 ? "assistant" : "user", content, model: n % 2 ? "writer" : undefined });
    }
    work.objectStore("conversations").put({ id: "c" + c, name: titles[c], lastModified: updated, currNode: id(messages - 1) });
  }
  await new Promise((resolve, reject) => { work.oncomplete = resolve; work.onabort = () => reject(work.error); });
  database.close();
}"""
