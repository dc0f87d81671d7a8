// The interpreter that pyscript.toml names. PyScript hands Pyodide no option for the standard library's place, for the
// app's own archive or for a memory snapshot, so this wrapper does. It has no application logic.
//
// The page loads it before PyScript, and it starts Pyodide at once: PyScript, when it is there, gets what has been started.
//
// A snapshot is Python's memory with the whole app imported, made at set-up (tools/snapshot.py): a load that begins with it
// saves Python's own start and every import. The app's modules are then needed for tracebacks alone, so they come afterwards;
// the standard library does not, for it imports by itself (a codec, a calendar) when nobody expects it.
// Whatever is wrong with it (another version of the app, storage refused, a Pyodide that cannot take it, a slow line)
// costs that gain and nothing else: the start is then from the modules.
import { loadPyodide as load } from "../vendor/pyodide/pyodide.mjs";

const indexURL = new URL("../vendor/pyodide/", import.meta.url).href;
const archiveURL = new URL("../app.zip", import.meta.url).href;
const snapshotURL = new URL("../snapshot.bin.gz", import.meta.url).href;
const appURL = new URL("./", document.baseURI).href; // an older version of it has its snapshot in another folder
const ARCHIVE = "/lib/modeltab.zip";
const isBuilt = document.documentElement.dataset.static !== "static"; // then its folder names the app's content, and all fits
const LATER_MS = 5000; // when the page has done what it begins with

async function fetchBytes(url) {
  const response = await fetch(url, { credentials: "same-origin" });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

function later(what, work) {
  setTimeout(() => work().catch((error) => console.info(`ModelTab: ${what}`, error)), LATER_MS);
}

// Asks the worker once; {memory, kept}.
function ask(worker, message) {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data));
    worker.onerror = (event) => {
      event.preventDefault(); // or it were an error of the page
      reject(new Error(event.message ?? "the worker could not be loaded"));
    };
    worker.postMessage({ url: snapshotURL, archive: isBuilt ? undefined : archiveURL, ...message });
  });
}

async function fromSnapshot(worker) {
  try {
    const brought = ask(worker, { saveData: Boolean(navigator.connection?.saveData) });
    const memory = brought.then(({ memory }) => memory ?? Promise.reject(new Error("there is none that fits")));
    const pyodide = await load({ indexURL, _loadSnapshot: memory });
    pyodide.runPython("import random; random.seed()"); // or every start would draw the same numbers
    const { kept } = await brought;
    document.documentElement.setAttribute("data-start", kept ? "kept snapshot" : "fetched snapshot");
    later("the modules could not be loaded, so errors are told without their lines.", async () =>
      pyodide.FS.writeFile(ARCHIVE, await fetchBytes(archiveURL)),
    );
    return { pyodide, kept };
  } catch (error) {
    console.info("ModelTab: the snapshot cannot be used, so the start takes longer.", error);
    return undefined;
  }
}

async function fromModules() {
  const archive = fetchBytes(archiveURL);
  archive.catch(() => {}); // its failure is reported where it is awaited, below
  const pyodide = await load({ indexURL });
  pyodide.FS.writeFile(ARCHIVE, await archive);
  pyodide.runPython(`import sys; sys.path.insert(0, '${ARCHIVE}')`);
  document.documentElement.setAttribute("data-start", "modules");
  return { pyodide, kept: false };
}

async function start() {
  // Without these there is nothing to check or keep a snapshot with: a page that did not come over TLS.
  const canKeep = Boolean(globalThis.caches && globalThis.crypto?.subtle && globalThis.DecompressionStream);
  const worker = canKeep ? new Worker(new URL("snapshot_worker.js", import.meta.url)) : undefined;
  const { pyodide, kept } = (worker && (await fromSnapshot(worker))) ?? (await fromModules());
  if (worker && !kept && !navigator.connection?.saveData) {
    later("the snapshot is not kept, so the next start takes longer.", () => ask(worker, { keep: true, app: appURL }));
  } else worker?.terminate();
  return pyodide;
}

const started = start();
started.catch(() => {}); // reported below, once PyScript asks

export async function loadPyodide({ stdout, stderr }) {
  try {
    const pyodide = await started;
    if (stdout) pyodide.setStdout({ batched: stdout });
    if (stderr) pyodide.setStderr({ batched: stderr });
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
