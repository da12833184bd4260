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
    "grant-role": (
        "给 PostgreSQL 的一个角色运行服务器所需的权限，不多给；以表的所有者身份执行。",
        "Give a PostgreSQL role the rights a server needs and no more; run it as the owner of the tables.",
    ),
    "granted": ("角色 {role} 现在可以运行服务器；流水只能追加。", "Role {role} may run a server now; journals it can only add to."),
    "backup": (
        "在线备份到文件夹：数据库的同一时刻，加上它提到的全部照片；随后重读校验。",
        "Back up into FOLDER while the server runs: one moment of the database and every photo it names; read again at once.",
    ),
    "verify-backup": ("不用数据库，重读整个备份：每个文件、每张照片、每条日志链、账本。", "Read a whole backup again without a database: files, photos, every journal's chain, the ledger."),
    "restore": ("用备份填充空的数据库和照片库，并开始新的历史。", "Fill an empty database and photo store from a backup; a new history begins."),
    "move": ("把停止的服务器搬到另一个数据库和照片库，逐表核对，历史不变。", "Move a stopped server to another database and photo store, compared table by table; its history goes on."),
    "rebuild": ("由事实重新推导所有记录并与现有的比较；--check 只比较不改动。", "Derive every record anew from its facts and compare; mends what differs, with --check only says so."),
    "evidence": ("证据：终端日志链与账本。", "Evidence: the journals' chains and the ledger."),
    "evidence.verify": ("对数据库中的每条日志链和账本重新计算哈希。", "Hash every journal's chain and the ledger of the live database anew."),
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
    "keys": ("服务器的密钥。", "The server's keys."),
    "keys.rotate": (
        "停机时换一把新密钥；旧的留着，仍可验证和拆封。",
        "Put a new key in charge while the server is stopped; the old one is kept, to verify and to open.",
    ),
    "erase": ("删除个人信息；哈希与事实仍可验证。", "Erase personal data; hashes and facts can still be verified."),
    "erase.ticket": (
        "删除已结束工单中的客户信息和照片；PostgreSQL 上以表的所有者身份执行。",
        "Erase customer and photos of a closed ticket; on PostgreSQL run it as the owner of the tables.",
    ),
    "erase.member": ("删除成员的姓名和电话；标识保留为化名。", "Erase a member's names and number; the id stays as a pseudonym."),
    "erased.ticket": (
        "{name}：已删除 {lines} 行内容和 {photos} 张照片，位于 {position}；哈希保留。此前的备份仍含这些内容。",
        "{name}: {lines} lines and {photos} pictures were erased, at {position}; their hashes stay. Older backups still hold them.",
    ),
    "erased.member": ("{name} 的姓名和电话已删除；下次导入组织时请勿再写入。", "Names and number of {name} were erased; leave them out of the next import of the organisation."),
    "retention": (
        "删除超过保存天数的内容，每次一批；PostgreSQL 上以表的所有者身份执行。",
        "Erase a round of what is kept longer than its days; on PostgreSQL run it as the owner of the tables.",
    ),
    "retention.due": ("今天到期：{tickets} 张工单，{codes} 个登记码；未做改动。", "Due today: {tickets} tickets, {codes} enrolment codes; nothing was changed."),
    "retention.done": ("已删除：{tickets} 张工单的内容，{codes} 个登记码。", "Erased: of {tickets} tickets, and {codes} enrolment codes."),
    "retention.more": ("还有更多；请再次执行。", "There is more; run it again."),
    # their arguments
    "arg.erase_reason": ("原因；永久保留，请勿写个人信息。", "Why; kept for ever, so it must name nobody."),
    "arg.what": ("customer、photos 或 all", "customer, photos or all"),
    "arg.member": ("成员标识。", "Member id."),
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
    "arg.archive": ("存放备份的文件夹；照片按哈希只存一份。", "The folder of backups; a photo lies there once, by its hash."),
    "arg.with_keys": ("密钥也放进备份（权限 0600）；谁拿到备份就能冒充本服务器。", "Put the keys in as well (mode 0600): whoever has the backup can then pose as this server."),
    "arg.release": (
        "校验后告诉终端可以放手（或不告诉）；默认只在备份位于另一块磁盘时告诉。",
        "Tell phones afterwards that they need not keep these lines, or do not; by default only when FOLDER is on another disk.",
    ),
    "arg.keep": (
        "备份校验完好后只留最新的几个，删去更早的，以及只有它们才用到的照片；默认全部保留。",
        "Once this backup is found good, leave so many and delete earlier ones, with the photos only they named; all by default.",
    ),
    "arg.snapshot": ("备份的名字；默认最新的一个。", "Name of the backup; the newest by default."),
    "arg.same_history": (
        "不开始新的历史：只用于源服务器已停止、此后未写入任何内容的搬迁。",
        "Begin no new history: only when the source was stopped before the backup and never ran again.",
    ),
    "arg.new_keys": ("没有旧密钥也恢复：全部手机须重新登记。", "Restore without the old keys: every phone must be enrolled anew."),
    "arg.to_database": ("目标数据库，例如 postgresql://user@host/lamplighter", "Where the database goes, e.g. postgresql://user@host/lamplighter"),
    "arg.to_objects": ("目标照片库，例如 s3://bucket/prefix", "Where the photos go, e.g. s3://bucket/prefix"),
    "arg.check": ("只比较，不改动。", "Compare only, change nothing."),
    # backups
    "archive.step": ("  {name}：{count}", "  {name}: {count}"),
    "archive.taken": (
        "备份 [bold]{name}[/bold] 已完成并重读无误：{rows} 行，{facts} 条事实，照片 {photos} 张，历史 {history} 位于 {position}。",
        "Backup [bold]{name}[/bold] is complete and was read again: {rows} rows, {facts} facts, {photos} photos, history {history} at {position}.",
    ),
    "archive.keys_in": ("密钥在备份里：请像保管密钥一样保管它。", "The keys are in it: guard this backup as you guard them."),
    "archive.keys_out": (
        "[bold]密钥不在备份里。[/bold]请另行保存 {keys}：没有它，恢复的服务器对每部手机都是陌生的服务器。",
        "[bold]The keys are not in it.[/bold] Keep {keys} elsewhere as well: without them a restored server is a stranger to every phone.",
    ),
    "archive.told": ("{count} 个终端日志推进到此备份：一周后手机可以删除其中的内容。", "{count} journals moved on to this backup: a week from now phones may let go of what it holds."),
    "archive.pruned": ("删去较早的备份 {count} 个、照片 {photos} 张（{mb} MB）。", "Let go of {count} earlier backups and {photos} photos ({mb} MB)."),
    "archive.kept": (
        "手机仍保留全部内容：备份与数据在同一块磁盘上（或要求如此）。把它放到别处，或用 --release。",
        "Phones keep everything: this backup lies on the disk it should save, or so you asked. Put it elsewhere, or use --release.",
    ),
    "archive.good": (
        "备份 [bold]{name}[/bold] 完好：{rows} 行，{facts} 条事实的哈希链与账本相符（已擦除 {erased}），照片 {photos} 张。",
        "Backup [bold]{name}[/bold] is whole: {rows} rows, the chains of {facts} facts and the ledger agree ({erased} erased), {photos} photos.",
    ),
    "archive.restored": ("已从备份 {name} 恢复并逐表核对：{rows} 行，照片 {photos} 张。", "Restored from backup {name} and compared table by table: {rows} rows, {photos} photos."),
    "archive.new_history": (
        "新的历史 {history} 开始。手机会补发备份之后的内容。",
        "History {history} begins. Phones will send again what came after the backup.",
    ),
    "archive.same_history": ("同一历史继续。绝不要再启动原服务器。", "The same history goes on. Never start the old server again."),
    "archive.moved": (
        "已搬迁并逐表核对：{rows} 行，照片 {photos} 张（其中 {there} 张早已在那里），历史 {history} 位于 {position}。",
        "Moved and compared table by table: {rows} rows, {photos} photos ({there} of them were there before), history {history} at {position}.",
    ),
    "archive.set": (
        "今后请设置以下变量，并绝不要再用旧的数据库启动服务器；密钥仍在 {keys}：",
        "From now on set these, and never start a server on the old database again; the keys stay in {keys}:",
    ),
    "archive.facts": ("{facts} 条事实的哈希链与账本相符（已擦除 {erased}）：{size} 片叶，根 {root}", "The chains of {facts} facts and the ledger agree ({erased} erased): {size} leaves, root {root}"),
    "rebuild.equal": ("{records} 条记录与 {facts} 条事实推导的结果相同。", "{records} records are what {facts} facts come to."),
    "rebuild.mended": ("{count} 条记录已重新推导，排在新的位置；终端会收到。", "{count} records were derived anew and stand at new positions; phones receive them."),
    "rebuild.shown": ("{name}：显示的内容与其事实不符", "{name} shows something else than its facts come to"),
    "rebuild.columns": ("{name}：状态、班组或位置列不符", "{name}: its state, crew or position is filed wrongly"),
    "rebuild.contested": ("{name}：待裁决的标记不符", "{name}: what waits for a decision is noted wrongly"),
    "rebuild.scopes": ("{name}：应看到它的范围不符", "{name}: it stands in other scopes than it should"),
    "rebuild.feed": ("{name}：变更流中的行不符 {detail}", "{name}: the feed's rows do not fit it {detail}"),
    "rebuild.unsaid": ("{name}：缺少由它得出的 {detail}", "{name}: {detail}, which follows from it, was never said"),
    "rebuild.fact": ("事实 {name} {detail}：工单里没有它或内容不同；无法在此修复，请用备份", "fact {name} {detail}: its ticket lacks it or knows it otherwise; not mended here, a backup is needed"),
    "fault.missing": ("缺少 {name}", "{name} is missing"),
    "fault.damaged": ("{name} 已损坏：{detail}", "{name} is damaged: {detail}"),
    "fault.photo-lost": ("照片 {name} 在备份时服务器上已没有", "photo {name}: the server itself had it no more when the backup was taken"),
    "fault.photo-spoilt": ("照片 {name} 在服务器的照片库里已损坏（哈希为 {detail}）", "photo {name}: damaged in the server's own store ({detail})"),
    "fault.photo-missing": ("照片 {name} 不在备份文件夹里", "photo {name} is missing from the folder"),
    "fault.photo-damaged": (
        "照片 {name} 在备份文件夹里已损坏：{detail}；删除该文件，下次备份会重新复制",
        "photo {name} is damaged: {detail}; remove the file and the next backup copies it again",
    ),
    "fault.chain": ("终端日志 {name}：{detail}", "journal {name}: {detail}"),
    "fault.unpruned": ("{name}：较早的备份全部保留，因为其中一个读不出它用到哪些照片（{detail}）", "{name}: all earlier backups stay, because one of them cannot say which photos it names ({detail})"),
    "fault.ledger": ("账本不符：{detail}", "the ledger does not agree: {detail}"),
    "unfit.no-backup": ("{folder} 里没有已完成的备份 {name}。", "{folder} holds no finished backup {name}."),
    "unfit.unfinished": ("{folder} 是未完成的备份，不能使用。", "{folder} is a backup that was never finished; it cannot be used."),
    "unfit.format": ("备份格式为 {format}，本版本只能读 {known}。", "The backup has format {format}; this release reads {known}."),
    "unfit.in-use": ("另一个备份正在写入 {folder}。", "Another backup is being written into {folder}."),
    "unfit.never-run": ("数据库还没有历史：请先运行 lamplighter init。", "The database has no history yet; run `lamplighter init` first."),
    "unfit.bad-backup": ("{folder} 已损坏，没有恢复任何内容（见上）。", "{folder} is damaged (see above); nothing was restored."),
    "unfit.not-empty": ("目标数据库不是空的（{tables}）；没有做任何改动。", "The target database is not empty ({tables}); nothing was changed."),
    "unfit.moved-already": (
        "目标数据库已经是这段历史（{incarnation}，那里位于 {position}，这里位于 {here}）：搬迁早已完成，没有做任何改动。",
        "The target already holds this very history ({incarnation}, there at {position}, here at {here}): it was moved before. Nothing was changed.",
    ),
    "unfit.still-open": ("还有 {count} 个连接打开着源数据库；请先停止所有服务器。", "{count} others have the source database open; stop every server first."),
    "unfit.differs": ("表 {table} 读回的内容与源不同；没有写入任何内容。", "Table {table} reads back other than it was; nothing was kept."),
    "unfit.shape": ("数据库结构不合：{detail}。", "The database has another shape: {detail}."),
    "unfit.other-keys": (
        "{folder} 里是另一台服务器的密钥：手机不会信任它。放回原密钥，或用 --new-keys。",
        "{folder} holds the keys of another server, which phones would not trust. Put the old keys back, or use --new-keys.",
    ),
    "unfit.no-keys": (
        "备份里没有密钥，{folder} 也没有。先放回保存的密钥；确实丢失时用 --new-keys。",
        "The backup holds no keys, and neither does {folder}. Put the saved keys there first; if they are lost, use --new-keys.",
    ),
    "arg.use": ("statement（回执）、token（令牌）或 rating（评价封条）。", "statement, token or rating."),
    # what they say
    "keys.rotated": (
        "{use} 换了密钥：{before}… → {after}…。旧的仍可验证和拆封。请重新备份 {folder}，再启动服务器。",
        "A new {use} key is in charge: {before}… → {after}…. The old one still verifies and opens. Back up {folder} again, then start the server.",
    ),
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
