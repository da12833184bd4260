"""Every kind of fact, a line for each file. A new kind is one file beside this one and one line here."""

from __future__ import annotations

from sync.kinds.arrival import ARRIVAL
from sync.kinds.base import Kind
from sync.kinds.ending import FINISH, RESUMPTION, RETURN, SUSPENSION
from sync.kinds.erasure import ERASED
from sync.kinds.material import MATERIAL
from sync.kinds.office import (
    APPROVED,
    ARCHIVED,
    ASSIGNED,
    CANCELLED,
    DECIDED,
    MERGED,
    RELEASED,
    REOPENED,
    TOLD_BY_PHONE,
    TRANSFERRED,
)
from sync.kinds.opening import OPENING
from sync.kinds.rating import OWN_RATING, RATING, RATING_OPENED
from sync.kinds.ticket import AMENDED, CORRECTED, CREATED, PHOTO_RECEIVED, RAISED
from sync.kinds.travel import ACCEPTANCE, DEPARTURE, START
from sync.kinds.work import ANSWER, NOTE, PHOTO, POSITION_CORRECTION

KINDS: dict[str, Kind] = {kind.name: kind for kind in list(globals().values()) if isinstance(kind, Kind)}
"""Every kind imported above, by its name on the wire."""
