// The service worker. It has three tasks. It gives pages the headers that isolate them (threads in WebAssembly need that) on hosts that
// cannot send headers. It carries calls of other pages to an open ModelTab, which answers them (browser/endpoint.py): api/v1/… and v1/…
// And in the built app it keeps a copy of all files, so that the app starts without a network. It touches nothing else, and no request
// to another origin. It may be ended at any time, so it knows nothing from one request to the next.

// Filled in dist/ by tools/offline.py: the version, and of each file the path and half of its SHA-256. In a development tree there is
// neither, and no copy.
const VERSION = "";
const FILES = [];

const BASE = new URL("./", self.location.href).pathname;
const APP = [BASE, BASE + "index.html"];
const BRIDGE = BASE + "bridge.html";

// "require-corp" would also hide every reply to a request without CORS, and with it whether anything listens at an
// address: so it is only for WebKit, which knows no other word.
const WEBKIT = !/Chrome\/|Firefox\//.test(navigator.userAgent);
const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": WEBKIT ? "require-corp" : "credentialless",
  "Cross-Origin-Resource-Policy": "same-origin",
};
// The bridge talks to the page of another origin that opened it, or that has it in a frame.
const OPEN = { ...ISOLATION, "Cross-Origin-Opener-Policy": "unsafe-none", "Cross-Origin-Resource-Policy": "cross-origin" };

async function isolated(request, url) {
  const path = url.pathname;
  const response = await (request.mode === "navigate" ? page(request, path) : file(request, url.href));
  if (response.status === 0 || response.type === "opaqueredirect") return response; // a redirect is followed by the browser itself
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(path === BRIDGE ? OPEN : ISOLATION)) headers.set(name, value);
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

async function openApps() {
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  return windows.filter(({ url, frameType }) => frameType !== "nested" && APP.includes(new URL(url).pathname));
}

// How long a call waits for a ModelTab that is still starting, and between looks whether the page that calls is still there.
const WAIT_MS = 60000;
const WATCH_MS = 2000;

// Offers a call to every open ModelTab; the first that says that it takes it gets it. One that starts says so when it is up.
async function taker(signal) {
  const apps = await openApps();
  let open = apps.length;
  const ports = apps.map((app) => {
    const { port1, port2 } = new MessageChannel();
    app.postMessage({ modeltab: "call" }, [port2]);
    return port1;
  });
  const taken = await new Promise((resolve) => {
    if (!open) resolve(null);
    for (const port of ports) {
      port.onmessage = () => resolve(port);
      port.onclose = () => --open || resolve(null);
    }
    signal.addEventListener("abort", () => resolve(null));
    setTimeout(resolve, WAIT_MS, null);
  });
  for (const port of ports) if (port !== taken) port.close();
  return taken;
}

// In the shape of the API that was called.
function refused(path) {
  const message = "No ModelTab answers. Open ModelTab in a tab of this browser, leave it open, and try again.";
  const error = path.startsWith("api/") ? message : { message, type: "server_error", param: null, code: "modeltab_closed" };
  return Response.json({ error }, { status: 503, headers: { "Retry-After": "5" } });
}

// In: "abort", after the call itself. Out: {status, headers}, then the body in texts, then {end: true} or {error}. ModelTab pings
// the worker as long as it answers: to hold the event open instead would end the worker after five minutes.
async function relay({ request, clientId }, path) {
  const port = await taker(request.signal);
  if (!port) return refused(path);
  const caller = await self.clients.get(clientId);
  const isForm = (request.headers.get("content-type") ?? "").startsWith("multipart/"); // a file stays with the browser
  const body = await (isForm ? request.blob() : request.arrayBuffer());
  return new Promise((resolve) => {
    let controller;
    const end = () => (clearInterval(watch), port.close());
    const leave = () => (port.postMessage("abort"), resolve(refused(path)), end());
    const watch = setInterval(async () => (await self.clients.get(clientId)) || leave(), WATCH_MS); // its page may be closed
    const stream = new ReadableStream({ start: (given) => (controller = given), cancel: leave });
    request.signal.addEventListener("abort", leave); // Chromium never tells it: there, only a cancelled stream does
    port.onmessage = ({ data }) => {
      if (typeof data === "string") controller.enqueue(new TextEncoder().encode(data));
      else if (data.status) resolve(new Response(stream, data));
      else end(data.error ? controller.error(new TypeError(data.error)) : controller.close());
    };
    port.onclose = () => {
      resolve(refused(path));
      end(controller.error(new TypeError("ModelTab was closed before its answer was complete.")));
    };
    const call = { method: request.method, path, headers: [...request.headers], body, caller: caller?.url ?? "", client: clientId };
    port.postMessage(call, isForm ? [] : [body]);
  });
}

