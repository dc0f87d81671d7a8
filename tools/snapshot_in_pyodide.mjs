// Starts Pyodide in Node, imports the app and the modules, and writes its memory to a file:
// snapshot_in_pyodide.mjs LIBRARY ARCHIVE TARGET MODULE …
// JavaScript, because Pyodide has no other way in.
import { readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { argv, exit } from "node:process";
import { loadPyodide } from "pyodide";

try {
  const [library, archive, target] = argv.slice(2, 5).map((path) => resolve(path));
  const modules = argv.slice(5);
  const pyodide = await loadPyodide({ _makeSnapshot: true, stdLibURL: library });
  pyodide.FS.writeFile("/lib/modeltab.zip", await readFile(archive));
  pyodide.runPython("import sys; sys.path.insert(0, '/lib/modeltab.zip')");
  pyodide.runPython(`import gc, modeltab.main, ${modules.join(", ")}; gc.collect()`);
  await writeFile(target, pyodide.makeMemorySnapshot());
} catch (error) {
  console.error(error.message ?? error);
  exit(1);
}
