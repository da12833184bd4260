"""Settings: defaults that work, one clear sentence for a bad one, and no secret in what is printed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from server.settings import BadSetting, Lang, Settings, language_of, load_settings, unknown_variables


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("LAMPLIGHTER_") or name in ("LANG", "LC_ALL", "LC_MESSAGES"):
            monkeypatch.delenv(name)


def test_without_any_variable_everything_lies_under_var() -> None:
    settings = load_settings()
    here = Path.cwd()
    assert settings.database == f"sqlite:///{here}/var/lamplighter.db"
    assert settings.objects == (here / "var/objects").as_uri()
    assert settings.keys_directory == Path("var/keys")
    assert (settings.host, settings.port, settings.address) == ("127.0.0.1", 8640, "http://127.0.0.1:8640")


def test_variables_are_read_and_empty_ones_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMPLIGHTER_LISTEN", "[::1]:9000")
    monkeypatch.setenv("LAMPLIGHTER_PUBLIC_URL", "https://lamp.example/")
    monkeypatch.setenv("LAMPLIGHTER_LINES_MAX", "500")
    monkeypatch.setenv("LAMPLIGHTER_DATABASE_URL", "")
    settings = load_settings(data=Path("/srv/lamp"))
    assert (settings.host, settings.port) == ("::1", 9000)
    assert (settings.address, settings.lines_max) == ("https://lamp.example", 500)
    assert settings.database == "sqlite:////srv/lamp/lamplighter.db"


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("LISTEN", "8640", "LAMPLIGHTER_LISTEN: must be host:port, for example 127.0.0.1:8640, not '8640'."),
        ("LISTEN", "host:70000", "LAMPLIGHTER_LISTEN: must be host:port"),
        ("LISTEN", "host:²", "LAMPLIGHTER_LISTEN: must be host:port"),
        ("LANG", "fr", "LAMPLIGHTER_LANG: should be 'zh-CN' or 'en', not 'fr'."),
        ("TOKEN_MINUTES", "soon", "LAMPLIGHTER_TOKEN_MINUTES: should be a valid integer"),
        ("TOKEN_MINUTES", "0", "LAMPLIGHTER_TOKEN_MINUTES: should be greater than or equal to 1, not '0'."),
        ("WORKERS", "100000", "LAMPLIGHTER_WORKERS: should be less than or equal to 256"),
        ("PUBLIC_URL", "lamp.example", "LAMPLIGHTER_PUBLIC_URL: must be an address such as"),
    ],
)
def test_a_bad_value_is_one_sentence(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str) -> None:
    monkeypatch.setenv(f"LAMPLIGHTER_{variable}", value)
    with pytest.raises(BadSetting) as fault:
        load_settings()
    assert str(fault.value).startswith(sentence)
    assert "\n" not in str(fault.value)


def test_the_language_is_the_settings_then_the_shells_then_english(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().lang is Lang.EN
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert load_settings().lang is Lang.ZH
    monkeypatch.setenv("LAMPLIGHTER_LANG", "en")
    assert load_settings().lang is Lang.EN
    assert language_of({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}) is Lang.EN


def test_what_is_printed_is_complete_and_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMPLIGHTER_DATABASE_URL", "postgresql://lamp:geheim@db.example:5432/lamp?password=geheim")
    monkeypatch.setenv("LAMPLIGHTER_OBJECTS_URL", "s3://AKIA:geheim@bucket/prefix")
    described = load_settings().describe()
    assert set(described) == {f"LAMPLIGHTER_{name.upper()}" for name in Settings.model_fields}
    assert "geheim" not in str(described)
    assert described["LAMPLIGHTER_DATABASE_URL"] == "postgresql://lamp:…@db.example:5432/lamp?…"
    assert described["LAMPLIGHTER_LISTEN"] == "127.0.0.1:8640"


def test_a_misspelt_variable_is_found() -> None:
    environment = {"LAMPLIGHTER_LISTENN": "x", "LAMPLIGHTER_LISTEN": "y", "PATH": "z"}
    assert unknown_variables(environment) == ["LAMPLIGHTER_LISTENN"]


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().lines_max = 1
