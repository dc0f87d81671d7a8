// What a model wrote, as nodes of the page. Its HTML is text (markdown.mjs escapes it); what the Markdown library, KaTeX
// and highlight.js make is sanitised here, each under rules of its own, before it is anywhere in the document.
import DOMPurify from "../vendor/dompurify/purify.es.mjs";
import { Blocks, createMarkdown, FORBIDDEN_SCHEME } from "./markdown.mjs";

const FRAGMENT = { RETURN_DOM_FRAGMENT: true, ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false };
const MARKDOWN_RULES = {
  ...FRAGMENT,
  ALLOWED_TAGS: [
    ...["p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "del", "code", "pre", "blockquote"],
    ...["ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td", "a", "img", "input"],
  ],
  // An image has its address in data-src: it becomes one only once a person has agreed to its host.
  ALLOWED_ATTR: ["href", "title", "class", "start", "align", "alt", "data-src", "type", "checked", "disabled"],
  ADD_URI_SAFE_ATTR: ["start", "align", "type"], // else they have to look like links
  ALLOWED_URI_REGEXP: new RegExp(`^(?!${FORBIDDEN_SCHEME.source.slice(1)})`, "i"),
};
const CODE_RULES = { ...FRAGMENT, ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"] };
const FORMULA_RULES = {
  IN_PLACE: true,
  ALLOWED_TAGS: [
    ...["span", "math", "semantics", "annotation", "mrow", "mi", "mn", "mo", "mtext", "ms", "mspace", "mfrac", "msqrt", "mroot"],
    ...["msub", "msup", "msubsup", "munder", "mover", "munderover", "mmultiscripts", "mprescripts", "none", "mtable", "mtr"],
    ...["mtd", "mlabeledtr", "mstyle", "mpadded", "mphantom", "menclose", "merror", "svg", "path", "line", "g"],
  ],
  ALLOWED_ATTR: [
    ...["class", "style", "aria-hidden", "encoding", "xmlns", "display", "mathvariant", "mathsize", "mathcolor", "mathbackground"],
    ...["stretchy", "fence", "separator", "lspace", "rspace", "minsize", "maxsize", "symmetric", "accent", "accentunder"],
    ...["movablelimits", "linethickness", "width", "height", "depth", "voffset", "rowspacing", "columnspacing", "columnalign"],
    ...["columnlines", "rowlines", "rowalign", "scriptlevel", "displaystyle", "notation", "side", "form", "dir", "largeop"],
    ...["viewBox", "preserveAspectRatio", "d", "x1", "x2", "y1", "y2", "stroke-width", "frame", "framespacing"],
  ],
  ALLOW_DATA_ATTR: false,
};
// A formula takes no more than this from a model: sizes in em, expansions of macros.
const FORMULA_OPTIONS = { throwOnError: true, strict: "ignore", trust: false, maxSize: 20, maxExpand: 500, output: "htmlAndMathml" };

const markdown = createMarkdown();
let highlighter = null; // highlight.js and KaTeX, once they are there
let formulas = null;
const LONG_CODE = 2000; // characters
const UNFINISHED = null; // what stands for the HTML of a block whose newest text is not in its final form
const lengths = new WeakMap(); // a block's <code> → { coloured, shown }: characters
const loads = new Map(); // name → promise
const texts = new Map(); // number of a [data-markdown] element that was just made → its text
const shown = new WeakMap(); // element → { text, blocks: Blocks, html: [of what stands in it] }
let counter = 0;
let hosts = new Set();
const images = new Map(); // address → object URL, "" when it cannot be had, undefined while it is on its way

// --- From view to page ----------------------------------------------------------------------------------------------------

/** Take the texts out of a view's fragment: settle() fills the elements once they are in the page. */
export function prepare(fragment) {
  for (const element of fragment.querySelectorAll("[data-markdown]")) {
    const streams = element.getAttribute("data-markdown") === "live"; // write() fills it
    element.setAttribute("data-markdown", String(++counter));
    if (!streams) texts.set(String(counter), element.textContent);
    element.replaceChildren();
  }
}

/** For idiomorph: whether it may go into `old`. A Markdown element keeps its nodes; what it is to show is noted. */
export function mayMorph(old, fresh) {
  const number = fresh.dataset?.markdown;
  if (!number || !shown.has(old) || old.dataset.part !== fresh.dataset.part) return true;
  if (texts.has(number)) texts.set(old.dataset.markdown, texts.get(number));
  return false;
}

/** Fill what prepare() left empty, now that it stands in the page. */
export function settle(root) {
  if (!texts.size) return;
  for (const element of root.querySelectorAll("[data-markdown]")) {
    const text = texts.get(element.dataset.markdown);
    if (text !== undefined) write(element, text, false);
  }
  texts.clear();
}

/** Show a text in an element. Where it only got longer, nothing but its last block is rendered; `grows`: more is to come. */
export function write(element, text, grows = true) {
  let state = shown.get(element);
  if (!state || !text.startsWith(state.text) || element.childElementCount !== state.html.length) {
    state = { text: "", blocks: new Blocks(markdown), html: [] };
    shown.set(element, state);
    element.replaceChildren();
  } else if (text === state.text && (grows || !state.html.includes(UNFINISHED))) {
    return;
  }
  const changed = state.blocks.append(text.slice(state.text.length));
  state.text = text;
  const { finished, length } = { finished: state.blocks.finished.length, length: state.blocks.length };
  while (state.html.length > length) {
    state.html.pop();
    element.lastElementChild.remove();
  }
  const places = [...changed].filter((n) => n < finished).sort((a, b) => a - b);
  for (let n = finished; n < length; n++) places.push(n);
  const fresh = [];
  for (const n of places) {
    const html = state.blocks.html(n);
    if (state.html[n] === html) continue;
    if (grows && n < state.html.length && extendCode(element.children[n], state.blocks.code(n))) {
      state.html[n] = UNFINISHED;
      continue;
    }
    const node = nodeOf(html);
    if (n < state.html.length) patch(element.children[n], node);
    else fresh.push(node);
    state.html[n] = html;
  }
  element.append(...fresh);
}

/**
 * Add what is new to a long block of code, without colours until there is a quarter more of it than when it was last
 * coloured: colouring has to begin at the beginning, and each time would make it quadratic. False where it cannot be.
 */
function extendCode(block, fresh) {
  const code = fresh && block.className === "code-block" && block.lastChild.firstChild;
  if (!code || fresh.content.length < LONG_CODE || code.className !== `language-${fresh.language}`) return false;
  const before = lengths.get(code);
  if (!before || fresh.content.length > before.coloured * 1.25 || fresh.content.length < before.shown) return false;
  const more = fresh.content.slice(before.shown);
  if (code.lastChild?.nodeType === 3) code.lastChild.appendData(more);
  else code.append(more);
  before.shown = fresh.content.length;
  return true;
}

/** All of a text, as an element: what write() shows of it. */
export function render(text, parser = markdown) {
  const blocks = new Blocks(parser);
  blocks.append(text);
  const element = document.createElement("div");
  for (let n = 0; n < blocks.length; n++) element.append(nodeOf(blocks.html(n)));
  return element;
}

/** Make `old` like `fresh`, touching only what differs, so that selection, focus and scrolling stay where they are. */
function patch(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || (old.nodeType === 1 && !sameAttributes(old, fresh))) {
    old.replaceWith(fresh);
  } else if (old.nodeType !== 1) {
    if (old.data !== fresh.data) old.data = fresh.data;
  } else {
    if (lengths.has(fresh)) lengths.set(old, lengths.get(fresh));
    let mine = old.firstChild;
    let theirs = fresh.firstChild;
    while (mine && theirs) {
      const [nextMine, nextTheirs] = [mine.nextSibling, theirs.nextSibling];
      if (!mine.isEqualNode(theirs)) patch(mine, theirs);
      [mine, theirs] = [nextMine, nextTheirs];
    }
    while (mine) [mine] = [mine.nextSibling, mine.remove()];
    while (theirs) [theirs] = [theirs.nextSibling, old.append(theirs)];
  }
}

const sameAttributes = (a, b) =>
  a.attributes.length === b.attributes.length && [...a.attributes].every(({ name, value }) => b.getAttribute(name) === value);

// --- One block ------------------------------------------------------------------------------------------------------------

function nodeOf(html) {
  const fragment = DOMPurify.sanitize(html, MARKDOWN_RULES);
  if (html.includes("class=")) fragment.querySelectorAll("[class]").forEach(keepClass);
  if (html.includes("<a ")) fragment.querySelectorAll("a[href]").forEach(finishLink);
  if (html.includes("<input")) fragment.querySelectorAll("input").forEach(finishBox);
  if (html.includes("<pre")) fragment.querySelectorAll("pre").forEach(finishCode);
  if (html.includes("<table")) fragment.querySelectorAll("table").forEach(finishTable);
  if (html.includes("<img")) fragment.querySelectorAll("img").forEach(finishImage);
  if (html.includes('class="formula')) fragment.querySelectorAll("code[class^=formula]").forEach(finishFormula);
  return fragment.firstElementChild ?? document.createElement("p");
}

function make(tag, className, text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}

/** The only classes: a code block's language, and what a formula is. */
function keepClass(element) {
  const isOurs = element.localName === "code" && /^(?:language-\S+|formula-(?:inline|display))$/.test(element.className);
  if (!isOurs) element.removeAttribute("class");
}

/** A link opens elsewhere, and shows where it leads unless its text says so. */
function finishLink(link) {
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  const host = hostOf(link.getAttribute("href"));
  const text = link.textContent.trim();
  const said = hostOf(text) || hostOf(`http://${text}`);
  if (host && host !== said) link.dataset.host = host;
}

/** The host of an absolute address of the web, with its port; empty for every other address. */
function hostOf(address) {
  try {
    const url = new URL(address);
    return /^https?:$/.test(url.protocol) ? url.host : "";
  } catch {
    return "";
  }
}

function finishBox(box) {
  box.type = "checkbox";
  box.disabled = true;
  box.setAttribute("aria-label", box.checked ? "Done" : "To do");
}

function finishTable(table) {
  const frame = make("div", "table-frame");
  frame.tabIndex = 0; // so that it can be scrolled by keyboard
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", "Table");
  table.replaceWith(frame);
  frame.append(table);
}

function finishCode(pre) {
  const code = pre.firstElementChild;
  const language = /^language-(\S+)/.exec(code.className)?.[1] ?? "";
  const block = make("div", "code-block");
  const head = make("div", "code-head");
  const copy = make("button", "button small quiet code-copy", "Copy");
  copy.type = "button";
  copy.dataset.action = "code.copy";
  copy.dataset.takes = ".code-block code"; // browser.events gives its text to the action
  copy.setAttribute("aria-label", language ? `Copy ${language} code` : "Copy code");
  head.append(make("span", "code-language", language || "text"), copy);
  pre.replaceWith(block);
  pre.tabIndex = 0;
  block.append(head, pre);
  highlight(code, language);
}

function highlight(code, language) {
  if (!language || language === "text") return;
  if (!highlighter) {
    need("highlight", async () => {
      const load = (name) => import(`../vendor/highlight/${name}.mjs`);
      const [core, powershell] = await Promise.all([load("highlight"), load("powershell")]);
      core.default.registerLanguage("powershell", powershell.default); // not among its common languages
      highlighter = core.default;
      refresh(".code-block code[class^=language-]", (code) => highlight(code, code.className.slice("language-".length)));
    });
  } else if (highlighter.getLanguage(language)) {
    const text = code.textContent;
    const html = highlighter.highlight(text, { language, ignoreIllegals: true }).value;
    code.replaceChildren(DOMPurify.sanitize(html, CODE_RULES));
    lengths.set(code, { coloured: text.length, shown: text.length });
  }
}

// --- Formulas -------------------------------------------------------------------------------------------------------------

function finishFormula(code) {
  const tex = code.textContent;
  const open = code.title;
  const close = { "\\(": "\\)", "\\[": "\\]" }[open] ?? open;
  const isDisplay = code.className === "formula-display";
  const formula = make("span", isDisplay ? "formula formula-display" : "formula");
  if (isDisplay) formula.tabIndex = 0; // a long one is scrolled
  formula.dataset.source = open + tex + close;
  code.replaceWith(formula);
  typeset(formula, tex, isDisplay);
}

function typeset(formula, tex, isDisplay) {
  if (!formulas) {
    formula.textContent = formula.dataset.source;
    formula.dataset.tex = tex;
    need("katex", async () => {
      const style = make("link");
      style.rel = "stylesheet";
      style.href = new URL("../vendor/katex/katex.css", import.meta.url).href;
      const styled = new Promise((resolve) => (style.onload = style.onerror = resolve));
      document.head.append(style);
      const [katex] = await Promise.all([import("../vendor/katex/katex.mjs"), styled]);
      formulas = katex.default;
      refresh(".formula[data-tex]", (waiting) => {
        const display = waiting.classList.contains("formula-display");
        typeset(waiting, waiting.dataset.tex, display);
      });
    });
    return;
  }
  delete formula.dataset.tex;
  try {
    // Nodes, not text: KaTeX sets styles by their properties, which the page's policy allows, unlike style attributes.
    const made = document.createElement("span");
    formulas.render(tex, made, { ...FORMULA_OPTIONS, displayMode: isDisplay });
    DOMPurify.sanitize(made, FORMULA_RULES);
    formula.replaceChildren(...made.childNodes);
  } catch (error) {
    const source = make("code", "formula-error", formula.dataset.source);
    source.title = error.message;
    formula.replaceChildren(source);
  }
}

// --- Images ---------------------------------------------------------------------------------------------------------------

function finishImage(image) {
  const address = image.getAttribute("data-src") ?? "";
  const host = hostOf(address);
  const figure = make("span", "remote-image");
  figure.dataset.src = address;
  figure.dataset.alt = image.alt;
  if (image.title) figure.title = image.title;
  image.replaceWith(figure);
  if (host) figure.dataset.host = host;
  fillImage(figure);
}

function fillImage(figure) {
  const { src, alt, host } = figure.dataset;
  const text = make("span", "remote-image-alt", alt || "Image without a description");
  if (!host) {
    figure.replaceChildren(text);
  } else if (!hosts.has(host)) {
    const ask = make("button", "button small", `Show images from ${host}`);
    ask.type = "button";
    ask.dataset.action = "images.show";
    ask.dataset.id = host;
    figure.replaceChildren(text, ask);
  } else if (images.get(src)) {
    const image = make("img");
    image.alt = alt;
    image.src = images.get(src);
    figure.replaceChildren(image);
  } else if (images.get(src) === "") {
    const link = make("a", "", "Open it in a new tab");
    link.href = src;
    finishLink(link);
    figure.replaceChildren(text, make("span", "remote-image-note", `${host} does not let this page show it.`), link);
  } else {
    figure.replaceChildren(text, make("span", "remote-image-note", `Loading from ${host}…`));
    if (!images.has(src)) fetchImage(src);
  }
}

/** Fetch an image without telling its host anything of this page, and without going on to another host. */
async function fetchImage(src) {
  images.set(src, undefined);
  let url = "";
  try {
    const reply = await fetch(src, { credentials: "omit", redirect: "error", referrerPolicy: "no-referrer" });
    const content = await reply.blob();
    if (reply.ok && content.type.startsWith("image/")) url = URL.createObjectURL(content);
  } catch {
    // no answer, no CORS, or a redirect: the reader is offered the link
  }
  images.set(src, url);
  refresh(".remote-image", (figure) => figure.dataset.src === src && fillImage(figure));
}

/** Which hosts images may come from. */
export function allowImages(allowed) {
  hosts = new Set(allowed);
  refresh(".remote-image", fillImage);
}

// --- Libraries that come when they are needed -----------------------------------------------------------------------------

function need(name, load) {
  if (loads.has(name)) return;
  loads.set(name, load().catch((error) => {
    console.info(`ModelTab: ${name} could not be loaded, so its part is shown as it was written.`, error);
    setTimeout(() => loads.delete(name), 10_000); // the next block tries again
  }));
}

/** Do it to what is in the page by now. What is rendered later finds the library there. */
function refresh(selector, action) {
  for (const element of document.querySelectorAll(selector)) action(element);
}
