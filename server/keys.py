"""The server's keys, and every signature of the sync protocol: statements, key lists, checkpoints.

Refuses to know who may do what (`auth`) and what a statement means (`sync`). All signatures are compact JWS with ES256
(RFC 7515, RFC 7518 §3.4). A protected header is compared as bytes with the ones that are expected and never parsed, so
there is no `alg`, `kid` or `typ` left to play with.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sync import wire
from sync.facts import FactId, Statement
from sync.problems import Refused
from sync.store import Device

PrivateKey = ec.EllipticCurvePrivateKey
PublicKey = ec.EllipticCurvePublicKey

STATEMENT_TYP = "lamplighter-statement"
CHECKPOINT_TYP = "lamplighter-checkpoint"
KEY_LIST_TYP = "lamplighter-keys"

JWS_CHARACTERS_MAX = 2048
"""Every JWS of the protocol is far smaller; longer ones are not looked at."""
VERIFIED_STATEMENTS_KEPT = 4096
"""Anchors repeat: the same statement stands in many journals' next lines. About 4 MB when full."""
N_MAX = 2**53

_MANIFEST = "keys.json"
_ES256 = ec.ECDSA(hashes.SHA256())
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_HASH = re.compile(r"[A-Za-z0-9_-]{43}")


class KeyFault(Exception):
    """The keys on disk cannot be used; the message says what to do."""


class Use(StrEnum):
    """What a key is for; no key serves two uses."""

    ROOT = "root"  # signs the key list; pinned by every phone at enrolment
    STATEMENT = "statement"
    TOKEN = "token"
    RATING = "rating"  # opens sealed ratings (HPKE)


_ALGORITHM = {Use.ROOT: "ES256", Use.STATEMENT: "ES256", Use.TOKEN: "ES256", Use.RATING: "HPKE-0"}
"""HPKE-0 is DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-128-GCM."""
_LISTED = (Use.STATEMENT, Use.RATING)
"""What phones need. The root is pinned, not listed; tokens are checked by the server alone."""


@dataclass(frozen=True, slots=True)
class Key:
    """One private key. `until_ms` is set when a newer key took over; it still verifies and opens for ever."""

    kid: str
    use: Use
    private: PrivateKey
    from_ms: int
    until_ms: int | None

    def public(self) -> dict[str, Any]:
        """The key's entry in the key list: a JWK with its validity."""
        listed = {"kid": self.kid, "use": str(self.use), "alg": _ALGORITHM[self.use], **jwk(self.private.public_key())}
        return {**listed, "from": self.from_ms, "until": self.until_ms}


