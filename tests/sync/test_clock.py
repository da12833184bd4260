"""Clocks: honest phones are bounded truly, liars never prove a late tap, and every row of every table holds."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sync.clock import (
    LIMITLESS_FUTURE,
    LIMITLESS_PAST,
    THRESHOLDS,
    Anchor,
    Deadline,
    Fix,
    Flag,
    Grade,
    Site,
    Suspension,
    bounds,
    deadline,
    distance_m,
    effective_at,
    flags,
    grade,
    verdict,
)
from sync.facts import Interval, Reading, Verdict

properties = settings(deadline=None, max_examples=300, database=None)

MINUTE = 60_000
HOUR = 60 * MINUTE
NOON = 1_780_000_000_000


# ------------------------------------------------------------------------------------------------- an honest phone


@dataclass(frozen=True)
class Tap:
    """A fact of a simulated honest phone: when it truly happened, beside what the server can know."""

    true: int
    reading: Reading
    anchor: Anchor | None
    hard: Interval
    wall_error: int


@dataclass
class HonestPhone:
    """A phone that sleeps (its monotonic clock stops), restarts, drifts, and whose wall clock somebody sets."""

    chance: random.Random
    sets_clock: bool = True
    now: int = NOON
    mono: float = 0.0
    drift: float = 0.0
    boot: int = 0
    wall_error: int = 0
    radius: int = 0
    statement: int | None = None  # received, but not yet carried by a line
    anchor: Anchor | None = None
    waiting: list[tuple[int, Reading, Anchor | None, int]] = field(default_factory=list)
    taps: list[Tap] = field(default_factory=list)

    def live(self, events: int) -> list[Tap]:
        self.radius = self.chance.randint(0, 2_000)
        self.drift = self.chance.uniform(-400e-6, 400e-6)
        for _ in range(events):
            event = self.chance.choice((self.tap, self.tap, self.tap, self.wait, self.sleep, self.restart, self.sync))
            event()
            self.pass_time(self.chance.randint(1, 5_000))
            if self.sets_clock and self.chance.random() < 0.08:
                self.wall_error += self.chance.choice(
                    (-HOUR, HOUR, -90_000, 90_000, self.chance.randint(-(10**8), 10**8))
                )
        self.sync()
        return self.taps

    def pass_time(self, duration: int) -> None:
        self.now += duration
        self.mono += duration * (1 + self.drift)

    def wait(self) -> None:
        self.pass_time(self.chance.randint(1, 20 * MINUTE))

    def sleep(self) -> None:
        self.now += self.chance.randint(MINUTE, 2 * HOUR)

    def restart(self) -> None:
        self.boot, self.mono = self.boot + 1, 0.0
        self.pass_time(self.chance.randint(100, 3_000))

    def tap(self) -> None:
        reading = Reading(self.now + self.wall_error, int(self.mono), f"b{self.boot}")
        if self.statement is not None:
            self.anchor, self.statement = Anchor(self.statement, self.radius, reading), None
        self.waiting.append((self.now, reading, self.anchor, self.wall_error))

    def sync(self) -> None:
        """Up, stamped by a server clock within its radius, and down again; a reply may be lost on the way."""
        self.pass_time(self.chance.randint(50, 3_000))
        stamped = self.now + self.chance.randint(-self.radius, self.radius)
        for true, reading, anchor, wall_error in self.waiting:
            self.taps.append(Tap(true, reading, anchor, bounds(anchor, stamped, self.radius), wall_error))
        self.waiting.clear()
        self.pass_time(self.chance.randint(50, 3_000))
        if self.chance.random() < 0.8:
            self.statement = stamped


def honest_taps(seeds: int, *, sets_clock: bool = True) -> Iterator[tuple[int, list[Tap]]]:
    for seed in range(seeds):
        yield seed, HonestPhone(random.Random(seed), sets_clock).live(60)


def test_the_true_time_of_an_honest_tap_lies_in_its_interval() -> None:
    anchored = 0
    for seed, taps in honest_taps(400):
        for tap in taps:
            anchored += tap.hard.lower is not None
            assert tap.hard.lower is None or tap.hard.lower <= tap.true, (seed, tap)
            assert tap.true <= tap.hard.upper, (seed, tap)
    assert anchored > 5_000


def test_a_right_wall_clock_is_believed_to_the_millisecond() -> None:
    for seed, taps in honest_taps(150, sets_clock=False):
        for tap in taps:
            assert effective_at(tap.reading, tap.anchor, tap.hard) == tap.true, (seed, tap)


def test_correcting_a_wall_clock_that_is_behind_never_overshoots_the_truth_and_never_makes_it_worse() -> None:
    corrected = 0
    for seed, taps in honest_taps(400):
        for tap in taps:
            at = effective_at(tap.reading, tap.anchor, tap.hard)
            if tap.wall_error < 0:
                corrected += at > tap.reading.wall
                assert tap.reading.wall <= at <= tap.true, (seed, tap)
            assert abs(at - tap.true) <= abs(tap.wall_error), (seed, tap)
    assert corrected > 500


def test_an_honest_phone_with_a_right_clock_raises_no_clock_flag_but_starvation() -> None:
    clock_flags = {Flag.CLOCK_BACKSTEP, Flag.CLOCK_OUTSIDE_BOUNDS, Flag.JUMP_NEAR_DEADLINE}
    for seed, taps in honest_taps(150, sets_clock=False):
        previous: Reading | None = None
        for tap in taps:
            raised = flags(tap.reading, previous, tap.anchor, tap.hard, Deadline(tap.true, tap.true), None, None)
            assert not clock_flags & set(raised), (seed, tap)
            previous = tap.reading


# ------------------------------------------------------------------------------------------------- a world of liars


@dataclass(frozen=True)
class Line:
    """A journal line of a liar. `parent` stands for the hash chain: a line can not exist before the one it names."""

    true: int
    reading: Reading
    statement: tuple[int, int] | None
    parent: Line | None

    def chain(self) -> Iterator[Line]:
        line: Line | None = self
        while line is not None:
            yield line
            line = line.parent


class World:
    """A server with a true clock within ± radius, and liars who hold every phone, branch and clock but not its key."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.radius = self.chance.choice((0, 0, 2, 5))
        self.now = 100
        self.statements: list[tuple[int, int]] = []
        self.lines: list[Line] = []
        self.known: dict[int, int] = {}

    def server_time(self) -> int:
        return self.now + self.chance.randint(-self.radius, self.radius)

    def any_number(self) -> int:
        return self.chance.choice((self.chance.randint(-50, 900), self.now, 0, -(10**15), 10**15))

    def write(self, parent: Line | None) -> Line:
        """A line with any clocks, carrying no statement or any that was ever issued until now."""
        statement = self.chance.choice([None, *self.statements, *self.statements[-1:] * 3])
        boot = self.chance.choice(("b1", "b1", "b2"))
        line = Line(self.now, Reading(self.any_number(), self.any_number(), boot), statement, parent)
        self.lines.append(line)
        return line

    def announce(self, head: Line) -> None:
        """The server learns a head: by a push, or by its hash alone. Only what it passes through becomes known."""
        stamped = self.server_time()
        for line in head.chain():
            self.known[id(line)] = min(stamped, self.known.get(id(line), stamped))

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.now += self.chance.choice((0, 1, 3, self.chance.randint(0, 60)))
            act = self.chance.random()
            if act < 0.35:
                self.statements.append((self.server_time(), self.radius))
            elif act < 0.75 or not self.lines:
                recent = self.lines[-1:] * 4
                self.write(self.chance.choice([None, *self.lines, *recent]))
            else:
                self.announce(self.chance.choice([*self.lines, *self.lines[-1:] * 4]))
        self.now += self.chance.randint(0, 200)
        for line in self.lines:
            if id(line) not in self.known:
                self.announce(line)

    def anchor(self, line: Line) -> Anchor | None:
        """The latest anchor at or before the line in its own chain."""
        carriers = [(earlier.statement[0], earlier) for earlier in line.chain() if earlier.statement is not None]
        if not carriers:
            return None
        time, carrier = max(carriers, key=lambda pair: pair[0])
        return Anchor(time, self.radius, carrier.reading)

    def hard(self, line: Line) -> Interval:
        return bounds(self.anchor(line), self.known[id(line)], self.radius)


