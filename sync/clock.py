"""Time from clocks nobody trusts: anchors → hard bounds → deadlines → five verdicts, an evidence grade, and flags.

A phone's clocks are claims. Two things are not: a line that carries a server statement was written after the server
issued it, and a line whose hash the server knows was written before the server learnt it. Everything *proven* here
follows from these two alone; the phone's own clocks only choose a moment inside the bounds (`effective_at`), and
disagreeing clocks raise flags a person looks at.

The promise (tests/sync/test_clock.py plays liars against it): no fact whose true tap was after its deadline is ever
`met_proven`, and for an honest phone the true time always lies in [lower, upper]. "Proven" means the tap, never the
body at the door, and a phone kept in flight mode can turn late into `met_claimed`.

Refuses to know: signatures and chains (who verified the anchor, which head passes through which line), kinds of facts,
tickets, working days, pay. Positions arrive as WGS-84; whoever imports another datum converts it first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import asin, cos, radians, sin, sqrt

from sync.facts import Interval, Reading, Verdict

LIMITLESS_PAST = -(2**53 - 1)
"""Stands in for "no lower bound at all" where a number is needed: the least integer the wire can carry."""

LIMITLESS_FUTURE = 2**53 - 1
"""Stands in for "not due while suspended": the greatest integer the wire can carry."""

GRADE_VERSION = 1
"""Raised whenever `grade`, or a default of `Thresholds` it reads, changes; stored beside every grade given."""

EARTH_RADIUS_M = 6_371_009  # mean radius, IUGG


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Every number this module compares with. All are proposals of ours unless another source stands beside them."""

    drift_ppm: int = 500  # evidence.md §2: how far a phone's monotonic clock may run fast
    step_ms: int = 5_000  # phones step their own clocks by a second or two when network time arrives
    outside_ms: int = 60_000  # a wall clock up to a minute wrong is ordinary
    near_deadline_ms: int = 15 * 60_000  # a third of the shortest arrival limit (45 min)
    starved_ms: int = 12 * 3_600_000  # longer than a shift spent in a valley without signal
    far_m: int = 500  # geocoded rural addresses are this wrong
    accuracy_cap_m: int = 1_000  # a fix that claims to be worse than this excuses no more distance
    speed_km_h: int = 150  # faster than any road vehicle of a crew
    speed_distance_m: int = 1_000  # below this, jitter of two fixes looks like speed
    accuracy_best_m: float = 1.0  # phones do not honestly claim better
    repeats: int = 5  # equal coordinates and accuracy to the last digit, in that many fixes
    repeats_ms: int = 10 * 60_000  # spread over at least this long, so that one cached fix is not a pattern
    stale_ms: int = 5 * 60_000  # an older fix says where the phone was, not where it is
    grade_a_ms: int = 10 * 60_000  # evidence.md §2
    grade_b_ms: int = 30 * 60_000  # evidence.md §2


THRESHOLDS = Thresholds()


@dataclass(frozen=True, slots=True)
class Anchor:
    """A statement carried inside the journal: its server `time` ± `radius`, and what the phone's clocks showed then.

    `reading` belongs to the line that carried it, the phone's first after the statement arrived: written at or after
    `time`, possibly hours after. None when that line's clocks could not be read.
    """

    time: int
    radius: int
    reading: Reading | None


@dataclass(frozen=True, slots=True)
class Suspension:
    """One stop of a limit's clock, from the bounds of the tap that began it to those of the tap that ended it."""

    begun: Interval
    ended: Interval | None


@dataclass(frozen=True, slots=True)
class Deadline:
    """The true deadline lies between `earliest` (D₁) and `latest` (D₂), both inclusive."""

    earliest: int
    latest: int


class Grade(StrEnum):
    """How strong the evidence for one moment is; see `grade`."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    X = "X"


class Flag(StrEnum):
    """Something a person should look at. The member sees every flag and may contest it; none punishes by itself."""

    CLOCK_BACKSTEP = "clock_backstep"  # the wall clock ran backwards, or slower than the monotonic one
    CLOCK_OUTSIDE_BOUNDS = "clock_outside_bounds"  # the wall clock contradicts what the server knows
    JUMP_NEAR_DEADLINE = "jump_near_deadline"  # a backward step that touches the deadline
    ANCHOR_STARVED = "anchor_starved"  # no statement, or none for longer than a shift
    FAR_FROM_SITE = "far_from_site"
    SPEED_IMPLAUSIBLE = "speed_implausible"
    ACCURACY_PATTERN = "accuracy_pattern"  # fixes that look made rather than measured
    POSITION_STALE = "position_stale"


@dataclass(frozen=True, slots=True)
class Site:
    """Where the work is, in WGS-84 degrees."""

    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class Fix:
    """A position as the phone reported it; the names are the wire's, so `Fix(**body["fix"])` reads one."""

    lat: float
    lon: float
    acc_m: float | None = None
    age_ms: int | None = None