class KeyRing:
    """The server's keys in memory: signs statements and the key list, and hands keys to `auth` and `seal`."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = {key.kid: key for key in keys}
        self.root = self._current(Use.ROOT)
        self._statement = self._current(Use.STATEMENT)
        self._statement_header = protected_header(STATEMENT_TYP, self._statement.kid)
        self._key_list = self._sign_key_list()

    @classmethod
    def create(cls, directory: Path, *, now_ms: int) -> Self:
        """New keys in `directory` (mode 0700, files 0600). Raises KeyFault when it holds keys already."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        if (directory / _MANIFEST).exists():
            raise KeyFault(f"{directory} holds keys already; they are never overwritten.")
        keys = [_new_key(use, now_ms) for use in Use]
        for key in keys:
            _write_private(_key_path(directory, key), _pem(key.private))
        _write_manifest(directory, keys)
        return cls(keys)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """The keys of `directory`. Raises KeyFault when one is missing, damaged, or readable by other users."""
        if not (directory / _MANIFEST).exists():
            raise KeyFault(f"No keys in {directory}; run `lamplighter init` first.")
        _refuse_exposed(directory, "700")
        return cls(_read_keys(directory))

    @classmethod
    def rotate(cls, directory: Path, use: Use, *, now_ms: int) -> Self:
        """Puts a new key in charge of `use`; the old one is kept, because old statements and ratings still travel."""
        if use is Use.ROOT:
            raise KeyFault("The root is pinned in every phone and cannot be rotated; enrol the phones anew instead.")
        _refuse_exposed(directory, "700")
        old = _read_keys(directory)
        new = _new_key(use, now_ms)
        _write_private(_key_path(directory, new), _pem(new.private))
        keys = [*(_retired(key, now_ms) if key.use is use else key for key in old), new]
        _write_manifest(directory, keys)
        return cls(keys)

    def find(self, use: Use, kid: str) -> PrivateKey | None:
        """The private key named `kid`, when it is of that use."""
        key = self._keys.get(kid)
        return key.private if key is not None and key.use is use else None

    def current(self, use: Use) -> tuple[str, PrivateKey]:
        """(kid, key) now in charge of `use`."""
        key = self._current(use)
        return key.kid, key.private

    def derived(self, purpose: str) -> bytes:
        """A secret of 32 bytes for one purpose, the same for as long as these keys live.

        It follows from the root, the only key that never changes hands; what is derived says nothing of the root (HKDF,
        RFC 5869), and one purpose's secret says nothing of another's.
        """
        secret = self.root.private.private_numbers().private_value.to_bytes(32, "big")
        return HKDF(hashes.SHA256(), 32, salt=None, info=f"lamplighter/{purpose}".encode()).derive(secret)

    @property
    def root_jwk(self) -> dict[str, str]:
        """The public root, to be pinned by a phone at enrolment."""
        return jwk(self.root.private.public_key())

    def public_keys(self) -> list[dict[str, Any]]:
        """Entries of the key list: statement and rating keys, newest last."""
        return [key.public() for key in self._keys.values() if key.use in _LISTED]

    def key_list(self) -> str:
        """The signed key list: a JWS under the root over {"keys": […]}; the same text until keys change."""
        return self._key_list

    def sign_statement(self, statement: Statement) -> str:
        """The statement as a JWS. Only for what a commit has made durable."""
        return sign(self._statement.private, self._statement_header, wire.encode(statement_claims(statement)))

    def verifier(self) -> StatementVerifier:
        """A verifier of this server's own statements, for anchors inside journals."""
        return StatementVerifier(self.public_keys())

    def _current(self, use: Use) -> Key:
        current = [key for key in self._keys.values() if key.use is use and key.until_ms is None]
        if len(current) != 1:
            raise KeyFault(f"There must be exactly one {use} key in charge, found {len(current)}.")
        return current[0]

    def _sign_key_list(self) -> str:
        header = protected_header(KEY_LIST_TYP, self.root.kid)
        return sign(self.root.private, header, compact_json({"keys": self.public_keys()}))


