"""Sealed ratings: the server reads exactly what the customer answered for this visit, and a seal tells nothing else."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from clients.handset import keys as handset
from server.keys import KeyRing, Use, from_base64url, to_base64url
from server.seal import PLAINTEXT_BYTES, SEALED_BYTES, SealFault, open_rating, rating_info

VISIT = {"ticket": "0199-ticket", "visit": "0199-visit", "opened": "o" * 43}


def sealed(ring: KeyRing, answer: dict[str, Any], **where: str) -> tuple[str, str]:
    phone = handset.KeyList.verify(ring.key_list(), ring.root_jwk)
    assert phone is not None
    return phone.seal_rating(answer, **{**VISIT, **where})


def test_the_server_reads_what_the_customer_answered(ring: KeyRing) -> None:
    answer = {"overall": 1, "reason": "来得太晚", "code": "482913"}
    kid, text = sealed(ring, answer)
    assert open_rating(ring, text, kid=kid, **VISIT) == answer


def test_every_score_has_the_same_sealed_length(ring: KeyRing) -> None:
    answers: list[dict[str, Any]] = [{"overall": score} for score in range(1, 6)]
    answers += [{}, {"overall": 1, "reason": "非" * 60}]
    assert {len(sealed(ring, answer)[1]) for answer in answers} == {450}
    assert len(from_base64url(sealed(ring, {})[1])) == SEALED_BYTES


def test_the_same_answer_never_looks_the_same(ring: KeyRing) -> None:
    assert len({sealed(ring, {"overall": 5}) for _ in range(20)}) == 20


def test_an_answer_that_does_not_fit_is_refused_before_it_is_sealed(ring: KeyRing) -> None:
    with pytest.raises(ValueError, match="256 fit"):
        sealed(ring, {"reason": "x" * 300})


@pytest.mark.parametrize("part", ["ticket", "visit", "opened"])
def test_an_answer_cannot_be_moved_to_another_visit(ring: KeyRing, part: str) -> None:
    kid, text = sealed(ring, {"overall": 5})
    assert open_rating(ring, text, kid=kid, **{**VISIT, part: "another"}) is SealFault.BAD_SEAL


def test_parts_of_the_binding_cannot_run_together(ring: KeyRing) -> None:
    kid, text = sealed(ring, {"overall": 5})
    shifted = {"ticket": "0199-ticket\n0199-visit", "visit": "o" * 43, "opened": ""}
    assert open_rating(ring, text, kid=kid, **shifted) is SealFault.BAD_SEAL
    with pytest.raises(ValueError, match="line feed"):
        rating_info("a\nb", "c", "d", "e")


def test_an_altered_seal_is_noticed_wherever_it_was_altered(ring: KeyRing) -> None:
    kid, text = sealed(ring, {"overall": 5})
    data = from_base64url(text)
    for place in (0, 1, 40, 64, 65, 200, len(data) - 1):
        altered = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        assert open_rating(ring, to_base64url(altered), kid=kid, **VISIT) is SealFault.BAD_SEAL


@pytest.mark.parametrize("junk", ["", "AAAA", "=" * 450, "é" * 450, "A" * 450, "A" * 1200, "\ud800", " " * 450])
def test_junk_instead_of_a_seal_has_a_reason_and_is_no_error(ring: KeyRing, junk: str) -> None:
    kid, _ = ring.current(Use.RATING)
    assert isinstance(open_rating(ring, junk, kid=kid, **VISIT), SealFault)


def test_a_foreign_key_and_a_key_of_another_use_are_unknown(ring: KeyRing, foreign_ring: KeyRing) -> None:
    kid, text = sealed(foreign_ring, {"overall": 5})
    assert open_rating(ring, text, kid=kid, **VISIT) is SealFault.UNKNOWN_KEY
    assert open_rating(ring, text, kid=ring.root.kid, **VISIT) is SealFault.UNKNOWN_KEY


def test_a_rating_sealed_before_the_rotation_is_opened_after_it(key_directory: Path) -> None:
    kid, text = sealed(KeyRing.create(key_directory, now_ms=1), {"overall": 4})
    after = KeyRing.rotate(key_directory, Use.RATING, now_ms=2)
    assert open_rating(after, text, kid=kid, **VISIT) == {"overall": 4}
    assert sealed(after, {})[0] != kid


def test_an_answer_of_another_length_than_everybodys_is_not_opened(ring: KeyRing) -> None:
    kid, key = ring.current(Use.RATING)
    info = rating_info(VISIT["ticket"], VISIT["visit"], VISIT["opened"], kid)
    for length in (PLAINTEXT_BYTES - 1, PLAINTEXT_BYTES + 1):
        text = to_base64url(seal_by_the_book(key.public_key(), info, b'{"overall":5}'.ljust(length)))
        assert open_rating(ring, text, kid=kid, **VISIT) is SealFault.BAD_ENCODING


@pytest.mark.parametrize("plaintext", [b"", b"[1]", b"\xff" * 256, b"[" * 256, b"5"])
def test_a_seal_around_something_else_than_an_answer_has_a_reason(ring: KeyRing, plaintext: bytes) -> None:
    kid, key = ring.current(Use.RATING)
    info = rating_info(VISIT["ticket"], VISIT["visit"], VISIT["opened"], kid)
    text = to_base64url(seal_by_the_book(key.public_key(), info, plaintext.ljust(PLAINTEXT_BYTES)))
    assert open_rating(ring, text, kid=kid, **VISIT) is SealFault.BAD_ANSWER


# --- HPKE written down from RFC 9180 a second time, so that seal and open are not only each other's witnesses ---


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def extract(suite: bytes, salt: bytes, label: bytes, secret: bytes) -> bytes:
    return hmac_sha256(salt or bytes(32), b"HPKE-v1" + suite + label + secret)


def expand(suite: bytes, secret: bytes, label: bytes, info: bytes, length: int) -> bytes:
    assert length <= 32
    return hmac_sha256(secret, length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info + b"\x01")[:length]


def seal_by_the_book(
    receiver: ec.EllipticCurvePublicKey,
    info: bytes,
    plaintext: bytes,
    *,
    aad: bytes = b"",
    ephemeral: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    """RFC 9180 §4.1, §5.1, §5.2, base mode, sequence number 0."""
    ephemeral = ephemeral or ec.generate_private_key(ec.SECP256R1())
    enc, receiver_point = uncompressed(ephemeral.public_key()), uncompressed(receiver)
    kem, suite = b"KEM\x00\x10", b"HPKE\x00\x10\x00\x01\x00\x01"
    shared = extract(kem, b"", b"eae_prk", ephemeral.exchange(ec.ECDH(), receiver))
    shared = expand(kem, shared, b"shared_secret", enc + receiver_point, 32)
    context = b"\x00" + extract(suite, b"", b"psk_id_hash", b"") + extract(suite, b"", b"info_hash", info)
    secret = extract(suite, shared, b"secret", b"")
    key, nonce = expand(suite, secret, b"key", context, 16), expand(suite, secret, b"base_nonce", context, 12)
    return enc + AESGCM(key).encrypt(nonce, plaintext, aad)


def uncompressed(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def private(hexadecimal: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int(hexadecimal, 16), ec.SECP256R1())


EPHEMERAL = private("4995788ef4b9d6132b249ce59a77281493eb39af373d236a1fe415cb0c2d7beb")
RECEIVER = private("f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2")


def test_the_second_writing_of_hpke_agrees_with_the_vector_of_rfc_9180_a_3_1() -> None:
    plaintext, info = b"Beauty is truth, truth beauty", b"Ode on a Grecian Urn"
    made = seal_by_the_book(RECEIVER.public_key(), info, plaintext, aad=b"Count-0", ephemeral=EPHEMERAL)
    ciphertext = "5ad590bb8baa577f8619db35a36311226a896e7342a6d836d8b7bcd2f20b6c7f9076ac232e3ab2523f39513434"
    assert made[65:].hex() == ciphertext


def test_a_rating_sealed_by_the_book_is_opened(ring: KeyRing) -> None:
    kid, key = ring.current(Use.RATING)
    plaintext = json.dumps({"overall": 3}).encode().ljust(PLAINTEXT_BYTES)
    text = to_base64url(
        seal_by_the_book(
            key.public_key(), rating_info(VISIT["ticket"], VISIT["visit"], VISIT["opened"], kid), plaintext
        )
    )
    assert open_rating(ring, text, kid=kid, **VISIT) == {"overall": 3}
