import base64
import sys

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from fastapi_taskflow import TaskManager
from fastapi_taskflow.exceptions import ConfigurationError, SealUnopened
from fastapi_taskflow.rules.crypto import Keyring, has_sealed_form

OLD, NEW = "the secret of last year", "the secret of this year"
RING = Keyring(OLD)
BOTH = Keyring([NEW, OLD])
ONLY_NEW = Keyring(NEW)

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(st.binary(), names, names)
def test_what_was_sealed_opens_in_its_place(plain, task_id, field):
    sealed = RING.seal(plain, task_id, field)

    assert RING.open(sealed, task_id, field) == plain
    assert BOTH.open(sealed, task_id, field) == plain
    # What stands before is the form, the key's id and chance.
    assert len(plain) < 4 or plain not in sealed[24:]


@given(st.text(), names)
def test_text_is_sealed_as_printable_ascii(plain, task_id):
    sealed = RING.seal_text(plain, task_id, "error")

    assert sealed.isascii()
    assert sealed.isprintable()
    assert RING.open_text(sealed, task_id, "error") == plain


@given(st.binary(), st.lists(st.tuples(names, names), min_size=2, max_size=2, unique=True))
def test_it_opens_nowhere_else(plain, places):
    here, there = places
    sealed = RING.seal(plain, *here)

    with pytest.raises(SealUnopened):
        RING.open(sealed, *there)


@given(st.binary(min_size=1, max_size=50), st.data())
def test_a_changed_or_shortened_value_is_refused(plain, data):
    sealed = RING.seal(plain, "id", "error")
    place = data.draw(st.integers(4, len(sealed) - 1))
    changed = bytearray(sealed)
    changed[place] ^= data.draw(st.integers(1, 255))

    for wrong in (bytes(changed), sealed[:place]):
        with pytest.raises(SealUnopened):
            RING.open(wrong, "id", "error")


@pytest.mark.parametrize("damaged", ["tfe1:", "tfe1:!", "tfe1:AAAA", "tfe1:dGZlMQ=="])
def test_damaged_text_is_refused_as_well(damaged):
    with pytest.raises(SealUnopened):
        RING.open_text(damaged, "id", "error")


def test_two_seals_of_one_value_differ():
    assert RING.seal(b"same", "id", "f") != RING.seal(b"same", "id", "f")


def test_the_newest_key_seals_and_older_ones_open():
    old, new = RING.seal(b"x", "id", "f"), BOTH.seal(b"x", "id", "f")

    assert BOTH.open(old, "id", "f") == ONLY_NEW.open(new, "id", "f") == b"x"
    assert (BOTH.is_current(old), BOTH.is_current(new)) == (False, True)
    with pytest.raises(SealUnopened):
        ONLY_NEW.open(old, "id", "f")


def test_every_process_comes_to_the_same_key():
    assert Keyring(OLD).open(RING.seal(b"x", "id", "f"), "id", "f") == b"x"


@pytest.mark.parametrize("form", [bytes, bytes.decode])
def test_a_fernet_key_is_a_key_and_its_tokens_are_read(form):
    key = Fernet.generate_key()
    ring = Keyring(form(key))

    assert ring.open(Fernet(key).encrypt(b"[1,[],{}]"), "any", "f") == b"[1,[],{}]"
    assert Fernet(key).decrypt(ring.fernet.encrypt(b"y")) == b"y"
    assert ring.open(ring.seal(b"x", "id", "f"), "id", "f") == b"x"
    with pytest.raises(SealUnopened):
        RING.open(Fernet(key).encrypt(b"z"), "any", "f")


def test_what_was_never_sealed_comes_back_as_it_is():
    assert RING.open(b"[1,[],{}]", "id", "f") == b"[1,[],{}]"
    assert RING.open_text("boom", "id", "error") == "boom"


def test_fingerprints_are_keyed():
    assert RING.fingerprint(b"x") == Keyring(OLD).fingerprint(b"x") == BOTH.fingerprint(b"x", 1)
    assert len({RING.fingerprint(b"x"), ONLY_NEW.fingerprint(b"x"), RING.fingerprint(b"y")}) == 3


@pytest.mark.parametrize(
    ("secrets", "message"),
    [("short", "at least 16"), ([], "empty list"), ("", "at least 16"), ([1], "type int")],
)
def test_a_secret_that_cannot_work_is_refused_without_being_shown(secrets, message):
    with pytest.raises(ConfigurationError, match=message) as refused:
        TaskManager(encrypt_args_key=secrets)
    assert "short" not in str(refused.value)


def test_without_the_extra_the_error_names_it(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("cryptography")]:
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(ImportError, match=r"fastapi-taskflow\[encryption\]"):
        Keyring(OLD)


def test_the_manager_has_a_fernet_iff_it_has_a_key():
    key = base64.urlsafe_b64encode(bytes(32))

    assert TaskManager().fernet is None
    fernet = TaskManager(encrypt_args_key=key).fernet
    assert fernet is not None
    assert Fernet(key).decrypt(fernet.encrypt(b"x")) == b"x"


@pytest.mark.parametrize("text", ["tfe1:", "tfe1: a note", "tfe1:dGZlMQ==", "tfe1:" + "x" * 80])
def test_a_text_that_only_begins_like_a_sealed_one_is_none(text):
    assert not has_sealed_form(text)
    assert has_sealed_form(Keyring("a secret that is long enough").seal_text(text, "id", "error"))
