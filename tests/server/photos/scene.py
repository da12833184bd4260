"""The scene of the photo tests: a real server process on loopback, the facts it knows, and a plain tus client."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

REPOSITORY = Path(__file__).parents[3]
START_MS = 1_790_000_000_000
TUS = {"Tus-Resumable": "1.0.0", "Crew": "17"}
CHUNK = {**TUS, "Content-Type": "application/offset+octet-stream"}


def hash_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def metadata(sha256: str, **others: str) -> str:
    pairs = {"sha256": sha256, **others}
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())


def checksum(data: bytes, algorithm: str = "sha256") -> dict[str, str]:
    digest = base64.b64encode(hashlib.new(algorithm, data).digest()).decode()
    return {"Upload-Checksum": f"{algorithm} {digest}"}


class Scene:
    """One server process with a folder of its own; `environment` is added to what it inherits."""

    def __init__(self, root: Path, environment: Mapping[str, str] | None = None, **limits: float) -> None:
        self.root = root
        self._environment = {**os.environ, **(environment or {})}
        (root / "promises").mkdir(parents=True)
        (root / "limits").write_text(json.dumps(limits))
        self.set_clock(START_MS)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1/photos"
        self.http = httpx.Client(trust_env=False)
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.server.photos.serve", str(self.root), str(self.port)]
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=REPOSITORY, stderr=log, stdout=log, env=self._environment)
        while True:
            assert self.process.poll() is None, self.log()
            try:
                self.http.request("OPTIONS", self.url)
                return
            except httpx.TransportError:
                time.sleep(0.02)

    def kill(self) -> None:
        """As a power cut does it: no goodbye."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        self.http.close()
        self.kill()

    def log(self) -> str:
        return (self.root / "log").read_text()

    def set_clock(self, now_ms: int) -> None:
        (self.root / "now").write_text(str(now_ms))

    def promise(self, data: bytes, size: int | None = None) -> str:
        """Let a stored fact name these bytes."""
        sha256 = hash_of(data)
        (self.root / "promises" / sha256).write_text(str(len(data) if size is None else size))
        return sha256

    def create(self, data: bytes, **headers: str) -> httpx.Response:
        length = {"Upload-Length": str(len(data)), "Upload-Metadata": metadata(hash_of(data))}
        return self.http.post(self.url, headers={**TUS, **length, **headers})

    def begin(self, data: bytes) -> str:
        """Promise, create; the upload's address."""
        self.promise(data)
        answer = self.create(data)
        assert answer.status_code == 201, answer.text
        return self.located(answer)

    def located(self, answer: httpx.Response) -> str:
        return str(httpx.URL(self.url).join(answer.headers["Location"]))

    def patch(self, upload: str, offset: int, block: bytes, **headers: str) -> httpx.Response:
        return self.http.patch(upload, content=block, headers={**CHUNK, "Upload-Offset": str(offset), **headers})

    def offset(self, upload: str) -> int:
        answer = self.http.head(upload, headers=TUS)
        assert answer.status_code == 200, answer.status_code
        return int(answer.headers["Upload-Offset"])

    def deliver(self, data: bytes) -> str:
        upload = self.begin(data)
        if self.offset(upload) < len(data):  # another test may have brought the same photo
            assert self.patch(upload, 0, data).status_code == 204
        return upload

    def read(self, sha256: str, variant: str = "original", **headers: str) -> httpx.Response:
        return self.http.get(f"{self.url}/by-hash/{sha256}/{variant}", headers={"Crew": "17", **headers})

    def completions(self, sha256: str) -> int:
        told = self.root / "completed"
        return told.read_text().count(sha256) if told.exists() else 0

    def derivation(self, sha256: str) -> str:
        """What became of a photo, once it is known."""
        told = self.root / "derived"
        while True:
            found = [line.split() for line in told.read_text().splitlines()] if told.exists() else []
            for name, outcome in (pair for pair in found if len(pair) == 2):
                if name == sha256:
                    return outcome
            time.sleep(0.02)
