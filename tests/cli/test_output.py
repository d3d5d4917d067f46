"""Whatever a store holds, a task is one row, and no text leaves its place."""

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_taskflow.cli.output import block, facts, plain, show, table

FORGED = "0000aaaa-0000-7000-8000-000000000000  success  payroll  1s ago"
NASTY = [
    f"bad{end}{FORGED}"
    for end in (
        "\n",
        "\r",
        "\r\n",
        "\x0b",
        "\x0c",
        "\x1c",
        "\x1d",
        "\x1e",
        "\x85",
        "\u2028",
        "\u2029",
    )
]
NASTY += [
    "\x1b[2J\x1b[1;1H" + FORGED,
    "\x1b]0;title\x07",
    "\x9b2J",
    "\u202egnp.exe",
    "\u2066x\u2069",
    "zero\u200bwidth\ufeff",
    "[red]markup[/red] [/]",
    ":smile:",
    "tab\tand\x00nul",
    "漢字" * 200,
    "x" * 150_000,
    "\ud800",
]


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def shown(monkeypatch, make, *, terminal: bool) -> list[str]:
    """The lines that are written, as whoever reads them parts them."""
    out = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    show(make())
    return out.getvalue().splitlines()


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("number", range(len(NASTY)))
def test_a_row_is_one_line_whatever_it_says(monkeypatch, number, terminal):
    rows = [[plain("1"), plain("a"), plain(NASTY[number])], [plain("2"), plain("b"), plain("fine")]]

    lines = shown(monkeypatch, lambda: table(["ID", "WHAT", "ERROR"], rows), terminal=terminal)

    assert [line.split()[0] for line in lines] == ["ID", "1", "2"]
    assert all(line.isprintable() for line in lines)


@given(text=st.text(st.characters(exclude_categories=())))
def test_any_text_is_one_printable_line(text):
    line = plain(text).plain

    assert len(line.splitlines()) <= 1
    assert "\x1b" not in line


def test_markup_in_texts_is_text(monkeypatch):
    lines = shown(monkeypatch, lambda: facts([("Tags", "[red]a[/red] :smile:")]), terminal=False)

    assert lines == ["Tags  [red]a[/red] :smile:"]


def test_no_line_of_a_traceback_begins_where_those_of_the_page_do(monkeypatch):
    lines = shown(
        monkeypatch, lambda: block(f"ValueError: bad\n{FORGED}\u2028{FORGED}\n"), terminal=False
    )

    assert len(lines) == 2
    assert all(line.startswith("  ") for line in lines)


def test_the_password_of_an_address_is_not_written(monkeypatch):
    lines = shown(monkeypatch, lambda: plain("at redis://:hunter2@host"), terminal=False)

    assert lines == ["at redis://:[redacted]@host"]
