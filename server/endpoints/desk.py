"""The office's endpoints: tickets and commands, explanations, dispatch, imports. They translate; `sync` and `desk` decide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from server.desk import intake
from server.desk.geo import Datum
from server.desk.imports import Options, parse_mapping, read_tickets, shipped_mapping
from server.desk.intake import Ground
from server.desk.organisation import parse_organisation
from server.endpoints.devices import author
from server.endpoints.fields import choice, flag, integer, text
from server.service import Service
from server.storage import tables as t
from server.storage.ground import ground_of, put_areas, put_organisation
from server.storage.queries import TicketLine
from server.web import Call, Reply
from sync import merge
from sync.judge import Command
from sync.problems import Refused
from sync.wire import strict_json

TICKETS_A_COMMIT = 200
_FLAGS = frozenset({"dry_run", "shift_to_now"})
# What a person may say about a ticket, and the kind of fact it becomes.
COMMANDS = {
    "assign": "assigned",
    "transfer": "transferred",
    "told-by-phone": "told_by_phone",
    "cancel": "cancelled",
    "merge": "merged",
    "correct": "corrected",
    "decide": "decided",
    "reopen": "reopened",
    "archive": "archived",
    "judge-suspension": "suspension_judged",
    "judge-quarantine": "quarantine_judged",
}


class Desk:
    """Endpoints over one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    # ---------------------------------------------------------------------------------------------------------- tickets

    def list(self, call: Call) -> dict[str, Any]:
        """Tickets by state and crew, a page at a time (`after` = `next` of the page before)."""
        query = call.query()
        count = integer(query, "limit", 1, 1000, default=100)
        after = integer(query, "after", 0, 2**53, default=0)
        lines = self._service.queries().tickets(
            state=query.get("state"), crew=query.get("crew"), after=after, rows_max=count + 1
        )
        page = lines[:count]
        return {"tickets": [_line(line) for line in page], "next": page[-1].key if len(lines) > count else None}

    def show(self, call: Call) -> dict[str, Any]:
        """One ticket by id or number: its projection and its position, for `seen` in a command."""
        identity = self._identity(call.path["ticket"])
        found = self._service.queries().record("ticket", identity)
        assert found is not None, "an id that was just found"
        record, view = found
        # The customer's link is for the crew that shows it: the office does not touch ratings.
        shown = {name: value for name, value in view.items() if name != "rating_path"}
        return {"id": identity, "position": record.position, "ticket": shown}

    def create(self, call: Call) -> Reply:
        """Open a ticket and dispatch it: area by position, station by area, crew by shift, skills and expected arrival."""
        fields = call.json()
        now = self._service.now_ms()
        fields.setdefault("received_at", now)
        identity, number = self._new_name()
        fields.setdefault("number", number)
        plan = intake.plan(identity, fields, self._ground(), author(call.principal), now)
        position = self._service.writer.command(plan.commands)
        document = {"id": identity, "number": fields["number"], "position": position, "crew": plan.crew, "reason": plan.reason}
        return Reply(document, status=201)

    def _new_name(self) -> tuple[str, str]:
        """A new ticket's id and a number nobody has: short enough to say, and so not unique by itself."""
        while True:
            identity = self._service.new_id()
            number = _number(identity)
            if self._service.queries().ticket_id(number) is None:
                return identity, number

    def command(self, call: Call) -> dict[str, Any]:
        """Say something about a ticket. `seen`: the position that was on the screen; a newer one is refused as stale."""
        kind = COMMANDS.get(call.path["command"])
        if kind is None:
            raise Refused("not-found", "Known commands: " + ", ".join(sorted(COMMANDS)))
        body = call.json()
        seen = integer(body, "seen", 0, 2**53, default=None)
        content = {name: value for name, value in body.items() if name != "seen"}
        self._check_crew(content)
        if "parent" in content:
            content["parent"] = self._identity(str(content["parent"]))
        identity = self._identity(call.path["ticket"])
        command = Command(kind, author(call.principal), identity, content, self._service.now_ms(), seen)
        position = self._service.writer.command([command])
        return {"id": identity, "position": position, "command": kind}

    def _check_crew(self, content: Mapping[str, Any]) -> None:
        crew = content.get("crew")
        if isinstance(crew, str) and self._service.queries().one(t.Crew, id=crew) is None:
            raise Refused("not-found", f"There is no crew {crew}.")

    def explain(self, call: Call) -> dict[str, Any]:
        """Why a field shows what it shows: which fact, whose, its interval, the rule, the alternatives."""
        kind, field = call.path["kind"], text(call.query(), "field", 200)
        if kind != "ticket":
            raise Refused("not-found", "Only tickets are merged; ask for kind ticket.")
        found = self._service.queries().record("ticket", self._identity(call.path["id"]))
        assert found is not None, "an id that was just found"
        return {"id": found[0].id, "kind": kind, **merge.explain(found[0], field)}

    def _identity(self, name: str) -> str:
        identity = self._service.queries().ticket_id(name)
        if identity is None:
            raise Refused("not-found", f"There is no ticket {name}.")
        return identity

    # ---------------------------------------------------------------------------------------------------------- dispatch

    def unplaced(self, call: Call) -> dict[str, Any]:
        """Tickets nobody has, each with the reason, for the dispatcher to place by hand."""
        ground, now = self._ground(), self._service.now_ms()
        lines = self._service.queries().tickets(state="received", crew=None, after=0, rows_max=10_000)
        return {"tickets": [{**_line(line), "reason": intake.reason(line.view, ground, now)} for line in lines]}

    def dispatch(self, call: Call) -> dict[str, Any]:
        """Try again to place every ticket nobody has; says how many now have a crew and why the others do not."""
        ground, now = self._ground(), self._service.now_ms()
        lines = self._service.queries().tickets(state="received", crew=None, after=0, rows_max=10_000)
        reasons: dict[str, int] = {}
        batch: list[Command] = []
        for line in lines:
            plan = intake.place(line.id, line.view, ground, author(call.principal), now)
            reasons[plan.reason] = reasons.get(plan.reason, 0) + 1
            batch += plan.commands
        for start in range(0, len(batch), TICKETS_A_COMMIT):
            self._service.writer.command(batch[start : start + TICKETS_A_COMMIT])
        return {"tried": len(lines), "reasons": reasons}

    def _ground(self) -> Ground:
        return ground_of(self._service.queries())

    # ----------------------------------------------------------------------------------------------------------- imports

    def import_areas(self, call: Call) -> dict[str, Any]:
        """GeoJSON areas; options in the first line: id, name, station, class properties, default class, datum."""
        options, data = import_options(call.body)
        if options.get("datum"):
            choice(options, "datum", [str(datum) for datum in Datum])
        areas = intake.read_areas(options, data)
        if not flag(options, "dry_run"):
            self._service.writer.work(lambda tx: put_areas(tx, areas), refers=True)
        notes = [f"{area.id}: {note}" for area in areas for note in area.notes]
        stations = len({area.station for area in areas})
        return {"areas": len(areas), "stations": stations, "notes": notes[:50], "dry_run": flag(options, "dry_run")}

    def import_org(self, call: Call) -> dict[str, Any]:
        """Stations, crews, members, memberships and shifts, all of them or none."""
        options, data = import_options(call.body)
        org = parse_organisation(data, options.get("tz") or "Asia/Shanghai")
        now = self._service.now_ms()
        if not flag(options, "dry_run"):
            self._service.writer.work(lambda tx: put_organisation(tx, org, now), refers=True)
        counts = {name: len(getattr(org, name)) for name in ("stations", "crews", "members", "memberships", "shifts")}
        return {**counts, "dry_run": flag(options, "dry_run")}

    def import_tickets(self, call: Call) -> dict[str, Any]:
        """Tickets from CSV by a mapping, dispatched as they come in; rows already known by number are left alone."""
        options, data = import_options(call.body)
        mapping = parse_mapping(options["mapping_text"].encode()) if options.get("mapping_text") else None
        mapping = mapping or shipped_mapping(text(options, "mapping", 64))
        now = self._service.now_ms()
        datum = options.get("datum") and Datum(choice(options, "datum", [str(datum) for datum in Datum]))
        shift = now if flag(options, "shift_to_now") else None
        rows, report = read_tickets(data, mapping, Options(options.get("tz"), datum, shift))
        result = intake.Result()
        ground = self._ground()
        known_areas = frozenset(name.casefold() for name in ground.area_names.values())
        queries = self._service.queries()
        batch: list[Command] = []
        pending = 0
        for row in rows:
            if queries.ticket_id(str(row.fields["number"])) is not None:
                result.known += 1
                continue
            plan = intake.plan(self._service.new_id(), row.fields, ground, author(call.principal), now)
            result.count(plan, row, known_areas)
            batch += plan.commands
            pending += 1
            if pending % TICKETS_A_COMMIT == 0 and not flag(options, "dry_run"):
                self._service.writer.command(batch)
                batch = []
        if batch and not flag(options, "dry_run"):
            self._service.writer.command(batch)
        return {"file": report_row(report), "result": result.row(), "dry_run": flag(options, "dry_run")}


