"""Makes a system call of a real process fail: seccomp's user notification asks the test before the kernel carries it out.

    with Calls() as calls:
        with serving(data, launch=calls.launch) as server:
            calls.fail(Failure(frozenset({"fsync"}), re.compile("wal"), errno.EIO, at=3))

Needs Linux 5.5 or newer on x86-64 or ARM64, no root, no compiler and no tracer. Calls that open or write files are asked
about; reading is not. Refuses to know what the process is for.
"""

from __future__ import annotations

import array
import ctypes
import errno
import fcntl
import os
import platform
import re
import select
import socket
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

_NUMBERS = {
    "x86_64": {
        **{"write": 1, "pwrite64": 18, "sendfile": 40, "fsync": 74, "fdatasync": 75, "ftruncate": 77, "rename": 82},
        **{"mkdir": 83, "openat": 257, "mkdirat": 258, "renameat": 264, "renameat2": 316, "copy_file_range": 326},
    },
    "aarch64": {
        **{"mkdirat": 34, "renameat": 38, "ftruncate": 46, "openat": 56, "write": 64, "pwrite64": 68, "sendfile": 71},
        **{"fsync": 82, "fdatasync": 83, "renameat2": 276, "copy_file_range": 285},
    },
}
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_PATH_AT = {"rename": 1, "mkdir": 0, "openat": 1, "mkdirat": 1, "renameat": 3, "renameat2": 3}
"""Which argument is the address of the path that is about to be made; every other call names an open file first."""
_FILE_AT = {"copy_file_range": 2}

_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _NOTIFY = 0x7FFF0000, 0x7FC00000
_RECEIVE, _ANSWER = 0xC0502100, 0xC0182101
_CONTINUE = 1
_PR_SET_NO_NEW_PRIVS, _SET_MODE_FILTER, _NEW_LISTENER = 38, 1, 8
_NUMBER_OFFSET, _FLAGS_OFFSET = 0, 32
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class NotHere(Exception):
    """This machine's kernel cannot do it; the message says what it would need."""


@dataclass(slots=True)
class Failure:
    """The `at`-th of these calls on a path that fits fails with `number`, and `times` in all (None: from there on for ever)."""

    calls: frozenset[str]
    path: re.Pattern[str]
    number: int
    at: int = 1
    times: int | None = 1
    seen: int = 0
    struck: int = 0

    def strikes(self, call: str, path: str) -> bool:
        if call not in self.calls or not self.path.search(path):
            return False
        self.seen += 1
        if self.seen < self.at or (self.times is not None and self.struck >= self.times):
            return False
        self.struck += 1
        return True


