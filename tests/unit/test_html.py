"""Templates: whatever comes in is text, and where no escaping helps there is no slot."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

import modeltab.views
from modeltab.views.html import EMPTY, Html, Template, escape, join
from tests.unit.markup import skeleton

TRICKY = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "' onmouseover='alert(1)",
    '"><svg onload=alert(1)>',
    "'><b>",
    "</textarea><script>alert(1)</script>",
    "</title></style></script><b>",
    "--><b>",
    "<!-- ",
    "]]><b>",
    "&lt;b&gt; &amp;lt; &quot; &#60; &#x3c;",
    "&",
    "&notanentity &copy",
    "<",
    ">",
    "`",
    "javascript:alert(1)",
    "\x00<b>\x0c\x1f",
    "\u2028\u2029\ufeff<b>",
    "＜b＞ \u202e",
    "{name} {?name} {0} {{}} %s $x",
    "\n\t \r\n",
]


def templates() -> dict[str, Template]:
    """Every template of every view, by where it stands."""
    found = {}
    for module in pkgutil.iter_modules(modeltab.views.__path__, "modeltab.views."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Template):
                found[f"{module.name.rpartition('.')[2]}.{name}"] = value
    return found


TEMPLATES = templates()


def filled(template: Template, text: str) -> str:
    """The template with one text in all of its slots, and all of its boolean attributes there."""
    return template(**{name.lstrip("?"): text for name in template._names})


def with_text(value: object, text: str) -> object:
    """A parser's find with `SLOT` replaced by what stands in the slots."""
    if isinstance(value, str):
        return value.replace("SLOT", text)
    if isinstance(value, (list, tuple)):
        return type(value)(with_text(item, text) for item in value)
    return value


# ---- What is put in --------------------------------------------------------------------------------------------------


def test_the_views_have_templates_to_be_looked_at():
    assert len(TEMPLATES) > 40
    assert {"message._MESSAGE", "parts._BUTTON", "inventory._ROW"} <= set(TEMPLATES)


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_text_adds_an_element_or_an_attribute_to_a_template_or_is_changed_in_it(name):
    template = TEMPLATES[name]
    plain = skeleton(filled(template, "SLOT"))
    for text in TRICKY:
        assert skeleton(filled(template, text)) == with_text(plain, text), text


@given(st.text())
def test_any_text_comes_through_a_template_as_it_is(text):
    # A parser turns line ends into \n, so only they are not compared.
    text = text.replace("\r", "")
    found = skeleton(Template('<p title="{a}">{b}</p>')(a=text, b=text))
    assert found[0] == ("p", [("title", text)])
    assert found[1:] == ([("text", text)] if text else []) + [("/p", None)]


def test_markup_of_a_template_goes_into_another_as_it_is():
    inner = Template("<b>{text}</b>")(text="<&>")
    assert Template("<p>{inner}</p>")(inner=inner) == "<p><b>&lt;&amp;&gt;</b></p>"


def test_text_that_merely_looks_like_markup_is_escaped():
    assert Template("<p>{x}</p>")(x="<b>") == "<p>&lt;b&gt;</p>"
    assert escape(str(Html("<b>")) + "") == "&lt;b&gt;"


def test_text_that_is_cut_out_of_markup_or_added_to_it_is_text_again():
    html = Html("<b>bold</b>")
    for text in (html + "", html[:3], html.upper(), html.replace("b", "i"), f"{html}"):
        assert escape(text).startswith("&lt;")


@pytest.mark.parametrize(
    ("value", "shown"), [(None, ""), (False, ""), (EMPTY, ""), (0, "0"), (1.5, "1.5"), ({"<"}, "{&#39;&lt;&#39;}")]
)
def test_values_that_are_not_text_are_shown_as_text_and_nothing_as_nothing(value, shown):
    assert escape(value) == shown


def test_all_five_characters_are_escaped():
    assert escape("&<>\"'") == "&amp;&lt;&gt;&quot;&#39;"


def test_joining_keeps_markup_and_escapes_text():
    assert join([Html("<b>"), Html("</b>")]) == "<b></b>"
    assert type(join([])) is Html
    assert join(["<b>"]) == "&lt;b&gt;"  # type: ignore[list-item]


# ---- Slots -----------------------------------------------------------------------------------------------------------


