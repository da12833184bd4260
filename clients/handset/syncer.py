"""One conversation with the server: push, pull until there is no more, upload photos, and do what a problem's `action` says.

Every failure is normal here. A lost reply is followed by asking, a foreign page states nothing, an expired token is renewed
by the device's key, and whatever cannot be done now waits. Refuses to know what facts mean; nothing here deletes anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clients.handset.instruments import Instruments
from clients.handset.keys import KeyList, Signer, thumbprint
from clients.handset.link import Answer, Declined, Link, Unreachable, Upload
from clients.handset.store import HeldPhoto, SqlitePocket
from sync import wire
from sync.facts import FactId, Statement
from sync.problems import Action
from sync.replica import Applied, Outgoing, Replica
from sync.wire import Envelope

BACK_OFF_FIRST_S = 1.0
BACK_OFF_MAX_S = 300.0
TURNS_WITHOUT_PROGRESS_MAX = 6
"""A server that keeps asking for repairs without anything advancing is left alone for a while."""
PAGE_BYTES = 256 * 1024
TIME_PATH, SYNC_PATH = "/v1/time", "/v1/sync"


@dataclass(slots=True)
class Synced:
    """What one call of `sync` came to. `problem` and `fault` say why it is not `done`."""

    stated: int = 0
    rows: int = 0
    photos: int = 0
    photo_bytes: int = 0
    requests: int = 0
    done: bool = False
    problem: Mapping[str, Any] | None = None
    fault: str | None = None
    waits_s: list[float] = field(default_factory=list)


class Syncer:
    """The conversation of one phone. `signer`, `root` and `device` are who it is."""

    def __init__(
        self,
        replica: Replica,
        pocket: SqlitePocket,
        link: Link,
        signer: Signer,
        *,
        root: Mapping[str, Any],
        instruments: Instruments,
    ) -> None:
        self._replica = replica
        self._pocket = pocket
        self._link = link
        self._signer = signer
        self._root = root
        self._instruments = instruments
        self._clock_off_ms = 0

    # ------------------------------------------------------------------------------------------------------------- loop

    def sync(self, *, attempts: int) -> Synced:
        """Talk until nothing is left to say, or `attempts` conversations failed. Never raises for what the field brings."""
        told = Synced()
        for attempt in range(attempts):
            if attempt:
                self._wait(told)
            try:
                self.converse(told)
                if self._upload_photos(told):
                    self.converse(told)  # the tickets now say that their photos have come
            except Unreachable as error:
                told.fault, told.problem = str(error), None
            except Declined as error:
                told.fault, told.problem = None, error.document
                if error.action is not Action.RETRY:
                    break
            else:
                told.fault, told.problem, told.done = None, None, True
                self._count_failure(0)
                break
            self._count_failure(self.failures + 1)
        return told

    def converse(self, told: Synced) -> None:
        """Push and pull until both sides have everything. Raises Unreachable, Declined."""
        standstill, renewed, refusal = 0, False, None
        while standstill < TURNS_WITHOUT_PROGRESS_MAX:
            applied = self._turn(told)
            action = Declined(applied.problem).action if applied.problem else None
            if action is Action.SIGN_IN and not renewed:
                renewed, refusal = True, self._renew_token()
            elif action is not None and action is not Action.RESYNC:
                refusal = refusal or Declined(applied.problem or {})
            if refusal is not None and not self._replica.sendable:
                raise refusal  # what was recorded is stored; only the pull is refused
            if applied.complete and not applied.more and not self._replica.sendable:
                return
            moved = applied.stated or applied.rows or applied.forked
            standstill = 0 if moved else standstill + 1
        raise refusal or Unreachable("The server answers, but nothing advances.")

    def _turn(self, told: Synced) -> Applied:
        """One request and its answer."""
        replica = self._replica
        outgoing = replica.request(limit_bytes=PAGE_BYTES, now_wall=self._instruments.wall_ms())
        told.requests += 1
        answer = self._send(outgoing)
        if answer.problem is not None:
            return self._refused(outgoing, answer.problem, answer.status)
        applied = self._apply(answer.body)
        if applied is None:
            replica.lost(outgoing)
            if not answer.whole:
                raise Unreachable("The reply was cut.")
            if self._fetch_newer_keys(answer.body):
                return Applied()
            raise Unreachable(f"Status {answer.status}, but not from the server this phone knows.")
        told.stated += applied.stated
        told.rows += applied.rows
        if not answer.whole:
            raise Unreachable("The reply was cut.")
        return applied

    def _send(self, outgoing: Outgoing) -> Answer:
        try:
            return self._link.exchange(SYNC_PATH, outgoing.body, self._pocket.setting("token"))
        except Unreachable:
            self._replica.lost(outgoing)
            raise

    def _refused(self, outgoing: Outgoing, problem: Mapping[str, Any], status: int) -> Applied:
        """The whole request was refused: nothing was stored, except that nobody knows after a fault of the server's own."""
        declined = Declined(problem)
        if status >= 500:
            self._replica.lost(outgoing)
            raise declined
        applied = self._replica.refused(problem, self._instruments.reading())
        if declined.action is not Action.RESYNC:
            raise declined
        return applied

    def _apply(self, body: bytes) -> Applied | None:
        """Apply a reply; None when it holds no statement of our server about a journal of ours, whatever its status was."""
        before = self._replica.state.anchor
        applied = self._replica.apply(body, self._instruments.reading())
        if self._replica.state.anchor == before:
            return None
        self._clock_off_ms = self._replica.state.heard_at - self._instruments.wall_ms()
        return applied

    def take_reply(self, body: bytes) -> Applied | None:
        """A reply that came by another road, such as a USB stick; None when it is no word of our server about us."""
        return self._apply(body)

    # ----------------------------------------------------------------------------------------------------------- waiting

    @property
    def failures(self) -> int:
        """Conversations that failed since the last success; kept over restarts, so a storm is not fed by restarting."""
        return int(self._pocket.setting("failures") or 0)

    def _count_failure(self, count: int) -> None:
        if count or self.failures:
            self._pocket.set_settings({"failures": str(count)})

    def _wait(self, told: Synced) -> None:
        """Capped, then fully jittered: a thousand phones that lost one server do not come back together."""
        asked_s = float((told.problem or {}).get("retry_after_s") or 0)
        cap_s = min(BACK_OFF_MAX_S, BACK_OFF_FIRST_S * 2 ** min(self.failures, 20))
        wait_s = asked_s + self._instruments.uniform(0.0, cap_s)
        told.waits_s.append(wait_s)
        self._instruments.sleep_s(wait_s)

    # ------------------------------------------------------------------------------------------------------------- trust

    def _assertion(self) -> str:
        now_s = (self._instruments.wall_ms() + self._clock_off_ms) // 1000
        device, audience = self._replica.state.device, thumbprint(self._root)
        return self._signer.assertion(device=device, audience=audience, iat_s=now_s, jti=self._instruments.new_id())

    def _renew_token(self) -> Declined | None:
        """A new token for the device's key, also when this phone's clock is wrong; or why there is none."""
        for _ in range(2):
            try:
                answer = self._link.ask("POST", "/v1/token", {"assertion": self._assertion()})
                self._pocket.set_settings({"token": str(answer["token"])})
                return None
            except Declined as declined:
                refusal = declined
                time = declined.document.get("time")
                if type(time) is not int:
                    break
                self._clock_off_ms = time - self._instruments.wall_ms()
        return refusal

    def _fetch_newer_keys(self, body: bytes) -> bool:
        """A statement nobody here can verify may be signed by a key that is newer than this phone's list."""
        if not isinstance(wire.parse_reply(body).statement, str):
            return False
        jws = str(self._link.ask("GET", "/v1/keys").get("keys"))
        keys = KeyList.verify(jws, self._root)
        if keys is None or jws == self._pocket.setting("keys"):
            return False
        self._pocket.set_settings({"keys": jws})
        self._signer.trust(keys)
        return True

    # ------------------------------------------------------------------------------------------------------------ photos

    def _upload_photos(self, told: Synced) -> bool:
        """Bring every photo whose fact is stated; a photo the server does not take now is marked and the next one goes on."""
        stated = {own.id: own.stated for own in self._replica.state.journals}
        before = told.photos
        for photo in self._pocket.photos():
            if photo.received_at is None and photo.n <= stated.get(photo.journal, 0):
                self._upload(photo, told)
        return told.photos > before

    def _upload(self, photo: HeldPhoto, told: Synced) -> None:
        pocket = self._pocket
        upload = Upload(self._link, self._proof, lambda place, sent: pocket.set_upload(photo.sha256, place, sent))
        try:
            upload.send(pocket.photo_path(photo.sha256), photo.sha256, photo.size_bytes, photo.upload)
        except Declined as declined:
            if declined.action is Action.SIGN_IN or (declined.action is Action.RETRY and declined.slug != "bad-hash"):
                raise
            pocket.set_photo_problem(photo.sha256, declined.slug)
            return
        except FileNotFoundError:
            pocket.set_photo_problem(photo.sha256, "bytes-missing")
            return
        pocket.set_received(photo.sha256, self._instruments.wall_ms())
        told.photos += 1
        told.photo_bytes += photo.size_bytes

    def _proof(self) -> Mapping[str, str]:
        """The device's key alone lets photos travel: a token may have expired long ago."""
        return {"Lamplighter-Assertion": self._assertion()}

    # ----------------------------------------------------------------------------------------------------- small requests

    def tell_head(self) -> Statement | None:
        """The smallest request: tell how far the journal got and hear the time. None when no valid word came back.

        Raises Unreachable, Declined. What is only on the phone is now known to the fact, and bounded in time.
        """
        replica = self._replica
        own = replica.journal
        checkpoint = self._signer.checkpoint(own.id, own.n, own.head) if own.n > own.stated else None
        head = FactId(own.head)
        envelope = Envelope(own.id, own.n, head, checkpoint=checkpoint, app=replica.state.app, waiting=replica.waiting)
        answer = self._link.exchange(TIME_PATH, wire.write_envelope(envelope, 0) + b"\n")
        if answer.problem is not None:
            raise Declined(answer.problem)
        if self._apply(answer.body) is None:
            raise Unreachable(f"Status {answer.status}, but not from the server this phone knows.")
        anchor = replica.state.anchor
        return self._signer.statement(anchor) if anchor else None

    def deliver(self, body: bytes) -> bytes:
        """Carry somebody's bundle to the server and return the reply, which is for them. Raises Unreachable, Declined."""
        answer = self._link.exchange(SYNC_PATH, body)
        if answer.problem is not None:
            raise Declined(answer.problem)
        statement = wire.parse_reply(answer.body).statement
        if not isinstance(statement, str) or self._signer.statement(statement) is None:
            raise Unreachable(f"Status {answer.status}, but not from the server this phone knows.")
        return answer.body


def statement_of(signer: Signer, reply: bytes) -> Statement | None:
    """The verified statement in a reply, if it holds one."""
    jws = wire.parse_reply(reply).statement
    return signer.statement(jws) if isinstance(jws, str) else None


def is_reply(data: bytes) -> bool:
    """Whether a file's first line is a reply's, rather than a request's envelope."""
    return "statement" in _first_line(data)


def is_request(data: bytes) -> bool:
    """Whether a file's first line is a request's envelope."""
    return {"journal", "head", "n"} <= _first_line(data).keys()


def _first_line(data: bytes) -> dict[str, Any]:
    try:
        line = json.loads(data.split(b"\n", 1)[0])
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}
