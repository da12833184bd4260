"""The one place that decides: a record's writes in, what people see out.

`fold` is pure and total: the same set of writes gives the same view in whatever order they arrived, because everything
that depends on the moment of arrival (what an author had seen, the hard bounds of a time) was resolved once and is part of
the write. It reads the tables in `sync/kinds`; it knows no database, no clock and no particular kind of fact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sync.facts import FactId, Record, Side, Write
from sync.kinds import KINDS
from sync.kinds.base import Kind, State
from sync.kinds.ticket import POLICIES
from sync.policy import Policy, Settled, Stamp, Version, sees, settle

_PROGRESS = {
    State.ACCEPTED: 1,
    State.EN_ROUTE: 2,
    State.ON_SITE: 3,
    State.WORKING: 4,
    State.COMPLETED: 5,
}
_ENDINGS = frozenset({State.COMPLETED, State.SUSPENDED, State.RETURNED})
_CLOSING = frozenset({State.CANCELLED, State.ARCHIVED})
_FIRST_STAYS = frozenset({Policy.EARLIEST, Policy.WRITE_ONCE, Policy.APPEND})
# A decision carries another kind's value, so it hides what any kind hides.
_PRIVATE = {name: kind.private for name, kind in KINDS.items()} | {
    "decided": frozenset(item for kind in KINDS.values() for item in kind.private)
}


@dataclass(slots=True)
class Folded:
    """What a record's writes come to.

    `view` is the projection every scope receives; `settled` says for each path how it was decided (for `explain`);
    `contested` maps each fact that waits for a person, or was written too late, to the reason.
    """

    view: dict[str, Any]
    settled: dict[str, Settled] = field(default_factory=dict)
    contested: dict[FactId, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Course:
    """The ticket's course as derived: where it stands, with whom, and what disputes that."""

    state: State
    crew: str | None
    fence: int
    rivals: list[Write]
    late: dict[FactId, str]
    handled: Write | None
    assignments: list[Write]
    decision: Write | None


def heads(versions: Sequence[Version]) -> list[Version]:
    """The versions nobody has seen and gone beyond, each ranked by the moment its blind run began.

    A loser who edits again without having seen the winner keeps the stamp of his first blind edit, so editing blind
    twice wins nothing.
    """
    if len(versions) == 1:
        return list(versions)
    kept = [v for v in versions if not any(sees(o.write, v.write) for o in versions if o is not v)]
    if len(kept) == 1:
        return kept
    return [Version(head.value, head.write, _blind_since(head, kept, versions)) for head in kept]


def _blind_since(head: Version, kept: Sequence[Version], versions: Sequence[Version]) -> Stamp:
    rivals = [rival.write for rival in kept if rival is not head]
    blind = [
        version
        for version in versions
        if version.write.chain == head.write.chain
        and version.write.n <= head.write.n
        and not any(sees(version.write, rival) or sees(rival, version.write) for rival in rivals)
    ]
    return min(blind, key=lambda version: version.write.n).stamp if blind else head.stamp


# ---------------------------------------------------------------------------------------------------- paths and versions


def _order(write: Write) -> Stamp:
    """By effective time; a phone whose clock ran ahead has many facts at one moment, and they keep their journal's order."""
    return (write.at, write.chain, write.n)


def _places(write: Write, kind: Kind) -> Iterable[tuple[str, Policy, Any]]:
    """Every (path, policy, value) a write sets."""
    if kind.corrects:
        for name, value in write.body["set"].items():
            yield name, POLICIES[name], value
    slot = kind.slot
    if slot is None:
        return
    path = slot.name if slot.of == "ticket" else f"visits/{write.visit}/{slot.name}"
    policy = slot.policy
    if slot.each is not None:
        path = f"{path}/{write.body[slot.each]}"
    if slot.contested_if is not None and write.body.get(slot.contested_if):
        policy = Policy.LATEST_CONTESTED
    yield path, policy, write.body


def _gather(writes: Sequence[Write]) -> dict[str, tuple[Policy, list[Version]]]:
    paths: dict[str, tuple[Policy, list[Version]]] = {}
    decisions = sorted((write for write in writes if write.kind == "decided"), key=lambda w: w.n)
    for write in sorted(writes, key=_order):
        for path, policy, value in _places(write, KINDS[write.kind]):
            version = Version(value, write, _order(write))
            known = paths.get(path)
            if known is None:
                paths[path] = (policy, [version])
            else:
                known[1].append(version)
                if policy is Policy.LATEST_CONTESTED and known[0] is not policy:
                    paths[path] = (policy, known[1])
    for decision in decisions:
        _add_decision(paths, decision)
    return paths