class Calls:
    """Hears of every such call of the processes it launched, and of their children; one thread of the test answers."""

    def __init__(self) -> None:
        if platform.machine() not in _NUMBERS or not sys.platform.startswith("linux"):
            raise NotHere("Failing system calls needs Linux on x86-64 or ARM64.")
        self._failures: list[Failure] = []
        self._heard: list[tuple[str, str]] | None = None
        self._threads: list[threading.Thread] = []
        self._wake_reader, self._wake = os.pipe()
        self._names = {number: name for name, number in _NUMBERS[platform.machine()].items()}

    # ------------------------------------------------------------------------------------------------- what a test asks

    def launch(self, command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        """As `subprocess.Popen`."""
        ours, theirs = socket.socketpair()
        wrapped = [sys.executable, "-m", "tests.hardship.syscalls", str(theirs.fileno()), *command]
        child: subprocess.Popen[bytes] = subprocess.Popen(wrapped, pass_fds=(theirs.fileno(),), **options)
        theirs.close()
        with ours:
            _, ancillary, _, _ = ours.recvmsg(1, socket.CMSG_SPACE(4))
        if not ancillary:
            child.wait()
            raise NotHere("This kernel gives no seccomp listener (Linux 5.5 or newer, and not forbidden by the container).")
        listener = array.array("i", ancillary[0][2])[0]
        thread = threading.Thread(target=self._serve, args=(listener,), name="system calls", daemon=True)
        self._threads.append(thread)
        thread.start()
        return child

    def fail(self, failure: Failure) -> Failure:
        """Arm one; ask its `struck` whether it came true."""
        self._failures = [*self._failures, failure]
        return failure

    def heal(self) -> None:
        """No more failures."""
        self._failures = []

    def listen(self) -> list[tuple[str, str]]:
        """From now on, every (call, path) in the order they were made."""
        self._heard = []
        return self._heard

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        os.write(self._wake, b"e")
        for thread in self._threads:
            thread.join()
        os.close(self._wake)
        os.close(self._wake_reader)

    # ------------------------------------------------------------------------------------------------------- the kernel

    def _serve(self, listener: int) -> None:
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        poll.register(self._wake_reader, select.POLLIN)
        while True:
            ready = dict(poll.poll())
            if self._wake_reader in ready or ready.get(listener, 0) & (select.POLLHUP | select.POLLERR):
                os.close(listener)  # whoever still asks is told that there is no such call
                return
            self._answer(listener)

    def _answer(self, listener: int) -> None:
        asked = bytearray(80)
        try:
            fcntl.ioctl(listener, _RECEIVE, asked)
        except OSError:
            return  # whoever asked was interrupted meanwhile
        identity, pid, _, number, _, _, *arguments = struct.unpack("=QIIiIQ6Q", asked)
        failing = self._failing(pid, self._names[number], arguments)
        answer = struct.pack("=QqiI", identity, 0, -failing if failing else 0, 0 if failing else _CONTINUE)
        with suppress(OSError):
            fcntl.ioctl(listener, _ANSWER, bytearray(answer))

    def _failing(self, pid: int, call: str, arguments: list[int]) -> int:
        failures, heard = self._failures, self._heard
        if not failures and heard is None:
            return 0
        path = _path(pid, call, arguments)
        if heard is not None:
            heard.append((call, path))
        return next((failure.number for failure in failures if failure.strikes(call, path)), 0)


def _path(pid: int, call: str, arguments: list[int]) -> str:
    try:
        if call not in _PATH_AT:
            return os.readlink(f"/proc/{pid}/fd/{arguments[_FILE_AT.get(call, 0)]}")
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            return os.pread(memory.fileno(), 4096, arguments[_PATH_AT[call]]).split(b"\0", 1)[0].decode(errors="replace")
    except OSError:
        return ""


# ------------------------------------------------------------------------------------------------------- in the new process


def _program() -> bytes:
    """The filter: calls that write ask, everything else goes on; of `openat` only what may write."""
    numbers = _NUMBERS[platform.machine()]
    plain = [number for name, number in numbers.items() if name != "openat"]
    steps = [(_LOAD, 0, 0, _NUMBER_OFFSET)]
    left = len(plain) + 3  # to the steps for openat's flags; behind them allow, then ask
    steps += [(_EQUAL, left - at, 0, number) for at, number in enumerate(plain)]
    steps += [(_EQUAL, 0, 2, numbers["openat"]), (_LOAD, 0, 0, _FLAGS_OFFSET), (_ANY_BIT, 1, 0, _WRITING)]
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _NOTIFY)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _filter_self() -> int:
    """Have this process and its children ask from here on; the listener, or −1 when the kernel will not."""
    libc = ctypes.CDLL(None, use_errno=True)
    program = _program()
    held = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("@HP", len(program) // 8, ctypes.addressof(held))
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return int(libc.syscall(_SECCOMP[platform.machine()], _SET_MODE_FILTER, _NEW_LISTENER, described))


def main() -> None:
    told, command = int(sys.argv[1]), sys.argv[2:]
    listener = _filter_self()
    with socket.socket(fileno=told) as road:
        if listener < 0:
            raise SystemExit(errno.ENOSYS)
        road.sendmsg([b"l"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener]))])
    os.close(listener)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
