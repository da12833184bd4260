"""Everything the handset says to a person, in Chinese and English, in one table; the words of truth are the same everywhere.

Refuses to know when to say what. Titles of problems and of kinds of facts come from `sync`, which has both languages too.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sync.facts import Truth
from sync.kinds import KINDS
from sync.problems import QUARANTINE


class Lang(StrEnum):
    ZH = "zh-CN"
    EN = "en"


def language_of(environment: Mapping[str, str]) -> Lang:
    """LAMPLIGHTER_LANG, else what the shell's locale says, else English."""
    names = ("LAMPLIGHTER_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    asked = next((environment[name] for name in names if environment.get(name)), "")
    return Lang.ZH if asked.lower().startswith("zh") else Lang.EN


class HandsetFault(Exception):
    """The handset cannot do that here and now. `slug` is a key of `WORDS`; the values fill its sentence."""

    def __init__(self, slug: str, **values: Any) -> None:
        self.slug = slug
        self.values = values
        super().__init__(say(slug, Lang.EN, **values))


TRUTH: Mapping[Truth, tuple[str, str]] = {
    Truth.SAVED: ("Saved on phone", "已存本机"),
    Truth.WAITING: ("Waiting", "排队"),
    Truth.SENDING: ("Sending", "上传中"),
    Truth.HQ_HAS_IT: ("HQ has it", "总部已收"),
    Truth.NEEDS_YOU: ("Needs you", "需处理"),
}

STATES: Mapping[str, tuple[str, str]] = {
    "received": ("received", "已受理"),
    "dispatched": ("dispatched", "已派单"),
    "accepted": ("accepted", "已接单"),
    "en_route": ("on the way", "已出发"),
    "on_site": ("on site", "已到场"),
    "working": ("working", "处理中"),
    "completed": ("completed", "已完成"),
    "callback": ("call back", "待回访"),
    "archived": ("archived", "已归档"),
    "suspended": ("suspended", "已挂起"),
    "returned": ("returned", "已退回"),
    "reopened": ("to be reworked", "退回重办"),
    "merged": ("merged", "并入主单"),
    "cancelled": ("cancelled", "已作废"),
}

TICKET_KINDS: Mapping[str, tuple[str, str]] = {
    "fault_repair": ("fault repair", "故障报修"),
    "meter_install": ("new meter", "装表接电"),
    "temp_supply": ("temporary supply", "临时用电"),
    "rename": ("rename", "更名"),
    "transfer": ("transfer of account", "过户"),
    "supply_change": ("change of supply", "变更用电"),
    "expansion_lv": ("low-voltage connection", "低压业扩"),
    "expansion_hv_single": ("high-voltage connection, one feed", "高压单电源业扩"),
    "expansion_hv_dual": ("high-voltage connection, two feeds", "高压双电源业扩"),
    "metering_fault": ("metering fault", "计量故障"),
    "hazard": ("hazard", "安全隐患"),
    "consultation": ("consultation", "咨询"),
    "usage_info": ("usage information", "用电信息"),
    "hardship_help": ("help in hardship", "困难帮扶"),
    "planned_outage_notice": ("planned outage", "停电通知"),
    "complaint": ("complaint", "投诉"),
    "reconnection": ("reconnection", "复电"),
}

CONTESTED_FOR: Mapping[str, tuple[str, str]] = {
    "state": ("The office decides which course of the job counts.", "待调度裁决以哪一处理为准。"),
    "field": ("Someone else wrote something different; the office decides.", "他人填写不同，待调度裁决。"),
    "after-reassignment": ("Written after the job had been given to another crew.", "改派之后所记。"),
    "after-cancelled": ("Written after the job had been cancelled.", "作废之后所记。"),
    "after-archived": ("Written after the job had been archived.", "归档之后所记。"),
    "decided-against": ("The office decided for another version.", "班组已裁决采用其他版本。"),
    "unknown-photo": ("HQ has no fact that names this photo yet.", "总部尚无引用该照片的记录。"),
    "bad-hash": ("The photo's bytes are damaged.", "照片内容已损坏。"),
    "bytes-missing": ("The photo's bytes are no longer on this phone.", "本机已无该照片内容。"),
    "too-large": ("HQ takes no photo of this size.", "照片超过总部上限。"),
}
"""Why something needs a person; words for quarantined lines are `sync.problems.QUARANTINE`."""

WORDS: Mapping[str, tuple[str, str]] = {
    # what cannot be done
    "not-enrolled": ("There is no phone in {home}; enrol first.", "{home} 中没有已登记的终端，请先登记。"),
    "enrolled-already": ("The phone in {home} is enrolled already.", "{home} 中的终端已登记。"),
    "in-use": ("Another window is using the phone in {home}.", "{home} 中的终端正被另一窗口使用。"),
    "store-lost": (
        "The phone's records in {home} are gone. Keep the folder as it is and call the office: "
        "what HQ had received is safe, what had not been sent may be lost.",
        "{home} 中的本机记录已丢失。请保留该文件夹并联系班长：总部已收的内容安全，未上传的可能丢失。",
    ),
    "store-too-new": ("{detail} Update the app.", "{detail} 请升级应用。"),
    "not-saved": ("This was NOT saved: {detail}", "未能保存：{detail}"),
    "bad-root": (
        "The key list is not signed by the server this phone knows.",
        "密钥清单并非本终端所认服务器签发。",
    ),
    "no-rating-key": (
        "The phone has no key to seal a rating; sync once, then rate.",
        "本机没有评价封存密钥，请先同步一次再评价。",
    ),
    "no-ticket": ("This phone knows no ticket {name}.", "本机没有工单 {name}。"),
    "many-tickets": ("{name} fits several tickets: {found}.", "{name} 对应多张工单：{found}。"),
    "photo-too-large": (
        "A photo may have {max_mb} MB; this one has {mb} MB. Take it in a smaller size.",
        "照片不得超过 {max_mb} MB，当前 {mb} MB；请用较小尺寸重拍。",
    ),
    "photo-empty": ("The photo holds no bytes.", "照片内容为空。"),
    "not-a-bundle": ("{path} is neither a bundle nor the reply to one.", "{path} 不是救援文件，也不是其回执。"),
    "bad-fix": (
        "A position is LAT,LON or LAT,LON,METRES; {text} is not.",
        "位置格式为 纬度,经度 或 纬度,经度,米；{text} 不符。",
    ),
    "bad-field": ("Give fields as NAME=VALUE; {text} is not.", "字段格式为 名称=值；{text} 不符。"),
    "unreadable": ("{path} cannot be read: {detail}", "无法读取 {path}：{detail}"),
    "no-photos": ("There are no photos in {path}.", "{path} 中没有照片。"),
    "few-codes": (
        "{path} holds {found} enrolment codes; {count} phones need one each.",
        "{path} 中有 {found} 个登记码，{count} 部终端各需一个。",
    ),
    # what happened
    "enrolled": ("This phone is enrolled as device {device} of {member}.", "本终端已登记：{device}，人员 {member}。"),
    "saved": ("{truth}: {what} · {number}", "{truth}：{what} · {number}"),
    "thanks": ("Thank you for your answer.", "感谢您的评价。"),
    "synced": (
        "HQ has everything: {stated} facts and {photos} photos sent, {rows} changes received.",
        "总部已全部收到：上传 {stated} 条、照片 {photos} 张，接收变更 {rows} 条。",
    ),
    "unreachable": (
        "No connection to HQ ({detail}). Nothing is lost: {waiting} facts and {photos} photos wait on this phone.",
        "无法连接总部（{detail}）。内容未丢失：本机尚有 {waiting} 条记录、{photos} 张照片待传。",
    ),
    "declined": ("HQ says: {title} {detail}", "总部答复：{title}{detail}"),
    "still-waiting": (
        "{waiting} facts and {photos} photos still wait on this phone.",
        "本机尚有 {waiting} 条记录、{photos} 张照片待传。",
    ),
    "nothing-waits": ("Nothing waits; HQ has everything.", "无待传内容，总部已全部收到。"),
    "pill": ("{waiting} waiting · HQ {heard}", "{waiting} 条待传 · 总部 {heard}"),
    "never": ("never", "尚未"),
    "time-known": (
        "HQ's time is {time}. It now knows that {waiting} facts wait here, and bounds their times.",
        "总部时间 {time}。总部已知本机有 {waiting} 条待传记录，并据此界定其时间。",
    ),
    "bundle-written": (
        "{lines} facts are in {path}; bring it to the office or another phone. Photos stay here and follow later.",
        "{lines} 条记录已写入 {path}，可交班组或其他终端上传。照片仍在本机，随后补传。",
    ),
    "bundle-rest": ("{rest} more did not fit; deliver this one first.", "另有 {rest} 条未能装入，请先交付本文件。"),
    "bundle-delivered": ("Delivered: HQ has journal {journal} up to line {n}.", "已交付：总部收到日志 {journal} 至第 {n} 行。"),
    "bundle-reply": ("The reply is in {path}; bring it back to the phone it came from.", "回执在 {path}，请带回原终端。"),
    "reply-taken": ("HQ has {stated} more facts of this phone.", "总部又收到本机 {stated} 条记录。"),
    "reply-foreign": (
        "This reply holds no valid word of the server for this phone; nothing was changed.",
        "该回执没有服务器对本机的有效签名，未作任何改动。",
    ),
    "journal-restored": (
        "This phone's records were put back from an older copy; a new journal has begun and both are kept.",
        "本机记录曾从旧副本恢复；已启用新日志，两者均保留。",
    ),
    "notice-fork": (
        "HQ holds another continuation of this phone's journal; both are kept, a new journal has begun.",
        "总部存有本机日志的另一分支；两者均保留，已启用新日志。",
    ),
    "notice-server-regressed": (
        "HQ came back from a backup and knows less than before; what this phone still holds is sent again.",
        "总部从备份恢复，已知内容变少；本机保留的内容将重新上传。",
    ),
    "notice-reassigned": (
        "HQ gave {ticket} to {crew} at {time}. What you recorded is safe and counts for you.",
        "总部已于 {time} 将 {ticket} 改派给 {crew}。您的记录已妥善保存并计入您的工作。",
    ),
    "gone-reassigned": (
        "HQ gave this job to {crew} at {time}. What you recorded is safe and counts for you.",
        "总部已于 {time} 将此单改派给 {crew}。您的记录已妥善保存并计入您的工作。",
    ),
    "gone": ("This job is no longer with you ({reason}).", "此单已不在您处（{reason}）。"),
    "contest": ("The office must decide about {field}.", "{field} 待调度裁决。"),
    "photos-received": ("{received} of {named} photos are with HQ", "总部已收照片 {received}/{named}"),
    "no-tickets": ("No tickets on this phone.", "本机没有工单。"),
    # headings
    "h-number": ("number", "工单号"),
    "h-kind": ("kind", "类型"),
    "h-state": ("state", "状态"),
    "h-address": ("address", "地址"),
    "h-contact": ("contact", "联系电话"),
    "h-customer": ("customer", "客户"),
    "h-description": ("description", "描述"),
    "h-remarks": ("remarks", "备注"),
    "h-when": ("when", "时间"),
    "h-what": ("what", "内容"),
    "h-ticket": ("ticket", "工单"),
    "h-truth": ("where it is", "所在"),
    "h-why": ("why", "原因"),
    "h-photo-bytes": ("photo bytes", "照片原图"),
    "h-count": ("count", "数量"),
    # a simulated shift
    "shift-enrol": ("enrolling phones", "登记终端"),
    "shift-fetch": ("fetching tickets", "领取工单"),
    "shift-work": ("working offline", "离线作业"),
    "shift-sync": ("syncing", "同步上传"),
    "shift-check": ("comparing with the server", "与服务器核对"),
    "shift-phones": ("phones", "终端"),
    "shift-tickets": ("tickets worked", "完成工单"),
    "shift-recorded": ("facts recorded on phones", "终端记录"),
    "shift-stated": ("facts stated to the phones", "已签回执"),
    "shift-server": ("facts the server says it has", "服务器记录"),
    "shift-photos": ("photos recorded", "照片记录"),
    "shift-received": ("photos the server says it has", "服务器照片"),
    "shift-bytes": ("bytes of photos", "照片字节"),
    "shift-equal": ("phones equal to the server", "与服务器一致的终端"),
    "shift-facts-s": ("facts recorded a second", "每秒记录"),
    "shift-adds-up": ("Everything adds up.", "数目全部相符。"),
    "shift-differs": ("THE COUNTS DO NOT ADD UP: {what}", "数目不符：{what}"),
}


def say(key: str, lang: Lang, **values: Any) -> str:
    """The sentence in a person's language."""
    return WORDS[key][lang is Lang.ZH].format(**values)


def truth_word(truth: Truth, lang: Lang, percent: int | None = None) -> str:
    """One of the five words; while sending, how far it is when that is known."""
    word = TRUTH[truth][lang is Lang.ZH]
    return word if percent is None or truth is not Truth.SENDING else f"{word} {percent} %"


def kind_title(kind: str, lang: Lang) -> str:
    """What a kind of fact is called."""
    known = KINDS.get(kind)
    return kind if known is None else (known.title_zh if lang is Lang.ZH else known.title)


def name_in(table: Mapping[str, tuple[str, str]], value: str | None, lang: Lang) -> str:
    """A word of a closed list; a word this version does not know is shown as it is."""
    return table[value][lang is Lang.ZH] if value is not None and value in table else str(value or "–")


def problem_text(document: Mapping[str, Any], lang: Lang) -> str:
    """A problem document as one sentence or two."""
    title = document.get("title_zh" if lang is Lang.ZH else "title") or document.get("title") or document.get("slug")
    detail = document.get("detail") or ""
    return str(title) if detail in ("", document.get("title")) else f"{title} {detail}"


def quarantine_text(slug: str) -> str:
    """Why a fact waits for a person."""
    return QUARANTINE.get(slug, slug)
