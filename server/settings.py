"""Every setting and every limit of the server, each with its unit in its name; read from `LAMPLIGHTER_…` variables.

Refuses to know the rules of the business: arrival limits, weights and thresholds are rows with their sources.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
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
    """Empty: a folder under `data`."""
    listen: Listen = "127.0.0.1:8640"
    public_url: WebAddress | None = None
    """How phones and browsers reach the server; None: the address it listens on."""
    tls_cert: Path | None = None
    """PEM file of the certificate and its chain; with `tls_key` the server speaks HTTPS itself. None: plain HTTP."""
    tls_key: Path | None = None
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

    # Time.
    statement_radius_ms: Annotated[int, Field(ge=0, le=600_000)] = 1_000
    """How far the server's own clock may be off, as signed into every statement."""
    sync_after_s: Count = 30
    sync_jitter_s: Annotated[int, Field(ge=0, le=86_400)] = 90
    """What a phone is told at the end of a sync: come back after so long, spread over so long."""

    # The machine.
    workers: Annotated[int, Field(ge=1, le=256)] = 8
    """Threads for the office's requests."""
    phone_workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Threads that check pushes and make replies. None of them waits for a commit, so more than cores gain nothing."""
    phones_at_once_max: Count = 128
    """Pushes checked and waiting for a commit; beyond that a request waits as the bytes it came in: memory in a storm."""
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
