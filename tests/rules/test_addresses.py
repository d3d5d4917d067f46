"""No error of ours says the password of an address."""

import pytest

from fastapi_taskflow import PostgresBackend, SqliteBackend, TaskManager
from fastapi_taskflow.exceptions import ConfigurationError, StoreUnavailable

PASSWORD = "hunter2"  # noqa: S105  (of nobody)


@pytest.mark.parametrize(
    "address",
    [
        f"redis://:{PASSWORD}@host:port/0",
        f"redis://:{PASSWORD}@[host",
        f"sqlite://ada:{PASSWORD}@host/db",
        f"oracle://ada:{PASSWORD}@host",
        f"postgres:/ada:{PASSWORD}@host",
        f"postgres//ada:{PASSWORD}@host",
        f"postgresql://ada:{PASSWORD}@host",
        f"mysql://ada:{PASSWORD}@host",
    ],
)
def test_an_address_that_is_refused_is_told_without_its_password(address):
    with pytest.raises((ConfigurationError, ImportError)) as refused:
        TaskManager(snapshot_backend=address)

    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql+asyncpg://ada:{PASSWORD}@host/db",
        f"postgresql://host/db?user=ada&password={PASSWORD}",
        f"postgresql://ada:{PASSWORD}/x@host/db",
    ],
)
def test_a_place_is_shown_without_its_password(address):
    assert PASSWORD not in PostgresBackend(address).place


@pytest.mark.parametrize(
    ("options", "told"),
    [("sslmode=verify", "verify-full"), ("sslmode=verify-ca&sslrootcert=none.pem", "none.pem")],
)
def test_tls_that_cannot_be_had_is_refused_when_the_store_is_made(options, told):
    with pytest.raises(ConfigurationError, match=told) as refused:
        PostgresBackend(f"postgresql://ada:{PASSWORD}@host/db?{options}")

    assert PASSWORD not in str(refused.value)


def test_authorities_are_looked_for_where_the_home_is_then(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    own = tmp_path / ".postgresql" / "root.crt"
    own.parent.mkdir()
    own.write_text("no certificate")

    with pytest.raises(ConfigurationError, match=r"sslrootcert=.*root\.crt cannot be read"):
        PostgresBackend("postgresql://host/db?sslmode=verify-full")


def test_who_has_no_home_has_the_authorities_of_the_system(monkeypatch):
    def nobody(_uid):
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", nobody)

    assert PostgresBackend("postgresql://host/db?sslmode=verify-full").place.endswith("host/db")


def test_a_store_in_a_file_is_no_address():
    with pytest.raises(ConfigurationError, match=r"got the address 'redis://\.\.\.'") as refused:
        SqliteBackend(f"redis://:{PASSWORD}@host/0")

    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize("error", [ConfigurationError, StoreUnavailable])
def test_an_error_of_ours_hides_passwords_whoever_wrote_its_message(error):
    told = error(f"No answer from postgresql://ada:{PASSWORD}@host/db in 2 s.")

    assert str(told) == "No answer from postgresql://ada:[redacted]@host/db in 2 s."
    assert PASSWORD not in repr(told)
