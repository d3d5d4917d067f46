"""HTML by construction: whatever goes in as text comes out as the same text."""

from hypothesis import given
from hypothesis import strategies as st

from fastapi_taskflow.admin.site.markup import Html, element, fragment, page
from fastapi_taskflow.words.texts import clean
from tests.admin.pages import Page

TEXTS = st.text(st.characters(codec="utf-8")) | st.sampled_from(
    ["</p><script>", "&lt;", '"', "'", "<!--", "]]>", "&#60;", "\x00<b>", "\ud800"]
)


@given(TEXTS)
def test_text_in_an_element_is_read_back_as_it_was(text):
    parsed = Page(element("p", text))

    assert (parsed.elements, parsed.text) == ([("p", {})], clean(text))


@given(TEXTS)
def test_text_in_an_attribute_is_read_back_as_it_was(text):
    parsed = Page(element("input", value=text))

    assert parsed.elements == [("input", {"value": clean(text)})]


def test_markup_is_put_in_as_it_is():
    assert element("p", element("b", "x"), [element("i", 1), None, "&"]) == (
        "<p><b>x</b><i>1</i>&amp;</p>"
    )


def test_markup_that_was_handled_as_a_string_is_text_again():
    bold = element("b", "x")
    parts = [bold, bold]

    for mixed in (f"{bold}", bold + "<i>", ", ".join(parts), bold.upper(), bold[:]):
        assert not isinstance(mixed, Html)
        assert "&lt;" in fragment(mixed)


def test_attributes_may_be_absent_bare_or_numbers():
    assert element("input", a=None, b=False, c=True, d=0, class_="x", data_label="y") == (
        '<input c d="0" class="x" data-label="y">'
    )


def test_a_page_says_what_it_is():
    assert page(element("html", lang="en")).startswith("<!doctype html>\n<html")
