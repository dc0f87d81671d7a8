// Writes a model file into the browser's private storage (OPFS), and hashes files. A worker, because only a worker may
// write there through a sync access handle, and JavaScript, because a Python worker would load a second interpreter to
// move bytes. It decides nothing about models.
//
// A file grows in partial/, beside a record of how much of it is safely there, and moves to models/ when it is whole. So
// a broken transfer is never listed as a model, and the next one goes on where it was.
//
// In:  {name, file, stamp}                                a file of this machine; stamp: its time of change
//      {name, sources: [url, …], size, sha256, stamp}     a file on the web; size 0, sha256 and stamp "" while unknown
//      {digest: file}                                     only its SHA-256
//      {cancel: true}                                     stop, and keep what is there
// Out: {sent, size, step} while it goes, then one of {done: true, sha256}, {cancelled: true}, {error: {name, message}}
"use strict";

const SLICE = 8 * 1024 * 1024;
const REPORT_MS = 100;
const KEEP_MS = 2000;
const RECORD_BYTES = 8192;
const TRIES = 6;
const MAGIC = "GGUF";

let cancelled = false;
const abort = new AbortController();

function failure(name, message) {
  const error = new Error(message);
  error.name = name;
  return error;
}

let reported = 0;
function report(sent, size, step) {
  if (!step && performance.now() - reported < REPORT_MS) return;
  reported = performance.now();
  postMessage({ sent, size, step: step || "" });
}

async function hasher() {
  if (!self.hashwasm) importScripts("../vendor/hash-wasm/sha256.umd.min.js");
  return self.hashwasm.createSHA256();
}

// The next slice is read while this one is written or hashed.
async function* slices(file, from) {
  const read = (at) => (at < file.size ? file.slice(at, at + SLICE).arrayBuffer() : null);
  let next = read(from);
  for (let at = from; next && !cancelled; at += SLICE) {
    const bytes = new Uint8Array(await next);
    next = read(at + SLICE);
    next?.catch(() => {}); // told when its turn comes, and to nobody when that does not come
    yield bytes;
  }
}

// One file in partial/, its record, and the hash of what is there when one will be asked for.
class Part {
  static async open(folder, name, hashes) {
    const part = new Part();
    part.handle = await folder.getFileHandle(name, { create: true });
    part.data = await part.handle.createSyncAccessHandle();
    try {
      part.notes = await (await folder.getFileHandle(name + ".json", { create: true })).createSyncAccessHandle();
    } catch (error) {
      part.data.close();
      throw error;
    }
    part.hash = hashes ? await hasher() : null;
    part.received = 0;
    part.kept = 0;
    return part;
  }

  // Go on with what is there when the record is of the same file; else begin anew.
  begin(record, isSame) {
    let old = null;
    try {
      const bytes = new Uint8Array(this.notes.getSize());
      this.notes.read(bytes, { at: 0 });
      old = JSON.parse(new TextDecoder().decode(bytes));
    } catch {
      // No record, or half of one: what is there cannot be trusted.
    }
    const goesOn = old && isSame(old) && old.received > 0 && old.received <= this.data.getSize();
    this.record = { ...record, ...(goesOn ? { size: old.size, stamp: old.stamp } : {}) };
    this.restart(goesOn ? old.received : 0, goesOn ? old.hash : null);
  }

  restart(received, hashState) {
    this.received = received;
    this.data.truncate(received);
    if (this.hash) this.hashAgain(hashState);
    this.keep();
  }

  hashAgain(state) {
    this.hash.init();
    if (!this.received) return;
    try {
      this.hash.load(Uint8Array.from(state)); // throws when another version of the library made it
      return;
    } catch {
      this.hash.init();
    }
    const bytes = new Uint8Array(SLICE);
    for (let at = 0; at < this.received; ) {
      const count = this.data.read(bytes.subarray(0, Math.min(SLICE, this.received - at)), { at });
      this.hash.update(bytes.subarray(0, count));
      at += count;
    }
  }

  // Room for all of it, before any of it is written: the browser refuses at once what it would refuse on the way. Nothing
  // else tells: `estimate()` names the same figure on every machine.
  reserve(size) {
    if (size <= this.data.getSize()) return;
    try {
      this.data.truncate(size);
    } catch (error) {
      throw error.name === "QuotaExceededError" && !this.received ? failure("NoRoom", error.message) : error;
    }
  }

