"""Every setting and every limit of the server, each with its unit in its name; read from `LAMPLIGHTER_…` variables.

Refuses to know the rules of the business: arrival limits, weights and thresholds are rows with their sources.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "LAMPLIGHTER_"


class BadSetting(Exception):
    """A setting cannot be used; the message is one sentence naming the variable and what it should hold."""


class Lang(StrEnum):
    ZH = "zh-CN"
    EN = "en"


def language_of(environment: Mapping[str, str]) -> Lang:
    """The language a person's shell asks for: zh-CN for any Chinese locale, else English."""
    locale = environment.get("LC_ALL") or environment.get("LC_MESSAGES") or environment.get("LANG") or ""
    return Lang.ZH if locale.lower().startswith("zh") else Lang.EN


def _listen(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise ValueError("must be host:port, for example 127.0.0.1:8640")
    return value


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError("must be an address such as https://lamplighter.example")
    return value.rstrip("/")


Listen = Annotated[str, AfterValidator(_listen)]
def _own_address(value: str) -> str:
    return _listen(value) if value else value


def _networks(value: str) -> str:
    for part in filter(None, value.replace(",", " ").split()):
        ip_network(part)  # raises a sentence that names what is wrong
    return value


WebAddress = Annotated[str, AfterValidator(_web_address)]
Count = Annotated[int, Field(ge=1, le=2**40)]
MIB = 2**20


class Settings(BaseSettings):
    """Build with `load_settings`. Names on the left are the variables without `LAMPLIGHTER_`, in lower case."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid")

    data: Path = Path("var")
    """Holds the default database, `objects/` and `keys/`."""
    database_url: str = ""
    """Empty: an SQLite file under `data`."""
    objects_url: str = ""
    """Empty: a folder under `data`. Else `file:///FOLDER` or `s3://BUCKET/PREFIX`."""
    objects_redirect: bool = False
    """Whoever may read a photo is sent to the object store for it, if that is S3: the bytes do not pass through the server."""
    objects_redirect_s: Annotated[int, Field(ge=1, le=3_600)] = 60
    """How long such an address is good."""
    s3_endpoint: WebAddress | None = None
    """Address of the S3 server; None: AWS. Credentials come from where boto3 looks: AWS_… variables, a profile, the machine."""
    s3_public_endpoint: WebAddress | None = None
    """The same server as phones and browsers reach it, for `objects_redirect`; None: the same address."""
    s3_region: str | None = None
    s3_addressing: Literal["auto", "path", "virtual"] = "auto"
    """`path` for most servers that are not AWS."""
    s3_checksums: Literal["when_required", "when_supported"] = "when_supported"
    """Checksums beyond Content-MD5; `when_required` for servers that know none of them."""
    s3_timeout_s: Annotated[int, Field(ge=1, le=300)] = 20
    """For one answer of the object store; it is asked up to `s3_attempts_max` times, then photos are busy."""
    s3_attempts_max: Annotated[int, Field(ge=1, le=10)] = 3
    listen: Listen = "127.0.0.1:8640"
    public_url: WebAddress | None = None
    """How phones and browsers reach the server; None: the address it listens on."""
    tls_cert: Path | None = None
    """PEM file of the certificate and its chain; with `tls_key` the server speaks HTTPS itself. None: plain HTTP."""
    tls_key: Path | None = None
    metrics_listen: Annotated[str, AfterValidator(_own_address)] = ""
    """host:port where whoever reaches it may read `/metrics`; empty: nowhere but under the usual address, with a token."""
    proxies: Annotated[str, AfterValidator(_networks)] = ""
    """Networks of the proxies in front, such as `10.0.0.0/8`; only they are believed in `X-Forwarded-For`. Empty: nobody is."""
    lang: Lang = Field(default_factory=lambda: language_of(os.environ))

    # One request. 1 MiB and 2,000 lines: protocol §2; 16 KiB a line: protocol §1.
    request_bytes_max: Count = 1 * MIB
    """As sent, before decompression."""
    decompressed_bytes_max: Count = 4 * MIB
    """After decompression; a longer body is taken for a bomb. Journals compress about fourfold."""
    lines_max: Count = 2_000
    reply_bytes_max: Count = 1 * MIB
    """One page of changes; the device may ask for less (`limit_bytes`)."""
    import_bytes_max: Count = 64 * MIB

    # Photos and uploads.
    photo_bytes_max: Count = 24 * MIB
    """A 50-megapixel JPEG of a phone has about 20 MiB."""
    photo_pixels_max: Count = 120_000_000
    upload_hours: Count = 168
    """An unfinished upload is forgotten after this; the phone creates it again."""
    derivatives_workers: Count = 1

    # Who may ask, and for how long.
    token_minutes: Count = 60
    enrol_code_hours: Count = 24
    device_facts_per_day_max: Count = 20_000
    """A working day has about 200; a phone that returns after 40 days brings 8,000."""

    # How often, before 429 with a return time. As many at once, and that many again within a minute.
    device_requests_per_minute_max: Count = 240
    """Syncs of one phone; an honest one makes two a minute, and a few more while it drains a queue."""
    address_tries_per_minute_max: Count = 60
    """Sign-ins and enrolments that failed, from one address (of IPv6: from one /64)."""
    login_tries_per_minute_max: Count = 10
    """Failed sign-ins to one account from one address."""
    address_pages_per_minute_max: Count = 120
    """Customers' pages asked for from one address; many customers share one at their operator."""

    # Connections.
    connections_max: Count = 16_384
    """More are answered 503, and twice as many cut; also bounded by the open files this user may have."""
    keep_alive_s: Annotated[int, Field(ge=1, le=3_600)] = 30
    """How long an idle connection is kept. A proxy in front must let go sooner."""
    header_timeout_s: Annotated[float, Field(gt=0, le=600)] = 10
    """From the first byte of a header to its last."""
    body_timeout_s: Annotated[float, Field(gt=0, le=600)] = 20
    """In every such span a body must bring `body_bytes_per_s_min` on average."""
    body_bytes_per_s_min: Count = 128
    """Less is no phone on a bad link; GPRS at the edge of its cell brings ten times that."""
    drain_notice_s: Annotated[float, Field(ge=0, le=5)] = 2
    """After SIGTERM: not ready any more, but still answering, so that a balancer can notice. Then nobody new is let in."""

    # How long what is kept, in days; 0: for ever.
    retention_customer_days: Annotated[int, Field(ge=0, le=36_500)] = 0
    """Customers' personal data, after their ticket was archived, cancelled or merged."""
    retention_photos_days: Annotated[int, Field(ge=0, le=36_500)] = 0
    """Photos of such tickets."""
    retention_codes_days: Annotated[int, Field(ge=0, le=36_500)] = 0
    """Enrolment codes after they were used."""

    # Time.
    statement_radius_ms: Annotated[int, Field(ge=0, le=600_000)] = 1_000
    """How far the server's own clock may be off, as signed into every statement."""
    sync_after_s: Count = 30
    sync_jitter_s: Annotated[int, Field(ge=0, le=86_400)] = 90
    """What a phone is told at the end of a sync: come back after so long, spread over so long."""

    # The machine.
    processes: Annotated[int, Field(ge=1, le=64)] = 1
    """Server processes of one `serve`, behind one address; more than one needs PostgreSQL."""
    workers: Annotated[int, Field(ge=1, le=256)] = 8
    """Threads for the office's requests."""
    phone_workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Threads that check pushes and make replies. None of them waits for a commit, so more than cores gain nothing."""
    phones_at_once_max: Count = 128
    """Pushes checked and waiting for a commit; beyond that a request waits as the bytes it came in: memory in a storm."""
    phones_waiting_max: Count = 4_096
    """Pushes that wait for their turn; whoever comes then is answered 503 with a return time."""
    bodies_bytes_max: Count = 128 * MIB
    """Bytes of bodies that wait or are not complete; beyond that 503 likewise. At least one import must fit."""
    storm_waiting_from: Count = 64
    """From so many waiting pushes on, replies send phones away for longer, in proportion to how many wait …"""
    storm_after_s_max: Count = 300
    storm_jitter_s_max: Count = 1_800
    """… up to these."""
    disk_free_bytes_min: Annotated[int, Field(ge=0)] = 256 * MIB
    """Below this the server says it is not ready."""

    @property
    def database(self) -> str:
        """The database in use, as an SQLAlchemy URL."""
        return self.database_url or f"sqlite:///{self.data.absolute() / 'lamplighter.db'}"

    @property
    def objects(self) -> str:
        """The object store in use: `file:///…` or `s3://bucket/prefix`."""
        return self.objects_url or (self.data.absolute() / "objects").as_uri()

    @property
    def keys_directory(self) -> Path:
        return self.data / "keys"

    @property
    def proxy_networks(self) -> list[IPv4Network | IPv6Network]:
        return [ip_network(part) for part in filter(None, self.proxies.replace(",", " ").split())]

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    @property
    def address(self) -> str:
        """How phones and browsers reach the server."""
        return self.public_url or f"{self.scheme}://{self.listen}"

    @property
    def scheme(self) -> str:
        return "http" if self.tls_cert is None else "https"

    def describe(self) -> dict[str, str]:
        """Every variable with the value in effect, passwords masked: what `doctor` prints."""
        effective = self.model_dump() | {
            "database_url": _masked(self.database),
            "objects_url": _masked(self.objects),
            "public_url": self.address,
        }
        return {PREFIX + name.upper(): str(value) for name, value in effective.items()}


def load_settings(**overrides: Any) -> Settings:
    """The settings of this process: overrides, then the environment, then defaults. Raises BadSetting."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise BadSetting(_sentence(error)) from error


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """`LAMPLIGHTER_…` variables that no setting answers to, most likely misspelt."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    return sorted(name for name in environment if name.upper().startswith(PREFIX) and name.upper() not in known)


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    variable = PREFIX + str(first["loc"][0]).upper()
    reason = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    value = "" if variable.endswith("_URL") else f", not {str(first['input'])!r}"  # an address may hold a password
    return f"{variable}: {reason}{value}."


def _masked(address: str) -> str:
    parts = urlsplit(address)
    query = "…" if parts.query else ""
    if "@" not in parts.netloc:
        return urlunsplit(parts._replace(query=query)) if query else address
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}:…@{host}", query=query))
