"""Every problem the product can answer, in one table: slug, title, HTTP status, what to do, and when it is normal.

Errors travel as RFC 9457 problem documents. `action` is for programs: what the caller should do next. Quarantine slugs
name what is wrong inside a signed journal; such a line is stored, and only its effect waits (protocol: accept, then
adjudicate).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Action(StrEnum):
    RETRY = "retry"  # the same request later
    SIGN_IN = "sign-in"  # get a new token; what is queued stays queued
    UPDATE = "update"  # a newer app is needed to pull; pushing still works
    RESYNC = "resync"  # follow the repair data in the problem (known heads, fork, new cursor)
    REFUSE = "refuse"  # the request will never succeed as it is
    REPORT = "report"  # a person must look at it


@dataclass(frozen=True, slots=True)
class Problem:
    slug: str
    status: int
    action: Action
    title: str
    title_zh: str
    normal: str


def _table(*rows: Problem) -> dict[str, Problem]:
    return {row.slug: row for row in rows}


PROBLEMS: dict[str, Problem] = _table(
    Problem(
        "bad-compression",
        400,
        Action.REFUSE,
        "The body is not valid gzip.",
        "请求体不是有效的 gzip。",
        "A damaged upload.",
    ),
    Problem(
        "bad-envelope",
        400,
        Action.REFUSE,
        "The first line is not a valid envelope.",
        "首行信封无效。",
        "A broken client.",
    ),
    Problem("bad-request", 400, Action.REFUSE, "The request is malformed.", "请求格式有误。", "A broken client."),
    Problem(
        "bad-checkpoint",
        403,
        Action.REFUSE,
        "The checkpoint is not signed by this journal's device.",
        "检查点签名与终端不符。",
        "Never; somebody else's lines.",
    ),
    Problem(
        "bad-chain",
        400,
        Action.REFUSE,
        "The lines do not lead to the signed head.",
        "日志行与签名链头不符。",
        "Bytes damaged on the way.",
    ),
    Problem(
        "bad-cursor",
        400,
        Action.RESYNC,
        "The cursor is not one this server gave out.",
        "游标无效。",
        "After a hand-made request.",
    ),
    Problem(
        "too-large",
        413,
        Action.REFUSE,
        "The request is larger than the limit.",
        "请求超过大小限制。",
        "Send fewer lines.",
    ),
    Problem(
        "unknown-device",
        403,
        Action.SIGN_IN,
        "This device is not enrolled here.",
        "终端未在此登记。",
        "A phone of another company.",
    ),
    Problem(
        "unknown-after",
        409,
        Action.RESYNC,
        "The server does not have the line before these.",
        "服务器没有前一行。",
        "After the server was restored from a backup.",
    ),
    Problem(
        "fork",
        409,
        Action.RESYNC,
        "This journal was continued twice; begin a new one.",
        "日志出现分叉，请开始新日志。",
        "After a phone was restored from a backup.",
    ),
    Problem(
        "quota",
        429,
        Action.RETRY,
        "This device has used up its quota for now.",
        "终端配额暂时用尽。",
        "A device that sends without end.",
    ),
    Problem(
        "sign-in",
        401,
        Action.SIGN_IN,
        "A valid token is needed.",
        "需要有效令牌。",
        "Tokens expire; what was pushed is stored.",
    ),
    Problem(
        "forbidden",
        403,
        Action.REFUSE,
        "This role may not do that.",
        "该角色无权执行此操作。",
        "Asking for more than the role gives.",
    ),
    Problem("not-found", 404, Action.REFUSE, "There is no such thing here.", "未找到。", "Foreign objects look absent."),
    Problem(
        "method-not-allowed",
        405,
        Action.REFUSE,
        "This address does not take that method.",
        "不支持该方法。",
        "A broken client.",
    ),
    Problem(
        "update",
        426,
        Action.UPDATE,
        "This app is too old to receive changes.",
        "应用版本过旧，无法接收变更。",
        "Long after a release; pushing still works.",
    ),
    Problem(
        "bad-code",
        403,
        Action.REFUSE,
        "The enrolment code is wrong, used or expired.",
        "登记码错误、已用或已过期。",
        "Codes live 24 hours and work once.",
    ),
    Problem(
        "state-conflict",
        409,
        Action.REFUSE,
        "The ticket's state does not allow that.",
        "工单当前状态不允许此操作。",
        "Somebody was faster.",
    ),
    Problem(
        "stale-base",
        409,
        Action.RESYNC,
        "The ticket changed since it was shown.",
        "工单在显示后已变更。",
        "Two dispatchers at once.",
    ),
    Problem(
        "bad-import",
        422,
        Action.REFUSE,
        "The file cannot be imported as it is.",
        "文件无法导入。",
        "A column or geometry is missing.",
    ),
    Problem(
        "bad-form",
        422,
        Action.REFUSE,
        "The form cannot become a work guide as it is.",
        "此表单无法成为作业指导卡。",
        "It asks for something phones cannot do; `faults` lists each with its row and what to do instead.",
    ),
    Problem(
        "guide-conflict",
        409,
        Action.REFUSE,
        "This version of the guide cannot be published any more.",
        "该作业指导卡的这一版不能再发布。",
        "Its content changed without a new version; raise the version.",
    ),
    Problem("bad-value", 422, Action.REFUSE, "A value is outside its limits.", "数值超出限制。", "A typing mistake."),
    Problem(
        "unknown-photo",
        404,
        Action.REFUSE,
        "No stored fact names these bytes.",
        "没有现场事实引用该照片。",
        "Upload before the fact was pushed.",
    ),
    Problem(
        "bad-hash",
        460,
        Action.RETRY,
        "The bytes do not have the promised hash.",
        "内容与哈希不符。",
        "Bytes damaged on the way.",
    ),
    Problem("bad-offset", 409, Action.RESYNC, "The upload continues elsewhere.", "上传偏移不符。", "After a lost reply."),
    Problem(
        "upload-gone",
        410,
        Action.RESYNC,
        "This upload has expired; create it again.",
        "上传已过期，请重新创建。",
        "After days without a signal.",
    ),
    Problem(
        "tus-version",
        412,
        Action.REFUSE,
        "Photos are uploaded with tus 1.0.0.",
        "照片上传需使用 tus 1.0.0。",
        "A client that speaks another version, or none.",
    ),
    Problem(
        "busy",
        503,
        Action.RETRY,
        "The server is busy; try again.",
        "服务器繁忙，请稍后再试。",
        "A storm of phones coming back.",
    ),
    Problem(
        "internal",
        500,
        Action.REPORT,
        "Something went wrong on the server.",
        "服务器内部错误。",
        "Never; it is logged with this request's id.",
    ),
)

QUARANTINE: dict[str, str] = {
    "bad-utf8": "The line is not UTF-8.",
    "bad-json": "The line is not strict JSON (NaN, Infinity and trailing text are not JSON).",
    "duplicate-key": "An object names the same key twice.",
    "lone-surrogate": "A string holds half of a character.",
    "nul": "A string holds a NUL character.",
    "too-deep": "Nested deeper than 16.",
    "too-long": "The line is longer than 16 KiB.",
    "bad-number": "A number is outside ±2⁵³ or not finite.",
    "bad-line": "The line's own header does not fit its place in the journal.",
    "unknown-kind": "This server does not know the kind yet; judged again after an upgrade.",
    "future-version": "This server does not know the version yet; judged again after an upgrade.",
    "bad-field": "A field does not fit its kind's table.",
    "bad-time": "The phone's clock showed a time outside 2000–2100.",
    "foreign-ticket": "The ticket was never this crew's.",
    "unknown-ticket": "No such ticket is known.",
    "revoked-author": "The device or member had been revoked; a person releases or refuses it.",
}


class Refused(Exception):
    """A request that changes nothing. `slug` is a key of `PROBLEMS`; `detail` says what to do, with values."""

    def __init__(self, slug: str, detail: str = "", **extra: Any) -> None:
        self.problem = PROBLEMS[slug]
        self.detail = detail or self.problem.title
        self.extra = extra
        super().__init__(f"{slug}: {self.detail}")

    def document(self) -> dict[str, Any]:
        """The RFC 9457 problem document."""
        return {
            "type": f"urn:lamplighter:problem:{self.problem.slug}",
            "slug": self.problem.slug,
            "title": self.problem.title,
            "title_zh": self.problem.title_zh,
            "status": self.problem.status,
            "action": str(self.problem.action),
            "detail": self.detail,
            **self.extra,
        }
