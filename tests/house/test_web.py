"""The shape of the web workspace: strict types, lines a reader can take in, a lock that pins by hash."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.house.tree import files, text

WEB = "clients/web/"
SOURCES = [path for path in files() if path.startswith(WEB) and path.endswith((".ts", ".tsx", ".css"))]
NPM_LOCKS = [path for path in files() if path.endswith("package-lock.json")]
TESTS = (".test.ts", ".test.tsx")
WIDTH_MAX = 128

STRICT = (
    *("strict", "noUncheckedIndexedAccess", "exactOptionalPropertyTypes", "noImplicitOverride"),
    *("noUnusedLocals", "noUnusedParameters", "noFallthroughCasesInSwitch", "verbatimModuleSyntax", "isolatedModules"),
)
LAX = re.compile(r"@ts-(?:ignore|nocheck|expect-error)(?!\s*[-:–]?\s*\w{3})|:\s*any\b|\bas any\b|<any>")
"""Ways around the types; a directive with its reason on the line is let through."""


def packages(lock: str) -> dict[str, dict[str, Any]]:
    """Every installed package of an npm lock by its place; the workspace itself is no package."""
    return {place: entry for place, entry in json.loads(text(lock))["packages"].items() if place}


def test_the_compiler_is_as_strict_as_it_gets() -> None:
    options = json.loads(text(f"{WEB}tsconfig.json"))["compilerOptions"]
    assert {name: options.get(name) for name in STRICT} == dict.fromkeys(STRICT, True)


def test_no_source_goes_around_its_types() -> None:
    found = [
        f"{path}:{at}: {line.strip()}"
        for path in SOURCES
        if not path.endswith(".css")
        for at, line in enumerate(text(path).splitlines(), 1)
        if LAX.search(line) and not line.lstrip().startswith(("/*", "*"))
    ]
    assert not found, "\n".join(found)


def test_no_line_is_wider_than_those_of_the_rest() -> None:
    wide = [
        f"{path}:{at}: {len(line)} wide"
        for path in SOURCES
        for at, line in enumerate(text(path).splitlines(), 1)
        if len(line) > WIDTH_MAX
    ]
    assert not wide, "\n".join(wide)


def test_every_source_says_what_it_is_for() -> None:
    silent = [path for path in SOURCES if not path.endswith(TESTS) and not text(path).lstrip().startswith(("//", "/*"))]
    assert not silent, f"no opening comment: {', '.join(silent)}"


@pytest.mark.parametrize("lock", NPM_LOCKS)
def test_every_package_of_an_npm_lock_carries_a_hash_and_no_address(lock: str) -> None:
    assert packages(lock)
    assert not [place for place, entry in packages(lock).items() if "integrity" not in entry or "resolved" in entry]


def test_the_web_workspace_wishes_for_exact_versions_and_its_lock_agrees() -> None:
    wishes = json.loads(text(f"{WEB}package.json"))
    wanted = wishes["dependencies"] | wishes["devDependencies"]
    locked = {place.removeprefix("node_modules/"): entry for place, entry in packages(f"{WEB}package-lock.json").items()}
    assert {name: locked[name]["version"] for name in wanted if name in locked} == wanted
