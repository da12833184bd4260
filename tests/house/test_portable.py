"""The checkout works anywhere: no path of one machine, no registry's host, and locks that pin by hash and agree."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.house.tree import ROOT, files, text

LOCKS = ("requirements.txt", "requirements-dev.txt", "tests/services/swift.txt")

MACHINE_PATH = re.compile(r"(?<![\w./~-])/(?:work|farm|root|home|Users|tmp)/")
REGISTRY_HOST = re.compile(r"pypi\.org|files\.pythonhosted\.org|registry\.npmjs\.org|registry\.yarnpkg\.com")
RESOLVED = re.compile(r'"resolved":\s*"https?:')


def project() -> dict[str, Any]:
    return tomllib.loads(text("pyproject.toml"))


def pins(lock: str) -> dict[str, set[Version]]:
    """Every package of a lock with its versions (more than one where a marker chooses)."""
    found: dict[str, set[Version]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text(lock), re.MULTILINE):
        found.setdefault(canonicalize_name(name), set()).add(Version(version))
    return found


@pytest.mark.parametrize(
    ("what", "pattern"),
    [("a path of one machine", MACHINE_PATH), ("a registry's host", REGISTRY_HOST), ("a lock's address", RESOLVED)],
)
def test_no_file_names(what: str, pattern: re.Pattern[str]) -> None:
    found = []
    for path in files():
        try:
            lines = text(path).splitlines()
        except UnicodeDecodeError:
            continue  # a photo or a workbook
        found += [f"{path}:{at}: {line.strip()[:120]}" for at, line in enumerate(lines, 1) if pattern.search(line)]
    assert not found, f"{what} in\n" + "\n".join(found)


def test_a_machine_path_would_be_seen() -> None:
    assert MACHINE_PATH.search("see " + "/home" + "/ada/notes") and not MACHINE_PATH.search("GET https://a.example/home/page")


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_address_and_no_option(lock: str) -> None:
    assert "://" not in text(lock)
    assert not [line for line in text(lock).splitlines() if line.startswith("-")]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_of_a_lock_carries_a_hash(lock: str) -> None:
    lines = text(lock).splitlines()
    bare = [line for line, following in pairwise([*lines, ""]) if "==" in line and "--hash=sha256:" not in following]
    assert lines and not bare


def test_the_lock_for_testing_contains_the_lock_for_running() -> None:
    testing = pins("requirements-dev.txt")
    assert {name: testing.get(name) for name in pins("requirements.txt")} == pins("requirements.txt")


@pytest.mark.parametrize(
    ("lock", "asked"),
    [
        ("requirements.txt", project()["project"]["dependencies"]),
        ("requirements-dev.txt", project()["dependency-groups"]["dev"]),
        ("requirements-dev.txt", project()["build-system"]["requires"]),
    ],
)
def test_a_lock_holds_what_the_project_asks_for(lock: str, asked: list[str]) -> None:
    pinned = pins(lock)
    for requirement in map(Requirement, asked):
        versions = pinned.get(canonicalize_name(requirement.name), set())
        assert versions, f"{requirement.name} is not in {lock}; renew it (CONTRIBUTING.md)"
        assert all(requirement.specifier.contains(version) for version in versions), f"{lock} lags behind {requirement}"


def test_no_lock_that_names_hosts_is_kept() -> None:
    assert not [path for path in files() if path.rsplit("/", 1)[-1] in {"uv.lock", "poetry.lock", "yarn.lock"}]
    assert (ROOT / ".gitignore").read_text().count("uv.lock")
