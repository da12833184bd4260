"""The customer's rating page as HTML: one form without a script, in Chinese and English, small enough for a weak link.

Every page is a whole document with its style inside; `CSP` allows that style by its hash and nothing else. Refuses to know
requests, tickets and what becomes of an answer. Faces are drawn here: five shapes, because colour alone tells some people
nothing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Literal

Language = Literal["zh", "en"]
Pair = tuple[str, str]

LIGHT: Mapping[str, str] = {
    "bg": "#fff", "soft": "#f3f6f9", "ink": "#0b1520", "ink2": "#384552", "line": "#66737f",
    "act": "#004f8c", "ok": "#005c38", "bad": "#a10d12",
}  # fmt: skip
DARK: Mapping[str, str] = {
    "bg": "#0b1520", "soft": "#152231", "ink": "#f5f9fc", "ink2": "#becad6", "line": "#7f8e9c",
    "act": "#7cc8ff", "ok": "#63e6a6", "bad": "#ff9c93",
}  # fmt: skip


def _tokens(theme: Mapping[str, str]) -> str:
    return ";".join(f"--{name}:{colour}" for name, colour in theme.items())


STYLE = (
    f":root{{color-scheme:light dark;{_tokens(LIGHT)}}}"
    f"@media(prefers-color-scheme:dark){{:root{{{_tokens(DARK)}}}}}"
    """
