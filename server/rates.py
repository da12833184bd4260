"""How often somebody may ask, and what phones are told when too many come at once (限流与风暴模式).

Token buckets by device and by address, each with a bounded number of names, and the storm: how many wait for the writer decides
when phones are asked to come back. Refuses to know requests and routes; time and chance are passed in.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

from server.settings import Settings
from server.web import Answer, Call, Function, Later
from sync.problems import Refused

NAMES_MAX = 20_000
"""Names a limit remembers, about 4 MB; the one longest unheard of is forgotten first."""
FIRST_WAIT_S = 5.0
WAIT_MAX_S = 120.0
GROUPS_A_SECOND = 4.0
"""What even a slow disk commits: a guess for when to come back, not a promise."""
GROUP = 64

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Buckets:
    """Each name may do `per_minute` things at once, and gets that many again within a minute."""

    def __init__(self, per_minute: int, now_s: Callable[[], float], *, names_max: int = NAMES_MAX) -> None:
        self._full = float(per_minute)
        self._per_s = per_minute / 60
        self._now_s = now_s
        self._names_max = names_max
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, name: str) -> float:
        """0 when it may, and counts it; else the seconds until it may."""
        now_s = self._now_s()
        with self._lock:
            left, since_s = self._left.pop(name, (self._full, now_s))
            left = min(self._full, left + (now_s - since_s) * self._per_s)
            if len(self._left) >= self._names_max:
                del self._left[next(iter(self._left))]
            self._left[name] = (left - 1 if left >= 1 else left, now_s)
        return 0.0 if left >= 1 else (1 - left) / self._per_s

    def give_back(self, name: str) -> None:
        """What was taken shall not count."""
        with self._lock:
            if name in self._left:
                left, since_s = self._left[name]
                self._left[name] = (min(self._full, left + 1), since_s)

    def __len__(self) -> int:
        return len(self._left)


class Storm:
    """How many wait, and what follows from it: longer and wider return times, then a polite refusal."""

    def __init__(self, settings: Settings, fraction: Callable[[], float]) -> None:
        self._settings = settings
        self._fraction = fraction
        self._queues: Sequence[Callable[[], int]] = ()
        self._calm = {"after_s": settings.sync_after_s, "jitter_s": settings.sync_jitter_s}

    def watch(self, *queues: Callable[[], int]) -> None:
        """Whose lengths make a storm."""
        self._queues = queues

    @property
    def waiting(self) -> int:
        return sum(length() for length in self._queues)

    def spread(self) -> Mapping[str, int]:
        """When phones shall come back, as the end of a page says it: growing with what waits, up to the settings' limits."""
        waiting, settings = self.waiting, self._settings
        if waiting <= settings.storm_waiting_from:
            return self._calm
        times = waiting / settings.storm_waiting_from
        return {
            "after_s": max(settings.sync_after_s, int(min(settings.sync_after_s * times, settings.storm_after_s_max))),
            "jitter_s": max(settings.sync_jitter_s, int(min(settings.sync_jitter_s * times, settings.storm_jitter_s_max))),
        }

    def retry_after_s(self) -> float:
        """When to try again what was turned away: about when the queue is gone, spread over as long again."""
        wait_s = min(WAIT_MAX_S / 2, FIRST_WAIT_S + self.waiting / GROUP / GROUPS_A_SECOND)
        return round(wait_s * (1 + self._fraction()), 1)

    def busy(self) -> Refused:
        """The refusal, with its return time."""
        return Refused("busy", "Too many phones at once; yours comes back by itself.", retry_after_s=self.retry_after_s())


class Addresses:
    """Whose request it is, as far as the network can tell: the connection's address, or what a known proxy says it was."""

    def __init__(self, proxies: Sequence[Network]) -> None:
        self._proxies = proxies

    def of(self, scope: Mapping[str, Any]) -> str:
        """An IPv4 address, or the /64 an IPv6 address is in, because whoever has one of those has all of it."""
        client = scope.get("client")
        address = client[0] if client else "unknown"
        if self._proxies and self._is_proxy(address):
            named = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
            # From the right: each proxy adds whom it saw, and what stands left of the first stranger is the stranger's word.
            for hop in reversed([part.strip() for part in ",".join(named).split(",") if part.strip()]):
                address = hop
                if not self._is_proxy(hop):
                    break
        return _network_of(address)

    def _is_proxy(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._proxies)


def _network_of(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))


@dataclass(frozen=True, slots=True)
class Rates:
    """The limits of one server."""

    addresses: Addresses
    devices: Buckets
    tries: Buckets
    names: Buckets
    pages: Buckets
    held_back: Callable[[str], None]

    @classmethod
    def of(cls, settings: Settings, now_s: Callable[[], float], held_back: Callable[[str], None]) -> Rates:
        """As the settings say; `held_back` hears the name of each limit that turned somebody away."""
        return cls(
            Addresses(settings.proxy_networks),
            Buckets(settings.device_requests_per_minute_max, now_s),
            Buckets(settings.address_tries_per_minute_max, now_s),
            Buckets(settings.login_tries_per_minute_max, now_s),
            Buckets(settings.address_pages_per_minute_max, now_s),
            held_back,
        )

    def device(self, device: str) -> None:
        """A phone asks. Raises: quota."""
        self._spend("device", self.devices, device, "This phone asks too often.")

    def page(self, function: Function) -> Function:
        """A page for strangers, so many times a minute from one address. Raises: quota."""

        @wraps(function)
        def limited(call: Call) -> Answer | Later:
            self._spend("page", self.pages, self.addresses.of(call.scope), "Too many pages were asked for from here.")
            return function(call)

        return limited

    def guessed(self, function: Function, named: str | None = None) -> Function:
        """Where a secret can be guessed: only what fails counts. By address, and by the name that stands under `named`.

        Raises: quota.
        """

        @wraps(function)
        def limited(call: Call) -> Answer | Later:
            address = self.addresses.of(call.scope)
            limits = [("tries", self.tries, address)]
            if named is not None:
                limits.append(("login", self.names, f"{address} {str(_member(call, named))[:80]}"))
            for limit, buckets, name in limits:
                self._spend(limit, buckets, name, "Too many tries from here.")
            answer = function(call)  # a refusal leaves what was taken: it was a try
            for _, buckets, name in limits:
                buckets.give_back(name)
            return answer

        return limited

    def _spend(self, limit: str, buckets: Buckets, name: str, why: str) -> None:
        wait_s = buckets.take(name)
        if wait_s:
            self.held_back(limit)
            wait_s = round(max(1.0, wait_s), 1)
            raise Refused("quota", f"{why} Wait {wait_s:.0f} s.", retry_after_s=wait_s)


def _member(call: Call, name: str) -> Any:
    try:
        return call.json().get(name)
    except Refused:
        return None
