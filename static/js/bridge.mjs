// The bridge: a window, or a frame, in which a page of another origin reaches an open ModelTab (static/js/modeltab-client.mjs is
// its other side). It calls v1/… and api/v1/… as any page of this origin does, and says in a header for which origin: the browser
// tells it that, and ModelTab believes that header from this page alone. Whether an origin may call, ModelTab decides.
const BASE = new URL("./", document.baseURI);
const client = window.opener ?? (window.parent === window ? null : window.parent);
const isFrame = window.parent !== window;
const get = (id) => document.getElementById(id);
// A click that was meant for something else must not allow anything.
const SETTLE_MS = 600;

function say(title, text) {
  get("title").textContent = title;
  get("text").textContent = text;
}

async function controlled() {
  if (!navigator.serviceWorker) throw new Error("This browser has no service worker for ModelTab's page.");
  if (navigator.serviceWorker.controller) return;
  await navigator.serviceWorker.register(new URL("sw.js", BASE));
  if (navigator.serviceWorker.controller) return;
  await new Promise((resolve) => navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true }));
}

// {allowed}, or an error with ModelTab's words.
async function consent(origin, given) {
  const init = given ? { method: "POST", body: JSON.stringify(given) } : {};
  const response = await fetch(new URL("v1/bridge/consent", BASE), { ...init, headers: { "modeltab-origin": origin } });
  const value = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(value.error?.message ?? "ModelTab does not answer.");
  return value;
}

function asked(origin) {
  say(`Allow ${origin} to use your models?`, "It can then ask every model in ModelTab, and add and delete models of the tab. It never sees your keys. Close this window to end it.");
  const buttons = [...document.querySelectorAll(".bridge-actions button")];
  for (const button of buttons) button.disabled = true;
  get("actions").hidden = false;
  setTimeout(() => buttons.forEach((button) => (button.disabled = false)), SETTLE_MS);
  return new Promise((resolve) => buttons.forEach((button) => (button.onclick = () => resolve(button.id))));
}

async function allowed(origin) {
  await controlled();
  if ((await consent(origin)).allowed) return;
  // In a frame, the page around it could make a person click on what they do not see.
  if (isFrame) throw new Error("The person has not allowed this origin yet: connect without a frame first.");
  const answer = await asked(origin);
  get("actions").hidden = true;
  if (answer === "refuse") throw new Error("The person did not allow it.");
  await consent(origin, { remember: answer === "always" });
}

// In: {method, url, headers, body}, and later "abort". Out: {status, headers}, {bytes}…, then {} or {error}.
async function call(origin, { method, url, headers, body }, port) {
  const controller = new AbortController();
  port.onmessage = () => controller.abort();
  try {
    const path = new URL(url);
    const [inside] = path.href.startsWith(BASE.href) ? /^(api\/)?v1\//.exec(path.href.slice(BASE.href.length)) ?? [] : [];
    if (!inside || path.href.includes("/bridge/")) throw new TypeError(`${url} is not ModelTab's API.`);
    const sent = new Headers(headers);
    sent.set("modeltab-origin", origin);
    const response = await fetch(path, { method, headers: sent, body, signal: controller.signal });
    port.postMessage({ status: response.status, headers: [...response.headers] });
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      port.postMessage({ bytes: value });
    }
    port.postMessage({});
  } catch (error) {
    port.postMessage({ error: error.message });
  }
}

async function connect(origin) {
  try {
    if (!/^https?:/.test(origin)) throw new Error("Only a page with an address of its own can be allowed.");
    await allowed(origin);
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data, ports: [port] }) => call(origin, data, port);
    client.postMessage({ modeltab: "connected" }, origin, [port2]);
    say(`${origin} uses your models`, "Leave this window open as long as it is to go on; close it to end it.");
  } catch (error) {
    say("Not connected", error.message);
    client.postMessage({ modeltab: "refused", reason: error.message }, origin === "null" ? "*" : origin);
  }
}

if (client) {
  addEventListener("message", ({ source, origin, data }) => {
    if (source === client && data?.modeltab === "connect") connect(origin);
  });
  client.postMessage({ modeltab: "ready" }, "*");
} else {
  say("Nothing to do here", "Pages of other sites open this window to ask for your models.");
}
