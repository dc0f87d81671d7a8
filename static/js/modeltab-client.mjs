// Use the models of an open ModelTab from a page of another origin. Copy this file to your site, then:
//
//   const app = "https://…/modeltab/";
//   const fetch = await connect(app); // in a click: it opens a window, in which the person is asked
//   const openai = new OpenAI({ baseURL: app + "v1", apiKey: "none", fetch, dangerouslyAllowBrowser: true });
//
// With {frame: true} a hidden frame takes the window's place: for an origin that is always allowed, on the same site.
export function connect(app, { frame } = {}) {
  const url = new URL("bridge.html", app);
  const element = frame && Object.assign(document.createElement("iframe"), { src: url, hidden: true });
  if (element) document.body.append(element);
  const bridge = element ? element.contentWindow : open(url, "_blank", "popup,width=440,height=420");
  return new Promise((resolve, reject) => {
    const end = (error) => (clearInterval(timer), removeEventListener("message", listen), error && (element?.remove(), reject(Error(error))));
    const timer = setInterval(() => (!bridge || bridge.closed) && end("The window is closed, or was never opened."), 500);
    const listen = ({ source, origin, data, ports: [port] }) => {
      if (source !== bridge || origin !== url.origin) return;
      if (data.modeltab === "ready") return bridge.postMessage({ modeltab: "connect" }, origin);
      end(data.reason);
      if (port) resolve((input, init) => call(port, new Request(input, init)));
    };
    addEventListener("message", listen);
  });
}

async function call(bridge, request) {
  const { port1: port, port2 } = new MessageChannel();
  const { method, url, headers, signal } = request;
  const body = method === "GET" ? undefined : await request.blob();
  signal.throwIfAborted();
  bridge.postMessage({ method, url, headers: [...headers], body }, [port2]);
  return new Promise((resolve, reject) => {
    let controller;
    const abort = () => port.postMessage("abort");
    const stream = new ReadableStream({ start: (given) => (controller = given), cancel: abort });
    const fail = (error) => (reject(error), controller.error(error));
    signal.addEventListener("abort", () => (abort(), fail(signal.reason)));
    port.onclose = () => fail(TypeError("The bridge is closed."));
    port.onmessage = ({ data }) => {
      if (data.status) resolve(new Response(stream, data));
      else if (data.bytes) controller.enqueue(data.bytes);
      else data.error ? fail(TypeError(data.error)) : controller.close();
    };
  });
}
