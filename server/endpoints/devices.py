"""How people and phones get in: enrolment by one-time code, tokens by device key, office sign-in, the server's public keys."""

from __future__ import annotations

from typing import Any

from server.auth import Principal, Role, check_password, claimed_device, code_hash, new_code, verify_device_assertion
from server.endpoints.fields import choice, integer, text
from server.keys import jwk, parse_jwk
from server.service import Service
from server.storage import tables as t
from server.storage.queries import Queries
from server.storage.store import StoreTransaction, device_row
from server.web import Call, Reply
from sync.problems import Refused

HOUR_MS = 3_600_000


class Devices:
    """Endpoints over one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def keys(self, call: Call) -> dict[str, Any]:
        """The signed key list; the root's own key is pinned at enrolment and never fetched again."""
        return {"keys": self._service.keys.key_list()}

    def new_code(self, call: Call) -> dict[str, Any]:
        """A one-time enrolment code for a member: shown once, stored hashed, good for 24 hours by default.

        `link` opens the crew's web app and enrols with it; the code stands behind the #, which no server is told.
        """
        body = call.json()
        member = text(body, "member", 64)
        service = self._service
        if service.queries().one(t.Member, id=member) is None:
            raise Refused("not-found", f"There is no member {member}.")
        code = new_code(service.clock.random_bytes)
        expires_at = service.now_ms() + service.settings.enrol_code_hours * HOUR_MS
        row = {"hash": code_hash(code), "member": member, "expires_at": expires_at, "used_at": None}
        service.writer.work(lambda tx: Queries(tx).add(t.EnrolCode, row))
        address = service.settings.address
        link = f"{address}/crew/#enrol={code}"
        return {"code": code, "member": member, "expires_at": expires_at, "address": address, "link": link}

    def enrol(self, call: Call) -> Reply:
        """{code, key: public P-256 JWK, name} → the device's identity, the keys to pin, its first token."""
        body = call.json()
        code, name = text(body, "code", 40), text(body, "name", 80, default="")
        key = body.get("key")
        if not isinstance(key, dict):
            raise Refused("bad-request", "key must be the device's public P-256 key as a JWK.")
        public = jwk(parse_jwk(key))
        service = self._service
        identity, now = service.new_id(), service.now_ms()

        def enrol(tx: StoreTransaction) -> str | None:
            queries = Queries(tx)
            member = queries.take_code(code_hash(code), now)
            row = queries.one(t.Member, id=member) if member else None
            if member is None or row is None or row["revoked_at"] is not None:
                return None
            queries.add(t.Phone, dict(zip(_DEVICE_COLUMNS, device_row(identity, member, name, public, now), strict=True)))
            return member

        member = service.writer.work(enrol)
        if member is None:
            raise Refused("bad-code")
        document = {
            "device": identity,
            "member": member,
            "keys": service.keys.key_list(),
            "root": service.keys.root_jwk,
            "token": self._token(identity, member),
            "time": now,
        }
        return Reply(document, status=201)

    def token(self, call: Call) -> dict[str, Any]:
        """{assertion: JWS by the device key} → a new token. Works however long the phone was away."""
        assertion = text(call.json(), "assertion", 2000)
        service = self._service
        device = service.reader().device(claimed_device(assertion))
        if device is None:
            raise Refused("unknown-device")
        key = parse_jwk(dict(device.key))
        verify_device_assertion(assertion, key, service.tokens.audience, service.now_ms() / 1000)
        if device.revoked:
            raise Refused("forbidden", "This device was revoked.")
        return {"token": self._token(device.id, device.member), "time": service.now_ms()}

    def login(self, call: Call) -> dict[str, Any]:
        """{login, password} → a token with the account's role."""
        body = call.json()
        login, password = text(body, "login", 80), text(body, "password", 1024)
        account = self._service.queries().one(t.Account, login=login)
        usable = account is not None and account["disabled_at"] is None
        if not check_password(password, account["password"] if account and usable else None) or account is None:
            raise Refused("sign-in", "Login or password is wrong.")
        minutes = self._service.settings.token_minutes
        role = Role(account["role"])
        return {
            "token": self._service.tokens.issue(f"user:{login}", role, minutes=minutes),
            "role": str(role),
            "minutes": minutes,
        }

    def issue(self, call: Call) -> dict[str, Any]:
        """{role, minutes, subject} → a token for a program or a person; for admins."""
        body = call.json()
        role = Role(choice(body, "role", [str(role) for role in Role]))
        minutes = integer(body, "minutes", 1, 525_600, default=self._service.settings.token_minutes)
        subject = text(body, "subject", 80, default=f"token:{role}")
        return {"token": self._service.tokens.issue(subject, role, minutes=minutes), "role": str(role), "minutes": minutes}

    def revoke(self, call: Call) -> dict[str, Any]:
        """Revoke a device; what it still sends is stored and quarantined."""
        device = call.path["device"]
        service = self._service
        now = service.now_ms()
        if service.reader().device(device) is None:
            raise Refused("not-found", f"There is no device {device}.")
        changed = service.writer.work(lambda tx: Queries(tx).revoke_device(device, now))
        return {"device": device, "revoked": True, "changed": changed}

    def _token(self, device: str, member: str) -> str:
        settings = self._service.settings
        return self._service.tokens.issue(
            f"device:{device}", Role.MEMBER, minutes=settings.token_minutes, device=device, member=member
        )


_DEVICE_COLUMNS = ("id", "member", "name", "key", "enrolled_at", "revoked_at")


def author(principal: Principal | None) -> str:
    """Who said it, as the office's journal names people."""
    assert principal is not None, "the wrapper required a role"
    return principal.subject
