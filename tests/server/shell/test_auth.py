"""Who is asking: every token but our own living ones is refused, so is every wrong assertion, password and code."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from clients.handset import keys as handset
from server import auth
from server.auth import Principal, Role, Tokens, require
from server.keys import KeyRing, Use, compact_json, protected_header, sign, to_base64url
from sync.facts import Statement
from sync.problems import Refused

NOW_S = 1_795_312_867


def test_a_token_says_who_holds_it(tokens: Tokens) -> None:
    token = tokens.issue("device-7", Role.MEMBER, minutes=60, device="device-7", member="wang")
    expected = Principal("device-7", Role.MEMBER, "device-7", "wang")
    assert tokens.verify(token) == expected
    assert tokens.verify(token) == expected, "from memory as well"


def test_a_token_ends_at_its_minute_also_when_it_was_verified_before(tokens: Tokens, clock: Any) -> None:
    token = tokens.issue("office", Role.HQ, minutes=60)
    clock.now_s += 3599
    tokens.verify(token)
    clock.now_s += 1
    with pytest.raises(Refused, match="expired"):
        tokens.verify(token)


# --- forgeries: each is our own good token with one thing wrong ---


def good_claims(tokens: Tokens) -> dict[str, Any]:
    times = {"iat": NOW_S - 10, "exp": NOW_S + 600, "jti": "j-1"}
    return {"iss": tokens.audience, "aud": tokens.audience, "sub": "office", "role": "hq", **times}


def made(ring: KeyRing, claims: Any, use: Use = Use.TOKEN, **header: Any) -> str:
    kid, key = ring.current(use)
    protected = {"alg": "ES256", "kid": kid, "typ": "lamplighter-token"} | header
    kept = {name: value for name, value in protected.items() if value is not ...}
    return sign(key, to_base64url(compact_json(kept)), json.dumps(claims).encode())


def refused(tokens: Tokens, token: str) -> bool:
    for _ in range(2):  # also the second time: nothing refused is remembered as good
        try:
            tokens.verify(token)
            return False
        except Refused as error:
            assert error.problem.slug == "sign-in"
    return True


def test_the_forgeries_start_from_a_token_that_is_accepted(ring: KeyRing, tokens: Tokens) -> None:
    assert tokens.verify(made(ring, good_claims(tokens))).role is Role.HQ


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "ES384"},
        {"alg": "HS256"},
        {"alg": ["ES256"]},
        {"alg": ...},
        {"typ": "JWT"},
        {"typ": "lamplighter-statement"},
        {"typ": ...},
        {"kid": ...},
        {"kid": ""},
        {"kid": "unknown"},
        {"kid": "../../etc/passwd"},
        {"kid": "' OR 1=1 --"},
        {"kid": ["a"]},
        {"kid": 7},
        {"kid": {}},
        {"jku": "https://evil.example/keys"},
        {"jwk": {"kty": "EC"}},
        {"x5u": "https://evil.example"},
        {"crit": ["exp"]},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
        {"cty": "JWT"},
    ],
    ids=str,
)
def test_a_token_under_another_header_is_refused_though_well_signed(
    ring: KeyRing, tokens: Tokens, header: dict[str, Any]
) -> None:
    assert refused(tokens, made(ring, good_claims(tokens), **header))


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "role", "iat", "exp", "jti"])
def test_a_token_without_any_one_claim_is_refused(ring: KeyRing, tokens: Tokens, claim: str) -> None:
    assert refused(tokens, made(ring, {name: value for name, value in good_claims(tokens).items() if name != claim}))


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "another"},
        {"aud": "another"},
        {"aud": []},
        {"role": "root"},
        {"role": ["hq"]},
        {"role": None},
        {"sub": 7},
        {"exp": NOW_S},
        {"exp": NOW_S - 1},
        {"exp": "9999999999"},
        {"exp": 1e300},
        {"exp": True},
        {"exp": None},
        {"iat": NOW_S + 60},
        {"iat": NOW_S + 601},
        {"iat": "now"},
        {"iat": float("nan")},
        {"nbf": NOW_S + 60},
        {"scope": "all"},
        {"jti": 7},
    ],
    ids=str,
)
def test_a_token_with_one_wrong_claim_is_refused(ring: KeyRing, tokens: Tokens, change: dict[str, Any]) -> None:
    assert refused(tokens, made(ring, good_claims(tokens) | change))


def test_tokens_by_other_keys_are_refused(ring: KeyRing, foreign_ring: KeyRing, tokens: Tokens) -> None:
    claims = good_claims(tokens)
    ours, _ = ring.current(Use.TOKEN)
    assert refused(tokens, made(foreign_ring, claims))
    assert refused(tokens, made(foreign_ring, claims, kid=ours))
    for use in (Use.ROOT, Use.STATEMENT, Use.RATING):
        assert refused(tokens, made(ring, claims, use)), "another key of ours, under its own name"
        assert refused(tokens, made(ring, claims, use, kid=ours)), "another key of ours, under the token key's name"


def test_the_public_key_is_no_shared_secret(ring: KeyRing, tokens: Tokens) -> None:
    kid, key = ring.current(Use.TOKEN)
    for form, kind in (
        (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        (Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        (Encoding.X962, PublicFormat.UncompressedPoint),
    ):
        secret = key.public_key().public_bytes(form, kind)
        for algorithm in ("HS256", "ES256"):
            header = to_base64url(compact_json({"alg": algorithm, "kid": kid, "typ": "lamplighter-token"}))
            signed = f"{header}.{to_base64url(compact_json(good_claims(tokens)))}"
            assert refused(
                tokens, f"{signed}.{to_base64url(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"
            )


def test_an_unsigned_and_a_cut_token_are_refused(tokens: Tokens) -> None:
    token = tokens.issue("office", Role.ADMIN, minutes=60)
    header, body, mark = token.split(".")
    zero = to_base64url(bytes(64))
    for text in (f"{header}.{body}.", f"{header}.{body}", f"{header}..{mark}", f"{header}.{body}.{zero}", token + "="):
        assert refused(tokens, text)
    assert refused(tokens, f"{header}.{body}.{mark[::-1]}")


@pytest.mark.parametrize(
    "junk",
    ["", ".", "..", "null", "a.b.c", "é", "\ud800", "\0", "x" * 100_000, "e30.e30.", "e30.e30.e30", "W10.W10.W10"],
)
def test_junk_is_refused(tokens: Tokens, junk: str) -> None:
    assert refused(tokens, junk)


def test_other_things_this_server_or_a_phone_signed_are_no_tokens(
    ring: KeyRing, tokens: Tokens, statement: Statement, phone: handset.PrivateKey
) -> None:
    assertion = handset.sign_assertion(phone, device="d", audience=tokens.audience, iat_s=NOW_S, jti="jti-0001")
    for text in (ring.sign_statement(statement), ring.key_list(), assertion):
        assert refused(tokens, text)


def test_memory_of_tokens_is_bounded(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "VERIFIED_TOKENS_KEPT", 3)
    issued = [tokens.issue(f"office-{n}", Role.HQ, minutes=5) for n in range(10)]
    assert [tokens.verify(token).subject for token in issued * 2] == [f"office-{n}" for n in range(10)] * 2
    assert len(tokens._kept) == 3


def test_a_remembered_token_costs_no_signature(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tokens.issue("office", Role.HQ, minutes=5)
    tokens.verify(token)
    monkeypatch.setattr(jwt, "decode", lambda *_, **__: pytest.fail("verified again"))
    assert tokens.verify(token).role is Role.HQ


def test_the_token_key_can_be_rotated_without_signing_anybody_out(key_directory: Any, clock: Any) -> None:
    before = Tokens(KeyRing.create(key_directory, now_ms=1), clock, new_id=lambda: "j")
    token = before.issue("office", Role.HQ, minutes=5)
    after = Tokens(KeyRing.rotate(key_directory, Use.TOKEN, now_ms=2), clock, new_id=lambda: "j")
    assert after.verify(token).subject == "office"


# --- roles ---


def test_a_role_is_required_by_name() -> None:
    dispatcher = Principal("office", Role.DISPATCHER, None, None)
    assert require(dispatcher, Role.ADMIN, Role.DISPATCHER) is dispatcher
    assert require(dispatcher) is dispatcher
    with pytest.raises(Refused, match="forbidden"):
        require(dispatcher, Role.ADMIN)
    with pytest.raises(Refused, match="sign-in"):
        require(None, Role.ADMIN)


# --- device assertions ---


def asserted(phone: handset.PrivateKey, **change: Any) -> str:
    words: dict[str, Any] = {"device": "device-7", "audience": "us", "iat_s": NOW_S, "jti": "jti-0001"}
    return handset.sign_assertion(phone, **{**words, **change})


def test_an_assertion_proves_the_devices_key(phone: handset.PrivateKey) -> None:
    jws = asserted(phone)
    assert auth.claimed_device(jws) == "device-7"
    assert auth.verify_device_assertion(jws, phone.public_key(), "us", NOW_S + 120) == auth.Assertion(
        "device-7", NOW_S, "jti-0001"
    )


@pytest.mark.parametrize("late_s", [-121, 121, 10**9])
def test_a_phone_with_a_wrong_clock_is_told_the_time(phone: handset.PrivateKey, late_s: int) -> None:
    with pytest.raises(Refused) as refusal:
        auth.verify_device_assertion(asserted(phone), phone.public_key(), "us", NOW_S + late_s)
    assert refusal.value.document()["time"] == (NOW_S + late_s) * 1000


def test_an_assertion_for_another_server_by_another_key_or_of_another_shape_is_refused(
    phone: handset.PrivateKey, other_phone: handset.PrivateKey
) -> None:
    claims = {"device": "device-7", "aud": "us", "iat": NOW_S, "jti": "jti-0001"}
    ours = protected_header("lamplighter-assertion")
    forged = [
        asserted(other_phone),
        asserted(phone, audience="them"),
        asserted(phone, jti="short"),
        asserted(phone, device="x" * 65),
        handset.sign_checkpoint(phone, "device-7", 1, "h" * 43),
        sign(phone, protected_header("lamplighter-checkpoint"), compact_json(claims)),
        sign(phone, protected_header("lamplighter-assertion", "kid"), compact_json(claims)),
        sign(phone, ours, compact_json({**claims, "iat": True})),
        sign(phone, ours, compact_json({**claims, "iat": str(NOW_S)})),
        sign(phone, ours, compact_json({**claims, "role": "admin"})),
        sign(phone, ours, b"[" * 1000),
        sign(phone, ours, b"\xff"),
        "",
        "a.b",
        "\ud800.\ud800.\ud800",
    ]
    for jws in forged:
        with pytest.raises(Refused, match="sign-in"):
            auth.verify_device_assertion(jws, phone.public_key(), "us", NOW_S)


@pytest.mark.parametrize("junk", ["", "a.b.c", "..", "é.é.é", "e30.e30.e30", "x" * 10_000, "\ud800.\ud800.\ud800"])
def test_no_device_is_read_from_junk(junk: str) -> None:
    with pytest.raises(Refused, match="sign-in"):
        auth.claimed_device(junk)


# --- passwords and codes ---


@pytest.fixture
def cheap_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "_SCRYPT_LOG_N", 4)


@pytest.mark.usefixtures("cheap_scrypt")
def test_a_password_is_the_one_that_was_set() -> None:
    stored = auth.hash_password("点灯人 café", b"s" * 16)
    assert auth.check_password("点灯人 café", stored)
    assert auth.check_password("点灯人 cafe\u0301", stored), "another keyboard's spelling of the same letters"
    assert not auth.check_password("点灯人 cafe", stored)
    assert not auth.check_password("", stored)
    assert not auth.check_password("点灯人 café" + "x" * 5000, stored)
    assert "点灯人" not in stored


@pytest.mark.usefixtures("cheap_scrypt")
def test_salt_makes_equal_passwords_look_different() -> None:
    assert auth.hash_password("same", b"a" * 16) != auth.hash_password("same", b"b" * 16)


@pytest.mark.usefixtures("cheap_scrypt")
@pytest.mark.parametrize("password", ["", "x" * 1025])
def test_an_empty_and_an_endless_password_are_refused(password: str) -> None:
    with pytest.raises(Refused, match="bad-value"):
        auth.hash_password(password, b"s" * 16)


def test_an_unknown_user_has_no_password_that_fits_and_costs_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    costs: list[tuple[int, ...]] = []

    def scrypt(password: str, salt: bytes, *cost: int) -> bytes:
        costs.append(cost)
        return bytes(32)  # even the very bytes of the stand-in let nobody in

    stored = auth.hash_password("right", b"s" * 16)
    monkeypatch.setattr(auth, "_scrypt", scrypt)
    assert not auth.check_password("", None)
    assert not auth.check_password("wrong", stored)
    assert costs[0] == costs[1]


def test_codes_are_readable_and_forgive_how_they_are_typed() -> None:
    code = auth.new_code(lambda count: bytes(range(1, count + 1)))
    assert len(code) == 11 and code[5] == "-"
    assert auth.code_hash(code) == auth.code_hash(code.lower().replace("-", " "))
    assert auth.code_hash("0O1IL-22222") == auth.code_hash("0011122222")
    assert code.replace("-", "") not in auth.code_hash(code)


def test_codes_use_their_fifty_bits() -> None:
    assert auth.new_code(lambda count: bytes(count)) == "00000-00000"
    assert auth.new_code(lambda count: b"\xff" * count) == "ZZZZZ-ZZZZZ"
    assert auth.new_code(lambda count: (1 << 49).to_bytes(count, "big")) == "00000-0000G"


@pytest.mark.parametrize("typed", ["", "short", "U" * 10, "é" * 10, "0" * 11, "\ud800" * 10, "零" * 10])
def test_what_cannot_be_a_code_is_refused(typed: str) -> None:
    with pytest.raises(Refused, match="bad-code"):
        auth.code_hash(typed)
