"""The command line: `lamplighter …`, or `python -m server …`.

Every command that touches tickets or people goes through the same HTTP API: to the server that owns the data folder when one
runs, else to one that lives for just this command. Exit 0 done, 1 refused, 2 usage.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from server import commands
from server.commands import Office, Said
from server.keys import KeyFault
from server.settings import BadSetting, load_settings
from sync.problems import Refused

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Lamplighter: field crews offline, the office online.")
ticket = typer.Typer(no_args_is_help=True, help="Tickets: list, show, and what the office says about them.")
imports = typer.Typer(no_args_is_help=True, help="Areas, organisation and tickets from files.")
app.add_typer(ticket, name="ticket")
app.add_typer(imports, name="import")
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Name = Annotated[str, typer.Argument(help="Ticket id or number.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; people read it.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen and change nothing.")]
Seen = Annotated[int | None, typer.Option("--seen", help="Position of the ticket as you saw it; newer is refused.")]


# ------------------------------------------------------------------------------------------------------------- the server


@app.command()
def init() -> None:
    """Make keys, the database and the first admin; its password is printed once."""
    login, password = commands.init(load_settings())
    out.print(f"Keys and database are in [bold]{load_settings().data}[/bold].")
    out.print(f"First admin: [bold]{login}[/bold], password: [bold]{password}[/bold]  (shown this once)")


@app.command()
def migrate() -> None:
    """Bring the database to this version's schema."""
    out.print(commands.migrate_database(load_settings()))


@app.command()
def serve() -> None:
    """Run the server in the foreground until Ctrl-C."""
    commands.serve(load_settings(), lambda address: err.print(f"Lamplighter is at [bold]{address}[/bold]. Ctrl-C ends it."))


@app.command()
def doctor() -> None:
    """Check settings, keys, database, clock and disk; says what to do about each fault."""
    findings = commands.doctor(load_settings())
    table = Table("", "check", "finding", box=None)
    for finding in findings:
        table.add_row("[green]ok[/green]" if finding.good else "[red]!![/red]", finding.name, finding.text)
    out.print(table)
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)


@app.command()
def restored() -> None:
    """Say that the database came back from a backup: a new history begins and phones repair themselves."""
    out.print(commands.begin_new_history(load_settings()))


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End by itself when the story is told.")] = False,
) -> None:
    """A small bilingual district works through one morning: dispatch, flight mode, sync, who won what, points, HQ pull."""
    from server.demo import run_demo  # only this command needs the clients

    raise typer.Exit(run_demo(once=once, language=str(load_settings().lang), console=out))


# ----------------------------------------------------------------------------------------------------------------- people


@app.command()
def enrol(member: Annotated[str, typer.Option("--member", help="Member id.")]) -> None:
    """A one-time enrolment code for a member's phone, with a QR code; good for 24 hours."""
    said = _ask(lambda office: office.post("/v1/enrol-codes", {"member": member}))
    out.print(f"Code for [bold]{member}[/bold]: [bold]{said['code']}[/bold]  at {said['address']}")
    out.print(commands.qr(f"{said['address']}/enrol#{said['code']}"), highlight=False)


@app.command()
def token(
    role: Annotated[str, typer.Option("--role")],
    minutes: Annotated[int, typer.Option("--minutes")] = 60,
    subject: Annotated[str | None, typer.Option("--subject", help="Whose name it carries.")] = None,
) -> None:
    """A token for a program or a person."""
    body = {"role": role, "minutes": minutes} | ({"subject": subject} if subject else {})
    sys.stdout.write(_ask(lambda office: office.post("/v1/tokens", body))["token"] + "\n")


# ---------------------------------------------------------------------------------------------------------------- tickets


