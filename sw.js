// The service worker. Its one task now: give pages the headers that isolate them (threads in WebAssembly need that) on
// hosts that cannot send headers. It touches only documents and workers of its own origin; every other request, and
// every request to another origin, goes to the network as if it were not here.
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

// "require-corp" would also hide every reply to a request without CORS, and with it whether anything listens at an
// address: so it is only for WebKit, which knows no other word.
const WEBKIT = !/Chrome\/|Firefox\//.test(navigator.userAgent);
const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": WEBKIT ? "require-corp" : "credentialless",
  "Cross-Origin-Resource-Policy": "same-origin",
};

async function isolated(request) {
  const response = await fetch(request);
  if (response.status === 0 || response.type === "opaqueredirect") return response; // a redirect is followed by the browser itself
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(ISOLATION)) headers.set(name, value);
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const sameOrigin = new URL(request.url).origin === self.location.origin;
  if (sameOrigin && (request.mode === "navigate" || request.destination === "worker")) event.respondWith(isolated(request));
});
