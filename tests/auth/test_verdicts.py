"""What the app's own check may say, and that nothing else lets anybody in."""

import logging

import pytest

from fastapi_taskflow import AuthUser
from fastapi_taskflow.rules.auth.users import judged

ADA = AuthUser("ada", "admin")


async def unawaited() -> bool:
    return True


@pytest.mark.parametrize(
    ("verdict", "user"),
    [
        (True, ADA),
        ("viewer", AuthUser("ada", "viewer")),
        ("admin", ADA),
        (AuthUser("ada@example.com", "operator"), AuthUser("ada@example.com", "operator")),
        (False, None),
        (None, None),
    ],
)
def test_a_verdict_means_what_it_says(verdict, user, caplog):
    with caplog.at_level(logging.WARNING):
        assert judged(verdict, ADA) == user

    assert caplog.text == ""


@pytest.mark.parametrize(
    "verdict",
    [
        1,
        1.0,
        "yes",
        "Admin",
        "",
        0,
        pytest.param(object(), id="an object"),
        {"user": "ada"},
        ["admin"],
        ("admin",),
        bool,
        pytest.param(lambda: 1, id="a function"),
    ],
    ids=repr,
)
def test_what_is_true_but_no_verdict_lets_nobody_in_and_is_logged(verdict, caplog):
    with caplog.at_level(logging.ERROR):
        assert judged(verdict, ADA) is None

    assert "nobody was let in" in caplog.text


def test_a_coroutine_that_nobody_awaited_lets_nobody_in():
    # And leaves no warning behind that it was never awaited: warnings are errors here.
    assert judged(unawaited(), ADA) is None