def bounds(anchor: Anchor | None, known_at: int, radius: int) -> Interval:
    """The hard bounds of a fact's tap.

    `anchor` is the latest at or before the fact in its own chain; `known_at` ± `radius` is the server time at which a
    head whose recomputed chain passes through the fact was first known.
    """
    lower = None if anchor is None else anchor.time - anchor.radius
    return Interval(lower, known_at + radius)


def effective_at(reading: Reading, anchor: Anchor | None, hard: Interval, *, thresholds: Thresholds = THRESHOLDS) -> int:
    """The claimed moment of a fact, always inside `hard`: min(max(wall, floor, lower), upper).

    `floor` = anchor.time − anchor.radius + the time the monotonic clock has counted since the anchor's line, less
    `drift_ppm`, when both were read in one boot. It corrects a wall clock that is behind; there is no ceiling of that
    kind, because monotonic clocks stop while a phone sleeps and so only under-count. A wall reading is never corrected
    by another wall reading: a clock set right after the anchor is believed. Should the bounds be crossed (only a server
    clock set back does that), the upper one wins.
    """
    floor = _counted_floor(reading, anchor, thresholds)
    claimed = reading.wall if floor is None else max(reading.wall, floor)
    if hard.lower is not None:
        claimed = max(claimed, hard.lower)
    return min(claimed, hard.upper)


def deadline(start: Interval, limit_ms: int, suspensions: Sequence[Suspension], open_until: Interval | None = None) -> Deadline:
    """When `limit_ms` of unsuspended time have passed since `start`, as the interval [D₁, D₂].

    The deadline is the first moment at which the time since the start, less the time covered by at least one
    suspension, reaches the limit. So overlapping suspensions count once, what was suspended before the start counts
    nothing, and a suspension begun after the deadline cannot bring it back. D₁ walks from the start's lower bound with
    each suspension at its shortest, [U(suspend), L(resume)]; D₂ from its upper bound with each at its longest,
    [L(suspend), U(resume)]. A later start or a larger suspended set never makes the deadline earlier, hence the true
    one lies between.

    What is unknown helps nobody to a proof: a start without lower bound makes D₁ `LIMITLESS_PAST`; a resumption
    without lower bound makes its suspension count nothing in D₁; a suspension without lower bound counts from the
    start in D₂. One that has not ended counts up to `open_until` — pass Interval(None, now) when a resumption may be
    on a phone that has not reported, Interval(now, now) only when the office itself holds the suspension. Without
    `open_until` it counts nothing in D₁ and for ever in D₂.
    """
    assert limit_ms >= 0, limit_ms
    shortest: list[tuple[int, int]] = []
    longest: list[tuple[int, int]] = []
    for suspension in suspensions:
        ended = suspension.ended or open_until or Interval(None, LIMITLESS_FUTURE)
        begun = suspension.begun
        if ended.lower is not None:
            shortest.append((begun.upper, ended.lower))
        longest.append((LIMITLESS_PAST if begun.lower is None else begun.lower, ended.upper))
    earliest = LIMITLESS_PAST if start.lower is None else _walk(start.lower, limit_ms, shortest)
    return Deadline(earliest, min(_walk(start.upper, limit_ms, longest), LIMITLESS_FUTURE))


def verdict(hard: Interval | None, claimed: int, due: Deadline) -> Verdict:
    """What can be said of a tap and its deadline; rows in this order, the first that fits.

    `hard` is None when the chain is broken. `claimed` is what `effective_at` gave; it is held against D₂, the latest
    the deadline can have been, so that doubt about the deadline itself favours the member. A tap without lower bound
    can be proven on time by an early upper bound, and is otherwise indeterminate.
    """
    if hard is None:
        return Verdict.INDETERMINATE
    if hard.upper <= due.earliest:
        return Verdict.MET_PROVEN
    if hard.lower is None:
        return Verdict.INDETERMINATE
    if hard.lower > due.latest:
        return Verdict.MISSED_PROVEN
    return Verdict.MET_CLAIMED if claimed <= due.latest else Verdict.MISSED_CLAIMED


