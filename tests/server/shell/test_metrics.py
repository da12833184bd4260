"""What the server counts: true, bounded, harmless, and known to the alert rules and the dashboard that are shipped."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.auth import Role
from server.metrics import JOBS, LIMITS, Histogram
from sync.facts import Outcome
from sync.problems import PROBLEMS, QUARANTINE
from tests.house.tree import ROOT, text
from tests.server.api.world import World, running_world
from tests.server.shell.serving import serving

OPERATIONS = "docs/operations/"
OF_PROMETHEUS = {"up", "le", "instance", "job"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("metrics")) as world:
        yield world


def scraped(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by name and labels."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return found


def scrape(world: World) -> dict[Any, float]:
    return scraped(world.ask("GET", "/metrics", role=Role.INTEGRATOR).text)


def value(samples: dict[Any, float], name: str, **labels: str) -> float:
    return samples.get((f"lamplighter_{name}", tuple(sorted(labels.items()))), 0.0)


def test_what_a_phone_brings_is_counted_once_it_is_durable(world: World) -> None:
    ticket, phone = world.ticket(), world.phone()
    phone.sync()
    before = scrape(world)
    for _ in range(5):
        phone.record("note", ticket, text="the cable is wet")
    phone.sync()
    after = scrape(world)
    assert value(after, "facts_stored_total") - value(before, "facts_stored_total") == 5
    assert value(after, "ledger_size") - value(before, "ledger_size") == 5
    assert value(after, "feed_position") == (world.service.newest or {})[""] > value(before, "feed_position")
    assert value(after, "group_jobs_count") > value(before, "group_jobs_count")
    assert value(after, "group_seconds_sum") > value(before, "group_seconds_sum")
    grown = value(after, "request_bytes_total", route="/v1/sync") - value(before, "request_bytes_total", route="/v1/sync")
    assert 300 < grown < 4000, "two small bodies as they travelled"


def test_a_lost_reply_is_counted_as_a_replay_and_stores_nothing_again(world: World) -> None:
    phone = world.phone()
    phone.sync()
    phone.record("note", world.ticket(), text="once")
    outgoing = phone.replica.request()
    before = scrape(world)
    for _ in range(3):
        world.ask("POST", "/v1/sync", token=phone.enrolled.token, content=outgoing.body)
    after = scrape(world)
    assert value(after, "replays_total") - value(before, "replays_total") == 2
    assert value(after, "facts_stored_total") - value(before, "facts_stored_total") == 1


def test_a_quarantined_fact_is_counted_by_its_slug(world: World) -> None:
    phone = world.hand_phone()
    before = scrape(world)
    assert phone.push(phone.line("note", ticket=world.ticket(), text="\0")).stated
    assert phone.push(b'{"n":3,"kind":"note","n":3}').stated
    after = scrape(world)
    name = "facts_quarantined_total"
    grown = {slug: value(after, name, slug=slug) - value(before, name, slug=slug) for slug in QUARANTINE}
    assert sum(grown.values()) == 2 and grown["duplicate-key"] == 1


def test_refusals_are_counted_by_route_and_slug_and_answers_by_status(world: World) -> None:
    before = scrape(world)
    world.ask("POST", "/v1/sync", role=None, content=b"{")
    world.ask("GET", "/v1/tickets", role=None)
    world.ask("GET", "/no/such/place/wang", role=None)
    after = scrape(world)

    def grown(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert grown("problems_total", route="/v1/sync", slug="bad-envelope") == 1
    assert grown("problems_total", route="/v1/tickets", slug="sign-in") == 1
    assert grown("problems_total", route="none", slug="not-found") == 1
    assert grown("requests_total", route="none", status="404") == 1


def test_what_is_only_on_a_phone_is_known_with_its_age(tmp_path: Path) -> None:
    with running_world(tmp_path) as world:
        phone = world.phone()
        phone.sync()
        ticket = world.ticket()
        for _ in range(7):
            phone.record("note", ticket, text="not sent")
        outgoing = phone.replica.request()
        envelope = json.loads(outgoing.body.split(b"\n")[0])
        told = {**envelope, "waiting": 7, "oldest_s": 100}
        for name in ("after", "from"):
            told.pop(name, None)
        assert world.ask("POST", "/v1/time", token=phone.enrolled.token, content=json.dumps(told).encode() + b"\n").is_success
        world.wait(seconds=50)
        samples = scrape(world)
        assert value(samples, "facts_only_on_phones") == 7 and value(samples, "devices_holding") == 1
        assert value(samples, "oldest_unsent_seconds") == 150 and value(samples, "devices") == 1


def test_no_label_says_anything_about_a_person_and_all_of_them_are_bounded(world: World) -> None:
    world.ask("GET", "/v1/tickets/GD-4711", role=Role.AGENT)
    world.ask("GET", "/r/some-customers-secret-token", role=None)
    world.ask("PROPFIND", "/v1/tickets/13800000000", role=None)
    from server.app import create_app

    routes = {str(getattr(route, "path", "")) for route in create_app(world.service).routes} | {"none"}
    allowed = {
        "route": routes,
        "status": {str(n) for n in range(100, 600)} | {"left"},
        "limit": set(LIMITS),
        "outcome": {str(o) for o in Outcome} | {"derived", "unsupported", "undecodable", "too-expensive", "bomb", "failed"},
        "generation": {"0", "1", "2"},
    }
    for (name, labels), _ in scrape(world).items():
        for label, content in labels:
            if label in allowed:
                assert content.replace("_", "-") in allowed[label] or content in allowed[label], (name, label, content)
            elif label == "slug":
                assert content in PROBLEMS or content in QUARANTINE
            else:
                assert label in {"le", "version", "python", "system"}, f"{name} has a label {label} that nobody looked at"


@pytest.mark.parametrize("file", ["alerts.yml", "grafana.json"])
def test_rules_and_dashboard_use_only_metrics_that_a_real_scrape_shows(world: World, file: str) -> None:
    real = {name for name, _ in scrape(world)}
    families = {f.name for f in text_string_to_metric_families(world.ask("GET", "/metrics").text)}
    known = real | {f"{name}_total" for name in families} | families
    used = set(re.findall(r"\b(?:lamplighter|process|python)_[a-z_]+\b", text(OPERATIONS + file)))
    assert len(used) > 10 and not used - known, f"{file} asks for what nobody counts: {sorted(used - known)}"


def test_every_label_value_the_rules_select_can_occur(world: World) -> None:
    rules = text(OPERATIONS + "alerts.yml")
    for slug in re.findall(r'slug="([^"]+)"', rules):
        assert slug in PROBLEMS
    for pattern in re.findall(r'slug=~"([^"]+)"', rules):
        assert all(any(re.fullmatch(part, slug) for slug in PROBLEMS) for part in pattern.split("|"))
    for pattern in re.findall(r'limit=~"([^"]+)"', rules):
        assert set(pattern.split("|")) <= set(LIMITS)
    for outcome in re.findall(r'outcome="([^"]+)"', rules):
        assert ("lamplighter_derivations_total", (("outcome", outcome),)) in scrape(world)


def test_every_alert_says_in_the_operators_book_what_to_do() -> None:
    alerts = re.findall(r"- alert: (\w+)", text(OPERATIONS + "alerts.yml"))
    book = text("docs/operator.md")
    assert len(alerts) == len(set(alerts)) > 10
    assert [name for name in alerts if f"| `{name}` |" not in book] == []


def test_the_dashboard_is_one_that_grafana_can_read() -> None:
    board = json.loads((ROOT / OPERATIONS / "grafana.json").read_text())
    panels = board["panels"]
    assert board["title"] and board["schemaVersion"] >= 30 and len({panel["id"] for panel in panels}) == len(panels)
    questions = [target["expr"] for panel in panels for target in panel["targets"]]
    assert all(question.count("(") == question.count(")") for question in questions)


def test_a_histogram_counts_each_value_once_and_its_buckets_rise() -> None:
    histogram = Histogram(JOBS)
    for number in (0, 1, 1.5, 64, 65, 10**9):
        histogram.observe(number)
    buckets = [count for _, count in histogram.buckets()]
    assert buckets == sorted(buckets) and buckets[-1] == 6 and buckets[0] == 2 and buckets[-2] == 4
    assert [bound for bound, _ in histogram.buckets()][-1] == "+Inf"


def test_two_servers_of_one_process_count_apart(world: World, tmp_path: Path) -> None:
    with running_world(tmp_path) as other:
        assert value(scrape(other), "facts_stored_total") == 0 < value(scrape(world), "facts_stored_total")


def test_metrics_may_have_an_address_of_their_own_where_nothing_else_is_answered(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with serving(tmp_path / "d", metrics_listen=address) as server:
        scrape_text = httpx.get(f"http://{address}/metrics", trust_env=False).text
        assert value(scraped(scrape_text), "histories") == 1
        assert "lamplighter_build_info" in scrape_text
        assert httpx.get(f"{server.address}/metrics", trust_env=False).status_code == 401, "the usual address wants a token"
        assert '"ready"' not in httpx.get(f"http://{address}/readyz", trust_env=False).text
