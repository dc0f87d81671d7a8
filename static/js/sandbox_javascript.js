// The JavaScript in the playground's sandbox: runs one piece of code as the body of an async function, and sends what it says
// to the page in the messages of src/playground/.
globalThis.trustedTypes?.createPolicy("default", { createScript: (text) => text, createScriptURL: (url) => url });

self.onmessage = ({ ports: [port] }) => {
  self.onmessage = null;
  const send = (message) => port.postMessage(JSON.stringify(message));
  const words = (value) => {
    if (typeof value === "string") return value;
    if (value instanceof Error) return `${value.name}: ${value.message}`;
    try {
      return JSON.stringify(value, null, 1) ?? String(value);
    } catch {
      return String(value);
    }
  };
  const say = (kind) => (...values) => send({ kind, text: `${values.map(words).join(" ")}\n` });
  for (const name of ["log", "info", "debug"]) console[name] = say("stdout");
  for (const name of ["warn", "error"]) console[name] = say("stderr");

  // What a snippet for Node.js prints with; the environment is empty, for a key has no business here.
  globalThis.process = { env: {}, stdout: { write: (text) => send({ kind: "stdout", text: String(text) }) } };

  const waiting = new Map();
  let asked = 0;
  async function* ask(method, given) {
    const id = ++asked;
    const events = [];
    let wake = () => {};
    waiting.set(id, (event) => {
      events.push(event);
      wake();
    });
    send({ kind: "ask", id, method, ...given });
    let ended = false;
    try {
      while (!ended) {
        if (!events.length) await new Promise((resolve) => (wake = resolve));
        const event = events.shift();
        ended = event.event === "done" || event.event === "error";
        if (event.event === "error") throw new Error([event.message, event.advice].filter(Boolean).join(" "));
        yield event;
      }
    } finally {
      waiting.delete(id);
      if (!ended) send({ kind: "cancel", id });
    }
  }
  const turns = (messages) => (typeof messages === "string" ? [{ role: "user", content: messages }] : messages);
  const modeltab = {
    async models() {
      for await (const event of ask("models", {})) if (event.event === "done") return event.models;
    },
    async *stream(model, messages, parameters = {}) {
      for await (const event of ask("chat", { model, messages: turns(messages), parameters })) {
        if (event.event === "text") yield event.text;
      }
    },
    async chat(model, messages, parameters = {}) {
      let text = "";
      for await (const piece of modeltab.stream(model, messages, parameters)) text += piece;
      return text;
    },
  };

  const AsyncFunction = (async () => {}).constructor;
  async function run(code) {
    try {
      const value = await new AsyncFunction("modeltab", `"use strict";\n${code}\n//# sourceURL=snippet.js`)(modeltab);
      if (value !== undefined) send({ kind: "value", text: words(value) });
      send({ kind: "ended", status: "done" });
    } catch (error) {
      const lines = String(error?.stack ?? "").split("\n").filter((line) => line.includes("snippet.js"));
      const isRefused = error instanceof TypeError && /fetch|NetworkError|Load failed/.test(error.message);
      const hint = isRefused
        ? 'Either nothing listens at that address, or the server does not allow it (CORS): the sandbox\'s origin is "null".'
        : "";
      send({ kind: "ended", status: "error", text: `${[words(error), ...lines].join("\n")}\n`, hint });
    }
  }
  port.onmessage = ({ data }) => {
    if (data.code !== undefined) return run(data.code);
    const event = JSON.parse(data.event);
    waiting.get(event.id)?.(event);
  };
  send({ kind: "ready" });
};