@dataclass(frozen=True)
class Judged:
    """One tap against one limit: what the clock says, and what truly happened."""

    tap: Line
    hard: Interval
    due: Deadline
    true_due: int
    verdict: Verdict


def true_deadline(start: int, limit: int, suspended: list[tuple[int, int]]) -> int:
    """The oracle: counts every single millisecond, and knows nothing of the code it checks."""
    now = start
    while limit > 0:
        limit -= not any(begin <= now < end for begin, end in suspended)
        now += 1
    return now


def judge(world: World) -> Judged:
    chance = world.chance
    tap = chance.choice(world.lines)
    if chance.random() < 0.5:  # a limit begun by the office
        true_start = chance.randint(80, world.now)
        stamped = true_start + chance.randint(-world.radius, world.radius)
        start = Interval(stamped - world.radius, stamped + world.radius)
    else:
        begun = chance.choice(world.lines)
        true_start, start = begun.true, world.hard(begun)
    suspended: list[tuple[int, int]] = []
    suspensions: list[Suspension] = []
    for _ in range(chance.choice((0, 0, 1, 2, 3))):
        begin, end = chance.choice(world.lines), chance.choice(world.lines)
        suspended.append((begin.true, end.true))
        suspensions.append(Suspension(world.hard(begin), world.hard(end)))
    if chance.random() < 0.15:  # suspended, and the resumption is withheld: it happened, the server has not heard
        begin = chance.choice(world.lines)
        suspended.append((begin.true, chance.randint(begin.true, world.now)))
        suspensions.append(Suspension(world.hard(begin), None))
    limit = chance.choice((0, 1, 20, 60, 200))
    due = deadline(start, limit, suspensions, open_until=Interval(None, world.now + world.radius))
    hard = world.hard(tap)
    claimed = effective_at(tap.reading, world.anchor(tap), hard)
    assert (hard.lower is None or hard.lower <= claimed) and claimed <= hard.upper
    return Judged(tap, hard, due, true_deadline(true_start, limit, suspended), verdict(hard, claimed, due))


