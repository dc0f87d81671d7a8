// The interpreter that pyscript.toml names. PyScript hands Pyodide no option for the standard library's place or for
// the app's own archive, so this wrapper does: it starts both downloads while Pyodide loads, and mounts the archive
// where `import modeltab` finds it, without unpacking. It has no application logic.
import { loadPyodide as load } from "../vendor/pyodide/pyodide.mjs";

const indexURL = new URL("../vendor/pyodide/", import.meta.url).href;
const archiveURL = new URL("../app.zip", import.meta.url).href;

async function fetchArchive() {
  const response = await fetch(archiveURL, { credentials: "same-origin" });
  if (!response.ok) throw new Error(`static/app.zip answered ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

export async function loadPyodide(options) {
  const archive = fetchArchive();
  archive.catch(() => {}); // its failure is reported where it is awaited, below
  try {
    const pyodide = await load({ ...options, indexURL });
    pyodide.FS.writeFile("/lib/modeltab.zip", await archive);
    pyodide.runPython("import sys; sys.path.insert(0, '/lib/modeltab.zip')");
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
