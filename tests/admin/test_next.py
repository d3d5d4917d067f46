"""After signing in a browser goes to a page of ours, whatever it was told."""

from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastapi_taskflow.admin.auth.redirects import safe_next
from fastapi_taskflow.admin.site.site import Place, Site

SITE = Site(prefix="/tasks", title="t")
PLACE = Place(site=SITE, base="/tasks", query=(), visitor=None)
UNDER_ROOT = Place(site=SITE, base="/be%20hind/%C3%BC/tasks", query=(), visitor=None)
DASHBOARD = "/tasks/dashboard"
ORIGIN = "https://shop.example"

# What browsers, proxies and servers read in different ways.
PIECES = [
    *("/", "//", "\\", "/\\", "\t", "\n", "\r", " ", "\x00", ".", "..", "/..", "/."),
    *("%2f", "%2F%2F", "%5c", "%2e%2e", "%09", "%0d%0a", "%00", "@", ":", "?", "#", ";", "&", "="),
    *("http:", "https://", "javascript:", "data:", "evil.example", "//evil.example"),
    *("\u3002", "\uff0f", "\uff0e", "\u2044", "\u00ad", "\u200b", "\ud800"),
    *("tasks", "/tasks", "/tasks/", "dashboard", "queues", "x" * 2_001),
]
WANTED = st.one_of(
    st.text(max_size=80),
    st.lists(st.sampled_from(PIECES), max_size=10).map("".join),
    st.lists(st.sampled_from(PIECES), max_size=6).map(lambda parts: "/tasks" + "".join(parts)),
)


@given(WANTED, st.sampled_from([PLACE, UNDER_ROOT]))
@example("//evil.example", PLACE)
@example("/\\evil.example", PLACE)
@example("/tasks/..//evil.example", PLACE)
@example("/tasks/%2e%2e/%2e%2e/x", PLACE)
@example("/tasks@evil.example", PLACE)
@example("/tasks.evil.example", PLACE)
@example("/tasks\t//evil.example", PLACE)
@settings(max_examples=20 * settings().max_examples)
def test_no_text_leads_out(wanted, place):
    chosen = safe_next(place, wanted)

    # As a browser reads it: blanks cut off, tabs and line ends out, backslashes turned.
    read = "".join(letter for letter in chosen.strip() if letter not in "\t\r\n").replace("\\", "/")
    target = urlsplit(urljoin(f"{ORIGIN}{place.base}/auth/login", read))
    assert (target.scheme, target.netloc, target.fragment) == ("https", "shop.example", "")
    for path in (target.path, unquote(target.path), urlsplit(unquote(read)).path):
        assert path == unquote(path) or place is UNDER_ROOT
        segments = unquote(path).removeprefix(unquote(place.base)).split("/")
        assert unquote(path).startswith(unquote(place.base))
        assert segments[0] == ""
        assert not {"", ".", ".."} & set(segments[1:]) or segments == [""]
    assert chosen.isascii() and chosen.isprintable()  # noqa: PT018


@pytest.mark.parametrize(
    "wanted",
    [
        "/tasks",
        "/tasks/dashboard",
        "/tasks/dashboard?status=failed&q=a%2Fb&cursor=x",
        "/tasks/dashboard/tasks/0199c1e0-0000-7000-8000-000000000000",
        "/tasks/queues",
    ],
)
def test_our_own_pages_are_kept(wanted):
    assert safe_next(PLACE, wanted) == wanted


@pytest.mark.parametrize(
    "wanted",
    [
        None, "", "/", "/tasksx", "/other", "tasks", "dashboard", "?x", "/tasks/", "/tasks//",
        "/tasks/../x", "/tasks/.", "/tasks#x", "/tasks?a b", "/tasks?a\\b", "/tasks/%64ashboard",
    ],
)  # fmt: skip
def test_all_else_is_the_dashboard(wanted):
    assert safe_next(PLACE, wanted) == DASHBOARD
