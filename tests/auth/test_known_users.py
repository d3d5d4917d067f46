"""Users written down in the app: found in equal time, hashed at once, nothing given away."""

import asyncio
import logging

import pytest

from fastapi_taskflow import AuthUser
from fastapi_taskflow.auth.known import KnownUsers
from fastapi_taskflow.auth.passwords import Passwords
from fastapi_taskflow.errors import ConfigurationError


class Counting(Passwords):
    """Counts what takes time."""

    def __init__(self) -> None:
        super().__init__()
        self.hashed = self.verified = 0

    def hash(self, password: str) -> str:
        self.hashed += 1
        return super().hash(password)

    def verify(self, password: str, hashed: str) -> bool:
        self.verified += 1
        return super().verify(password, hashed)


HASHES = {name: Passwords().hash(f"{name}'s password") for name in ("ada", "bob")}
USERS = [("ada", HASHES["ada"]), ("bob", HASHES["bob"], "viewer")]


def known(given, passwords: Passwords | None = None) -> KnownUsers:
    return KnownUsers(given, passwords)


@pytest.mark.parametrize(
    ("name", "password", "user"),
    [
        ("ada", "ada's password", AuthUser("ada", "admin")),
        ("bob", "bob's password", AuthUser("bob", "viewer")),
        ("ada", "bob's password", None),
        ("ada", "wrong", None),
        ("ada", "", None),
        pytest.param("ada", HASHES["ada"], None, id="the hash itself"),
        ("Ada", "ada's password", None),
        ("ada ", "ada's password", None),
        ("nobody", "ada's password", None),
        ("nobody", "wrong", None),
        ("\ud800", "ada's password", None),
    ],
)
def test_every_try_costs_one_check_whether_the_user_is_there_or_not(name, password, user):
    passwords = Counting()
    users = known(USERS, passwords)

    found = users.authenticate_user(name, password)

    assert found == user
    assert (passwords.hashed, passwords.verified) == (0, 1)


@pytest.mark.parametrize(
    "given", [("ada", "plain"), [("ada", "plain")], (("ada", "plain"),), [["ada", "plain"]]]
)
def test_one_user_may_be_written_in_several_ways(given):
    users = known(given)

    assert users.authenticate_user("ada", "plain") == AuthUser("ada", "admin")
    assert users.authenticate_user("ada", "wrong") is None


def test_plain_passwords_are_hashed_at_once_with_one_warning(caplog):
    with caplog.at_level(logging.WARNING):
        users = known([("ada", "first secret"), ("bob", "second secret"), ("cid", HASHES["ada"])])

    assert len(caplog.records) == 1
    assert "2 password(s) as plain text" in caplog.text
    assert "hash-password" in caplog.text
    assert "secret" not in caplog.text
    assert "secret" not in repr([vars(users), users])


def test_hashes_are_taken_without_a_word(caplog):
    with caplog.at_level(logging.WARNING):
        known(USERS)

    assert caplog.text == ""


def test_a_user_is_as_the_app_has_them_now():
    users = known(USERS)

    async def now(name):
        return await users.current_user(AuthUser(name, "operator"))

    assert asyncio.run(now("bob")) == AuthUser("bob", "viewer")
    assert asyncio.run(now("cid")) is None


@pytest.mark.parametrize("name", ["", "a" * 257, "a\nb", "a\x00", None, 7])
def test_a_name_that_cannot_be_shown_is_refused(name):
    with pytest.raises(ConfigurationError, match="1 to 256 printable characters"):
        known((name, "secret") if isinstance(name, str) else [(name, "secret")])


def test_a_user_has_one_of_three_roles():
    with pytest.raises(ConfigurationError, match="viewer, operator, admin; got 'root'"):
        AuthUser("ada", "root")