def judgements(seeds: int) -> Iterator[tuple[int, Judged]]:
    for seed in range(seeds):
        world = World(seed)
        world.run(25)
        for _ in range(10 if world.lines else 0):
            yield seed, judge(world)


def test_no_lie_about_clocks_makes_a_late_tap_met_proven() -> None:
    """And none makes a punctual one missed_proven; the world is rich enough that both proofs are common."""
    seen: Counter[tuple[bool, Verdict]] = Counter()
    for seed, judged in judgements(1_500):
        assert judged.due.earliest <= judged.true_due <= judged.due.latest, (seed, judged)
        late = judged.tap.true > judged.true_due
        seen[late, judged.verdict] += 1
        impossible = Verdict.MET_PROVEN if late else Verdict.MISSED_PROVEN
        assert judged.verdict is not impossible, (seed, judged)
    for late in (False, True):
        for said in Verdict:
            possible = said is not (Verdict.MET_PROVEN if late else Verdict.MISSED_PROVEN)
            assert (seen[late, said] > 50) == possible, (late, said, seen)


def test_a_liars_tap_still_lies_between_its_bounds() -> None:
    for seed in range(300):
        world = World(seed)
        world.run(40)
        for line in world.lines:
            hard = world.hard(line)
            assert hard.lower is None or hard.lower <= line.true, seed
            assert line.true <= hard.upper, seed


def test_a_suspension_begun_after_the_deadline_does_not_bring_it_back() -> None:
    """The cheap lie: arrive late, then suspend and resume around a tap that the sum of all stops would excuse."""
    exact = [Suspension(Interval(100, 100), Interval(200, 200))]
    assert deadline(Interval(0, 0), 60, exact) == Deadline(60, 60)


# ------------------------------------------------------------------------------------------------- deadlines


@st.composite
def around(draw: st.DrawFn, true: int) -> Interval:
    before = draw(st.one_of(st.none(), st.integers(0, 60)))
    return Interval(None if before is None else true - before, true + draw(st.integers(0, 60)))


@st.composite
def stops(draw: st.DrawFn) -> list[tuple[int, int]]:
    pieces = draw(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 80)), max_size=5))
    return [(begin, begin + length) for begin, length in pieces]


def exactly(pieces: list[tuple[int, int]]) -> list[Suspension]:
    return [Suspension(Interval(begin, begin), Interval(end, end)) for begin, end in pieces]


@properties
@given(st.integers(0, 200), st.integers(0, 150), stops())
def test_with_exact_times_both_deadlines_are_the_true_one(
    start: int, limit: int, pieces: list[tuple[int, int]]
) -> None:
    true = true_deadline(start, limit, pieces)
    assert deadline(Interval(start, start), limit, exactly(pieces)) == Deadline(true, true)


@properties
@given(st.integers(0, 200), st.integers(0, 150), stops(), st.data())
def test_the_true_deadline_lies_between_whatever_is_unknown(
    start: int, limit: int, pieces: list[tuple[int, int]], data: st.DataObject
) -> None:
    known = [
        Suspension(data.draw(around(begin)), data.draw(around(end)))
        if data.draw(st.integers(0, 5))
        else Suspension(data.draw(around(begin)), None)
        for begin, end in pieces
    ]
    open_until = data.draw(st.sampled_from([None, Interval(None, 400)]))
    due = deadline(data.draw(around(start)), limit, known, open_until)
    assert due.earliest <= true_deadline(start, limit, pieces) <= due.latest


@properties
@given(st.integers(0, 200), st.integers(0, 150), stops(), st.randoms(use_true_random=False))
def test_overlapping_suspensions_count_once_in_any_order(
    start: int, limit: int, pieces: list[tuple[int, int]], chance: random.Random
) -> None:
    covered = sorted({now for begin, end in pieces for now in range(begin, end)})
    union = [(now, now + 1) for now in covered]
    doubled = pieces * 2
    chance.shuffle(doubled)
    begun = Interval(start, start)
    assert deadline(begun, limit, exactly(doubled)) == deadline(begun, limit, exactly(union))


