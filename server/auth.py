"""Who is asking: tokens, device assertions, office passwords, enrolment codes. The only door to PyJWT.

Refuses to know people and devices: it checks what was signed or typed, the caller looks up whom it concerns. Every
failure of a token is Refused("sign-in"), without telling a stranger which check failed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import jwt

from server.keys import KeyRing, PublicKey, Use, from_base64url, protected_header, signed_payload
from sync.problems import Refused

TOKEN_TYP = "lamplighter-token"
ASSERTION_TYP = "lamplighter-assertion"
ASSERTION_AGE_MAX_S = 120
"""A phone that knows no better time gets the server's in the refusal, and signs again."""
CLOCK_SKEW_S = 5
"""Server processes that share keys may differ by this much."""
TOKEN_CHARACTERS_MAX = 2048
VERIFIED_TOKENS_KEPT = 10_000

_CLAIMS = frozenset({"aud", "iss", "sub", "role", "iat", "exp", "jti"})
_MAY_CLAIM = _CLAIMS | {"device", "member"}


class Role(StrEnum):
    """Who may sign in (domain §2). Customers hold links, not tokens."""

    MEMBER = "member"
    LEAD = "lead"
    GRID_WORKER = "grid_worker"
    AGENT = "agent"
    DISPATCHER = "dispatcher"
    STATION_HEAD = "station_head"
    SUPERVISOR = "supervisor"
    HQ = "hq"
    INTEGRATOR = "integrator"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """The one who asks, as the token says. `device` and `member` are set for a phone's token."""

    subject: str
    role: Role
    device: str | None
    member: str | None


def require(principal: Principal | None, *roles: Role) -> Principal:
    """The principal, when it has one of `roles` (any role when none is named). Raises sign-in, forbidden."""
    if principal is None:
        raise Refused("sign-in")
    if roles and principal.role not in roles:
        raise Refused("forbidden", f"This needs the role {' or '.join(roles)}; you are signed in as {principal.role}.")
    return principal


