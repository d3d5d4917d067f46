"""Amounts of memory in settings."""

import pytest

from fastapi_taskflow.exceptions import ConfigurationError
from fastapi_taskflow.words.sizes import memory


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (536_870_912, 536_870_912),
        ("512MB", 512_000_000),
        ("512 mb", 512_000_000),
        ("1GiB", 2**30),
        ("1.5 GiB", 3 * 2**29),
        ("20000kB", 20_000_000),
        ("2TB", 2 * 10**12),
    ],
)
def test_memory_is_bytes_or_a_number_with_a_unit(given, found):
    assert memory("memory_limit", given) == found


@pytest.mark.parametrize(
    "given", ["512", "512M", "MB", "-1GB", "1e3GB", "1,5GB", "1 G B", "", b"1GB", 5e8, True, [1]]
)
def test_anything_else_is_refused_with_examples(given):
    with pytest.raises(ConfigurationError, match=r"^memory_limit takes bytes.*'512MB'"):
        memory("memory_limit", given)


@pytest.mark.parametrize("given", [0, -1, 512, "512kB", "1MiB", 2**70, "999999999999TB"])
def test_what_no_process_can_have_is_refused(given):
    with pytest.raises(ConfigurationError, match=r"16 MiB.*a number counts bytes"):
        memory("memory_limit", given)