def _add_decision(paths: dict[str, tuple[Policy, list[Version]]], decision: Write) -> None:
    """A decision is a write of the chosen value, with a base like any other."""
    known = paths.get(decision.body["field"])
    if known is None:
        return
    for version in known[1]:
        if version.write.fact == decision.body["choose"]:
            known[1].append(Version(version.value, decision, _order(decision)))
            return


def _settle(policy: Policy, versions: list[Version]) -> Settled:
    if len(versions) == 1:
        return Settled(versions[0], (), False, str(policy))
    decided = [version for version in versions if version.write.kind == "decided"]
    if not decided or policy is Policy.THREE_WAY:
        return settle(policy, heads(versions), versions)
    # Only a three-way field is opened again by a fact that had not seen the decision; who has seen it goes beyond it.
    last = max(decided, key=lambda version: version.write.n)
    beyond = [version for version in versions if sees(version.write, last.write)]
    if beyond and policy not in _FIRST_STAYS:
        return settle(policy, heads(beyond), versions)
    return Settled(last, tuple(v for v in versions if v is not last), False, "decided")


# ------------------------------------------------------------------------------------------------------- course and state


def _course(record: Record) -> _Course:
    office = sorted((w for w in record.writes if w.side is Side.OFFICE), key=lambda w: w.n)
    assignments = [w for w in office if KINDS[w.kind].assigns]
    movers = [w for w in office if KINDS[w.kind].moves is not None]
    raised = [w for w in record.writes if w.kind == "raised" and w.ticket == record.id]
    last = movers[-1] if movers else None
    crew, fence = None, 0
    if assignments:
        crew, fence = str(assignments[-1].body["crew"]), int(assignments[-1].body["fence"])
    elif raised:
        crew = min(raised, key=_order).crew
    start = State.RECEIVED if last is None else KINDS[last.kind].moves or State.RECEIVED
    if last is None and raised:
        start = State.DISPATCHED
    course = _Course(start, crew, fence, [], {}, None, assignments, None)
    live = _sift(record, course, last)
    if start not in _CLOSING and start is not State.MERGED:
        course.state = _progress(live, start, course)
    _decide_state(office, course)
    return course


def _sift(record: Record, course: _Course, last: Write | None) -> list[Write]:
    """Split the crews' moves: those that move the state now, rivals that dispute it, and those written too late."""
    closing = last is not None and KINDS[last.kind].moves in _CLOSING
    live: list[Write] = []
    begun = _begun(record, course)
    for write in record.writes:
        moves = KINDS[write.kind].moves
        if write.side is not Side.FIELD or write.kind == "raised" or moves is None:
            continue
        if last is not None and sees(last, write):
            continue  # the office knew of it when it spoke
        if closing and last is not None:
            if sees(write, last):
                course.late[write.fact] = f"after-{last.kind}"
            elif _PROGRESS.get(moves, 9) >= _PROGRESS[State.EN_ROUTE]:
                course.rivals.append(write)
            continue
        taken = _taken_away(write, record, course)
        if taken is None:
            live.append(write)
        elif sees(write, taken) and (write.visit, write.crew) not in begun:
            course.late[write.fact] = "after-reassignment"
        elif moves in _ENDINGS:
            course.rivals.append(write)
            before = course.handled
            if moves is State.COMPLETED and (before is None or _order(write) < _order(before)):
                course.handled = write
    return live


def _taken_away(write: Write, record: Record, course: _Course) -> Write | None:
    """The assignment that took the ticket from the write's crew, or None while it is still theirs."""
    if write.crew == course.crew or not course.assignments:
        return None
    if write.ticket is not None and write.ticket != record.id:
        return None  # it followed a merge to this record: the office joined the work, so it stands
    for assignment in course.assignments:
        if assignment.body["fence"] > write.fence and assignment.body["crew"] != write.crew:
            return assignment
    return course.assignments[-1]


def _begun(record: Record, course: _Course) -> set[tuple[str | None, str | None]]:
    """Visits begun in good faith: a departure, arrival or start written without having seen the reassignment."""
    begun: set[tuple[str | None, str | None]] = set()
    for write in record.writes:
        if write.side is Side.FIELD and write.kind in ("departure", "arrival", "start"):
            taken = _taken_away(write, record, course)
            if taken is None or not sees(write, taken):
                begun.add((write.visit, write.crew))
    return begun