@ticket.command("list")
def ticket_list(
    state: Annotated[str | None, typer.Option()] = None,
    crew: Annotated[str | None, typer.Option()] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """Tickets, by state and crew."""
    query: dict[str, Any] = {"limit": limit} | ({"state": state} if state else {}) | ({"crew": crew} if crew else {})
    said = _ask(lambda office: office.get("/v1/tickets", query))
    table = Table("number", "state", "crew", "kind", "address", box=None)
    for row in said["tickets"]:
        table.add_row(
            row.get("number", row["id"]),
            row["state"],
            row.get("assigned_crew") or "–",
            row.get("kind", ""),
            row.get("address", ""),
        )
    out.print(table)
    if said["next"]:
        out.print(f"There are more; raise --limit above {limit}.")


@ticket.command("show")
def ticket_show(name: Name) -> None:
    """One ticket with everything known of it, as JSON."""
    out.print_json(data=_ask(lambda office: office.get(f"/v1/tickets/{name}")))


@ticket.command("assign")
def ticket_assign(name: Name, crew: Annotated[str, typer.Option("--crew")], reason: Reason = "", seen: Seen = None) -> None:
    """Give a ticket to a crew."""
    _command(name, "assign", seen, crew=crew, reason=reason)


@ticket.command("transfer")
def ticket_transfer(name: Name, crew: Annotated[str, typer.Option("--crew")], reason: Reason = "", seen: Seen = None) -> None:
    """Take a ticket from its crew and give it to another."""
    _command(name, "transfer", seen, crew=crew, reason=reason)


@ticket.command("told-by-phone")
def ticket_told(name: Name, crew: Annotated[str, typer.Option("--crew")], reason: Reason = "", seen: Seen = None) -> None:
    """Record that a crew was told of the ticket by phone."""
    _command(name, "told-by-phone", seen, crew=crew, reason=reason)


@ticket.command("cancel")
def ticket_cancel(name: Name, reason: Reason, seen: Seen = None) -> None:
    """Cancel a ticket; work already done offline still counts and opens a contest."""
    _command(name, "cancel", seen, reason=reason)


@ticket.command("merge")
def ticket_merge(name: Name, parent: Annotated[str, typer.Option("--parent")], reason: Reason = "", seen: Seen = None) -> None:
    """Merge a duplicate under its parent; its facts follow."""
    _command(name, "merge", seen, parent=parent, reason=reason)


@ticket.command("correct")
def ticket_correct(
    name: Name,
    fields: Annotated[list[str], typer.Argument(help="field=value …, for example contact_phone=13800000000")],
    reason: Reason = "",
    seen: Seen = None,
) -> None:
    """Correct fields of a ticket."""
    del reason  # a correction explains itself: it carries the fields
    _command(name, "correct", seen, set=commands.fields_of(fields))


@ticket.command("decide")
def ticket_decide(
    name: Name,
    field: Annotated[str, typer.Option("--field", help="As the contest names it.")],
    choose: Annotated[str, typer.Option("--choose", help="The fact whose value stands, or `office`.")],
    reason: Reason,
    seen: Seen = None,
) -> None:
    """End a contest: say which value stands."""
    _command(name, "decide", seen, field=field, choose=choose, reason=reason)


@app.command()
def explain(kind: str, name: Name, field: str) -> None:
    """Why a field shows what it shows: which fact, whose, its interval, the rule, the alternatives."""
    out.print_json(data=_ask(lambda office: office.get(f"/v1/explain/{kind}/{name}", {"field": field})))


# ------------------------------------------------------------------------------------------------------ files in and out


@imports.command("areas")
def import_areas(
    file: Path,
    id_property: Annotated[str, typer.Option("--id")] = "id",
    name: Annotated[str, typer.Option("--name")] = "name",
    station: Annotated[str, typer.Option("--station")] = "station",
    area_class: Annotated[str | None, typer.Option("--class")] = None,
    default_class: Annotated[str, typer.Option("--default-class")] = "urban",
    datum: Annotated[str, typer.Option("--datum")] = "wgs84",
    dry_run: DryRun = False,
) -> None:
    """Areas from GeoJSON; the options name the properties that hold id, name, station and class."""
    options = {"id": id_property, "name": name, "station": station, "class": area_class, "default_class": default_class}
    out.print_json(data=_import("areas", file, {**options, "datum": datum, "dry_run": dry_run}))


@imports.command("org")
def import_org(file: Path, tz: Annotated[str, typer.Option("--tz")] = "Asia/Shanghai", dry_run: DryRun = False) -> None:
    """Stations, crews, members and shifts from one JSON or TOML file."""
    out.print_json(data=_import("org", file, {"tz": tz, "dry_run": dry_run}))


@imports.command("tickets")
def import_tickets(
    file: Path,
    mapping: Annotated[str, typer.Option("--mapping", help="A shipped mapping's name, or a mapping file.")],
    tz: Annotated[str | None, typer.Option("--tz", help="IANA time zone of the file's times.")] = None,
    datum: Annotated[str | None, typer.Option("--datum", help="wgs84, gcj02 or bd09.")] = None,
    shift_to_now: Annotated[bool, typer.Option("--shift-to-now", help="Move the newest row to the present.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Tickets from CSV by a mapping, dispatched as they come in."""
    where = Path(mapping)
    chosen = {"mapping_text": where.read_text("utf-8")} if where.is_file() else {"mapping": mapping}
    options = {**chosen, "tz": tz, "datum": datum, "shift_to_now": shift_to_now, "dry_run": dry_run}
    out.print_json(data=_import("tickets", file, options))


@app.command()
def export(
    kind: Annotated[str, typer.Argument(help="ticket, points, verdict or rating")],
    file: Annotated[Path | None, typer.Option("--out", help="Write here instead of printing.")] = None,
) -> None:
    """One kind of record as CSV."""
    data = _ask(lambda office: office.bytes(f"/v1/hq/export/{kind}"))
    if file is None:
        sys.stdout.buffer.write(data)
    else:
        file.write_bytes(data)
        err.print(f"{len(data.splitlines()) - 1} rows in {file}")


# ------------------------------------------------------------------------------------------------------------------ small


def _import(what: str, file: Path, options: dict[str, Any]) -> Any:
    if not file.is_file():
        raise typer.BadParameter(f"There is no file {file}.")
    with err.status(f"Reading {file.name} …"):
        return _ask(lambda office: office.upload(f"/v1/import/{what}", options, file.read_bytes()))


def _command(name: str, command: str, seen: int | None, **content: Any) -> None:
    body = {key: value for key, value in {**content, "seen": seen}.items() if value not in (None, "")}
    said = _ask(lambda office: office.post(f"/v1/tickets/{name}/{command}", body))
    out.print(f"Done: {command} of {name}; it is at position {said['position']} now.")


def _ask(question: Callable[[Office], Any]) -> Any:
    with commands.office(load_settings()) as office:
        return question(office)


def _handset() -> None:
    from clients.handset.cli import app as handset

    app.add_typer(handset, name="handset", help="The crew's phone as a command line.")


def main() -> None:
    """Run, and turn every refusal into one sentence and exit code 1."""
    _handset()
    try:
        app(standalone_mode=True)
    except (Said, Refused, BadSetting, KeyFault, commands.Missing) as error:
        err.print(f"[red]{error}[/red]")
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