def test_a_slot_may_stand_in_a_text_and_in_a_quoted_attribute():
    template = Template('<p title="{a}" lang=\'{b}\' data-x="1 {c} 2">{d} and {d}</p>')
    assert template(a=1, b=2, c=3, d=4) == '<p title="1" lang=\'2\' data-x="1 3 2">4 and 4</p>'


def test_a_boolean_attribute_is_there_when_the_value_is_true():
    template = Template('<input title="{t}" {?disabled} {?required}>')
    assert template(t="x", disabled=True, required=0) == '<input title="x" disabled >'
    assert template(t="x", disabled="", required="yes") == '<input title="x"  required>'


@pytest.mark.parametrize("values", [{}, {"a": 1}, {"b": 1}])
def test_a_value_that_is_missing_is_an_error(values):
    with pytest.raises(KeyError):
        Template("<p {?b}>{a}</p>")(**values)


def test_a_template_without_slots_is_what_it_says():
    assert Template("<br>")() == "<br>"
    assert type(Template("<br>")()) is Html


def test_braces_that_name_nothing_are_text():
    assert Template("<p>{ } {} {a b} {a}</p>")(a=1) == "<p>{ } {} {a b} 1</p>"


@pytest.mark.parametrize("source", ['<a href="#/{x}">', "<a href='./{x}'>", '<img src="blob:{x}">', '<form action="#{x}">'])
def test_a_slot_may_stand_in_an_address_that_stays_in_the_page(source):
    Template(source)


@pytest.mark.parametrize(
    "source",
    [
        "<{x}>",
        "<p{x}>",
        "<p {x}>",
        '<p {x}="a">',
        "<p title={x}>",
        "<p title=a{x}>",
        "<p title='{a}' {x}>",
        '<p title="a"{x}>',
        "</{x}>",
        "<!-- {x} -->",
        "<!{x}>",
    ],
)
def test_a_slot_in_a_tag_outside_quotes_is_refused(source):
    with pytest.raises(ValueError, match=r"\{x\} stands in a tag"):
        Template(source)


@pytest.mark.parametrize(
    "source",
    [
        '<p onclick="{x}">',
        "<p onclick='f({x})'>",
        '<p ONLOAD="{x}">',
        '<p title="{a}" onfocus="{x}">',
        '<p style="color: {x}">',
        '<iframe srcdoc="{x}">',
    ],
)
def test_a_slot_in_a_handler_a_style_or_a_document_is_refused(source):
    with pytest.raises(ValueError, match=r"\{x\} stands in the attribute"):
        Template(source)


@pytest.mark.parametrize(
    "source",
    ["<script>{x}", "<script>let a = '{x}'</script>", "<SCRIPT type='a'>{x}", "<style>p { color: {x} }", "<style>\n{x}"],
)
def test_a_slot_in_a_script_or_a_style_is_refused(source):
    with pytest.raises(ValueError, match=r"\{x\} stands in a script or a style"):
        Template(source)


def test_a_slot_after_a_script_is_taken():
    Template("<script>f()</script><p>{x}</p>")


@pytest.mark.parametrize(
    "source",
    [
        '<a href="{x}">',
        "<a href='{x}'>",
        '<a HREF="{x}">',
        '<a xlink:href="{x}">',
        '<a href="java{x}">',
        '<a href="javascript:{x}">',
        '<a href="https:{x}">',
        '<img src="{x}">',
        '<form action="{x}">',
        '<button formaction="{x}">',
    ],
)
def test_a_slot_at_the_beginning_of_an_address_is_refused(source):
    with pytest.raises(ValueError, match=r"\{x\} stands at the beginning of a URL"):
        Template(source)


@pytest.mark.parametrize("source", ["<p>{?x}</p>", '<p title="{?x}">', "<p title={?x}>", '<p title="a"{?x}>', "{?x}", "<{?x}>"])
def test_a_boolean_attribute_elsewhere_than_in_a_tag_is_refused(source):
    with pytest.raises(ValueError, match="not an attribute of a tag"):
        Template(source)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param('<p title="a > b" onclick="{x}">', id="a handler after a > in quotes"),
        pytest.param('<p title="a > b" {x}>', id="outside quotes after a > in quotes"),
        pytest.param('<a title="a > b" href="{x}">', id="an address after a > in quotes"),
        pytest.param('<object data="{x}">', id="the address of an object"),
        pytest.param('<img srcset="{x}">', id="the addresses of an image"),
    ],
)
def test_no_slot_that_cannot_be_made_safe_slips_through(source):
    with pytest.raises(ValueError, match="stands"):
        Template(source)
