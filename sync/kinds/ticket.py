"""The ticket (工单): its fields, and the facts that create or correct them.

Policies follow domain §5: what the customer said may be corrected by both sides (three-way); what the office rules is the
office's; the crew's own finding stays beside the lead's office correction. State, crew and fence are derived.
"""

from __future__ import annotations

from sync.facts import Side
from sync.kinds.base import (
    POSITION,
    Choice,
    Field,
    Flag,
    Identifier,
    Integer,
    Kind,
    Moment,
    Sha256,
    Shape,
    Slot,
    State,
    Text,
)
from sync.policy import Policy

TICKET_KINDS = frozenset(
    [
        "fault_repair",
        "meter_install",
        "temp_supply",
        "rename",
        "transfer",
        "supply_change",
        "expansion_lv",
        "expansion_hv_single",
        "expansion_hv_dual",
        "metering_fault",
        "hazard",
        "consultation",
        "usage_info",
        "hardship_help",
        "planned_outage_notice",
        "complaint",
        "reconnection",
    ]
)
SOURCES = frozenset(["hotline", "app", "web", "hall", "kiosk", "grid_worker", "patrol", "system"])

TICKET: tuple[Field, ...] = (
    Field("number", Text(64), policy=Policy.OFFICE_WINS),
    Field("kind", Choice(TICKET_KINDS), policy=Policy.OFFICE_WINS),
    Field("source", Choice(SOURCES), policy=Policy.OFFICE_WINS),
    Field("external_ref", Text(120), policy=Policy.OFFICE_WINS),
    Field("account_no", Text(40), policy=Policy.OFFICE_WINS),
    Field("meter_asset_no", Text(40), policy=Policy.THREE_WAY),
    Field("customer_name", Text(120), policy=Policy.THREE_WAY),
    Field("customer_type", Text(40), policy=Policy.OFFICE_WINS),
    Field("sensitive_customer", Flag(), policy=Policy.OFFICE_WINS),
    Field("vulnerable_customer", Flag(), policy=Policy.OFFICE_WINS),
    Field("contact_phone", Text(40), policy=Policy.THREE_WAY),
    Field("address", Text(300), policy=Policy.THREE_WAY),
    Field("position", POSITION, policy=Policy.THREE_WAY),
    Field("station", Identifier(), policy=Policy.OFFICE_WINS),
    Field("area", Identifier(), policy=Policy.OFFICE_WINS),
    Field("area_class", Choice(frozenset({"urban", "rural", "remote"})), policy=Policy.OFFICE_WINS),
    Field("transformer_area", Text(80), policy=Policy.OFFICE_WINS),
    Field("feeder", Text(80), policy=Policy.OFFICE_WINS),
    Field("ownership", Text(40), policy=Policy.OFFICE_WINS),
    Field("priority", Integer(1, 9), policy=Policy.OFFICE_WINS),
    Field("description", Text(2000), policy=Policy.OFFICE_WINS),
    Field("fault_class", Text(60), policy=Policy.OFFICE_WINS),
    Field("cause", Text(60), policy=Policy.OFFICE_WINS),
    Field("received_at", Moment(), policy=Policy.OFFICE_WINS),
    Field("appointment", Moment(), policy=Policy.OFFICE_WINS),
    Field("wish_date", Text(10), policy=Policy.OFFICE_WINS),
    Field("remarks", Text(2000), policy=Policy.THREE_WAY),
)
_BY_NAME = {item.name: item for item in TICKET}
POLICIES: dict[str, Policy] = {item.name: item.policy for item in TICKET}


def ticket_fields(names: str) -> tuple[Field, ...]:
    """The ticket's own fields of these names."""
    return tuple(_BY_NAME[name] for name in names.split())


def sets(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """A body that carries ticket fields under `set`, apart from the line's own header (both have a `kind`)."""
    return (Field("set", Shape(tuple((item.name, item.type) for item in fields), required=0), required=True),)


_ON_SITE = "contact_phone address customer_name remarks meter_asset_no position fault_class cause"
_RAISED = "kind description address contact_phone customer_name position remarks"

CREATED = Kind("created", "Ticket opened", "受理", Side.OFFICE, fields=sets(TICKET), corrects=True, moves=State.RECEIVED)
CORRECTED = Kind("corrected", "Corrected by the office", "更正", Side.OFFICE, fields=sets(TICKET), corrects=True)
RAISED = Kind(
    "raised",
    "New ticket raised in the field",
    "现场新建工单",
    Side.FIELD,
    fields=(*sets(ticket_fields(_RAISED)), Field("told_number", Text(64))),
    corrects=True,
    moves=State.DISPATCHED,
)
AMENDED = Kind(
    "amended",
    "Customer data corrected on site",
    "现场更正客户信息",
    Side.FIELD,
    fields=sets(ticket_fields(_ON_SITE)),
    corrects=True,
)
PHOTO_RECEIVED = Kind(
    "photo_received",
    "Photo bytes received",
    "照片已收",
    Side.OFFICE,
    fields=(Field("sha256", Sha256(), required=True), Field("size_bytes", Integer(1, 2**40), required=True)),
    slot=Slot("photos_received", Policy.EARLIEST, of="ticket", each="sha256"),
)
