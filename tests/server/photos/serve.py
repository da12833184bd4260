"""A server with the photo endpoints and nothing else, as a process of its own so that it can be killed.

Everything it decides by lies in files under its folder, written by the test: `promises/<hash>` holds the size a stored
fact promised, `now` the time. What it was told lies there too: `completed`, `derived`. Photos lie there unless the
environment names another store. A caller sends `Crew: 17`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request

from server.endpoints.photos import PhotoLimits, PhotoService, photo_routes
from server.settings import load_settings
from server.storage.images import Derivation, Derivatives
from server.storage.objects import Sha256, Variant
from server.storage.places import objects_of
from sync.problems import Refused


def authorise(request: Request, sha256: Sha256 | None) -> None:
    if request.headers.get("Crew") != "17":
        raise Refused("sign-in")


def readable(request: Request, sha256: Sha256, variant: Variant) -> None:
    if request.headers.get("Crew") != "17":
        raise Refused("not-found")


def application(root: Path) -> Starlette:
    objects = objects_of(load_settings(data=root))

    def expected(sha256: Sha256) -> set[int]:
        promise = root / "promises" / sha256
        return {int(promise.read_text())} if promise.exists() else set()

    def completed(sha256: Sha256, size: int) -> None:
        assert objects.size(sha256) == size, "told before the bytes were there"
        with (root / "completed").open("a") as log:
            log.write(f"{sha256} {size}\n")

    def derived(sha256: Sha256, made: Derivatives) -> None:
        with (root / "derived").open("a") as log:
            log.write(f"{sha256} {made.outcome}\n")

    limits = json.loads((root / "limits").read_text())
    service = PhotoService(
        objects=objects,
        expected=expected,
        completed=completed,
        authorise=authorise,
        readable=readable,
        stand_in=lambda request, sha256, variant: None,
        now_ms=lambda: int((root / "now").read_text()),
        derivation=Derivation(objects, derived, at_once_max=1),
        limits=replace(PhotoLimits(), **limits),
    )
    return Starlette(routes=photo_routes(service))


if __name__ == "__main__":
    uvicorn.run(application(Path(sys.argv[1])), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
