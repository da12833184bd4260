"""A phone's side of every signature: its own key, the pinned root, the server's statements, and sealing ratings.

Twin of the server's `keys` and `seal`, because a client imports nothing of the server; the tests hold both to the same
words. Refuses to know what is signed: heads and statements are `sync`'s.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, hpke, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from sync.facts import Statement

PrivateKey = ec.EllipticCurvePrivateKey
PublicKey = ec.EllipticCurvePublicKey

ANSWER_BYTES = 256
"""Every answer is padded to this length before sealing, so that a seal tells nothing about the score."""

_ES256 = ec.ECDSA(hashes.SHA256())
_SUITE = hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_128_GCM)


class KeyFault(Exception):
    """The device's key cannot be used; the message says what to do."""


def create_device_key(path: Path) -> PrivateKey:
    """A new device key, kept in `path` with mode 0600. Raises KeyFault rather than overwrite one."""
    key = new_device_key()
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise KeyFault(f"{path} exists already; a device key is never overwritten.") from error
    with open(handle, "wb") as file:
        file.write(key.private_bytes(encoding, form, serialization.NoEncryption()))
        file.flush()
        os.fsync(file.fileno())
    return key


def load_device_key(path: Path) -> PrivateKey:
    """The device key in `path`. Raises KeyFault when it is missing, damaged, or readable by other users."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise KeyFault(f"{path} is open to other users of this machine; run: chmod 600 {path}")
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError as error:
        raise KeyFault(f"There is no device key at {path}; enrol first.") from error
    except (TypeError, ValueError) as error:
        raise KeyFault(f"{path} does not hold a key; enrol again.") from error
    if not isinstance(key, PrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyFault(f"{path} does not hold a P-256 key; enrol again.")
    return key


def new_device_key() -> PrivateKey:
    """A device key that is in no file, for simulated devices."""
    return ec.generate_private_key(ec.SECP256R1())


def public_jwk(key: PrivateKey) -> dict[str, str]:
    """What is sent at enrolment: the public half as a JWK."""
    encoding, form = serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    point = key.public_key().public_bytes(encoding, form)
    return {"kty": "EC", "crv": "P-256", "x": to_base64url(point[1:33]), "y": to_base64url(point[33:])}


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """A key's name (RFC 7638): what a person or a QR code can compare."""
    return to_base64url(hashlib.sha256(_compact({name: jwk[name] for name in ("crv", "kty", "x", "y")})).digest())


def sign_checkpoint(key: PrivateKey, journal: str, n: int, head: str) -> str:
    """The device's word that its journal up to line `n` has this head: what authorises a push."""
    return _sign(key, _header("lamplighter-checkpoint"), {"journal": journal, "n": n, "head": head})


def sign_assertion(key: PrivateKey, *, device: str, audience: str, iat_s: int, jti: str) -> str:
    """Proof of the device's key in exchange for a token. `iat_s` is the best guess of the server's time."""
    claims = {"device": device, "aud": audience, "iat": iat_s, "jti": jti}
    return _sign(key, _header("lamplighter-assertion"), claims)


class KeyList:
    """The server's statement and rating keys, believed only under the root that was pinned at enrolment."""

    def __init__(self, keys: Sequence[Mapping[str, Any]]) -> None:
        statement_keys = [key for key in keys if key["use"] == "statement"]
        self._statement_keys = {_header("lamplighter-statement", key["kid"]): _public_key(key) for key in statement_keys}
        rating_keys = [key for key in keys if key["use"] == "rating" and key["until"] is None]
        self._rating_key = rating_keys[-1] if rating_keys else None

    @classmethod
    def verify(cls, jws: str, root: Mapping[str, Any]) -> Self | None:
        """The key list, or None when the pinned `root` (a JWK) did not sign it."""
        claims = _verified(jws, {_header("lamplighter-keys", thumbprint(root)): _public_key(root)})
        return None if claims is None else cls(claims["keys"])

    def statement(self, jws: str) -> Statement | None:
        """The server's statement, or None for anything else: then nothing may be deleted."""
        claims = _verified(jws, self._statement_keys)
        try:
            return None if claims is None else Statement(**{name: claims[name] for name in Statement.__slots__})
        except KeyError:
            return None

    def seal_rating(self, answer: Mapping[str, Any], *, ticket: str, visit: str, opened: str) -> tuple[str, str]:
        """(kid, sealed): the answer sealed to the server, bound to this visit and its `rating_opened` fact.

        The result has 450 characters whatever was answered. Raises ValueError when the answer is longer than 256 bytes
        of JSON, and LookupError when the key list has no rating key in charge.
        """
        if self._rating_key is None:
            raise LookupError("the key list names no rating key; fetch it again")
        kid = str(self._rating_key["kid"])
        info = "\n".join(("lamplighter/rating/1", ticket, visit, opened, kid)).encode()
        return kid, to_base64url(_SUITE.encrypt(_padded(answer), _public_key(self._rating_key), info))


class Signer:
    """One device's key with the server keys it trusts: what a replica signs and verifies with."""

    def __init__(self, key: PrivateKey, keys: KeyList) -> None:
        self._key = key
        self._keys = keys

    def checkpoint(self, journal: str, n: int, head: str) -> str:
        """The JWS that authorises a push of this journal up to line `n`."""
        return sign_checkpoint(self._key, journal, n, head)

    def statement(self, jws: str) -> Statement | None:
        """The server's statement, or None for anything else."""
        return self._keys.statement(jws)

    def assertion(self, *, device: str, audience: str, iat_s: int, jti: str) -> str:
        """Proof of the device's key: what a token is given for, and what lets photos travel."""
        return sign_assertion(self._key, device=device, audience=audience, iat_s=iat_s, jti=jti)

    @property
    def keys(self) -> KeyList:
        """The server's keys this phone believes in."""
        return self._keys

    def trust(self, keys: KeyList) -> None:
        """Believe a newer key list; the caller verified it under the pinned root."""
        self._keys = keys


def _padded(answer: Mapping[str, Any]) -> bytes:
    data = _compact(answer)
    if len(data) > ANSWER_BYTES:
        raise ValueError(f"the answer takes {len(data)} bytes, {ANSWER_BYTES} fit; shorten its text")
    return data.ljust(ANSWER_BYTES)  # spaces, which JSON ignores


def _header(typ: str, kid: str | None = None) -> str:
    return to_base64url(_compact({"alg": "ES256", "typ": typ} | ({} if kid is None else {"kid": kid})))


def _sign(key: PrivateKey, header: str, claims: Mapping[str, Any]) -> str:
    signed = f"{header}.{to_base64url(_compact(claims))}"
    r, s = decode_dss_signature(key.sign(signed.encode(), _ES256))
    return f"{signed}.{to_base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _verified(jws: str, keys: Mapping[str, PublicKey]) -> dict[str, Any] | None:
    header, _, rest = jws.partition(".")
    body, _, mark = rest.partition(".")
    key = keys.get(header)
    if key is None or len(mark) != 86:
        return None
    try:
        signature = from_base64url(mark)
        der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        key.verify(der, f"{header}.{body}".encode(), _ES256)
        claims = json.loads(from_base64url(body))
    except (ValueError, InvalidSignature):
        return None
    return claims if isinstance(claims, dict) else None


def _public_key(jwk: Mapping[str, Any]) -> PublicKey:
    point = b"\x04" + from_base64url(jwk["x"]) + from_base64url(jwk["y"])
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)


def _compact(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def to_base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Raises ValueError for anything but the one spelling without padding."""
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if to_base64url(data) != text:
        raise ValueError("not canonical base64url")
    return data
