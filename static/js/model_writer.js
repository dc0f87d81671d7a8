// Writes a model file into the browser's private storage (OPFS). A worker, because only a worker may write there through
// a sync access handle, and JavaScript, because a Python worker would load a second interpreter to move bytes.
// The file grows in partial/ and moves to models/ when it is whole, so a broken transfer is never listed as a model.
//
// In:  {name, file} or {name, sources: [url, …]}, and later {cancel: true}
// Out: {sent, size} while it goes, then one of {done: true}, {cancelled: true}, {error: {name, message}}
"use strict";

const SLICE = 8 * 1024 * 1024;
const REPORT_MS = 100;
const MAGIC = "GGUF";

let cancelled = false;
const abort = new AbortController();

class NotAModel extends Error {
  name = "NotAModel";
}

async function* slices(file) {
  for (let at = 0; at < file.size; at += SLICE) yield new Uint8Array(await file.slice(at, at + SLICE).arrayBuffer());
}

async function open(sources) {
  let last;
  for (const url of sources) {
    try {
      const response = await fetch(url, { credentials: "omit", referrerPolicy: "no-referrer", signal: abort.signal });
      if (response.ok && response.body) return response;
      last = new Error(`${url} answered ${response.status}`);
    } catch (error) {
      last = new Error(`${url}: ${error.message}`);
    }
  }
  last.name = "Unreachable";
  throw last;
}

async function* chunks(body) {
  const reader = body.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
  } finally {
    reader.cancel().catch(() => {}); // ends the download when the loop was left early; after its end there is nothing to cancel
  }
}

async function write({ name, file, sources }) {
  const root = await navigator.storage.getDirectory();
  const models = await root.getDirectoryHandle("models", { create: true });
  const partial = await root.getDirectoryHandle("partial", { create: true });
  const response = file ? null : await open(sources);
  const size = file ? file.size : Number(response.headers.get("content-length")) || 0;
  const handle = await partial.getFileHandle(name, { create: true });
  const access = await handle.createSyncAccessHandle();
  let sent = 0;
  let reported = 0;
  try {
    access.truncate(0);
    for await (const bytes of file ? slices(file) : chunks(response.body)) {
      if (cancelled) break;
      if (sent === 0 && String.fromCharCode(...bytes.subarray(0, 4)) !== MAGIC) throw new NotAModel(`${name} does not begin with ${MAGIC}`);
      for (let from = 0; from < bytes.length; ) from += access.write(bytes.subarray(from), { at: sent + from });
      sent += bytes.length;
      if (performance.now() - reported > REPORT_MS) {
        reported = performance.now();
        postMessage({ sent, size });
      }
    }
    if (!cancelled && size && sent !== size) throw new Error(`${sent} of ${size} bytes arrived`);
    if (!cancelled && sent === 0) throw new NotAModel(`${name} is empty`);
    access.flush();
  } catch (error) {
    access.close();
    await partial.removeEntry(name);
    if (cancelled) return { cancelled: true };
    throw error;
  }
  access.close();
  if (cancelled) {
    await partial.removeEntry(name);
    return { cancelled: true };
  }
  await handle.move(models, name);
  postMessage({ sent, size: sent });
  return { done: true };
}

onmessage = ({ data }) => {
  if (data.cancel) {
    cancelled = true;
    abort.abort(); // a download that has stalled would not look at the flag
    return;
  }
  write(data).then(postMessage, (error) =>
    postMessage(cancelled ? { cancelled: true } : { error: { name: error.name, message: error.message } }),
  );
};
