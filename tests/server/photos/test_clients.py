"""Other people's tus clients, unmodified: tuspy and tus-js-client deliver, resume, and are refused like everybody else."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError, TusUploadFailed
from tusclient.storage.filestorage import FileStorage
from tusclient.uploader.uploader import Uploader

from tests.server.photos.scene import REPOSITORY, Scene, hash_of

TUS_FOLDER = REPOSITORY / "tests" / "server" / "tus"


def photo(seed: str, size: int = 300_000) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(data: bytes) -> Path:
        path = tmp_path / hash_of(data)[:8]
        path.write_bytes(data)
        return path

    return write


def tuspy(scene: Scene, path: Path, **options: Any) -> Uploader:
    """As its documentation shows it."""
    client = TusClient(scene.url, headers={"Crew": "17"})
    return client.uploader(str(path), metadata={"sha256": hash_of(path.read_bytes()), "filename": "现场.jpg"}, **options)


def tus_js(scene: Scene, path: Path, *options: str, sha256: str = "") -> dict[str, Any]:
    assert (TUS_FOLDER / "node_modules" / "tus-js-client").is_dir(), (
        f"run `npm ci` in {TUS_FOLDER.relative_to(REPOSITORY)} first"
    )
    command = ["node", "upload.mjs", scene.url, str(path), sha256 or hash_of(path.read_bytes()), *options]
    ran = subprocess.run(command, cwd=TUS_FOLDER, capture_output=True, text=True, check=False)
    assert ran.stdout, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout.splitlines()[0])
    return told


@pytest.mark.parametrize("chunk", [7_777, 2**31], ids=["chunks", "at once"])
@pytest.mark.parametrize("with_checksum", [False, True], ids=["plain", "checksum"])
def test_tuspy_delivers(scene: Scene, file: Callable[[bytes], Path], chunk: int, with_checksum: bool) -> None:
    data = photo(f"tuspy {chunk} {with_checksum}", 60_000)
    scene.promise(data)
    tuspy(scene, file(data), chunk_size=chunk, upload_checksum=with_checksum).upload()
    assert scene.read(hash_of(data)).content == data


def test_tuspy_resumes_in_another_process_after_the_server_was_killed(
    open_scene: Callable[..., Scene], file: Callable[[bytes], Path], tmp_path: Path
) -> None:
    scene, data = open_scene(), photo("tuspy resumes")
    scene.promise(data)
    url_storage = FileStorage(str(tmp_path / "urls.json"))  # type: ignore[no-untyped-call]
    remembered: dict[str, Any] = {"store_url": True, "url_storage": url_storage}
    first = tuspy(scene, file(data), chunk_size=50_000, **remembered)
    first.upload(stop_at=150_000)
    scene.kill()
    with pytest.raises((TusUploadFailed, TusCommunicationError)):
        first.upload()
    scene.start()
    second = tuspy(scene, file(data), chunk_size=50_000, **remembered)
    assert second.offset == 150_000
    second.upload()
    assert scene.read(hash_of(data)).content == data


def test_tuspy_is_refused_what_no_fact_names(scene: Scene, file: Callable[[bytes], Path]) -> None:
    with pytest.raises(TusCommunicationError) as caught:
        tuspy(scene, file(photo("tuspy unknown"))).upload()
    assert caught.value.status_code == 404


def test_tuspy_learns_that_the_photo_is_here_already(scene: Scene, file: Callable[[bytes], Path]) -> None:
    data = photo("tuspy again")
    scene.deliver(data)
    again = tuspy(scene, file(data), retries=1, retry_delay=0)
    again.upload()
    assert again.offset == len(data)


@pytest.mark.parametrize(
    "options",
    [(), ("--chunk", "70000"), ("--with-creation",), ("--with-creation", "--chunk", "70000"), ("--override",)],
    ids=" ".join,
)
def test_tus_js_client_delivers(scene: Scene, file: Callable[[bytes], Path], options: tuple[str, ...]) -> None:
    data = photo(f"js {options}")
    scene.promise(data)
    told = tus_js(scene, file(data), *options)
    assert told["outcome"] == "done", told
    assert scene.read(hash_of(data)).content == data


def test_tus_js_client_resumes_after_it_and_the_server_were_killed(
    open_scene: Callable[..., Scene], file: Callable[[bytes], Path], tmp_path: Path
) -> None:
    scene, data = open_scene(), photo("js resumes")
    scene.promise(data)
    options = ("--chunk", "50000", "--urls", str(tmp_path / "urls.json"))
    stopped = tus_js(scene, file(data), *options, "--stop-after", "150000")
    assert (stopped["outcome"], stopped["accepted"]) == ("stopped", 150_000)
    scene.kill()
    scene.start()
    told = tus_js(scene, file(data), *options)
    assert told["outcome"] == "done", told
    assert told["requests"] == ["HEAD 200", "PATCH 204", "PATCH 204", "PATCH 204"]
    assert scene.read(hash_of(data)).content == data


def test_tus_js_client_learns_that_the_photo_is_here_already(scene: Scene, file: Callable[[bytes], Path]) -> None:
    data = photo("js again")
    scene.deliver(data)
    told = tus_js(scene, file(data))
    assert told["outcome"] == "done", told
    assert (told["requests"][0], told["requests"][-1]) == ("POST 201", "HEAD 200")
    assert "PATCH 204" not in told["requests"]


def test_tus_js_client_is_refused_what_no_fact_names(scene: Scene, file: Callable[[bytes], Path]) -> None:
    told = tus_js(scene, file(photo("js unknown")))
    assert (told["outcome"], told["status"]) == ("failed", 404)


def test_tus_js_client_is_told_when_the_bytes_are_not_the_promised_ones(scene: Scene, file: Callable[[bytes], Path]) -> None:
    promised, sent = photo("js promised"), photo("js sent")
    sha256 = scene.promise(promised)
    told = tus_js(scene, file(sent), sha256=sha256)
    assert (told["outcome"], told["status"]) == ("failed", 460)
    assert scene.read(sha256).status_code == 404
