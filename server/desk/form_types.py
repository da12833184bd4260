"""Which kind of step a type of XLSForm becomes, and what to do instead of those that become none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from server.desk import spreadsheet

# What to write instead, by what pyxform calls the answer.
_INSTEAD: Mapping[str, tuple[str, str]] = {
    "position": (
        "去掉此行，或不设 required；位置随到达现场自动记录",
        "Take it out, or its required; the position is recorded with the arrival",
    ),
    "geo": ("去掉此行；位置随到达现场自动记录", "Take it out; the position is recorded with the arrival"),
    "time": (
        "用 text 步骤；作答时间本来就会记录",
        "Take a text step; when it was answered is recorded anyway",
    ),
    "media": ("用 image 拍照，或用 text 说明", "Take a photo (image) or describe it (text)"),
    "rank": ("用几个 select_one 步骤", "Take several select_one steps"),
    "repeat": ("写成固定的几个步骤；多出来的内容班组可以写备注", "Write fixed steps; crews can add notes for what is more"),
    "external": ("把选项写进 choices 工作表", "Write the choices on the sheet choices"),
    "draw": ("用 image 拍照", "Take a photo (image)"),
    "hidden": ("去掉此行，或写成 calculate", "Take it out, or make it a calculate"),
    "unknown": ("支持的类型见 docs/guides.md", "docs/guides.md lists the types there are"),
}
_BINDS = {"geotrace": "geo", "geoshape": "geo", "date": "time", "time": "time", "dateTime": "time"}
_PLAIN = {"string": "text", "int": "integer", "decimal": "number", "barcode": "scan"}


@dataclass(frozen=True, slots=True)
class Selection:
    """A choice, or several, from a list."""

    list: str
    several: bool
    or_other: bool = False


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A type, or an appearance of one, that no step stands for."""

    hint: Mapping[str, str]
    appearance: str = ""

    @classmethod
    def of(cls, name: str, appearance: str = "") -> Unsupported:
        zh, en = _INSTEAD[name]
        return cls({"hint_zh": zh, "hint_en": en}, appearance)


def type_of(written: str, cells: Mapping[str, str]) -> str | Selection | Unsupported:
    """What a row becomes: a type of step (or integer, range), a selection, `calculate`, `metadata`, `position`, or nothing."""
    selection = spreadsheet.as_select(written)
    if selection is not None:
        return _selection(*selection, cells.get("appearance", ""))
    kind = spreadsheet.kind_of(written)
    if kind is None:
        return Unsupported.of("unknown")
    if kind.collected:
        return "metadata"
    if kind.control == "trigger" and kind.bind != "geopoint":
        return "tick"
    if kind.control == "range":
        return "range"
    if kind.control == "upload":
        return _picture(cells.get("appearance", "")) if kind.media == "image/*" else Unsupported.of("media")
    if kind.control == "input":
        return _input(kind.bind, written)
    if kind.bind == "string" and written.strip().lower() != "hidden":
        return "calculate"
    return Unsupported.of("hidden" if kind.bind == "string" else "unknown")


def _input(bind: str, written: str) -> str | Unsupported:
    if "note" in written.lower().split():
        return "note"
    if bind == "geopoint":
        return "position"
    return _PLAIN.get(bind) or Unsupported.of(_BINDS.get(bind, "unknown"))


def _picture(appearance: str) -> str | Unsupported:
    words = appearance.lower().split()
    if "signature" in words:
        return "signature"
    return Unsupported.of("draw", appearance) if "draw" in words else "photo"


def _selection(kind: str, rest: str, appearance: str) -> Selection | Unsupported:
    if kind not in ("select one", "select all that apply"):
        return Unsupported.of("rank" if kind == "rank" else "external")
    if appearance.strip().lower().startswith("search("):
        return Unsupported.of("external", appearance)
    found = re.fullmatch(r"(.*?)(?:\s+(?:or_other|or specify other|or other))?", rest, re.IGNORECASE)
    name = found[1] if found else rest
    return Selection(name, kind != "select one", name != rest)
