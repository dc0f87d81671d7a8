// The interpreter that pyscript.toml names. PyScript hands Pyodide no option for the standard library's place, for the
// app's own archive or for a memory snapshot, so this wrapper does. It has no application logic.
//
// A snapshot is Python's memory with the whole app imported, made at set-up (tools/snapshot.py). A load that begins with
// it saves Python's own start and every import. It is megabytes more than the modules themselves, so the first visit goes
// without: it brings the snapshot when nothing else is to do, and keeps it unpacked for the next ones. Whatever is
// wrong with it (another version of the app, storage refused, a browser or a Pyodide that cannot take it) costs that
// gain and nothing else.
import { loadPyodide as load } from "../vendor/pyodide/pyodide.mjs";

const indexURL = new URL("../vendor/pyodide/", import.meta.url).href;
const archiveURL = new URL("../app.zip", import.meta.url).href;
const snapshotURL = new URL("../snapshot.bin.gz", import.meta.url).href;
const CACHE = "modeltab-snapshot";
const DIGEST_BYTES = 32; // in front of the snapshot: the SHA-256 of the archive that it was made with

async function fetchArchive() {
  const response = await fetch(archiveURL, { credentials: "same-origin" });
  if (!response.ok) throw new Error(`static/app.zip answered ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

async function keptSnapshot() {
  const response = await (await caches.open(CACHE)).match(snapshotURL);
  return response && new Uint8Array(await response.arrayBuffer());
}

async function isOf(archive, snapshot) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", archive));
  return digest.every((byte, place) => byte === snapshot[place]);
}

async function keepSnapshot(archive) {
  const response = await fetch(snapshotURL, { credentials: "same-origin", priority: "low" });
  if (!response.ok) return;
  const unpacked = new Response(response.body.pipeThrough(new DecompressionStream("gzip")));
  const snapshot = new Uint8Array(await unpacked.arrayBuffer());
  if (await isOf(archive, snapshot)) await (await caches.open(CACHE)).put(snapshotURL, new Response(snapshot));
}

// Python's start from the snapshot; undefined where there is none that fits.
async function fromSnapshot(options, archive, kept) {
  try {
    const snapshot = await kept;
    if (!snapshot || !(await isOf(await archive, snapshot))) return undefined;
    const pyodide = await load({ ...options, indexURL, _loadSnapshot: snapshot.subarray(DIGEST_BYTES) });
    pyodide.FS.writeFile("/lib/modeltab.zip", await archive);
    pyodide.runPython("import random; random.seed()"); // or every start would draw the same numbers
    document.documentElement.setAttribute("data-start", "snapshot");
    return pyodide;
  } catch (error) {
    console.info("ModelTab: the snapshot cannot be used, so the start takes longer.", error);
    return undefined;
  }
}

async function fromModules(options, archive) {
  const pyodide = await load({ ...options, indexURL });
  pyodide.FS.writeFile("/lib/modeltab.zip", await archive);
  pyodide.runPython("import sys; sys.path.insert(0, '/lib/modeltab.zip')");
  document.documentElement.setAttribute("data-start", "modules");
  return pyodide;
}

export async function loadPyodide(options) {
  const archive = fetchArchive();
  archive.catch(() => {}); // its failure is reported where it is awaited, below
  const kept = globalThis.caches && crypto.subtle ? keptSnapshot() : Promise.resolve(undefined);
  try {
    const quick = await fromSnapshot(options, archive, kept);
    if (quick) return quick;
    const pyodide = await fromModules(options, archive);
    if (globalThis.caches && crypto.subtle) {
      const bring = () => archive.then(keepSnapshot).catch((error) => console.info("ModelTab: the snapshot is not kept.", error));
      (globalThis.requestIdleCallback ?? setTimeout)(bring);
    }
    return pyodide;
  } catch (error) {
    globalThis.modeltabBoot.fail(
      "A part of the app could not be loaded.",
      "Check that the whole folder is there (python run.py makes it), that the server is still running, then try again.",
      String(error),
    );
    throw error;
  }
}

export const version = "314.0.7";
