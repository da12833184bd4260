"""A form becomes the guide phones take, word for word; versions once published stay what they are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from server.desk import guides
from server.desk.guides import Options, admit, as_text, read_guide
from sync.kinds import KINDS
from sync.problems import Refused
from tests.server.desk.workbooks import HEAD, SETTINGS, csv_form, faults_of, form, guide_of, notes_of, xlsx

WIDE = (
    *("type", "name", "label::中文 (zh)", "label::English (en)", "hint::中文 (zh)", "hint::English (en)", "required"),
    *("relevant", "constraint", "constraint_message::中文 (zh)", "constraint_message::English (en)", "choice_filter"),
    *("safety", "unit", "normal_low", "normal_high", "shows"),
)
LISTS = (
    ("list_name", "name", "label::中文 (zh)", "label::English (en)", "phase"),
    ("causes", "fuse", "熔断器熔断", "Blown fuse", "1"),
    ("causes", "joint", "接触不良", "Loose joint", "3"),
)


def only_step(*row: Any, head: Any = WIDE, choices: Any = LISTS) -> dict[str, Any]:
    """The one step a form of this one row asks."""
    [step] = guide_of(form(row, head=head, choices=choices))["steps"]
    return dict(step)


def test_a_form_becomes_a_guide_word_for_word() -> None:
    data = form(
        ("acknowledge", "dead", "验电", "Proved dead", None, None, "yes", *[None] * 5, "yes"),
        ("decimal", "volt", "电压", "Voltage", "进线处", "At the inlet", "yes", None, ". >= 0", "不能为负", "Not below 0",
         None, None, "V", 198, 235.4),
        ("select_one causes", "cause", "原因", "Cause", None, None, None, "${volt} < 198", None, None, None, "phase <= 1"),
        ("image", "after", "处理后", "After", *[None] * 12, "after"),
        head=WIDE,
        choices=LISTS,
        settings=(
            ("form_id", "form_title", "title_en", "version", "kinds", "causes"),
            ("fuse", "换熔芯", "Change a fuse", "3", "fault_repair, reconnection", "blown_fuse lv_outage_household"),
        ),
    )  # fmt: skip
    assert guide_of(data) == {
        "guide": "fuse",
        "version": 3,
        "title": {"zh": "换熔芯", "en": "Change a fuse"},
        "kinds": ["fault_repair", "reconnection"],
        "causes": ["blown_fuse", "lv_outage_household"],
        "choices": {
            "causes": [
                {"name": "fuse", "label": {"zh": "熔断器熔断", "en": "Blown fuse"}, "phase": "1"},
                {"name": "joint", "label": {"zh": "接触不良", "en": "Loose joint"}, "phase": "3"},
            ]
        },
        "steps": [
            {"id": "dead", "type": "tick", "label": {"zh": "验电", "en": "Proved dead"}, "required": True, "safety": True},
            {
                "id": "volt",
                "type": "number",
                "label": {"zh": "电压", "en": "Voltage"},
                "hint": {"zh": "进线处", "en": "At the inlet"},
                "constraint_message": {"zh": "不能为负", "en": "Not below 0"},
                "required": True,
                "unit": "V",
                "normal": [198, 235.4],
                "constraint": [">=", ["self"], 0],
            },
            {
                "id": "cause",
                "type": "choice",
                "list": "causes",
                "label": {"zh": "原因", "en": "Cause"},
                "filter": ["<=", ["column", "phase"], 1],
                "relevant": ["<", ["ref", "volt"], 198],
            },
            {"id": "after", "type": "photo", "label": {"zh": "处理后", "en": "After"}, "shows": "after"},
        ],
    }
    assert notes_of(data) == []


# -------------------------------------------------------------------------------------------------------------------- types


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("text", {"type": "text"}),
        ("string", {"type": "text"}),
        ("integer", {"type": "number", "integer": True}),
        ("int", {"type": "number", "integer": True}),
        ("decimal", {"type": "number"}),
        ("select_one causes", {"type": "choice", "list": "causes"}),
        ("select one from causes", {"type": "choice", "list": "causes"}),
        ("select_multiple causes", {"type": "choices", "list": "causes"}),
        ("select all that apply from causes", {"type": "choices", "list": "causes"}),
        ("acknowledge", {"type": "tick"}),
        ("trigger", {"type": "tick"}),
        ("image", {"type": "photo"}),
        ("photo", {"type": "photo"}),
        ("barcode", {"type": "scan"}),
    ],
)
def test_a_type_becomes_a_step(written: str, expected: dict[str, Any]) -> None:
    step = only_step(written, "it", "此步", "This")
    assert {name: step[name] for name in step if name not in ("id", "label")} == expected


def test_a_note_may_go_without_a_name_and_is_asked_of_nobody() -> None:
    guide = guide_of(form(("note", None, "先联系客户", "Call first"), ("text", "remark")))
    assert [(step["id"], step["type"]) for step in guide["steps"]] == [("note-2", "note"), ("remark", "text")]


def test_an_image_for_signing_is_a_signature() -> None:
    head = (*HEAD, "appearance")
    assert only_step("image", "sign", "签名", "Signature", "signature", head=head)["type"] == "signature"


def test_a_range_is_a_number_with_its_ends_as_constraint() -> None:
    head = (*HEAD, "parameters", "constraint")
    step = only_step("range", "load", "负荷", "Load", "start=0 end=10 step=1", ". != 5", head=head)
    ends = ["and", [">=", ["self"], 0], ["<=", ["self"], 10]]
    assert (step["type"], step["integer"], step["constraint"]) == ("number", True, ["and", ends, ["!=", ["self"], 5]])
    data = form(("range", "load", "负荷", "Load", "start=0 end=1 step=0.5", None), head=head)
    assert notes_of(data) == [("range-step", "survey", 2)] and "integer" not in guide_of(data)["steps"][0]


def test_a_type_with_a_constraint_of_its_own_keeps_it() -> None:
    assert only_step("percentage", "load", "负荷率", "Load")["constraint"] == [
        "and",
        ["<=", 0, ["self"]],
        ["<=", ["self"], 100],
    ]


def test_what_the_phone_records_anyway_is_passed_over_with_a_note() -> None:
    rows = [
        ("start", "s"),
        ("end", "e"),
        ("today", "t"),
        ("deviceid", "d"),
        ("username", "u"),
        ("geopoint", "g"),
        ("text", "x"),
    ]
    data = form(*rows)
    assert [step["id"] for step in guide_of(data)["steps"]] == ["x"]
    assert notes_of(data) == [*(("metadata", "survey", row) for row in range(2, 7)), ("position-skipped", "survey", 7)]


@pytest.mark.parametrize(
    "written",
    [
        *("geotrace", "geoshape", "audio", "video", "file", "date", "time", "dateTime", "rank causes", "hidden"),
        *("select_one_from_file a.csv", "select_multiple_from_file a.csv", "select_one_external causes", "osm causes"),
        *("background-audio", "xml-external", "csv-external", "made up", "select_one"),
    ],
)
def test_a_type_phones_have_no_step_for_is_refused_with_its_row(written: str) -> None:
    data = form(("text", "before"), (written, "it"), choices=LISTS)
    [(slug, *place)] = faults_of(data)
    assert place == ["survey", 3] and slug in ("unsupported-type", "unknown-list")


def test_a_position_a_form_insists_on_is_refused() -> None:
    data = form(("geopoint", "g", "位置", "Place", "yes"), ("text", "x", "x", "x", None), head=(*HEAD, "required"))
    assert faults_of(data) == [("unsupported-type", "survey", 2)]


def test_a_repeat_is_refused_and_what_is_inside_is_looked_at_all_the_same() -> None:
    data = form(("begin repeat", "r"), ("audio", "a"), ("end repeat", None), ("date", "d"))
    assert faults_of(data) == [("unsupported-type", "survey", row) for row in (2, 3, 5)]


# ------------------------------------------------------------------------------------------------------------------- groups


def test_groups_are_flattened_and_their_relevance_holds_for_everything_inside() -> None:
    head = (*HEAD, "relevant")
    data = form(
        ("text", "a", "a", "a"),
        ("begin group", "outer", None, None, "${a} = 1"),
        ("begin_group", "inner", None, None, "${a} = 2"),
        ("text", "b", "b", "b", "${a} = 3"),
        ("end_group",),
        ("text", "c", "c", "c"),
        ("end group",),
        ("text", "d", "d", "d"),
        head=head,
    )
    one, two, three = (["=", ["ref", "a"], n] for n in (1, 2, 3))
    found = {step["id"]: step.get("relevant") for step in guide_of(data)["steps"]}
    assert found == {"a": None, "b": ["and", ["and", one, two], three], "c": one, "d": None}


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([("begin group", "g"), ("text", "x")], ("group-not-closed", "survey", 2)),
        ([("text", "x"), ("end group", None)], ("group-not-open", "survey", 3)),
        ([*[("begin group", f"g{n}") for n in range(30)], ("text", "x")], ("too-many-groups", "survey", 22)),
    ],
)
def test_groups_that_do_not_close_are_refused(rows: list[tuple[str, str]], fault: tuple[str, str, int]) -> None:
    assert fault in faults_of(form(*rows))


# ------------------------------------------------------------------------------------------------------------- calculations


CALCULATED = (*HEAD, "calculation", "relevant")


def test_a_calculated_value_is_put_into_the_expressions_that_use_it() -> None:
    data = form(
        ("decimal", "a", "a", "a"),
        ("calculate", "twice", None, None, "${a} * 2"),
        ("calculate", "more", None, None, "${twice} + 1", "${a} > 0"),
        ("text", "x", "x", "x", None, "${more} > 10"),
        head=CALCULATED,
    )
    more = ["if", [">", ["ref", "a"], 0], ["+", ["*", ["ref", "a"], 2], 1], ""]
    steps = guide_of(data)["steps"]
    assert [step["id"] for step in steps] == ["a", "x"] and steps[1]["relevant"] == [">", more, 10]
    assert notes_of(data) == []


def test_a_calculated_value_nobody_uses_is_told() -> None:
    data = form(("decimal", "a", "a", "a"), ("calculate", "b", None, None, "${a}"), head=CALCULATED)
    assert notes_of(data) == [("calculation-unused", "survey", 3)]


def test_a_calculation_that_depends_on_itself_is_refused() -> None:
    data = form(
        ("calculate", "a", None, None, "${b} + 1"),
        ("calculate", "b", None, None, "${a}"),
        ("text", "x", "x", "x"),
        head=CALCULATED,
    )
    assert {fault[0] for fault in faults_of(data)} == {"calculation-cycle"}


def test_calculations_that_would_swell_without_end_are_refused() -> None:
    doubled = [("calculate", f"c{n}", None, None, f"${{c{n - 1}}} + ${{c{n - 1}}}") for n in range(1, 20)]
    data = form(("decimal", "c0", "c", "c"), *doubled, ("text", "x", "x", "x", None, "${c19} > 1"), head=CALCULATED)
    assert {fault[0] for fault in faults_of(data)} == {"expression-too-large"}


def test_a_calculation_outside_a_calculate_row_is_refused() -> None:
    data = form(("text", "x", "x", "x", "1 + 1"), ("calculate", "y", None, None), head=CALCULATED)
    assert faults_of(data) == [("calculation-on-step", "survey", 2), ("no-calculation", "survey", 3)]


# --------------------------------------------------------------------------------------------------------------- references


def test_a_reference_that_leads_nowhere_is_named_with_its_row_and_column() -> None:
    head = (*HEAD, "relevant", "constraint", "choice_filter")
    data = form(
        ("today", "now", None, None),
        ("text", "x", "x", "x", "${gone} = 1", "${now} = 2"),
        ("select_one causes", "y", "y", "y", None, None, "nothing = ${z}"),
        head=head,
        choices=LISTS,
    )
    with pytest.raises(Refused) as refused:
        read_guide(data)
    found = [(fault["row"], fault["column"], fault["slug"]) for fault in refused.value.extra["faults"]]
    assert sorted(found) == [
        (3, "constraint", "unknown-step"),
        (3, "relevant", "unknown-step"),
        (4, "choice_filter", "unknown-choice-column"),
        (4, "choice_filter", "unknown-step"),
    ]


def test_steps_may_be_named_before_they_come() -> None:
    data = form(("text", "x", "x", "x", "${y} = 1"), ("text", "y", "y", "y"), head=(*HEAD, "relevant"))
    assert guide_of(data)["steps"][0]["relevant"] == ["=", ["ref", "y"], 1]


# ----------------------------------------------------------------------------------------------------------------- choices


def test_a_list_twice_in_use_travels_once_and_one_not_in_use_not_at_all() -> None:
    lists = (*LISTS, ("others", "a", "甲", "A"))
    guide = guide_of(form(("select_one causes", "x"), ("select_multiple causes", "y"), choices=lists))
    assert set(guide["choices"]) == {"causes"}


@pytest.mark.parametrize(
    ("written", "rows", "fault"),
    [
        ("select_one gone", [], ("unknown-list", "survey", 2)),
        ("select_one ${x}", [], ("choices-from-answers", "survey", 2)),
        ("select_one causes or_other", [], ("or-other", "survey", 2)),
        ("select_one causes", [("causes", "fuse", "又", "Again")], ("duplicate-choice", "choices", 4)),
        ("select_one causes", [("causes", None, "无名", "Nameless")], ("no-choice-name", "choices", 4)),
        ("select_one causes", [(None, "lost", "失散", "Lost")], ("no-list-name", "choices", 4)),
        ("select_multiple causes", [("causes", "two words", "两", "Two")], ("choice-with-space", "choices", 4)),
    ],
)
def test_a_choice_that_does_not_fit_is_named(written: str, rows: list[Any], fault: tuple[str, str, int]) -> None:
    assert fault in faults_of(form((written, "x"), choices=(*LISTS, *rows)))


def test_choices_may_repeat_where_the_settings_say_so() -> None:
    settings = ((*SETTINGS[0], "allow_choice_duplicates"), (*SETTINGS[1], "yes"))
    data = form(("select_one causes", "x"), choices=(*LISTS, ("causes", "fuse", "又", "Again", "9")), settings=settings)
    assert [choice["name"] for choice in guide_of(data)["choices"]["causes"]] == ["fuse", "joint", "fuse"]


def test_a_choice_without_a_label_shows_its_name() -> None:
    data = form(("select_one causes", "x"), choices=(*LISTS, ("causes", "bare")))
    assert guide_of(data)["choices"]["causes"][2] == {"name": "bare", "label": {"zh": "bare", "en": "bare"}}
    assert ("choice-without-label", "choices", 4) in notes_of(data)


# ------------------------------------------------------------------------------------------------------------- our columns


@pytest.mark.parametrize(
    ("column", "value", "written", "slug"),
    [
        ("unit", "V", "text", "misplaced-column"),
        ("unit", "volts per square root", "decimal", "text-too-long"),
        ("shows", "before", "text", "misplaced-column"),
        ("shows", "sunset", "image", "bad-shows"),
        ("normal_low", 3, "decimal", "half-normal"),
        ("normal_low", "three", "decimal", "bad-number"),
        ("normal_low", "nan", "decimal", "bad-number"),
        ("safety", "maybe", "text", "bad-yes-no"),
        ("safety", "yes", "note", "misplaced-column"),
        ("required", "${a} = 1", "text", "bad-required"),
        ("trigger", "${a}", "text", "trigger-column"),
        ("appearance", "draw", "image", "appearance-not-supported"),
        ("appearance", "search('x')", "select_one causes", "appearance-not-supported"),
        ("parameters", "start=9 end=1", "range", "bad-range"),
    ],
)
def test_a_column_that_does_not_fit_is_named(column: str, value: object, written: str, slug: str) -> None:
    data = form((written, "it", "此", "It", value), head=(*HEAD, column), choices=LISTS)
    assert (slug, "survey", 2) in faults_of(data)


def test_what_a_photo_shows_is_what_the_fact_takes() -> None:
    from server.desk.forms import SHOWS

    [shows] = [field for field in KINDS["photo"].fields if field.name == "shows"]
    assert all(shows.type.fault(word) is None for word in SHOWS) and shows.type.fault("sunset")


def test_columns_that_are_not_used_are_told_with_how_many_cells_they_have() -> None:
    head = (*HEAD, "default", "media::image", "my remarks", "appearance", "label::Français (fr)")
    data = form(("text", "x", "x", "x", "7", "a.jpg", "hm", "multiline", "Étape"), head=head)
    with_columns = {(note.slug, note.column) for note in read_guide(data)[1]}
    assert with_columns == {
        *(("unused-column", name) for name in ("default", "media::image", "my remarks", "appearance")),
        ("other-language", "label::Français (fr)"),
    }


def test_a_read_only_step_is_a_note_and_a_disabled_row_is_no_row() -> None:
    head = (*HEAD, "read_only", "disabled")
    data = form(("text", "x", "x", "x", "yes"), ("text", "y", "y", "y"), ("audio", "z", "z", "z", None, "yes"), head=head)
    assert [step["type"] for step in guide_of(data)["steps"]] == ["note", "text"]


# ------------------------------------------------------------------------------------------------------------------- texts


def test_a_form_in_one_language_shows_it_in_both_and_says_so() -> None:
    data = form(("text", "x", "Only this"), head=("type", "name", "label"))
    assert guide_of(data)["steps"][0]["label"] == {"zh": "Only this", "en": "Only this"}
    assert notes_of(data) == [("one-language", "survey", None)]


def test_a_column_without_a_language_stands_for_the_one_that_is_missing() -> None:
    data = form(("text", "x", "电压", "Voltage"), head=("type", "name", "label", "label::English (en)"))
    assert guide_of(data)["steps"][0]["label"] == {"zh": "电压", "en": "Voltage"} and notes_of(data) == []


def test_missing_translations_are_counted() -> None:
    data = form(("text", "x", "电压", "Voltage"), ("text", "y", "电流", None))
    assert guide_of(data)["steps"][1]["label"] == {"zh": "电流", "en": "电流"}
    assert notes_of(data) == [("missing-translation", "survey", None)]


@pytest.mark.parametrize(
    "heading", ["label::zh", "label:Chinese", "label::中文", "Label::简体中文 (zh-CN)", "label :: Mandarin (zh)"]
)
def test_chinese_is_known_by_several_names(heading: str) -> None:
    data = form(("text", "x", "电压", "Voltage"), head=("type", "name", heading, "label::en"))
    assert guide_of(data)["steps"][0]["label"] == {"zh": "电压", "en": "Voltage"}


@pytest.mark.parametrize(
    ("label", "slug"), [(None, "no-label"), ("是 ${y} 吗", "label-with-answer"), ("长" * 301, "text-too-long")]
)
def test_a_label_phones_cannot_show_is_named(label: str | None, slug: str) -> None:
    data = form(("text", "y", "y", "y"), ("text", "x", label, label))
    assert faults_of(data) == [(slug, "survey", 3)]


# ------------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        (None, "no-name"),
        ("电压", "bad-name"),
        ("a b", "bad-name"),
        ("_x", "bad-name"),
        ("n" * 65, "bad-name"),
        ("x", "duplicate-name"),
    ],
)
def test_a_name_no_answer_could_carry_is_refused(name: str | None, slug: str) -> None:
    data = form(("text", "x", "x", "x"), ("begin group", "g", None, None), ("text", name, "y", "y"), ("end group",))
    assert faults_of(data) == [(slug, "survey", 4)]


def test_a_row_with_content_and_no_type_is_named() -> None:
    assert faults_of(form(("text", "x"), (None, "y"))) == [("no-type", "survey", 3)]


# ---------------------------------------------------------------------------------------------------------------- settings


def settings(**changed: object) -> tuple[tuple[str, ...], tuple[object, ...]]:
    row = {"form_id": "fuse", "form_title": "换熔芯", "title_en": "Change a fuse", "version": 1} | changed
    return tuple(row), tuple(row.values())


@pytest.mark.parametrize(
    ("changed", "slug"),
    [
        ({"form_id": None}, "no-form-id"),
        ({"form_id": "熔芯"}, "bad-form-id"),
        ({"form_id": "a:b"}, "bad-form-id"),
        ({"version": 2024010101}, "bad-version"),
        ({"version": "v3"}, "bad-version"),
        ({"version": 0}, "bad-version"),
        ({"version": 1.5}, "bad-version"),
        ({"version": "٣"}, "bad-version"),
        ({"kinds": "fault_repair, picnic"}, "unknown-code"),
        ({"causes": "boredom"}, "unknown-code"),
        ({"form_title": "长" * 121}, "text-too-long"),
        ({"form_title::English (en)": "Fuse"}, "translated-title"),
    ],
)
def test_settings_that_do_not_fit_are_named(changed: dict[str, object], slug: str) -> None:
    assert slug in [fault[0] for fault in faults_of(form(("text", "x"), settings=settings(**changed)))]


def test_what_the_import_says_goes_before_what_the_form_says() -> None:
    data = form(("text", "x"), settings=settings(version=2024010101, kinds="hazard", causes="flood"))
    guide = guide_of(data, version="12", kinds="fault_repair，meter_install", causes="")
    assert (guide["version"], guide["kinds"], guide["causes"]) == (12, ["fault_repair", "meter_install"], [])
    assert faults_of(data, version="0")[0][0] == "bad-version"


def test_a_form_without_version_and_title_is_version_one_and_called_by_its_identifier() -> None:
    data = form(("text", "x"), settings=(("form_id",), ("fuse",)))
    assert (guide_of(data)["version"], guide_of(data)["title"]) == (1, {"zh": "fuse", "en": "fuse"})
    assert {note[0] for note in notes_of(data)} == {"no-version", "no-title"}


def test_settings_nobody_uses_and_further_rows_and_sheets_are_told() -> None:
    rows = (*settings(public_key="MII", style="pages"), ("again",))
    data = xlsx(survey=[HEAD, ("text", "x", "x", "x")], settings=rows, notes=[("anything",)])
    assert {note[0] for note in notes_of(data)} == {"unused-setting", "more-settings", "unused-sheet"}


# ------------------------------------------------------------------------------------------------------------------- files


def test_every_fault_of_a_form_is_listed_at_once_in_the_order_of_the_file() -> None:
    data = form(
        ("audio", "a"), ("text", "b", None, None), ("select_one gone", "a"), settings=settings(form_id=None, version="x")
    )
    found = faults_of(data)
    assert [fault[0] for fault in found] == [
        *("no-form-id", "bad-version", "unsupported-type", "no-label", "duplicate-name", "unknown-list")
    ]


def test_csv_is_read_like_a_workbook_and_counts_its_own_rows() -> None:
    sheets: dict[str, Any] = {
        "survey": [HEAD, ("text", "x", "电压", "Voltage"), ("audio", "y", "y", "y")],
        "settings": SETTINGS,
    }
    assert faults_of(csv_form(**sheets)) == [("unsupported-type", "survey", 4)]
    sheets["survey"] = sheets["survey"][:2]
    assert guide_of(csv_form(**sheets)) == guide_of(xlsx(**sheets)) == guide_of(b"\xef\xbb\xbf" + csv_form(**sheets))


def test_a_lone_sheet_of_any_name_is_the_survey() -> None:
    assert faults_of(xlsx(表一=[HEAD, ("text", "x", "x", "x")])) == [("no-form-id", "settings", None)]


def test_two_columns_of_one_meaning_are_refused() -> None:
    data = form(("text", "x", "x", "x", "1 = 1", "2 = 2"), head=(*HEAD, "relevant", "relevance"))
    assert faults_of(data) == [("duplicate-column", "survey", 1)]


def test_a_form_of_which_phones_would_ask_nothing_is_refused() -> None:
    assert faults_of(form(("note", "n"), ("start", "s"))) == [("no-steps", "survey", None)]
    assert faults_of(xlsx(a=[HEAD], b=[HEAD])) == [("no-survey", "", None)]


def test_what_the_standard_tools_refuse_is_refused_in_their_words() -> None:
    data = form(("text", "x", "x", "x", "yes"), head=(*HEAD, "bind::relevant::zh"))
    with pytest.raises(Refused) as refused:
        read_guide(data)
    assert [fault["slug"] for fault in refused.value.extra["faults"]] == ["rejected-by-pyxform"]


def test_a_form_phones_would_choke_on_is_refused() -> None:
    many = [("text", f"s{n}") for n in range(201)]
    assert faults_of(form(*many)) == [("too-many-steps", "survey", None)]
    choices = [LISTS[0], *(("causes", f"c{n}", "长" * 200, "long" * 50) for n in range(1500))]
    assert faults_of(form(("select_one causes", "x"), choices=choices))[0][0] == "guide-too-large"


# ---------------------------------------------------------------------------------------------------------------- versions


def guide(version: int, label: str = "x") -> guides.Guide:
    return guide_of(form(("text", "x", label, label), settings=settings(version=version)))


def test_the_first_version_may_be_any_and_the_same_again_is_no_news() -> None:
    assert admit(guide(7), {})
    assert not admit(guide(7), {7: as_text(guide(7))})
    assert not admit(guide(3), {3: as_text(guide(3)), 7: as_text(guide(7))}), "an old file imported again changes nothing"


def test_other_content_under_a_published_version_is_refused_with_what_to_do() -> None:
    with pytest.raises(Refused, match="as version 8") as refused:
        admit(guide(3, "y"), {3: as_text(guide(3)), 7: as_text(guide(7))})
    assert refused.value.problem.slug == "guide-conflict" and refused.value.extra == {"version": 3, "newest": 7}


def test_a_version_below_the_newest_is_refused() -> None:
    with pytest.raises(Refused, match="is at version 7"):
        admit(guide(5), {7: as_text(guide(7))})
    assert admit(guide(8), {7: as_text(guide(7))})


def test_a_guide_is_the_same_text_each_time_it_is_read() -> None:
    data = form(("select_one causes", "x"), choices=LISTS)
    assert as_text(read_guide(data)[0]) == as_text(read_guide(data, Options())[0])
    assert json.loads(as_text(guide_of(data))) == guide_of(data)
