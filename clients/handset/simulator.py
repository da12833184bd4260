"""A simulated shift: many handsets in one process work their tickets offline with real photos, then sync, and are counted.

The same seed does the same things to the same tickets. Nothing here is a stand-in: every phone has its own key, its own
SQLite file and its own conversation with a real server. At the end every count must add up, and every phone's confirmed copy
must equal what the server serves when asked again from zero.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from clients.handset.link import Declined, Unreachable
from clients.handset.phone import Fix, Handset, Saved
from clients.handset.words import HandsetFault, Lang, kind_title, language_of, problem_text, say

GUIDE, GUIDE_VERSION = "outage-check", 1
ROUNDS_TO_REST = 3
"""Phones of one crew see each other's last words only in the next round."""

T = TypeVar("T")
R = TypeVar("R")

Advance = Callable[[str, int, int], None]
"""(phase: a key of `words.WORDS`, done, of): called as the shift goes on."""


@dataclass(slots=True)
class Counts:
    """What a shift came to. `recorded` counts lines in phones' journals, their opening lines among them."""

    phones: int = 0
    asked: int = 0
    tickets: int = 0
    recorded: int = 0
    stated: int = 0
    server: int = 0
    photos: int = 0
    received: int = 0
    photo_bytes: int = 0
    equal: int = 0
    unfinished: int = 0
    by_kind: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    def mismatches(self) -> list[str]:
        """Every count that does not add up; empty when all do."""
        pairs = {
            "tickets asked for = worked": (self.asked, self.tickets),
            "recorded = stated": (self.recorded, self.stated),
            "recorded = server": (self.recorded, self.server),
            "recorded = by kind": (self.recorded, sum(self.by_kind.values())),
            "photos recorded = received": (self.photos, self.received),
            "phones = equal": (self.phones, self.equal),
            "phones unfinished = 0": (self.unfinished, 0),
        }
        return [f"{name}: {one} ≠ {other}" for name, (one, other) in pairs.items() if one != other] + self.differences[:5]


class SimulatedCrew:
    """One phone and the person who holds it; what they do follows from `seed`, the phone's place and the ticket's number."""

    def __init__(self, phone: Handset, index: int, seed: int, photos: Sequence[bytes], photos_each: int) -> None:
        self.phone = phone
        self.index = index
        self._seed = seed
        self._photos = photos
        self._photos_each = photos_each
        self._taken = 0
        self.photo_bytes = 0

    def work_all(self, tickets: Iterable[str]) -> None:
        """One job after another."""
        for ticket in tickets:
            self.work(ticket)

    def work(self, ticket: str) -> None:
        """One job from acceptance to the customer's answer, offline."""
        view = self.phone.show(ticket)
        chance = random.Random(f"{self._seed}/{view.get('number') or ticket}")
        phone = self.phone
        phone.accept(ticket, eta_min=chance.randint(5, 60))
        phone.depart(ticket)
        if chance.random() < 0.04:
            phone.give_back(ticket, chance.choice(["wrong_specialty", "not_as_described", "no_access"]), text="门锁 no access")
            return
        fix = _near(view.get("position"), chance)
        phone.arrive(ticket, fix=fix, no_fix_reason=None if fix else "no satellite")
        phone.start(ticket)
        self._follow_guide(ticket, chance)
        if chance.random() < 0.1:
            phone.suspend(ticket, "waiting for a part")
            phone.resume(ticket)
        if chance.random() < 0.15:
            phone.amend(ticket, {"remarks": f"狗 dog in the yard {chance.randint(1, 99)}"})
        phone.finish(ticket, result="supply restored", cause=chance.choice(["fuse", "cable", "tree", "meter"]))
        self._hand_over(ticket, chance)

    def _follow_guide(self, ticket: str, chance: random.Random) -> None:
        steps: tuple[tuple[str, Callable[[], Any], str | None], ...] = (
            ("isolated", lambda: True, None),
            ("tested_dead", lambda: True, None),
            ("voltage", lambda: round(chance.uniform(198, 242), 1), "V"),
            ("fuse", lambda: chance.choice(["ok", "blown", "missing"]), None),
            ("current", lambda: round(chance.uniform(0, 63), 1), "A"),
        )
        for step, value, unit in steps[: chance.randint(3, len(steps))]:
            self.phone.answer(ticket, GUIDE, GUIDE_VERSION, step, value(), unit=unit, safety=step == "tested_dead" or None)
        for number in range(self._photos_each):
            self._shoot(ticket, "before" if number == 0 else "after" if number == 1 else "other", chance)
        if chance.random() < 0.3:
            self.phone.note(ticket, "更换熔断器 replaced the fuse")

    def _shoot(self, ticket: str, shows: str, chance: random.Random) -> None:
        if self._photos:
            self._taken += 1
            data = as_taken(chance.choice(self._photos), f"{self._seed}/{self.index}/{self._taken}")
            self.phone.photo(ticket, data, shows=shows)
            self.photo_bytes += len(data)

    def _hand_over(self, ticket: str, chance: random.Random) -> Saved:
        result = chance.choices(["answered", "declined", "away", "abandoned"], [70, 10, 15, 5])[0]
        answer = {"overall": chance.choices([1, 2, 3, 4, 5], [4, 4, 10, 30, 52])[0]} if result == "answered" else None
        return self.phone.rate(ticket, answer, result=result)


