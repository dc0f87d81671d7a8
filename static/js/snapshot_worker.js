// Brings the snapshot of Python's memory (tools/snapshot.py) to the start of the page: the unpacked copy in the origin's private file
// system, or else the host's compressed file. A worker, because unpacking and storing tens of megabytes would hold the page up. No
// application logic.
//
// boot.js says {url, archive?, saveData} and hears {length} as soon as that is known, then {memory?, kept}; or {url, archive?, keep, app}
// and hears nothing, unless it is {error}.
"use strict";

const FOLDER = "snapshot";
// In front of the memory: the SHA-256 of the app archive that was imported, and how long the memory is. As tools/snapshot.py writes it.
const DIGEST_BYTES = 32;
const HEAD_BYTES = DIGEST_BYTES + 4;
// Over a slow line the modules, which are half as large, are there sooner. Time until the line is judged, and what is worth waiting for.
const LOOK_MS = 1000;
const PATIENCE_MS = 2000;

const lengthIn = (head) => new DataView(head.buffer).getUint32(DIGEST_BYTES, true);

// Where the address is not named by its content (a development tree) the archive says whether a snapshot is of these very modules.
async function fits(head, archive) {
  if (!archive) return true;
  const response = await fetch(archive);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await response.arrayBuffer()));
  return digest.every((byte, place) => byte === head[place]);
}

const folder = async (options) => (await navigator.storage.getDirectory()).getDirectoryHandle(FOLDER, options);
// An origin may have more than one ModelTab.
const nameOf = (url) => encodeURIComponent(new URL(url).pathname);

async function kept({ url, archive }) {
  const file = await (await folder()).getFileHandle(nameOf(url));
  const access = await file.createSyncAccessHandle({ mode: "read-only" }); // so that other tabs may read as well, where that is known
  try {
    const head = new Uint8Array(HEAD_BYTES);
    const isWhole = access.read(head, { at: 0 }) === HEAD_BYTES && access.getSize() === HEAD_BYTES + lengthIn(head);
    if (!isWhole || !(await fits(head, archive))) return undefined;
    postMessage({ length: lengthIn(head) });
    const memory = new Uint8Array(lengthIn(head));
    access.read(memory, { at: HEAD_BYTES });
    return memory;
  } finally {
    access.close();
  }
}

function endIfSlow(controller, total) {
  const begun = performance.now();
  let received = 0;
  return new TransformStream({
    transform(chunk, out) {
      received += chunk.length;
      const spent = performance.now() - begun;
      if (spent > LOOK_MS && (spent * (total - received)) / received > PATIENCE_MS) controller.abort();
      out.enqueue(chunk);
    },
  });
}

// {head, memory}, undefined where there is none that fits.
async function fetched({ url, archive, keep }) {
  const controller = new AbortController();
  const response = await fetch(url, { signal: controller.signal });
  if (!response.ok) return undefined;
  const total = Number(response.headers.get("content-length"));
  const packed = keep ? response.body : response.body.pipeThrough(endIfSlow(controller, total));
  const reader = packed.pipeThrough(new DecompressionStream("gzip")).getReader();
  let head = new Uint8Array(0);
  let memory;
  let received = 0;
  for (let step; !(step = await reader.read()).done; ) {
    let part = step.value;
    if (!memory) {
      const lacking = HEAD_BYTES - head.length;
      head = Uint8Array.of(...head, ...part.subarray(0, lacking));
      if (head.length < HEAD_BYTES) continue;
      if (!(await fits(head, archive))) return void controller.abort();
      if (!keep) postMessage({ length: lengthIn(head) });
      memory = new Uint8Array(lengthIn(head));
      part = part.subarray(lacking);
    }
    memory.set(part, received);
    received += part.length;
  }
  if (received !== memory?.length) throw new Error("the snapshot is not whole");
  return { head, memory };
}

async function bring(request) {
  const copy = await kept(request).catch(() => undefined); // there is none, or the storage is refused
  const memory = copy ?? (request.saveData ? undefined : (await fetched(request))?.memory);
  postMessage({ memory, kept: Boolean(copy) }, memory ? [memory.buffer] : []);
}

async function keep(request) {
  const place = await folder({ create: true });
  const name = nameOf(request.url);
  const older = [];
  for await (const other of place.keys()) if (other !== name && other.startsWith(nameOf(request.app))) older.push(other);
  for (const other of older) await place.removeEntry(other).catch(() => {}); // another tab reads it
  const snapshot = await fetched(request); // the browser has it still, if it came before
  if (!snapshot) return;
  const access = await (await place.getFileHandle(name, { create: true })).createSyncAccessHandle();
  try {
    access.truncate(0);
    access.write(snapshot.memory, { at: HEAD_BYTES });
    access.flush();
    access.write(snapshot.head, { at: 0 }); // last, so that what was broken off fits nothing
  } finally {
    access.close();
  }
}

onmessage = async ({ data }) => {
  try {
    await (data.keep ? keep(data) : bring(data));
  } catch (error) {
    postMessage({ error: String(error) });
  }
  if (data.keep) close();
};
