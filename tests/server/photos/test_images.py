"""What is made of photos: upright pictures without metadata, hints, and a named outcome for everything that is no photo."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageStat
from PIL.Image import Transpose as Turn
from PIL.TiffImagePlugin import IFDRational

from server.storage.images import Derivatives, Derived, ImageLimits, derive

LIMITS = ImageLimits()
CORNERS = ("red", "lime", "blue", "yellow")


@pytest.fixture
def developed(tmp_path: Path) -> Callable[..., Derivatives]:
    def develop(data: bytes, limits: ImageLimits = LIMITS) -> Derivatives:
        original = tmp_path / "original"
        original.write_bytes(data)
        made = derive(original, tmp_path, limits)
        assert original.read_bytes() == data, "the original was touched"
        return made

    return develop


def scene_picture(width: int = 800, height: int = 600) -> Image.Image:
    """Four quarters, each of its own colour, so that every turn and mirror is seen."""
    image = Image.new("RGB", (width, height))
    pen = ImageDraw.Draw(image)
    for number, colour in enumerate(CORNERS):
        x, y = number % 2 * width // 2, number // 2 * height // 2
        pen.rectangle((x, y, x + width // 2, y + height // 2), fill=colour)
    return image


def noise(width: int, height: int) -> Image.Image:
    return Image.frombytes("RGB", (width, height), random.Random(1).randbytes(width * height * 3))


def saved(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def corners_of(path: Path | None) -> list[str]:
    """The colours of the four quarters, each by its nearest name."""
    assert path is not None
    image = Image.open(path).convert("RGB")
    width, height = image.size
    places = [(x * width // 4, y * height // 4) for x, y in ((1, 1), (3, 1), (1, 3), (3, 3))]
    return [nearest_colour(image.crop((x, y, x + 1, y + 1))) for x, y in places]


def nearest_colour(pixel: Image.Image) -> str:
    return min(CORNERS, key=lambda name: sum(ImageStat.Stat(ImageChops.difference(pixel, Image.new("RGB", (1, 1), name))).sum))


STORED_AS = {  # how a camera stores an upright scene under each orientation: EXIF 2.32, tag 0x0112
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", STORED_AS)
def test_a_photo_comes_out_upright(developed: Callable[..., Derivatives], orientation: int) -> None:
    turn = STORED_AS[orientation]
    stored = scene_picture() if turn is None else scene_picture().transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    made = developed(saved(stored, exif=exif))
    assert (made.outcome, made.width, made.height) == (Derived.DERIVED, 800, 600)
    assert corners_of(made.preview) == corners_of(made.copy) == list(CORNERS)


MODES = {"JPEG": "RGB L CMYK 1", "PNG": "RGB L P RGBA LA 1", "WEBP": "RGB RGBA", "MPO": "RGB L"}


@pytest.mark.parametrize(("kind", "mode"), [(kind, mode) for kind, modes in MODES.items() for mode in modes.split()])
def test_every_kind_and_colour_of_photo_is_decoded(developed: Callable[..., Derivatives], kind: str, mode: str) -> None:
    image = scene_picture().convert(mode)
    options = {"save_all": True, "append_images": [image]} if kind == "MPO" else {}
    data = saved(image, kind, **options)
    made = developed(data)
    assert (made.outcome, made.format) == (Derived.DERIVED, kind)


def test_pictures_keep_their_size_whatever_is_in_them(developed: Callable[..., Derivatives]) -> None:
    made = developed(saved(noise(2400, 1800), quality=95))
    assert made.preview is not None and made.copy is not None
    assert made.preview.stat().st_size <= 20_000
    assert made.copy.stat().st_size <= 300_000
    assert Image.open(made.preview).format == Image.open(made.copy).format == "JPEG"


def test_a_good_photo_is_reduced_to_1600_and_320_and_never_enlarged(developed: Callable[..., Derivatives]) -> None:
    made = developed(saved(scene_picture(3200, 2400)))
    assert made.preview is not None and made.copy is not None
    assert (Image.open(made.copy).size, Image.open(made.preview).size) == ((1600, 1200), (320, 240))
    small = developed(saved(scene_picture(40, 30)))
    assert small.copy is not None and Image.open(small.copy).size == (40, 30)


def test_what_is_transparent_becomes_white(developed: Callable[..., Derivatives]) -> None:
    made = developed(saved(Image.new("RGBA", (50, 50), (255, 0, 0, 0)), "PNG"))
    assert made.copy is not None
    assert Image.open(made.copy).getpixel((25, 25)) == (255, 255, 255)


def with_metadata() -> bytes:
    exif = Image.Exif()
    exif[0x010E] = "Mrs. Chen, 13800000000"
    exif.get_ifd(0x8769).update({0x9003: "2026:11:22 08:15:00", 0x9011: "+08:00"})
    exif.get_ifd(0x8825).update(
        {1: "N", 2: (27.0, 56.0, 57.0), 3: "E", 4: (116.0, 21.0, 30.0), 7: (0.0, 14.0, 58.5), 29: "2026:11:22"}
    )
    return saved(scene_picture(), exif=exif, comment=b"Mrs. Chen", icc_profile=b"Mrs. Chen" * 20)


def test_pictures_carry_no_metadata(developed: Callable[..., Derivatives]) -> None:
    data = with_metadata()
    assert b"Mrs. Chen" in data
    made = developed(data)
    for path in (made.preview, made.copy):
        assert path is not None
        assert b"Chen" not in path.read_bytes() and b"Exif" not in path.read_bytes()
        assert set(Image.open(path).info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", "progressive", "progression"}


def test_what_the_file_says_of_itself_is_handed_on_as_hints(developed: Callable[..., Derivatives]) -> None:
    hints = developed(with_metadata()).hints
    assert hints.camera_time == "2026-11-22T08:15:00+08:00"
    assert hints.gps_time == "2026-11-22T00:14:58Z"
    assert (hints.latitude, hints.longitude) == (27.9491667, 116.3583333)
    assert hints.datum == "unknown"


@pytest.mark.parametrize(
    ("tag", "value"),
    [(2, (99.0, 0.0, 0.0)), (2, (IFDRational(0, 0), 0.0, 0.0)), (2, 27.0), (1, "X"), (1, "")],
)
def test_an_impossible_position_is_no_hint(developed: Callable[..., Derivatives], tag: int, value: object) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (27.0, 0.0, 0.0), 3: "E", 4: (116.0, 0.0, 0.0), tag: value})
    made = developed(saved(scene_picture(), exif=exif))
    assert (made.outcome, made.hints.latitude, made.hints.longitude) == (Derived.DERIVED, None, None)


def png_header_only(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


JPEG = saved(scene_picture())
NO_PHOTOS = {
    "a bomb": (png_header_only(100_000, 100_000), Derived.BOMB),
    "a smaller bomb": (png_header_only(20_000, 8_000), Derived.BOMB),
    "a jpeg bomb": (JPEG.replace(struct.pack(">HH", 600, 800), struct.pack(">HH", 65_000, 65_000), 1), Derived.BOMB),
    "truncated jpeg": (JPEG[: len(JPEG) // 2], Derived.UNDECODABLE),
    "truncated png": (saved(noise(300, 300), "PNG")[:-5_000], Derived.UNDECODABLE),
    "truncated webp": (saved(noise(300, 300), "WEBP")[:-5_000], Derived.UNDECODABLE),
    "only a header": (JPEG[:20], Derived.UNDECODABLE),
    "nothing": (b"", Derived.UNDECODABLE),
    "noise": (random.Random(2).randbytes(5_000), Derived.UNDECODABLE),
    "html": (b"<!doctype html><script>alert(1)</script>", Derived.UNSUPPORTED),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>', Derived.UNSUPPORTED),
    "svg with a preamble": (b'\xef\xbb\xbf \n<?xml version="1.0"?><!-- --><svg/>', Derived.UNSUPPORTED),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 500, Derived.UNSUPPORTED),
    "gif": (saved(scene_picture(), "GIF"), Derived.UNSUPPORTED),
    "tiff": (saved(scene_picture(), "TIFF"), Derived.UNSUPPORTED),
    "pdf": (b"%PDF-1.7\n", Derived.UNSUPPORTED),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", Derived.UNDECODABLE),
}


@pytest.mark.parametrize(("data", "outcome"), NO_PHOTOS.values(), ids=NO_PHOTOS)
def test_what_is_no_photo_gets_its_name(developed: Callable[..., Derivatives], data: bytes, outcome: Derived) -> None:
    made = developed(data)
    assert made.outcome is outcome, made.reason
    assert made.preview is None and made.copy is None and made.reason


def test_a_photo_that_needs_too_much_memory_is_too_expensive(developed: Callable[..., Derivatives]) -> None:
    large = saved(Image.new("RGB", (8_000, 8_000)), "PNG")
    made = developed(large, ImageLimits(memory_bytes_max=200 * 1024 * 1024))
    assert made.outcome is Derived.TOO_EXPENSIVE, made.reason


def test_a_photo_that_needs_too_much_time_is_too_expensive(developed: Callable[..., Derivatives]) -> None:
    large = saved(Image.new("RGB", (9_000, 9_000)), "PNG", compress_level=1)
    assert developed(large, ImageLimits(cpu_s=1, wall_s=0.3)).outcome is Derived.TOO_EXPENSIVE


def test_a_server_that_cannot_start_the_child_blames_itself_and_not_the_photo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "no-such-python"))
    (tmp_path / "original").write_bytes(JPEG)
    assert derive(tmp_path / "original", tmp_path, LIMITS).outcome is Derived.FAILED


def difference(one: Image.Image, other: Image.Image) -> float:
    return ImageStat.Stat(ImageChops.difference(one, other)).mean[0]


def test_real_photos_stored_in_turned_forms_come_out_alike(developed: Callable[..., Derivatives], shared_data: Path) -> None:
    previews: list[Image.Image] = []
    for path in sorted(shared_data.glob("photos/orientation_portrait_*.jpg")):
        made = developed(path.read_bytes())
        assert (made.width, made.height) == (450, 600), path.name
        assert made.preview is not None
        previews.append(Image.open(io.BytesIO(made.preview.read_bytes())).convert("L").resize((40, 40)))
    assert len(previews) >= 4
    for other in previews[1:]:
        differences = [difference(previews[0], other), *(difference(previews[0], other.transpose(turn)) for turn in Turn)]
        assert differences[0] == min(differences)


def test_a_real_camera_with_a_wrong_clock_gives_both_times(developed: Callable[..., Derivatives], shared_data: Path) -> None:
    hints = developed((shared_data / "photos" / "DSCN0010.jpg").read_bytes()).hints
    assert (hints.camera_time, hints.gps_time) == ("2008-10-22T16:28:39", "2008-10-23T14:27:07Z")
    assert (hints.latitude, hints.longitude) == (43.4674483, 11.8851267)


def test_real_photos_with_broken_metadata_still_give_pictures(developed: Callable[..., Derivatives], shared_data: Path) -> None:
    paths = sorted(shared_data.glob("photos-broken/*.jpg"))
    assert paths
    for path in paths:
        assert developed(path.read_bytes()).outcome is Derived.DERIVED, path.name
