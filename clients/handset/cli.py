"""The crew's phone as a command line: `lamplighter handset …`, or `python -m clients.handset …`.

Every command opens the phone in `--home`, does one thing, and says it in words a person reads. Exit 0 done, 1 refused,
2 usage. Refuses to know how anything is stored or sent.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from clients.handset import screen, simulator
from clients.handset.keys import KeyFault
from clients.handset.link import Declined, Unreachable
from clients.handset.phone import Fix, Handset, Saved
from clients.handset.words import HandsetFault, language_of, problem_text, say
from sync.problems import Refused

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The crew's phone: record offline, sync when there is signal."
)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)
lang = language_of(os.environ)

Ticket = Annotated[str, typer.Argument(help="Ticket id or number, or the end of either.")]
Position = Annotated[str | None, typer.Option("--fix", help="LAT,LON or LAT,LON,METRES of accuracy; WGS-84.")]


@app.callback()
def home(
    context: typer.Context,
    home: Annotated[Path, typer.Option("--home", help="The folder that is the phone.")] = Path("handset"),
) -> None:
    """The crew's phone: record offline, sync when there is signal."""
    context.obj = home


def main() -> None:
    """The entry of `python -m clients.handset`."""
    app(prog_name="python -m clients.handset")


# ------------------------------------------------------------------------------------------------------------- the phone


@app.command()
def enrol(
    context: typer.Context,
    code: Annotated[str, typer.Argument(help="The one-time code from the office.")],
    address: Annotated[str, typer.Option("--address", help="The server, for example http://127.0.0.1:8640.")],
    name: Annotated[str, typer.Option("--name", help="What the office calls this phone.")] = platform.node() or "handset",
) -> None:
    """Make --home the phone of the member the code is for."""
    with _told(), Handset.enrol(context.obj, address, code, name) as phone:
        out.print(say("enrolled", lang, device=phone.device, member=phone.member))


@app.command("list")
def list_tickets(context: typer.Context) -> None:
    """The tickets on this phone."""
    with _phone(context) as phone:
        out.print(screen.ticket_list(phone, lang))
        out.print(screen.pill(phone, lang))