// ---- The offline copy --------------------------------------------------------------------------------------------------------
//
// A version's copy is a cache of its own. Every file in it was compared with the hash in FILES, and the page comes last: a copy that has
// the page is whole, and only a whole one answers. So a copy that is broken off, or made while the server is being changed, is of no
// effect, and switching the copy off is to delete it: there is no setting that this worker would have to know.
//
// How versions stay apart:
// - While a whole copy answers, a new version makes its own first (mostly out of the old one) and waits. Pages, reloaded ones too,
//   are the old version's, from its copy, whatever is on the server. If a file is missing, the new version is not installed.
// - It takes over when a person says so in the page, or with the next load of a page. Other tabs that are open then go on with the
//   old version: what they still ask for lies in a folder that is named by its content, so no path means two files, and the old
//   copy stays until every tab of the app is of the new version (each holds a lock that is named as its copy).
// - Where nothing answers from a copy there is nothing to mix: there a new worker takes over at once, as the first one does, which
//   pages wait for to be isolated. The copy is made later, when a page says that it has nothing better to do.
const COPIES = `modeltab-copy ${BASE} `; // caches belong to the origin, where more than one ModelTab may live
const COPY = COPIES + VERSION;
const HASH = "modeltab-hash"; // the header that tells what a kept file is
const PAGE = self.location.origin + BASE + "index.html";
const HASHES = new Map(FILES.map(([path, hash]) => [new URL(path, PAGE).href, hash]));
const OWN_FOLDER = new RegExp(`^${BASE}static/(?!models/)`); // also other versions'; models are in no copy
const AT_ONCE = 6;

// The engine for browsers without what its main build needs is as large as all else. One that has it does not need that.
const isNeeded = (url) => !(url.includes("/wllama/compat/") && "Suspending" in WebAssembly);
// Storage may be refused; then there are no copies.
const copies = async () => (await caches.keys().catch(() => [])).filter((name) => name.startsWith(COPIES));
const kept = (url, cacheName = COPY) => caches.match(url, { cacheName }).catch(() => undefined);