def grade(
    hard: Interval | None,
    claimed: int,
    position_plausible: bool | None,
    corroborated: bool,
    has_photo: bool,
    contradicted: bool,
    *,
    thresholds: Thresholds = THRESHOLDS,
) -> Grade:
    """The evidence grade of one moment, by rule `GRADE_VERSION`.

    A: bounds within 10 min, plausible position, and customer code or site token (`corroborated`). B: bounds within
    30 min and plausible position. C: plausible position or a photo. D: the claim alone. X: contradicted, by other
    evidence or by a claimed moment outside its own bounds. `position_plausible` is None when there is no position; an
    implausible one supports nothing, and is X only if the caller says so.
    """
    if contradicted or (hard is not None and not _inside(claimed, hard)):
        return Grade.X
    placed = position_plausible is True
    width_ms = None if hard is None or hard.lower is None else hard.upper - hard.lower
    if placed and width_ms is not None:
        if corroborated and width_ms <= thresholds.grade_a_ms:
            return Grade.A
        if width_ms <= thresholds.grade_b_ms:
            return Grade.B
    return Grade.C if placed or has_photo else Grade.D


def flags(
    reading: Reading,
    previous: Reading | None,
    anchor: Anchor | None,
    hard: Interval | None,
    due: Deadline | None,
    fix: Fix | None,
    site: Site | None,
    *,
    track: Sequence[tuple[Reading, Fix]] = (),
    thresholds: Thresholds = THRESHOLDS,
) -> tuple[Flag, ...]:
    """What a person should look at, in the order of `Flag`.

    `previous` is the reading on the line before in the same journal; `track` holds earlier fixes of the same journal
    with their readings, oldest first (the last four are enough). Whatever is None or empty raises no flag, except that
    a fact without anchor is `anchor_starved`.
    """
    scene = _Scene(reading, previous, anchor, hard, due, fix, site, track, thresholds)
    # Most facts carry no position and no deadline: then half of the checks have nothing to look at.
    checks = _CHECKS if fix is not None or due is not None else _CLOCK_CHECKS
    return tuple([flag for flag, raised in checks if raised(scene)])


def distance_m(one: Site | Fix, other: Site | Fix) -> int:
    """Metres along the great circle (haversine on a sphere: within 0.6 % of the ellipsoid), rounded."""
    north, south = radians(one.lat), radians(other.lat)
    chord = sin((south - north) / 2) ** 2 + cos(north) * cos(south) * sin(radians(other.lon - one.lon) / 2) ** 2
    return round(2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(chord))))


def _walk(start: int, limit_ms: int, suspended: list[tuple[int, int]]) -> int:
    """The first moment at which `limit_ms` outside every (begin, end) of `suspended` have passed since `start`."""
    now, left_ms = start, limit_ms
    for begin, end in sorted(suspended):
        if end <= max(now, begin):
            continue
        free_ms = max(0, begin - now)
        if free_ms >= left_ms:
            break
        left_ms -= free_ms
        now = end
    return now + left_ms


def _counted_ms(since: Reading, until: Reading, thresholds: Thresholds) -> int | None:
    """The least real time between two readings by the monotonic clock; None across boots or if it ran backwards."""
    passed = until.mono - since.mono
    if since.boot != until.boot or passed < 0:
        return None
    return passed * (1_000_000 - thresholds.drift_ppm) // 1_000_000


def _counted_floor(reading: Reading, anchor: Anchor | None, thresholds: Thresholds) -> int | None:
    if anchor is None or anchor.reading is None:
        return None
    counted = _counted_ms(anchor.reading, reading, thresholds)
    return None if counted is None else anchor.time - anchor.radius + counted


def _inside(moment: int, hard: Interval) -> bool:
    return (hard.lower is None or hard.lower <= moment) and moment <= hard.upper


@dataclass(slots=True)
class _Scene:
    """What one fact's flags are judged from."""

    reading: Reading
    previous: Reading | None
    anchor: Anchor | None
    hard: Interval | None
    due: Deadline | None
    fix: Fix | None
    site: Site | None
    track: Sequence[tuple[Reading, Fix]]
    limits: Thresholds


def _step_back_ms(scene: _Scene) -> int:
    """How far behind its own past the wall clock is, by the line before: 0 when it is not."""
    before, now = scene.previous, scene.reading
    if before is None:
        return 0
    least = _counted_ms(before, now, scene.limits) or 0
    return max(0, before.wall + least - now.wall)


def _mono_ran_back(scene: _Scene) -> bool:
    before, now = scene.previous, scene.reading
    return before is not None and before.boot == now.boot and now.mono < before.mono


def _clock_backstep(scene: _Scene) -> bool:
    return _step_back_ms(scene) > scene.limits.step_ms or _mono_ran_back(scene)


