// Runs wllama 2, in a worker of its own: the library leaves the step from one token to the next to whoever calls it, and in
// the page every piece of drawing would hold the engine up. JavaScript, because a Python worker would load a second
// interpreter. What is asked, and what an answer means, is Python's affair (browser/quick_engine.py).
//
// In:  {id, method, given: [...]}          a call to the library; this file's are `create`, with where it is, `cachedTokens`, and
//                                          `write`, with the most tokens that it may make
//      {stop: true}                        ends a `write` between two tokens
// Out: {id, value} or {id, error: text}    what a call came to
//      {id, text, tokens}                  what `write` has made since it told last, and how many tokens in all
//      {bytes}                             how much of the model's files has been read
// Python takes in what has come twice a second, since its work and the drawing slow the engine's threads down.
const PAUSE_MS = 500;
const PIECE = 4 << 20;

globalThis.document = { baseURI: location.href }; // the library resolves even full URLs against it
let engine = null;
let stopped = false;
let cached = []; // the tokens that the engine has read: asked for them, wllama 2.3.1 forgets them itself

// wllama 2 reads what `stream` gives it, 64 kB at a time, with a message for each; so it is given larger pieces.
let bytes = 0;
function inLargePieces(file) {
  let offset = 0;
  const read = async () => {
    if (offset >= file.size) return { done: true };
    const value = new Uint8Array(await file.slice(offset, offset + PIECE).arrayBuffer());
    offset += value.byteLength;
    postMessage({ bytes: (bytes += value.byteLength) });
    return { done: false, value };
  };
  file.stream = () => ({ getReader: () => ({ read }) });
  return file;
}

// What comes after this goes to the engine after it too, so the tokens count from now on.
async function decode(tokens, options) {
  cached.push(...tokens);
  try {
    await engine.decode(tokens, options);
  } catch (error) {
    cached = []; // how much of them it has read is not known
    engine.kvClear().catch(() => {});
    throw error;
  }
}

// A token is accepted, read, and followed by sampling the next one in three calls that are made together, rather than each
// when the one before has come back.
async function write(id, limit) {
  const decoder = new TextDecoder(); // a token may be part of a character
  let [text, tokens, told] = ["", 0, 0];
  const tell = () => {
    if (text) postMessage({ id, text, tokens });
    text = "";
    told = performance.now();
  };
  stopped = false;
  let sampled = engine.samplingSample();
  for (;;) {
    const { token, piece } = await sampled;
    const isEnd = engine.isTokenEOG(token);
    if (!isEnd) {
      text += decoder.decode(piece, { stream: true });
      tokens += 1;
    }
    const isLast = isEnd || tokens >= limit || stopped;
    if (isLast || performance.now() - told >= PAUSE_MS) tell();
    if (isLast) return { end: isEnd ? "stop" : tokens >= limit ? "length" : "", tokens };
    const read = [engine.samplingAccept([token]), decode([token], {})];
    sampled = engine.samplingSample();
    sampled.catch(() => {}); // it is looked at in the next round, unless reading fails
    await Promise.all(read);
  }
}

async function call(id, method, given) {
  if (method === "create") {
    const { LoggerWithoutDebug, Wllama } = await import(given[0]);
    engine = new Wllama(given[1], { suppressNativeLog: true, logger: { ...LoggerWithoutDebug, error: console.warn } });
    return null;
  }
  if (method === "write") return write(id, ...given);
  if (method === "loadModel") given[0].forEach(inLargePieces);
  if (method === "cachedTokens") return cached;
  if (method === "decode") return decode(...given);
  if (method === "kvClear") cached = [];
  if (method === "kvRemove") cached.length = given[0];
  const value = await engine[method](...given);
  if (method === "kvRemove") engine.nCachedTokens = given[0]; // wllama 2.3.1 counts them wrong
  return value;
}

onmessage = async ({ data: { id, method, given, stop } }) => {
  if (stop) {
    stopped = true;
    return;
  }
  try {
    const value = await call(id, method, given);
    postMessage({ id, value: value ?? null });
  } catch (error) {
    postMessage({ id, error: String(error?.message ?? error) });
  }
};
