"""The server's certificate (证书): whether it can be used, what is wrong with it, and how a command line beside it trusts it.

The command line trusts exactly the certificate the running server shows, whatever names stand in it: it comes from the same
folder as the keys. Phones and browsers decide for themselves. Refuses to know how certificates are got and renewed.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from server.settings import BadSetting, Settings

RENEW_BEFORE = timedelta(days=14)
_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which Python has no name for


@dataclass(frozen=True, slots=True)
class Pair:
    """Certificate (with its chain, own first) and key, as PEM files."""

    cert: Path
    key: Path

    @property
    def leaf(self) -> str:
        """The server's own certificate as PEM."""
        return x509.load_pem_x509_certificates(self.cert.read_bytes())[0].public_bytes(Encoding.PEM).decode()


def pair_of(settings: Settings) -> Pair | None:
    """The files to serve HTTPS with, or None for plain HTTP. Raises: BadSetting when they cannot be used."""
    cert, key = settings.tls_cert, settings.tls_key
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise BadSetting("LAMPLIGHTER_TLS_CERT and LAMPLIGHTER_TLS_KEY go together; set both, or neither for plain HTTP.")
    pair = Pair(cert, key)
    for path in (cert, key):
        _check_readable(path)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=_no_password)
        _ = pair.leaf
    except (ssl.SSLError, ValueError) as error:
        raise BadSetting(f"{cert} and {key} are not a certificate and its key in PEM without a password ({error}).") from error
    return pair


def look(settings: Settings, now: datetime) -> tuple[bool, str]:
    """Whether HTTPS is in order (plain HTTP is), and a sentence about it: what `doctor` prints."""
    try:
        pair = pair_of(settings)
    except BadSetting as error:
        return False, str(error)
    if pair is None:
        return True, "off: plain HTTP, for localhost and behind a proxy that speaks TLS"
    certificate = x509.load_pem_x509_certificates(pair.cert.read_bytes())[0]
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    host = urlsplit(settings.address).hostname or ""
    if now < begins:
        return False, f"{pair.cert} is not valid before {begins:%Y-%m-%d %H:%M} UTC; is this machine's clock right?"
    if now >= ends:
        return False, f"{pair.cert} expired on {ends:%Y-%m-%d}; renew it and start the server again"
    if ends - now < RENEW_BEFORE:
        return False, f"{pair.cert} expires on {ends:%Y-%m-%d}; renew it and start the server again"
    if settings.public_url and not _names(certificate, host):
        return False, f"{pair.cert} is not for {host}, the name phones use (LAMPLIGHTER_PUBLIC_URL)"
    return True, f"{pair.cert}, until {ends:%Y-%m-%d}"


def trusting(leaf: str) -> ssl.SSLContext:
    """What a client needs to trust this very certificate and no other, by whatever address it reaches the server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # the certificate is for the name phones use; the command line uses the listening address
    # It is an anchor by itself, whoever issued it; and the office must get at a server whose certificate has run out.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    context.load_verify_locations(cadata=leaf)
    return context


def _check_readable(path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise BadSetting(f"{path} cannot be read ({error.strerror}); the server needs it for HTTPS.") from error


def _no_password() -> str:
    # Without this OpenSSL would stop and ask on the terminal.
    raise ValueError("the key has a password")


def _names(certificate: x509.Certificate, host: str) -> bool:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    known = [name.lower() for name in names.get_values_for_type(x509.DNSName)]
    known += [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return host in known or f"*.{host.partition('.')[2]}" in known


def utc_now() -> datetime:
    """This machine's time, for comparing with certificates."""
    return datetime.now(UTC)
