"""How often one may ask, what is remembered of it, and how a storm of phones is spread out and refused politely."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from server.auth import Role
from server.rates import Addresses, Buckets, Storm
from server.settings import BadSetting, load_settings
from tests.server.api.world import World, running_world, slug
from tests.server.shell.conftest import Clock


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    limits: dict[str, Any] = {"device_requests_per_minute_max": 20, "login_tries_per_minute_max": 3}
    limits |= {"address_tries_per_minute_max": 12, "address_pages_per_minute_max": 6}
    with running_world(tmp_path_factory.mktemp("rates"), **limits) as world:
        yield world


# --- buckets ---


def test_a_name_may_so_many_times_at_once_and_as_many_again_within_a_minute() -> None:
    clock = Clock(0.0)
    buckets = Buckets(60, clock)
    assert [buckets.take("a") for _ in range(60)] == [0.0] * 60
    assert buckets.take("a") == pytest.approx(1.0)
    assert buckets.take("b") == 0.0, "another name is another bucket"
    clock.now_s = 10.0
    assert [buckets.take("a") for _ in range(10)] == [0.0] * 10 and buckets.take("a") > 0
    clock.now_s = 10_000.0
    assert sum(buckets.take("a") == 0.0 for _ in range(100)) == 60, "it never holds more than it began with"


def test_what_was_given_back_does_not_count() -> None:
    buckets = Buckets(2, Clock(0.0))
    for _ in range(10):
        assert buckets.take("a") == 0.0
        buckets.give_back("a")


def test_the_names_remembered_are_bounded_and_the_one_longest_unheard_of_goes_first() -> None:
    buckets = Buckets(1, Clock(0.0), names_max=100)
    for name in range(1000):
        buckets.take(str(name))
        buckets.take("0")  # heard of all the time
    assert len(buckets) == 100
    assert buckets.take("0") > 0, "whoever keeps asking is not forgotten"


# --- whose address ---


def scope(client: str, *forwarded: str) -> dict[str, Any]:
    return {"client": (client, 1), "headers": [(b"x-forwarded-for", value.encode()) for value in forwarded]}


@pytest.mark.parametrize(
    ("proxies", "asked", "found"),
    [
        ("", scope("203.0.113.9", "198.51.100.1"), "203.0.113.9"),
        ("10.0.0.0/8", scope("203.0.113.9", "198.51.100.1"), "203.0.113.9"),
        ("10.0.0.0/8", scope("10.1.2.3", "198.51.100.1"), "198.51.100.1"),
        ("10.0.0.0/8", scope("10.1.2.3", "1.1.1.1, 198.51.100.1, 10.9.9.9"), "198.51.100.1"),
        ("10.0.0.0/8", scope("10.1.2.3", "1.1.1.1", "198.51.100.1"), "198.51.100.1"),
        ("10.0.0.0/8", scope("10.1.2.3"), "10.1.2.3"),
        ("10.0.0.0/8", scope("10.1.2.3", "not an address"), "unknown"),
        ("", scope("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64"),
        ("", scope("::ffff:203.0.113.9"), "203.0.113.9"),
        ("", {"client": None, "headers": []}, "unknown"),
    ],
)
def test_an_address_is_the_connections_or_what_a_named_proxy_says(proxies: str, asked: dict[str, Any], found: str) -> None:
    assert Addresses(load_settings(proxies=proxies).proxy_networks).of(asked) == found


def test_proxies_that_are_no_networks_are_refused_in_a_sentence() -> None:
    with pytest.raises(BadSetting, match="LAMPLIGHTER_PROXIES"):
        load_settings(proxies="my-proxy")


# --- through the server ---


def test_a_phone_that_asks_without_end_is_told_when_to_come_back_and_another_is_not(world: World) -> None:
    eager, calm = world.phone(), world.phone()
    eager.sync(), calm.sync()
    body = eager.replica.request().body
    answers = [world.ask("POST", "/v1/sync", token=eager.enrolled.token, content=body) for _ in range(30)]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert len(refused) >= 5 and {slug(answer) for answer in refused} == {"quota"}
    assert all(int(answer.headers["retry-after"]) >= 1 and answer.json()["retry_after_s"] >= 1 for answer in refused)
    assert calm.sync().problem is None


def test_what_was_refused_for_its_pace_is_stored_when_it_comes_again(world: World) -> None:
    phone = world.phone()
    phone.sync()
    body = phone.replica.request().body
    while world.ask("POST", "/v1/sync", token=phone.enrolled.token, content=body).status_code == 200:
        pass
    ticket = world.ticket()
    phone.record("note", ticket, text="kept")
    assert phone.send()[1].problem is not None or phone.replica.waiting
    world.service.rates.devices.give_back(phone.enrolled.device)
    world.service.rates.devices.give_back(phone.enrolled.device)
    phone.send()
    assert [row["kind"] for row in world.rows_of(ticket)] == ["note"]


def test_guessing_one_password_is_slowed_down_and_the_right_one_waits_too(world: World) -> None:
    def sign_in(login: str) -> Any:
        return world.ask("POST", "/v1/login", role=None, json={"login": login, "password": "guess"})

    answers = [sign_in("boss") for _ in range(4)]
    assert [slug(answer) for answer in answers] == ["sign-in"] * 3 + ["quota"]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert slug(sign_in("other")) == "sign-in", "another name from here may still try"


def test_guessing_codes_from_one_address_ends_whatever_the_code(world: World) -> None:
    key = {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43}
    answers = [
        world.ask("POST", "/v1/enrol", role=None, json={"code": f"AAAA-{n:04}", "key": key, "name": "x"}) for n in range(20)
    ]
    assert "quota" in {slug(answer) for answer in answers}
    code = world.post("/v1/enrol-codes", {"member": world.member()})["code"]
    assert slug(world.ask("POST", "/v1/enrol", role=None, json={"code": code, "key": key, "name": "x"})) == "quota"


def test_success_never_counts_as_a_try(tmp_path: Any) -> None:
    with running_world(tmp_path, address_tries_per_minute_max=2) as world:
        for _ in range(8):
            world.enrol()


def test_pages_for_strangers_are_limited_by_address_and_the_office_is_not(world: World) -> None:
    answers = [world.ask("GET", "/r/guessed-token", role=None) for _ in range(10)]
    assert {answer.status_code for answer in answers} == {404, 429}
    assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 429)
    assert all(world.ask("GET", "/v1/tickets", role=Role.AGENT).is_success for _ in range(40))


# --- the storm ---


def storm_of(waiting: int, fraction: float = 0.5) -> Storm:
    storm = Storm(load_settings(), lambda: fraction)
    storm.watch(lambda: waiting)
    return storm


def test_in_calm_weather_phones_hear_what_the_settings_say() -> None:
    for waiting in (0, 1, 64):
        assert dict(storm_of(waiting).spread()) == {"after_s": 30, "jitter_s": 90}


def test_return_times_grow_with_what_waits_and_end_at_their_limits() -> None:
    waits = [storm_of(waiting).spread() for waiting in (0, 65, 128, 256, 640, 1280, 4096, 10**9)]
    for name, most in (("after_s", 300), ("jitter_s", 1800)):
        times = [spread[name] for spread in waits]
        assert times == sorted(times) and times[-1] == most and times[2] > times[0]


def test_refusals_are_spread_out_so_that_nobody_comes_back_together() -> None:
    early, late = storm_of(4096, 0.0).retry_after_s(), storm_of(4096, 0.99).retry_after_s()
    assert late > 1.9 * early >= 10 and storm_of(10**9, 1.0).retry_after_s() <= 120
    refused = storm_of(4096).busy()
    assert refused.problem.slug == "busy" and refused.extra["retry_after_s"] > 0
