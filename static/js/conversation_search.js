// Searches the text of all conversations. A worker, so that neither reading 200,000 messages nor looking through them holds
// up the page, and JavaScript, because a Python worker would load a second interpreter to compare strings.
//
// It reads the app's database and never writes to it. The texts of a conversation stay in memory, as they are and in small
// letters, one string each; what has changed since they were read is read again when it is told to.
//
// In:  {read: true}                     read what is new; answered by {read: number of conversations} or {error: text}
//      {find: [word, …], id: n}         words in small letters, all of which a conversation must have in its title or text;
//                                       answered by {id: n, found, snippets}: texts, in each one line a conversation
"use strict";

const DATABASE = "modeltab";
const BATCH = 4000;
const BEFORE = 20;
const LENGTH = 140;
// An answer is written for a while after its conversation's record has changed: so long, in seconds, it is read again.
const SETTLED_S = 3600;

const texts = new Map(); // conversation id → {mark, text, small}
let reading = null;

function promised(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE);
    let isNew = false;
    request.onupgradeneeded = () => {
      isNew = true; // there are no conversations yet, and making the database is not for this worker
      request.transaction.abort();
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => (isNew ? resolve(null) : reject(request.error));
  });
}

// Small letters, as many characters as before: what is found in them is shown as it was written.
function lower(text) {
  const small = text.toLowerCase();
  if (small.length === text.length) return small;
  return Array.from(text, (letter) => {
    const one = letter.toLowerCase();
    return one.length === letter.length ? one : letter;
  }).join("");
}

function put(conversation, messages, now) {
  messages.sort((a, b) => a.created - b.created);
  const text = messages.map((message) => message.text).join("\n");
  const settled = conversation.updated < now - SETTLED_S;
  const mark = settled ? markOf(conversation) : "";
  texts.set(conversation.id, { mark, title: lower(conversation.title), text, small: lower(text) });
}

function markOf(conversation) {
  return `${conversation.updated} ${conversation.leaf_id} ${conversation.title}`;
}

async function read() {
  const database = await open();
  if (!database) return;
  try {
    const now = Date.now() / 1000;
    const listed = await promised(database.transaction("conversations").objectStore("conversations").getAll());
    const valid = listed.filter((c) => typeof c.id === "string" && typeof c.title === "string");
    const ids = new Set(valid.map((c) => c.id));
    for (const id of texts.keys()) if (!ids.has(id)) texts.delete(id);
    const changed = valid.filter((c) => !texts.has(c.id) || texts.get(c.id).mark !== markOf(c));
    if (changed.length > 200) await readAll(database, changed, now);
    else await readSome(database, changed, now);
  } finally {
    database.close(); // kept open, it would hold up an update of the database, or its deletion
  }
}

async function readSome(database, conversations, now) {
  const index = database.transaction("messages").objectStore("messages").index("conversation_id");
  const found = await Promise.all(conversations.map((c) => promised(index.getAll(c.id))));
  conversations.forEach((c, place) => put(c, found[place], now));
}

async function readAll(database, conversations, now) {
  const groups = new Map(conversations.map((c) => [c.id, []]));
  let range = null;
  for (;;) {
    const batch = await promised(database.transaction("messages").objectStore("messages").getAll(range, BATCH));
    for (const message of batch) {
      const group = groups.get(message.conversation_id);
      if (group && typeof message.text === "string") group.push({ created: message.created, text: message.text });
    }
    if (batch.length < BATCH) break;
    range = IDBKeyRange.lowerBound(batch[batch.length - 1].id, true);
  }
  for (const conversation of conversations) put(conversation, groups.get(conversation.id), now);
}

function find(words) {
  const found = [];
  const snippets = [];
  const longest = [...words].sort((a, b) => b.length - a.length); // the rarest, most likely
  for (const [id, item] of texts) {
    let first = -1;
    let all = true;
    for (const word of longest) {
      const place = item.small.indexOf(word);
      if (place >= 0) {
        if (first < 0) first = place;
      } else if (!item.title.includes(word)) {
        all = false;
        break;
      }
    }
    if (all) {
      found.push(id);
      snippets.push(first < 0 ? "" : snippet(item.text, first));
    }
  }
  return { found: found.join("\n"), snippets: snippets.join("\n") };
}

function snippet(text, place) {
  const start = Math.max(0, place - BEFORE);
  const piece = text.slice(start, start + LENGTH).replace(/[^\S ]+/g, " "); // in the answer, each is one line
  return (start ? "…" : "") + piece.trim();
}

self.onmessage = async (event) => {
  const { find: words, id } = event.data;
  if (words) return self.postMessage({ id, ...find(words) });
  try {
    reading = reading || read();
    await reading;
    self.postMessage({ read: texts.size });
  } catch (error) {
    self.postMessage({ error: `${error.name}: ${error.message}` });
  } finally {
    reading = null;
  }
};
