"""Small rules of signing in: tokens, what tries are counted by, roles."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_taskflow.rules.auth.roles import ROLES, Permission, permissions
from fastapi_taskflow.rules.auth.throttle import account_key, network_of
from fastapi_taskflow.rules.auth.tokens import new_token, token_hash

# Tokens


def test_a_token_is_256_bits_and_never_the_same():
    tokens = {new_token() for _ in range(1_000)}

    assert len(tokens) == 1_000
    assert {len(token) for token in tokens} == {43}


def test_the_store_holds_a_hash_that_depends_on_the_place():
    token = new_token()

    hashes = {token_hash(token, realm) for realm in ("/tasks", "/admin/tasks")}

    assert {len(each or "") for each in hashes} == {64}
    assert len(hashes) == 2
    assert token not in str(hashes)


@given(st.text(max_size=60))
def test_what_no_token_can_be_has_no_hash(text):
    assert (token_hash(text, "/tasks") is None) == (
        len(text) != 43
        or not text.isascii()
        or not text.replace("-", "").replace("_", "").isalnum()
    )


# Networks and accounts


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        # Some proxies write the port into the header that the server trusts.
        ("203.0.113.5:50123", "203.0.113.5"),
        ("[2001:db8:1:2::5]:50123", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::5]", "2001:db8:1:2::/64"),
        ("203.0.113.5:", "203.0.113.5:"),
        ("testclient", "testclient"),
        ("", "unknown"),
        (None, "unknown"),
        ("x" * 500, "x" * 64),
    ],
)
def test_a_network_is_what_a_client_cannot_change_at_will(peer, network):
    assert network_of(peer) == network


def test_names_that_a_directory_may_take_for_one_are_counted_as_one():
    assert len({account_key(name) for name in ("Ada", "ADA", " ada ", "\uff21da")}) == 1
    assert account_key("ada") != account_key("bob")


# Roles


def test_each_role_may_do_what_the_one_below_may_and_more():
    granted = [permissions(role) for role in ROLES]

    assert all(less < more for less, more in pairwise(granted))
    assert granted[-1] == set(Permission) - {Permission.NONE}


def test_viewers_see_contents_only_where_that_was_said():
    assert Permission.READ_CONTENTS not in permissions("viewer")
    assert permissions("viewer", viewers_read_contents=True) == {
        Permission.READ,
        Permission.READ_CONTENTS,
    }