def test_a_suspension_counts_at_its_shortest_in_d1_and_at_its_longest_in_d2() -> None:
    stop = Suspension(Interval(90, 110), Interval(300, 400))
    assert deadline(Interval(0, 0), 150, [stop]) == Deadline(150 + (300 - 110), 150 + (400 - 90))


def test_a_suspension_that_may_not_have_lasted_counts_nothing_in_d1() -> None:
    stop = Suspension(Interval(10, 120), Interval(50, 130))
    assert deadline(Interval(0, 0), 150, [stop]).earliest == 150


def test_a_start_raised_in_the_field_is_an_interval_too() -> None:
    assert deadline(Interval(100, 160), 45, []) == Deadline(145, 205)


def test_what_has_no_lower_bound_proves_nothing_on_time() -> None:
    assert deadline(Interval(None, 100), 45, []) == Deadline(LIMITLESS_PAST, 145)
    unknown_end = Suspension(Interval(10, 10), Interval(None, 60))
    assert deadline(Interval(0, 0), 100, [unknown_end]) == Deadline(100, 150)
    unknown_begin = Suspension(Interval(None, 30), Interval(60, 60))
    assert deadline(Interval(0, 0), 100, [unknown_begin]) == Deadline(130, 160)


def test_an_open_suspension_extends_only_what_the_caller_vouches_for() -> None:
    still_open, start = [Suspension(Interval(10, 10), None)], Interval(0, 0)
    assert deadline(start, 100, still_open) == Deadline(100, LIMITLESS_FUTURE)
    assert deadline(start, 100, still_open, Interval(None, 50)) == Deadline(100, 140)
    assert deadline(start, 100, still_open, Interval(50, 50)) == Deadline(140, 140)


# ------------------------------------------------------------------------------------------------- verdicts

DUE = Deadline(1_000, 2_000)
EARLY, AT_D1, WITHIN, AT_D2, LATE = 900, 1_000, 1_500, 2_000, 2_100
MET, CLAIMED_MET, OPEN = Verdict.MET_PROVEN, Verdict.MET_CLAIMED, Verdict.INDETERMINATE
CLAIMED_MISSED, MISSED = Verdict.MISSED_CLAIMED, Verdict.MISSED_PROVEN

VERDICT_ROWS = [
    # lower, upper, claimed, said
    (EARLY, EARLY, EARLY, MET),
    (EARLY, AT_D1, EARLY, MET),
    (EARLY, AT_D1, AT_D1, MET),
    (None, EARLY, EARLY, MET),
    (None, AT_D1, AT_D1, MET),
    (None, WITHIN, EARLY, OPEN),
    (None, WITHIN, WITHIN, OPEN),
    (None, LATE, EARLY, OPEN),
    (None, LATE, LATE, OPEN),
    (EARLY, AT_D1 + 1, EARLY, CLAIMED_MET),
    (EARLY, WITHIN, WITHIN, CLAIMED_MET),
    (EARLY, AT_D2, AT_D2, CLAIMED_MET),
    (EARLY, LATE, EARLY, CLAIMED_MET),
    (EARLY, LATE, AT_D2, CLAIMED_MET),
    (EARLY, LATE, AT_D2 + 1, CLAIMED_MISSED),
    (EARLY, LATE, LATE, CLAIMED_MISSED),
    (WITHIN, WITHIN, WITHIN, CLAIMED_MET),
    (WITHIN, LATE, WITHIN, CLAIMED_MET),
    (WITHIN, LATE, LATE, CLAIMED_MISSED),
    (AT_D2, LATE, AT_D2, CLAIMED_MET),
    (AT_D2, LATE, LATE, CLAIMED_MISSED),
    (AT_D2 + 1, LATE, AT_D2 + 1, MISSED),
    (LATE, LATE, LATE, MISSED),
]


@pytest.mark.parametrize(("lower", "upper", "claimed", "said"), VERDICT_ROWS)
def test_every_row_of_the_verdict_table(lower: int | None, upper: int, claimed: int, said: Verdict) -> None:
    assert verdict(Interval(lower, upper), claimed, DUE) is said


@pytest.mark.parametrize("claimed", [EARLY, AT_D1, WITHIN, AT_D2, LATE])
def test_a_broken_chain_is_indeterminate_whatever_is_claimed(claimed: int) -> None:
    assert verdict(None, claimed, DUE) is Verdict.INDETERMINATE


def test_a_start_without_anchor_can_be_missed_but_never_proven_met() -> None:
    due = deadline(Interval(None, 1_000), 500, [])
    assert verdict(Interval(900, 1_200), 1_000, due) is Verdict.MET_CLAIMED
    assert verdict(Interval(1_501, 1_600), 1_501, due) is Verdict.MISSED_PROVEN