def _near(position: Mapping[str, Any] | None, chance: random.Random) -> Fix | None:
    """Where a phone at that address would think it is."""
    if not position or chance.random() < 0.05:
        return None
    lat, lon = (position[name] + chance.gauss(0, 0.0002) for name in ("lat", "lon"))
    return Fix(round(lat, 6), round(lon, 6), acc_m=round(chance.uniform(4, 40), 1), age_ms=chance.randint(0, 8000))


def as_taken(data: bytes, label: str) -> bytes:
    """The same picture as another press of the button would store it: other bytes, so it is another photo to everybody."""
    comment = label.encode()
    if data[:2] == b"\xff\xd8":  # a JPEG comment segment right after the start of the image
        return data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:]
    return data + b"\n" + comment


# -------------------------------------------------------------------------------------------------------------- the shift


def simulate_shift(
    address: str,
    codes: Sequence[str],
    *,
    homes: Path,
    tickets: int = 500,
    photos: Sequence[bytes] = (),
    photos_each: int = 2,
    seed: int = 1,
    at_once: int = 8,
    advance: Advance = lambda phase, done, of: None,
) -> Counts:
    """Enrol a phone per code, share out `tickets`, work them offline, sync, and compare every phone with the server.

    Raises Unreachable, Declined (a code that is used up), HandsetFault.
    """
    shift = _Shift(at_once, advance)
    with ExitStack() as stack:

        def enrol(place: tuple[int, str]) -> Handset:
            index, code = place
            return stack.enter_context(Handset.enrol(homes / f"phone-{index:03d}", address, code, f"simulated {index:03d}"))

        phones = shift.each("shift-enrol", enrol, enumerate(codes))
        crews = [SimulatedCrew(phone, index, seed, photos, photos_each) for index, phone in enumerate(phones)]
        shift.each("shift-fetch", _sync, crews)
        work = share_out(crews, tickets)
        shift.each("shift-work", lambda crew: crew.work_all(work[crew.index]), crews)
        for _ in range(ROUNDS_TO_REST):
            finished = shift.each("shift-sync", _sync, crews)
        dealt = sum(map(len, work))
        counts = Counts(len(crews), tickets, dealt, unfinished=finished.count(False), seconds=shift.seconds)
        for one in shift.each("shift-check", _counted, crews):
            one(counts)
    return counts


class _Shift:
    """Runs one phase after another, some phones at once, and says how far it is."""

    def __init__(self, at_once: int, advance: Advance) -> None:
        self._at_once = at_once
        self._advance = advance
        self.seconds: dict[str, float] = {}

    def each(self, phase: str, do: Callable[[T], R], things: Iterable[T]) -> list[R]:
        listed = list(things)
        begun = time.monotonic()
        results: list[R] = []
        with ThreadPoolExecutor(self._at_once) as pool:
            for result in pool.map(do, listed):
                results.append(result)
                self._advance(phase, len(results), len(listed))
        self.seconds[phase] = self.seconds.get(phase, 0.0) + time.monotonic() - begun
        return results


def share_out(crews: Sequence[SimulatedCrew], tickets: int) -> list[list[str]]:
    """Tickets by phone, dealt one at a time, each ticket to one phone; fewer when there are not that many."""
    hands = [sorted(_open_tickets(crew.phone), key=lambda view: str(view.get("number"))) for crew in crews]
    dealt: list[list[str]] = [[] for _ in crews]
    taken: set[str] = set()
    left = tickets
    while left and any(hands):
        for index, hand in enumerate(hands):
            while hand and hand[0]["id"] in taken:
                hand.pop(0)
            if hand and left:
                ticket = str(hand.pop(0)["id"])
                taken.add(ticket)
                dealt[index].append(ticket)
                left -= 1
    return dealt


def _open_tickets(phone: Handset) -> list[dict[str, Any]]:
    return [view for view in phone.tickets() if view.get("state") == "dispatched" and not view.get("gone")]


def _sync(crew: SimulatedCrew) -> bool:
    return crew.phone.sync(attempts=8).done


def _counted(crew: SimulatedCrew) -> Callable[[Counts], None]:
    """Ask the server again from zero, and say what this phone adds to the counts."""
    phone = crew.phone
    served = phone.served()
    differences = phone.differences(served)
    items = [item for item in phone.queue() if item["kind"] != "photo_bytes"]
    named = [(item["line"]["ticket"], item["line"]["sha256"]) for item in items if item["kind"] == "photo"]

    def add(counts: Counts) -> None:
        counts.recorded += sum(own.n for own in phone.replica.state.journals)
        counts.stated += sum(own.stated for own in phone.replica.state.journals)
        counts.server += served.statement.n if served.statement else 0
        counts.by_kind.update(item["kind"] for item in items)
        counts.photos += len(named)
        counts.photo_bytes += crew.photo_bytes
        for ticket, sha256 in named:
            row = served.rows.get(("ticket", ticket))
            counts.received += row is not None and sha256 in row.put.get("photos_received", {})
        counts.equal += not differences
        counts.differences += [f"phone {crew.index}: {key}" for key in differences]

    return add