  write(bytes, name) {
    if (this.received === 0 && String.fromCharCode(...bytes.subarray(0, 4)) !== MAGIC.slice(0, bytes.length)) {
      throw failure("NotAModel", `${name} does not begin with ${MAGIC}`);
    }
    for (let from = 0; from < bytes.length; ) from += this.data.write(bytes.subarray(from), { at: this.received + from });
    this.received += bytes.length;
    if (this.hash) this.hash.update(bytes);
    if (performance.now() - this.kept > KEEP_MS) this.keep();
  }

  // The data first: the record must never tell of bytes that a crash has taken. Its size stays the same, so that it can be
  // written even when the disk is full.
  keep() {
    this.data.flush();
    const hash = this.hash && this.received ? Array.from(this.hash.save()) : null;
    const text = JSON.stringify({ ...this.record, received: this.received, hash });
    this.notes.write(new TextEncoder().encode(text.padEnd(RECORD_BYTES)), { at: 0 });
    this.notes.flush();
    this.kept = performance.now();
  }

  close() {
    this.data.close();
    this.notes.close();
  }
}

// Last-Modified is what a page may read of another origin that exposes nothing.
const stampOf = (response) => response.headers.get("etag") || response.headers.get("last-modified") || "";

const same = (response, record) => {
  const stamp = stampOf(response);
  return !record.stamp || !stamp || stamp === record.stamp;
};

// The answer of the first source that has the file, from byte `from` on.
async function ask(sources, from, record) {
  let last = null;
  for (const url of sources) {
    const headers = from ? { Range: `bytes=${from}-` } : {};
    // To another origin it would need a preflight, which hosts of files do not answer; there the stamp is compared instead.
    if (from && record.stamp && !record.stamp.startsWith("W/") && new URL(url).origin === location.origin) headers["If-Range"] = record.stamp;
    let response;
    try {
      response = await fetch(url, { headers, credentials: "omit", referrerPolicy: "no-referrer", cache: "no-store", signal: abort.signal });
    } catch (error) {
      last = failure("Dropped", `${url}: ${error.message}`);
      continue;
    }
    if (response.ok && response.body) return response;
    if (response.status === 416) return response;
    const kinds = { 401: "Unauthorized", 403: "Unauthorized", 404: "NotFound", 410: "NotFound" };
    const kind = response.status >= 500 || response.status === 429 ? "Dropped" : kinds[response.status] || "Unreachable";
    const gated = response.headers.get("x-error-code") === "GatedRepo" ? " (gated)" : "";
    last = failure(kind, `${url} answered ${response.status}${gated}`);
  }
  throw last;
}

// Bring what is missing of a file on the web. A lost connection is taken up again; only tries without a byte count.
async function download(part, sources, name) {
  for (let tries = 0; !cancelled; ) {
    const before = part.received;
    try {
      if (await receive(part, sources, name)) return;
    } catch (error) {
      if (cancelled) return;
      if (error.name !== "Dropped") throw error;
      if (part.received === 0 && !error.began) throw failure("Unreachable", error.message); // that will not pass by itself
      tries = part.received > before ? 1 : tries + 1;
      part.keep();
      if (tries >= TRIES) throw failure("Unreachable", error.message);
      report(part.received, part.record.size, "lost");
      await pause(1000 * 2 ** (tries - 1));
    }
  }
}

const pause = (ms) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
    abort.signal.addEventListener("abort", resolve);
  });

// One answer, to its end. True when the file is whole, false when it has to be asked for again from the beginning.
async function receive(part, sources, name) {
  const response = await ask(sources, part.received, part.record);
  const range = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(response.headers.get("content-range") || "");
  const encoded = response.headers.get("content-encoding");
  if (response.status === 416) {
    if (range && Number(range[2]) === part.received) return true;
    return again(part);
  }
  // Without Content-Range, which a host may not let a page read, the stamp alone tells that the part goes on.
  const goesOn = response.status === 206 && same(response, part.record) && (!range || Number(range[1]) === part.received);
  const total = range ? Number(range[2]) || 0 : encoded || response.status === 206 ? 0 : Number(response.headers.get("content-length")) || 0;
  const changed = part.received && part.record.size && total && total !== part.record.size;
  if (part.received && (!goesOn || changed)) {
    if (response.status === 206) {
      response.body.cancel().catch(() => {});
      return again(part);
    }
    again(part);
  }
  part.record.stamp = stampOf(response) || part.record.stamp;
  part.record.size = total || part.record.size;
  const reader = response.body.getReader();
  try {
    part.reserve(part.record.size);
    for (;;) {
      let chunk;
      try {
        chunk = await reader.read();
      } catch (error) {
        throw Object.assign(failure("Dropped", error.message), { began: true });
      }
      if (chunk.done || cancelled) break;
      part.write(chunk.value, name);
      report(part.received, part.record.size);
    }
  } finally {
    reader.cancel().catch(() => {}); // ends the download when the loop was left early; after its end there is nothing to cancel
  }
  if (!cancelled && part.record.size && part.received < part.record.size) {
    throw failure("Dropped", `${part.received} of ${part.record.size} bytes arrived`);
  }
  return true;
}