def test_a_phone_kept_in_flight_mode_turns_late_into_claimed_and_never_into_proven() -> None:
    """Said aloud in the docs: anchor at 09:00, deadline 10:00, tap at 11:00 with the wall set back, synced at 18:00."""
    nine, ten, eleven, evening = NOON, NOON + HOUR, NOON + 2 * HOUR, NOON + 9 * HOUR
    anchor = Anchor(nine, 500, Reading(nine, 0, "b1"))
    hard = bounds(anchor, evening, 500)
    asleep_meanwhile = Reading(ten - 5 * MINUTE, 10 * MINUTE, "b1")
    at = effective_at(asleep_meanwhile, anchor, hard)
    assert at < eleven
    assert verdict(hard, at, Deadline(ten, ten)) is Verdict.MET_CLAIMED


moments = st.integers(0, 400)


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    lower, upper = sorted((draw(moments), draw(moments)))
    return Interval(draw(st.sampled_from([lower, lower, lower, None])), upper)


@st.composite
def narrowed(draw: st.DrawFn, wide: Interval) -> Interval:
    """What might be known later of the same moment: another anchor, an earlier head."""
    least = 0 if wide.lower is None else wide.lower
    lower, upper = sorted((draw(st.integers(least, wide.upper)), draw(st.integers(least, wide.upper))))
    return Interval(draw(st.sampled_from([lower, wide.lower])), upper)


@properties
@given(intervals(), intervals(), st.lists(st.tuples(intervals(), intervals()), max_size=3), moments, st.data())
def test_knowing_more_never_takes_a_proof_back(
    tap: Interval, start: Interval, pairs: list[tuple[Interval, Interval]], limit: int, data: st.DataObject
) -> None:
    stopped = [Suspension(begun, ended) for begun, ended in pairs]
    first = verdict(tap, tap.upper, deadline(start, limit, stopped))
    assume(first in (Verdict.MET_PROVEN, Verdict.MISSED_PROVEN))
    more = [Suspension(data.draw(narrowed(begun)), data.draw(narrowed(ended))) for begun, ended in pairs]
    later = data.draw(narrowed(tap))
    assert verdict(later, later.upper, deadline(data.draw(narrowed(start)), limit, more)) is first


@properties
@given(intervals(), st.lists(st.tuples(intervals(), intervals()), max_size=3), moments, st.data())
def test_knowing_more_only_narrows_a_deadline(
    start: Interval, pairs: list[tuple[Interval, Interval]], limit: int, data: st.DataObject
) -> None:
    wide = deadline(start, limit, [Suspension(begun, ended) for begun, ended in pairs])
    more = [Suspension(data.draw(narrowed(begun)), data.draw(narrowed(ended))) for begun, ended in pairs]
    narrow = deadline(data.draw(narrowed(start)), limit, more)
    assert wide.earliest <= narrow.earliest
    assert narrow.latest <= wide.latest


# ------------------------------------------------------------------------------------------------- the claimed moment

any_time = st.integers(-(2**53), 2**53)
readings = st.builds(Reading, any_time, any_time, st.sampled_from(["b1", "b2"]))
anchors = st.builds(Anchor, any_time, st.integers(0, 10_000), st.one_of(st.none(), readings))


@st.composite
def any_bounds(draw: st.DrawFn) -> Interval:
    lower, upper = sorted((draw(any_time), draw(any_time)))
    return Interval(draw(st.sampled_from([lower, None])), upper)


@properties
@given(readings, st.one_of(st.none(), anchors), any_bounds())
def test_the_claimed_moment_is_always_inside_the_hard_bounds(
    reading: Reading, anchor: Anchor | None, hard: Interval
) -> None:
    at = effective_at(reading, anchor, hard)
    assert type(at) is int
    assert hard.lower is None or hard.lower <= at
    assert at <= hard.upper


@dataclass(frozen=True)
class Claim:
    """How a wall clock and the monotonic clock together choose a moment; anchor at NOON ± 0, line read at mono 0."""

    wall: int
    mono: int
    boot: str
    at: int


