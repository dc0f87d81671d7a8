// The colours of a block of code: highlight.js reads it, DOMPurify checks what that makes. A long block that grows is coloured
// piece by piece, each piece once, so that a thousand lines that stream in cost as much as each of them alone.
import DOMPurify from "../vendor/dompurify/purify.es.mjs";

const RULES = { RETURN_DOM_FRAGMENT: true, ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false, ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"] };
const LONG = 2000; // characters; a block with fewer is made anew each time
const AHEAD = 1000; // as far as what comes after a line may still change its colours
const states = new WeakMap(); // a block's <code> → { settled, nodes, coloured, shown }: see colour()
let highlighter = null; // highlight.js, once it is there

/** Bring highlight.js, and PowerShell, which is not among its common languages. */
export async function load() {
  const bring = (name) => import(`../vendor/highlight/${name}.mjs`);
  const [core, powershell] = await Promise.all([bring("highlight"), bring("powershell")]);
  core.default.registerLanguage("powershell", powershell.default);
  highlighter = core.default;
}

/** Whether highlight.js is there, or not needed for a language. */
export const isReady = (language) => highlighter !== null || !language || language === "text";

const isPlain = (language) => isReady(language) && (language === "text" || !highlighter?.getLanguage(language));

/** Colour all of a <code>. */
export function highlight(code, language) {
  if (isPlain(language)) return;
  const text = code.textContent;
  code.replaceChildren(coloured(language, text));
  states.set(code, { settled: 0, nodes: 0, coloured: text.length, shown: text.length });
}

/** Make a long block of code that stands there as long as it is now; `isWhole`: no more of it comes. False where it cannot be. */
export function extend(code, { language, content }, isWhole) {
  if (content.length < LONG || code.className !== (language && `language-${language}`)) return false;
  if (isPlain(language)) {
    code.textContent = content;
    return true;
  }
  const before = states.get(code);
  if (!before || content.length < before.settled) return false;
  const end = isWhole ? content.length : content.lastIndexOf("\n") + 1;
  const [length, lengthBefore] = [end - before.settled, before.coloured - before.settled];
  // A long part in one string, say, is coloured again when there is a quarter more of it: each time would be quadratic.
  const waits = !isWhole && (length === lengthBefore || (length > LONG && length < lengthBefore * 1.25));
  if (waits && content.length >= before.shown) {
    code.append(content.slice(before.shown));
    before.shown = content.length;
  } else {
    colour(code, language, content, end, before);
  }
  return true;
}

/** `old` has been made like `fresh`. */
export function handOn(fresh, old) {
  if (states.has(fresh)) states.set(old, states.get(fresh));
}

/**
 * Colour a text from where it is not settled up to `end`; the rest of it is shown without colours. What is settled is read no
 * more: it ends with a line, well before `end`, and what follows is coloured as if the text began there.
 *
 * @param before `settled`: how many characters are, and how many `nodes` of `code` they are.
 */
function colour(code, language, text, end, { settled, nodes }) {
  while (code.childNodes.length > nodes) code.lastChild.remove();
  const made = coloured(language, text.slice(settled, end));
  const [node, length] = lastLineBefore(made, end - settled - AHEAD);
  const mode = node && read(language, text.slice(settled, settled + length))._top;
  if (mode && !mode.parent) {
    settled += length;
    nodes += [...made.childNodes].indexOf(node) + 1;
  }
  code.append(made, text.slice(end));
  states.set(code, { settled, nodes, coloured: end, shown: text.length });
}

const read = (language, text) => highlighter.highlight(text, { language, ignoreIllegals: true });
const coloured = (language, text) => DOMPurify.sanitize(read(language, text).value, RULES);

/** The last line that ends before `limit` and that no colour goes across: the text node that ends there now, and that place. */
function lastLineBefore(made, limit) {
  let found = null;
  let [length, place, begin] = [0, 0, 0];
  for (const node of made.childNodes) {
    if (begin >= limit) break;
    const end = node.nodeType === Node.TEXT_NODE ? node.data.lastIndexOf("\n", limit - begin - 1) + 1 : 0;
    if (end) [found, length, place] = [node, end, begin + end];
    begin += node.textContent.length;
  }
  if (found && length < found.data.length) found.splitText(length);
  return [found, place];
}
