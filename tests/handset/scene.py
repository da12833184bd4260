"""The scene of the handset tests: phones in folders, clocks that a test sets, and a bad road between phone and server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clients.handset.instruments import Instruments
from clients.handset.phone import Handset
from tests.running import RunningServer

JPEG = b"\xff\xd8\xff\xe0" + b"a photo as far as anybody here looks" * 9 + b"\xff\xd9"


@dataclass
class Clocks:
    """A phone's clocks: the machine's own, set wrong by `off_ms`; sleeping is written down and takes no time."""

    off_ms: int = 0
    slept_s: list[float] = field(default_factory=list)

    def instruments(self, **others: Any) -> Instruments:
        return Instruments(
            wall_ms=lambda: time.time_ns() // 1_000_000 + self.off_ms,
            sleep_s=self.slept_s.append,
            uniform=lambda a, b: b,
            **others,
        )


@dataclass
class Field:
    """One server, some phones, each in a folder of its own."""

    server: RunningServer
    folder: Path
    phones: list[Handset] = field(default_factory=list)

    def phone(self, member: str = "m1", *, name: str = "", clocks: Clocks | None = None, address: str = "") -> Handset:
        """A newly enrolled phone."""
        home = self.folder / (name or f"phone-{len(self.phones)}")
        code = self.server.code(member)
        instruments = (clocks or Clocks()).instruments()
        phone = Handset.enrol(home, address or self.server.address, code, home.name, instruments=instruments)
        self.phones.append(phone)
        return phone

    def home(self, phone: Handset) -> Path:
        return self.folder / self.names(phone)

    def names(self, phone: Handset) -> str:
        return str(phone._pocket.setting("name"))

    def again(self, phone: Handset, *, clocks: Clocks | None = None) -> Handset:
        """The same phone after the program was closed and opened."""
        home = self.home(phone)
        phone.close()
        opened = Handset.open(home, instruments=(clocks or Clocks()).instruments())
        self.phones.append(opened)
        return opened

    def close(self) -> None:
        for phone in self.phones:
            phone.close()


def work(phone: Handset, ticket: str) -> None:
    """A whole small job."""
    phone.accept(ticket)
    phone.depart(ticket)
    phone.arrive(ticket, no_fix_reason="indoors")
    phone.start(ticket)
    phone.answer(ticket, "g", 1, "voltage", 231.5, unit="V")
    phone.note(ticket, "更换熔断器")
    phone.finish(ticket, result="done")


def words_of_truth(phone: Handset) -> set[str]:
    return {item["truth"] for item in phone.queue()}


def server_lines(field: Field, phone: Handset) -> int:
    """How many lines of this phone the server has, over all its journals."""
    rows = field.server.said(field.server.office.get("/v1/hq/devices"))["devices"]
    return sum(row["stored_n"] for row in rows if row["device"] == phone.device)


# ------------------------------------------------------------------------------------------------------------- a bad road


class Road:
    """A TCP proxy to the server that fails as links in the field do. What it does is changed between requests."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.up_bytes_max: int | None = None
        """Cut both ways after so many bytes towards the server."""
        self.down_bytes_max: int | None = None
        """Cut both ways after so many bytes towards the phone."""
        self.portal: bytes | None = None
        """Answer this to everything, as a captive portal does; see `become_portal`."""
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def heal(self) -> None:
        self.up_bytes_max = self.down_bytes_max = self.portal = None

    def become_portal(self, page: bytes) -> None:
        """Cut what is open and answer everything with this page."""
        self.portal = page
        self.cut()

    def cut(self) -> None:
        """Cut every connection that is open."""
        for end in self._open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(near)
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near:
            if self.portal is not None:
                near.recv(65536)
                head = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
                near.sendall(head % len(self.portal) + self.portal)
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                return
            with far:
                up = threading.Thread(target=self._carry, args=(near, far, "up_bytes_max"), daemon=True)
                up.start()
                self._carry(far, near, "down_bytes_max")
                up.join()

    def _carry(self, source: socket.socket, sink: socket.socket, limit: str) -> None:
        carried = 0
        with suppress(OSError):
            while data := source.recv(4096):
                most = getattr(self, limit)
                if most is not None and carried + len(data) > most:
                    sink.sendall(data[: max(0, most - carried)])
                    break
                sink.sendall(data)
                carried += len(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def bad_road(server: RunningServer) -> Iterator[Road]:
    road = Road(server.port)
    try:
        yield road
    finally:
        road.close()