CLAIMS = {
    "a plausible wall clock is believed": Claim(NOON + HOUR, 30 * MINUTE, "b1", NOON + HOUR),
    "a wall clock behind the counted time is carried forward": Claim(
        NOON, HOUR, "b1", NOON + HOUR - HOUR * THRESHOLDS.drift_ppm // 1_000_000
    ),
    "a wall clock behind the anchor is lifted to it": Claim(NOON - HOUR, 0, "b1", NOON),
    "another boot counts nothing": Claim(NOON - HOUR, 5 * HOUR, "b2", NOON),
    "a monotonic clock that ran backwards counts nothing": Claim(NOON + 1, -5, "b1", NOON + 1),
    "a wall clock ahead of the server is held to it": Claim(NOON + 99 * HOUR, 0, "b1", NOON + 10 * HOUR),
    "a monotonic clock ahead of the server is held to it": Claim(NOON, 99 * HOUR, "b1", NOON + 10 * HOUR),
}


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS.keys())
def test_how_the_claimed_moment_is_chosen(claim: Claim) -> None:
    anchor = Anchor(NOON, 0, Reading(NOON, 0, "b1"))
    hard = bounds(anchor, NOON + 10 * HOUR, 0)
    assert effective_at(Reading(claim.wall, claim.mono, claim.boot), anchor, hard) == claim.at


def test_without_an_anchor_or_its_clocks_only_the_wall_clock_claims() -> None:
    reading = Reading(NOON - HOUR, 7 * HOUR, "b1")
    assert effective_at(reading, None, bounds(None, NOON, 0)) == NOON - HOUR
    unread = Anchor(NOON - 2 * HOUR, 0, None)
    assert effective_at(reading, unread, bounds(unread, NOON, 0)) == NOON - HOUR


def test_crossed_bounds_yield_the_upper_one() -> None:
    assert effective_at(Reading(NOON, 0, "b1"), None, Interval(NOON + 10, NOON - 10)) == NOON - 10


# ------------------------------------------------------------------------------------------------- grades

NARROW, MIDDLING, WIDE = (Interval(NOON, NOON + minutes * MINUTE) for minutes in (10, 30, 31))
UNANCHORED = Interval(None, NOON)

GRADE_ROWS = [
    # hard, plausible, corroborated, photo, given
    (NARROW, True, True, False, Grade.A),
    (NARROW, True, False, True, Grade.B),
    (NARROW, None, True, True, Grade.C),
    (NARROW, None, True, False, Grade.D),
    (NARROW, False, True, True, Grade.C),
    (NARROW, False, True, False, Grade.D),
    (NARROW._replace(upper=NARROW.upper + 1), True, True, True, Grade.B),
    (MIDDLING, True, True, True, Grade.B),
    (MIDDLING, True, False, False, Grade.B),
    (WIDE, True, True, True, Grade.C),
    (WIDE, True, False, False, Grade.C),
    (WIDE, None, False, True, Grade.C),
    (WIDE, None, False, False, Grade.D),
    (UNANCHORED, True, True, True, Grade.C),
    (UNANCHORED, None, True, False, Grade.D),
    (None, True, True, True, Grade.C),
    (None, None, True, False, Grade.D),
]


@pytest.mark.parametrize(("hard", "plausible", "corroborated", "photo", "given_grade"), GRADE_ROWS)
def test_every_row_of_the_grade_table(
    hard: Interval | None, plausible: bool | None, corroborated: bool, photo: bool, given_grade: Grade
) -> None:
    assert grade(hard, NOON, plausible, corroborated, photo, False) is given_grade
    assert grade(hard, NOON, plausible, corroborated, photo, True) is Grade.X


@pytest.mark.parametrize("claimed", [NARROW.upper + 1, NOON - 1])
def test_a_claim_outside_its_own_bounds_contradicts_itself(claimed: int) -> None:
    assert grade(NARROW, claimed, True, True, True, False) is Grade.X


# ------------------------------------------------------------------------------------------------- flags

YUSHAN = Site(28.0, 117.0)
NEAR = Fix(28.001, 117.001, 9.0, 1_200)


@dataclass(frozen=True)
class Scene:
    """What `flags` is asked about."""

    reading: Reading
    previous: Reading | None
    anchor: Anchor | None
    hard: Interval | None
    due: Deadline | None
    fix: Fix | None
    site: Site | None
    track: tuple[tuple[Reading, Fix], ...] = ()

    def raised(self) -> tuple[Flag, ...]:
        return flags(
            self.reading, self.previous, self.anchor, self.hard, self.due, self.fix, self.site, track=self.track
        )


ORDINARY = Scene(
    reading=Reading(NOON + HOUR, HOUR, "b1"),
    previous=Reading(NOON + 50 * MINUTE, 50 * MINUTE, "b1"),
    anchor=Anchor(NOON, 500, Reading(NOON, 0, "b1")),
    hard=Interval(NOON - 500, NOON + 2 * HOUR),
    due=Deadline(NOON + 90 * MINUTE, NOON + 90 * MINUTE),
    fix=NEAR,
    site=YUSHAN,
)
"""An arrival an hour after an anchor, at the site, half an hour before the deadline."""


def at_minute(minute: int, *, wall_minute: int | None = None) -> Reading:
    return Reading(NOON + (minute if wall_minute is None else wall_minute) * MINUTE, minute * MINUTE, "b1")