@app.command()
def show(context: typer.Context, ticket: Ticket, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """One ticket, with what this phone recorded laid over."""
    with _phone(context) as phone:
        view = phone.show(ticket)
        if as_json:
            out.print_json(data=view)
        else:
            out.print(screen.ticket(phone, view, lang))


# ------------------------------------------------------------------------------------------------------------- the steps


@app.command()
def accept(
    context: typer.Context, ticket: Ticket, eta: Annotated[float | None, typer.Option("--eta", help="Minutes.")] = None
) -> None:
    """接单 Accept."""
    with _phone(context) as phone:
        _saved(phone, phone.accept(ticket, eta_min=eta))


@app.command()
def depart(context: typer.Context, ticket: Ticket, fix: Position = None) -> None:
    """出发 Depart."""
    with _phone(context) as phone:
        _saved(phone, phone.depart(ticket, fix=_fix(fix)))


@app.command()
def arrive(
    context: typer.Context,
    ticket: Ticket,
    fix: Position = None,
    far: Annotated[str | None, typer.Option("--far", help="Why you are far from the address.")] = None,
    no_fix: Annotated[str | None, typer.Option("--no-fix", help="Why there is no position.")] = None,
) -> None:
    """我到了 Arrived: recorded at once."""
    with _phone(context) as phone:
        _saved(phone, phone.arrive(ticket, fix=_fix(fix), far_reason=far, no_fix_reason=no_fix))


@app.command()
def start(context: typer.Context, ticket: Ticket) -> None:
    """开始 Start work."""
    with _phone(context) as phone:
        _saved(phone, phone.start(ticket))


@app.command()
def answer(
    context: typer.Context,
    ticket: Ticket,
    step: Annotated[str, typer.Argument(help="The guide's step.")],
    value: Annotated[str | None, typer.Argument(help="Text; a number, true, false or a JSON list is taken as such.")] = None,
    guide: Annotated[str, typer.Option("--guide")] = "free",
    version: Annotated[int, typer.Option("--version", min=1)] = 1,
    unit: Annotated[str | None, typer.Option("--unit")] = None,
    cannot: Annotated[str | None, typer.Option("--cannot", help="Why the step cannot be done.")] = None,
    safety: Annotated[bool, typer.Option("--safety", help="This answer is a matter of safety.")] = False,
) -> None:
    """Answer one step of a work guide."""
    with _phone(context) as phone:
        plain = None if value is None else _plain(value)
        saved = phone.answer(ticket, guide, version, step, plain, unit=unit, cannot_reason=cannot, safety=safety or None)
        _saved(phone, saved)


@app.command()
def photo(
    context: typer.Context,
    ticket: Ticket,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    step: Annotated[str | None, typer.Option("--step")] = None,
    shows: Annotated[str | None, typer.Option("--shows", help="before, after, meter, document, other.")] = None,
) -> None:
    """照片 A photo: its bytes are on the phone before it says saved."""
    with _phone(context) as phone:
        _saved(phone, phone.photo(ticket, file, step=step, shows=shows))


@app.command()
def note(context: typer.Context, ticket: Ticket, text: str) -> None:
    """备注 A note."""
    with _phone(context) as phone:
        _saved(phone, phone.note(ticket, text))


@app.command()
def material(
    context: typer.Context,
    ticket: Ticket,
    name: str,
    quantity: float,
    unit: Annotated[str | None, typer.Option("--unit")] = None,
    code: Annotated[str | None, typer.Option("--code", help="Its number in the store.")] = None,
) -> None:
    """材料 Material used."""
    with _phone(context) as phone:
        _saved(phone, phone.material(ticket, name, quantity, unit=unit, code=code))


@app.command()
def amend(context: typer.Context, ticket: Ticket, fields: Annotated[list[str], typer.Argument(metavar="NAME=VALUE…")]) -> None:
    """更正 Correct what the ticket says of customer and place."""
    with _phone(context) as phone:
        _saved(phone, phone.amend(ticket, _fields(fields)))


@app.command("raise")
def raise_ticket(
    context: typer.Context,
    fields: Annotated[list[str], typer.Argument(metavar="NAME=VALUE…")],
    told: Annotated[str | None, typer.Option("--told", help="The number the office said on the phone.")] = None,
) -> None:
    """现场新建 A new ticket, made on site."""
    with _phone(context) as phone:
        _saved(phone, phone.raise_ticket(_fields(fields), told_number=told))


@app.command()
def suspend(context: typer.Context, ticket: Ticket, reason: str) -> None:
    """挂起 Suspend, with a reason."""
    with _phone(context) as phone:
        _saved(phone, phone.suspend(ticket, reason))


@app.command()
def resume(context: typer.Context, ticket: Ticket) -> None:
    """恢复 Resume."""
    with _phone(context) as phone:
        _saved(phone, phone.resume(ticket))


@app.command("return")
def give_back(
    context: typer.Context,
    ticket: Ticket,
    reason: Annotated[str, typer.Argument(help="wrong_specialty, not_as_described, no_access, other.")],
    text: Annotated[str | None, typer.Option("--text")] = None,
) -> None:
    """退回 Give the ticket back, with a reason."""
    with _phone(context) as phone:
        _saved(phone, phone.give_back(ticket, reason, text=text))


@app.command()
def finish(
    context: typer.Context,
    ticket: Ticket,
    result: Annotated[str | None, typer.Option("--result")] = None,
    cause: Annotated[str | None, typer.Option("--cause")] = None,
) -> None:
    """完成 Finish."""
    with _phone(context) as phone:
        _saved(phone, phone.finish(ticket, result=result, cause=cause))


@app.command()
def rate(
    context: typer.Context,
    ticket: Ticket,
    overall: Annotated[int | None, typer.Option("--overall", min=1, max=5, help="Asked of the customer when left out.")] = None,
    text: Annotated[str | None, typer.Option("--text")] = None,
    code: Annotated[str | None, typer.Option("--code", help="The customer's own code, if there is one.")] = None,
    result: Annotated[str, typer.Option("--result", help="answered, declined, abandoned, away.")] = "answered",
    reason: Annotated[str | None, typer.Option("--reason")] = None,
) -> None:
    """评价 Hand the phone to the customer. The answer is sealed before anything else is shown."""
    with _phone(context) as phone:
        opened = phone.open_rating(ticket)
        body: dict[str, Any] | None = None
        if result == "answered":
            score = overall or _ask_score()
            body = {"overall": score} | ({"comment": text} if text else {}) | ({"code": code} if code else {})
        phone.close_rating(opened, body, result=result, reason=reason)
        out.print(say("thanks", lang))


# ------------------------------------------------------------------------------------------------------------- talking


@app.command()
def sync(
    context: typer.Context,
    attempts: Annotated[int, typer.Option("--attempts", min=1, help="Conversations to try before giving up for now.")] = 3,
) -> None:
    """上传 Push, pull, and upload photos. Status 1 when something still waits."""
    with _phone(context) as phone:
        with err.status("…"):
            told = phone.sync(attempts=attempts)
        out.print(screen.synced(phone, told, lang))
        for line in screen.notices(phone, lang):
            out.print(line)
        if not told.done:
            raise typer.Exit(1)


@app.command("time")
def time_only(context: typer.Context) -> None:
    """Hear the server's time and tell how far the journal got, in one small request."""
    with _phone(context) as phone:
        statement = phone.time_only()
        assert statement is not None, "a valid word came back"
        heard = datetime.fromtimestamp(statement.time / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        out.print(say("time-known", lang, time=heard, waiting=phone.replica.waiting))


@app.command()
def queue(context: typer.Context, everything: Annotated[bool, typer.Option("--all", help="Also what HQ has.")] = False) -> None:
    """Everything on this phone that HQ does not have yet, and where each thing is."""
    with _phone(context) as phone:
        out.print(screen.queue(phone, lang, everything=everything))
        out.print(screen.pill(phone, lang))


@app.command("bundle-out")
def bundle_out(context: typer.Context, file: Annotated[Path, typer.Argument(dir_okay=False)]) -> None:
    """救援 Save what waits as a file that anybody may deliver."""
    with _phone(context) as phone:
        bundle = phone.bundle_out(file)
        out.print(say("bundle-written", lang, lines=bundle.lines, path=file))
        if bundle.rest:
            out.print(say("bundle-rest", lang, rest=bundle.rest))


@app.command("bundle-in")
def bundle_in(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A bundle, or the reply to one of yours.")],
    reply: Annotated[Path | None, typer.Option("--reply", help="Where to save the reply for its phone.")] = None,
) -> None:
    """Deliver somebody's bundle, or take in the reply to one of this phone's."""
    with _phone(context) as phone:
        carried = phone.bundle_in(file, reply=reply)
        if carried.statement is not None:
            out.print(say("bundle-delivered", lang, journal=carried.statement.journal, n=carried.statement.n))
            if reply is not None:
                out.print(say("bundle-reply", lang, path=reply))
        elif carried.applied is not None:
            out.print(say("reply-taken", lang, stated=carried.applied.stated))
        else:
            err.print(say("reply-foreign", lang))
            raise typer.Exit(1)


app.command("shift", help="A simulated shift: many phones work offline with real photos, then sync; the counts must add up.")(
    simulator.shift
)


# ------------------------------------------------------------------------------------------------------------- small


@contextmanager
def _told() -> Iterator[None]:
    """Turns what went wrong into one sentence and status 1."""
    try:
        yield
    except HandsetFault as fault:
        sentence = say(fault.slug, lang, **fault.values)
    except Refused as refused:
        sentence = problem_text(refused.document(), lang)
    except Declined as declined:
        sentence = problem_text(declined.document, lang)
    except (Unreachable, KeyFault, ValueError) as error:
        sentence = str(error)
    else:
        return
    err.print(sentence, style="red", markup=False)
    raise typer.Exit(1)


@contextmanager
def _phone(context: typer.Context) -> Iterator[Handset]:
    with _told(), Handset.open(context.obj) as phone:
        yield phone


def _saved(phone: Handset, saved: Saved) -> None:
    out.print(screen.saved(phone, saved, lang))


def _ask_score() -> int:
    """Asked without echo: the crew holds the phone a moment later."""
    while True:
        score = typer.prompt("1 – 5", type=int, hide_input=True)
        if 1 <= score <= 5:
            return int(score)


def _fix(text: str | None) -> Fix | None:
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
        lat, lon, *accuracy = numbers
        return Fix(lat, lon, acc_m=accuracy[0] if accuracy else None) if len(accuracy) < 2 else _bad_fix(text)
    except ValueError:
        return _bad_fix(text)


def _bad_fix(text: str) -> Fix:
    raise HandsetFault("bad-fix", text=text)


def _plain(text: str) -> Any:
    """A number, true, false or a list when it is written as one; else the text itself."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, (bool, int, float, list)) else text


def _fields(pairs: list[str]) -> dict[str, Any]:
    fields = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise HandsetFault("bad-field", text=pair)
        fields[name] = json.loads(value) if value[:1] == "{" else value
    return fields
