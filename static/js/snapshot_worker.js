// Brings the snapshot of Python's memory (tools/snapshot.py) to the start of the page: the unpacked copy from the Cache API, or else the
// host's compressed file. A worker, because unpacking and storing tens of megabytes would hold the page up. No application logic.
"use strict";

const CACHE = "modeltab-snapshot";
const DIGEST_BYTES = 32; // in front of the memory: the SHA-256 of the app archive that was imported
// Over a slow line the modules, which are half as large, are there sooner. Time until the line is judged, and what is worth waiting for.
const LOOK_MS = 400;
const PATIENCE_MS = 1500;

// Where the address is not named by its content (a development tree) the archive says whether a snapshot is of these very modules.
async function fits(snapshot, archive) {
  if (!archive) return true;
  const response = await fetch(archive);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await response.arrayBuffer()));
  return digest.every((byte, place) => byte === snapshot[place]);
}

async function kept(url, archive) {
  const response = await (await caches.open(CACHE)).match(url);
  const snapshot = response && new Uint8Array(await response.arrayBuffer());
  return snapshot && (await fits(snapshot, archive)) ? snapshot : undefined;
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

async function fetched(url, archive, hurry) {
  const controller = new AbortController();
  const response = await fetch(url, { signal: controller.signal });
  if (!response.ok) return undefined;
  const packed = hurry ? response.body.pipeThrough(endIfSlow(controller, Number(response.headers.get("content-length")))) : response.body;
  const unpacked = new Response(packed.pipeThrough(new DecompressionStream("gzip")));
  const snapshot = new Uint8Array(await unpacked.arrayBuffer());
  return (await fits(snapshot, archive)) ? snapshot : undefined;
}

async function bring({ url, archive, saveData }) {
  const copy = await kept(url, archive);
  const snapshot = copy ?? (saveData ? undefined : await fetched(url, archive, true));
  const memory = snapshot?.subarray(DIGEST_BYTES);
  postMessage({ memory, kept: Boolean(copy) }, memory ? [memory.buffer] : []);
}

async function keep({ url, archive, app }) {
  const snapshot = await fetched(url, archive, false); // the browser has it still, if it came before
  const cache = await caches.open(CACHE);
  for (const { url: other } of await cache.keys()) if (other !== url && other.startsWith(app)) await cache.delete(other);
  if (snapshot) await cache.put(url, new Response(snapshot));
}

onmessage = async ({ data }) => {
  try {
    await (data.keep ? keep(data) : bring(data));
  } catch (error) {
    postMessage({ error: String(error) });
  }
  if (data.keep) close();
};
