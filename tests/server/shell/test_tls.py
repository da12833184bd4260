"""HTTPS without a proxy: a real handshake, a command line that trusts this one certificate, and sentences for bad files."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from server import commands, tls
from server.auth import Role
from server.edge import Server
from server.service import Service, address_of, certificate_of
from server.settings import BadSetting, Settings, load_settings

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ROOT = Path(__file__).parents[3]
Key = ec.EllipticCurvePrivateKey


@dataclass
class Issuer:
    """A certificate authority, or a certificate that signs itself."""

    cert: x509.Certificate
    key: Key

    @classmethod
    def own(cls, name: str, **how: Any) -> Issuer:
        key = ec.generate_private_key(ec.SECP256R1())
        return cls(certificate(name, key, name, key, **how), key)

    def issue(self, name: str, **how: Any) -> Issuer:
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self.cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        return Issuer(certificate(name, key, str(issuer), self.key, **how), key)

    def write(self, folder: Path, *chain: Issuer, password: bytes | None = None) -> dict[str, Path]:
        """The two settings, as files."""
        folder.mkdir(parents=True, exist_ok=True)
        encoding = serialization.Encoding.PEM
        files = {"tls_cert": folder / "cert.pem", "tls_key": folder / "key.pem"}
        files["tls_cert"].write_bytes(b"".join(one.cert.public_bytes(encoding) for one in (self, *chain)))
        locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        files["tls_key"].write_bytes(self.key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, locked))
        return files


def certificate(
    name: str, key: Key, issuer: str, signer: Key, *, authority: bool = False, begins: datetime = NOW, days: int = 3650
) -> x509.Certificate:
    alternatives: list[x509.GeneralName] = [x509.DNSName(name)] if "." in name and not name[0].isdigit() else []
    alternatives += [x509.IPAddress(ip_address(name))] if name[0].isdigit() else []
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins - timedelta(days=1))
        .not_valid_after(begins + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return builder.sign(signer, hashes.SHA256())


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """`commands.serve` as the command runs it, until the block ends; its address as printed."""
    told: list[str] = []
    ready = threading.Event()
    servers: list[Server] = []
    begin = Server.__init__

    def remember(self: Server, *args: Any, **more: Any) -> None:
        begin(self, *args, **more)
        servers.append(self)

    def say(address: str) -> None:
        told.append(address)
        ready.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Server, "__init__", remember)
        patch.setattr(commands, "_spare_the_collector", lambda: None)
        thread = threading.Thread(target=commands.serve, args=(settings, say), daemon=True)
        thread.start()
        assert ready.wait(30)
        try:
            yield told[0]
        finally:
            servers[0].should_exit = True
            thread.join(30)


def prepared(tmp_path: Path, **more: Any) -> Settings:
    settings = load_settings(data=tmp_path / "data", listen="127.0.0.1:0", **more)
    commands.init(settings)
    return settings


def test_a_server_with_a_certificate_speaks_https_and_says_so(tmp_path: Path) -> None:
    own = Issuer.own("127.0.0.1", begins=datetime.now(UTC))
    with serving(prepared(tmp_path, **own.write(tmp_path / "tls"))) as address:
        assert address.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=str(tmp_path / "tls" / "cert.pem"))
        with httpx.Client(verify=trusting, trust_env=False) as browser:
            answer = browser.get(f"{address}/livez")
        assert answer.json() == {"alive": True}
        assert "strict-transport-security" not in answer.headers, "a promise for months is the operator's to make"
        with pytest.raises(httpx.TransportError):
            httpx.get(address.replace("https", "http") + "/livez", trust_env=False)
        with pytest.raises(httpx.ConnectError, match=r"(?i:certificate)"):
            httpx.get(f"{address}/livez", trust_env=False)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_tls_is_not_spoken(tmp_path: Path) -> None:
    own = Issuer.own("127.0.0.1", begins=datetime.now(UTC))
    with serving(prepared(tmp_path, **own.write(tmp_path / "tls"))) as address:
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.load_verify_locations(tmp_path / "tls" / "cert.pem")
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{address}/livez", verify=old, trust_env=False)


@pytest.mark.parametrize(
    "made",
    [
        lambda: (Issuer.own("lamplighter.example"),),
        lambda: (Issuer.own("lamplighter.example", authority=True),),
        lambda: (Issuer.own("lamplighter.example", begins=NOW - timedelta(days=4000), days=90),),
        lambda: (root := Issuer.own("Some CA", authority=True), root.issue("lamplighter.example"))[::-1],
    ],
    ids=["signs itself", "as openssl makes it", "expired", "issued by an authority"],
)
def test_the_command_line_beside_it_trusts_it_whatever_name_stands_in_it(tmp_path: Path, made: Any) -> None:
    own, *chain = made()
    settings = prepared(tmp_path, **own.write(tmp_path / "tls", *chain))
    with serving(settings), commands.office(settings) as office:
        assert office.get("/v1/tickets")["tickets"] == []


def test_a_certificate_that_was_renewed_while_the_server_runs_changes_nothing_until_it_starts_again(tmp_path: Path) -> None:
    settings = prepared(tmp_path, **Issuer.own("lamplighter.example").write(tmp_path / "tls"))
    with serving(settings):
        Issuer.own("lamplighter.example").write(tmp_path / "tls")
        with commands.office(settings) as office:
            assert office.get("/v1/tickets")["tickets"] == []


def test_the_command_line_trusts_no_other_certificate_even_of_the_same_authority_and_name(tmp_path: Path) -> None:
    authority = Issuer.own("Some CA", authority=True)
    ours, theirs = authority.issue("lamplighter.example"), authority.issue("lamplighter.example")
    settings = prepared(tmp_path, **theirs.write(tmp_path / "tls", authority))
    pinned = tls.Pair(*ours.write(tmp_path / "ours", authority).values()).leaf
    with serving(settings) as address:
        with pytest.raises(httpx.ConnectError, match=r"(?i:certificate)"):
            httpx.get(f"{address}/livez", verify=tls.trusting(pinned), trust_env=False)
        assert certificate_of(settings.data) == tls.Pair(settings.tls_cert, settings.tls_key).leaf  # type: ignore[arg-type]
        assert httpx.get(f"{address}/livez", verify=tls.trusting(certificate_of(settings.data) or ""), trust_env=False)
    assert address_of(settings.data) is None and certificate_of(settings.data) is None


def test_a_code_made_at_a_server_with_https_leads_there(tmp_path: Path) -> None:
    settings = prepared(tmp_path, **Issuer.own("127.0.0.1").write(tmp_path / "tls"))
    body = b'{}\n{"stations":[],"crews":[],"members":[{"id":"m1","name_zh":"a","name_en":"a"}]}'
    with serving(settings), commands.office(settings) as office:
        office._client.post("/v1/import/org", content=body).raise_for_status()
        said = office.post("/v1/enrol-codes", {"member": "m1"})
        assert said["address"].startswith("https://127.0.0.1")
        assert said["link"] == f"{said['address']}/crew/#enrol={said['code']}"


def test_the_options_of_serve_are_the_settings(tmp_path: Path) -> None:
    files = Issuer.own("127.0.0.1", begins=datetime.now(UTC)).write(tmp_path / "tls")
    environment = {**os.environ, "LAMPLIGHTER_DATA": str(tmp_path / "data"), "LAMPLIGHTER_LISTEN": "127.0.0.1:0"}
    run = [sys.executable, "-m", "server"]
    subprocess.run([*run, "init"], cwd=ROOT, env=environment, check=True, capture_output=True)
    options = ["--tls-cert", str(files["tls_cert"]), "--tls-key", str(files["tls_key"])]
    with subprocess.Popen([*run, "serve", *options], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "https://127.0.0.1:" in process.stderr.readline()
        listed = subprocess.run([*run, "ticket", "list"], cwd=ROOT, env=environment, capture_output=True, text=True)
        process.send_signal(signal.SIGTERM)
    assert listed.returncode == 0, listed.stderr


# --------------------------------------------------------------------------------------------------- files that do not do


def bad_files(folder: Path) -> dict[str, dict[str, Path]]:
    one, other = Issuer.own("a.example"), Issuer.own("b.example")
    good = one.write(folder / "one")
    (folder / "text").write_text("not a certificate")
    return {
        "no key": {"tls_cert": good["tls_cert"]},
        "no certificate": {"tls_key": good["tls_key"]},
        "missing": {**good, "tls_cert": folder / "nowhere.pem"},
        "a folder": {**good, "tls_key": folder},
        "another's key": {**good, "tls_key": other.write(folder / "other")["tls_key"]},
        "no PEM": {**good, "tls_cert": folder / "text"},
        "exchanged": {"tls_cert": good["tls_key"], "tls_key": good["tls_cert"]},
        "locked": one.write(folder / "locked", password=b"geheim"),
    }


@pytest.mark.parametrize(
    "name", ["no key", "no certificate", "missing", "a folder", "another's key", "no PEM", "exchanged", "locked"]
)
def test_files_that_cannot_be_used_are_one_sentence_before_anything_listens(tmp_path: Path, name: str) -> None:
    settings = load_settings(data=tmp_path / "data", **bad_files(tmp_path)[name])
    with pytest.raises(BadSetting) as fault:
        commands.serve(settings, lambda address: pytest.fail("it listens"))
    assert str(fault.value).endswith(".") and "\n" not in str(fault.value) and "geheim" not in str(fault.value)
    good, text = tls.look(settings, NOW)
    assert not good and text == str(fault.value)


@pytest.mark.parametrize(
    ("how", "public_url", "good", "words"),
    [
        ({}, None, True, "until 2036"),
        ({"days": 13}, None, False, "expires on"),
        ({"begins": NOW - timedelta(days=100), "days": 90}, None, False, "expired on"),
        ({"begins": NOW + timedelta(days=5)}, None, False, "not valid before"),
        ({}, "https://lamp.example", True, "until 2036"),
        ({}, "https://other.example", False, "is not for other.example"),
    ],
    ids=str,
)
def test_the_doctor_says_what_is_wrong_with_a_certificate(
    tmp_path: Path, how: dict[str, Any], public_url: str | None, good: bool, words: str
) -> None:
    files = Issuer.own("lamp.example", **how).write(tmp_path)
    healthy, text = tls.look(load_settings(data=tmp_path, public_url=public_url, **files), NOW)
    assert healthy is good and words in text


def test_plain_http_is_in_order_and_named_as_such(tmp_path: Path) -> None:
    settings = load_settings(data=tmp_path)
    assert tls.look(settings, NOW)[0] and tls.pair_of(settings) is None
    assert "https" in {finding.name for finding in commands.doctor(settings)}


def test_a_wildcard_certificate_is_for_the_names_below_it(tmp_path: Path) -> None:
    files = Issuer.own("*.lamp.example").write(tmp_path)
    assert tls.look(load_settings(data=tmp_path, public_url="https://crew.lamp.example", **files), NOW)[0]
    assert not tls.look(load_settings(data=tmp_path, public_url="https://lamp.example", **files), NOW)[0]


def test_a_server_that_lives_for_one_command_needs_no_certificate(tmp_path: Path) -> None:
    settings = prepared(tmp_path, **Issuer.own("lamplighter.example").write(tmp_path / "tls"))
    with commands.office(settings) as office:
        assert office.get("/v1/tickets")["tickets"] == []
    service = Service(settings)
    try:
        assert service.tokens.issue("user:x", Role.HQ, minutes=1)
    finally:
        service.close()
