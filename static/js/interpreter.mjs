// The interpreter that pyscript.toml names. PyScript hands Pyodide no option for the standard library's place, for the
// app's own archive or for a memory snapshot, so this wrapper does. It has no application logic.
//
// A snapshot is Python's memory with the whole app imported, made at set-up (tools/snapshot.py): a load that begins with
// it saves Python's own start and every import. The first visit takes it as it comes, compressed; later ones an unpacked copy
// from the Cache API. Whatever is wrong with it (another version of the app, storage refused, a Pyodide that cannot
// take it) costs that gain and nothing else: the start is then from the modules.
import { loadPyodide as load } from "../vendor/pyodide/pyodide.mjs";

const indexURL = new URL("../vendor/pyodide/", import.meta.url).href;
const archiveURL = new URL("../app.zip", import.meta.url).href;
const snapshotURL = new URL("../snapshot.bin.gz", import.meta.url).href;
const appURL = new URL("../../", import.meta.url).href; // an older version of it has its snapshot in another folder
const CACHE = "modeltab-snapshot";
const KEEP_AFTER_MS = 5000;
const DIGEST_BYTES = 32; // in front of the snapshot: the SHA-256 of the archive that it was made with

async function fetchArchive() {
  const response = await fetch(archiveURL, { credentials: "same-origin" });
  if (!response.ok) throw new Error(`static/app.zip answered ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

async function isOf(archive, snapshot) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", archive));
  return digest.every((byte, place) => byte === snapshot[place]);
}

async function keptSnapshot(archive) {
  const response = await (await caches.open(CACHE)).match(snapshotURL);
  const snapshot = response && new Uint8Array(await response.arrayBuffer());
  return snapshot && (await isOf(await archive, snapshot)) ? snapshot : undefined;
}

async function fetchSnapshot(archive) {
  const response = await fetch(snapshotURL, { credentials: "same-origin" });
  if (!response.ok) return undefined;
  const unpacked = new Response(response.body.pipeThrough(new DecompressionStream("gzip")));
  const snapshot = new Uint8Array(await unpacked.arrayBuffer());
  return (await isOf(await archive, snapshot)) ? snapshot : undefined;
}

// Over a slow line it would take longer than it saves; then it comes once the app is there. Unknown is not slow.
const isSlow = () => Boolean(navigator.connection?.saveData || /2g|3g/.test(navigator.connection?.effectiveType ?? ""));

// Keep a snapshot for the next visits, once the page has done what it begins with: tens of megabytes are to be written.
function keepLater(archive, fetched) {
  setTimeout(async () => {
    try {
      const snapshot = fetched ?? (await fetchSnapshot(archive));
      if (!snapshot) return;
      const cache = await caches.open(CACHE);
      for (const { url } of await cache.keys()) if (url.startsWith(appURL) && url !== snapshotURL) await cache.delete(url);
      await cache.put(snapshotURL, new Response(snapshot));
    } catch (error) {
      console.info("ModelTab: the snapshot is not kept, so the next start takes longer.", error);
    }
  }, KEEP_AFTER_MS);
}

async function fromSnapshot(options, archive) {
  let fetched;
  try {
    const kept = await keptSnapshot(archive);
    if (!kept && !isSlow()) fetched = await fetchSnapshot(archive);
    const snapshot = kept ?? fetched;
    if (!snapshot) return undefined;
    const pyodide = await load({ ...options, indexURL, _loadSnapshot: snapshot.subarray(DIGEST_BYTES) });
    pyodide.FS.writeFile("/lib/modeltab.zip", await archive);
    pyodide.runPython("import random; random.seed()"); // or every start would draw the same numbers
    if (fetched) keepLater(archive, fetched);
    document.documentElement.setAttribute("data-start", kept ? "kept snapshot" : "fetched snapshot");
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
  try {
    // Without these there is nothing to check or keep a snapshot with: a page that did not come over TLS.
    const canKeep = Boolean(globalThis.caches && globalThis.crypto?.subtle && globalThis.DecompressionStream);
    const quick = canKeep && (await fromSnapshot(options, archive));
    if (quick) return quick;
    const pyodide = await fromModules(options, archive);
    if (canKeep && isSlow()) keepLater(archive);
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
