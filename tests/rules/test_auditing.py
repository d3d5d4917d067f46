"""Whatever is done to the audit beside the library is found."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fastapi_taskflow.backends.rules.auditing import Walk, linked
from fastapi_taskflow.models import AuditEntry

AT = datetime(2026, 5, 1, tzinfo=UTC)


def entries(count=5) -> list[AuditEntry]:
    new = [AuditEntry(f"e{n}", "retry", f"t{n}", "ada", AT, {"n": n}) for n in range(count)]
    return linked("", (), new)


def broken(found, anchor="") -> str | None:
    walk = Walk()
    for one in reversed(found):
        walk.see(one)
    walk.end(anchor)
    return None if walk.broken is None else f"{walk.broken.entry_id}: {walk.broken.reason}"


def test_what_is_as_it_was_written_is_well():
    assert broken(entries()) is None
    assert broken([]) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"entry_id": "x"},
        {"action": "cancel"},
        {"task_id": "t9"},
        {"actor": "bob"},
        {"timestamp": AT.replace(microsecond=1)},
        {"detail": {"n": "2"}},
        {"detail": object()},
        {"timestamp": "damaged"},
    ],
)
def test_an_entry_that_was_changed_is_named(changes):
    found = entries()
    found[2] = replace(found[2], **changes)

    assert broken(found) == f"{found[2].entry_id}: its content was changed"


def test_one_that_was_changed_with_its_hash_is_missed_by_the_next():
    found = entries()
    found[2] = linked(found[1].hash, (), [replace(found[2], actor="bob")])[0]

    assert broken(found) == "e3: another entry was before it"


def test_one_that_was_deleted_is_missed_by_the_next():
    found = entries()

    assert broken(found[:2] + found[3:]) == "e3: another entry was before it"
    assert broken(found[1:]) == "e1: the entries before it are gone"


def test_two_that_changed_places_are_found():
    found = entries()
    found[2], found[3] = found[3], found[2]

    assert broken(found) == "e3: another entry was before it"


def test_one_without_a_hash_behind_the_chains_begin_is_found():
    found = entries()
    forged = replace(found[4], entry_id="forged", hash="", previous="")

    assert broken([*found, forged]) == "forged: it has no hash"


def test_entries_from_before_the_chain_are_only_counted():
    old = [AuditEntry(f"o{n}", "retry", "t", "ada", AT) for n in range(3)]
    walk = Walk()

    for one in reversed([*old, *entries()]):
        walk.see(one)
    walk.end("")

    assert (walk.checked, walk.unchained, walk.broken) == (5, 3, None)


def test_what_was_dropped_on_purpose_leaves_its_hash_as_an_anchor():
    found = entries()

    assert broken(found[2:], anchor=found[1].hash) is None
    assert broken(found[3:], anchor=found[1].hash) == "e3: the entries before it are gone"
