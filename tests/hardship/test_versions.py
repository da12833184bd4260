"""Versions side by side: what released phones send is taken, and a phone that meets old and new processes converges."""

from __future__ import annotations

import json
import shutil
import signal
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from server.storage import tables as t
from server.storage.queries import Queries
from server.storage.session import Session
from server.storage.store import StoreTransaction
from sync import wire
from sync.facts import Side
from sync.kinds import KINDS
from tests.hardship.released import Released, released
from tests.hardship.scene import District
from tests.hardship.sweep import PATIENT
from tests.house.wire import PINNED
from tests.running import running_server
from tests.server.shell.serving import Serving, serving
from tests.services.postgres import Postgres
from tests.storage.world import check_agrees

VERSIONS = list(released())


@pytest.mark.parametrize("kept", VERSIONS, ids=lambda kept: kept.version)
def test_the_request_of_a_released_phone_is_stored_whole_and_all_of_it_counts(kept: Released, tmp_path: Path) -> None:
    with running_server(tmp_path / "data") as server:
        row = {"id": kept.device, "member": "m1", "name": "old phone", "key": json.dumps(kept.key, sort_keys=True)}

        def enrol(tx: StoreTransaction) -> None:
            Queries(tx).add(t.Phone, row | {"enrolled_at": 0, "revoked_at": None})

        server.service.writer.work(enrol)
        for _ in range(2):  # also when the first reply was lost
            answer = server.office.post("/v1/sync", content=kept.request, headers={"authorization": ""})
            assert answer.status_code == 200, answer.text
            assert isinstance(wire.parse_reply(answer.content).statement, str)
        devices = server.said(server.office.get("/v1/hq/devices"))["devices"]
        assert [each["stored_n"] for each in devices] == [kept.lines]
        with closing(server.service.new_reader()) as reader:
            facts = reader.run("SELECT kind, slug FROM fact WHERE kind <> 'told_by_phone'").fetchall()
        assert len(facts) >= kept.lines and [fact for fact in facts if fact[1]] == [], "quarantined"


def test_every_pinned_kind_of_the_field_is_in_a_request_that_was_kept() -> None:
    field = {name for name, kind in KINDS.items() if kind.side is Side.FIELD}
    pinned = {row for row in json.loads(PINNED.read_text()) if row.rsplit(" v", 1)[0] in field}
    assert pinned and pinned <= {kind for kept in VERSIONS for kind in kept.kinds}


def test_a_phone_that_meets_processes_of_different_age_through_a_rollover_loses_and_doubles_nothing(
    postgres: Postgres, tmp_path: Path
) -> None:
    database = postgres.new_database()
    settings = PATIENT | {"database_url": postgres.address(database), "drain_notice_s": 0}
    with ExitStack() as stack:

        def start(name: str) -> Serving:
            data = tmp_path / name
            if name != "one":
                shutil.copytree(tmp_path / "one" / "keys", data / "keys")
            shared = (tmp_path / "objects").as_uri()
            (tmp_path / "objects").mkdir(exist_ok=True)
            return stack.enter_context(serving(data, objects_url=shared, **settings))

        old = [start("one"), start("two")]
        district = stack.enter_context(closing(District(old[0].address, tmp_path / "one" / "keys", tmp_path)))
        district.organise()
        phone, new = district.phone(), []
        for name, leaving in zip(("three", "four"), old, strict=True):
            new.append(start(name))
            for address in (leaving.address, new[-1].address, leaving.address):
                district.move(address)
                ticket = district.ticket()
                phone.sync(attempts=2)
                district.job(phone, ticket)
                assert phone.sync(attempts=2).done
            leaving.signal(signal.SIGTERM)
            district.move(new[-1].address)
            phone.note(ticket, "while the old one leaves")
            phone.sync(attempts=2)
            assert leaving.child.wait() == 0
        district.check_kept()
        district.check_converged()
        assert district.faults == []
        with closing(Session(postgres.address(database), writer=False)) as session:
            check_agrees(session)
