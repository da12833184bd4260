"""Links nobody gave out and forms no browser sends: always an answer, never a trace, never a fault of ours."""

from __future__ import annotations

import base64
import gzip
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from server.keys import KeyRing, from_base64url, to_base64url
from server.visit_links import Assignment, VisitLinks
from tests.server.api.world import World
from tests.server.customer.scene import Customers, Page

GOOD = b"overall=5"

FORMS: dict[str, tuple[bytes, dict[str, str]]] = {
    "nothing": (b"", {}),
    "a JSON body": (b'{"overall":5}', {}),
    "JSON by its type": (b'{"overall":5}', {"content-type": "application/json"}),
    "a form by another type": (GOOD, {"content-type": "text/plain"}),
    "multipart": (
        b'--x\r\nContent-Disposition: form-data; name="overall"\r\n\r\n5\r\n--x--',
        {"content-type": "multipart/form-data; boundary=x"},
    ),
    "no type": (GOOD, {"content-type": ""}),
    "the same field twice": (b"overall=5&overall=1", {}),
    "a reason twice": (b"overall=1&why_late=on&why_late=on", {}),
    "a field of ours it may not set": (b"overall=5&standing=counts", {}),
    "a NUL": (b"overall=5&comment=a%00b", {}),
    "a raw NUL": (b"overall=5&comment=a\x00b", {}),
    "no UTF-8": (b"overall=5&comment=%ff%fe", {}),
    "raw bytes": (b"overall=5&comment=\xff\xfe", {}),
    "raw UTF-8": ("overall=5&comment=好".encode(), {}),
    "half a character": (b"overall=5&comment=%ed%a0%80", {}),
    "UTF-16": ("overall=5".encode("utf-16"), {}),
    "fifty fields": (b"overall=5&" + b"&".join(b"f%d=1" % n for n in range(50)), {}),
    "another alphabet's five": (b"overall=%D9%A5", {}),
    "a very large number": (b"overall=" + b"9" * 3000, {}),
    "a comment of 301": (b"overall=5&comment=" + b"x" * 301, {}),
    "gzip that is none": (GOOD, {"content-encoding": "gzip"}),
    "an encoding nobody knows": (GOOD, {"content-encoding": "br"}),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_a_form_no_browser_sends_changes_nothing(customers: Customers, name: str) -> None:
    body, headers = FORMS[name]
    _, _, path = customers.job()
    with customers.world.untouched():
        answer = customers.send(path, body, **headers)
    assert 400 <= answer.status_code < 500
    if "content-encoding" not in headers:
        assert answer.status_code == 422 and Page(answer).all("form"), "the form again"
    assert customers.send(path, GOOD).status_code == 200, "and the customer can still answer"


@pytest.mark.parametrize("size", [4097, 10 * 2**20])
def test_a_body_that_is_too_large_is_not_read(customers: Customers, size: int) -> None:
    ticket, _, path = customers.job()
    assert customers.send(path, GOOD + b"&comment=" + b"x" * size).status_code == 413
    assert customers.told(ticket) == []


def test_a_small_body_that_unpacks_to_a_large_one_is_not_taken(customers: Customers) -> None:
    _, _, path = customers.job()
    packed = gzip.compress(GOOD + b"&comment=" + b"x" * 100_000)
    assert customers.send(path, packed, **{"content-encoding": "gzip"}).status_code == 422


def test_markup_in_a_comment_comes_back_as_words(customers: Customers) -> None:
    _, _, path = customers.job()
    evil = "</textarea><script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    answer = customers.send(path, {"comment": evil})
    assert "<script" not in answer.text and "<img" not in answer.text and evil in Page(answer).text


def test_no_bit_of_a_link_can_be_turned(customers: Customers) -> None:
    _, _, path = customers.job()
    data = from_base64url(path.removeprefix("/r/"))
    for bit in range(len(data) * 8):
        turned = bytearray(data)
        turned[bit // 8] ^= 1 << bit % 8
        assert customers.world.service.links.read(to_base64url(bytes(turned))) is None
    other = bytearray(data)
    other[2] ^= 1  # another assignment of the same ticket
    answer = customers.open("/r/" + to_base64url(bytes(other)))
    assert answer.status_code == 404 and Page(answer).all("h1")


def test_no_text_is_a_link_by_chance(world: World) -> None:
    chance = random.Random(1)
    for length in (0, 1, 15, 16, 17, 20, 36, 37, 60, 160):
        for _ in range(50):
            assert world.service.links.read(to_base64url(chance.randbytes(length))) is None
    for text in ("é", "\udcff", "%00", "a b", "=", "A" * 48, "A" * 10_000, "../..", "\x00"):
        assert world.service.links.read(text) is None


def test_a_link_spelled_another_way_is_not_the_link(customers: Customers) -> None:
    ticket, _, path = customers.job()
    token = path.removeprefix("/r/")
    for other in (
        token + "=",
        token + "A",
        token[:-1],
        token.swapcase(),
        base64.b64encode(from_base64url(token)).decode() + "%20",
    ):
        assert customers.open(f"/r/{other}").status_code == 404
    assert customers.told(ticket) == []


def test_a_link_of_another_server_is_none_of_ours(customers: Customers, tmp_path_factory: pytest.TempPathFactory) -> None:
    ticket, _, path = customers.job()
    foreign = VisitLinks(KeyRing.create(tmp_path_factory.mktemp("foreign") / "keys", now_ms=1))
    forged = foreign.path(Assignment(ticket, 1))
    assert len(forged) == len(path) and forged != path
    with customers.world.untouched():
        assert customers.open(forged).status_code == 404
        assert customers.send(forged, GOOD).status_code == 404


def test_a_genuine_link_to_a_ticket_that_is_gone_or_an_assignment_that_never_was_leads_nowhere(customers: Customers) -> None:
    ticket, _, _ = customers.job()
    links = customers.world.service.links
    for assignment in (Assignment("nobody", 1), Assignment(ticket, 0), Assignment(ticket, 2), Assignment(ticket, 2**24 - 1)):
        assert customers.open(links.path(assignment)).status_code == 404


def test_a_link_has_a_hundred_and_twenty_eight_bits_that_nobody_can_know(customers: Customers) -> None:
    first, second = (from_base64url(customers.job()[2].removeprefix("/r/")) for _ in range(2))
    assert first[-16:] != second[-16:] and len(first) == 3 + 1 + 16 + 16


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_no_other_method_does_anything(customers: Customers, method: str) -> None:
    _, _, path = customers.job()
    with customers.world.untouched():
        assert customers.world.ask(method, path, role=None).status_code == 405


def test_head_tells_the_same_without_the_page(customers: Customers) -> None:
    _, _, path = customers.job()
    answer = customers.world.ask("HEAD", path, role=None)
    assert (answer.status_code, answer.content) == (200, b"") and answer.headers["cache-control"] == "no-store"


def test_a_token_that_came_along_changes_nothing(customers: Customers) -> None:
    _, phone, path = customers.job()
    assert customers.world.ask("GET", path, token=phone.enrolled.token).status_code == 200
    assert customers.world.ask("GET", path, token="nonsense").status_code == 200


def test_twenty_tries_in_ten_minutes_are_enough_for_one_link_and_say_nothing_of_another(customers: Customers) -> None:
    ticket, _, path = customers.job()
    for _ in range(20):
        assert customers.send(path, b"").status_code == 422
    assert customers.send(path, GOOD).status_code == 429 and customers.told(ticket) == []
    assert customers.send(customers.job()[2], GOOD).status_code == 200
    customers.world.wait(minutes=10)
    assert customers.send(path, GOOD).status_code == 200


def test_ten_answers_at_once_are_one_answer(customers: Customers) -> None:
    ticket, _, path = customers.job()
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda level: customers.send(path, b"overall=%d" % (level % 5 + 1)), range(10)))
    assert all(answer.status_code == 200 for answer in answers)
    assert sum("总部已收到您的评价" in answer.text for answer in answers) == 1
    assert len(customers.told(ticket)) == 1 and "contests" not in customers.office_view(ticket)