def report_row(report: Any) -> dict[str, Any]:
    """An import report as JSON; rejections and duplicates are cut to the first fifty of each."""
    names = (
        "mapping encoding read accepted duplicate_in_file rejected with_position without_position shifted_ms notes rejected_for"
    )
    row: dict[str, Any] = {name: getattr(report, name) for name in names.split()}
    row["rejections"] = [{"line": r.line, "reason": r.reason, "detail": r.detail} for r in report.rejections[:50]]
    row["duplicates"] = [{"line": line, "number": number} for line, number in report.duplicates[:50]]
    return row


def import_options(body: bytes) -> tuple[dict[str, Any], bytes]:
    """An import request: one line of JSON options, then the file as it is."""
    first, _, data = body.partition(b"\n")
    options = strict_json(first)
    if not isinstance(options, dict) or not data:
        raise Refused("bad-request", "The first line must be a JSON object of options, then the file follows.")
    wrong = [name for name, value in options.items() if name not in _FLAGS and not isinstance(value, str | None)]
    if wrong:
        raise Refused("bad-value", f"These options must be text: {', '.join(wrong)}.")
    return options, data


def _line(line: TicketLine) -> dict[str, Any]:
    names = "number kind state assigned_crew fence received_at address area station priority description position"
    return {"id": line.id, "at": line.position} | {name: line.view[name] for name in names.split() if name in line.view}


def _number(identity: str) -> str:
    """A number people can say: WO- and ten digits from the random end of the id."""
    return f"WO-{int(identity[-12:], 16) % 10**10:010d}"