class StatementVerifier:
    """Tells this server's statements from everything else; results are kept, because anchors repeat.

    A retired key verifies for ever, and a key's `from` is not compared with the statement's time: a server whose clock
    was set back must not make phones refuse honest statements.
    """

    def __init__(self, keys: Iterable[Mapping[str, Any]]) -> None:
        self._keys = {
            protected_header(STATEMENT_TYP, str(key["kid"])): parse_jwk({name: key[name] for name in _JWK_MEMBERS})
            for key in keys
            if key["use"] == Use.STATEMENT
        }
        self._verify: Callable[[str], Statement | None] = lru_cache(VERIFIED_STATEMENTS_KEPT)(self._verify_once)

    def verify(self, jws: str) -> Statement | None:
        """The statement, or None for anything that is not one of ours: a bad anchor gives no bound, never an error."""
        return self._verify(jws) if len(jws) <= JWS_CHARACTERS_MAX else None

    def _verify_once(self, jws: str) -> Statement | None:
        payload = signed_payload(jws, self._keys)
        return None if payload is None else _statement_of(payload)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a device signed: its journal, up to line `n`, has this head."""

    journal: str
    n: int
    head: FactId


def verify_checkpoint(jws: str, key: PublicKey) -> Checkpoint:
    """What the device behind `key` signed. Raises Refused("bad-checkpoint") for everything else."""
    payload = signed_payload(jws, {protected_header(CHECKPOINT_TYP): key})
    if payload is None:
        raise Refused("bad-checkpoint")
    claims = _claims(payload)
    if claims is None or claims.keys() != {"journal", "n", "head"} or not _place_fits(claims):
        raise Refused("bad-checkpoint", "A checkpoint is signed over exactly journal, n and head.")
    return Checkpoint(claims["journal"], claims["n"], FactId(claims["head"]))


class Seals:
    """The signatures the hub relies on (`sync.hub.Seals`): enrolled devices' checkpoints, this server's statements."""

    def __init__(self, keys: KeyRing) -> None:
        self._verifier = keys.verifier()

    def checkpoint(self, jws: str, device: Device) -> tuple[str, int, str]:
        """(journal, n, head) as the device signed them. Raises Refused("bad-checkpoint")."""
        signed = verify_checkpoint(jws, parse_jwk(device.key))
        return signed.journal, signed.n, signed.head

    def statement(self, jws: str) -> Statement | None:
        """A statement this server signed, or None for anything else."""
        return self._verifier.verify(jws)


def statement_claims(statement: Statement) -> dict[str, Any]:
    """A statement's fields under their names on the wire."""
    return {
        "journal": statement.journal,
        "n": statement.n,
        "head": statement.head,
        "time": statement.time,
        "radius": statement.radius,
        "incarnation": statement.incarnation,
        "durable": statement.durable,
        "ledger": statement.ledger,
        "root": statement.root,
    }


def _statement_of(payload: bytes) -> Statement | None:
    claims = _claims(payload)
    try:
        return None if claims is None else Statement(**{name: claims[name] for name in Statement.__slots__})
    except KeyError:
        return None


# --- JSON Web Keys ------------------------------------------------------------------------------------------

_JWK_MEMBERS = ("kty", "crv", "x", "y")
_JWK_IGNORED = frozenset({"ext", "key_ops"})
"""WebCrypto's export adds them; they say nothing about the key."""


def jwk(key: PublicKey) -> dict[str, str]:
    """The public key as a JWK with its four required members (RFC 7518 §6.2)."""
    data = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return {"kty": "EC", "crv": "P-256", "x": to_base64url(data[1:33]), "y": to_base64url(data[33:])}


def thumbprint(key: PublicKey) -> str:
    """The key's name everywhere: its RFC 7638 thumbprint, SHA-256, base64url (43 characters)."""
    return to_base64url(hashlib.sha256(compact_json(dict(sorted(jwk(key).items())))).digest())


def parse_jwk(document: Mapping[str, Any]) -> PublicKey:
    """A device's public key, cheap when it was seen before. Raises bad-value unless it is a bare point of P-256."""
    members = document.keys() - _JWK_IGNORED
    if members != set(_JWK_MEMBERS) or document["kty"] != "EC" or document["crv"] != "P-256":
        raise Refused("bad-value", "The key must be a public JWK with kty EC, crv P-256, x and y, and nothing private.")
    try:
        return _key_at(document["x"], document["y"])
    except (TypeError, ValueError) as error:
        raise Refused("bad-value", "The key's x and y are not a point of P-256.") from error


@lru_cache(4096)
def _key_at(x: str, y: str) -> PublicKey:
    # Kept, because a device pushes many times.
    data_x, data_y = from_base64url(x), from_base64url(y)
    if len(data_x) != 32 or len(data_y) != 32:
        raise ValueError("coordinates have 32 bytes")
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + data_x + data_y)


# --- compact JWS, ES256 -------------------------------------------------------------------------------------


@lru_cache(256)
def protected_header(typ: str, kid: str | None = None) -> str:
    """The one accepted spelling of a protected header, base64url: alg, typ, and kid where a server key signs."""
    return to_base64url(compact_json({"alg": "ES256", "typ": typ} | ({} if kid is None else {"kid": kid})))


