"""What was measured, and the table that shows it."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Bar", "Figure", "as_json", "compare", "percentile", "table"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What a ratio must reach, and what it aims for. ``at_least``: more is better."""

    limit: float
    aim: float | None = None
    at_least: bool = False

    def holds(self, ratio: float) -> bool:
        return ratio >= self.limit if self.at_least else ratio <= self.limit

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        aim = "" if self.aim is None else f" (aim {self.aim:g})"
        return f"{sign} {self.limit:g}{aim}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table: ours against a peer's, both medians over the rounds.

    ``ratio`` is the median of the rounds' ratios, and ``low`` and ``high`` their extremes:
    each round measures both, one right after the other, so that a machine that is busy for
    a while is busy for both.
    """

    group: str
    name: str
    unit: str
    ours: float
    peer: float
    ratio: float
    low: float
    high: float
    bar: Bar | None = None


def compare(
    group: str,
    name: str,
    unit: str,
    rounds: Sequence[tuple[float, float]],
    bar: Bar | None = None,
) -> Figure:
    """The figure that rounds of (ours, peer) give."""
    ratios = sorted(ours / peer for ours, peer in rounds)
    return Figure(
        group=group,
        name=name,
        unit=unit,
        ours=statistics.median(ours for ours, _ in rounds),
        peer=statistics.median(peer for _, peer in rounds),
        ratio=statistics.median(ratios),
        low=ratios[0],
        high=ratios[-1],
        bar=bar,
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` (0 to 1) of them lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(figures: Iterable[Figure]) -> str:
    """The figures as lines for a terminal, in groups."""
    lines: list[str] = []
    group = ""
    for figure in figures:
        if figure.group != group:
            group = figure.group
            head = f"{'ours':>11} {'peer':>11}   {'ratio':>7} {'(extremes)':<15}  bar"
            lines += ["", f"{group:<46} {head}"]
        lines.append(_line(figure))
    return "\n".join(lines)


def _line(figure: Figure) -> str:
    name = f"  {figure.name} [{figure.unit}]"
    ratio = f"{figure.ratio:>7.2f} {f'({figure.low:.2f}-{figure.high:.2f})':<15}"
    bar = ""
    if figure.bar is not None:
        bar = f"  {figure.bar}: {'holds' if figure.bar.holds(figure.ratio) else 'MISSED'}"
    return f"{name:<46} {figure.ours:>11,.1f} {figure.peer:>11,.1f}   {ratio}{bar}"


def as_json(figures: Iterable[Figure]) -> list[dict[str, Any]]:
    """The figures as plain values; ``holds`` is None without a bar."""
    return [
        asdict(figure) | {"holds": figure.bar.holds(figure.ratio) if figure.bar else None}
        for figure in figures
    ]