# ----------------------------------------------------------------------------------------------------------- command line

app = typer.Typer(add_completion=False)


@app.command()
def shift(
    address: Annotated[str, typer.Option("--address", help="The server.")],
    codes_file: Annotated[Path, typer.Option("--codes-file", exists=True, dir_okay=False, help="One enrolment code a line.")],
    tickets: Annotated[int, typer.Option("--tickets", min=0)] = 500,
    handsets: Annotated[int, typer.Option("--handsets", min=1)] = 50,
    photos: Annotated[Path | None, typer.Option("--photos", exists=True, file_okay=False, help="A folder of photos.")] = None,
    photos_each: Annotated[int, typer.Option("--photos-each", min=0, max=20, help="Photos a ticket.")] = 2,
    seed: Annotated[int, typer.Option("--seed")] = 1,
    at_once: Annotated[int, typer.Option("--at-once", min=1, max=64, help="Phones that do something at the same time.")] = 8,
    homes: Annotated[Path | None, typer.Option("--homes", help="Keep the phones' folders here.")] = None,
) -> None:
    """A simulated shift. Status 1 when a count does not add up."""
    lang = language_of(os.environ)
    out, err = Console(highlight=False), Console(stderr=True, highlight=False)
    try:
        codes = _codes(codes_file, handsets)
        pictures = _pictures(photos) if photos else []
        with tempfile.TemporaryDirectory(prefix="handsets-") as temporary, _Bars(err, lang) as bars:
            counts = simulate_shift(
                address,
                codes,
                homes=homes or Path(temporary),
                tickets=tickets,
                photos=pictures,
                photos_each=photos_each,
                seed=seed,
                at_once=at_once,
                advance=bars.advance,
            )
    except (HandsetFault, Unreachable, Declined) as error:
        err.print(_sentence(error, lang), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
    out.print(counts_table(counts, lang))
    wrong = counts.mismatches()
    text = say("shift-differs", lang, what="; ".join(wrong)) if wrong else say("shift-adds-up", lang)
    out.print(text, style="red" if wrong else "green", markup=False, soft_wrap=True)
    if wrong:
        raise typer.Exit(1)


def _codes(path: Path, count: int) -> list[str]:
    rows = [line.split()[0] for line in path.read_text("utf-8").splitlines() if line.strip() and not line.startswith("#")]
    if len(rows) < count:
        raise HandsetFault("few-codes", path=path, found=len(rows), count=count)
    return rows[:count]


def _pictures(folder: Path) -> list[bytes]:
    pictures = [path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix.lower() in (".jpg", ".jpeg", ".png")]
    if not pictures:
        raise HandsetFault("no-photos", path=folder)
    return pictures


def _sentence(error: Exception, lang: Lang) -> str:
    if isinstance(error, HandsetFault):
        return say(error.slug, lang, **error.values)
    return problem_text(error.document, lang) if isinstance(error, Declined) else str(error)


class _Bars:
    """One bar a phase."""

    def __init__(self, console: Console, lang: Lang) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console)
        self._lang = lang
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def advance(self, phase: str, done: int, of: int) -> None:
        if phase not in self._tasks:
            self._tasks[phase] = self._progress.add_task(say(phase, self._lang), total=of)
        self._progress.update(self._tasks[phase], completed=done, total=of)


def counts_table(counts: Counts, lang: Lang) -> Table:
    """The counts as a table; kinds of facts below their sum."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    rows: list[tuple[str, int]] = [
        ("shift-phones", counts.phones),
        ("shift-tickets", counts.tickets),
        ("shift-recorded", counts.recorded),
    ]
    for key, count in rows:
        table.add_row(say(key, lang), f"{count:,}")
    for kind, count in sorted(counts.by_kind.items(), key=lambda pair: (-pair[1], pair[0])):
        table.add_row(f"  {kind_title(kind, lang)}", f"{count:,}", style="dim")
    working_s = counts.seconds.get("shift-work", 0.0)
    rest = [
        ("shift-stated", counts.stated),
        ("shift-server", counts.server),
        ("shift-photos", counts.photos),
        ("shift-received", counts.received),
        ("shift-bytes", counts.photo_bytes),
        ("shift-equal", counts.equal),
        ("shift-facts-s", round(counts.recorded / working_s) if working_s else 0),
    ]
    for key, count in rest:
        table.add_row(say(key, lang), f"{count:,}")
    for phase, seconds in counts.seconds.items():
        table.add_row(say(phase, lang), f"{seconds:.1f} s", style="dim")
    return table


if __name__ == "__main__":
    app()
