"""What the server's command line says to a person, in Chinese and English, in one table. Refuses to know when."""

from __future__ import annotations

import os
from collections.abc import Mapping

from server.settings import PREFIX, Lang, language_of

WORDS: Mapping[str, tuple[str, str]] = {
    # the commands, as --help lists them
    "app": ("点灯人：现场离线，坐席在线。", "Lamplighter: field crews offline, the office online."),
    "ticket": ("工单：列出、查看、派工与裁决。", "Tickets: list, show, and what the office says about them."),
    "import": ("从文件导入网格、组织、工单和作业指导卡。", "Areas, organisation, tickets and work guides from files."),
    "handset": ("命令行里的班组手机。", "The crew's phone as a command line."),
    "init": ("建立密钥、数据库和首个管理员；密码只显示一次。", "Make keys, the database and the first admin; its password is printed once."),
    "migrate": ("把数据库升级到本版本的结构。", "Bring the database to this version's schema."),
    "serve": ("在前台运行服务器，Ctrl-C 结束。", "Run the server in the foreground until Ctrl-C."),
    "doctor": ("检查设置、密钥、数据库、时钟和磁盘，并说明怎么办。", "Check settings, keys, database, clock and disk; says what to do about each fault."),
    "restored": (
        "声明数据库来自备份：开始新的历史，终端自行修复。",
        "Say that the database came back from a backup: a new history begins and phones repair themselves.",
    ),
    "demo": (
        "一个双语小县的一个上午：派工、飞行模式、同步、谁的值生效及原因、积分、总部提取。",
        "One morning of a small bilingual district: dispatch, flight mode, sync, who won what and why, points, HQ pull.",
    ),
    "enrol": ("给成员的手机一个一次性登记码和二维码，24 小时有效。", "A one-time enrolment code for a member's phone, with a QR code; good for 24 hours."),
    "token": ("给程序或人员一个令牌。", "A token for a program or a person."),
    "list": ("按状态和班组列出工单。", "Tickets, by state and crew."),
    "show": ("一张工单的全部内容（JSON）。", "One ticket with everything known of it, as JSON."),
    "assign": ("把工单派给班组。", "Give a ticket to a crew."),
    "transfer": ("从原班组改派给另一班组。", "Take a ticket from its crew and give it to another."),
    "told-by-phone": ("记录已电话告知某班组。", "Record that a crew was told of the ticket by phone."),
    "cancel": ("作废工单；已离线完成的工作仍然有效，并形成待裁决。", "Cancel a ticket; work already done offline still counts and opens a contest."),
    "merge": ("把重复工单并入主单，现场事实随之转移。", "Merge a duplicate under its parent; its facts follow."),
    "correct": ("更正工单字段。", "Correct fields of a ticket."),
    "decide": ("裁决冲突：以哪个值为准。", "End a contest: say which value stands."),
    "explain": (
        "某字段为何如此显示：哪个事实、谁的、时间区间、规则、其他值。",
        "Why a field shows what it shows: which fact, whose, its interval, the rule, the alternatives.",
    ),
    "areas": ("从 GeoJSON 导入网格；选项说明各属性名。", "Areas from GeoJSON; the options name the properties that hold id, name, station and class."),
    "org": ("从一个 JSON 或 TOML 文件导入供电所、班组、成员和班次。", "Stations, crews, members and shifts from one JSON or TOML file."),
    "tickets": ("按映射从 CSV 导入工单并派工。", "Tickets from CSV by a mapping, dispatched as they come in."),
    "guide": ("从 XLSForm 表格导入一版作业指导卡，发到所有班组手机。", "One version of a work guide from an XLSForm, for every crew's phone."),
    "export": ("把一类记录导出为 CSV。", "One kind of record as CSV."),
    # their arguments
    "arg.ticket": ("工单编号或标识。", "Ticket id or number."),
    "arg.reason": ("原因，会有人看到。", "Why; people read it."),
    "arg.dry_run": ("只说明会发生什么，不做改动。", "Say what would happen and change nothing."),
    "arg.seen": ("你看到的工单位置；之后有变更则拒绝。", "Position of the ticket as you saw it; newer is refused."),
    "arg.once": ("故事讲完后自行结束。", "End by itself when the story is told."),
    "arg.fields": ("字段=值 …，例如 contact_phone=13800000000", "field=value …, for example contact_phone=13800000000"),
    "arg.field": ("冲突中的字段名。", "As the contest names it."),
    "arg.choose": ("以哪个事实为准，或 `office`。", "The fact whose value stands, or `office`."),
    "arg.mapping": ("内置映射名，或映射文件。", "A shipped mapping's name, or a mapping file."),
    "arg.tz": ("文件中时间的 IANA 时区。", "IANA time zone of the file's times."),
    "arg.datum": ("wgs84、gcj02 或 bd09。", "wgs84, gcj02 or bd09."),
    "arg.shift": ("把最新一行移到现在。", "Move the newest row to the present."),
    "arg.kinds": ("适用的业务类型，逗号分隔；代替表里的 kinds。", "Ticket kinds it is for, by commas; instead of the form's kinds."),
    "arg.causes": ("适用的故障原因或类别，逗号分隔；代替表里的 causes。", "Causes or fault classes it is for, by commas; instead of the form's causes."),
    "arg.version": ("版本号；代替表里的 version。", "Its version; instead of the form's version."),
    "arg.out": ("写入此文件而不是打印。", "Write here instead of printing."),
    "arg.tls_cert": ("证书文件（PEM，含证书链）；与 --tls-key 一起使用，服务器直接提供 HTTPS。", "Certificate with its chain, PEM; together with --tls-key the server speaks HTTPS itself."),
    "arg.tls_key": ("证书的私钥文件（PEM，无密码）。", "The certificate's key, PEM without a password."),
    "arg.kind": ("ticket、points、verdict 或 rating", "ticket, points, verdict or rating"),
    "arg.subject": ("令牌上的名字。", "Whose name it carries."),
    # what they say
    "made": ("密钥和数据库在 [bold]{data}[/bold]。", "Keys and database are in [bold]{data}[/bold]."),
    "admin": (
        "首个管理员：[bold]{login}[/bold]，密码：[bold]{password}[/bold]（只显示这一次）",
        "First admin: [bold]{login}[/bold], password: [bold]{password}[/bold]  (shown this once)",
    ),
    "serving": ("服务地址 [bold]{address}[/bold]，Ctrl-C 结束。", "Lamplighter is at [bold]{address}[/bold]. Ctrl-C ends it."),
    "code": ("[bold]{member}[/bold] 的登记码：[bold]{code}[/bold]  服务器 {address}", "Code for [bold]{member}[/bold]: [bold]{code}[/bold]  at {address}"),
    "more": ("还有更多；请把 --limit 提高到 {limit} 以上。", "There are more; raise --limit above {limit}."),
    "done": ("完成：{name} {command}，现位于 {position}。", "Done: {command} of {name}; it is at position {position} now."),
    "guide.fault": ("✗ {place} {what}", "✗ {place} {what}"),
    "guide.note": ("· {place} {what}", "· {place} {what}"),
    "guide.refused": ("{file} 没有导入：{count} 处要改。", "{file} was not imported: {count} things to change."),
    "guide.done": ("已发布《{title}》第 {version} 版：{steps} 步，其中照片 {photos} 张。手机下次同步时收到。", "Published “{title}” version {version}: {steps} steps, {photos} of them photos. Phones receive it with their next sync."),
    "guide.known": ("《{title}》第 {version} 版早已发布，内容相同；没有改动。", "“{title}” version {version} is published already with this content; nothing changed."),
    "guide.would": ("可以导入《{title}》第 {version} 版：{steps} 步，其中照片 {photos} 张。没有做任何改动。", "“{title}” version {version} can be imported: {steps} steps, {photos} of them photos. Nothing was changed."),
    "rows": ("{count} 行写入 {file}", "{count} rows in {file}"),
    "reading": ("正在读取 {file} …", "Reading {file} …"),
    "no_file": ("没有文件 {file}。", "There is no file {file}."),
    "setting_up": ("正在建立密钥、数据库和服务器 …", "Making keys, a database and a server …"),
    "try_next": (
        """
[bold]接下来可以试试[/bold]（服务器在 [bold]{address}[/bold]，Ctrl-C 结束）
  管理员登录：{login} / {password}
  export LAMPLIGHTER_DATA={data}
  {program} ticket list
  {program} explain ticket GD-1005 address
  {program} ticket decide GD-1005 --field address --choose FACT --reason "…"
  {program} handset --home {work}/phones/li queue --all
  {program} enrol --member li            再用得到的登记码：
  {program} handset --home phone-li enrol 登记码 --address {address}
  {program} handset --home phone-li sync && {program} handset --home phone-li list
  {program} export points
  浏览器：{address}/openapi.json

[bold]用浏览器当一部班组手机[/bold]：打开下面的地址（或用手机扫码，真机怎么连见 docs/crew.md），就是 {name}（{crew}）的手机，
有 {jobs} 张新工单等着。登记之后可以断网、开飞行模式，甚至停掉这里的服务器，照样干完整单活。
  [bold]{app}[/bold]
  登记码 [bold]{code}[/bold]（用一次，24 小时内有效）
""",
        """
[bold]What to try next[/bold] (the server is at [bold]{address}[/bold]; Ctrl-C ends it)
  admin login: {login} / {password}
  export LAMPLIGHTER_DATA={data}
  {program} ticket list
  {program} explain ticket GD-1005 address
  {program} ticket decide GD-1005 --field address --choose FACT --reason "…"
  {program} handset --home {work}/phones/li queue --all
  {program} enrol --member li            then, with the code it prints:
  {program} handset --home phone-li enrol CODE --address {address}
  {program} handset --home phone-li sync && {program} handset --home phone-li list
  {program} export points
  browser: {address}/openapi.json

[bold]Be a crew's phone in a browser[/bold]: the address below (or the code, scanned; docs/crew.md says how a real phone gets here) makes it
the phone of {name} ({crew}), with {jobs} fresh jobs. Once enrolled it works in flight mode, or with this server stopped, for a whole job.
  [bold]{app}[/bold]
  enrolment code [bold]{code}[/bold]  (works once, within 24 hours)
""",
    ),
    "bye": ("再见。演示数据已删除。", "Good-bye. The demo's data are gone."),
    "col.number": ("编号", "number"),
    "col.state": ("状态", "state"),
    "col.crew": ("班组", "crew"),
    "col.kind": ("业务", "kind"),
    "col.address": ("地址", "address"),
    "col.check": ("检查", "check"),
    "col.finding": ("结果", "finding"),
}  # fmt: skip


def language() -> Lang:
    """LAMPLIGHTER_LANG, else the shell's, else English; before any setting is read, because --help needs it too."""
    asked = os.environ.get(f"{PREFIX}LANG")
    return Lang(asked) if asked in set(Lang) else language_of(os.environ)


def say(key: str, **values: object) -> str:
    """The sentence in the person's language."""
    chinese, english = WORDS[key]
    return (chinese if language() is Lang.ZH else english).format(**values)