def _progress(live: Sequence[Write], start: State, course: _Course) -> State:
    if not live:
        return start
    moves = {write.fact: KINDS[write.kind].moves for write in live}
    finished = [write for write in live if moves[write.fact] is State.COMPLETED]
    returned = [write for write in live if moves[write.fact] is State.RETURNED]
    if finished:
        # Finished and returned by people who had not seen each other is an impossible jump: a person decides.
        course.rivals += [r for r in returned if not any(sees(f, r) or sees(r, f) for f in finished)]
        return State.COMPLETED
    if returned:
        return State.RETURNED
    pauses = [write for write in live if write.kind in ("suspension", "resumption")]
    last = [pause for pause in pauses if not any(sees(other, pause) for other in pauses)]
    if last and max(last, key=_order).kind == "suspension":
        return State.SUSPENDED
    furthest = max(live, key=lambda write: _PROGRESS.get(moves[write.fact] or start, 0))
    return moves[furthest.fact] or start


def _decide_state(office: Sequence[Write], course: _Course) -> None:
    decisions = [write for write in office if write.kind == "decided" and write.body["field"] == "state"]
    if not decisions:
        return
    decision = decisions[-1]
    chosen = next((w for w in course.rivals if w.fact == decision.body["choose"]), None)
    answered = [write for write in course.rivals if sees(decision, write)]
    if not answered:
        return
    course.decision = decision
    course.rivals = [write for write in course.rivals if not sees(decision, write)]
    for write in answered:
        if chosen is None or write.crew != chosen.crew:
            course.late[write.fact] = "decided-against"
    if chosen is not None:
        course.state = KINDS[chosen.kind].moves or course.state


# ------------------------------------------------------------------------------------------------------------------ views


def _moment(version: Version) -> dict[str, Any]:
    write = version.write
    private = _PRIVATE[write.kind]
    moment: dict[str, Any] = {
        "at": write.at,
        "lower": write.lower,
        "upper": write.upper,
        "fact": write.fact,
        "by": write.by,
    }
    for name, value in version.value.items():
        if name not in private:
            moment[name] = value
    if write.flags:
        moment["flags"] = list(write.flags)
    return moment


def _contest(settled: Settled) -> dict[str, Any]:
    return {
        "rule": settled.rule,
        "shown": settled.shown.write.fact,
        "alternatives": [
            {"value": _public(v), "fact": v.write.fact, "by": v.write.by, "at": v.write.at, "side": str(v.write.side)}
            for v in settled.alternatives
        ],
    }


def _public(version: Version) -> Any:
    if not isinstance(version.value, dict):
        return version.value
    private = _PRIVATE[version.write.kind]
    return {name: value for name, value in version.value.items() if name not in private} if private else version.value


def _place_in_visits(visits: dict[str, Any], path: str, policy: Policy, settled: Settled, versions: list[Version]) -> None:
    _, visit, slot, *each = path.split("/", 3)
    entry = visits[visit]
    if each:
        entry.setdefault(slot, {})[each[0]] = _moment(settled.shown)
    elif policy is Policy.APPEND:
        ordered = sorted((v for v in versions if v.write.kind != "decided"), key=lambda v: v.stamp)
        entry[slot] = [_moment(version) for version in ordered]
    else:
        entry[slot] = _moment(settled.shown)


def _visits(record: Record, course: _Course) -> dict[str, Any]:
    visits: dict[str, Any] = {}
    for write in record.writes:
        if write.visit is None or write.side is not Side.FIELD:
            continue
        entry = visits.get(write.visit)
        if entry is None:
            entry = visits[write.visit] = {
                "crew": write.crew,
                "members": set(),
                "fence": write.fence,
                "standing": "counts",
            }
        entry["members"].add(write.by)
        entry["fence"] = min(entry["fence"], write.fence)
        entry["crew"] = min(entry["crew"] or "", write.crew or "")
        if course.late.get(write.fact) == "decided-against":
            entry["standing"] = "superseded"
        elif write.fact in course.late and entry["standing"] == "counts":
            entry["standing"] = "contested"
    for entry in visits.values():
        entry["members"] = sorted(entry["members"])
    return visits


