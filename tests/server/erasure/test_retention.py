"""What is kept for so many days is gone when they are over, and nothing before; without a setting nothing ever is."""

from __future__ import annotations

import time
from typing import Any

from server import retention
from server.service import Clock
from server.settings import Settings
from tests.server.archive.scene import Shell
from tests.server.erasure.scene import ADDRESS, OTHER_PHONE, PICTURE_NAME, House


def later(house: House, days: float, **settings: Any) -> None:
    """So many days from now, with these settings."""
    service = house.field.server.service
    service.clock = Clock(now_ms=lambda: time.time_ns() // 1_000_000 + round(days * retention.DAY_MS))
    service.settings = Settings(**{**service.settings.model_dump(), **settings})


def due(house: House) -> list[tuple[str, tuple[str, ...]]]:
    return [(each.ticket, each.what) for each in retention.look(house.field.server.service).tickets]


def test_photos_and_customers_go_when_their_days_are_over(one_house: House) -> None:
    house, service = one_house, one_house.field.server.service
    ticket = house.job(house.field.phone())
    under_way = house.field.server.ticket()
    later(house, 1000)
    assert due(house) == []
    later(house, 6.9, retention_photos_days=7, retention_customer_days=30)
    assert due(house) == []
    later(house, 7.1)
    assert due(house) == [(ticket, ("photos",))]
    retention.keep_house(service)
    assert due(house) == [] and service.objects.size(PICTURE_NAME) is None  # type: ignore[arg-type]
    later(house, 30.1)
    assert due(house) == [(ticket, ("customer",))]
    retention.keep_house(service)
    later(house, 0)
    assert house.found(ticket) == [] and house.field.server.view(under_way)["address"]
    assert house.field.server.view(ticket)["erased"]["customer"]["by"] == "system:retention"
    house.assert_all_verifies()


def test_what_a_phone_brings_of_an_erased_customer_afterwards_goes_in_the_next_round(one_house: House) -> None:
    phone = one_house.field.phone()
    ticket = one_house.job(phone, archived=False)
    phone.amend(ticket, {"contact_phone": OTHER_PHONE})
    one_house.field.server.command(ticket, "archive", reason="done")
    one_house.erase(ticket)
    assert phone.sync().done
    assert due(one_house) == [(ticket, ("customer",))]
    later(one_house, 1.1)  # the server looked when it started, and looks once a day
    retention.keep_house(one_house.field.server.service)
    assert due(one_house) == [] and one_house.found(ticket) == []
    one_house.assert_all_verifies()


def test_a_round_takes_a_few_tickets_and_says_that_there_are_more(one_house: House) -> None:
    tickets = [one_house.field.server.ticket() for _ in range(3)]
    for ticket in tickets:
        one_house.field.server.command(ticket, "cancel", reason="x")
    service = one_house.field.server.service
    later(one_house, 2, retention_customer_days=1)
    assert retention.look(service, tickets_max=2).more
    assert [len(retention.apply(service, tickets_max=2).tickets) for _ in range(3)] == [2, 1, 0]
    one_house.assert_all_verifies()


def test_used_codes_go_and_unused_ones_stay(one_house: House) -> None:
    one_house.field.phone()
    one_house.field.server.code("m2")
    service = one_house.field.server.service
    later(one_house, 2, retention_codes_days=1)
    assert retention.apply(service).codes == 1
    assert service.reader().run("SELECT count(*) FROM enrolcode").fetchone()[0] == 1


def test_bytes_that_a_crash_left_behind_go_in_the_next_round(one_house: House) -> None:
    one_house.job(one_house.field.phone())
    service = one_house.field.server.service
    service.writer.work(lambda tx: tx.run("UPDATE photo_use SET erased_at = 1"))
    assert service.objects.size(PICTURE_NAME) is not None  # type: ignore[arg-type]
    retention.keep_house(service)
    assert service.objects.size(PICTURE_NAME) is None  # type: ignore[arg-type]


def test_an_operator_erases_by_command_and_sees_what_is_due(one_house: House, lamplighter: Shell) -> None:
    ticket = one_house.job(one_house.field.phone())
    settings = one_house.settings
    status, said, complaint = lamplighter(settings, "retention", "--dry-run")
    assert status == 0 and "Due today: 0 tickets" in said, complaint
    assert lamplighter(settings, "erase", "ticket", ticket)[0] == 2
    status, _, complaint = lamplighter(settings, "erase", "ticket", "no-such", "--reason", "asked")
    assert status == 1 and "There is no ticket no-such" in complaint
    assert one_house.field.server.view(ticket)["address"] == ADDRESS
    status, said, complaint = lamplighter(settings, "erase", "ticket", ticket, "--reason", "asked", lang="zh-CN")
    assert status == 0 and "哈希保留" in said, complaint
    assert lamplighter(settings, "erase", "member", "m1", "--reason", "left")[0] == 0
    assert (
        one_house.found(ticket) == [] and one_house.field.server.view(ticket)["erased"]["photos"]["by"] == "user:command-line"
    )
    status, said, _ = lamplighter(settings, "evidence", "verify")
    assert status == 0 and "erased" in said
    assert lamplighter(settings, "rebuild", "--check")[0] == 0
