"""Work guides (作业指导卡): a form's bytes become a guide of one version, and versions once published never change.

What phones take is `Guide` in clients/web/core/types.ts. Refuses to know how guides are stored and who receives them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from server.desk import spreadsheet
from server.desk.codes import codes
from server.desk.findings import Finding, Findings, in_order
from server.desk.forms import read_form
from server.desk.spreadsheet import Workbook, worded
from sync import wire
from sync.kinds.base import Identifier
from sync.problems import Refused

Guide = dict[str, Any]
"""{guide, version, title, kinds, causes, choices, steps}; whether a newer one superseded it is said where it is published."""

VERSION_MAX = 10**6
TITLE_CHARACTERS_MAX = 120
KIB_MAX = 256
"""Of one guide as JSON: every phone of every station takes it over a weak network."""

_SETTINGS = frozenset(
    [
        *(
            "title",
            "title_zh",
            "title_en",
            "id_string",
            "version",
            "kinds",
            "causes",
            "default_language",
            "allow_choice_duplicates",
        ),
        *("name", "style", "clean_text_values", "namespaces", "instance_name"),
    ]
)
"""Settings that are used, and those of the standard that say nothing to a phone."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the import says instead of the form's settings, where it says anything."""

    kinds: str | None = None
    causes: str | None = None
    version: str | None = None


def read_guide(data: bytes, options: Options = Options()) -> tuple[Guide, list[Finding]]:
    """The guide in a file, and notes on what of the form it leaves out.

    Raises Refused "bad-form" with every fault (`faults`), each with its sheet, row, and what to do instead. Nothing else.
    """
    findings = Findings()
    workbook = spreadsheet.read_workbook(data, findings)
    guide = _guide(workbook, options, findings) if workbook else {}
    if workbook and not findings.faults:
        objection = spreadsheet.objection(workbook)
        if objection is not None:
            findings.fault("rejected-by-pyxform", why=objection)
    if findings.faults:
        raise _refused(findings)
    return guide, in_order(findings.notes)


def _refused(findings: Findings) -> Refused:
    faults = [finding.document() for finding in in_order(findings.faults)]
    first = faults[0]
    where = f"{first['sheet']} {first['row']}: " if first["row"] else ""
    more = f" ({len(faults)} faults)" if len(faults) > 1 else ""
    detail = f"{where}{first['what']['en']}. {first['instead']['en']}.{more}"
    return Refused("bad-form", detail, faults=faults, notes=[finding.document() for finding in in_order(findings.notes)])


def _guide(workbook: Workbook, options: Options, findings: Findings) -> Guide:
    settings = _settings(workbook, findings)
    identity = settings.get("id_string", "")
    if not identity:
        findings.fault("no-form-id", "settings")
    elif Identifier().fault(identity) or ":" in identity:
        findings.fault("bad-form-id", "settings", None, "form_id", value=identity)
    form = read_form(workbook, findings)
    guide = {
        "guide": identity,
        "version": _version(options.version or settings.get("version"), findings),
        "title": _title(workbook, settings, identity, findings),
        "kinds": _codes("kinds", options.kinds, settings, ("kind",), findings),
        "causes": _codes("causes", options.causes, settings, ("cause", "fault_class"), findings),
        "choices": form.choices,
        "steps": form.steps,
    }
    size_kib = len(wire.encode(guide)) / 1024
    if size_kib > KIB_MAX:
        findings.fault("guide-too-large", size=round(size_kib), limit=KIB_MAX)
    return guide


def _settings(workbook: Workbook, findings: Findings) -> Mapping[str, str]:
    for name in workbook.others:
        findings.note("unused-sheet", name, sheet_name=name)
    rows = worded(workbook.settings)
    for number, _ in rows[1:2]:
        findings.note("more-settings", "settings", number)
    settings = rows[0][1] if rows else {}
    for column in workbook.settings.columns:
        if column.name not in _SETTINGS and column.heading in (workbook.settings.rows[0].cells if rows else {}):
            findings.note("unused-setting", "settings", rows[0][0], column.heading)
    return settings


def _title(workbook: Workbook, settings: Mapping[str, str], identity: str, findings: Findings) -> dict[str, str]:
    """`form_title`, and `title_zh`, `title_en` for the other language: other tools know no translated title."""
    for column in workbook.settings.columns:
        if column.name == "title" and column.language:
            findings.fault("translated-title", "settings", None, column.heading)
    written = {"": settings.get("title"), "zh": settings.get("title_zh"), "en": settings.get("title_en")}
    given = [title for title in written.values() if title]
    if not given and identity:
        findings.note("no-title", "settings", None, "form_title", value=identity)
    if any(len(title) > TITLE_CHARACTERS_MAX for title in given):
        findings.fault("text-too-long", "settings", None, "form_title", limit=TITLE_CHARACTERS_MAX)
    if len(given) == 1:
        findings.note("one-title", "settings", None, "form_title")
    default = given[0] if given else identity
    return {language: written[language] or default for language in ("zh", "en")}


def _version(written: str | None, findings: Findings) -> int:
    if written is None:
        findings.note("no-version", "settings", None, "version")
        return 1
    if not re.fullmatch(r"[0-9]{1,7}", written) or not 1 <= int(written) <= VERSION_MAX:
        findings.fault("bad-version", "settings", None, "version", value=written)
        return 1
    return int(written)


def _codes(name: str, option: str | None, settings: Mapping[str, str], lists: Iterable[str], findings: Findings) -> list[str]:
    """The ticket kinds, or causes and fault classes, a guide is for; none is any."""
    words = re.split(r"[\s,，;；、]+", (settings.get(name, "") if option is None else option).strip())
    known = [code for which in lists for code in codes(which)]
    chosen = list(dict.fromkeys(word for word in words if word))
    for word in chosen:
        if word not in known:
            findings.fault("unknown-code", "settings", None, name, value=word, known=", ".join(known))
    return chosen


# ----------------------------------------------------------------------------------------------------------------- versions


def admit(guide: Guide, known: Mapping[int, str]) -> bool:
    """Whether a guide is new beside the versions already published (by number, as `as_text` wrote them).

    The same content again is no news. Raises Refused "guide-conflict" for other content under a published version, and for
    a version below the newest.
    """
    version, name = guide["version"], guide["guide"]
    if version in known:
        if known[version] == as_text(guide):
            return False
        raise Refused(
            "guide-conflict",
            f"Version {version} of {name} is published with other content, and phones may be working by it. "
            f"Import this one as version {max(known) + 1}.",
            version=version,
            newest=max(known),
        )
    if known and version < max(known):
        raise Refused(
            "guide-conflict",
            f"{name} is at version {max(known)} already. Import this one as version {max(known) + 1}.",
            version=version,
            newest=max(known),
        )
    return True


def as_text(guide: Guide) -> str:
    """One text for one content."""
    return json.dumps(guide, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