def fixes(count: int, fix: Fix, *, every_minutes: int) -> tuple[tuple[Reading, Fix], ...]:
    return tuple((at_minute(60 - every_minutes * back), fix) for back in range(count, 0, -1))


RAISED: dict[str, tuple[Scene, tuple[Flag, ...]]] = {
    "nothing": (ORDINARY, ()),
    "no position and no site": (replace(ORDINARY, fix=None, site=None), ()),
    "the wall clock went back": (
        replace(ORDINARY, previous=at_minute(50, wall_minute=61), due=Deadline(NOON + 80 * MINUTE, NOON + 80 * MINUTE)),
        (Flag.CLOCK_BACKSTEP, Flag.JUMP_NEAR_DEADLINE),
    ),
    "the wall clock stood still while the other ran": (
        replace(ORDINARY, previous=at_minute(10, wall_minute=59)),
        (Flag.CLOCK_BACKSTEP, Flag.JUMP_NEAR_DEADLINE),
    ),
    "the wall clock went back in another boot": (
        replace(ORDINARY, previous=Reading(NOON + 61 * MINUTE, 0, "b0"), due=None),
        (Flag.CLOCK_BACKSTEP,),
    ),
    "a step far from the deadline": (
        replace(ORDINARY, previous=at_minute(50, wall_minute=61), due=Deadline(NOON + 9 * HOUR, NOON + 9 * HOUR)),
        (Flag.CLOCK_BACKSTEP,),
    ),
    "a step over the deadline from far behind it": (
        replace(ORDINARY, previous=at_minute(59, wall_minute=300)),
        (Flag.CLOCK_BACKSTEP, Flag.JUMP_NEAR_DEADLINE),
    ),
    "the monotonic clock went back": (
        replace(ORDINARY, previous=Reading(NOON + 50 * MINUTE, 61 * MINUTE, "b1")),
        (Flag.CLOCK_BACKSTEP,),
    ),
    "both clocks went back over the deadline": (
        replace(
            ORDINARY,
            reading=Reading(NOON + HOUR, 0, "b1"),
            previous=at_minute(61),
            due=Deadline(NOON + 61 * MINUTE, NOON + 61 * MINUTE),
        ),
        (Flag.CLOCK_BACKSTEP, Flag.JUMP_NEAR_DEADLINE),
    ),
    "a step long after the deadline": (
        replace(ORDINARY, previous=at_minute(50, wall_minute=61), due=Deadline(NOON - HOUR, NOON - HOUR)),
        (Flag.CLOCK_BACKSTEP,),
    ),
    "a step of the phone's own making": (
        replace(ORDINARY, previous=Reading(NOON + HOUR + 2_000, HOUR - 1_000, "b1")),
        (),
    ),
    "sleep makes the wall clock run ahead": (
        replace(ORDINARY, previous=Reading(NOON + MINUTE, HOUR - 1_000, "b1")),
        (),
    ),
    "the wall clock shows a time the server had not reached": (
        replace(ORDINARY, reading=at_minute(60, wall_minute=122)),
        (Flag.CLOCK_OUTSIDE_BOUNDS,),
    ),
    "the wall clock shows a time before the anchor": (
        replace(ORDINARY, reading=Reading(NOON - 2 * MINUTE, 0, "b2"), previous=None),
        (Flag.CLOCK_OUTSIDE_BOUNDS,),
    ),
    "the wall clock is behind what was counted since the anchor": (
        replace(ORDINARY, reading=at_minute(60, wall_minute=5), previous=None),
        (Flag.CLOCK_OUTSIDE_BOUNDS,),
    ),
    "no anchor": (
        replace(ORDINARY, anchor=None, hard=Interval(None, NOON + 2 * HOUR)),
        (Flag.ANCHOR_STARVED,),
    ),
    "an anchor older than a shift": (
        replace(
            ORDINARY,
            reading=at_minute(13 * 60),
            hard=Interval(NOON - 500, NOON + 14 * HOUR),
            due=None,
        ),
        (Flag.ANCHOR_STARVED,),
    ),
    "an anchor in the morning and a sync days later": (
        replace(ORDINARY, hard=Interval(NOON - 500, NOON + 80 * HOUR)),
        (),
    ),
    "a broken chain": (replace(ORDINARY, hard=None), ()),
    "a fix two kilometres off": (replace(ORDINARY, fix=Fix(28.02, 117.0, 9.0, 0)), (Flag.FAR_FROM_SITE,)),
    "a fix two kilometres off that admits to being that wrong": (
        replace(ORDINARY, fix=Fix(28.012, 117.0, 950.0, 0)),
        (),
    ),
    "a far fix that claims to be uselessly wrong": (
        replace(ORDINARY, fix=Fix(28.5, 117.0, 1e9, 0)),
        (Flag.FAR_FROM_SITE,),
    ),
    "sixty kilometres in ten minutes": (
        replace(ORDINARY, track=((at_minute(50), Fix(28.55, 117.0, 9.0, 0)),)),
        (Flag.SPEED_IMPLAUSIBLE,),
    ),
    "sixty kilometres in an hour": (replace(ORDINARY, track=((at_minute(0), Fix(28.55, 117.0, 9.0, 0)),)), ()),
    "sixty kilometres in no time by a clock set back": (
        replace(ORDINARY, track=((Reading(NOON + 70 * MINUTE, 9, "b0"), Fix(28.55, 117.0, 9.0, 0)),)),
        (Flag.SPEED_IMPLAUSIBLE,),
    ),
    "two fixes that jitter": (replace(ORDINARY, track=((at_minute(60), Fix(28.004, 117.0, 9.0, 0)),)), ()),
    "the same digits five times in an hour": (
        replace(ORDINARY, track=fixes(4, NEAR, every_minutes=10)),
        (Flag.ACCURACY_PATTERN,),
    ),
    "the same digits four times": (replace(ORDINARY, track=fixes(3, NEAR, every_minutes=10)), ()),
    "the same digits within four minutes": (replace(ORDINARY, track=fixes(4, NEAR, every_minutes=1)), ()),
    "one cached fix shown five times, growing older": (
        replace(
            ORDINARY,
            fix=replace(NEAR, age_ms=4 * MINUTE),
            track=tuple(
                (Reading(NOON + (60 - back) * MINUTE, 0, "b1"), replace(NEAR, age_ms=(4 - back) * MINUTE))
                for back in range(4, 0, -1)
            ),
        ),
        (),
    ),
    "an accuracy of nothing": (replace(ORDINARY, fix=replace(NEAR, acc_m=0.0)), (Flag.ACCURACY_PATTERN,)),
    "a position without accuracy or age": (replace(ORDINARY, fix=Fix(28.001, 117.001)), ()),
    "a position an hour old": (replace(ORDINARY, fix=replace(NEAR, age_ms=HOUR)), (Flag.POSITION_STALE,)),
}


