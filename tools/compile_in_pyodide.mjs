// Starts Pyodide in Node and has compile_modules.py do the jobs in the folder that the command line names.
// JavaScript, because Pyodide has no other way in; what to compile and how is decided in Python on both sides.
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { argv, exit } from "node:process";
import { loadPyodide } from "pyodide";

try {
  const pyodide = await loadPyodide();
  pyodide.mountNodeFS("/work", resolve(argv[2]));
  pyodide.runPython(await readFile(new URL("compile_modules.py", import.meta.url), "utf8"));
  pyodide.runPython('compile_jobs(Path("/work"))');
} catch (error) {
  console.error(error.message ?? error);
  exit(1);
}
