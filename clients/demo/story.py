"""The told story: one morning of a small district, over HTTP only, ending in accounts that must agree.

Chapters in the order they are told; each does real things to a real server and shows what came of it. Refuses to know how
the server is started (the command line's) and what merging decides (it asks `explain`).
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.text import Text

from clients.demo import district
from clients.demo.counts import VISIT_FACTS, Count, Pulled, csv_rows, matched, moments, photos
from clients.demo.morning import BY_HAND, CANCELLED, CORRECTED, LATE_ARRIVAL, LATE_CALL, PEOPLE, TRANSFERRED, Person
from clients.demo.office import Office
from clients.demo.phones import Phone
from clients.demo.screen import ASK, OFF, OK, WRONG, Cell, Screen
from clients.demo.words import Words
from clients.handset.words import STATES, TRUTH
from sync.facts import Truth

LATE_CALL_AGE_MS = 45 * 60_000
"""The urban arrival limit of a fault repair (server/desk/limits.toml)."""
LATE_CALL_LEFT_MS = 4_000
"""What is left of it when the call is passed on: enough to arrive in, and gone before the phones have signal again."""
CSV_KINDS = ("ticket", "points", "verdict", "rating")
PLAIN_REASONS = frozenset(["base", "share"])
"""Reasons every entry has; the table leaves them to the one entry that is told in full."""
_ZONE = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True, slots=True)
class StoryResult:
    """What came of the story, for whoever told it.

    `verdicts` maps ticket numbers to the verdict on their arrival; `states` to where they stand; `contests` maps
    "number field" to whether it is still open; `scores` are the ratings headquarters opened.
    """

    counts: tuple[Count, ...]
    verdicts: Mapping[str, str]
    states: Mapping[str, str]
    contests: Mapping[str, bool]
    entries: tuple[Mapping[str, Any], ...]
    scores: tuple[int, ...]
    files: tuple[Path, ...]
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether every account agrees."""
        return bool(self.counts) and all(count.agrees for count in self.counts)

    @property
    def exit_status(self) -> int:
        """0 when every account agrees, else 1."""
        return 0 if self.holds else 1


def run(address: str, admin_token: str, work_dir: Path, language: str, console: Console, pace_s: float = 0.0) -> StoryResult:
    """Tell the story against the server at `address`, whose district is still empty.

    `work_dir` receives a folder per phone under `phones/` and what headquarters pulled under `hq/`. `language` is zh-CN
    or en; `pace_s` is how long to rest after each chapter, for somebody who reads along.
    Raises `OfficeRefused` and the handset's faults when something that must work does not.
    """
    begun = time.monotonic()
    with ExitStack() as stack:
        story = _Story(stack, address, admin_token, work_dir, Words(language), Screen(console), pace_s)
        story.tell()
        return story.result(time.monotonic() - begun)


