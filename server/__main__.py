"""The command line: `lamplighter …`, or `python -m server …`.

Every command that touches tickets or people goes through the same HTTP API: to the server that owns the data folder when one
runs, else to one that lives for just this command. Exit 0 done, 1 refused, 2 usage.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from server import commands
from server.archive import commands as archives
from server.archive.backup import Progress
from server.archive.faults import Fault, Unfit
from server.archive.verify import Verified
from server.commands import Office, Said
from server.keys import KeyFault, Use
from server.settings import BadSetting, load_settings
from server.storage.migrate import Blocked, UnknownRevision
from server.words import language, say
from sync.problems import Refused

app = typer.Typer(no_args_is_help=True, add_completion=False, help=say("app"))
ticket = typer.Typer(no_args_is_help=True, help=say("ticket"))
imports = typer.Typer(no_args_is_help=True, help=say("import"))
app.add_typer(ticket, name="ticket")
app.add_typer(imports, name="import")
keys = typer.Typer(no_args_is_help=True, help=say("keys"))
app.add_typer(keys, name="keys")
evidence = typer.Typer(no_args_is_help=True, help=say("evidence"))
app.add_typer(evidence, name="evidence")
erasing = typer.Typer(no_args_is_help=True, help=say("erase"))
app.add_typer(erasing, name="erase")
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Name = Annotated[str, typer.Argument(help=say("arg.ticket"))]
Reason = Annotated[str, typer.Option("--reason", help=say("arg.reason"))]
DryRun = Annotated[bool, typer.Option("--dry-run", help=say("arg.dry_run"))]
Archive = Annotated[Path, typer.Argument(help=say("arg.archive"), file_okay=False)]
SnapshotName = Annotated[str | None, typer.Option("--snapshot", help=say("arg.snapshot"))]
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
    raise typer.Exit(commands.serve(load_settings(**given), lambda address: err.print(say("serving", address=address))))


@app.command(help=say("doctor"))
def doctor() -> None:
    findings = commands.doctor(load_settings())
    table = Table("", say("col.check"), say("col.finding"), box=None)
    for finding in findings:
        table.add_row("[green]ok[/green]" if finding.good else "[red]!![/red]", finding.name, finding.text)
    out.print(table)
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)


@app.command("grant-role", help=say("grant-role"))
def grant_role(role: str) -> None:
    commands.grant_role(load_settings(), role)
    out.print(say("granted", role=role))


@app.command(help=say("restored"))
def restored() -> None:
    out.print(commands.begin_new_history(load_settings()))


@keys.command("rotate", help=say("keys.rotate"))
def keys_rotate(use: Annotated[Use, typer.Option("--use", help=say("arg.use"))]) -> None:
    before, after = commands.rotate_key(load_settings(), use)
    out.print(say("keys.rotated", use=use, before=before[:12], after=after[:12], folder=load_settings().keys_directory))


# ---------------------------------------------------------------------------------------------------------------- backups


@app.command(help=say("backup"))
def backup(
    folder: Archive,
    with_keys: Annotated[bool, typer.Option("--with-keys", help=say("arg.with_keys"))] = False,
    release: Annotated[bool | None, typer.Option("--release/--no-release", help=say("arg.release"))] = None,
    keep: Annotated[int | None, typer.Option("--keep", min=1, help=say("arg.keep"))] = None,
) -> None:
    settings = load_settings()
    with _steps() as tell:
        taken = archives.take_backup(settings, folder, tell, with_keys=with_keys, release=release, keep=keep)
    found, manifest = taken.found, taken.found.manifest
    if not found.grave and manifest is not None:
        out.print(say("archive.taken", **_counts(found), history=manifest.incarnation, position=manifest.position))
        out.print(say("archive.keys_in" if with_keys else "archive.keys_out", keys=settings.keys_directory))
        out.print(say("archive.kept") if taken.told is None else say("archive.told", count=taken.told))
    if (pruned := taken.pruned) is not None:
        counts = {"count": pruned.snapshots, "photos": pruned.photos, "mb": f"{pruned.photo_bytes / 1e6:.1f}"}
        out.print(say("archive.pruned", **counts))
    _end_with(taken.faults)


@app.command("verify-backup", help=say("verify-backup"))
def verify_backup(folder: Archive, name: SnapshotName = None) -> None:
    with _steps() as tell:
        found = archives.verify_backup(folder, name, tell)
    if not found.faults:
        out.print(say("archive.good", **_counts(found), erased=found.evidence.erased))
    _end_with(found.faults)


@app.command(help=say("restore"))
def restore(
    folder: Archive,
    name: SnapshotName = None,
    same_history: Annotated[bool, typer.Option("--same-history", help=say("arg.same_history"))] = False,
    new_keys: Annotated[bool, typer.Option("--new-keys", help=say("arg.new_keys"))] = False,
) -> None:
    with _steps() as tell:
        found, history = archives.restore_backup(
            load_settings(), folder, name, tell, same_history=same_history, new_keys=new_keys
        )
    out.print(say("archive.restored", **_counts(found)))
    out.print(say("archive.new_history", history=history) if history else say("archive.same_history"))
    _end_with(found.faults)


@app.command(help=say("move"))
def move(
    to_database: Annotated[str, typer.Option("--to-database", help=say("arg.to_database"))] = "",
    to_objects: Annotated[str, typer.Option("--to-objects", help=say("arg.to_objects"))] = "",
) -> None:
    settings = load_settings()
    if not to_database or not to_objects:
        raise typer.BadParameter("--to-database --to-objects")
    with _steps() as tell:
        moved = archives.move_server(settings, to_database, to_objects, tell)
    counts = {"rows": moved.rows, "photos": moved.photos, "there": moved.there}
    out.print(say("archive.moved", **counts, history=moved.incarnation, position=moved.position))
    out.print(say("archive.set", keys=settings.keys_directory))
    out.print(f"  LAMPLIGHTER_DATABASE_URL={to_database}\n  LAMPLIGHTER_OBJECTS_URL={to_objects}", markup=False)
    _end_with(moved.faults)


@evidence.command("verify", help=say("evidence.verify"))
def evidence_verify() -> None:
    with _steps():
        found = archives.examine_live(load_settings())
    if not found.faults:
        counts = {"facts": found.facts, "erased": found.erased, "size": found.ledger_size, "root": found.ledger_root}
        out.print(say("archive.facts", **counts))
    _end_with(found.faults)


@app.command(help=say("rebuild"))
def rebuild(check: Annotated[bool, typer.Option("--check", help=say("arg.check"))] = False) -> None:
    settings = load_settings()
    with _steps():
        found, mended = (archives.compare_live(settings), 0) if check else archives.rebuild(settings)
    for difference in found.differences:
        name = f"{difference.kind} {difference.id}".strip()
        err.print("✗ " + say(f"rebuild.{difference.slug}", name=name, detail=difference.detail), style="red", markup=False)
    if not found.differences:
        out.print(say("rebuild.equal", records=found.records, facts=found.facts))
    if mended:
        out.print(say("rebuild.mended", count=mended))
    if any(check or not difference.mendable for difference in found.differences):
        raise typer.Exit(1)


def _counts(found: Verified) -> dict[str, Any]:
    manifest = found.manifest
    assert manifest is not None, "only of a backup that can be read"
    rows = sum(stream.rows for stream in manifest.tables.values())
    return {"name": found.place.name, "rows": rows, "facts": found.evidence.facts, "photos": manifest.objects.rows}


@contextmanager
def _steps() -> Iterator[Progress]:
    """Says what is being done while it is, and turns what cannot be done into a sentence."""
    with err.status("…") as status:
        try:
            yield lambda name, count: status.update(say("archive.step", name=name, count=count))
        except Unfit as unfit:
            _say_faults(unfit.values.get("faults", ()))
            raise commands.Missing(say(f"unfit.{unfit.slug}", **unfit.values)) from unfit


def _say_faults(faults: Sequence[Fault]) -> None:
    for fault in faults:
        err.print("✗ " + say(f"fault.{fault.slug}", name=fault.name, detail=fault.detail), style="red", markup=False)


def _end_with(faults: Sequence[Fault]) -> None:
    """Exit 1 when anything was wrong, after saying all of it."""
    _say_faults(faults)
    if faults:
        raise typer.Exit(1)


# ---------------------------------------------------------------------------------------------------------------- erasure


@erasing.command("ticket", help=say("erase.ticket"))
def erase_ticket(
    name: Name,
    reason: Annotated[str, typer.Option("--reason", help=say("arg.erase_reason"))],
    what: Annotated[str, typer.Option("--what", help=say("arg.what"))] = "all",
) -> None:
    said = _ask(lambda office: office.post(f"/v1/tickets/{name}/erase", {"what": what, "reason": reason}))
    out.print(say("erased.ticket", name=name, lines=said["lines"], photos=said["photos"], position=said["position"]))


@erasing.command("member", help=say("erase.member"))
def erase_member(
    name: Annotated[str, typer.Argument(help=say("arg.member"))],
    reason: Annotated[str, typer.Option("--reason", help=say("arg.erase_reason"))],
) -> None:
    _ask(lambda office: office.post(f"/v1/members/{name}/erase", {"reason": reason}))
    out.print(say("erased.member", name=name))


@app.command(help=say("retention"))
def retention(dry_run: DryRun = False) -> None:
    said = _ask(lambda office: office.post("/v1/retention", {"dry_run": dry_run}))
    for due in said["tickets"]:
        out.print(f"{due['number'] or due['ticket']}  {', '.join(due['what'])}", markup=False)
    out.print(say("retention.due" if dry_run else "retention.done", tickets=len(said["tickets"]), codes=said["codes"]))
    if said["more"]:
        out.print(say("retention.more"))


# --------------------------------------------------------------------------------------------------------------- the demo


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
    except (Said, Refused, BadSetting, KeyFault, commands.Missing, UnknownRevision, Blocked, OSError) as error:
        err.print(f"[red]{error}[/red]")
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
