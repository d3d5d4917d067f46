"""The address of a Redis server."""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qs, urlsplit

from fastapi_taskflow.backends.options import check_options
from fastapi_taskflow.words import errors

__all__ = ["NO_ADDRESS", "address"]

NO_ADDRESS = (
    "Expected an address such as 'redis://:password@host:6379/0', 'rediss://host' for TLS, or "
    "'unix:///run/redis.sock', got something else."
)

# Of redis-py those that a text can name, and that leave replies as they must be.
_OPTIONS = frozenset(
    {"db", "username", "password", "client_name", "health_check_interval", "retry_on_timeout"}
    | {"socket_connect_timeout", "socket_timeout", "socket_keepalive", "socket_read_size"}
    | {"max_connections", "timeout", "ssl_ca_certs", "ssl_ca_path", "ssl_ca_data", "ssl_certfile"}
    | {"ssl_keyfile", "ssl_password", "ssl_cert_reqs", "ssl_check_hostname", "ssl_ciphers"}
    | {"ssl_min_version"}
)


def address(url: str) -> SplitResult:
    """The parts of an address; it may hold a password, and is not repeated.

    Raises:
        ConfigurationError: it has a part that it cannot have.
    """
    try:
        parts = urlsplit(url)
        # A number of 0 to 65535, or it raises.
        parts.port  # noqa: B018
    except (ValueError, TypeError, AttributeError):
        raise errors.ConfigurationError(NO_ADDRESS) from None
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise errors.ConfigurationError(NO_ADDRESS)
    # What follows a ``?`` in a password that was not escaped is no option to be named.
    if "@" in parts.query:
        raise errors.ConfigurationError(NO_ADDRESS)
    check_options(parse_qs(parts.query, keep_blank_values=True), _OPTIONS)
    number = parts.path.strip("/")
    if parts.scheme != "unix" and number and not (number.isascii() and number.isdigit()):
        raise errors.ConfigurationError(
            "The path of a Redis address is the number of a database, as in 'redis://host:6379/0'."
        )
    return parts
