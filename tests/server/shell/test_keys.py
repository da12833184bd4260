"""Keys on disk, statements, key lists and checkpoints: what is ours verifies, and nothing else does."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from clients.handset import keys as handset
from server.auth import Role, Tokens
from server.keys import (
    CHECKPOINT_TYP,
    Checkpoint,
    KeyFault,
    KeyRing,
    Seals,
    StatementVerifier,
    Use,
    compact_json,
    from_base64url,
    jwk,
    parse_jwk,
    protected_header,
    sign,
    thumbprint,
    to_base64url,
    verify_checkpoint,
)
from sync.facts import Statement
from sync.hub import Seals as HubSeals
from sync.problems import Refused
from sync.replica import Signer as ReplicaSigner
from sync.store import Device

HEAD = "h" * 43


# --- files ---


def test_every_key_file_is_private_in_a_private_folder(key_directory: Path) -> None:
    KeyRing.create(key_directory, now_ms=1)
    assert stat.S_IMODE(key_directory.stat().st_mode) == 0o700
    files = list(key_directory.iterdir())
    assert len(files) == len(Use) + 1
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_loaded_keys_are_the_created_ones(key_directory: Path, statement: Statement) -> None:
    created, loaded = KeyRing.create(key_directory, now_ms=1), KeyRing.load(key_directory)
    assert loaded.public_keys() == created.public_keys()
    assert created.verifier().verify(loaded.sign_statement(statement)) == statement


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_file_open_to_others_is_refused_with_the_command_that_helps(key_directory: Path, mode: int) -> None:
    KeyRing.create(key_directory, now_ms=1)
    exposed = next(key_directory.glob("token-*.pem"))
    exposed.chmod(mode)
    with pytest.raises(KeyFault, match=f"chmod 600 {exposed}"):
        KeyRing.load(key_directory)


def test_a_key_folder_open_to_others_is_refused(key_directory: Path) -> None:
    KeyRing.create(key_directory, now_ms=1)
    key_directory.chmod(0o755)
    with pytest.raises(KeyFault, match="chmod 700"):
        KeyRing.load(key_directory)


def test_keys_are_never_overwritten(key_directory: Path) -> None:
    KeyRing.create(key_directory, now_ms=1)
    before = {file.name: file.read_bytes() for file in key_directory.iterdir()}
    with pytest.raises(KeyFault, match="never overwritten"):
        KeyRing.create(key_directory, now_ms=2)
    assert {file.name: file.read_bytes() for file in key_directory.iterdir()} == before


def test_a_creation_that_was_interrupted_can_be_repeated(key_directory: Path) -> None:
    KeyRing.create(key_directory, now_ms=1)
    (key_directory / "keys.json").rename(key_directory / "keys.json.new")  # the last step had not happened
    assert KeyRing.create(key_directory, now_ms=2).root_jwk == KeyRing.load(key_directory).root_jwk


def test_a_missing_a_damaged_and_an_exchanged_key_are_told_apart_from_none_at_all(key_directory: Path) -> None:
    with pytest.raises(KeyFault, match="lamplighter init"):
        KeyRing.load(key_directory)
    KeyRing.create(key_directory, now_ms=1)
    token, rating = next(key_directory.glob("token-*.pem")), next(key_directory.glob("rating-*.pem"))
    whole = token.read_bytes()
    token.write_bytes(rating.read_bytes())
    with pytest.raises(KeyFault, match="does not hold the key it is named for"):
        KeyRing.load(key_directory)
    token.write_bytes(whole[:100])
    with pytest.raises(KeyFault, match="damaged"):
        KeyRing.load(key_directory)
    token.unlink()
    with pytest.raises(KeyFault, match="is missing"):
        KeyRing.load(key_directory)


def test_after_rotation_old_statements_verify_and_new_ones_have_the_new_key(
    key_directory: Path, statement: Statement
) -> None:
    old = KeyRing.create(key_directory, now_ms=1)
    KeyRing.rotate(key_directory, Use.STATEMENT, now_ms=2)
    new = KeyRing.load(key_directory)
    by_old, by_new = old.sign_statement(statement), new.sign_statement(statement)
    assert by_old.partition(".")[0] != by_new.partition(".")[0]
    phone = handset.KeyList.verify(new.key_list(), old.root_jwk)
    assert phone is not None
    assert phone.statement(by_old) == phone.statement(by_new) == statement
    assert [key["until"] for key in new.public_keys() if key["use"] == "statement"] == [2, None]


def test_the_root_cannot_be_rotated(key_directory: Path) -> None:
    KeyRing.create(key_directory, now_ms=1)
    with pytest.raises(KeyFault, match="pinned"):
        KeyRing.rotate(key_directory, Use.ROOT, now_ms=2)


def test_a_device_key_is_private_kept_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "device.pem"
    created = handset.create_device_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert handset.public_jwk(handset.load_device_key(path)) == handset.public_jwk(created)
    with pytest.raises(handset.KeyFault, match="never overwritten"):
        handset.create_device_key(path)
    path.chmod(0o644)
    with pytest.raises(handset.KeyFault, match="chmod 600"):
        handset.load_device_key(path)
    with pytest.raises(handset.KeyFault, match="enrol first"):
        handset.load_device_key(tmp_path / "none.pem")


# --- statements and key lists ---


def test_a_statement_survives_the_way_to_phone_and_back(ring: KeyRing, statement: Statement) -> None:
    jws = ring.sign_statement(statement)
    phone = handset.KeyList.verify(ring.key_list(), ring.root_jwk)
    assert phone is not None
    assert phone.statement(jws) == ring.verifier().verify(jws) == statement


def test_a_statement_is_ordinary_es256_that_any_library_verifies(ring: KeyRing, statement: Statement) -> None:
    jws = ring.sign_statement(statement)
    kid, key = ring.current(Use.STATEMENT)
    read = jwt.PyJWS().decode_complete(jws, key.public_key(), algorithms=["ES256"])
    assert read["header"] == {"alg": "ES256", "typ": "lamplighter-statement", "kid": kid}
    assert json.loads(read["payload"]) == dataclasses.asdict(statement)


def test_no_statement_survives_the_change_of_one_character(ring: KeyRing, statement: Statement) -> None:
    jws, verifier = ring.sign_statement(statement), ring.verifier()
    phone = handset.KeyList(ring.public_keys())
    changed = [jws[:i] + ("A" if jws[i] != "A" else "B") + jws[i + 1 :] for i in range(len(jws))]
    assert [text for text in changed if verifier.verify(text) or phone.statement(text)] == []


@pytest.mark.parametrize("junk", ["", ".", "..", "...", "a.b.c", "<html>portal</html>", "x" * 5000, "é.ü.ß", "\ud800"])
def test_junk_is_no_statement_and_no_error(ring: KeyRing, junk: str) -> None:
    assert ring.verifier().verify(junk) is None
    assert handset.KeyList(ring.public_keys()).statement(junk) is None


def test_another_servers_statement_bounds_nothing(ring: KeyRing, foreign_ring: KeyRing, statement: Statement) -> None:
    assert ring.verifier().verify(foreign_ring.sign_statement(statement)) is None


def test_what_the_same_server_signed_for_other_uses_is_no_statement(
    ring: KeyRing, tokens: Tokens, statement: Statement
) -> None:
    verifier = ring.verifier()
    kid, key = ring.current(Use.STATEMENT)
    claims = compact_json(dataclasses.asdict(statement))
    as_checkpoint = sign(key, protected_header(CHECKPOINT_TYP), claims)
    as_other_typ = sign(key, protected_header("lamplighter-keys", kid), claims)
    other_kid, other_key = ring.current(Use.TOKEN)
    by_token_key = sign(other_key, protected_header("lamplighter-statement", other_kid), claims)
    for jws in (as_checkpoint, as_other_typ, by_token_key, ring.key_list(), tokens.issue("a", Role.HQ, minutes=5)):
        assert verifier.verify(jws) is None


def test_a_statement_with_fields_of_a_later_version_is_still_understood(ring: KeyRing, statement: Statement) -> None:
    kid, key = ring.current(Use.STATEMENT)
    header = protected_header("lamplighter-statement", kid)
    later = sign(key, header, compact_json({**dataclasses.asdict(statement), "proof": "…"}))
    lacking = sign(key, header, compact_json({"journal": "j"}))
    phone = handset.KeyList(ring.public_keys())
    assert phone.statement(later) == ring.verifier().verify(later) == statement
    assert phone.statement(lacking) is ring.verifier().verify(lacking) is None


def test_a_repeated_anchor_is_verified_once(
    ring: KeyRing, statement: Statement, monkeypatch: pytest.MonkeyPatch
) -> None:
    jws, verifier = ring.sign_statement(statement), ring.verifier()
    first = verifier.verify(jws)
    monkeypatch.setattr("server.keys.signed_payload", lambda *_: pytest.fail("verified again"))
    assert verifier.verify(jws) is first


def test_the_key_list_is_believed_only_under_the_pinned_root(ring: KeyRing, foreign_ring: KeyRing) -> None:
    assert handset.KeyList.verify(ring.key_list(), ring.root_jwk) is not None
    assert handset.KeyList.verify(ring.key_list(), foreign_ring.root_jwk) is None
    assert handset.KeyList.verify(foreign_ring.key_list(), ring.root_jwk) is None


def test_the_key_list_holds_public_statement_and_rating_keys_only(ring: KeyRing) -> None:
    listed = json.loads(base64.urlsafe_b64decode(ring.key_list().split(".")[1] + "=="))["keys"]
    assert listed == ring.public_keys()
    assert sorted(key["use"] for key in listed) == ["rating", "statement"]
    assert {name for key in listed for name in key} == {"kid", "use", "alg", "kty", "crv", "x", "y", "from", "until"}


def test_a_kid_is_the_rfc_7638_thumbprint(ring: KeyRing) -> None:
    for key in ring.public_keys():
        text = f'{{"crv":"P-256","kty":"EC","x":"{key["x"]}","y":"{key["y"]}"}}'
        assert key["kid"] == to_base64url(hashlib.sha256(text.encode()).digest())
    assert handset.thumbprint(ring.root_jwk) == ring.root.kid


# --- checkpoints ---


def test_a_phones_checkpoint_is_accepted_under_its_own_key(phone: handset.PrivateKey) -> None:
    jws = handset.sign_checkpoint(phone, "journal-1", 97, HEAD)
    assert verify_checkpoint(jws, phone.public_key()) == Checkpoint("journal-1", 97, HEAD)  # type: ignore[arg-type]


def test_a_checkpoint_is_refused_under_every_other_key(
    phone: handset.PrivateKey, other_phone: handset.PrivateKey
) -> None:
    with pytest.raises(Refused, match="bad-checkpoint"):
        verify_checkpoint(handset.sign_checkpoint(phone, "journal-1", 97, HEAD), other_phone.public_key())


def encoded(document: Any) -> str:
    return to_base64url(json.dumps(document, separators=(",", ":")).encode())


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "typ": CHECKPOINT_TYP},
        {"alg": "HS256", "typ": CHECKPOINT_TYP},
        {"alg": "ES384", "typ": CHECKPOINT_TYP},
        {"alg": "ES256"},
        {"typ": CHECKPOINT_TYP},
        {"alg": "ES256", "typ": "lamplighter-statement"},
        {"alg": "ES256", "typ": "JWT"},
        {"alg": "ES256", "typ": CHECKPOINT_TYP, "kid": "any"},
        {"alg": "ES256", "typ": CHECKPOINT_TYP, "crit": ["b64"], "b64": False},
        {"alg": "ES256", "typ": CHECKPOINT_TYP, "jwk": {}},
        [],
    ],
    ids=str,
)
def test_a_checkpoint_under_any_other_header_is_refused_though_well_signed(
    phone: handset.PrivateKey, header: Any
) -> None:
    jws = sign(phone, encoded(header), compact_json({"journal": "journal-1", "n": 97, "head": HEAD}))
    with pytest.raises(Refused, match="bad-checkpoint"):
        verify_checkpoint(jws, phone.public_key())


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"[" * 1000,
        b'{"journal":"j","n":1}',
        b'{"journal":"j","n":1,"head":"%s","more":1}' % HEAD.encode(),
        b'{"journal":"j","n":true,"head":"%s"}' % HEAD.encode(),
        b'{"journal":"j","n":1.0,"head":"%s"}' % HEAD.encode(),
        b'{"journal":"j","n":NaN,"head":"%s"}' % HEAD.encode(),
        b'{"journal":"j","n":-1,"head":"%s"}' % HEAD.encode(),
        b'{"journal":"j","n":9007199254740993,"head":"%s"}' % HEAD.encode(),
        b'{"journal":"","n":1,"head":"%s"}' % HEAD.encode(),
        b'{"journal":"a/../b","n":1,"head":"%s"}' % HEAD.encode(),
        b'{"journal":["j"],"n":1,"head":"%s"}' % HEAD.encode(),
        b'{"journal":"j","n":1,"head":"short"}',
        b'{"journal":"j","n":1,"head":null}',
    ],
)
def test_a_checkpoint_over_anything_but_a_place_in_a_journal_is_refused(
    phone: handset.PrivateKey, payload: bytes
) -> None:
    with pytest.raises(Refused, match="bad-checkpoint"):
        verify_checkpoint(sign(phone, protected_header(CHECKPOINT_TYP), payload), phone.public_key())


def test_a_signature_has_one_spelling(phone: handset.PrivateKey) -> None:
    jws = handset.sign_checkpoint(phone, "journal-1", 97, HEAD)
    signed, _, mark = jws.rpartition(".")
    der = phone.sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same_bytes = mark[:-1] + last[last.index(mark[-1]) ^ 1]  # differs only in bits that base64 ignores
    zero = to_base64url(bytes(64))
    for other in (to_base64url(der), mark + "==", same_bytes, mark[:-1], mark + "\n", "", zero, mark + ".x"):
        with pytest.raises(Refused, match="bad-checkpoint"):
            verify_checkpoint(f"{signed}.{other}", phone.public_key())


def test_the_hubs_seals_take_the_enrolled_devices_word_and_no_others(
    ring: KeyRing, phone: handset.PrivateKey, other_phone: handset.PrivateKey, statement: Statement
) -> None:
    seals: HubSeals = Seals(ring)
    device = Device("device-7", "wang", None, frozenset(), None, handset.public_jwk(phone))
    keys = handset.KeyList.verify(ring.key_list(), ring.root_jwk)
    assert keys is not None
    signer: ReplicaSigner = handset.Signer(phone, keys)
    assert seals.checkpoint(signer.checkpoint("journal-1", 97, HEAD), device) == ("journal-1", 97, HEAD)
    with pytest.raises(Refused, match="bad-checkpoint"):
        seals.checkpoint(handset.sign_checkpoint(other_phone, "journal-1", 97, HEAD), device)
    jws = ring.sign_statement(statement)
    assert seals.statement(jws) == signer.statement(jws) == statement
    assert seals.statement("<html>") is signer.statement("<html>") is None


def test_a_signature_shortened_by_a_leading_zero_is_not_a_second_spelling(phone: handset.PrivateKey) -> None:
    def halves() -> tuple[str, bytes]:
        signed, _, mark = handset.sign_checkpoint(phone, "journal-1", 97, HEAD).rpartition(".")
        return signed, from_base64url(mark)

    signed, mark = next((s, m) for s, m in iter(halves, None) if m[32] == 0)
    with pytest.raises(Refused, match="bad-checkpoint"):
        verify_checkpoint(f"{signed}.{to_base64url(mark[:32] + mark[33:])}", phone.public_key())


# --- device keys ---


def test_a_device_key_survives_jwk_and_storage(phone: handset.PrivateKey) -> None:
    document = handset.public_jwk(phone)
    parsed = parse_jwk(document)
    assert jwk(parsed) == jwk(parse_jwk(jwk(parsed))) == document
    assert thumbprint(parsed) == handset.thumbprint(document)


def test_what_webcrypto_exports_is_accepted(phone: handset.PrivateKey) -> None:
    document = {**handset.public_jwk(phone), "ext": True, "key_ops": ["verify"]}
    assert jwk(parse_jwk(document)) == handset.public_jwk(phone)


@pytest.mark.parametrize(
    "change",
    [
        {"kty": "RSA"},
        {"crv": "P-384"},
        {"crv": "secp256k1"},
        {"d": "AAAA"},
        {"kid": "x"},
        {"x": "AAAA"},
        {"x": ""},
        {"x": None},
        {"x": 7},
        {"x": ["a"]},
        {"x": to_base64url(bytes(32)), "y": to_base64url(bytes(32))},
        {"y": to_base64url(b"\x01" * 32)},
        {"x": to_base64url(b"\xff" * 32)},
        {"x": "=" * 43},
        {"x": "é" * 43},
    ],
    ids=str,
)
def test_a_key_that_is_not_a_bare_point_of_p256_is_refused(phone: handset.PrivateKey, change: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="bad-value"):
        parse_jwk({**handset.public_jwk(phone), **change})


def test_a_verifier_without_keys_knows_no_statement(ring: KeyRing, statement: Statement) -> None:
    assert StatementVerifier([]).verify(ring.sign_statement(statement)) is None
