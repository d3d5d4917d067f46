"""The verdict on a history."""

from __future__ import annotations

from typing import NamedTuple

from trust import invariants, transitions
from trust.accounts import Accounts
from trust.history import History

__all__ = ["RULES", "Violation", "judge"]

RULES = {rule.__name__: rule for rule in (*invariants.RULES, *transitions.RULES)}
"""All rules by name; each yields what breaks it."""


class Violation(NamedTuple):
    """A rule that was broken, by which task or request, and how."""

    rule: str
    subject: str
    text: str


def judge(history: History) -> list[Violation]:
    """All violations of all rules; none if all is well."""
    accounts = Accounts(history)
    return [
        Violation(name, subject, text)
        for name, rule in RULES.items()
        for subject, text in rule(accounts)
    ]
