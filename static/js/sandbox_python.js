// The Python in the playground's sandbox. The page puts rewritten Pyodide (loadPyodide, createPyodideModule) before this and
// makes one worker of both, because in a sandbox there is nowhere to import from; every file comes by message. No application
// logic: src/playground/ has it.
const PLACE = "https://sandbox.invalid/"; // a host that cannot exist: what Pyodide asks of it, it gets from the files

// The sandbox inherits the app's Trusted Types, which let no string become code. Here that is the whole purpose.
globalThis.trustedTypes?.createPolicy("default", { createScript: (text) => text, createScriptURL: (url) => url });

// Pyodide refuses a worker that is no module, because it would import its parts; here it has all of them.
globalThis.importScripts = () => {
  throw new Error("There is nothing to import from in the sandbox.");
};

async function start(files, port) {
  const fetchAnything = globalThis.fetch;
  globalThis.fetch = async (url) => {
    const name = String(url).slice(PLACE.length);
    const type = name.endsWith(".wasm") ? "application/wasm" : "application/octet-stream";
    return new Response(files[name], { headers: { "Content-Type": type } });
  };
  const pyodide = await globalThis.loadPyodide({
    indexURL: PLACE,
    createPyodideModule: globalThis.createPyodideModule,
    lockFileContents: await files["pyodide-lock.json"].text(),
    stdLibURL: `${PLACE}python_stdlib.zip`,
  });
  globalThis.fetch = fetchAnything;
  for (const name of ["packages.zip", "playground.zip"]) {
    pyodide.FS.writeFile(`/lib/${name}`, new Uint8Array(await files[name].arrayBuffer()));
  }
  pyodide.runPython("import sys; sys.path[:0] = ['/lib/playground.zip', '/lib/packages.zip']");
  const begin = pyodide.pyimport("playground.start").begin;
  const [run, receive] = begin((text) => port.postMessage(text));
  port.onmessage = ({ data }) => {
    if (data.code === undefined) receive(data.event);
    else run(data.code);
  };
  port.postMessage('{"kind": "ready"}');
}

self.onmessage = ({ data, ports }) => {
  self.onmessage = null;
  start(data, ports[0]).catch((error) => ports[0].postMessage(JSON.stringify({ kind: "failed", text: String(error) })));
};
