"""What else befalls a world: requests torn on their way, replies that come late or to the wrong phone, phones that sleep, lie
about every clock, run an old app or have no room left, customers who rate on their own phones, and riots around one ticket.

All of it comes from a stream of chance of its own, and from the second plan on, so that worlds kept from before replay as they
were. Like the weather, each world knows only some of it.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

from sync.problems import Refused
from sync.replica import Outgoing
from tests.simulation.handset import Handset, OldApp
from tests.simulation.oracle import Violation
from tests.simulation.world import MINUTE_MS, World

if TYPE_CHECKING:
    from tests.simulation.plan import Plan

DAY_MS = 24 * 60 * MINUTE_MS
RIOT = ("transferred", "transferred", "transferred", "told_by_phone", "cancelled", "merged", "reopened", "archived")


class Hardships:
    """The second plan's faults over one world."""

    def __init__(self, world: World, plan: Plan) -> None:
        self.world = world
        self.plan = plan
        self.chance = Random(f"{world.seed}/hardships")
        all_of_them: tuple[Callable[[Handset], None], ...] = (
            self.torn, self.hold_reply, self.late_reply, self.wrong_reply, self.sleep, self.jump, self.lie, self.old_app,
            self.crammed, self.own_rating, self.riot,
        )  # fmt: skip
        known = [befalls for befalls in all_of_them if self.chance.random() < 0.5]
        self._known = known if world.plan > 1 else []
        self._rate = self.chance.choice((0.03, 0.10, 0.25))
        self._held: list[tuple[Handset, Outgoing, bytes | Refused, int]] = []

    def befall(self) -> bool:
        """True when one of them took this step's place."""
        if not self._known or self.chance.random() >= self._rate:
            return False
        self.world.wait(self.chance.choice((1_000, 60_000, 600_000)))
        befalls = self.chance.choice(self._known)
        self.world.met[f"hardship: {getattr(befalls, '__name__', '')}"] += 1
        befalls(self.chance.choice(self.world.handsets))
        return True

    # -------------------------------------------------------------------------------------------------------------- roads

    def torn(self, handset: Handset) -> None:
        """A request arrives cut, or with a byte of its lines changed: no line of it may be stored, and it is sent again.

        Cut means that more is missing than the line feed behind the last line: without that one, every line is still whole.
        """
        world, chance = self.world, self.chance
        outgoing = self._request(handset)
        body, lines_at = outgoing.body, outgoing.body.index(b"\n") + 1
        if len(body) > lines_at and chance.random() < 0.5:
            at = chance.randrange(lines_at, len(body))
            torn = body[:at] + bytes([body[at] ^ 1 << chance.randrange(8)]) + body[at + 1 :]
        else:
            torn = body[: chance.randrange(len(body) - 1)]
        before = world.machine.fact_ids()
        world.serve([torn])
        stored = world.machine.fact_ids() - before
        if stored:
            world.found([Violation(2, f"a torn request of {handset.device.id} stored {len(stored)} lines")])
        world.tell(f"a request of {handset.device.id} is torn")
        world.lose(handset, outgoing)

    def hold_reply(self, handset: Handset) -> None:
        """The server commits, and the reply is under way for longer than the phone waits."""
        outgoing = self._request(handset)
        replies, _ = self.world.serve([outgoing.body])
        self.world.tell(f"a reply to {handset.device.id} is held up")
        self._held.append((handset, outgoing, replies[0], self.world.life))
        self.world.lose(handset, outgoing)

    def late_reply(self, handset: Handset) -> None:
        """A reply comes after others have overtaken it, perhaps a second time."""
        if self._held:
            index = self.chance.randrange(len(self._held))
            owner, outgoing, reply, life = self._held[index]
            self.world.tell(f"a late reply reaches {owner.device.id}")
            self.world.deliver(owner, outgoing, reply, life=life)
            if self.chance.random() < 0.7:
                del self._held[index]
        else:
            self.hold_reply(handset)

    def wrong_reply(self, handset: Handset) -> None:
        """A cache on the way answers one phone with another's reply."""
        world = self.world
        other = self.chance.choice(world.handsets)
        mine, theirs = self._request(handset), self._request(other)
        replies, _ = world.serve([mine.body, theirs.body])
        world.tell(f"{handset.device.id} is answered what {other.device.id} asked")
        world.deliver(handset, mine, replies[1])
        world.lose(other, theirs)

    def _request(self, handset: Handset) -> Outgoing:
        return handset.replica.request(now_wall=handset.reading(self.world.now).wall)

    # ------------------------------------------------------------------------------------------------------------- phones

    def sleep(self, handset: Handset) -> None:
        """The phone sleeps: time goes on, its monotonic clock does not."""
        slept = self.chance.choice((MINUTE_MS, 60 * MINUTE_MS, 9 * 60 * MINUTE_MS))
        self.world.wait(slept)
        handset.booted_at += slept
        self.world.tell(f"{handset.device.id} slept for {slept // MINUTE_MS} min")

    def jump(self, handset: Handset) -> None:
        """The wall clock jumps between any two taps."""
        for _ in range(self.chance.randint(2, 5)):
            handset.wall_off_ms = self.chance.randint(-2 * DAY_MS, 2 * DAY_MS)
            self.plan.work(handset)
            self.world.wait(self.chance.choice((1_000, MINUTE_MS)))

    def lie(self, handset: Handset) -> None:
        """A member arrives late and sets every clock so that it looks in time."""
        world, chance = self.world, self.chance
        handset.liar = True
        late = [
            ticket
            for view in handset.replica.tickets()
            if world.diary.deadlines.get(ticket := str(view["id"]), world.now) < world.now
        ]
        if not late:
            return
        ticket = chance.choice(late)
        honest = handset.wall_off_ms, handset.mono_off_ms
        handset.wall_off_ms = world.diary.deadlines[ticket] - world.now - chance.randint(1, 30) * MINUTE_MS
        handset.mono_off_ms = chance.choice((0, handset.wall_off_ms, -chance.randint(0, DAY_MS), DAY_MS))
        self.plan.record(handset, "arrival", ticket)
        world.tell(f"{handset.device.id} lied about its arrival at {ticket}")
        if chance.random() < 0.5:
            world.exchange(handset, chance.choice(("none", "drop_before", "drop_after")))
        handset.wall_off_ms, handset.mono_off_ms = honest

    def old_app(self, handset: Handset) -> None:
        """The phone runs an app of an earlier version, or gets the present one with facts still queued."""
        handset.make = self.world.parts.replica if handset.old else OldApp
        handset.restart()
        handset.replica.state.app = "0.9" if handset.old else "1.1"
        self.world.tell(f"{handset.device.id} now runs app {handset.replica.state.app}, {handset.replica.waiting} facts queued")

    def crammed(self, handset: Handset) -> None:
        """There is no room for a single row while a reply is applied, and the app goes on."""
        world = self.world
        outgoing = self._request(handset)
        replies, _ = world.serve([outgoing.body])
        handset.pocket.crammed = True
        world.tell(f"{handset.device.id} has no room for a reply")
        world.deliver(handset, outgoing, replies[0])

    # ------------------------------------------------------------------------------------------------------------- office

    def own_rating(self, handset: Handset) -> None:
        """A customer answers on their own phone, and some of them again."""
        world, chance, plan = self.world, self.chance, self.plan
        rated = [(ticket, view) for ticket, view in plan.rows("ticket") if view.get("fence") and view.get("assigned_crew")]
        if not rated:
            return
        ticket, view = chance.choice(rated)
        for _ in range(chance.choice((1, 1, 2))):
            body: dict[str, Any] = {"assignment": f"{ticket}:{chance.randint(1, view['fence'])}", "crew": view["assigned_crew"],
                                    "sealed": f"answer {world.step} {chance.random()}", "kid": "k"}  # fmt: skip
            plan.say([plan.command("own_rating", ticket, body)])

    def riot(self, handset: Handset) -> None:
        """Everybody works on one ticket while the office moves, cancels, merges and reopens it, several times over."""
        world, chance, plan = self.world, self.chance, self.plan
        tickets = [str(view["id"]) for view in handset.replica.tickets()]
        if not tickets:
            return
        ticket = chance.choice(tickets)
        for _ in range(chance.randint(2, 4)):
            crowd = [each for each in world.handsets if chance.random() < 0.6] or [handset]
            for each in crowd:
                plan.record(each, chance.choice(("acceptance", "arrival", "start", "finish", "return", "amended")), ticket)
            self._at_once(crowd, ticket)
            world.wait(chance.choice((500, MINUTE_MS)))

    def _at_once(self, crowd: list[Handset], ticket: str) -> None:
        """The crowd's pushes and the office's words about the ticket in one group commit."""
        world, chance, plan = self.world, self.chance, self.plan
        sent = [(each, self._request(each)) for each in crowd]
        words = []
        for kind in chance.sample(RIOT, chance.randint(2, 5)):
            body = plan.office_body(kind, ticket, {})
            words += [[plan.command(kind, ticket, body)]] if body is not None else []
        world.tell(f"riot around {ticket}: {', '.join(each.device.id for each in crowd)} and {len(words)} words of the office")
        replies, _ = world.serve([out.body for _, out in sent], words)
        for (each, out), reply in zip(sent, replies, strict=True):
            if chance.random() < 0.7:
                world.deliver(each, out, reply)
            else:
                world.lose(each, out)