// A file from the server, undefined where the server has another version's.
async function fetched(url, signal) {
  for (const cache of ["default", "reload"]) {
    const response = await fetch(url, { cache, signal });
    const body = await response.arrayBuffer();
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
    const hash = [...digest.slice(0, 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const type = response.headers.get("content-type") ?? "application/octet-stream";
    if (response.ok && hash === HASHES.get(url)) return new Response(body, { headers: { "Content-Type": type, [HASH]: hash } });
  }
  return undefined;
}

let filling; // while the copy is being made
let unwanted = new AbortController();

function fill() {
  filling ??= makeCopy().finally(() => (filling = undefined));
  return filling;
}

async function makeCopy() {
  const { signal } = unwanted;
  const cache = await caches.open(COPY);
  const there = new Set((await cache.keys()).map(({ url }) => url));
  const left = [...HASHES.keys()].filter((url) => url !== PAGE && isNeeded(url) && !there.has(url));
  const older = new Map();
  for (const name of left.length ? await copies() : []) {
    for (const response of await (await caches.open(name)).matchAll()) older.set(response.headers.get(HASH), response);
  }
  const keep = async (url) => {
    const hash = HASHES.get(url);
    const response = older.get(hash) ?? (await fetched(url, signal));
    older.delete(hash); // its body can be read once
    signal.throwIfAborted();
    if (!response) throw new Error(`The server has another version of ${url}.`);
    await cache.put(url, response);
  };
  const work = async () => {
    for (let url; (url = left.shift()); ) await keep(url);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work)).finally(() => (left.length = 0));
  if (!there.has(PAGE)) await keep(PAGE);
}

// Deletes the copies of versions that no tab is of any more.
async function tidy() {
  const older = (await copies()).filter((name) => name !== COPY);
  if (!older.length || self.registration.waiting || self.registration.installing) return;
  const { held, pending } = await navigator.locks.query();
  const ours = [...held, ...pending].filter(({ name }) => name === COPY);
  if (ours.length >= (await openApps()).length) await Promise.all(older.map((name) => caches.delete(name)));
}

async function stop() {
  unwanted.abort(new Error("It is not wanted any more: it was switched off, or a newer version takes over."));
  await filling?.catch(() => {});
  unwanted = new AbortController();
}

async function drop() {
  await stop();
  await Promise.all((await copies()).map((name) => caches.delete(name)));
}

async function install() {
  const whole = await Promise.all((await copies()).map((name) => kept(PAGE, name)));
  if (whole.some(Boolean)) await fill();
  else await self.skipWaiting();
}

// The worker before this one is waited for until it has nothing to do any more.
function takeOver() {
  self.registration.active?.postMessage({ modeltab: "stop" });
  return self.skipWaiting();
}

// What a page, or the worker after this one, may ask for; the reply goes to the port that came along.
const TASKS = { keep: () => fill().then(tidy), drop, stop, "take over": takeOver };

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("message", (event) => {
  const task = TASKS[event.data?.modeltab];
  if (!task) return; // a ping, that keeps the worker running
  const reply = (value) => event.ports[0]?.postMessage(value);
  event.waitUntil(task().then(() => reply({}), (error) => reply({ error: String(error.message) })));
});

// With a new version waiting, a page that is loaded is the moment to take it: this stands there until it has taken over.
const EXCHANGE = `<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>ModelTab</title>
<link rel="icon" href="data:,"><script>navigator.serviceWorker.oncontrollerchange = () => location.reload(); setTimeout(() => location.reload(), 5000)</script>`;
let hasExchanged = false; // once: whatever keeps the new version from taking over must not keep the page away

async function page(request, path) {
  const url = APP.includes(path) ? PAGE : self.location.origin + path;
  if (!HASHES.has(url)) return fetch(request);
  if (url === PAGE && self.registration.waiting && !hasExchanged) {
    hasExchanged = true;
    self.registration.waiting.postMessage({ modeltab: "take over" });
    return new Response(EXCHANGE, { headers: { "Content-Type": "text/html" } });
  }
  return (await ((await kept(PAGE)) && kept(url))) ?? fetch(request);
}

async function file(request, url) {
  if (!HASHES.has(url)) return (await keptByOlder(url)) ?? fetch(request);
  const [isWhole, found] = await Promise.all([kept(PAGE), kept(url)]);
  return isWhole ? (found ?? restored(url)) : fetch(request);
}

async function keptByOlder(url) {
  for (const name of await copies()) {
    const found = await kept(url, name);
    if (found) return found;
  }
  return undefined;
}

// A file that was not needed so far, or that was lost.
async function restored(url) {
  const response = await fetched(url);
  const cache = await caches.open(COPY);
  if (response) {
    await cache.put(url, response.clone());
    return response;
  }
  // It is nowhere any more. Without the page the copy does not answer again, and the next load is the server's version.
  await cache.delete(PAGE);
  for (const app of await openApps()) app.postMessage({ modeltab: "incomplete" });
  return Response.error();
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== self.location.origin) return;
  url.hash = "";
  const isPage = request.mode === "navigate";
  const [call] = (url.pathname.startsWith(BASE) && /^(api\/)?v1\/.*/.exec(url.pathname.slice(BASE.length))) || [];
  const mayBeKept = HASHES.has(url.href) || (VERSION && OWN_FOLDER.test(url.pathname));
  if (call && !isPage) {
    event.respondWith(relay(event, call));
  } else if (isPage || request.destination === "worker") {
    event.respondWith(isolated(request, url));
  } else if (mayBeKept && request.method === "GET" && !request.headers.has("range")) {
    event.respondWith(file(request, url.href));
  }
});
