"""Pictures derived from photos: the only place that opens an image, and never inside the server's own process.

A photo may be written to harm whoever decodes it. So a child process with little memory, time and room decodes it, and
hands back an upright preview and working copy without metadata, with what the file says of itself as hints. Originals
are never touched. This module refuses to know tickets, members and web requests.
"""

from __future__ import annotations

import io
import json
import logging
import math
import os
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

    from server.storage.objects import Objects, Sha256

log = logging.getLogger(__name__)


class Derived(StrEnum):
    """What became of one photo. Only `failed` is about this server, and worth another try."""

    DERIVED = "derived"
    UNDECODABLE = "undecodable"  # damaged, or not an image
    UNSUPPORTED = "unsupported"  # an image of a kind that is kept but not decoded (HEIC, SVG …)
    BOMB = "bomb"  # announces more pixels than any camera has
    TOO_EXPENSIVE = "too_expensive"  # needed more time or memory than a photo may
    FAILED = "failed"  # the child could not do its work here (disk full, broken installation)


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What one photo may cost, and how big its pictures are."""

    pixels_max: int = 120_000_000  # the largest common phone sensors give 108 megapixels
    memory_bytes_max: int = 1 << 30  # a 108 MP bitmap three times over; JPEG is decoded at reduced scale
    cpu_s: int = 10  # 12 megapixels take 0.1 s
    wall_s: float = 60.0  # a busy machine may make the child wait
    preview_edge_px: int = 320
    preview_bytes_max: int = 20_000  # experience.md: the first thing through a weak link
    copy_edge_px: int = 1600
    copy_bytes_max: int = 300_000


@dataclass(frozen=True, slots=True)
class Hints:
    """What the file says of its making. Nothing here is proved: phones strip it, clocks lie, and the datum is unknown.

    `camera_time` is as written by the camera ("2008-10-22T16:28:39", with an offset if the file has one), `gps_time`
    is UTC, `latitude` and `longitude` are degrees.
    """

    camera_time: str | None = None
    gps_time: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    datum: str = "unknown"


@dataclass(frozen=True, slots=True)
class Derivatives:
    """The pictures made of one photo, or why there are none. `width` and `height` are those of the upright original."""

    outcome: Derived
    reason: str = ""
    format: str | None = None
    width: int | None = None
    height: int | None = None
    hints: Hints = Hints()
    preview: Path | None = None
    copy: Path | None = None


_REPORT = "report.json"
_PREVIEW = "preview.jpg"
_COPY = "copy.jpg"
_REPORT_BYTES_MAX = 100_000
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")
_KILLED_FOR_COST = (signal.SIGXCPU, signal.SIGKILL)


def derive(original: Path, out_dir: Path, limits: ImageLimits) -> Derivatives:
    """Make preview and working copy of `original` in `out_dir`, in a child process; whatever it holds is an outcome."""
    # By file and isolated: the child imports nothing of ours, sees no setting or secret, and works from any folder.
    command = [sys.executable, "-I", __file__, str(original), str(out_dir), json.dumps(asdict(limits))]
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    try:
        child = subprocess.run(
            command,
            env=environment,
            timeout=limits.wall_s,
            check=False,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return Derivatives(Derived.TOO_EXPENSIVE, f"more than {limits.wall_s} s")
    except OSError as error:
        return Derivatives(Derived.FAILED, f"the child did not start: {error}")
    if child.returncode == 0:
        return _read_report(out_dir, limits)
    return _death(child.returncode)


class Derivation:
    """Photos waiting to be derived, a few at a time, beside the server's real work.

    `done(sha256, derivatives)` is called from a worker thread when the pictures are stored (the paths inside are gone
    by then). A process that dies forgets its queue: whoever starts it submits again what has no result yet.
    """

    def __init__(
        self,
        objects: Objects,
        done: Callable[[Sha256, Derivatives], None],
        *,
        limits: ImageLimits | None = None,
        at_once_max: int = 1,
        scratch: Path | None = None,
    ) -> None:
        self._objects = objects
        self._done = done
        self._limits = limits or ImageLimits()
        self._scratch = scratch
        self._pending: set[Sha256] = set()
        self._changed = threading.Condition()
        self._workers = ThreadPoolExecutor(at_once_max, thread_name_prefix="derivation")

    def submit(self, sha256: Sha256) -> None:
        """Have a stored photo derived; once, however often it is submitted meanwhile."""
        with self._changed:
            if sha256 in self._pending:
                return
            self._pending.add(sha256)
        self._workers.submit(self._work, sha256)

    @property
    def waiting(self) -> int:
        """Photos whose pictures are not made yet."""
        return len(self._pending)

    def drain(self) -> None:
        """Wait until nothing is pending."""
        with self._changed:
            self._changed.wait_for(lambda: not self._pending)

    def close(self) -> None:
        """Finish what is under way, forget what is queued."""
        self._workers.shutdown(wait=True, cancel_futures=True)

    def _work(self, sha256: Sha256) -> None:
        try:
            self._done(sha256, self._derive(sha256))
        except Exception:
            log.exception("the result of deriving photo %s could not be recorded", sha256)
        finally:
            with self._changed:
                self._pending.discard(sha256)
                self._changed.notify_all()

    def _derive(self, sha256: Sha256) -> Derivatives:
        from server.storage.objects import Variant  # here, because the child reads this file without our packages

        try:
            with tempfile.TemporaryDirectory(prefix="photo-", dir=self._scratch) as folder:
                # A copy, so that the child is never told where originals live.
                original = Path(folder, "original")
                with self._objects.open(sha256) as source, original.open("wb") as target:
                    shutil.copyfileobj(source, target)
                made = derive(original, Path(folder), self._limits)
                for variant, path in ((Variant.PREVIEW, made.preview), (Variant.COPY, made.copy)):
                    if path is not None:
                        self._objects.put(sha256, variant, path)
                return made
        except Exception as error:
            log.exception("photo %s could not be derived", sha256)
            return Derivatives(Derived.FAILED, f"{type(error).__name__}: {error}")


def _read_report(out_dir: Path, limits: ImageLimits) -> Derivatives:
    """The child's word. It held a stranger's bytes, so it is believed only in the expected form and size."""
    try:
        told = json.loads(_plain_file(out_dir / _REPORT, _REPORT_BYTES_MAX).read_text(encoding="utf-8"))
        told |= {"outcome": Derived(told["outcome"]), "hints": Hints(**told["hints"])}
        if told["outcome"] is Derived.DERIVED:
            told["preview"] = _plain_file(out_dir / _PREVIEW, limits.preview_bytes_max)
            told["copy"] = _plain_file(out_dir / _COPY, limits.copy_bytes_max)
        return Derivatives(**told)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        return Derivatives(Derived.UNDECODABLE, f"the child's report is unusable: {error}")


def _plain_file(path: Path, bytes_max: int) -> Path:
    found = path.lstat()  # a link would make the parent read what the child may not
    if not stat.S_ISREG(found.st_mode) or found.st_size > bytes_max:
        raise ValueError(f"{path.name} is not a file of at most {bytes_max} bytes")
    return path


def _death(code: int) -> Derivatives:
    if code == _EXIT_HERE:
        return Derivatives(Derived.FAILED, "the child could not import Pillow or write its pictures")
    if -code in _KILLED_FOR_COST:
        return Derivatives(Derived.TOO_EXPENSIVE, f"killed by {signal.Signals(-code).name}")
    return Derivatives(Derived.UNDECODABLE, f"the decoder died with status {code}")


# From here on: the child. It imports Pillow only after it has confined itself.

_EXIT_HERE = 71
_FORMATS = ("JPEG", "PNG", "WEBP")
_KEPT_UNDECODED = (
    # offset, bytes, name: https://www.iana.org/assignments/media-types, ISO/IEC 23008-12 (HEIF brands)
    (4, b"ftyphei", "HEIC"),
    (4, b"ftyphev", "HEIC"),
    (4, b"ftypmif1", "HEIF"),
    (4, b"ftypmsf1", "HEIF"),
    (4, b"ftypavi", "AVIF"),
    (0, b"GIF8", "GIF"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"BM", "BMP"),
    (0, b"%PDF", "PDF"),
)
_MARKUP = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml|<!doctype|<!--|<svg)", re.IGNORECASE)
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
_ORIENTATION, _EXIF_IFD, _GPS_IFD = 0x0112, 0x8769, 0x8825
_CAMERA_TIME, _CAMERA_OFFSET = 0x9003, 0x9011
_LATITUDE, _LONGITUDE, _GPS_CLOCK, _GPS_DATE = (1, 2), (3, 4), 7, 29
_QUALITIES = (82, 70, 55, 40)


def main(original: str, out_dir: str, limits_json: str) -> int:
    limits = ImageLimits(**json.loads(limits_json))
    _confine(limits)
    try:
        from PIL import Image

        Image.MAX_IMAGE_PIXELS = limits.pixels_max
    except Exception:
        return _EXIT_HERE
    found, pictures = _examine(Path(original).read_bytes, limits)
    try:
        for name, data in pictures.items():
            Path(out_dir, name).write_bytes(data)
        report = {**asdict(found), "outcome": found.outcome, "preview": None, "copy": None}
        Path(out_dir, _REPORT).write_text(json.dumps(report), encoding="utf-8")
    except OSError:
        return _EXIT_HERE
    return 0


def _confine(limits: ImageLimits) -> None:
    room = max(limits.copy_bytes_max, _REPORT_BYTES_MAX)
    for kind, amount in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, limits.memory_bytes_max),
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_FSIZE, room),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(kind, (amount, amount))


def _examine(read: Callable[[], bytes], limits: ImageLimits) -> tuple[Derivatives, dict[str, bytes]]:
    from PIL import Image

    try:
        data = read()
        if kind := _kept_undecoded(data):
            return Derivatives(Derived.UNSUPPORTED, "kept, but not decoded here", format=kind), {}
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _decode(data, limits)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        return Derivatives(Derived.BOMB, str(error)), {}
    except MemoryError:
        return Derivatives(Derived.TOO_EXPENSIVE, f"more than {limits.memory_bytes_max} bytes of memory"), {}
    except Exception as error:  # decoders raise everything there is: OSError, SyntaxError, struct.error, ValueError …
        return Derivatives(Derived.UNDECODABLE, f"{type(error).__name__}: {error}"[:300]), {}


def _kept_undecoded(data: bytes) -> str | None:
    if _MARKUP.match(data[:1024]):
        return "SVG"
    return next((name for at, magic, name in _KEPT_UNDECODED if data.startswith(magic, at)), None)


def _decode(data: bytes, limits: ImageLimits) -> tuple[Derivatives, dict[str, bytes]]:
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
        file_format, (width, height) = image.format, image.size
        exif = _exif(image)
        turn = _TURNS.get(exif.get(_ORIENTATION, 1))
        copy = _upright(image, limits.copy_edge_px, turn)
    if turn in ("TRANSPOSE", "TRANSVERSE", "ROTATE_90", "ROTATE_270"):
        width, height = height, width
    pictures = {
        _COPY: _jpeg(copy, limits.copy_edge_px, limits.copy_bytes_max),
        _PREVIEW: _jpeg(copy, limits.preview_edge_px, limits.preview_bytes_max),
    }
    return Derivatives(Derived.DERIVED, "", file_format, width, height, _hints(exif)), pictures


def _upright(image: Image.Image, edge_px: int, turn: str | None) -> Image.Image:
    """The pixels alone, reduced and turned; a JPEG is decoded at a fraction of its size where that is enough."""
    from PIL import Image

    small = image if image.format in ("JPEG", "MPO") else _opaque(image)
    small.thumbnail((edge_px, edge_px), Image.Resampling.LANCZOS)
    small = _opaque(small)
    if turn:
        small = small.transpose(Image.Transpose[turn])
    bare = Image.new("RGB", small.size)  # a fresh image carries no comment, profile or text of the old one
    bare.paste(small)
    return bare


def _opaque(image: Image.Image) -> Image.Image:
    from PIL import Image

    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    page = Image.new("RGB", layer.size, "white")
    page.paste(layer, mask=layer.getchannel("A"))
    return page


def _jpeg(image: Image.Image, edge_px: int, bytes_max: int) -> bytes:
    """The best JPEG of at most `bytes_max`: first lower quality, then fewer pixels."""
    from PIL import Image

    while True:
        picture = image.copy()
        picture.thumbnail((edge_px, edge_px), Image.Resampling.LANCZOS)
        for quality in _QUALITIES:
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=quality, optimize=True)
            if buffer.tell() <= bytes_max:
                return buffer.getvalue()
        edge_px = edge_px * 3 // 4
        assert edge_px > 0, "a JPEG of one pixel is larger than the limit"


def _exif(image: Image.Image) -> dict[int, Any]:
    """Tags of the file and its two sub-directories; damaged metadata is no metadata."""
    try:
        exif = image.getexif()
        return {**exif, _EXIF_IFD: dict(exif.get_ifd(_EXIF_IFD)), _GPS_IFD: dict(exif.get_ifd(_GPS_IFD))}
    except Exception:
        return {}


def _hints(exif: dict[int, Any]) -> Hints:
    camera, gps = exif.get(_EXIF_IFD, {}), exif.get(_GPS_IFD, {})
    latitude, longitude = _degrees(gps, *_LATITUDE, limit=90), _degrees(gps, *_LONGITUDE, limit=180)
    if latitude is None or longitude is None:
        latitude = longitude = None
    return Hints(_camera_time(camera), _gps_time(gps), latitude, longitude)


def _camera_time(camera: dict[int, Any]) -> str | None:
    found = re.fullmatch(r"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)", _text(camera.get(_CAMERA_TIME)))
    if not found:
        return None
    offset = _text(camera.get(_CAMERA_OFFSET))
    zone = offset if re.fullmatch(r"[+-]\d\d:\d\d", offset) else ""
    return "{}-{}-{}T{}{}".format(*found.groups(), zone)


def _gps_time(gps: dict[int, Any]) -> str | None:
    date = re.fullmatch(r"(\d{4}):(\d\d):(\d\d)", _text(gps.get(_GPS_DATE)))
    clock = _numbers(gps.get(_GPS_CLOCK))
    if not date or clock is None or not (0 <= clock[0] < 24 and 0 <= clock[1] < 60 and 0 <= clock[2] < 61):
        return None
    return "{}-{}-{}T".format(*date.groups()) + ":".join(f"{int(part):02d}" for part in clock) + "Z"


def _degrees(gps: dict[int, Any], side_tag: int, value_tag: int, *, limit: int) -> float | None:
    side, parts = _text(gps.get(side_tag)).upper(), _numbers(gps.get(value_tag))
    if side not in ("N", "S", "E", "W") or parts is None:
        return None
    value = parts[0] + parts[1] / 60 + parts[2] / 3600
    if not 0 <= value <= limit:
        return None
    return round(-value if side in ("S", "W") else value, 7)


def _numbers(value: Any) -> tuple[float, float, float] | None:
    try:
        first, second, third = (float(part) for part in value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (first, second, third) if all(map(math.isfinite, (first, second, third))) else None


def _text(value: Any) -> str:
    return value.strip("\0 ") if isinstance(value, str) else ""


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
