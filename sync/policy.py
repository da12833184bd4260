"""The verbs of disagreement: what to show, what to keep, and when a person must decide.

A policy looks at the *heads* of a field: the versions no later version has seen. One head is agreement. Several are a
disagreement, and the policy of that field says which one is shown and whether a contest opens. Nothing is ever dropped:
every version stays in the record, and those not shown are the field's alternatives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sync.facts import Side, Write


class Policy(StrEnum):
    APPEND = "append"  # all of them, ordered by effective time
    WRITE_ONCE = "write_once"  # the first stays; a different one contests it
    OFFICE_WINS = "office_wins"
    FIELD_WINS = "field_wins"
    EARLIEST = "earliest"
    LATEST = "latest"
    LATEST_CONTESTED = "latest_contested"  # the latest is shown, and people decide: safety-critical answers
    THREE_WAY = "three_way"  # two sides set it unseen: a contest with a default winner
    DERIVED = "derived"  # never written, computed from the others


Stamp = tuple[int, str, int]
"""(effective time, journal, n): a total order in which the facts of one journal at one moment keep their order."""


@dataclass(frozen=True, slots=True)
class Version:
    """One value of one field, with the write it came from. `stamp` ranks it against rivals (see `merge.heads`)."""

    value: Any
    write: Write
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Settled:
    """What a field shows, what else it holds, and the rule that decided; `contested` asks for a person."""

    shown: Version
    alternatives: tuple[Version, ...]
    contested: bool
    rule: str


def sees(later: Write, earlier: Write) -> bool:
    """Whether the author of `later` had `earlier` before them: same journal and before it, or on the screen."""
    if later.chain == earlier.chain:
        return later.n > earlier.n
    if later.trunk is not None and later.trunk[0] == earlier.chain and earlier.n <= later.trunk[1]:
        return True
    return 0 < earlier.position <= later.base


def _first(heads: Sequence[Version]) -> Version:
    return min(heads, key=lambda version: version.stamp)


def _last(heads: Sequence[Version]) -> Version:
    return max(heads, key=lambda version: version.stamp)


def _of_side(side: Side) -> Callable[[Sequence[Version]], Version]:
    def pick(heads: Sequence[Version]) -> Version:
        return _last([version for version in heads if version.write.side is side] or list(heads))

    return pick


_PICK: dict[Policy, Callable[[Sequence[Version]], Version]] = {
    Policy.APPEND: _last,
    Policy.WRITE_ONCE: _first,
    Policy.OFFICE_WINS: _of_side(Side.OFFICE),
    Policy.FIELD_WINS: _of_side(Side.FIELD),
    Policy.EARLIEST: _first,
    Policy.LATEST: _last,
    Policy.LATEST_CONTESTED: _last,
    # The office's word is shown by default: the customer may just have phoned; the crew's value is one action away.
    Policy.THREE_WAY: _of_side(Side.OFFICE),
    Policy.DERIVED: _last,
}
_CONTESTS = frozenset({Policy.THREE_WAY, Policy.WRITE_ONCE, Policy.LATEST_CONTESTED})
_OVER_ALL = frozenset({Policy.EARLIEST, Policy.WRITE_ONCE})


def settle(policy: Policy, heads: Sequence[Version], everyone: Sequence[Version]) -> Settled:
    """Decide one field. `earliest` and `write_once` rank every version: having seen the first does not replace it."""
    candidates = everyone if policy in _OVER_ALL else heads
    shown = _PICK[policy](candidates)
    # By write, because a head carries the stamp of its blind run and so is a version of its own.
    others = tuple(version for version in everyone if version.write is not shown.write)
    rivals = [version for version in candidates if version is not shown and version.value != shown.value]
    return Settled(shown, others, bool(rivals) and policy in _CONTESTS, str(policy))
