"""Golden vectors: what a second language must reproduce to the byte. `python -m tests.vectors.make` writes them again.

Everything follows from the engine and from constants here, so a changed file is a changed promise. Bytes that need not be
text are base64. Signatures are stand-ins: a vector lists what each statement it uses says.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sync import clock, merge, wire
from sync.clock import Anchor, Deadline, Suspension
from sync.facts import Fact, FactId, Interval, Reading, Record
from sync.journal import chain, fact_id, genesis
from sync.policy import sees
from sync.replica import Outgoing
from sync.wire import Envelope, Quarantine
from tests.scene import NOON, Phone, Scene, Seals
from tests.sync.hostile import GOOD, HOSTILE, line
from tests.sync.world import record_of
from tests.vectors import kinds
from tests.vectors.lives import lives

FOLDER = Path(__file__).parent
MINUTE = 60_000


def b64(raw: bytes) -> str:
    return b64encode(raw).decode()


# -------------------------------------------------------------------------------------------------------------------- chain


def chains() -> list[dict[str, Any]]:
    journals = {
        "j-1": [b"one", b"two", b"three"],
        "0199a3f0-6c7e-7c3a-9c53-8d1f5b9a2e10": ['{"文":"到达现场"}'.encode(), b"", b"\xff\x00\xfe"],
        "empty": [],
    }
    return [
        {
            "journal": name,
            "h0": fact_id(genesis(name)),
            "lines_base64": [b64(raw) for raw in lines],
            "facts": [fact_id(head) for head in chain(genesis(name), lines)],
        }
        for name, lines in journals.items()
    ]


# -------------------------------------------------------------------------------------------------------------------- lines


def _outcome(found: Fact | Quarantine) -> dict[str, Any]:
    if isinstance(found, Quarantine):
        return {"slug": found.slug}
    base = found.base and [found.base.incarnation, found.base.position]
    return {"fact": found._asdict() | {"reading": found.reading._asdict()} | {"base": base, "body": dict(found.body)}}


def lines() -> list[dict[str, Any]]:
    good = {
        "a note": line(),
        "a note with blanks": json.dumps(GOOD).encode(),
        "a note with escapes": json.dumps(GOOD | {"text": '到达 😀 \\ " \t'}).encode(),
        "an arrival": line(kind="arrival", text=None, fix={"lat": 27.94921, "lon": 116.35812, "acc_m": 9, "age_ms": 1200}),
        "a ticket raised in the field": line(kind="raised", visit=None, text=None, set={"description": "断线"}),
        "the latitude of a pole": line(kind="arrival", text=None, fix={"lat": 90, "lon": -180}),
        "the number 2^53": line(mono=2**53),
    }
    rows = {name: raw for name, (raw, _) in HOSTILE.items() if len(raw) <= 17_000} | good
    return [
        {"name": name, "n": 2, "line_base64": b64(raw), **_outcome(wire.parse_line(raw, 2, FactId("id")))}
        for name, raw in rows.items()
    ]


# ---------------------------------------------------------------------------------------------------------------- envelopes


def envelopes() -> list[dict[str, Any]]:
    head, after = fact_id(genesis("a")), fact_id(genesis("b"))
    rows: list[tuple[str, Envelope, int]] = [
        ("idle", Envelope("j-1", 97, head, cursor={"k7": {"crew:17": 88123}}, app="1.4.0", ledger=88000), 0),
        ("idle, marked", Envelope("j-1", 97, head, cursor={"k7": {"crew:17": 88123}}, mark="Zm9vYmFy"), 0),
        ("a push", Envelope("j-1", 97, head, 41, after, "jws", {"k7": {"crew:17": 88123, "member:5": 7}}, waiting=57), 57),
        ("a first push", Envelope("j-1", 1, head, 1, fact_id(genesis("j-1")), "jws", free_mb=812, persisted=True), 1),
        ("known by hash", Envelope("j-1", 97, head, checkpoint="jws", waiting=3, oldest_s=86_400), 0),
    ]
    return [
        {"name": name, "lines": count, "envelope": asdict(envelope), "text": wire.write_envelope(envelope, count).decode()}
        for name, envelope, count in rows
    ]


# ----------------------------------------------------------------------------------------------------------------- requests


def _told(*bodies: bytes) -> dict[str, Any]:
    """What each statement in these replies says, once its signature is checked."""
    found: dict[str, Any] = {}
    for body in bodies:
        jws = wire.parse_reply(body).statement
        statement = Seals().statement(jws) if jws else None
        if jws and statement:
            found[jws] = {name: getattr(statement, name) for name in statement.__slots__}
    return found


def _copy(phone: Phone) -> list[dict[str, Any]]:
    return [asdict(row) for row in phone.pocket.rows()]


def _journals(phone: Phone) -> list[dict[str, Any]]:
    return [{name: asdict(own)[name] for name in ("id", "n", "head", "stated")} for own in phone.replica.state.journals]


def _bytes(scene: Scene, outgoing: Outgoing) -> bytes:
    reply = scene.exchange(outgoing.body)
    assert isinstance(reply, bytes)
    return reply


def _page(name: str, phone: Phone, body: bytes) -> dict[str, Any]:
    """One reply: the confirmed copy before and after, the cursor, and how far the journal is stated."""
    before = {"journals": _journals(phone), "rows": _copy(phone), "cursor": dict(phone.replica.state.cursor)}
    phone.scene.deliver(phone, body)
    return {
        "name": name,
        "reply": body.decode(),
        "statements": _told(body),
        "before": before,
        "after": {"journals": _journals(phone), "rows": _copy(phone), "cursor": dict(phone.replica.state.cursor)},
    }


def replies() -> list[dict[str, Any]]:
    scene = Scene()
    scene.ticket("t1", address="解放路 1")
    scene.ticket("t2")
    phone = scene.phone("a")
    found = [_page("the first page", phone, _bytes(scene, phone.replica.request()))]
    phone.record("note", "t1", "v1", text="已到场")
    scene.office("corrected", "t1", set={"address": "解放路 2"})
    scene.office("transferred", "t2", crew="B")
    whole = _bytes(scene, phone.replica.request())
    found.append(_page("cut in the page: the statement counts, the rows do not", phone, whole[: len(whole) - 9]))
    found.append(_page("whole: a put, and what was taken away is purged", phone, whole))
    found.append(_page("a captive portal", phone, b"<html>Welcome</html>\n"))
    foreign = _bytes(scene, scene.phone("b", crew="B").replica.request())
    found.append(_page("another phone's reply", phone, foreign))
    phone.replica.state.cursor = {"k0": {"crew:A": 3}}
    found.append(_page("a history this server never had: mark, drain, sweep", phone, _bytes(scene, phone.replica.request())))
    return found


# -------------------------------------------------------------------------------------------------------------- truth words


def words() -> list[dict[str, Any]]:
    scene = Scene()
    scene.ticket("t1", contact_phone="1")
    phone = scene.phone("a")
    steps: list[dict[str, Any]] = []

    def step(what: str, do: Callable[[], object]) -> None:
        do()
        queue = [{"n": item["n"], "truth": item["truth"]} for item in phone.replica.queue()]
        steps.append({"then": what, "words": queue, "waiting": phone.replica.waiting})

    step("enrolled", lambda: None)
    out = phone.replica.request()
    step("a request goes out", lambda: None)
    step("its reply comes", lambda: scene.deliver(phone, scene.exchange(out.body)))
    step("an amendment is recorded", lambda: phone.record("amended", "t1", set={"contact_phone": "2"}))
    scene.office("corrected", "t1", set={"contact_phone": "3"})
    lost = phone.replica.request()
    step("it is being sent", lambda: None)
    scene.exchange(lost.body)
    step("the reply is lost", lambda: phone.replica.lost(lost))
    asked = phone.replica.request()
    steps.append({"then": "the next request asks by head", "lines": asked.lines})
    step("the answer says it is stored, and contested", lambda: scene.deliver(phone, scene.exchange(asked.body)))
    return steps


# -------------------------------------------------------------------------------------------------------------------- shown


def shown() -> list[dict[str, Any]]:
    scene = Scene()
    scene.ticket("t1", address="解放路 1")
    phone = scene.phone("a")
    phone.sync()
    found = []
    for kind, body in (
        ("acceptance", {"eta_min": 20}),
        ("arrival", {"no_fix_reason": "indoors"}),
        ("note", {"text": "一"}),
        ("amended", {"set": {"address": "解放路 2"}}),
        ("answer", {"guide": "g", "guide_version": 1, "step": "fuse", "value": "blown"}),
        ("rating", {"opened": "x", "result": "answered", "sealed": "SEALED", "kid": "k"}),
        ("finish", {"result": "换熔断器"}),
    ):
        scene.wait(minutes=1)
        phone.record(kind, "t1", None if kind == "amended" else "v1", **body)
        row = phone.pocket.row(("ticket", "t1"))
        assert row is not None
        own = phone.replica.journal
        mine = [{"n": n, "fact": fact, "line": raw.decode()} for n, fact, raw in phone.pocket.lines(own.id, 1, own.n)]
        whose = {"member": phone.device.member, "journal": own.id}
        found.append(whose | {"row": asdict(row), "lines": mine, "shown": phone.view("t1")})
    return found


# -------------------------------------------------------------------------------------------------------------------- merge


def _fold(name: str, record: Record) -> dict[str, Any]:
    folded = merge.fold(record)
    pairs = [[a.fact, b.fact] for a in record.writes for b in record.writes if sees(a, b)]
    return {
        "name": name,
        "record": json.loads(wire.dump_record(record)),
        "sees": pairs,
        "view": folded.view,
        "contested": dict(folded.contested),
    }


def folds() -> list[dict[str, Any]]:
    scene = Scene()
    scene.ticket("t1", contact_phone="0", priority=3)
    phones = [scene.phone("a1", crew="A"), scene.phone("a2", crew="A"), scene.phone("b1", crew="B")]
    for phone in phones:
        phone.sync()
    found = [_fold("opened and assigned", record_of(scene, "t1"))]
    for index, phone in enumerate(phones[:2]):
        scene.wait(minutes=1)
        phone.record("arrival", "t1", "v1")
        phone.record("answer", "t1", "v1", guide="g", guide_version=1, step="earthed", value=bool(index), safety=True)
        phone.record("amended", "t1", set={"contact_phone": str(index + 1)})
        phone.record("note", "t1", "v1", text=f"来自 {index}")
    phones[0].record("finish", "t1", "v1", result="done")
    scene.office("transferred", "t1", crew="B")
    scene.office("corrected", "t1", set={"contact_phone": "3", "priority": 1})
    for phone in phones:
        phone.sync()
    found.append(_fold("everybody wrote without having seen the others", record_of(scene, "t1")))
    contests = scene.view("t1")["contests"]
    for path in ("contact_phone", "state"):
        choice = contests[path]["alternatives"][-1]["fact"]
        scene.office("decided", "t1", field=path, choose=choice, reason="asked")
        found.append(_fold(f"{path} decided", record_of(scene, "t1")))
    scene.office("reopened", "t1", reason="still dark")
    found.append(_fold("reopened", record_of(scene, "t1")))
    scene.office("cancelled", "t1", reason="called off")
    phones[1].record("finish", "t1", "v1", result="again")
    phones[1].sync()
    found.append(_fold("finished by people who had not seen that it was cancelled", record_of(scene, "t1")))
    return found


# -------------------------------------------------------------------------------------------------------------------- clock


def _interval(hard: Interval | None) -> list[int | None] | None:
    return None if hard is None else [hard.lower, hard.upper]


def clocks() -> dict[str, Any]:
    seen = Reading(NOON + 7, 1_000, "b1")
    anchors = {"none": None, "same boot": Anchor(NOON, 500, seen), "unread": Anchor(NOON, 500, None)}
    readings = [
        Reading(NOON + wall, mono, boot)
        for wall in (-MINUTE, 0, 5 * MINUTE, 90 * MINUTE)
        for mono, boot in ((1_000, "b1"), (301_000, "b1"), (5, "b2"))
    ]
    moments = []
    for name, anchor in anchors.items():
        hard = clock.bounds(anchor, NOON + 60 * MINUTE, 500)
        moments += [
            {
                "anchor": name,
                "reading": reading._asdict(),
                "bounds": _interval(hard),
                "effective_at": clock.effective_at(reading, anchor, hard),
            }
            for reading in readings
        ]
    dues = [
        (Interval(0, 1000), 45 * MINUTE, []),
        (Interval(0, 0), 45 * MINUTE, [Suspension(Interval(MINUTE, 2 * MINUTE), Interval(9 * MINUTE, 10 * MINUTE))]),
        (Interval(None, 0), MINUTE, [Suspension(Interval(None, 5), None)]),
    ]
    deadlines = []
    for start, limit, stops in dues:
        due = clock.deadline(start, limit, stops)
        stopped = [[_interval(stop.begun), _interval(stop.ended)] for stop in stops]
        deadlines.append({"start": _interval(start), "limit_ms": limit, "suspensions": stopped, "deadline": asdict(due)})
    due = Deadline(1000, 2000)
    taps: list[tuple[Interval | None, int]] = [
        (Interval(0, 1000), 500), (Interval(None, 1000), 500), (Interval(0, 1001), 1001), (Interval(1500, 2500), 2000),
        (Interval(1500, 2500), 2001), (Interval(2000, 2500), 2500), (Interval(2001, 2500), 2400), (Interval(None, 1500), 900),
        (None, 900),
    ]  # fmt: skip
    verdicts = [
        {"interval": _interval(hard), "claimed": claimed, "due": asdict(due), "verdict": str(clock.verdict(hard, claimed, due))}
        for hard, claimed in taps
    ]
    used = {
        name: anchor and asdict(anchor) | {"reading": anchor.reading and anchor.reading._asdict()}
        for name, anchor in anchors.items()
    }
    return {"anchors": used, "moments": moments, "deadlines": deadlines, "verdicts": verdicts}


# --------------------------------------------------------------------------------------------------------------------- files

NOTES: dict[str, tuple[str, str, Callable[[], Any]]] = {
    "chain": (
        "日志哈希链：h(0) 由日志编号得出，每行的事实编号是 h(n)（base64url，43 个字符）。",
        "The hash chain: h(0) follows from the journal's id, and each line's fact id is h(n) in base64url, 43 characters.",
        chains,
    ),
    "lines": (
        "日志行的解析结果：要么是一条事实，要么给出隔离代码（slug）。坏行照原样保存，绝不拒收。",
        "What a journal line comes to: a fact, or the slug it is quarantined by. A bad line is stored as it is, never refused.",
        lines,
    ),
    "envelopes": (
        "请求信封：同样的内容必须写成同样的字节（成员顺序、无空格）。",
        "The envelope of a request: the same content is the same bytes (order of members, no blanks).",
        envelopes,
    ),
    "replies": (
        "应用一次应答：回执立即生效；变更页只有在结束行到达后才整体生效；没有有效回执的应答不改变任何东西。",
        "Applying a reply: the statement counts at once, the page as a whole and only when its end line has come, and a reply "
        "without a valid statement changes nothing. Cases follow one another on one phone.",
        replies,
    ),
    "truth": (
        "四种真话加“需处理”：依次执行每一步后，手机对每条事实应当说的话。",
        "The words of truth: what the phone says of each fact after each step, one step after another.",
        words,
    ),
    "shown": (
        "显示层：服务器确认的副本之上叠加本机较新的事实；封存的评价不显示。",
        "What is shown: the confirmed copy with the phone's own newer facts laid over it; what is sealed is not shown.",
        shown,
    ),
    "lives": (
        "手机的一生：逐步重放（同样的编号、时钟读数和签名替身）；每个请求逐字节相同，每一步之后的状态、行、真话和显示都相同。",
        "Lives of a phone, replayed step by step with the same ids, readings and stand-in signatures: each request equal to "
        "the byte; state, rows, words of truth and what is shown equal after each step (`after` names what changed).",
        lives,
    ),
    "merge": (
        "合并：一张工单收到的全部写入 → 所有人看到的结果。写入顺序无关；“sees”列出谁看到过谁。",
        "Merging: every write a ticket received, and what people see. The order of writes is nothing; `sees` lists who had "
        "seen whom as [later, earlier].",
        folds,
    ),
    "clock": (
        "时间：授时锚点 → 硬区间 → 生效时间；时限区间；五种判定。",
        "Time: anchors to hard bounds to the effective moment; deadlines as intervals; the five verdicts.",
        clocks,
    ),
}


def build(name: str) -> str:
    """The text of one vector file."""
    zh, en, make = NOTES[name]
    document: Mapping[str, Any] = {"note": {"zh": zh, "en": en}, "cases": make()}
    return json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    for each in NOTES:
        (FOLDER / f"{each}.json").write_text(build(each), encoding="utf-8")
    kinds.TABLE.write_text(kinds.table(), encoding="utf-8")
