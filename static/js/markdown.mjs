// Markdown → HTML text, block by block: CommonMark, GFM's extensions, formulas. Nothing here touches the page; what
// it makes is sanitised by prose.mjs before it becomes nodes.
import createMarkdownIt from "../vendor/markdown-it/markdown-it.mjs";

/** Schemes that run or show something in the page's name: a link of one of these stays text. */
export const FORBIDDEN_SCHEME = /^\s*(?:javascript|vbscript|data|file|blob|filesystem|view-source|about):/i;
const TASK = /^\[([ xX])\](?=[ \t\n])/;
const FORMULA_BEGINS = /^ {0,3}(?:\$\$|\\\[)/;
const BULLET = /^(?:[-+*](?:[ \t]|$)|\d{1,9}[.)](?:[ \t]|$)|>|#{1,6}(?:[ \t]|$)|`{3}|~{3})/;

/** A parser of CommonMark, and with `extensions` of GFM's tables, task lists, strikethrough and autolinks, and formulas. */
export function createMarkdown(extensions = true) {
  const md = createMarkdownIt({ html: false, linkify: false });
  md.validateLink = (url) => !FORBIDDEN_SCHEME.test(url);
  md.renderer.rules.image = (tokens, index) => {
    const image = tokens[index];
    const alt = md.renderer.renderInlineAsText(image.children, md.options, {});
    const title = image.attrGet("title");
    const escaped = md.utils.escapeHtml;
    return `<img data-src="${escaped(image.attrGet("src"))}" alt="${escaped(alt)}"${title ? ` title="${escaped(title)}"` : ""}>`;
  };
  const [table] = md.block.ruler.getRules("");
  md.disable(["table", "strikethrough"]);
  if (extensions) {
    useTables(md, table);
    useTasks(md);
    useStrikethrough(md);
    useAutolinks(md);
    useFormulas(md);
  }
  return md;
}

// In GFM a row of cells is a paragraph first, so what begins another block is no table; markdown-it looks for tables first.
function useTables(md, table) {
  const rule = (state, start, end, silent) => {
    const begin = state.bMarks[start] + state.tShift[start];
    return !BULLET.test(state.src.slice(begin, state.eMarks[start])) && table(state, start, end, silent);
  };
  md.block.ruler.before("lheading", "gfm_table", rule, { alt: ["paragraph", "reference"] });
  for (const name of ["th_open", "td_open"]) {
    md.renderer.rules[name] = (tokens, index) => {
      const align = /text-align:(\w+)/.exec(tokens[index].attrGet("style") ?? "");
      return `<${tokens[index].tag}${align ? ` align="${align[1]}"` : ""}>`;
    };
  }
}

function useTasks(md) {
  md.core.ruler.before("inline", "tasks", ({ tokens }) => {
    for (let i = 2; i < tokens.length; i++) {
      const isFirst = tokens[i].type === "inline" && tokens[i - 1].type === "paragraph_open" && tokens[i - 2].type === "list_item_open";
      const mark = isFirst && TASK.exec(tokens[i].content);
      if (mark) {
        tokens[i].content = tokens[i].content.slice(3);
        tokens[i].meta = { task: mark[1] === " " ? "open" : "done" };
      }
    }
  });
  md.core.ruler.after("inline", "task_boxes", (state) => {
    for (const token of state.tokens) {
      if (!token.meta?.task) continue;
      const box = new state.Token("task_box", "input", 0);
      box.meta = token.meta;
      token.children.unshift(box);
    }
  });
  md.renderer.rules.task_box = (tokens, index) =>
    `<input type="checkbox" disabled${tokens[index].meta.task === "done" ? " checked" : ""}>`;
}

// GFM: one or two tildes on each side, as many on both; three or more are text. markdown-it knows two only.
function useStrikethrough(md) {
  const ONE = 0x17e; // no character's code here, so that the two lengths do not pair with each other
  md.inline.ruler.before("emphasis", "gfm_strikethrough", (state, silent) => {
    if (silent || state.src[state.pos] !== "~") return false;
    const run = state.scanDelims(state.pos, true);
    const text = state.push("text", "", 0);
    text.content = "~".repeat(run.length);
    if (run.length <= 2) {
      state.delimiters.push({
        marker: run.length === 2 ? 0x7e : ONE,
        length: 0,
        token: state.tokens.length - 1,
        end: -1,
        open: run.can_open,
        close: run.can_close,
      });
    }
    state.pos += run.length;
    return true;
  });
  const pair = (state, delimiters) => {
    for (const begin of delimiters) {
      if ((begin.marker !== 0x7e && begin.marker !== ONE) || begin.end < 0) continue;
      for (const [place, type, nesting] of [[begin.token, "s_open", 1], [delimiters[begin.end].token, "s_close", -1]]) {
        Object.assign(state.tokens[place], { type, nesting, tag: "del", markup: "~", content: "" });
      }
    }
  };
  md.inline.ruler2.after("balance_pairs", "gfm_strikethrough", (state) => {
    pair(state, state.delimiters);
    for (const meta of state.tokens_meta) if (meta?.delimiters) pair(state, meta.delimiters);
  });
}

const URL_AT = /(?:https?|ftp):\/\/[^\s<]+/iy;
const IN_TEXT = /(?<![^\s*_~(])www\.[^\s<]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g;

/** The part of `text` that GFM takes into an autolink: what ends a sentence is not in it. Empty where the domain is none. */
function autolinkOf(text, dotNeeded) {
  const host = /^(?:\w+:\/\/)?([^\s/?#:<]*)/.exec(text)[1].replace(/[.,!*_~'")]+$/, "");
  const parts = host.split(".");
  const ok = parts.every((part) => /^[\p{L}\p{N}_-]+$/u.test(part)) && !parts.slice(-2).some((part) => part.includes("_"));
  if (!ok || (dotNeeded && parts.length < 2)) return "";
  for (;;) {
    const before = text;
    text = text.replace(/&[a-zA-Z0-9]+;$/, "").replace(/[?!.,:*_~'"]$/, "");
    const excess = text.endsWith(")") && text.split(")").length > text.split("(").length;
    if (excess) text = text.slice(0, -1);
    if (text === before) return text;
  }
}

function useAutolinks(md) {
  const link = (push, href, text) => {
    push("link_open", "a", 1).attrs = [["href", md.normalizeLink(href)]];
    push("text", "", 0).content = text;
    push("link_close", "a", -1);
  };
  // A URL is taken before emphasis is looked for in it. The text before the colon is in state.pending by then.
  md.inline.ruler.before("escape", "gfm_url", (state, silent) => {
    if (state.src[state.pos] !== ":" || state.linkLevel > 0) return false;
    const scheme = /(?<![A-Za-z0-9])(?:https?|ftp)$/i.exec(state.pending);
    if (!scheme) return false;
    URL_AT.lastIndex = state.pos - scheme[0].length;
    const url = autolinkOf(URL_AT.exec(state.src.slice(0, state.posMax))?.[0] ?? "", false);
    if (url.length <= scheme[0].length + 3) return false;
    if (!silent) {
      state.pending = state.pending.slice(0, -scheme[0].length);
      link((...of) => state.push(...of), url, url);
    }
    state.pos += url.length - scheme[0].length;
    return true;
  });
  md.core.ruler.after("inline", "gfm_autolinks", (state) => {
    for (const token of state.tokens) {
      if (token.type !== "inline" || !/www\.|@/.test(token.content)) continue;
      let depth = 0;
      token.children = token.children.flatMap((child) => {
        depth += child.type === "link_open" ? 1 : child.type === "link_close" ? -1 : 0;
        return child.type === "text" && depth === 0 ? linked(state, child) : [child];
      });
    }
  });
  const linked = (state, child) => {
    const made = [];
    const push = (type, tag, nesting) => (made.push(new state.Token(type, tag, nesting)), made.at(-1));
    let end = 0;
    for (const found of child.content.matchAll(IN_TEXT)) {
      const isWeb = found[0].startsWith("www.");
      const text = isWeb ? autolinkOf(found[0], true) : found[0].replace(/\.+$/, "");
      if (!text || found.index < end || (!isWeb && /[-_]$/.test(text))) continue;
      if (found.index > end) push("text", "", 0).content = child.content.slice(end, found.index);
      link(push, (isWeb ? "http://" : "mailto:") + text, text);
      end = found.index + text.length;
    }
    if (!made.length) return [child];
    if (end < child.content.length) push("text", "", 0).content = child.content.slice(end);
    return made;
  };
}

// Formulas: $…$ and \(…\) in a line; $$…$$ and \[…\] set apart. No blank line is in one.
function useFormulas(md) {
  md.inline.ruler.before("escape", "formula", (state, silent) => {
    const found = formulaAt(state.src.slice(0, state.posMax), state.pos);
    if (!found) return false;
    if (!silent) {
      const token = state.push("formula", "code", 0);
      token.content = found.content;
      token.markup = found.open;
    }
    state.pos = found.end;
    return true;
  });
  const block = (state, start, end, silent) => {
    if (state.sCount[start] - state.blkIndent >= 4) return false;
    const line = (n) => state.src.slice(state.bMarks[n] + state.tShift[n], state.eMarks[n]);
    const first = line(start);
    const open = first.slice(0, 2);
    if (open !== "$$" && open !== "\\[") return false;
    const close = open === "$$" ? "$$" : "\\]";
    const lines = [];
    for (let n = start; n < end; n++) {
      const text = n === start ? first.slice(2) : line(n);
      if (n > start && (!text || state.sCount[n] < state.blkIndent)) return false;
      const place = text.indexOf(close);
      if (place < 0) {
        lines.push(text);
        continue;
      }
      lines.push(text.slice(0, place));
      const content = lines.join("\n").trim();
      if (text.slice(place + 2).trim() || !content) return false;
      if (silent) return true;
      const token = state.push("formula_block", "code", 0);
      Object.assign(token, { block: true, content, markup: open, map: [start, n + 1] });
      state.line = n + 1;
      return true;
    }
    return false;
  };
  md.block.ruler.before("fence", "formula_block", block, { alt: ["paragraph", "reference", "blockquote", "list"] });
  const escaped = md.utils.escapeHtml;
  md.renderer.rules.formula = ([...tokens], index) => {
    const { content, markup } = tokens[index];
    const kind = markup === "$$" || markup === "\\[" ? "formula-display" : "formula-inline";
    return `<code class="${kind}" title="${escaped(markup)}">${escaped(content)}</code>`;
  };
  md.renderer.rules.formula_block = (tokens, index) =>
    `<p>${md.renderer.rules.formula(tokens, index)}</p>\n`;
}

function formulaAt(text, start) {
  const open = text[start] === "$" ? (text[start + 1] === "$" ? "$$" : "$") : text.slice(start, start + 2);
  const close = { $: "$", $$: "$$", "\\(": "\\)", "\\[": "\\]" }[open];
  if (!close) return null;
  const begin = start + open.length;
  let end = text.indexOf(close, begin);
  while (close[0] === "$" && end > 0 && text[end - 1] === "\\") end = text.indexOf(close, end + 1);
  const content = text.slice(begin, Math.max(begin, end));
  if (end < 0 || !content.trim() || content.includes("`") || /\n[ \t]*\n/.test(content)) return null;
  // A price is not a formula: nothing is "$ 5", "US$5", "$5 and $6" or "5$-6$".
  const isPrice = /^\s|\s$/.test(content) || /\d/.test(text[end + 1] ?? "") || /[\p{L}\p{N}]/u.test(text[start - 1] ?? "");
  if (open === "$" ? isPrice : !/[^\\\s]/.test(content)) return null;
  return { open, content: content.trim(), end: end + close.length };
}

/**
 * A text that grows, as a list of top-level blocks: those that nothing can change any more are rendered once and kept.
 *
 * A block is finished when the lines after it show it: CommonMark is read line by line and never reopens a block. What can
 * still change one is the definition of a link that it mentions further down, so each remembers the labels that it asked for.
 */
export class Blocks {
  constructor(md) {
    this.md = md;
    this.finished = []; // [{ source, html, code }]
    this.open = []; // the blocks that may change: [{ html, code }]
    this._tail = "";
    this._endsInReturn = false;
    this._known = new Map(); // label → definition, in what is finished
    this._found = new Map(); // the same, in the tail
    this._waiting = new Map(); // label → indexes of the finished blocks that asked for it
  }

  /** Take more text; the indexes of finished blocks that are new or changed. The open ones may all have changed. */
  append(text) {
    const rest = this._endsInReturn && text.startsWith("\n") ? text.slice(1) : text;
    if (text) this._endsInReturn = text.endsWith("\r");
    this._tail += rest.replace(/\r\n?/g, "\n");
    const before = this.finished.length;
    const found = new Map();
    let groups = this._parse(this._tail, found);
    const lines = this._tail.split("\n");
    const [count, cut] = finishedGroups(groups, lines);
    const changed = this._redefined(found);
    if (count) {
      this._finish(groups.slice(0, count), lines, cut);
      groups = groups.slice(count);
      this._found = new Map([...found].filter(([label]) => !this._known.has(label)));
    }
    this.open = groups;
    for (let n = before; n < this.finished.length; n++) changed.add(n);
    return changed;
  }

  /** How many blocks there are. */
  get length() {
    return this.finished.length + this.open.length;
  }

  /** The HTML of one block. */
  html(index) {
    return (this.finished[index] ?? this.open[index - this.finished.length]).html;
  }

  /** What a block of code has so far: `{ language, content }`; null for every other block. */
  code(index) {
    return (this.finished[index] ?? this.open[index - this.finished.length]).code;
  }

  _finish(groups, lines, cut) {
    const chunk = lines.slice(0, cut).join("\n") + "\n";
    if (chunk.includes("]:")) {
      const env = { references: {} };
      this.md.block.parse(chunk, this.md, env, []);
      for (const [label, definition] of Object.entries(env.references)) {
        if (!this._known.has(label)) this._known.set(label, definition);
      }
    }
    for (const group of groups) {
      const source = lines.slice(group.start, group.end).join("\n") + "\n";
      const index = this.finished.push({ source, html: group.html, code: group.code }) - 1;
      if (source.includes("[")) this._render(index);
    }
    this._tail = lines.slice(cut).join("\n");
  }

  _redefined(found) {
    const changed = new Set();
    const before = this._found;
    this._found = found;
    for (const label of new Set([...before.keys(), ...found.keys()])) {
      if (this._known.has(label) || same(before.get(label), found.get(label))) continue;
      for (const index of this._waiting.get(label) ?? []) changed.add(index);
    }
    for (const index of changed) this._render(index);
    return changed;
  }

  _render(index) {
    const block = this.finished[index];
    const labels = new Set();
    block.html = this._parse(block.source, new Map(this._found), labels).map((group) => group.html).join("");
    for (const label of labels) {
      if (!this._waiting.has(label)) this._waiting.set(label, new Set());
      this._waiting.get(label).add(index);
    }
  }

  /** The top-level blocks of `text`: `{ type, markup, start, end, html, code }`, in lines. Definitions are added to `found`. */
  _parse(text, found, asked = new Set()) {
    const references = new Proxy({}, {
      get: (_, label) => (asked.add(label), this._known.get(label) ?? found.get(label)),
      set: (_, label, definition) => (found.set(label, definition), true),
    });
    const env = { references };
    const tokens = this.md.parse(text, env);
    const groups = [];
    for (let i = 0, from = 0; i < tokens.length; i++) {
      if (tokens[i].level > 0 || tokens[i].nesting > 0) continue;
      const { type, markup, map, info, content } = tokens[from];
      const code = type === "fence" ? { language: info.trim().split(/\s+/)[0], content } : null;
      const html = this.md.renderer.render(tokens.slice(from, i + 1), this.md.options, env);
      groups.push({ type, markup, start: map[0], end: map[1], html, code });
      from = i + 1;
    }
    return groups;
  }
}

const same = (a, b) => a?.href === b?.href && a?.title === b?.title;
const BY_BLANK = new Set(["paragraph_open", "table_open", "blockquote_open"]);
const AT_ONCE = new Set(["hr", "heading_open", "formula_block"]);

/** How many of the first blocks nothing can change, and the line after the last of them. Only whole lines count. */
function finishedGroups(groups, lines) {
  const whole = lines.length - 1;
  const limit = unclosedFormula(lines, whole);
  for (let n = groups.length; n > 0; n--) {
    const group = groups[n - 1];
    const next = groups[n];
    if (group.end > Math.min(limit, whole)) continue;
    // Two lines of the next one: a row of cells is a table only once the line below it is read.
    if ((next && next.start + 2 <= whole) || isClosed(group, lines, whole)) return [n, group.end];
  }
  return [0, 0];
}

function isClosed({ type, markup, start, end }, lines, whole) {
  if (AT_ONCE.has(type)) return true;
  if (BY_BLANK.has(type)) return end < whole && !lines[end].trim();
  const mark = type === "fence" && /^ {0,3}(`{3,}|~{3,})[ \t]*$/.exec(lines[end - 1]);
  return Boolean(mark) && end - start > 1 && mark[1][0] === markup[0] && mark[1].length >= markup.length;
}

/** The first line that may become a formula's beginning by what is still to come; a blank line ends that. */
function unclosedFormula(lines, whole) {
  let first = Infinity;
  for (let n = whole; n >= 0; n--) {
    if (n < whole && !lines[n].trim()) break;
    if (FORMULA_BEGINS.test(lines[n])) first = n;
  }
  return first;
}
