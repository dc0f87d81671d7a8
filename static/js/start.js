// Starts Python, before PyScript is there: interpreter.mjs hands PyScript what has been started. After boot.js, which has begun with
// what takes longest, and Pyodide (tools/rewriting.py makes one script of it: browsers keep what they have compiled of a script, and
// nothing of a module). No application logic.
//
// A snapshot is Python's memory with the whole app imported, made at set-up (tools/snapshot.py): a load that begins with it
// saves Python's own start and every import. The app's modules are then needed for tracebacks alone, so they come afterwards;
// the standard library does not, for it imports by itself (a codec, a calendar) when nobody expects it.
// Whatever is wrong with it (another version of the app, storage refused, a Pyodide that cannot take it, a slow line)
// costs that gain and nothing else: the start is then from the modules.
"use strict";
(() => {
  const boot = globalThis.modeltabBoot;
  const root = document.documentElement;
  const place = new URL(`${root.dataset.static}/`, document.baseURI).href;
  const indexURL = `${place}vendor/pyodide/`;
  const PROGRAM = `${indexURL}pyodide.asm.wasm`;
  const archiveURL = `${place}app.zip`;
  const appURL = new URL("./", document.baseURI).href; // an older version of it has its snapshot in another folder
  const ARCHIVE = "/lib/modeltab.zip";
  const LATER_MS = 5000; // when the page has done what it begins with

  async function fetchBytes(url) {
    const response = await fetch(url, { credentials: "same-origin" });
    if (!response.ok) throw new Error(`${url} answered ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  }

  async function bringModules(pyodide) {
    try {
      pyodide.FS.writeFile(ARCHIVE, await fetchBytes(archiveURL));
    } catch (error) {
      console.info("ModelTab: the modules could not be loaded, so errors are told without their lines.", error);
    }
  }

  // Pyodide fetches its program and compiles it when it comes to it. boot.js has begun that long before, and Pyodide has no option
  // that would take it: so while it loads, these two calls of its are answered with that.
  async function load(options) {
    const { fetch } = globalThis;
    const { instantiateStreaming } = WebAssembly;
    globalThis.fetch = (url, ...others) => (String(url) === PROGRAM ? Promise.resolve(new Response()) : fetch(url, ...others));
    WebAssembly.instantiateStreaming = async (_, imports) => {
      const module = await boot.program;
      return { module, instance: await WebAssembly.instantiate(module, imports) };
    };
    const failure = new Promise((_, reject) => boot.program.catch(reject)); // Pyodide itself would only say it, and wait
    try {
      return await Promise.race([globalThis.loadPyodide({ indexURL, ...options }), failure]);
    } finally {
      Object.assign(globalThis, { fetch });
      Object.assign(WebAssembly, { instantiateStreaming });
    }
  }

  async function fromSnapshot({ length, brought }) {
    try {
      const memory = brought.then(({ memory }) => memory ?? Promise.reject(new Error("there is none that fits")));
      const pyodide = await load({
        // Pyodide waits for the snapshot before it does anything else, though it needs no more at first than how large it is.
        _loadSnapshot: Promise.race([length, memory.then(({ length }) => length)]).then((size) => new Uint8Array(size)),
        async createPyodideModule(settings) {
          const module = await globalThis.createPyodideModule(settings);
          const { API } = settings;
          const { restoreSnapshot } = API;
          const snapshot = await memory;
          API.restoreSnapshot = () => {
            // Pyodide keeps all of these, and the memory with them.
            Object.assign(API, { restoreSnapshot });
            for (const name of ["_loadSnapshot", "createPyodideModule"]) delete API.config[name];
            return restoreSnapshot(snapshot);
          };
          return module;
        },
      });
      pyodide.runPython("import random; random.seed()"); // or every start would draw the same numbers
      const { kept } = await brought;
      root.setAttribute("data-start", kept ? "kept snapshot" : "fetched snapshot");
      setTimeout(bringModules, LATER_MS, pyodide);
      return { pyodide, kept };
    } catch (error) {
      console.info("ModelTab: the snapshot cannot be used, so the start takes longer.", error);
      return undefined;
    }
  }

  async function fromModules() {
    const archive = fetchBytes(archiveURL);
    archive.catch(() => {}); // its failure is reported where it is awaited, below
    const pyodide = await load({ createPyodideModule: globalThis.createPyodideModule });
    pyodide.FS.writeFile(ARCHIVE, await archive);
    pyodide.runPython(`import sys; sys.path.insert(0, '${ARCHIVE}')`);
    root.setAttribute("data-start", "modules");
    return { pyodide, kept: false };
  }

  function keep(worker, request) {
    worker.onmessage = ({ data }) => console.info("ModelTab: the snapshot is not kept, so the next start takes longer.", data.error);
    setTimeout(() => worker.postMessage({ ...request, keep: true, app: appURL }), LATER_MS);
  }

  async function start() {
    const { snapshot } = boot;
    delete boot.snapshot; // or its memory were held as long as the page is open
    const { pyodide, kept } = (snapshot && (await fromSnapshot(snapshot))) ?? (await fromModules());
    if (kept || snapshot?.request.saveData) snapshot.worker.terminate();
    else if (snapshot) keep(snapshot.worker, snapshot.request);
    return pyodide;
  }

  boot.load = (url) => import(url); // for Python, which has no word for it
  boot.start(start());
})();
