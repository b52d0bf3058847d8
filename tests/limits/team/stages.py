"""Stages of a team that does what it should not; run in guests by tests, never imported."""

from __future__ import annotations

import builtins
import ctypes
import gc
import json
import locale
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

# ruff: noqa: B010, E501, PTH101, PTH106, PTH109, PTH123, S103, S606, T201


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


def leaves_processes() -> dict[str, int]:
    child = subprocess.Popen(["sleep", "4000"], start_new_session=True)
    return {"child": child.pid, "orphan": _orphan()}


def dies_and_leaves_processes() -> None:
    child = subprocess.Popen(["sleep", "4000"], start_new_session=True)
    print(f"left {child.pid} {_orphan()}", flush=True)
    ctypes.string_at(0)


def feeds_an_orphan() -> None:
    _orphan("held = bytearray(600 << 20)\nfor i in range(0, len(held), 4096): held[i] = 1")
    time.sleep(600)


def _orphan(code: str = "") -> int:
    """A process of a session of its own, whose parent is gone."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        pid = os.fork()
        if pid:
            os.write(writer, str(pid).encode())
            os._exit(0)
        os.execv(sys.executable, [sys.executable, "-c", f"import time\n{code}\ntime.sleep(4000)"])
    return int(os.read(reader, 32))


def opens_every_file() -> dict[str, int]:
    held = globals().setdefault("held", [])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 4096), hard))  # where a host allows a million
    try:
        while True:
            held.append(open(os.devnull))  # noqa: SIM115
    except OSError:
        return {"held": len(held)}


def closes_its_outputs() -> dict[str, str]:
    os.closerange(0, 3)
    return {"pid": str(os.getpid())}


def closes_everything() -> None:
    os.closerange(0, 1000)


def prints_without_an_end() -> dict[str, bool]:
    for _ in range(100):
        sys.stdout.write("y" * 1_000_000)
    return {"done": True}


def raises_mute() -> None:
    raise Mute


def raises_a_long_chain() -> None:
    error: ValueError | None = None
    for number in range(5000):
        following = ValueError(number)
        following.__cause__ = error
        error = following
    raise error or ValueError


def asks_too_much() -> dict[str, int]:
    return {"bytes": len(bytearray(1 << 50))}


def ignores_all() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(600)


def holds_the_lock() -> None:
    ctypes.PyDLL(None).sleep(600)


def spoils_the_process() -> dict[str, int]:
    os.chdir("/")
    os.umask(0o777)
    os.environ["PATH"] = "/nowhere"
    del os.environ["HOME"]
    random.seed(1)
    warnings.simplefilter("error")
    sys.stdout = sys.stderr = None
    sys.path.insert(0, "/nowhere")
    sys.setrecursionlimit(300)
    gc.disable()
    locale.setlocale(locale.LC_ALL, "C.UTF-8")
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    return {"pid": os.getpid()}


def looks_around(*, turn: int = 0) -> dict[str, Any]:
    mask = os.umask(0o022)
    os.umask(mask)
    print("I can be heard")
    return {
        "pid": os.getpid(), "home": "HOME" in os.environ, "path": os.environ["PATH"] != "/nowhere", "umask": mask,
        "filters": ("error", None, Warning, None, 0) in warnings.filters, "module path": "/nowhere" in sys.path,
        "depth": sys.getrecursionlimit(), "gc": gc.isenabled(), "term": signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0], "draw": random.random(), "len": len("abc"),
    }  # fmt: skip


def replaces_len() -> dict[str, int]:
    setattr(builtins, "len", lambda _: 7)
    return {"pid": os.getpid()}


def replaces_json() -> dict[str, int]:
    setattr(json, "dumps", lambda *_, **__: "broken")
    return {"pid": os.getpid()}


def leaves_a_thread() -> dict[str, int]:
    threading.Thread(target=time.sleep, args=(4000,)).start()
    return {"pid": os.getpid()}


def harms_its_input(given: Path) -> dict[str, int]:
    os.chmod(given, 0o666)
    given.write_bytes(b"garbage")
    given.unlink()
    return {"done": 1}


def reads_its_input(given: Path) -> dict[str, str]:
    return {"text": given.read_text()}


def removes_its_folder() -> dict[str, int]:
    os.rmdir(os.getcwd())
    return {"done": 1}


def is_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
