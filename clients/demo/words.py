"""Every sentence of the story in both languages, in one table; `tests/demo` checks that both are whole.

Words of truth and states are the
handset's own (`clients/handset/words.py`): a person reads one word for one idea. Refuses to know when a sentence is said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

LANGUAGES = ("zh", "en")
_PLACEHOLDER = re.compile(r"{(\w+)}")

WORDS: Mapping[str, Mapping[str, str]] = {
    # ---------------------------------------------------------------------------------------------------- the beginning
    "title": {"zh": "线与灯 · 一个上午的故事", "en": "Line & Lamp · the story of one morning"},
    "intro": {
        "zh": "一个虚构的小县：两个供电所、三部终端、一座总部。下面的每一步都通过 HTTP 真实发生；时刻为东八区。",
        "en": "An invented district: two stations, three phones, one headquarters. Everything below really happens, over HTTP; "
        "times are those of UTC+8.",
    },
    "semicolon": {"zh": "；", "en": "; "},
    # ----------------------------------------------------------------------------------------------------- the district
    "district": {"zh": "辖区与工单", "en": "The district and its tickets"},
    "district_line": {
        "zh": "导入网格、班组和一份呼叫中心导出的工单；每一行都有去处。",
        "en": "Areas, crews and a call centre's export come in; every row of it ends somewhere.",
    },
    "areas_in": {"zh": "网格 {areas} 个，供电所 {stations} 个", "en": "{areas} areas of {stations} stations"},
    "org_in": {
        "zh": "班组 {crews} 个，成员 {members} 人，今日班次 {shifts} 个",
        "en": "{crews} crews, {members} members, {shifts} shifts today",
    },
    "tickets_in": {
        "zh": "读入 {read} 行 = 接收 {accepted} + 编号重复 {duplicate} + 无法读懂 {rejected}",
        "en": "{read} rows read = {accepted} accepted + {duplicate} with a number seen before + {rejected} unreadable",
    },
    "row_rejected": {
        "zh": "第 {line} 行未接收：受理时间“{detail}”不是时间",
        "en": "line {line} was refused: “{detail}” is not a time of day",
    },
    "dispatched": {
        "zh": "按网格、班次和技能直接派到班组 {dispatched} 张，等调度员 {waiting} 张；网格与导出一致 {agreed}/{compared}",
        "en": "{dispatched} went straight to a crew by area, shift and skill, {waiting} wait for a dispatcher; "
        "{agreed} of {compared} areas agree with the export's own",
    },
    "placed_by_hand": {
        "zh": "调度员手工派 {ticket} → {crew}",
        "en": "The dispatcher places {ticket} by hand → {crew}",
    },
    "reason_no_position": {"zh": "没有位置", "en": "has no position"},
    "reason_outside_areas": {"zh": "不在任何网格内", "en": "lies in no area"},
    "reason_no_station": {"zh": "网格没有供电所", "en": "its area has no station"},
    "reason_nobody_on_shift": {"zh": "无人当班", "en": "nobody is on shift"},
    "reason_nobody_with_skills": {"zh": "本所无此技能", "en": "nobody at that station has the skill"},
    # ------------------------------------------------------------------------------------------------------- the phones
    "phones": {"zh": "三部终端", "en": "Three phones"},
    "phones_line": {
        "zh": "一次性登记码、终端自己的密钥、第一次同步。",
        "en": "A one-time code each, a key of their own, a first sync.",
    },
    "phone_enrolled": {
        "zh": "{name}（{crew}）用 {code} 登记，终端上有 {tickets} 张工单",
        "en": "{name} ({crew}) enrols with {code} and has {tickets} tickets on the phone",
    },
    "guides_in": {
        "zh": "导入 {guides} 份作业指导卡（XLSForm 表格），共 {steps} 步",
        "en": "{guides} work guides imported from spreadsheets (XLSForm), {steps} steps in all",
    },
    "guides_on_phone": {
        "zh": "作业指导卡随同步到手机：{guides}",
        "en": "Work guides came down to the phone: {guides}",
    },
    "late_call": {
        "zh": "12345 刚转来 {ticket}：接报已近 45 分钟，还剩 {seconds} 秒",
        "en": "The city hotline passes on {ticket}: almost 45 minutes old, {seconds} seconds of its limit left",
    },
    # -------------------------------------------------------------------------------------------------------- no signal
    "flight": {"zh": "飞行模式", "en": "Flight mode"},
    "flight_line": {
        "zh": "进山，没有信号。到场、作业、拍照、评价全部只记在终端上。",
        "en": "Up the valley, no signal. Arrivals, guides, photos and ratings are recorded on the phones alone.",
    },
    "working": {"zh": "记录现场事实", "en": "recording facts"},
    "flight_done": {
        "zh": "{name}：{visits} 次上门服务，{facts} 条现场事实，{photos} 张照片",
        "en": "{name}: {visits} visits, {facts} facts, {photos} photos",
    },
    "raised": {
        "zh": "{name} 途中新建工单：{text}",
        "en": "{name} raises a ticket on the way: {text}",
    },
    "raised_title": {"zh": "现场新建：电杆倾斜", "en": "Raised in the field: leaning pole"},
    "raised_description": {"zh": "路边电杆倾斜，拉线松脱", "en": "A roadside pole leans, its stay wire is loose"},
    "remark_fuse": {"zh": "更换 100 A 熔芯，接头已紧固", "en": "Replaced the 100 A fuse link, tightened the joints"},
    "remark_line": {
        "zh": "断线已清理并重新接续，两侧树枝需再修剪",
        "en": "Line joined again; the branches on both sides need another cut",
    },
    "remark_site": {"zh": "表箱离地 1.8 米，已交代用电安全", "en": "Meter box at 1.8 m, safety explained to the owner"},
    "remark_meter": {"zh": "更换采集模块，现场已上线", "en": "Replaced the communication module, it reports again"},
    "result_done": {"zh": "已恢复供电", "en": "Supply restored"},
    "not_rated": {"zh": "客户不在或不愿评价", "en": "Customer away or unwilling"},
    "address_late": {"zh": "桥头街11号", "en": "11 Bridge Street"},
    "address_crew": {"zh": "青溪村上屋组21号", "en": "21 Upper House, Clear Brook village"},
    "address_office": {"zh": "青溪村下屋组12号", "en": "12 Lower House, Clear Brook village"},
    # ------------------------------------------------------------------------------------------------------- the office
    "office": {"zh": "与此同时，所里", "en": "Meanwhile at the office"},
    "office_line": {
        "zh": "所里看不见山里的人，照常处理工单。",
        "en": "The office cannot see into the valley and goes on with its work.",
    },
    "office_transfers": {"zh": "改派 {ticket}：{old} → {new}", "en": "transfers {ticket}: {old} → {new}"},
    "office_cancels": {"zh": "作废 {ticket}：{reason}", "en": "cancels {ticket}: {reason}"},
    "office_corrects": {
        "zh": "更正 {ticket} 的地址为“{address}”",
        "en": "corrects the address of {ticket} to “{address}”",
    },
    "reason_transfer": {"zh": "柳塘抢修班联系不上", "en": "the repair crew does not answer"},
    "reason_cancel": {"zh": "客户来电说已恢复正常", "en": "the customer called: it is fine again"},
    "silence": {
        "zh": "这期间总部没有收到任何一部终端的请求",
        "en": "Headquarters heard nothing from any phone all this time",
    },
    "limit_passes": {
        "zh": "等 {ticket} 的到场时限过去 …",
        "en": "Waiting until the arrival limit of {ticket} has passed …",
    },
    # ------------------------------------------------------------------------------------------------------ signal again
    "signal": {"zh": "恢复信号", "en": "Signal again"},
    "signal_line": {
        "zh": "先发事实，后发照片；只有总部签名回执能让“排队”变成“总部已收”。",
        "en": "Facts first, then photos; only a signed statement turns “waiting” into “HQ has it”.",
    },
    "delivered_again": {
        "zh": "{name} 的救援文件由 {other} 的终端又送了一遍：新增 {count} 条，同一事实只算一次",
        "en": "The phone of {other} delivers the rescue file of {name} once more: {count} new, a fact counts once",
    },
    "column_phone": {"zh": "终端", "en": "phone"},
    "column_before": {"zh": "同步前", "en": "before"},
    "column_after": {"zh": "同步后", "en": "after"},
    "column_photos": {"zh": "照片", "en": "photos"},
    # --------------------------------------------------------------------------------------------------------- who won
    "won": {"zh": "谁赢了，为什么", "en": "Who won, and why"},
    "won_line": {
        "zh": "现场和所里互相没看见对方的改动：两个值都留着，先按规则显示一个。",
        "en": "Field and office changed the same things unseen: both values are kept, a rule says which one shows.",
    },
    "column_ticket": {"zh": "工单", "en": "ticket"},
    "won_row": {
        "zh": "{ticket} 的{field}：显示 {shown}，同时保留 {kept}。{rule}。",
        "en": "{ticket}, {field}: shows {shown}, keeps {kept}. {rule}.",
    },
    "field_state": {"zh": "状态", "en": "state"},
    "field_address": {"zh": "地址", "en": "address"},
    "rule_derived": {
        "zh": "状态由事实推出；不可能的跳变交给人",
        "en": "State follows from facts; an impossible jump is for a person",
    },
    "rule_three_way": {"zh": "两边都改：先显示所里的，待裁决", "en": "Both set it: the office's shows, a person decides"},
    "rule_decided": {"zh": "已裁决", "en": "A person decided"},
    "somebody_says": {"zh": "{value}（{who} {at}）", "en": "{value} ({who} {at})"},
    "on_the_phones": {"zh": "终端上看到：", "en": "What the phones say:"},
    "phone_reassigned": {
        "zh": "{name}：总部已于 {at} 把 {ticket} 改派给{crew}。您的到场和 {photos} 张照片总部已收，照算。",
        "en": "{name}: HQ gave {ticket} to {crew} at {at}. Your arrival and {photos} photos are safe and count for you.",
    },
    "phone_handled": {
        "zh": "{name}：{ticket} 已由{crew}于 {at} 处理完，先不要出发。",
        "en": "{name}: {ticket} was already handled by {crew} at {at}; do not set out.",
    },
    "phone_cancelled": {
        "zh": "{name}：所里于 {at} 作废了 {ticket}（{reason}）；您的记录都在，等待裁决。",
        "en": "{name}: the office cancelled {ticket} at {at} ({reason}); all you recorded is kept and waits for a decision.",
    },
    "phone_contested": {
        "zh": "{name}：待裁决的事实 {count} 条",
        "en": "{name}: facts that wait for a decision: {count}",
    },
    # --------------------------------------------------------------------------------------------------------- decision
    "decision": {"zh": "一次裁决", "en": "One decision"},
    "decision_line": {
        "zh": "调度员一个动作了结一个冲突；另一个值仍可恢复。",
        "en": "The dispatcher ends one contest in one action; the other value can still be restored.",
    },
    "reason_decision": {
        "zh": "到场、照片和评价齐全，由原班组完成",
        "en": "arrival, photos and rating are there: the first crew did it",
    },
    "decided": {
        "zh": "{ticket}：{before} → {after}，理由：{reason}",
        "en": "{ticket}: {before} → {after}, because {reason}",
    },
    "decision_heard": {
        "zh": "再次同步后：{name} 的 {count} 条事实由待裁决变为有效；{other} 的终端显示该工单{state}",
        "en": "After another sync {count} fact of {name} went from contested to applied; the phone of {other} shows the ticket "
        "as {state}",
    },
    "still_open": {
        "zh": "仍待裁决 {count} 个，留给您试；作废工单的积分等着它的裁决",
        "en": "{count} contests stay open for you to try; the cancelled ticket's points wait for its decision",
    },
    # --------------------------------------------------------------------------------------------------------- arrivals
    "arrivals": {"zh": "到场时限判定", "en": "Arrivals against their limits"},
    "arrivals_line": {
        "zh": "没有信号的时钟不能证明一切，所以判定有五种，而不是两种。",
        "en": "A clock without signal cannot prove everything, so there are five verdicts and not two.",
    },
    "column_limit": {"zh": "时限", "en": "min"},
    "column_due": {"zh": "截止", "en": "due"},
    "column_arrived": {"zh": "到场", "en": "arrived"},
    "column_bounds": {"zh": "可证明的区间", "en": "provable interval"},
    "column_verdict": {"zh": "判定", "en": "verdict"},
    "verdict_met_proven": {"zh": "✔ 按时，已证明", "en": "✔ on time, proven"},
    "verdict_met_claimed": {"zh": "◔ 按时，终端所记", "en": "◔ on time, by the phone's word"},
    "verdict_indeterminate": {"zh": "○ 无法判定", "en": "○ cannot be told"},
    "verdict_missed_claimed": {"zh": "◑ 超时，终端所记", "en": "◑ late, by the phone's word"},
    "verdict_missed_proven": {"zh": "✘ 超时，已证明", "en": "✘ late, proven"},
    # ----------------------------------------------------------------------------------------------------------- points
    "points": {"zh": "积分与理由", "en": "Points and their reasons"},
    "points_line": {
        "zh": "完成一同步就有暂定积分；每一笔都自己说明。",
        "en": "Provisional as soon as the finish has synced; every entry explains itself.",
    },
    "column_member": {"zh": "成员", "en": "member"},
    "column_entry": {"zh": "分录", "en": "entry"},
    "column_points": {"zh": "积分", "en": "points"},
    "column_why": {"zh": "理由", "en": "why"},
    "entry_provisional": {"zh": "暂定", "en": "provisional"},
    "entry_held": {"zh": "暂缓", "en": "held"},
    "entry_reversal": {"zh": "冲销", "en": "reversal"},
    "entry_confirmation": {"zh": "确认", "en": "confirmed"},
    "points_in_full": {"zh": "{ticket} 的完整理由：{why}", "en": "{ticket} in full: {why}"},
    "points_sum": {"zh": "{name} 合计 {points}", "en": "{name} has {points} in all"},
    # ---------------------------------------------------------------------------------------------------------- HQ pull
    "hq": {"zh": "总部取数", "en": "Headquarters pulls"},
    "hq_line": {
        "zh": "一条变更流、一个游标；表格也可以直接取。",
        "en": "One feed and one cursor; tables come as CSV.",
    },
    "file_written": {"zh": "{file}：{rows} 行", "en": "{file}: {rows} rows"},
    "cursor_next": {
        "zh": "游标 {cursor}：带着它再取一次，{rows} 行，只取新的",
        "en": "cursor {cursor}: pulled again with it, {rows} rows; only what is new comes",
    },
    "ratings_at_hq": {
        "zh": "评价只有总部能看：{answered} 份已开封（{scores}），{other} 份客户不在或拒评；班组终端上没有分数",
        "en": "Only headquarters reads ratings: {answered} opened ({scores}), {other} away or declined; no phone holds a score",
    },
    # ------------------------------------------------------------------------------------------------------------ the end
    "counts": {"zh": "对账", "en": "The counts add up"},
    "counts_line": {
        "zh": "左右两边各自数出来，必须相等。",
        "en": "Both sides are counted separately and must be equal.",
    },
    "column_what": {"zh": "对什么", "en": "what"},
    "column_left": {"zh": "左", "en": "left"},
    "column_right": {"zh": "右", "en": "right"},
    "count_facts": {"zh": "终端记下的事实 = 总部存下的事实", "en": "facts recorded on phones = facts stored"},
    "count_replayed": {"zh": "同一批再送一遍多出的事实 = 0", "en": "facts gained by the same batch sent again = 0"},
    "count_waiting": {"zh": "终端上还没被收下的 = 0", "en": "facts still only on a phone = 0"},
    "count_visit_facts": {
        "zh": "终端上的上门事实 = 工单里找到的，不多不少",
        "en": "visit facts on phones = found in tickets, none lost, none doubled",
    },
    "count_photos": {"zh": "事实里写到的照片 = 收到的照片", "en": "photos named in facts = photos received"},
    "count_photo_bytes": {"zh": "收到的照片 = 取回后指纹一致的", "en": "photos received = fetched again with the same hash"},
    "count_ratings": {"zh": "终端上封存的评价 = 总部开封的评价", "en": "ratings sealed on phones = opened at HQ"},
    "count_tickets": {
        "zh": "导入 + 转办 + 现场新建 = 总部的工单",
        "en": "imported + called in + raised in the field = tickets at HQ",
    },
    "count_projection": {
        "zh": "终端上的工单 = 与总部逐字相同的",
        "en": "tickets on phones = equal to headquarters' word for word",
    },
    "count_points": {"zh": "变更流里的积分（千分） = CSV 里的", "en": "thousandths of points in the feed = in the CSV"},
    "count_silence": {"zh": "飞行模式期间的请求 = 0", "en": "requests during flight mode = 0"},
    "all_agree": {"zh": "全部相符，用时 {seconds} 秒。", "en": "Everything agrees, in {seconds} seconds."},
    "disagree": {"zh": "有 {count} 处对不上！", "en": "{count} counts do not agree!"},
    # ------------------------------------------------------------------------------------------- what a visitor finds
    "mill_who": {"zh": "柳塘米厂 刘师傅", "en": "Willow Pond rice mill, Mr Liu"},
    "mill_where": {"zh": "柳塘路6号", "en": "6 Willow Pond Road"},
    "mill_what": {
        "zh": "米厂突然停电，隔壁有电，表箱里有响声",
        "en": "The mill lost power, next door has it; a noise in the meter box",
    },
    "school_who": {"zh": "柳塘小学 何老师", "en": "Willow Pond school, Ms He"},
    "school_where": {"zh": "柳塘小学传达室", "en": "Willow Pond school, porter's lodge"},
    "school_what": {"zh": "电表屏幕不亮，两天没有数据", "en": "The meter's display is blank; no readings for two days"},
    "barn_who": {"zh": "万水生", "en": "Wan Shuisheng"},
    "barn_where": {"zh": "柳塘新村21号工地", "en": "Building site, 21 New Village, Willow Pond"},
    "barn_what": {
        "zh": "盖谷仓，需要临时用电，工地已平整",
        "en": "Building a barn: a temporary supply is needed, the site is level",
    },
    # -------------------------------------------------------------------------------------------------- people
    "dispatcher": {"zh": "调度员", "en": "dispatcher"},
    "phone_chen": {"zh": "陈志远的终端", "en": "Chen's phone"},
    "phone_li": {"zh": "李晓梅的终端", "en": "Li's phone"},
    "phone_zhou": {"zh": "周海涛的终端", "en": "Zhou's phone"},
}


class Words:
    """The table in one language: `say("key", name=value)`."""

    def __init__(self, language: str) -> None:
        self.language = "zh" if language.lower().startswith("zh") else "en"

    def __call__(self, key: str, **values: object) -> str:
        """One sentence. Raises KeyError for a sentence, or a value of it, that is missing."""
        return WORDS[key][self.language].format(**values)


def placeholders(sentence: str) -> set[str]:
    """The values a sentence needs."""
    return set(_PLACEHOLDER.findall(sentence))
