// The start, before Python is up. A classic script, in old syntax on purpose: it has to run where nothing else can
// (file://, an old browser) to say why. It also narrows what the page may execute, so it comes before everything else.
(function () {
  "use strict";
  var root = document.documentElement;
  var folder = root.getAttribute("data-static") + "/"; // what the app is made of; in dist/ it is named by its content

  // The theme before the first paint. Python owns the setting; this only reads it.
  try {
    var stored = JSON.parse(localStorage.getItem("modeltab.config"));
    var theme = stored && stored.settings && stored.settings.theme;
    if (theme === "light" || theme === "dark") root.setAttribute("data-theme", theme);
  } catch (error) {
    // No storage, or an entry that is not JSON: Python reports it once it is up.
  }

  // Trusted Types: 'unsafe-eval' is there for PyScript alone, which compiles one string while it starts, before the page
  // has read anything from outside. That one passes; every later string is refused.
  if (window.trustedTypes && window.trustedTypes.createPolicy) {
    var scripts = 0;
    window.trustedTypes.createPolicy("default", {
      createScript: function (source) {
        scripts += 1;
        var isHook = source.indexOf("(function anonymous(") === 0 && source.length < 400;
        return scripts === 1 && isHook && root.getAttribute("data-state") === "booting" ? source : null;
      },
      createScriptURL: function (url) {
        var own = new URL("./", document.baseURI).href;
        var full = new URL(url, document.baseURI).href;
        if (full.indexOf("blob:" + location.origin + "/") === 0) {
          return own + folder + "js/engine_worker.js#" + encodeURIComponent(full); // wllama's: see that file
        }
        var workers = ["js/snapshot_worker.js", "js/model_writer.js", "js/conversation_search.js", "js/quick_engine.js", "vendor/pdfjs/pdf.worker.min.mjs"];
        return full === own + "sw.js" || workers.some(function (name) { return full === own + folder + name; }) ? full : null;
      },
      createHTML: function () {
        return null; // HTML enters in one place, browser/dom.py, as a fragment that DOMPurify made
      }
    });
  }

  function text(id, value) {
    var element = document.getElementById(id);
    if (element) element.textContent = value;
  }

  var known = false; // whether the reason on the page is the cause, rather than what followed from it
  function fail(reason, advice, detail, isCause) {
    var state = root.getAttribute("data-state");
    if (state === "ready" || known || (state === "failed" && !isCause)) return;
    known = !!isCause;
    root.setAttribute("data-state", "failed");
    function show() {
      text("failure-reason", reason);
      text("failure-advice", advice);
      text("failure-detail", detail || "Nothing more is known.");
      document.getElementById("failure").hidden = false;
      document.getElementById("failure-retry").onclick = function () { location.reload(); };
    }
    if (document.getElementById("failure")) show();
    else document.addEventListener("DOMContentLoaded", show);
  }
  // Calls of other pages, which sw.js hands over as ports. Until Python is up (browser/door.py) they wait here.
  var boot = { fail: fail, calls: [], onCall: function (port) { boot.calls.push(port); } };
  window.modeltabBoot = boot;
  if (navigator.serviceWorker) {
    navigator.serviceWorker.addEventListener("message", function (event) {
      if (event.data && event.data.modeltab === "call") boot.onCall(event.ports[0]);
    });
    navigator.serviceWorker.startMessages();
  }

  if (location.protocol === "file:") {
    return fail(
      "A browser does not run this app from a file.",
      "Open a terminal in its folder, run: python run.py — or any static file server, such as python3 -m http.server — and open the address that it prints.",
      location.href
    );
  }
  var missing = [];
  if (typeof WebAssembly !== "object") missing.push("WebAssembly");
  if (!("noModule" in document.createElement("script"))) missing.push("JavaScript modules");
  if (typeof Array.prototype.at !== "function") missing.push("JavaScript of 2022");
  if (typeof indexedDB === "undefined") missing.push("IndexedDB");
  if (missing.length) {
    return fail(
      "This browser lacks: " + missing.join(", ") + ".",
      "Use a current version of Chrome, Edge, Firefox or Safari; if this is one, a setting or an extension switches it off.",
      navigator.userAgent
    );
  }

  function failMissing(url, detail) {
    fail(
      "A file of the app is missing: " + new URL(url).pathname,
      "Run python run.py once in the app's folder (it fetches what the app is made of), then try again.",
      detail,
      true
    );
  }

  // What is missing shows as whatever breaks first for want of it, or as nothing at all; so look at every answer.
  if (window.PerformanceObserver) {
    var observer = new PerformanceObserver(function (list) {
      list.getEntries().forEach(function (entry) {
        var optional = /\/snapshot\.bin\.gz$/.test(entry.name); // the start goes on without it
        if (entry.responseStatus >= 400 && entry.name.indexOf(location.origin) === 0 && !optional) {
          failMissing(entry.name, "The server answered with status " + entry.responseStatus + ": " + entry.name);
        }
      });
    });
    observer.observe({ type: "resource", buffered: true });
    new MutationObserver(function () {
      if (root.getAttribute("data-state") === "ready") observer.disconnect();
    }).observe(root, { attributeFilter: ["data-state"] });
  }
  // Resource errors do not bubble, so listen while they are captured.
  window.addEventListener("error", function (event) {
    var target = event.target;
    if (target && target.tagName === "SCRIPT") {
      failMissing(target.src, target.src);
    } else if (event.message) {
      fail("The app met an error while starting.", "Try again. If it stays, report the details below.", event.message);
    }
  }, true);
  window.addEventListener("unhandledrejection", function (event) {
    fail("The app met an error while starting.", "Try again. If it stays, report the details below.", String(event.reason));
  });

  var lines = {
    "Loading interpreter": "Loading Python…",
    "Loaded interpreter": "Starting Python…",
    "Loading files": "Loading the app…"
  };
  window.addEventListener("py:progress", function (event) {
    if (lines[event.detail]) text("boot-line", lines[event.detail]);
  });

  boot.started = new Promise(function (resolve) { boot.start = resolve; }); // of Pyodide
  boot.started.catch(function () {}); // reported by interpreter.mjs

  // What takes longest begins here, and start.js takes both over.
  // Pyodide's program. A host that does not know what .wasm is has it compiled as well, only later.
  boot.program = fetch(folder + "vendor/pyodide/pyodide.asm.wasm", { credentials: "same-origin" }).then(function (response) {
    var isKnown = (response.headers.get("content-type") || "").split(";")[0] === "application/wasm";
    return isKnown ? WebAssembly.compileStreaming(response) : response.arrayBuffer().then(function (bytes) { return WebAssembly.compile(bytes); });
  });
  boot.program.catch(function () {}); // reported by start.js

  // The snapshot of Python's memory, with what it can be checked and unpacked with: a page that did not come over TLS lacks that.
  if (window.crypto && window.crypto.subtle && window.DecompressionStream) {
    boot.snapshot = bring(new Worker(folder + "js/snapshot_worker.js"), folder !== "static/");
  }

  // `length`: a promise of how large the memory is, as soon as that is known; `brought`: one of {memory?, kept}. `isBuilt`: the folder
  // is named by the app's content, so that whatever is in it fits.
  function bring(worker, isBuilt) {
    function address(name) { return new URL(name, document.baseURI).href; }
    var snapshot = { worker: worker };
    snapshot.request = {
      url: address(folder + "snapshot.bin.gz"),
      archive: isBuilt ? undefined : address(folder + "app.zip"),
      saveData: !!(navigator.connection && navigator.connection.saveData)
    };
    snapshot.length = new Promise(function (isKnown) {
      snapshot.brought = new Promise(function (isThere, fails) {
        worker.onmessage = function (event) {
          if (event.data.error) fails(new Error(event.data.error));
          else if (event.data.length) isKnown(event.data.length);
          else isThere(event.data);
        };
        worker.onerror = function (event) {
          event.preventDefault(); // or it were an error of the page
          fails(new Error(event.message || "the worker could not be loaded"));
        };
      });
    });
    snapshot.brought.catch(function () {}); // reported by start.js
    worker.postMessage(snapshot.request);
    return snapshot;
  }

  // Threads for a model in the tab need a cross-origin isolated page. A host that sends the headers needs nothing; for
  // every other, the service worker adds them, from the next load on. That load is made at once where nothing is lost.
  if (!window.crossOriginIsolated && window.isSecureContext && navigator.serviceWorker) {
    navigator.serviceWorker.register("sw.js").then(function () {
      return navigator.serviceWorker.ready;
    }).then(function () {
      var message = document.getElementById("message");
      var once = !sessionStorage.getItem("modeltab.isolated");
      if (once && root.getAttribute("data-state") === "booting" && message && !message.value) {
        sessionStorage.setItem("modeltab.isolated", "tried");
        location.reload();
      }
    }).catch(function (error) {
      console.info("ModelTab: no service worker, so models in the tab run on one thread.", error);
    });
  }
})();