def fold(record: Record) -> Folded:
    """The projection of a record and everything that was decided on the way."""
    if record.kind != "ticket":
        return Folded(dict(record.derived.get("view", {})))
    course = _course(record)
    folded = Folded({}, {}, dict(course.late))
    visits = _visits(record, course)
    contests: dict[str, Any] = {}
    view: dict[str, Any] = {}
    for path, (policy, versions) in sorted(_gather(record.writes).items()):
        settled = _settle(policy, versions)
        folded.settled[path] = settled
        if settled.contested:
            contests[path] = _contest(settled)
            _mark_contested(folded, settled)
        if path.startswith("visits/"):
            _place_in_visits(visits, path, policy, settled, versions)
        elif "/" in path:
            slot, each = path.split("/", 1)
            view.setdefault(slot, {})[each] = _moment(settled.shown)
        else:
            view[path] = settled.shown.value
    if course.rivals:
        contests["state"] = _state_contest(course)
        folded.contested.update({write.fact: "state" for write in course.rivals})
    view.update(_derived(record, course, visits, contests))
    folded.view = view
    return folded


def _mark_contested(folded: Folded, settled: Settled) -> None:
    for version in settled.alternatives:
        if version.write.side is Side.FIELD and version.value != settled.shown.value:
            folded.contested.setdefault(version.write.fact, "field")


def _state_contest(course: _Course) -> dict[str, Any]:
    return {
        "rule": "derived",
        "shown": "office",
        "alternatives": [
            {
                "value": str(KINDS[w.kind].moves),
                "fact": w.fact,
                "by": w.by,
                "at": w.at,
                "side": str(w.side),
                "crew": w.crew,
            }
            for w in sorted(course.rivals, key=_order)
        ],
    }


def _derived(record: Record, course: _Course, visits: dict[str, Any], contests: dict[str, Any]) -> dict[str, Any]:
    have: dict[str, int] = {}
    for write in record.writes:
        if write.side is Side.FIELD and write.n > have.get(write.chain, 0):
            have[write.chain] = write.n
    derived: dict[str, Any] = {
        "state": str(course.state),
        "assigned_crew": course.crew,
        "fence": course.fence,
        "assignments": [
            {"fence": w.body["fence"], "crew": w.body["crew"], "at": w.at, "by": w.by, "how": w.kind}
            for w in course.assignments
        ],
        "visits": visits,
        "have": have,
    }
    if contests:
        derived["contests"] = contests
    if course.handled is not None and course.handled.crew != course.crew:
        derived["handled"] = {"crew": course.handled.crew, "at": course.handled.at, "visit": course.handled.visit}
    if record.target is not None:
        derived["merged_into"] = record.target
    closing = [w for w in record.writes if w.kind in ("cancelled", "archived", "reopened")]
    if closing:
        last = max(closing, key=lambda w: w.n)
        derived["closing"] = {"how": last.kind, "at": last.at, "by": last.by, "reason": last.body.get("reason")}
    return derived


def explain(record: Record, path: str) -> dict[str, Any]:
    """Why a field shows what it shows: the fact, whose, its interval, the rule, and what else is kept.

    `path` is a ticket field, `state`, or `visits/<visit>/<slot>[/<each>]`. A path nobody wrote answers with `known: []`
    listing what can be asked.
    """
    folded = fold(record)
    if path == "state":
        contest = folded.view.get("contests", {}).get("state")
        moves = [w for w in record.writes if KINDS[w.kind].moves is not None]
        return {
            "path": path,
            "shown": folded.view.get("state"),
            "rule": "derived",
            "from": [_told(w) for w in sorted(moves, key=_order)],
            "contest": contest,
        }
    settled = folded.settled.get(path)
    if settled is None:
        return {"path": path, "known": sorted([*folded.settled, "state"])}
    return {
        "path": path,
        "shown": _public(settled.shown),
        "rule": settled.rule,
        "contested": settled.contested,
        "by": _told(settled.shown.write),
        "alternatives": [{"value": _public(v), **_told(v.write)} for v in settled.alternatives],
    }


def _told(write: Write) -> Mapping[str, Any]:
    return {
        "fact": write.fact,
        "kind": write.kind,
        "by": write.by,
        "side": str(write.side),
        "at": write.at,
        "interval": [write.lower, write.upper],
        "seen_up_to": write.base,
        "committed_at": write.position,
        "journal": write.chain,
        "n": write.n,
    }