def _clock_outside_bounds(scene: _Scene) -> bool:
    """Outside the hard bounds, or behind server time plus what the monotonic clock has counted since."""
    slack, wall = scene.limits.outside_ms, scene.reading.wall
    floor = _counted_floor(scene.reading, scene.anchor, scene.limits)
    if floor is not None and wall + slack < floor:
        return True
    hard = scene.hard
    return hard is not None and ((hard.lower is not None and wall + slack < hard.lower) or wall - slack > hard.upper)


def _jump_near_deadline(scene: _Scene) -> bool:
    """The stretch the clock stepped back over, widened a little, touches the deadline."""
    step_ms, near_ms = _step_back_ms(scene), scene.limits.near_deadline_ms
    if scene.due is None or step_ms <= scene.limits.step_ms:
        return False
    wall = scene.reading.wall
    return wall - near_ms <= scene.due.latest and scene.due.earliest <= wall + step_ms + near_ms


def _anchor_starved(scene: _Scene) -> bool:
    """Measured at the claimed moment: a phone that synced late but had its anchor in the morning is not starved."""
    if scene.anchor is None:
        return True
    if scene.hard is None or scene.hard.lower is None:
        return False
    claimed = effective_at(scene.reading, scene.anchor, scene.hard, thresholds=scene.limits)
    return claimed - scene.hard.lower > scene.limits.starved_ms


def _excused_m(fix: Fix, limits: Thresholds) -> float:
    return min(max(fix.acc_m or 0.0, 0.0), limits.accuracy_cap_m)


def _far_from_site(scene: _Scene) -> bool:
    if scene.fix is None or scene.site is None:
        return False
    return distance_m(scene.fix, scene.site) - _excused_m(scene.fix, scene.limits) > scene.limits.far_m


def _speed_implausible(scene: _Scene) -> bool:
    """Too far from the last fix for the longest time the phone's own clocks allow between the two."""
    if scene.fix is None or not scene.track:
        return False
    then, last = scene.track[-1]
    limits = scene.limits
    apart_m = distance_m(scene.fix, last) - _excused_m(scene.fix, limits) - _excused_m(last, limits)
    if apart_m <= limits.speed_distance_m:
        return False
    clocks_ms = max(scene.reading.wall - then.wall, _counted_ms(then, scene.reading, limits) or 0)
    passed_ms = clocks_ms + (last.age_ms or 0) - (scene.fix.age_ms or 0)
    return apart_m * 3_600 > limits.speed_km_h * passed_ms  # m/ms × 3,600 = km/h


def _accuracy_pattern(scene: _Scene) -> bool:
    """Better than a phone can measure, or equal to the last digit in fix after fix over minutes."""
    fix, limits = scene.fix, scene.limits
    if fix is None or fix.acc_m is None:
        return False
    if fix.acc_m < limits.accuracy_best_m:
        return True
    recent = scene.track[-(limits.repeats - 1) :]
    if len(recent) < limits.repeats - 1:
        return False
    same = all((past.lat, past.lon, past.acc_m) == (fix.lat, fix.lon, fix.acc_m) for _, past in recent)
    return same and _taken_at(scene.reading, fix) - _taken_at(*recent[0]) >= limits.repeats_ms


def _taken_at(reading: Reading, fix: Fix) -> int:
    """When the position was measured, by the phone's wall clock: a cached fix grows older, not newer."""
    return reading.wall - (fix.age_ms or 0)


def _position_stale(scene: _Scene) -> bool:
    return scene.fix is not None and (scene.fix.age_ms or 0) > scene.limits.stale_ms


_CHECKS: tuple[tuple[Flag, Callable[[_Scene], bool]], ...] = (
    (Flag.CLOCK_BACKSTEP, _clock_backstep),
    (Flag.CLOCK_OUTSIDE_BOUNDS, _clock_outside_bounds),
    (Flag.JUMP_NEAR_DEADLINE, _jump_near_deadline),
    (Flag.ANCHOR_STARVED, _anchor_starved),
    (Flag.FAR_FROM_SITE, _far_from_site),
    (Flag.SPEED_IMPLAUSIBLE, _speed_implausible),
    (Flag.ACCURACY_PATTERN, _accuracy_pattern),
    (Flag.POSITION_STALE, _position_stale),
)
_CLOCK_CHECKS = tuple(row for row in _CHECKS if row[0] in (Flag.CLOCK_BACKSTEP, Flag.CLOCK_OUTSIDE_BOUNDS, Flag.ANCHOR_STARVED))
