"""The rating page as a customer's browser gets it: small, complete, readable, without a script, telling nothing it need not."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator

import httpx
import pytest

from server.endpoints import customer_page
from server.endpoints.customer_page import DARK, LIGHT
from tests.server.api.world import World
from tests.server.customer.scene import Customers, Page

BYTES_MAX = 14 * 1024
BYTES_AIM = 8 * 1024
CONTRAST_MIN = 7.0
DAY_MIN = 24 * 60


@pytest.fixture(scope="module")
def pages(world: World) -> dict[tuple[str, str], httpx.Response]:
    """Every state of the page in both languages, each from a job of its own."""
    found: dict[tuple[str, str], httpx.Response] = {}
    customers = Customers(world)
    for lang in ("zh", "en"):
        at = f"?lang={lang}"
        _, _, path = customers.job(address="暗号街7号", customer_name="暗号客户", contact_phone="13900001111")
        found["form", lang] = customers.open(path + at)
        found["missing", lang] = customers.send(path + at, {"overall": "", "comment": "来得太晚" * 60})
        found["too-long", lang] = customers.send(path + at, {"overall": "1", "comment": "😀" * 301})
        found["unreadable", lang] = customers.send(path + at, {"overall": "9"})
        found["thanks", lang] = customers.send(path + at, {"overall": "4"})
        found["already", lang] = customers.open(path + at)
        found["absent", lang] = customers.open("/r/nothing" + at)
        _, _, path = customers.job()
        for _ in range(20):
            customers.send(path + at, {})
        found["busy", lang] = customers.send(path + at, {"overall": "5"})
    late = {lang: customers.job()[2] for lang in ("zh", "en")}
    world.wait(minutes=15 * DAY_MIN)
    for lang, path in late.items():
        found["closed", lang] = customers.open(f"{path}?lang={lang}")
    return found


STATUS = {"missing": 422, "too-long": 422, "unreadable": 422, "absent": 404, "busy": 429, "closed": 410}
STATES = ("form", "missing", "too-long", "unreadable", "thanks", "already", "absent", "busy", "closed")
FORMS = ("form", "missing", "too-long", "unreadable")


@pytest.fixture(params=[(state, lang) for state in STATES for lang in ("zh", "en")], ids="-".join)
def place(request: pytest.FixtureRequest) -> tuple[str, str]:
    chosen: tuple[str, str] = request.param
    return chosen


@pytest.fixture
def response(place: tuple[str, str], pages: dict[tuple[str, str], httpx.Response]) -> httpx.Response:
    return pages[place]


def test_every_state_has_its_status_and_is_a_page(place: tuple[str, str], response: httpx.Response) -> None:
    assert response.status_code == STATUS.get(place[0], 200)
    assert response.headers["content-type"] == "text/html; charset=utf-8"


def test_every_state_is_small_with_all_it_needs(response: httpx.Response) -> None:
    assert len(response.content) <= BYTES_MAX
    page = Page(response)
    loaded = [a for tag, a in page.elements if a.get("src") or tag in ("script", "img", "iframe", "object")]
    assert loaded == [] and [link["href"] for link in page.all("link")] == ["data:,"], "nothing else is fetched"


def test_the_empty_form_keeps_to_what_was_aimed_at(pages: dict[tuple[str, str], httpx.Response]) -> None:
    assert all(len(pages["form", lang].content) <= BYTES_AIM for lang in ("zh", "en"))


def test_there_is_no_script_and_no_style_beside_the_one_that_is_named(response: httpx.Response) -> None:
    assert "<script" not in response.text and not re.search(r"\son\w+=", response.text) and " style=" not in response.text
    [style] = re.findall(r"<style>(.*?)</style>", response.text, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert response.headers["content-security-policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "img-src data:"
    )


def test_no_page_is_kept_found_or_told_to_others(response: httpx.Response) -> None:
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["x-robots-tag"] == "noindex"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in response.headers


def test_every_page_is_well_formed_and_says_its_language(place: tuple[str, str], response: httpx.Response) -> None:
    page = Page(response)
    assert response.text.startswith("<!doctype html>") and page.crossed == []
    [html] = page.all("html")
    assert html["lang"] == ("zh-CN" if place[1] == "zh" or place[0] == "absent" else "en")
    assert len(page.all("title")) == len(page.all("main")) == 1 and page.all("h1")
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("state", FORMS)
def test_every_control_has_a_name_a_label_and_its_group_a_legend(
    pages: dict[tuple[str, str], httpx.Response], state: str, lang: str
) -> None:
    page = Page(pages[state, lang])
    controls = [(at, tag, a) for at, (tag, a) in enumerate(page.elements) if tag in ("input", "select", "textarea")]
    assert len(controls) == 5 + 5 + 4 + 2 + 1
    for at, _, attributes in controls:
        assert attributes["name"] and "label" in page.inside[at]
    tags = [tag for tag, _ in page.elements]
    for at, tag in enumerate(tags):
        if tag == "fieldset":
            assert tags[at + 1] == "legend"
    for at, _, attributes in controls:
        if attributes.get("type") in ("radio", "checkbox"):
            assert "fieldset" in page.inside[at]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_five_faces_stand_beside_five_words_and_nothing_is_chosen_for_the_customer(
    pages: dict[tuple[str, str], httpx.Response], lang: str
) -> None:
    page = Page(pages["form", lang])
    assert page.chosen == {}
    assert [a["value"] for a in page.all("input") if a["name"] == "overall"] == ["5", "4", "3", "2", "1"]
    assert all(svg["aria-hidden"] == "true" for svg in page.all("svg")), "the word is what is read out"
    drawings = re.findall(r"<svg.*?</svg>", pages["form", lang].text)
    mouths = {re.sub(r'class="f\d"', "", drawing) for drawing in drawings}
    assert len(drawings) == len(mouths) == 5, "each by its shape, not by its colour"
    words = [pair[0 if lang == "zh" else 1] for pair in customer_page.LEVELS.values()]
    assert [word for word in page.words if word in words] == [*words, *words * 4], "once to choose from, once for each question"


def test_the_form_tells_crew_day_and_work_and_nothing_else_of_the_job(pages: dict[tuple[str, str], httpx.Response]) -> None:
    zh, en = Page(pages["form", "zh"]).text, Page(pages["form", "en"]).text
    assert "A班 · 2026年11月22日 · 故障报修" in zh
    assert "Crew A · 22 November 2026 · Fault repair" in en
    for (state, lang), response in pages.items():
        for secret in ("暗号", "13900001111", "WO-", "成员", "Member"):
            assert secret not in response.text, (state, lang, secret)


def test_reasons_are_hidden_only_where_the_page_can_show_them_again(pages: dict[tuple[str, str], httpx.Response]) -> None:
    style = pages["form", "zh"].text.split("<style>")[1].split("</style>")[0]
    hidden = [rule for rule in style.split("@supports") if ".why{display:none}" in rule]
    assert len(hidden) == 1 and hidden[0].strip().startswith("selector(:has(*))")
    assert "form:has(#o2:checked,#o1:checked) .why{display:block}" in hidden[0]


def test_what_was_filled_in_is_still_there_when_something_is_missing(customers: Customers) -> None:
    _, _, path = customers.job()
    form = {"timeliness": "2", "fixed": "no", "no_improper_charge": "yes", "why_mess": "on", "comment": "\n<b>1 & 2</b>"}
    page = Page(customers.send(path, form))
    assert page.chosen == {name: value for name, value in form.items() if name != "comment"}
    assert "<b>1 & 2</b>" in page.text and not page.all("b")[5:], "as words, not as an element"
    assert "open" in page.all("details")[0]
    [said] = [a for tag, a in page.elements if tag == "p" and a.get("role") == "alert"]
    assert said["class"] == "say" and "请先选择总体评价。" in page.text


@pytest.mark.parametrize(
    ("query", "accepts", "language"),
    [
        ("", None, "zh-CN"),
        ("", "en-GB,en;q=0.9", "en"),
        ("", "zh-TW,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("", "fr,en;q=0.5,zh;q=0.4", "en"),
        ("", "en;q=0.4,zh;q=0.5", "zh-CN"),
        ("", "fr", "zh-CN"),
        ("", "*", "zh-CN"),
        ("", "en;q=x,,;q=,-", "en"),
        ("?lang=en", "zh", "en"),
        ("?lang=zh", "en", "zh-CN"),
        ("?lang=fr", "en", "en"),
        ("?lang=en&lang=zh", None, "zh-CN"),
        ("?lang=%ff%00", None, "zh-CN"),
    ],
)
def test_the_language_is_the_links_then_the_browsers_then_chinese(
    customers: Customers, query: str, accepts: str | None, language: str
) -> None:
    _, _, path = customers.job()
    page = Page(customers.open(path + query, **({"accept-language": accepts} if accepts else {})))
    assert page.all("html")[0]["lang"] == language
    [link] = page.all("a")
    other = {"zh-CN": ("?lang=en", "en"), "en": ("?lang=zh", "zh-CN")}[language]
    assert (link["href"], link["lang"]) == other
    assert page.all("form")[0] == {"method": "post", "action": f"?lang={'zh' if language == 'zh-CN' else 'en'}"}


# -------------------------------------------------------------------------------------------------------------- contrast


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    digits = colour.removeprefix("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def pairs() -> Iterator[tuple[str, str, str]]:
    for name, theme in (("light", LIGHT), ("dark", DARK)):
        yield from ((name, text, ground) for text in ("ink", "ink2", "act", "ok", "bad") for ground in ("bg", "soft"))
        assert set(theme) == {"bg", "soft", "ink", "ink2", "line", "act", "ok", "bad"}


@pytest.mark.parametrize(("name", "text", "ground"), list(pairs()), ids="-".join)
def test_every_text_can_be_read_in_the_sun(name: str, text: str, ground: str) -> None:
    theme = LIGHT if name == "light" else DARK
    assert contrast(theme[text], theme[ground]) >= CONTRAST_MIN


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_the_button_can_be_read_and_every_edge_be_seen(theme: dict[str, str]) -> None:
    assert contrast(theme["bg"], theme["act"]) >= CONTRAST_MIN
    assert contrast(theme["line"], theme["bg"]) >= 3.0, "WCAG 2.2, 1.4.11"


def test_the_colours_of_the_style_are_those_of_the_two_themes_and_the_focus() -> None:
    known = {*LIGHT.values(), *DARK.values(), "#ffc400"}
    assert set(re.findall(r"#[0-9a-f]{3,6}\b", customer_page.STYLE)) <= known
