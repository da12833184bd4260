"""The customer's link: it leads back to its assignment on this server, and to nothing on any other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from server.keys import KeyRing, Use
from server.visit_links import Assignment, VisitLinks

UUID = "0199aa00-0000-7000-8000-00000000002a"


def test_a_derived_secret_lives_as_long_as_the_root_and_serves_one_purpose(key_directory: Path, foreign_ring: KeyRing) -> None:
    ring = KeyRing.create(key_directory, now_ms=1)
    secret = ring.derived("one")
    KeyRing.rotate(key_directory, Use.TOKEN, now_ms=1)
    after = KeyRing.rotate(key_directory, Use.RATING, now_ms=1)
    assert len(secret) == 32 and secret == after.derived("one") == KeyRing.load(key_directory).derived("one")
    private = ring.root.private.private_numbers().private_value.to_bytes(32, "big")
    assert len({secret, ring.derived("two"), foreign_ring.derived("one"), private}) == 4


@pytest.mark.parametrize("ticket", [UUID, UUID.upper(), "t-1", "a:b", "z" * 64])
@pytest.mark.parametrize("fence", [0, 1, 10**6])
def test_a_customers_link_leads_back_to_its_assignment_whatever_the_ticket_is_called(
    ring: KeyRing, foreign_ring: KeyRing, ticket: str, fence: int
) -> None:
    assignment = Assignment(ticket, fence)
    path = VisitLinks(ring).path(assignment)
    token = path.removeprefix("/r/")
    assert VisitLinks(ring).read(token) == assignment and VisitLinks(foreign_ring).read(token) is None
    assert re.fullmatch(r"/r/[A-Za-z0-9_-]+", path)


def test_links_of_the_same_text_in_other_parts_are_other_links(ring: KeyRing) -> None:
    links = VisitLinks(ring)
    tokens = {
        links.path(one) for one in (Assignment("a:1", 2), Assignment("a", 12), Assignment("a:1:2", 0), Assignment("a", 1))
    }
    assert len(tokens) == 4
