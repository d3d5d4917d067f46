import json
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretBytes, SecretStr

from fastapi_taskflow import Sensitive
from fastapi_taskflow.exceptions import ConfigurationError
from fastapi_taskflow.rules.redaction import MASK, Mask, Redactor

REDACTOR = Redactor(["pin", "customer_number"])
CANARY = "canary-4242"


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "PASSWORD",
        "dbPassword",
        "mypassword",
        "api_key",
        "apiKey",
        "X-Api-Key",
        "stripe_api_key",
        "APIKey",
        "token",
        "access_token",
        "Authorization",
        "Set-Cookie",
        "private_key",
        "pin",
        "userPIN",
        "customerNumber",
    ],
)
def test_a_name_is_sensitive_however_it_is_written(name):
    assert REDACTOR.is_sensitive(name)


@pytest.mark.parametrize("name", ["max_tokens", "secretary", "spin", "key", "monkey", "", "user"])
def test_a_name_that_only_resembles_one_is_not(name):
    assert not REDACTOR.is_sensitive(name)


@pytest.mark.parametrize("names", [[""], [1], ["_"], [None]])
def test_what_is_no_name_is_refused(names):
    with pytest.raises(ConfigurationError, match="takes names"):
        Redactor(names)


class Login(BaseModel):
    user: str
    password: str
    note: Annotated[str, Sensitive] = ""


@dataclass
class Card:
    owner: str
    number: Annotated[str, Sensitive()]


class Account(BaseModel):
    key: SecretStr
    raw: SecretBytes = SecretBytes(b"")


def by_name(user, password, *rest, **more): ...


def by_mark(user: str, code: Annotated[str, Sensitive] | None = None, *, kw: SecretStr): ...


def by_text(user: str, code: "Annotated[str, Sensitive, Unknown]"): ...  # noqa: F821


def rest_is_secret(user, *tokens, **more): ...


rest_is_secret.__annotations__["tokens"] = Annotated[str, Sensitive]


@pytest.mark.parametrize(
    ("func", "args", "kwargs"),
    [
        (by_name, ("u", CANARY), {}),
        (by_name, ("u",), {"password": CANARY}),
        (by_name, ("u", "p" * 9), {"token": CANARY}),
        (None, (), {"password": CANARY}),
        (by_mark, ("u", CANARY), {}),
        (by_mark, ("u",), {"code": CANARY}),
        (by_mark, ("u",), {"kw": SecretStr(CANARY)}),
        (by_text, ("u", CANARY), {}),
        (rest_is_secret, ("u", "a" * 9, CANARY), {}),
        (by_name, ({"deep": [{"api_key": {"value": (CANARY,)}}]},), {}),
        (by_name, (Login(user="u", password=CANARY),), {}),
        (by_name, (Login(user="u", password="p" * 9, note=CANARY),), {}),
        (by_name, ([Card("u", CANARY)],), {}),
        (by_name, (Account(key=SecretStr(CANARY)),), {}),
        (by_name, (Account(key=SecretStr("p" * 9), raw=SecretBytes(CANARY.encode())),), {}),
        (by_name, ("u", CANARY.encode()), {}),
    ],
)
def test_a_secret_is_found_wherever_it_is_among_the_arguments(func, args, kwargs):
    mask = REDACTOR.mask_of(func, args, kwargs)
    shown = repr(REDACTOR.shown(func, args, kwargs))

    assert mask(f"it is {CANARY}!") == f"it is {MASK}!"
    assert mask("user u") == "user u"
    assert CANARY not in shown


def test_arguments_without_secrets_are_shown_as_they_are():
    args, kwargs = REDACTOR.shown(by_name, ([1, ("a", {"b": None})],), {"n": 2.5})

    assert (repr(args), repr(kwargs)) == ("([1, ('a', {'b': None})],)", "{'n': 2.5}")
    assert not REDACTOR.mask_of(by_name, ([1, "text"],), {"n": 2})


def test_a_short_secret_is_masked_where_its_place_is_known_and_not_in_text():
    args, kwargs = REDACTOR.shown(by_name, ("u", "abc"), {"pin": 7, "x": {"pin": 1}})

    assert repr(args) == f"('u', '{MASK}')"
    assert repr(kwargs) == f"{{'pin': '{MASK}', 'x': {{'pin': '{MASK}'}}}}"
    assert not REDACTOR.mask_of(by_name, ("u", "abc"), {"pin": 7})


def test_what_contains_itself_is_walked_to_an_end():
    loop: dict[str, object] = {"password": CANARY}
    loop["self"] = loop

    assert REDACTOR.mask_of(by_name, (loop,), {})(CANARY) == MASK
    assert CANARY not in repr(REDACTOR.shown(by_name, (loop,), {}))


@given(st.text(min_size=4).filter(lambda secret: len(secret.strip()) >= 4))
def test_a_secret_is_found_as_python_json_and_urls_write_it(secret):
    mask = Mask([secret])
    plain = secret.encode("utf-8", "replace").decode()

    for written in (secret, repr(secret), json.dumps(secret), quote(plain, safe="")):
        assert MASK in mask(f"<{written}>")


def test_each_line_of_a_private_key_is_a_secret():
    mask = Mask(["-----BEGIN KEY-----\nMIIEvQIBADANBg\nqweqweqwe\n-----END KEY-----"])

    assert mask("  bad line: MIIEvQIBADANBg") == f"  bad line: {MASK}"


def test_labels_and_extra_values_are_masked_by_name_and_by_value():
    mask = Mask([CANARY])

    assert REDACTOR.labels({"token": "x", "a": f"b {CANARY}", "c": "d"}, mask) == {
        "token": MASK,
        "a": f"b {MASK}",
        "c": "d",
    }
    extra = REDACTOR.details({"pin": 1, "a": [CANARY], "n": 2, "d": {"pin": 3}}, mask)
    assert (extra["pin"], extra["a"], extra["n"]) == (MASK, [MASK], 2)
    assert extra["d"] == {"pin": MASK}