*{box-sizing:border-box}
body{margin:0 auto;padding:4px 16px 32px;max-width:36rem;background:var(--bg);color:var(--ink);
font:18px/28px system-ui,-apple-system,"PingFang SC","Microsoft YaHei","Noto Sans SC","Noto Sans CJK SC",sans-serif}
header{display:flex;justify-content:space-between;align-items:center;gap:12px}
h1,h2{font-size:24px;line-height:32px;margin:16px 0}
header a,summary,.send,select,.why label{min-height:72px}
header a{min-width:72px;display:flex;align-items:center;justify-content:center;color:var(--act)}
p{margin:0 0 16px}.about,.note{color:var(--ink2)}.note{font-size:16px;line-height:26px;margin-top:24px}
.say{border-left:6px solid var(--bad);padding:8px 12px;background:var(--soft);font-weight:600}
fieldset{border:0;margin:0 0 12px;padding:0;min-width:0}legend{padding:0;font-weight:600}
.row{position:relative;display:flex;align-items:center;gap:16px;min-height:72px;padding:8px 16px;margin:12px 0}
.row *{position:relative;pointer-events:none}
.row input{position:absolute;inset:0;margin:0;appearance:none;-webkit-appearance:none;border:2px solid var(--line);
border-radius:12px;pointer-events:auto;cursor:pointer}
.row input:checked{border:4px solid var(--act);background:var(--soft)}
.row b{font-size:20px;flex:1}.row i{visibility:hidden;width:28px;height:28px;font:700 24px/28px system-ui;color:var(--act)}
.row input:checked~i{visibility:visible}
svg{width:48px;height:48px;flex:none;fill:none;stroke:currentColor;stroke-width:3;stroke-linecap:round;stroke-linejoin:round}
@media(max-width:300px){header,.row{flex-wrap:wrap}.row b{flex:1 0 100%;overflow-wrap:anywhere}.row i{display:none}}
.f5,.f4{color:var(--ok)}.f3{color:var(--ink2)}.f2,.f1{color:var(--bad)}
.why label{display:flex;align-items:center;gap:16px}.why input{width:28px;height:28px;margin:0;accent-color:var(--act)}
@supports selector(:has(*)){.why{display:none}form:has(#o2:checked,#o1:checked) .why{display:block}}
summary{display:flex;align-items:center;gap:8px;font-weight:600;color:var(--act);cursor:pointer}
summary::before{content:"+";font-size:28px}details[open] summary::before{content:"\\2212"}
.ask{display:block;margin:0 0 16px}
select,textarea{display:block;width:100%;margin-top:4px;padding:8px 12px;border:2px solid var(--line);border-radius:12px;
font:inherit;color:var(--ink);background:var(--bg)}
.send{width:100%;margin-top:16px;border:0;border-radius:12px;font:inherit;font-size:20px;font-weight:600;
color:var(--bg);background:var(--act);cursor:pointer}
:focus-visible{outline:3px solid var(--ink);outline-offset:0;box-shadow:0 0 0 6px #ffc400}
"""
)
CSP = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; img-src data:"
)

WORDS: Mapping[str, Pair] = {
    "title": ("请您评价本次服务", "How was our service?"),
    "overall": ("总体评价（请选一项）", "Overall (please choose one)"),
    "why": ("哪里让您不满意？（可多选，也可不选）", "What went wrong? (optional, choose any)"),
    "more": ("还想多说几句（可不填）", "Tell us more (optional)"),
    "none": ("不填", "No answer"),
    "comment": ("您想说的话（300 字以内）", "In your own words (up to 300 characters)"),
    "send": ("提交评价", "Send"),
    "notice": (
        "我们只保存您的评价、提交时间和它对应的那次上门服务，由供电企业总部保管，用于改进服务和核查服务质量。不使用 Cookie，"
        "不记录您的位置和手机信息。上门的班组看不到您这一次的评价。评价完全自愿，不影响您的用电。",
        "We keep your answers, the time, and which visit they are about. Headquarters uses them to improve the service and to "
        "check its quality. No cookies, no location, nothing about your phone. The crew cannot see your answer. Answering is "
        "voluntary and changes nothing about your supply.",
    ),
    "thanks": ("谢谢您！", "Thank you!"),
    "thanks_text": ("总部已收到您的评价。现在可以关闭本页。", "Headquarters has your answer. You can close this page now."),
    "already": ("这次服务已经评价过了", "This visit has been rated already"),
    "already_text": ("以第一次提交的评价为准。谢谢您！", "The first answer counts. Thank you!"),
    "closed": ("评价已经结束", "This page has closed"),
    "closed_text": (
        "服务结束后 14 天内可以评价。如有意见，请联系您的供电所。",
        "A visit can be rated for 14 days. If something is still wrong, please contact your power supply station.",
    ),
    "absent": ("没有这个评价页面", "There is no such page"),
    "absent_text": (
        "请再扫一次班组手机上的二维码。",
        "Please scan the code on the crew's phone again.",
    ),
    "busy": ("请稍等一分钟", "Please wait a minute"),
    "busy_text": (
        "提交得太频繁了，请返回上一页，稍后再提交。",
        "Too many tries at once. Please go back and send it again a little later.",
    ),
    "missing": ("请先选择总体评价。", "Please choose your overall rating first."),
    "too-long": ("文字太长了，请缩短到 300 字以内。", "Your text is too long; please shorten it to 300 characters."),
    "unreadable": ("没能读懂提交的内容，请重新选择后提交。", "We could not read what was sent. Please choose again and send."),
}  # fmt: skip
LEVELS: Mapping[int, Pair] = {
    5: ("非常满意", "Very satisfied"),
    4: ("满意", "Satisfied"),
    3: ("基本满意", "Fairly satisfied"),
    2: ("不满意", "Dissatisfied"),
    1: ("非常不满意", "Very dissatisfied"),
}
REASONS: Mapping[str, Pair] = {
    "late": ("来得太晚", "Came too late"),
    "not_fixed": ("问题没有解决", "The problem is not solved"),
    "manner": ("态度不好", "Unfriendly"),
    "unclear": ("没有讲清楚", "Not explained clearly"),
    "mess": ("现场没有收拾干净", "Left a mess"),
}
DIMENSIONS: Mapping[str, Pair] = {
    "timeliness": ("及时性", "Timeliness"),
    "quality": ("工作质量", "Quality of the work"),
    "attitude": ("服务态度", "Courtesy"),
    "explained": ("讲解清楚", "Clear explanation"),
}
# The first answer is what the field's name says, the second its opposite.
YES_NO: Mapping[str, tuple[Pair, Pair, Pair]] = {
    "fixed": (("问题解决了吗？", "Is the problem solved?"), ("解决了", "Yes"), ("没有解决", "No")),
    "no_improper_charge": (
        ("有没有乱收费？", "Were you asked to pay anything improper?"),
        ("没有乱收费", "No, nothing"),
        ("有乱收费", "Yes, I was"),
    ),
}
# Inside a circle of 48: eyes, then mouth. Happy eyes are arches, angry ones have brows.
_FACES: Mapping[int, str] = {
    5: '<path d="M13 21q4-6 7 0M28 21q3-6 7 0"/><path d="M13 28h22q-2 11-11 11t-11-11z" fill="currentColor"/>',
    4: '<path d="M17 17v4M31 17v4M14 29q10 10 20 0"/>',
    3: '<path d="M17 17v4M31 17v4M15 32h18"/>',
    2: '<path d="M17 18v4M31 18v4M14 35q10-9 20 0"/>',
    1: '<path d="M12 14l8 4M36 14l-8 4M17 22v3M31 22v3M14 37q10-12 20 0z"/>',
}


@dataclass(frozen=True, slots=True)
class About:
    """What a customer may see of the visit: no address, no names of people."""

    crew: str
    day: str
    kind: str


def form_page(language: Language, about: About, chosen: Mapping[str, str], why: str | None = None) -> bytes:
    """The form, with what was chosen before; `why` names the sentence that says what is missing."""
    say = _speaker(language)
    other: Language = "en" if language == "zh" else "zh"
    name = "中文" if other == "zh" else "English"
    link = f'<a href="?lang={other}" lang="{_CODES[other]}" hreflang="{_CODES[other]}">{name}</a>'
    facts = " · ".join(escape(part) for part in (about.crew, about.day, about.kind) if part)
    parts = [
        f"<header><h1>{say(WORDS['title'])}</h1>{link}</header>",
        f'<p class="about">{facts}</p>',
        f'<p class="say" role="alert">{say(WORDS[why])}</p>' if why else "",
        f'<form method="post" action="?lang={language}">',
        _overall(say, chosen),
        _reasons(say, chosen),
        _more(say, chosen),
        f'<button class="send">{say(WORDS["send"])}</button></form>',
        f'<p class="note">{say(WORDS["notice"])}</p>',
    ]
    return _document(language, say(WORDS["title"]), "".join(parts))


def word_page(language: Language, word: str) -> bytes:
    """A page that only says something: thanks, already, closed, busy."""
    say = _speaker(language)
    return _document(language, say(WORDS[word]), f"<h1>{say(WORDS[word])}</h1><p>{say(WORDS[f'{word}_text'])}</p>")


def absent_page() -> bytes:
    """There is nothing here, in both languages: who asks is not known."""
    (zh, en), (zh_text, en_text) = WORDS["absent"], WORDS["absent_text"]
    body = f'<h1>{zh}</h1><p>{zh_text}</p><div lang="en"><h2>{en}</h2><p>{en_text}</p></div>'
    return _document("zh", zh, body)


_CODES: Mapping[Language, str] = {"zh": "zh-CN", "en": "en"}


Say = Callable[[Pair], str]
"""The words of a pair in the page's language, safe inside HTML."""


def _speaker(language: Language) -> Say:
    at = 0 if language == "zh" else 1
    return lambda pair: escape(pair[at])


def _document(language: Language, title: str, body: str) -> bytes:
    page = (
        f'<!doctype html><html lang="{_CODES[language]}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>'
        f'<link rel="icon" href="data:,"><style>{STYLE}</style></head><body><main>{body}</main></body></html>'
    )
    return page.encode()


def _overall(say: Say, chosen: Mapping[str, str]) -> str:
    rows = "".join(
        f'<label class="row"><input type="radio" name="overall" value="{level}" id="o{level}"'
        f"{_if(chosen.get('overall') == str(level), 'checked')}>"
        f'<svg class="f{level}" viewBox="0 0 48 48" aria-hidden="true"><circle cx="24" cy="24" r="21"/>{_FACES[level]}</svg>'
        f'<b>{say(words)}</b><i aria-hidden="true">✓</i></label>'
        for level, words in LEVELS.items()
    )
    return f"<fieldset><legend>{say(WORDS['overall'])}</legend>{rows}</fieldset>"


def _reasons(say: Say, chosen: Mapping[str, str]) -> str:
    boxes = "".join(
        f'<label><input type="checkbox" name="why_{name}"{_if(f"why_{name}" in chosen, "checked")}>{say(words)}</label>'
        for name, words in REASONS.items()
    )
    return f'<fieldset class="why"><legend>{say(WORDS["why"])}</legend>{boxes}</fieldset>'


def _more(say: Say, chosen: Mapping[str, str]) -> str:
    levels = {str(level): words for level, words in LEVELS.items()}
    asked = "".join(_select(say, name, words, levels, chosen) for name, words in DIMENSIONS.items())
    for name, (question, yes, no) in YES_NO.items():
        asked += _select(say, name, question, {"yes": yes, "no": no}, chosen)
    # After the tag a line feed, because a browser swallows the first.
    text = (
        f'<label class="ask">{say(WORDS["comment"])}<textarea name="comment" rows="4" maxlength="300">\n'
        f"{escape(chosen.get('comment', ''))}</textarea></label>"
    )
    used = any(chosen.get(name) for name in (*DIMENSIONS, *YES_NO, "comment"))
    return f"<details{_if(used, 'open')}><summary>{say(WORDS['more'])}</summary>{asked}{text}</details>"


def _select(say: Say, name: str, label: Pair, options: Mapping[str, Pair], chosen: Mapping[str, str]) -> str:
    rows = "".join(
        f'<option value="{value}"{_if(chosen.get(name) == value, "selected")}>{say(words)}</option>'
        for value, words in options.items()
    )
    none = f'<option value="">{say(WORDS["none"])}</option>'
    return f'<label class="ask">{say(label)}<select name="{name}">{none}{rows}</select></label>'


def _if(true: bool, attribute: str) -> str:
    return f" {attribute}" if true else ""
