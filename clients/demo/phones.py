"""One person's phone in the story: a handset, and how its owner works through a morning with it.

Refuses to know the office and the screen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from clients.demo.district import picture
from clients.demo.morning import Job, Person
from clients.demo.words import Words
from clients.handset.phone import Fix, Handset
from clients.handset.syncer import Synced
from sync.facts import Truth

_DOOR_DEG = 0.0001
"""About ten metres: where somebody stands who is at the door of an address."""
_CREW_PIN = Fix(27.9702, 116.3380, 12.0, 1_000)
"""Where the leaning pole of the story stands."""


class PhoneFault(Exception):
    """A phone did not get through; the message is the server's or the road's own word."""


class Phone:
    """A handset that counts what its owner does. `recorded` facts and `pictures` are those of the morning."""

    def __init__(self, handset: Handset) -> None:
        self.handset = handset
        self.recorded = 0
        self.pictures = 0
        self._advance: Callable[[], None] = lambda: None

    @classmethod
    def enrol(cls, folder: Path, address: str, code: str, name: str) -> Self:
        """A new phone in `folder`."""
        return cls(Handset.enrol(folder, address, code, name))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.handset.close()

    def notices(self) -> list[dict[str, Any]]:
        """What the phone keeps telling its owner after the thing itself is gone."""
        return self.handset.replica.state.notices

    # -------------------------------------------------------------------------------------------------------- the morning

    def work(self, person: Person, say: Words, advance: Callable[[], None]) -> None:
        """Everything this person does without signal; `advance` is called after each durable fact."""
        self._advance = advance
        for job in person.jobs:
            self._visit(job, say)
        if person.raises:
            fields = {"kind": "hazard", "description": say(person.raises), "position": _position(_CREW_PIN)}
            self._record(self.handset.raise_ticket, fields)

    def _visit(self, job: Job, say: Words) -> None:
        phone, ticket = self.handset, self.handset.find(job.number)
        self._record(phone.accept, ticket, eta_min=15)
        self._record(phone.depart, ticket)
        self._record(phone.arrive, ticket, fix=_door(phone.show(ticket)))
        guide = phone.guide_for(ticket)
        assert guide is not None and guide["guide"] == job.guide, f"{job.number} is not worked by {job.guide}"
        for step in guide["steps"]:
            if step["id"] in job.answers:
                self._step(ticket, guide, step, job.answers[step["id"]], say)
        if job.correction:
            self._record(phone.amend, ticket, {name: say(key) for name, key in job.correction.items()})
        self._record(phone.finish, ticket, result=say("result_done"), cause=job.cause)
        self._rate(ticket, job, say)

    def _step(self, ticket: str, guide: Mapping[str, Any], step: Mapping[str, Any], value: Any, say: Words) -> None:
        if step["type"] == "photo":
            self.pictures += 1
            taken = picture(value, f"{ticket} {step['id']}")
            self._record(self.handset.photo, ticket, taken, step=step["id"], shows=step.get("shows"))
            return
        answer = say(value) if step["type"] == "text" else value
        words = {"unit": step.get("unit"), "safety": step.get("safety")}
        self._record(self.handset.answer, ticket, guide["guide"], guide["version"], step["id"], answer, **words)

    def _rate(self, ticket: str, job: Job, say: Words) -> None:
        opened = self._record(self.handset.open_rating, ticket)
        if job.score is not None:
            self._record(self.handset.close_rating, opened, {"overall": job.score})
        else:
            self._record(self.handset.close_rating, opened, result=job.no_rating or "away", reason=say("not_rated"))

    def _record(self, verb: Callable[..., Any], *positional: Any, **named: Any) -> Any:
        saved = verb(*positional, **named)
        self.recorded += 1
        self._advance()
        return saved

    # ------------------------------------------------------------------------------------------------------------ talking

    def sync(self) -> Synced:
        """Talk to the server until both sides have everything. Raises PhoneFault."""
        told = self.handset.sync()
        if not told.done:
            raise PhoneFault(told.fault or str(told.problem))
        return told

    # ------------------------------------------------------------------------------------------------------------ showing

    @property
    def facts(self) -> int:
        """Every line this phone ever wrote, the opening of its journal included."""
        return sum(own.n for own in self.handset.replica.state.journals)

    @property
    def waiting(self) -> int:
        """Facts and photos headquarters has not stated yet."""
        return self.handset.replica.waiting + self.handset.photos_waiting

    def tickets(self) -> list[dict[str, Any]]:
        """Every ticket on the phone as the crew sees it."""
        return self.handset.tickets()

    def guides(self) -> list[dict[str, Any]]:
        """Every work guide that came down with the feed."""
        return self.handset.guides()

    def show(self, number: str) -> dict[str, Any]:
        """One of them."""
        return self.handset.show(number)

    def queue(self) -> list[dict[str, Any]]:
        """Every fact still on the phone."""
        return [item for item in self.handset.queue() if item["kind"] != "photo_bytes"]

    def truths(self) -> Counter[str]:
        """How many facts stand under each word of truth."""
        return Counter(item["truth"] for item in self.queue())

    def contested(self) -> list[str]:
        """Facts of this phone that wait for a person."""
        return [item["fact"] for item in self.queue() if item["truth"] == str(Truth.NEEDS_YOU)]

    def photos_sent(self) -> tuple[int, int]:
        """(photos headquarters has, photos taken)."""
        return self.pictures - self.handset.photos_waiting, self.pictures


def _door(view: Mapping[str, Any]) -> Fix | None:
    """Where the phone finds itself at the ticket's address, if the ticket says where that is."""
    place = view.get("position")
    return None if place is None else Fix(place["lat"] + _DOOR_DEG, place["lon"], 9.0, 2_000)


def _position(fix: Fix) -> dict[str, Any]:
    return {"lat": fix.lat, "lon": fix.lon, "acc_m": fix.acc_m, "source": "phone"}
