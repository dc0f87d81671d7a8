// The interpreter that pyscript.toml names: it hands PyScript the Pyodide that start.js has started. No application logic.

// PyScript has a library of its own for Python, which it writes to files and imports before the app begins. The app uses none of it.
const LIBRARY = "import pyscript as _pyscript";

export async function loadPyodide({ stdout, stderr }) {
  try {
    const pyodide = await globalThis.modeltabBoot.started;
    const { runPythonAsync } = pyodide;
    pyodide.runPythonAsync = async (code, options) => (code.includes(LIBRARY) ? undefined : runPythonAsync.call(pyodide, code, options));
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
