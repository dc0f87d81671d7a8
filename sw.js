// The service worker. It has two tasks. It gives pages the headers that isolate them (threads in WebAssembly need that) on hosts that cannot send
// headers. And it carries calls of other pages to an open ModelTab, which answers them (browser/endpoint.py): api/v1/… and v1/…
// It touches nothing else, and no request to another origin. It may be ended at any time, so it knows nothing from one request to the next.
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

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

async function isolated(request, path) {
  const response = await fetch(request);
  if (response.status === 0 || response.type === "opaqueredirect") return response; // a redirect is followed by the browser itself
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(path === BRIDGE ? OPEN : ISOLATION)) headers.set(name, value);
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

// How long a call waits for a ModelTab that is still starting, and between looks whether the page that calls is still there.
const WAIT_MS = 60000;
const WATCH_MS = 2000;

// Offers a call to every open ModelTab; the first that says that it takes it gets it. One that starts says so when it is up.
async function taker(signal) {
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const apps = windows.filter(({ url, frameType }) => frameType !== "nested" && APP.includes(new URL(url).pathname));
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

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== self.location.origin) return;
  const isPage = request.mode === "navigate";
  const [call] = (url.pathname.startsWith(BASE) && /^(api\/)?v1\/.*/.exec(url.pathname.slice(BASE.length))) || [];
  if (call && !isPage) {
    event.respondWith(relay(event, call));
  } else if (isPage || request.destination === "worker") {
    event.respondWith(isolated(request, url.pathname));
  }
});
