// The playground's editor, of CodeMirror's parts. It lives in a shadow root, where its style sheets are objects: the page's
// policy allows no style elements. Tab indents; Escape, then Tab, leaves it, as CodeMirror has it by itself.
import { defaultKeymap, history, historyKeymap, indentWithTab } from "../vendor/codemirror/codemirror-commands.mjs";
import { javascript } from "../vendor/codemirror/codemirror-lang-javascript.mjs";
import { python } from "../vendor/codemirror/codemirror-lang-python.mjs";
import { bracketMatching, HighlightStyle, indentOnInput, indentUnit, StreamLanguage, syntaxHighlighting } from "../vendor/codemirror/codemirror-language.mjs";
import { shell } from "../vendor/codemirror/codemirror-legacy-modes.mjs";
import { EditorState, Prec } from "../vendor/codemirror/codemirror-state.mjs";
import { EditorView, keymap, lineNumbers } from "../vendor/codemirror/codemirror-view.mjs";
import { tags } from "../vendor/codemirror/lezer-highlight.mjs";

const LANGUAGES = { curl: () => StreamLanguage.define(shell), python, javascript };

const theme = EditorView.theme({
  "&": { height: "100%", backgroundColor: "var(--bg-raised)", color: "var(--text)", fontSize: "var(--code-size, .8125rem)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55", overflow: "auto" },
  ".cm-content": { padding: ".75rem 0", caretColor: "var(--text)" },
  ".cm-line": { padding: "0 .75rem 0 .25rem" },
  ".cm-gutters": { backgroundColor: "var(--bg-raised)", color: "var(--text-muted)", border: "none" },
  ".cm-lineNumbers .cm-gutterElement": { padding: "0 .5rem 0 .75rem" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--bg-active)", outline: "1px solid var(--line-control)" },
});
const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.controlKeyword, tags.moduleKeyword], color: "var(--accent-text)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--good)" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: "var(--warn)" },
  { tag: tags.comment, color: "var(--text-muted)", fontStyle: "italic" },
  { tag: [tags.function(tags.variableName), tags.function(tags.definition(tags.variableName))], fontWeight: "600" },
]);

/** An editor in `host`. `onChange` gets each new text, `onRun` is called for Ctrl+Enter; `show` changes text and language. */
export function createEditor(host, onChange, onRun) {
  const root = host.attachShadow({ mode: "open" });
  const run = () => {
    onRun();
    return true;
  };
  const state = (text, language) =>
    EditorState.create({
      doc: text,
      extensions: [
        Prec.highest(keymap.of([{ key: "Mod-Enter", run }])),
        keymap.of([...defaultKeymap, ...historyKeymap, indentWithTab]),
        history(),
        lineNumbers(),
        indentOnInput(),
        indentUnit.of(language === "python" ? "    " : "  "),
        bracketMatching(),
        syntaxHighlighting(colours),
        LANGUAGES[language](),
        theme,
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": "Code", spellcheck: "false" }),
        EditorView.updateListener.of((update) => update.docChanged && onChange(update.state.doc.toString())),
      ],
    });
  const view = new EditorView({ state: state("", "python"), root, parent: root });
  return { show: (text, language) => view.setState(state(text, language)) };
}
