"""Hashes of passwords: made, recognised, checked, and named when the extra is missing."""

import sys
import time

import pytest

from fastapi_taskflow.exceptions import ConfigurationError
from fastapi_taskflow.rules.auth.passwords import PASSWORD_LIMIT, Passwords, is_hash

PASSWORDS = Passwords()
HASHED = PASSWORDS.hash("correct horse")


def test_a_password_fits_its_hash_and_no_other_does():
    assert PASSWORDS.verify("correct horse", HASHED)
    for wrong in ("", "correct horse ", "Correct horse", "correct hors\x00e", "\ud800", HASHED):
        assert not PASSWORDS.verify(wrong, HASHED)


def test_two_hashes_of_one_password_differ():
    assert PASSWORDS.hash("correct horse") != HASHED


def test_the_hash_is_argon2id_at_the_costs_that_owasp_asks_for_or_more():
    _, kind, _, costs, _, _ = HASHED.split("$")
    memory, passes, _ = (int(each.partition("=")[2]) for each in costs.split(","))

    assert kind == "argon2id"
    assert memory >= 19 * 1024
    assert passes >= 2


def test_a_letter_and_its_accent_may_be_typed_in_either_form():
    assert PASSWORDS.verify("cafe\u0301", PASSWORDS.hash("caf\u00e9"))


@pytest.mark.parametrize("password", ["", "x" * (PASSWORD_LIMIT + 1)])
def test_a_password_that_cannot_be_one_is_not_hashed(password):
    with pytest.raises(ConfigurationError, match="1 to 1024 characters"):
        PASSWORDS.hash(password)


def test_a_hash_is_told_from_a_password():
    assert is_hash(HASHED)
    assert not is_hash("correct horse")
    assert not is_hash("$2b$12$abcdefghijklmnopqrstuv")


@pytest.mark.parametrize("cut", [8, 30, 50, 70])
def test_a_hash_that_lost_a_part_is_refused_and_not_shown(cut):
    with pytest.raises(ConfigurationError, match="not a whole one") as refused:
        is_hash(HASHED[:cut])

    assert HASHED[30:60] not in str(refused.value)


def test_no_password_has_the_decoy_and_it_takes_as_long():
    decoy = PASSWORDS.decoy(HASHED)
    times = {HASHED: 0.0, decoy: 0.0}
    for _ in range(3):
        for hashed in times:
            begun = time.process_time()
            assert not PASSWORDS.verify("wrong", hashed)
            times[hashed] += time.process_time() - begun

    assert is_hash(decoy)
    assert decoy != HASHED
    assert not PASSWORDS.verify("correct horse", decoy)
    # A hash that is refused unread takes a thousandth of that.
    assert times[decoy] > times[HASHED] / 3


@pytest.mark.parametrize("module", ["pwdlib", "argon2"])
def test_without_the_extra_the_error_names_it(monkeypatch, module):
    for name in [name for name in sys.modules if name.partition(".")[0] == "pwdlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(ImportError, match=r"pip install 'fastapi-taskflow\[auth\]'"):
        Passwords()