class Tokens:
    """Issues and verifies the server's own tokens (ES256). `now_s` gives seconds since 1970, `new_id` a random name.

    `audience` names this server in tokens and in device assertions: the thumbprint of its root, which every phone has
    pinned and which no change of address alters.
    """

    def __init__(self, keys: KeyRing, now_s: Callable[[], float], *, new_id: Callable[[], str]) -> None:
        self.audience = keys.root.kid
        self._keys = keys
        self._now_s = now_s
        self._new_id = new_id
        self._kept: dict[bytes, tuple[int, Principal]] = {}
        self._lock = threading.Lock()

    def issue(self, subject: str, role: Role, *, minutes: float, device: str | None = None, member: str | None = None) -> str:
        """A token for `minutes` from now."""
        now = int(self._now_s())
        claims: dict[str, Any] = {"iss": self.audience, "aud": self.audience, "sub": subject, "role": str(role)}
        claims |= {"iat": now, "exp": now + int(minutes * 60), "jti": self._new_id()}
        claims |= {name: value for name, value in (("device", device), ("member", member)) if value is not None}
        kid, key = self._keys.current(Use.TOKEN)
        return jwt.encode(claims, key, algorithm="ES256", headers={"typ": TOKEN_TYP, "kid": kid})

    def verify(self, token: str) -> Principal:
        """Who holds the token. Raises Refused("sign-in") for anything this server did not issue or that has ended."""
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise Refused("sign-in")
        name = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        kept = self._kept.get(name)
        if kept is None:
            kept = self._read(token)
            self._keep(name, kept)
        expires_s, principal = kept
        if self._now_s() >= expires_s:
            raise Refused("sign-in", "The token has expired; get a new one. What was pushed is stored.")
        return principal

    def _read(self, token: str) -> tuple[int, Principal]:
        try:
            claims = self._claims(token)
            principal = Principal(claims["sub"], Role(claims["role"]), claims.get("device"), claims.get("member"))
        except (jwt.PyJWTError, ValueError) as error:
            raise Refused("sign-in") from error
        return claims["exp"], principal

    def _claims(self, token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        kid = header.get("kid")
        key = self._keys.find(Use.TOKEN, kid) if isinstance(kid, str) else None
        # The header must be ours to the last member: jku, jwk, crit and friends have no business here.
        if key is None or header != {"alg": "ES256", "typ": TOKEN_TYP, "kid": kid}:
            raise ValueError("not a header of ours")
        # Times are compared with the clock that was passed in, below and at every use; PyJWT knows only its own.
        options: Any = {"require": sorted(_CLAIMS), "verify_exp": False, "verify_iat": False, "verify_nbf": False}
        us = self.audience
        claims: dict[str, Any] = jwt.decode(
            token, key.public_key(), algorithms=["ES256"], audience=us, issuer=us, options=options
        )
        if not claims.keys() <= _MAY_CLAIM or not _times_fit(claims, self._now_s()):
            raise ValueError("not claims of ours")
        return claims

    def _keep(self, name: bytes, verified: tuple[int, Principal]) -> None:
        with self._lock:
            if len(self._kept) >= VERIFIED_TOKENS_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[name] = verified


def _times_fit(claims: dict[str, Any], now_s: float) -> bool:
    issued, expires = claims["iat"], claims["exp"]
    return type(issued) is int and type(expires) is int and issued <= now_s + CLOCK_SKEW_S and issued < expires


# --- device assertions --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Assertion:
    """A device's proof of its key, good for one exchange; the caller may remember `jti` for two minutes."""

    device: str
    iat_s: int
    jti: str


def claimed_device(jws: str) -> str:
    """The device an assertion speaks of, not verified yet: only to look up its key. Raises Refused("sign-in")."""
    return _assertion(_assertion_claims(jws.split(".")[1] if jws.count(".") == 2 else "")).device


def verify_device_assertion(jws: str, key: PublicKey, audience: str, now_s: float) -> Assertion:
    """The assertion signed by the device's key. Raises sign-in, with the server's `time` when only the time is off."""
    if signed_payload(jws, {protected_header(ASSERTION_TYP): key}) is None:
        raise Refused("sign-in")
    claims = _assertion_claims(jws.split(".")[1])
    assertion = _assertion(claims)
    if claims["aud"] != audience:
        raise Refused("sign-in", "The assertion is meant for another server.")
    if abs(now_s - assertion.iat_s) > ASSERTION_AGE_MAX_S:
        raise Refused("sign-in", "The assertion's time is off; sign again with the time given.", time=int(now_s * 1000))
    return assertion


def _assertion_claims(body: str) -> dict[str, Any]:
    try:
        claims = json.loads(from_base64url(body).decode())
    except (ValueError, RecursionError) as error:
        raise Refused("sign-in") from error
    if not isinstance(claims, dict) or claims.keys() != {"device", "aud", "iat", "jti"}:
        raise Refused("sign-in")
    return claims


def _assertion(claims: dict[str, Any]) -> Assertion:
    device, iat, jti = claims["device"], claims["iat"], claims["jti"]
    fits = isinstance(device, str) and type(iat) is int and isinstance(jti, str)
    if not fits or len(device) > 64 or not 8 <= len(jti) <= 64 or "\0" in device + jti:
        raise Refused("sign-in")
    return Assertion(device, iat, jti)


# --- office passwords ---------------------------------------------------------------------------------------

_SCRYPT_LOG_N, _SCRYPT_R, _SCRYPT_P = 15, 8, 3
"""32 MiB and about 0.2 s: OWASP's password storage sheet names N=2^15, r=8, p=3 as one of its equal choices."""
PASSWORD_CHARACTERS_MAX = 1024
_NOBODY = f"scrypt$15$8$3${'00' * 16}${'00' * 32}"


def hash_password(password: str, salt: bytes) -> str:
    """What to store for a password; `salt` is 16 random bytes."""
    if not 1 <= len(password) <= PASSWORD_CHARACTERS_MAX:
        raise Refused("bad-value", f"A password has 1 to {PASSWORD_CHARACTERS_MAX} characters.")
    digest = _scrypt(password, salt, _SCRYPT_LOG_N, _SCRYPT_R, _SCRYPT_P)
    return f"scrypt${_SCRYPT_LOG_N}${_SCRYPT_R}${_SCRYPT_P}${salt.hex()}${digest.hex()}"


def check_password(password: str, stored: str | None) -> bool:
    """Whether the password is the stored one. None (no such user) takes as long as a wrong password."""
    _, log_n, r, p, salt, digest = (stored or _NOBODY).split("$")
    typed = _scrypt(password[: PASSWORD_CHARACTERS_MAX + 1], bytes.fromhex(salt), int(log_n), int(r), int(p))
    return hmac.compare_digest(typed, bytes.fromhex(digest)) and stored is not None


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    # NFC, because keyboards spell the same character in several ways.
    typed = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    memory_bytes = 128 * r * (2**log_n + p + 2)
    return hashlib.scrypt(typed, salt=salt, n=2**log_n, r=r, p=p, maxmem=memory_bytes, dklen=32)


# --- enrolment codes ----------------------------------------------------------------------------------------

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_CHARACTERS = 10
_LOOKALIKES = str.maketrans("OIL", "011", "- ")


def new_code(random_bytes: Callable[[int], bytes]) -> str:
    """A one-time code of 50 random bits in Crockford's base 32, grouped for reading aloud: `7K3QM-D09XT`."""
    number = int.from_bytes(random_bytes(7), "big")
    code = "".join(_CROCKFORD[number >> 5 * place & 31] for place in range(CODE_CHARACTERS))
    return f"{code[:5]}-{code[5:]}"


def code_hash(typed: str) -> str:
    """What to store and to look up for a code, however it was typed. Raises Refused("bad-code") for no code at all."""
    code = typed.upper().translate(_LOOKALIKES)
    if len(code) != CODE_CHARACTERS or any(character not in _CROCKFORD for character in code):
        raise Refused("bad-code", f"A code has {CODE_CHARACTERS} letters and digits, for example 7K3QM-D09XT.")
    return hashlib.sha256(b"lamplighter/code/1\n" + code.encode()).hexdigest()
