"""What each role of a cluster really used of Redis, heard by MONITOR, beside what its user in the ACL file may do."""

from __future__ import annotations

import contextlib
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import Any

import redis as redis_py

from orchestrator.contracts.tasks import Queue
from tests.security.cluster import Cluster

_WITHOUT_KEYS = {
    "auth", "hello", "client", "ping", "info", "multi", "exec", "script", "time", "waitaof", "unwatch", "publish",
    "psubscribe", "punsubscribe", "scan",
}  # fmt: skip
_READ, _WRITE = frozenset({"access"}), frozenset({"insert", "update", "delete"})


@dataclass
class Used:
    """What came from one role, its Lua steps' own commands included."""

    commands: set[str] = field(default_factory=set)
    keys: set[tuple[str, str]] = field(default_factory=set)  # (key, "R" or "W")
    channels: set[str] = field(default_factory=set)


@dataclass
class Ear:
    """Hears all that Redis is told, until it is closed."""

    cluster: Cluster
    heard: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._monitor: Any = self.cluster.admin().monitor()  # type: ignore[no-untyped-call]
        self._monitor.__enter__()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hear no more: this very command is the last."""
        with self.cluster.admin() as admin:
            admin.echo("the end")
        self._thread.join(60)
        self._monitor.__exit__(None, None, None)

    def by_role(self) -> dict[str, Used]:
        """What each role used."""
        roles = {str(port): role for role, relay in self.cluster.relays.items() for port in relay.peers}
        found: dict[str, Used] = defaultdict(Used)
        seen: dict[str, list[tuple[str, str]]] = {}
        role = ""
        with self.cluster.admin() as admin:
            line = admin.connection_pool.get_connection()
            for one in self.heard:
                if one["client_type"] != "lua":  # what a step does stands right behind it
                    role = roles.get(one["client_port"], "")
                if role:
                    _take(found[role], one["command"].split(" "), line, seen)
            line.disconnect()
        return found

    def _listen(self) -> None:
        with contextlib.suppress(redis_py.ConnectionError):  # a Redis that was stopped before
            for one in self._monitor.listen():
                if one["command"].startswith("ECHO the end"):
                    return
                self.heard.append(one)


def _take(used: Used, words: list[str], line: redis_py.Connection, seen: dict[str, list[tuple[str, str]]]) -> None:
    name = words[0].lower()
    used.commands.add(f"{name}|{words[1].lower()}" if name in ("client", "script") else name)
    if name in ("publish", "psubscribe"):
        used.channels.add(words[1])
    if name in _WITHOUT_KEYS:
        return
    asked = " ".join((name, *words[1:3]))
    if asked not in seen:
        line.send_command("COMMAND", "GETKEYSANDFLAGS", *words)  # type: ignore[no-untyped-call]
        seen[asked] = list(_modes(line.read_response()))
    used.keys.update(seen[asked])


def _modes(reply: Any) -> Iterator[tuple[str, str]]:
    for key, flags in reply:
        if _READ & set(flags):
            yield key, "R"
        if _WRITE & set(flags):
            yield key, "W"
        if not (_READ | _WRITE) & set(flags):  # EXISTS, LLEN: no right but the command's and any to the key
            yield key, "*"


@dataclass(frozen=True, slots=True)
class Granted:
    """A line of the ACL file, as far as the tests compare it."""

    commands: frozenset[str]
    keys: frozenset[tuple[str, str]]  # (pattern, "R", "W" or "RW")
    channels: frozenset[str]

    @classmethod
    def of(cls, users: str, role: str) -> Granted:
        """The rights of one user."""
        line = next(line for line in users.splitlines() if line.startswith(f"user {role} "))
        words = [word.strip("()") for word in line.split()[2:]]
        return cls(
            frozenset(word[1:] for word in words if word.startswith("+")),
            frozenset(_pattern(word) for word in words if word.startswith(("~", "%"))),
            frozenset(word[1:] for word in words if word.startswith("&")),
        )

    def unused(self, used: Used, steps: list[Step]) -> set[str]:
        """Rights that nothing used and that no step of the role names, as they are written in the file."""
        found = {f"+{name}" for name in self.commands - used.commands - set().union(*(step.commands for step in steps))}
        named = set().union(*(step.keys for step in steps))
        found |= {f"&{pattern}" for pattern in self.channels if not any(_fits(one, pattern) for one in used.channels)}
        for pattern, modes in self.keys:
            if pattern.partition("}:")[2].rstrip(":*") in named:
                continue
            met = {mode for key, mode in used.keys if _fits(key, pattern)}
            for mode in modes:
                if mode not in met and not (met == {"*"} and mode == "R"):
                    found.add(f"%{mode}~{pattern}")
        return found


@dataclass(frozen=True, slots=True)
class Step:
    """The text of a Lua step, with the library that stands before the ledger's: all that it could come to do."""

    text: str

    @classmethod
    def of(cls, package: str, name: str) -> Step:
        """A step of the ledger (orchestrator.engine) or the store."""
        folder = files(package) / "lua"
        library = (folder / "_library.lua").read_text() if package.endswith("engine") else ""
        return cls(library + (folder / f"{name}.lua").read_text())

    @property
    def commands(self) -> set[str]:
        """The commands that it names."""
        return {found.lower() for found in re.findall(r"call\('([A-Z]+)'", self.text)}

    @property
    def keys(self) -> set[str]:
        """The keys that it names, as far as they are spelled in it; queues are, by the bell's own."""
        named = set(re.findall(r"(?:P \.\. |KEYS\[1\] \.\. |key\()'([a-z:]+)'", self.text))
        return {name.rstrip(":") for name in named} | (
            {queue.value for queue in Queue} if "bell.queue" in self.text else set()
        )


def _pattern(word: str) -> tuple[str, str]:
    if word.startswith("~"):
        return word[1:], "RW"
    modes, _, pattern = word[1:].partition("~")
    return pattern, modes


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern.replace("[", "[[]"))
