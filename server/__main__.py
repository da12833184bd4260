"""The command line: `lamplighter …`, or `python -m server …`.

Every command that touches tickets or people goes through the same HTTP API: to the server that owns the data folder when one
runs, else to one that lives for just this command. Exit 0 done, 1 refused, 2 usage.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from server import commands
from server.commands import Office, Said
from server.keys import KeyFault
from server.settings import BadSetting, load_settings
from server.words import language, say
from sync.problems import Refused

app = typer.Typer(no_args_is_help=True, add_completion=False, help=say("app"))
ticket = typer.Typer(no_args_is_help=True, help=say("ticket"))
imports = typer.Typer(no_args_is_help=True, help=say("import"))
app.add_typer(ticket, name="ticket")
app.add_typer(imports, name="import")
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Name = Annotated[str, typer.Argument(help=say("arg.ticket"))]
Reason = Annotated[str, typer.Option("--reason", help=say("arg.reason"))]
DryRun = Annotated[bool, typer.Option("--dry-run", help=say("arg.dry_run"))]
Seen = Annotated[int | None, typer.Option("--seen", help=say("arg.seen"))]


# ------------------------------------------------------------------------------------------------------------- the server


@app.command(help=say("init"))
def init() -> None:
    login, password = commands.init(load_settings())
    out.print(say("made", data=load_settings().data))
    out.print(say("admin", login=login, password=password))


@app.command(help=say("migrate"))
def migrate() -> None:
    out.print(commands.migrate_database(load_settings()))


@app.command(help=say("serve"))
def serve(
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help=say("arg.tls_cert"))] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help=say("arg.tls_key"))] = None,
) -> None:
    given = {name: value for name, value in (("tls_cert", tls_cert), ("tls_key", tls_key)) if value is not None}
    commands.serve(load_settings(**given), lambda address: err.print(say("serving", address=address)))


@app.command(help=say("doctor"))
def doctor() -> None:
    findings = commands.doctor(load_settings())
    table = Table("", say("col.check"), say("col.finding"), box=None)
    for finding in findings:
        table.add_row("[green]ok[/green]" if finding.good else "[red]!![/red]", finding.name, finding.text)
    out.print(table)
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)


@app.command(help=say("restored"))
def restored() -> None:
    out.print(commands.begin_new_history(load_settings()))


@app.command(help=say("demo"))
def demo(
    once: Annotated[bool, typer.Option("--once", help=say("arg.once"))] = False,
) -> None:
    from server.demo import run_demo  # only this command needs the clients

    raise typer.Exit(run_demo(once=once, language=str(load_settings().lang), console=out))


# ----------------------------------------------------------------------------------------------------------------- people


@app.command(help=say("enrol"))
def enrol(member: Annotated[str, typer.Option("--member", help="Member id.")]) -> None:
    said = _ask(lambda office: office.post("/v1/enrol-codes", {"member": member}))
    out.print(say("code", member=member, code=said["code"], address=said["address"]))
    out.print(said["link"])
    out.print(commands.qr(said["link"]), highlight=False)


@app.command(help=say("token"))
def token(
    role: Annotated[str, typer.Option("--role")],
    minutes: Annotated[int, typer.Option("--minutes")] = 60,
    subject: Annotated[str | None, typer.Option("--subject", help=say("arg.subject"))] = None,
) -> None:
    body = {"role": role, "minutes": minutes} | ({"subject": subject} if subject else {})
    sys.stdout.write(_ask(lambda office: office.post("/v1/tokens", body))["token"] + "\n")


# ---------------------------------------------------------------------------------------------------------------- tickets


@ticket.command("list", help=say("list"))
def ticket_list(
    state: Annotated[str | None, typer.Option()] = None,
    crew: Annotated[str | None, typer.Option()] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    query: dict[str, Any] = {"limit": limit} | ({"state": state} if state else {}) | ({"crew": crew} if crew else {})
    said = _ask(lambda office: office.get("/v1/tickets", query))
    table = Table(*(say(f"col.{name}") for name in ("number", "state", "crew", "kind", "address")), box=None)
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
        out.print(say("more", limit=limit))


@ticket.command("show", help=say("show"))
def ticket_show(name: Name) -> None:
    out.print_json(data=_ask(lambda office: office.get(f"/v1/tickets/{name}")))


@ticket.command("assign", help=say("assign"))
def ticket_assign(name: Name, crew: Annotated[str, typer.Option("--crew")], reason: Reason = "", seen: Seen = None) -> None:
    _command(name, "assign", seen, crew=crew, reason=reason)


@ticket.command("transfer", help=say("transfer"))
def ticket_transfer(name: Name, crew: Annotated[str, typer.Option("--crew")], reason: Reason = "", seen: Seen = None) -> None:
    _command(name, "transfer", seen, crew=crew, reason=reason)


@ticket.command("told-by-phone", help=say("told-by-phone"))
def ticket_told(name: Name, crew: Annotated[str, typer.Option("--crew")], reason: Reason = "", seen: Seen = None) -> None:
    _command(name, "told-by-phone", seen, crew=crew, reason=reason)


@ticket.command("cancel", help=say("cancel"))
def ticket_cancel(name: Name, reason: Reason, seen: Seen = None) -> None:
    _command(name, "cancel", seen, reason=reason)


@ticket.command("merge", help=say("merge"))
def ticket_merge(name: Name, parent: Annotated[str, typer.Option("--parent")], reason: Reason = "", seen: Seen = None) -> None:
    _command(name, "merge", seen, parent=parent, reason=reason)


@ticket.command("correct", help=say("correct"))
def ticket_correct(
    name: Name,
    fields: Annotated[list[str], typer.Argument(help=say("arg.fields"))],
    seen: Seen = None,
) -> None:
    _command(name, "correct", seen, set=commands.fields_of(fields))


@ticket.command("decide", help=say("decide"))
def ticket_decide(
    name: Name,
    field: Annotated[str, typer.Option("--field", help=say("arg.field"))],
    choose: Annotated[str, typer.Option("--choose", help=say("arg.choose"))],
    reason: Reason,
    seen: Seen = None,
) -> None:
    _command(name, "decide", seen, field=field, choose=choose, reason=reason)


@app.command(help=say("explain"))
def explain(kind: str, name: Name, field: str) -> None:
    out.print_json(data=_ask(lambda office: office.get(f"/v1/explain/{kind}/{name}", {"field": field})))


# ------------------------------------------------------------------------------------------------------ files in and out


@imports.command("areas", help=say("areas"))
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
    options = {"id": id_property, "name": name, "station": station, "class": area_class, "default_class": default_class}
    out.print_json(data=_import("areas", file, {**options, "datum": datum, "dry_run": dry_run}))


@imports.command("org", help=say("org"))
def import_org(file: Path, tz: Annotated[str, typer.Option("--tz")] = "Asia/Shanghai", dry_run: DryRun = False) -> None:
    out.print_json(data=_import("org", file, {"tz": tz, "dry_run": dry_run}))


@imports.command("tickets", help=say("tickets"))
def import_tickets(
    file: Path,
    mapping: Annotated[str, typer.Option("--mapping", help=say("arg.mapping"))],
    tz: Annotated[str | None, typer.Option("--tz", help=say("arg.tz"))] = None,
    datum: Annotated[str | None, typer.Option("--datum", help=say("arg.datum"))] = None,
    shift_to_now: Annotated[bool, typer.Option("--shift-to-now", help=say("arg.shift"))] = False,
    dry_run: DryRun = False,
) -> None:
    where = Path(mapping)
    chosen = {"mapping_text": where.read_text("utf-8")} if where.is_file() else {"mapping": mapping}
    options = {**chosen, "tz": tz, "datum": datum, "shift_to_now": shift_to_now, "dry_run": dry_run}
    out.print_json(data=_import("tickets", file, options))


@imports.command("guide", help=say("guide"))
def import_guide(
    file: Path,
    kinds: Annotated[str | None, typer.Option("--kinds", help=say("arg.kinds"))] = None,
    causes: Annotated[str | None, typer.Option("--causes", help=say("arg.causes"))] = None,
    version: Annotated[int | None, typer.Option("--version", min=1, help=say("arg.version"))] = None,
    dry_run: DryRun = False,
) -> None:
    options = {"kinds": kinds, "causes": causes, "version": None if version is None else str(version), "dry_run": dry_run}
    try:
        said = _import("guide", file, options)
    except Said as refusal:
        if refusal.problem.get("slug") != "bad-form":
            raise
        _findings("guide.fault", refusal.problem["faults"])
        _findings("guide.note", refusal.problem["notes"])
        err.print(say("guide.refused", file=file.name, count=len(refusal.problem["faults"])), style="red")
        raise typer.Exit(1) from refusal
    _findings("guide.note", said["notes"])
    outcome = "guide.known" if not said["new"] else "guide.would" if dry_run else "guide.done"
    out.print(say(outcome, **{name: said[name] for name in ("version", "steps", "photos")}, title=said["title"][_tongue()]))


@app.command(help=say("export"))
def export(
    kind: Annotated[str, typer.Argument(help=say("arg.kind"))],
    file: Annotated[Path | None, typer.Option("--out", help=say("arg.out"))] = None,
) -> None:
    data = _ask(lambda office: office.bytes(f"/v1/hq/export/{kind}"))
    if file is None:
        sys.stdout.buffer.write(data)
    else:
        file.write_bytes(data)
        err.print(say("rows", count=len(data.splitlines()) - 1, file=file))


# ------------------------------------------------------------------------------------------------------------------ small


def _import(what: str, file: Path, options: dict[str, Any]) -> Any:
    if not file.is_file():
        raise typer.BadParameter(say("no_file", file=file))
    with err.status(say("reading", file=file.name)):
        return _ask(lambda office: office.upload(f"/v1/import/{what}", options, file.read_bytes()))


def _findings(heading: str, findings: Sequence[dict[str, Any]]) -> None:
    """What an import found, one a line with its place, and below it what to do."""
    for finding in findings:
        place = " ".join(str(part) for part in (finding["sheet"], finding["row"] or "") if part)
        out.print(say(heading, place=place, what=finding["what"][_tongue()]), markup=False)
        out.print(f"  → {finding['instead'][_tongue()]}", style="dim", markup=False)


def _tongue() -> str:
    """The person's language as labels name it."""
    return str(language()).split("-")[0]


def _command(name: str, command: str, seen: int | None, **content: Any) -> None:
    body = {key: value for key, value in {**content, "seen": seen}.items() if value not in (None, "")}
    said = _ask(lambda office: office.post(f"/v1/tickets/{name}/{command}", body))
    out.print(say("done", command=command, name=name, position=said["position"]))


def _ask(question: Callable[[Office], Any]) -> Any:
    with commands.office(load_settings()) as office:
        return question(office)


def _handset() -> None:
    from clients.handset.cli import app as handset

    app.add_typer(handset, name="handset", help=say("handset"))


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