class _Story:
    """The people, the phones and the screen, and one method a chapter."""

    def __init__(
        self, stack: ExitStack, address: str, token: str, work_dir: Path, words: Words, screen: Screen, pace_s: float
    ) -> None:
        self.address = address
        self.folder = work_dir
        self.stack = stack
        self.say = words
        self.screen = screen
        self.pace_s = pace_s
        self.admin = stack.enter_context(Office(address, token))
        self.dispatcher = stack.enter_context(self.admin.colleague("dispatcher", "user:dispatcher"))
        self.hq = stack.enter_context(self.admin.colleague("hq", "user:hq"))
        self.names = district.names(words.language)
        self.titles = district.titles(words.language)
        self.phones: dict[str, Phone] = {}
        self.imported = 0
        self.late_due_ms = 0
        self.heard_before: list[int] = []
        self.requests_in_flight = self.replayed = -1
        self.pulled = Pulled({})
        self.tables: dict[str, bytes] = {}
        self.files: list[Path] = []
        self.counts: list[Count] = []

    def tell(self) -> None:
        """Every chapter in order."""
        self.screen.console.print(f"[bold]{self.say('title')}[/bold]\n{self.say('intro')}", highlight=False)
        chapters = (
            self._district,
            self._enrol,
            self._flight,
            self._meanwhile,
            self._signal,
            self._who_won,
            self._decision,
            self._pull,
            self._arrivals,
            self._points,
            self._accounts,
        )
        for chapter in chapters:
            chapter()
            # The late call's seconds are running from the second chapter on: only afterwards there is time to read.
            if chapter not in (self._enrol, self._accounts):
                time.sleep(self.pace_s)

    # ------------------------------------------------------------------------------------------------------ the chapters

    def _district(self) -> None:
        self._chapter("district")
        say, line = self.say, self.screen.line
        options = {"id": "id", "name": "name_zh", "station": "station", "class": "class"}
        line(say("areas_in", **self.admin.upload("areas", options, district.read_bytes("areas.geojson"))))
        line(say("org_in", **self.admin.upload("org", {"tz": "Asia/Shanghai"}, district.organisation(_now_ms()))))
        guides = [self.admin.upload("guide", {}, data) for data in district.guides().values()]
        line(say("guides_in", guides=len(guides), steps=sum(guide["steps"] for guide in guides)))
        mapped = {"mapping_text": district.read_bytes("mapping.toml").decode(), "shift_to_now": True}
        said = self.admin.upload("tickets", mapped, district.read_bytes("tickets.csv"))
        report, result = said["file"], said["result"]
        self.imported = result["created"]
        line(say("tickets_in", duplicate=report["duplicate_in_file"], **_some(report, "read accepted rejected")))
        for row in report["rejections"]:
            line(say("row_rejected", line=row["line"], detail=row["detail"]), ASK, "yellow")
        waiting = self.dispatcher.get("/v1/unplaced")["tickets"]
        line(say("dispatched", waiting=len(waiting), **_some(result, "dispatched agreed compared")))
        for row in waiting:
            line(f"{self._title(row['number'])} – {say('reason_' + row['reason'])}", ASK, "yellow")
        self.dispatcher.say(BY_HAND, "assign", crew="qx-line")
        line(say("placed_by_hand", ticket=self._title(BY_HAND), crew=self.names["qx-line"]))

    def _enrol(self) -> None:
        self._chapter("phones")
        for person in PEOPLE:
            code = self.admin.post("/v1/enrol-codes", {"member": person.member})["code"]
            folder = self.folder / "phones" / person.member
            phone = self.stack.enter_context(Phone.enrol(folder, self.address, code, self.say(person.phone)))
            self.phones[person.member] = phone
            phone.sync()
            crew = self.names[district.crew_of(person.member)]
            words = {"name": self.names[person.member], "crew": crew, "code": code, "tickets": len(phone.tickets())}
            self.screen.line(self.say("phone_enrolled", **words))
        guides = self.phones["chen"].guides()
        labels = " · ".join(f"{guide['title'][self.say.language]} v{guide['version']}" for guide in guides)
        self.screen.line(self.say("guides_on_phone", guides=labels))
        self._late_call()

    def _late_call(self) -> None:
        """A call that reaches the office when its limit is almost over, and one phone just before flight mode."""
        self.late_due_ms = _now_ms() + LATE_CALL_LEFT_MS
        fields = {
            "number": LATE_CALL,
            "kind": "fault_repair",
            "source": "hotline",
            "received_at": self.late_due_ms - LATE_CALL_AGE_MS,
            "position": {"lat": 27.9262, "lon": 116.3716, "source": "agent"},
            "address": self.say("address_late"),
            "fault_class": "lv_outage_household",
            "priority": 1,
        }
        self.dispatcher.post("/v1/tickets", fields)
        words = {"ticket": self._title(LATE_CALL), "seconds": LATE_CALL_LEFT_MS // 1000}
        self.screen.line(self.say("late_call", **words), ASK, "yellow")
        self.phones["chen"].sync()

    def _flight(self) -> None:
        self.heard_before = self._heard()
        self._chapter("flight")
        with self.screen.progress(self.say("working"), sum(map(_facts_planned, PEOPLE))) as advance:
            for person in PEOPLE:
                self.phones[person.member].work(person, self.say, advance)
        for person in PEOPLE:
            phone = self.phones[person.member]
            name = self.names[person.member]
            words = {"visits": len(person.jobs), "facts": phone.recorded, "photos": phone.pictures}
            self.screen.line(self.say("flight_done", name=name, **words), OFF, "magenta")
            if person.raises:
                self.screen.line(self.say("raised", name=name, text=self.say(person.raises)), OFF, "magenta")

    def _meanwhile(self) -> None:
        self._chapter("office")
        say, line, desk = self.say, self.screen.line, self.dispatcher
        desk.say(TRANSFERRED, "transfer", crew="qx-line", reason=say("reason_transfer"))
        crews = {"old": self.names["lt-repair"], "new": self.names["qx-line"]}
        line(say("office_transfers", ticket=self._title(TRANSFERRED), **crews))
        desk.say(CANCELLED, "cancel", reason=say("reason_cancel"))
        line(say("office_cancels", ticket=self._title(CANCELLED), reason=say("reason_cancel")))
        address = say("address_office")
        desk.say(CORRECTED, "correct", set={"address": address})
        line(say("office_corrects", ticket=self._title(CORRECTED), address=address))
        with self.screen.console.status(say("limit_passes", ticket=self._title(LATE_CALL))):
            time.sleep(max(0, self.late_due_ms - _now_ms()) / 1000)
        self.requests_in_flight = sum(old != new for old, new in zip(self.heard_before, self._heard(), strict=True))
        line(say("silence"), OFF, "magenta")

    def _signal(self) -> None:
        self._chapter("signal")
        rows = []
        rescue = self.folder / "li.bundle"
        self.phones["li"].handset.bundle_out(rescue)
        for person in sorted(PEOPLE, key=lambda person: person.member != "li"):
            phone = self.phones[person.member]
            before = phone.truths()
            phone.sync()
            sent, taken = phone.photos_sent()
            rows.append([self.names[person.member], self._truths(before), self._truths(phone.truths()), f"{sent}/{taken}"])
        self.screen.table(self._headings("phone before after photos"), rows)
        stored = self._stored()
        self.phones["zhou"].handset.bundle_in(rescue)
        self.replayed = self._stored() - stored
        words = {"name": self.names["li"], "other": self.names["zhou"], "count": self.replayed}
        self.screen.line(self.say("delivered_again", **words))

    def _who_won(self) -> None:
        self._chapter("won")
        contests = ((TRANSFERRED, "state"), (CANCELLED, "state"), (CORRECTED, "address"))
        for number, field in contests:
            self.screen.line(self._explained(number, field))
        self.screen.console.print(" " + self.say("on_the_phones"))
        for sentence in self._on_the_phones():
            self.screen.line(sentence, ASK, "yellow")

    def _on_the_phones(self) -> list[str]:
        """What the phones themselves know now, each in one sentence."""
        li, zhou = self.phones["li"], self.phones["zhou"]
        moved = self.dispatcher.ticket(TRANSFERRED)["id"]
        safe = Counter(item["kind"] for item in li.queue() if item["line"].get("ticket") == moved)
        told = []
        if moved not in [view["id"] for view in li.tickets()]:
            notice = next(row for row in li.notices() if row["slug"] == "reassigned")
            words = {"name": self.names["li"], "ticket": self._title(TRANSFERRED), "photos": safe["photo"]}
            words |= {"crew": self.names[notice["crew"]], "at": _clock(notice["at"])}
            told.append(self.say("phone_reassigned", **words))
        handled = zhou.show(TRANSFERRED)["handled"]
        words = {"ticket": self._title(TRANSFERRED), "crew": self.names[handled["crew"]], "at": _clock(handled["at"])}
        told.append(self.say("phone_handled", name=self.names["zhou"], **words))
        closing = li.show(CANCELLED)["closing"]
        words = {"ticket": self._title(CANCELLED), "at": _clock(closing["at"]), "reason": closing["reason"]}
        told.append(self.say("phone_cancelled", name=self.names["li"], **words))
        contested = {self.names[member]: len(phone.contested()) for member, phone in self.phones.items()}
        told += [self.say("phone_contested", name=name, count=count) for name, count in contested.items() if count]
        return told

    def _decision(self) -> None:
        self._chapter("decision")
        before = self.dispatcher.ticket(TRANSFERRED)["ticket"]
        work = next(rival for rival in before["contests"]["state"]["alternatives"] if rival["value"] == "completed")
        reason = self.say("reason_decision")
        self.dispatcher.say(TRANSFERRED, "decide", field="state", choose=work["fact"], reason=reason)
        after = self.dispatcher.ticket(TRANSFERRED)["ticket"]
        words = {"before": self._state(before["state"]), "after": self._state(after["state"]), "reason": reason}
        self.screen.line(self.say("decided", ticket=self._title(TRANSFERRED), **words))
        contested = len(self.phones["li"].contested())
        for phone in self.phones.values():
            phone.sync()
        names = {"name": self.names["li"], "other": self.names["zhou"]}
        settled = contested - len(self.phones["li"].contested())
        state = self._state(self.phones["zhou"].show(TRANSFERRED)["state"])
        self.screen.line(self.say("decision_heard", state=state, count=settled, **names))

    def _pull(self) -> None:
        self._chapter("hq")
        lines, cursor = self.hq.feed()
        self._write("feed.ndjson", b"\n".join(lines) + b"\n", len(lines))
        self.pulled = Pulled.of(lines)
        self.screen.line(self.say("cursor_next", cursor=cursor, rows=len(self.hq.feed(cursor)[0])))
        for kind in CSV_KINDS:
            self.tables[kind] = self.hq.raw(f"/v1/hq/export/{kind}")
            self._write(f"{kind}.csv", self.tables[kind], len(csv_rows(self.tables[kind])))
        scores = self._scores()
        words = {"answered": len(scores), "scores": " ".join(map(str, scores))}
        self.screen.line(self.say("ratings_at_hq", other=len(self.pulled.kind("rating")) - len(scores), **words))
        still = sum(bool(contest["open"]) for contest in self.pulled.kind("contest").values())
        self.screen.line(self.say("still_open", count=still), ASK, "yellow")

    def _arrivals(self) -> None:
        self._chapter("arrivals")
        rows = []
        for number, limit, visit in self._arrived():
            due, arrived = limit["due"][1], visit["arrived"]
            bounds = f"{_clock(arrived['lower'])} – {_clock(arrived['upper'])}"
            verdict = self.say(f"verdict_{limit['verdict']}")
            rows.append([number, str(limit["amount"]), _clock(due), _clock(arrived["at"]), bounds, verdict])
        self.screen.table(self._headings("ticket limit due arrived bounds verdict"), rows)

    def _points(self) -> None:
        self._chapter("points")
        rows: list[list[str]] = []
        sums = Counter[str]()
        for row in self._entries():
            content = row["content"]
            member = content["member"].removeprefix("member:")
            sums[member] += content["milli"]
            entry = self.say(f"entry_{content['kind']}")
            why = self._reasons(row, leave_out=PLAIN_REASONS)
            rows.append([row["number"], self.names[member], entry, _decimal(content["milli"]), why])
        self.screen.table(self._headings("ticket member entry points why"), rows)
        late = next(row for row in self._entries() if row["number"] == LATE_ARRIVAL)
        self.screen.line(self.say("points_in_full", ticket=self._title(LATE_ARRIVAL), why=self._reasons(late)))
        for member, milli in sums.items():
            self.screen.line(self.say("points_sum", name=self.names[member], points=_decimal(milli)))

    def _reasons(self, row: Mapping[str, Any], *, leave_out: frozenset[str] = frozenset()) -> str:
        """The server's own sentences about an entry, without those of some codes."""
        codes = [reason["code"] for reason in row["content"]["reasons"]]
        sentences = zip(codes, row["explained"][self.say.language], strict=True)
        return self.say("semicolon").join(sentence for code, sentence in sentences if code not in leave_out)

    # ------------------------------------------------------------------------------------------------------ the accounts

    def _accounts(self) -> None:
        self._chapter("counts")
        self.counts = [*self._fact_counts(), *self._photo_counts(), *self._other_counts()]
        marks = {True: Text(OK, "green"), False: Text(WRONG, "red")}
        rows: list[list[Cell]] = [[marks[c.agrees], self.say(c.name), str(c.left), str(c.right)] for c in self.counts]
        self.screen.table(["", *self._headings("what left right")], rows)

    def _fact_counts(self) -> list[Count]:
        phones = self.phones.values()
        recorded = [item["fact"] for phone in phones for item in phone.queue() if item["kind"] in VISIT_FACTS]
        shown = [fact for view in self.pulled.kind("ticket").values() for fact in moments(view)]
        return [
            Count("count_silence", self.requests_in_flight, 0),
            Count("count_facts", sum(phone.facts for phone in phones), self._stored()),
            Count("count_replayed", self.replayed, 0),
            Count("count_waiting", sum(phone.waiting for phone in phones), 0),
            Count("count_visit_facts", len(recorded), matched(recorded, shown)),
        ]

    def _photo_counts(self) -> list[Count]:
        named, received = photos(self.pulled.kind("ticket").values())
        same = [sha256 for sha256 in sorted(received) if self._fetched(sha256) == sha256]
        taken = sum(phone.pictures for phone in self.phones.values())
        return [Count("count_photos", taken, len(named & received)), Count("count_photo_bytes", len(received), len(same))]

    def _fetched(self, sha256: str) -> str:
        return hashlib.sha256(self.hq.raw(f"/v1/photos/by-hash/{sha256}/original")).hexdigest()

    def _other_counts(self) -> list[Count]:
        tickets = self.pulled.kind("ticket")
        raised = sum(person.raises is not None for person in PEOPLE)
        sealed = sum(job.score is not None for person in PEOPLE for job in person.jobs)
        shown = [(view["id"], view) for phone in self.phones.values() for view in phone.tickets()]
        # The way to the customer's own rating page is the crew's alone.
        open_to_all = [(identity, {name: view[name] for name in view if name != "rating_path"}) for identity, view in shown]
        same = [identity for identity, view in open_to_all if {**tickets[identity], "id": identity} == view]
        fed = sum(row["content"]["milli"] for row in self._entries())
        return [
            Count("count_ratings", sealed, len(self._scores())),
            Count("count_tickets", self.imported + 1 + raised, len(tickets)),
            Count("count_projection", len(shown), len(same)),
            Count("count_points", fed, sum(int(row["milli"]) for row in csv_rows(self.tables["points"]))),
        ]

    def result(self, seconds: float) -> StoryResult:
        """The result, said in one line first."""
        wrong = sum(not count.agrees for count in self.counts)
        if wrong:
            self.screen.line(self.say("disagree", count=wrong), WRONG, "red")
        else:
            self.screen.line(self.say("all_agree", seconds=f"{seconds:.1f}"))
        contests = self.pulled.kind("contest").values()
        return StoryResult(
            tuple(self.counts),
            {number: limit["verdict"] for number, limit, _ in self._arrived()},
            {view["number"]: view["state"] for view in self.pulled.kind("ticket").values() if "number" in view},
            {f"{contest['number']} {contest['field']}": contest["open"] for contest in contests},
            tuple(self._entries()),
            tuple(self._scores()),
            tuple(self.files),
            seconds,
        )

    # ------------------------------------------------------------------------------------------------------------- small

    def _chapter(self, name: str) -> None:
        self.screen.chapter(self.say(name), self.say(f"{name}_line"))

    def _headings(self, names: str) -> list[str]:
        return [self.say(f"column_{name}") for name in names.split()]

    def _title(self, number: str | None) -> str:
        return f"{number} {self.titles[number]}" if number in self.titles else self.say("raised_title")

    def _state(self, state: str) -> str:
        return _of(STATES[state], self.say.language)

    def _truths(self, counted: Mapping[str, int]) -> str:
        words = {str(truth): _of(pair, self.say.language) for truth, pair in TRUTH.items()}
        return "  ".join(f"{words[truth]} {counted[truth]}" for truth in map(str, Truth) if counted.get(truth))

    def _who(self, by: str) -> str:
        kind, _, name = by.partition(":")
        return self.names[name] if kind == "member" else self.say("dispatcher")

    def _heard(self) -> list[int]:
        """When headquarters last heard each phone."""
        return [line["heard_at"] for line in self.hq.get("/v1/hq/devices")["devices"]]

    def _stored(self) -> int:
        """How many facts of phones headquarters has."""
        return sum(line["stored_n"] for line in self.hq.get("/v1/hq/devices")["devices"])

    def _explained(self, number: str, field: str) -> str:
        """What shows, what is kept beside it, and the rule, by the server's own explanation."""
        said = self.dispatcher.get(f"/v1/explain/ticket/{number}", field=field)
        if field == "state":
            shown, kept = self._state(said["shown"]), self._rival_states(said["contest"]["alternatives"])
        else:
            shown = self._told(said["shown"], said["by"])
            kept = [self._told(other["value"], other) for other in said["alternatives"] if other["kind"] != "created"]
        rule = self.say(f"rule_{said['rule']}")
        words = {"ticket": self._title(number), "field": self.say(f"field_{field}"), "shown": shown}
        return self.say("won_row", kept=self.say("semicolon").join(kept), rule=rule, **words)

    def _rival_states(self, rivals: Sequence[Mapping[str, Any]]) -> list[str]:
        """Of a crew's rival steps only the furthest is told; the others led to it."""
        return [self._told(self._state(rival["value"]), rival) for rival in rivals[-1:]]

    def _told(self, value: str, write: Mapping[str, Any]) -> str:
        return self.say("somebody_says", value=value, who=self._who(write["by"]), at=_clock(write["at"]))

    def _write(self, name: str, data: bytes, rows: int) -> None:
        path = self.folder / "hq" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.files.append(path)
        self.screen.line(self.say("file_written", file=f"hq/{name}", rows=rows))

    def _scores(self) -> list[int]:
        ratings = self.pulled.kind("rating").values()
        return sorted((row["answer"]["overall"] for row in ratings if "overall" in row["answer"]), reverse=True)

    def _entries(self) -> list[Mapping[str, Any]]:
        rows = self.pulled.kind("points").values()
        return sorted(rows, key=lambda row: (row["number"], row["ordinal"]))

    def _arrived(self) -> list[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
        """(number, limit, visit) of every judged arrival, in the order of numbers."""
        found = []
        for view in self.pulled.kind("ticket").values():
            for limit in view.get("limits", ()):
                visit = next((v for v in view["visits"].values() if v.get("arrived", {}).get("fact") == limit["fact"]), None)
                if limit["name"] == "arrive" and limit["verdict"] and visit:
                    found.append((view["number"], limit, visit))
        return sorted(found, key=lambda row: row[0])


def _facts_planned(person: Person) -> int:
    """Accept, depart, arrive, finish, rating opened and closed; the answers; corrections; and a ticket raised."""
    return sum(6 + len(job.answers) + bool(job.correction) for job in person.jobs) + bool(person.raises)


def _some(row: Mapping[str, Any], names: str) -> dict[str, Any]:
    return {name: row[name] for name in names.split()}


def _of(pair: tuple[str, str], language: str) -> str:
    """The handset's tables hold (English, Chinese)."""
    return pair[1] if language == "zh" else pair[0]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _clock(at_ms: int | None) -> str:
    """A time of day in the district, to the second."""
    return "…" if at_ms is None else datetime.fromtimestamp(at_ms / 1000, _ZONE).strftime("%H:%M:%S")


def _decimal(milli: int) -> str:
    return f"{milli / 1000:.3f}".rstrip("0").rstrip(".")