@pytest.mark.parametrize(("scene", "raised"), RAISED.values(), ids=RAISED.keys())
def test_what_raises_which_flag(scene: Scene, raised: tuple[Flag, ...]) -> None:
    assert scene.raised() == raised


def test_every_flag_is_raised_by_some_scene() -> None:
    assert {flag for _, raised in RAISED.values() for flag in raised} == set(Flag)


def test_a_threshold_is_configuration() -> None:
    strict = replace(THRESHOLDS, far_m=50)
    scene = ORDINARY
    raised = flags(
        scene.reading, scene.previous, scene.anchor, scene.hard, scene.due, scene.fix, scene.site, thresholds=strict
    )
    assert raised == (Flag.FAR_FROM_SITE,)


numbers = st.floats(allow_nan=False, allow_infinity=False)
any_fix = st.builds(
    Fix,
    st.floats(-90, 90),
    st.floats(-180, 180),
    st.one_of(st.none(), numbers),
    st.one_of(st.none(), st.integers(-(2**53), 2**53)),
)


@properties
@given(
    readings,
    st.one_of(st.none(), readings),
    st.one_of(st.none(), anchors),
    st.one_of(st.none(), any_bounds()),
    st.one_of(st.none(), st.builds(Deadline, any_time, any_time)),
    st.one_of(st.none(), any_fix),
    st.one_of(st.none(), st.builds(Site, st.floats(-90, 90), st.floats(-180, 180))),
    st.lists(st.tuples(readings, any_fix), max_size=6),
)
def test_no_reading_and_no_position_is_too_strange_to_judge(
    reading: Reading,
    previous: Reading | None,
    anchor: Anchor | None,
    hard: Interval | None,
    due: Deadline | None,
    fix: Fix | None,
    site: Site | None,
    track: list[tuple[Reading, Fix]],
) -> None:
    raised = flags(reading, previous, anchor, hard, due, fix, site, track=track)
    assert list(raised) == [flag for flag in Flag if flag in raised]


KNOWN_DISTANCES: list[tuple[Site, Site, int]] = [
    (Site(0.0, 0.0), Site(0.0, 0.0), 0),
    (Site(28.0, 117.0), Site(29.0, 117.0), 111_195),
    (Site(0.0, 179.5), Site(0.0, -179.5), 111_195),
    (Site(90.0, 0.0), Site(-90.0, 0.0), 20_015_115),
]


@pytest.mark.parametrize(("one", "other", "metres"), KNOWN_DISTANCES)
def test_distances_on_the_sphere(one: Site, other: Site, metres: int) -> None:
    assert abs(distance_m(one, other) - metres) <= 1
    assert distance_m(one, other) == distance_m(other, one)
