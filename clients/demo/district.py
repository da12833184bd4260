"""The demo district's files as the story uses them: who works there, work guides to import, and pictures to take.

Refuses to know the story. Every picture "taken" is one of the four shipped drawings with a comment of its own inside, so
that two photos never have the same bytes.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.resources import files

FOLDER = files(__package__).joinpath("district")
_SHIFT_BEFORE_MS = 3_600_000
_SHIFT_AFTER_MS = 11 * 3_600_000


def read_bytes(name: str) -> bytes:
    """One file of the district, named relative to its folder."""
    return FOLDER.joinpath(name).read_bytes()


def organisation(now_ms: int) -> bytes:
    """`org.json` with a shift for every crew from an hour ago to eleven hours from now, ready to import."""
    document = json.loads(read_bytes("org.json"))
    begins, ends = _moment(now_ms - _SHIFT_BEFORE_MS), _moment(now_ms + _SHIFT_AFTER_MS)
    document["shifts"] = [{"crew": crew["id"], "from": begins, "to": ends} for crew in document["crews"]]
    return json.dumps(document, ensure_ascii=False).encode()


def names(language: str) -> dict[str, str]:
    """What people call stations, crews and members, by id, in `zh` or `en`."""
    document = json.loads(read_bytes("org.json"))
    rows = [*document["stations"], *document["crews"], *document["members"]]
    return {row["id"]: row[f"name_{language}"] for row in rows}


def crew_of(member: str) -> str:
    """The crew a member belongs to."""
    rows = json.loads(read_bytes("org.json"))["memberships"]
    return next(str(row["crew"]) for row in rows if row["member"] == member)


def titles(language: str) -> dict[str, str]:
    """A short name for each ticket by its number, in `zh` or `en`."""
    return {number: label[language] for number, label in json.loads(read_bytes("titles.json")).items()}


def guides() -> dict[str, bytes]:
    """The work guides as files to import, by name."""
    folder = FOLDER.joinpath("guides")
    return {entry.name: entry.read_bytes() for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)}


def picture(name: str, comment: str) -> bytes:
    """A JPEG as a camera would give it: the drawing `name`, with `comment` in its own comment segment (ITU-T T.81, B.2.4.5)."""
    drawing = read_bytes(f"photos/{name}.jpg")
    head = 4 + int.from_bytes(drawing[4:6], "big")  # start of image, then the JFIF segment, which must stay first
    text = comment.encode()
    return drawing[:head] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + drawing[head:]


def _moment(at_ms: int) -> str:
    """RFC 3339 in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")
