"""Documents name real things: files that exist, targets that Make knows, links and headings that are there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import PurePosixPath
from posixpath import normpath
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.house.tree import ROOT, files, text

DOCUMENTS = [path for path in files() if path.endswith(".md") and not path.startswith("tests/")]
HISTORY = ("CHANGELOG.md", "docs/decisions/")
"""Dated pages may name what has since gone; their links must still lead somewhere."""

SOURCE_SUFFIXES = (".py", ".md", ".toml", ".ts", ".tsx")
PATH_SHAPED = re.compile(r"\.?[\w*.-]+(?:/[\w*.-]+)*/?")


@cache
def tokens(path: str) -> tuple[Token, ...]:
    """A document's tokens, inline ones beside their blocks."""
    blocks = MarkdownIt().enable("table").parse(text(path))
    return tuple(token for block in blocks for token in (block, *(block.children or ())))


def inline_code(path: str) -> list[str]:
    return [token.content for token in tokens(path) if token.type == "code_inline"]


@cache
def existing() -> frozenset[str]:
    """Every file and folder of the checkout."""
    return frozenset(files()) | {folder.as_posix() for path in files() for folder in PurePosixPath(path).parents}


def looks_like_a_path(word: str, document: str) -> bool:
    if not PATH_SHAPED.fullmatch(word):
        return False
    if "/" not in word.rstrip("/"):
        return word.endswith(SOURCE_SUFFIXES) and "*" not in word
    first = word.split("/")[0]
    return first in existing() or (PurePosixPath(document).parent / first).as_posix() in existing()


def exists(word: str, document: str) -> bool:
    """A path from the root, from the document's folder, or the bare name of some file."""
    word = word.rstrip("/")
    if "/" not in word and any(PurePosixPath(path).name == word for path in files()):
        return True
    places = (word, (PurePosixPath(document).parent / word).as_posix())
    return any(place in existing() or ("*" in place and any(ROOT.glob(place))) for place in places)


def unreal_paths(document: str) -> Iterator[str]:
    for code in inline_code(document):
        word = code.split("::")[0].split("#")[0]
        if looks_like_a_path(word, document) and not exists(word, document):
            yield f"{document} names {code}"


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][\w-]*):(?!=)", text("Makefile"), re.MULTILINE))


def named_targets(document: str) -> Iterator[str]:
    """The targets of every `make …` in code, fenced or inline; variables and options are not targets."""
    fences = [token.content for token in tokens(document) if token.type == "fence"]
    lines = [line for code in (*fences, *inline_code(document)) for line in code.splitlines()]
    for line in lines:
        command = re.match(r"\s*(?:\$ )?make\b([^#;&|]*)", line)
        words = command[1].split() if command else []
        yield from (word for word in words if re.fullmatch(r"[a-z][\w-]*", word))


def headings(document: str) -> set[str]:
    """The anchors of a document's headings, as the usual hosts make them."""
    found = tokens(document)
    titles = [found[i + 1].content for i, token in enumerate(found) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def dead_links(document: str) -> Iterator[str]:
    for token in tokens(document):
        href = token.attrs.get("href") or token.attrs.get("src")
        target = urlsplit(str(href or ""))
        if not href or target.scheme or target.netloc:
            continue
        place = normpath(f"{PurePosixPath(document).parent}/{unquote(target.path)}") if target.path else document
        if place not in existing():
            yield f"{document} links to {href}"
        elif target.fragment and place.endswith(".md") and unquote(target.fragment) not in headings(place):
            yield f"{document} links to {href}, which has no such heading"


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if not path.startswith(HISTORY)])
def test_every_path_a_document_names_exists(document: str) -> None:
    assert not list(unreal_paths(document))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_internal_link_leads_somewhere(document: str) -> None:
    assert not list(dead_links(document))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_make_target_a_document_names_is_in_the_makefile(document: str) -> None:
    assert set(named_targets(document)) <= make_targets()


def test_a_path_that_does_not_exist_is_seen() -> None:
    assert looks_like_a_path("tests/house/gone.py", "README.md") and not exists("tests/house/gone.py", "README.md")
    assert looks_like_a_path("tests/house/tree.py", "README.md") and exists("tests/house/tree.py", "README.md")
    assert not looks_like_a_path("application/json", "README.md")


def test_every_target_explains_itself_in_make_help() -> None:
    explained = set(re.findall(r"^([a-z][\w-]*):.*## ", text("Makefile"), re.MULTILINE))
    promised = {"help", "setup", "web", "demo", "test", "check", "audit", "sbom"}
    promised |= {"sim", "bench", "bench-storm", "bench-web", "soak", "soak-web"}
    assert explained == make_targets() == promised
