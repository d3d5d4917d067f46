"""Users written down in the app: found in equal time, hashed at once, nothing given away."""

import asyncio
import logging
import threading

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from fastapi_taskflow import AuthUser
from fastapi_taskflow.admin.auth.known import KnownUsers
from fastapi_taskflow.exceptions import ConfigurationError
from fastapi_taskflow.rules.auth.passwords import Passwords


class Counting(Passwords):
    """Counts what takes time."""

    def __init__(self) -> None:
        super().__init__()
        self.hashed = 0
        self.against: list[str] = []

    def hash(self, password: str) -> str:
        self.hashed += 1
        return super().hash(password)

    def verify(self, password: str, hashed: str) -> bool:
        self.against.append(hashed)
        return super().verify(password, hashed)


HASHES = {name: Passwords().hash(f"{name}'s password") for name in ("ada", "bob")}
USERS = [("ada", HASHES["ada"]), ("bob", HASHES["bob"], "viewer")]


# Cheaper and dearer than ours, as other programs make them.
CHEAP = PasswordHash((Argon2Hasher(1, 8, 1),)).hash("cid's password")
MIXED = [*USERS, ("cid", CHEAP)]


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
    assert (passwords.hashed, len(passwords.against)) == (0, 1)


@pytest.mark.parametrize("name", ["ada", "cid", "nobody"])
def test_users_of_different_costs_take_as_long_as_nobody(name):
    passwords = Counting()
    users = known(MIXED, passwords)

    found = users.authenticate_user(name, f"{name}'s password")

    assert found == (None if name == "nobody" else AuthUser(name, "admin"))
    # One check at each of the two costs, whoever it is.
    assert sorted(map(passwords.costs, passwords.against)) == sorted(
        {passwords.costs(HASHES["ada"]), passwords.costs(CHEAP)}
    )


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

    assert users.authenticate_user("bob", "second secret")
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


def test_plain_passwords_are_not_hashed_by_whoever_writes_them_down():
    hashed_on: list[str] = []

    class Telling(Passwords):
        def hash(self, password: str) -> str:
            hashed_on.append(threading.current_thread().name)
            return super().hash(password)

    users = known([("ada", "first secret")], Telling())

    assert users.authenticate_user("ada", "first secret")
    assert hashed_on == ["taskflow-passwords"]


@pytest.mark.parametrize("password", ["", "x" * 1_025])
def test_a_plain_password_that_cannot_be_one_is_refused_at_once(password):
    with pytest.raises(ConfigurationError, match="1 to 1024 characters"):
        known(("ada", password))


@pytest.mark.parametrize("name", ["", "a" * 257, "a\nb", "a\x00", None, 7])
def test_a_name_that_cannot_be_shown_is_refused(name):
    with pytest.raises(ConfigurationError, match="1 to 256 printable characters"):
        known((name, "secret") if isinstance(name, str) else [(name, "secret")])


def test_a_user_has_one_of_three_roles():
    with pytest.raises(ConfigurationError, match="viewer, operator, admin; got 'root'"):
        AuthUser("ada", "root")