def sign(key: PrivateKey, header: str, payload: bytes) -> str:
    """A compact JWS; `header` comes from `protected_header`."""
    signed = f"{header}.{to_base64url(payload)}"
    r, s = decode_dss_signature(key.sign(signed.encode(), _ES256))
    return f"{signed}.{to_base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def signed_payload(jws: str, keys: Mapping[str, PublicKey]) -> bytes | None:
    """The payload, if one of `keys` (protected header → key) signed it; None otherwise. Never raises."""
    header, _, rest = jws.partition(".")
    body, _, mark = rest.partition(".")
    key = keys.get(header)
    if key is None or len(mark) != 86 or len(jws) > JWS_CHARACTERS_MAX:
        return None
    try:
        signature, payload = from_base64url(mark), from_base64url(body)
        der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        key.verify(der, f"{header}.{body}".encode(), _ES256)
    except (ValueError, InvalidSignature):
        return None
    return payload


def _claims(payload: bytes) -> dict[str, Any] | None:
    try:
        claims = json.loads(payload.decode())
    except (ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None


def _place_fits(claims: Mapping[str, Any]) -> bool:
    journal, n, head = claims["journal"], claims["n"], claims["head"]
    return (
        isinstance(journal, str)
        and _IDENTIFIER.fullmatch(journal) is not None
        and type(n) is int
        and 0 <= n <= N_MAX
        and isinstance(head, str)
        and _HASH.fullmatch(head) is not None
    )


def compact_json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def to_base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Raises ValueError for anything but the one spelling without padding that `to_base64url` gives."""
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if to_base64url(data) != text:
        raise ValueError("not canonical base64url")
    return data


# --- files --------------------------------------------------------------------------------------------------


def _new_key(use: Use, now_ms: int) -> Key:
    private = ec.generate_private_key(ec.SECP256R1())
    return Key(thumbprint(private.public_key()), use, private, now_ms, None)


def _retired(key: Key, now_ms: int) -> Key:
    return key if key.until_ms is not None else Key(key.kid, key.use, key.private, key.from_ms, now_ms)


def _key_path(directory: Path, key: Key) -> Path:
    return directory / f"{key.use}-{key.kid}.pem"


def _pem(private: PrivateKey) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return private.private_bytes(encoding, form, serialization.NoEncryption())


def _write_manifest(directory: Path, keys: Iterable[Key]) -> None:
    # Written last and moved into place: keys exist from the moment the manifest names them, all or none.
    rows = [{"kid": key.kid, "use": key.use, "from": key.from_ms, "until": key.until_ms} for key in keys]
    fresh = directory / f"{_MANIFEST}.new"
    fresh.unlink(missing_ok=True)
    _write_private(fresh, json.dumps(rows, indent=1).encode() + b"\n")
    fresh.replace(directory / _MANIFEST)
    _flush_directory(directory)


def _write_private(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read_keys(directory: Path) -> list[Key]:
    try:
        rows = json.loads(_read_private(directory / _MANIFEST))
        return [_read_key(directory, row) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise KeyFault(f"The keys in {directory} are damaged ({error}); restore them from a backup.") from error


def _read_key(directory: Path, row: Mapping[str, Any]) -> Key:
    use = Use(row["use"])
    path = directory / f"{use}-{row['kid']}.pem"
    private = serialization.load_pem_private_key(_read_private(path), password=None)
    if not isinstance(private, PrivateKey) or thumbprint(private.public_key()) != row["kid"]:
        raise KeyFault(f"{path} does not hold the key it is named for; restore it from a backup.")
    return Key(row["kid"], use, private, int(row["from"]), row["until"])


def _read_private(path: Path) -> bytes:
    try:
        _refuse_exposed(path, "600")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise KeyFault(f"{path} is missing; restore it from a backup.") from error
    except PermissionError as error:
        raise KeyFault(f"{path} cannot be read by this user; run the server as the owner of its keys.") from error


def _refuse_exposed(path: Path, mode: str) -> None:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise KeyFault(f"{path} is open to other users of this machine; run: chmod {mode} {path}")