function again(part) {
  part.restart(0, null);
  report(0, part.record.size, "restarted");
  part.record.stamp = "";
  part.record.size = 0;
  return false;
}

const drop = (partial, name) => Promise.all([partial.removeEntry(name), partial.removeEntry(name + ".json")]);

async function write({ name, file, sources, size, sha256, stamp }) {
  const root = await navigator.storage.getDirectory();
  const models = await root.getDirectoryHandle("models", { create: true });
  const partial = await root.getDirectoryHandle("partial", { create: true });
  const part = await Part.open(partial, name, Boolean(sha256));
  let digest = "";
  try {
    const record = { size: file ? file.size : size, sources: sources || [], stamp, sha256: sha256 || "" };
    const isSame = (old) =>
      file
        ? !old.sources.length && old.size === file.size && old.stamp === stamp
        : old.sources.some((url) => sources.includes(url)) && old.sha256 === sha256 && (!size || !old.size || old.size === size);
    part.begin(record, isSame);
    report(part.received, part.record.size, part.received ? "resumed" : "");
    part.reserve(part.record.size);
    if (file) {
      for await (const bytes of slices(file, part.received)) {
        part.write(bytes, name);
        report(part.received, file.size);
      }
    } else {
      await download(part, sources, name);
    }
    if (cancelled) {
      part.keep();
      return { cancelled: true };
    }
    digest = part.hash ? part.hash.digest("hex") : "";
    if (sha256 && digest !== sha256) throw failure("Damaged", `SHA-256 ${digest}, expected ${sha256}`);
    if (part.record.size && part.received !== part.record.size) throw failure("Damaged", `${part.received} of ${part.record.size} bytes`);
    if (part.received === 0) throw failure("NotAModel", `${name} is empty`);
    part.data.truncate(part.received);
    part.data.flush();
  } catch (error) {
    const useless = ["Damaged", "NotAModel", "NoRoom"].includes(error.name);
    if (!useless) part.keep();
    part.close();
    if (useless) await drop(partial, name);
    throw error;
  } finally {
    part.close(); // closing again does nothing
  }
  // A private window has its files in memory, and drops what does not fit there without a word.
  const kept = (await part.handle.getFile()).size;
  if (kept !== part.received) {
    await drop(partial, name);
    throw failure("NotKept", `${kept} of ${part.received} bytes`);
  }
  await part.handle.move(models, name);
  await partial.removeEntry(name + ".json");
  postMessage({ sent: part.received, size: part.received, step: "" });
  return { done: true, sha256: digest };
}

// Two tabs must never write one file; the lock goes with the worker, also when its tab is killed.
function writeAlone(task) {
  return navigator.locks.request(`modeltab:model:${task.name}`, { ifAvailable: true }, (lock) => {
    if (!lock) throw failure("NoModificationAllowedError", `${task.name} is being written by another tab`);
    return write(task);
  });
}

async function digestOf(file) {
  const hash = await hasher();
  hash.init();
  let sent = 0;
  for await (const bytes of slices(file, 0)) {
    hash.update(bytes);
    sent += bytes.length;
    report(sent, file.size);
  }
  return cancelled ? { cancelled: true } : { done: true, sha256: hash.digest("hex") };
}

onmessage = ({ data }) => {
  if (data.cancel) {
    cancelled = true;
    abort.abort(); // a download that has stalled would not look at the flag
    return;
  }
  (data.digest ? digestOf(data.digest) : writeAlone(data)).then(postMessage, (error) =>
    postMessage(cancelled ? { cancelled: true } : { error: { name: error.name, message: error.message } }),
  );
};
