"""A simulated shift adds up against a real server, does the same for the same seed, and says when something does not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from clients.handset.simulator import Counts, as_taken, simulate_shift
from tests.handset.scene import JPEG, Field
from tests.running import RunningServer, running_server

REPOSITORY = Path(__file__).parents[2]


def tickets(server: RunningServer, count: int) -> None:
    for number in range(count):
        position = {"lat": 27.9, "lon": 116.3 + number / 1000}
        server.ticket(crew="AB"[number % 2], number=f"SIM-{number:03d}", position=position)


def codes(server: RunningServer, count: int) -> list[str]:
    return [server.code(["m1", "m2", "m3"][number % 3]) for number in range(count)]


PICTURES = (JPEG, b"\x89PNG\r\n\x1a\n other bytes")


def shift(folder: Path, *, work: int = 18, seed: int = 7, photos: Sequence[bytes] = PICTURES) -> Counts:
    """Five phones of two crews; two tickets more than there is work for."""
    with running_server(folder / "data") as server:
        tickets(server, work + 2)
        homes = folder / "homes"
        return simulate_shift(server.address, codes(server, 5), homes=homes, tickets=work, photos=photos, seed=seed, at_once=3)


def test_a_shift_adds_up(tmp_path: Path) -> None:
    counts = shift(tmp_path)
    assert counts.mismatches() == []
    assert (counts.phones, counts.tickets, counts.equal, counts.unfinished) == (5, 18, 5, 0)
    assert counts.recorded == counts.stated == counts.server == sum(counts.by_kind.values()) > 150
    assert counts.photos == counts.received == counts.by_kind["photo"] > 18
    assert counts.by_kind["acceptance"] == 18 and counts.by_kind["opening"] == 5
    assert counts.by_kind["rating"] == counts.by_kind["rating_opened"] == counts.by_kind["finish"]


def test_the_same_seed_does_the_same(tmp_path: Path) -> None:
    first, again, other = (shift(tmp_path / str(place), work=6, seed=seed) for place, seed in enumerate((7, 7, 8)))
    assert first.by_kind == again.by_kind and first.photo_bytes == again.photo_bytes
    assert first.by_kind != other.by_kind


def test_a_count_that_does_not_add_up_is_named() -> None:
    counts = Counts(phones=2, recorded=10, stated=9, server=10, photos=3, received=2, equal=2)
    counts.by_kind["note"] = 10
    assert counts.mismatches() == ["recorded = stated: 10 ≠ 9", "photos recorded = received: 3 ≠ 2"]


def test_the_same_picture_taken_twice_is_two_photos() -> None:
    first, second = as_taken(JPEG, "1/1/1"), as_taken(JPEG, "1/1/2")
    assert first != second and first[:2] == b"\xff\xd8" and first.endswith(JPEG[2:])


def test_the_command_prints_counts_and_says_that_they_add_up(own_field: Field, tmp_path: Path) -> None:
    tickets(own_field.server, 4)
    (tmp_path / "codes").write_text("# codes\n" + "\n".join(codes(own_field.server, 3)) + "\n")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(JPEG)
    whole = [sys.executable, "-m", "clients.handset", "shift", "--address", own_field.server.address]
    whole += f"--codes-file {tmp_path / 'codes'} --photos {tmp_path / 'photos'} --tickets 4 --handsets".split()

    def run(handsets: str) -> subprocess.CompletedProcess[str]:
        environment = {"LAMPLIGHTER_LANG": "en"}
        return subprocess.run([*whole, handsets], cwd=REPOSITORY, capture_output=True, text=True, check=False, env=environment)

    few = run("4")
    assert few.returncode == 1 and "3 enrolment codes" in few.stderr
    ran = run("3")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Everything adds up." in ran.stdout and "comparing with the server" in ran.stderr
    again = run("3")
    assert again.returncode == 1 and "wrong, used or expired" in again.stderr, "codes work once"


def test_real_photos_travel_whole(shared_data: Path, tmp_path: Path) -> None:
    pictures = [path.read_bytes() for path in sorted((shared_data / "photos").glob("*.jpg"))[:3]]
    counts = shift(tmp_path, work=6, photos=pictures)
    assert counts.mismatches() == [] and counts.photo_bytes > 8 * min(map(len, pictures))
