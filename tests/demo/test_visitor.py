"""Whoever finished the story can go on: a code, and jobs that wait on the phone it makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.demo import district, visitor
from clients.demo.office import Office
from clients.handset.phone import Handset
from server import commands
from server.auth import Role
from server.service import Service
from server.settings import load_settings


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_code_makes_a_phone_that_holds_every_fresh_job(tmp_path: Path, language: str) -> None:
    settings = load_settings(data=tmp_path / "data")
    commands.init(settings)
    service = Service(settings)
    token = service.tokens.issue("user:admin", Role.ADMIN, minutes=60)
    with commands.running(service) as address:
        with Office(address, token) as office:
            options = {"id": "id", "name": "name_zh", "station": "station", "class": "class"}
            office.upload("areas", options, district.read_bytes("areas.geojson"))
            office.upload("org", {"tz": "Asia/Shanghai"}, district.organisation(service.now_ms()))
        invitation = visitor.invite(address, token, language)
        with Handset.enrol(tmp_path / "phone", address, invitation.code, "a visitor") as phone:
            assert phone.sync().done
            found = {(view["kind"], view["state"]) for view in phone.tickets()}
            assert found == {(job.kind, "dispatched") for job in visitor.JOBS} and invitation.jobs == len(found)
            due = [limit for view in phone.tickets() for limit in view.get("limits", ()) if limit["name"] == "arrive"]
            assert due and all(limit["due"][0] > service.now_ms() for limit in due), "the arrival can still be in time"
