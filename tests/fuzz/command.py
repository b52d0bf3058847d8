"""The command: whatever words it is given, the real entry point answers with a code of the table and one line."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from orchestrator.cli.main import answer
from orchestrator.contracts.calls import Plan, StageCall
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.messages import Completion
from orchestrator.engine.submission import Submission
from orchestrator.settings import Settings
from tests.fuzz import place
from tests.fuzz.contract import Broken, readable, target

CODES = {0, 1, 2, 3, 4, 5, 6, 7}
ELSEWHERE = {"up", "down", "flower", "doctor"}  # start and end processes
RUN = "kept-000000"


@target
def words(data: bytes) -> None:
    """The command's words, with a NUL between them."""
    given = [os.fsdecode(word) for word in data.split(b"\0")]
    if not harmless(given):
        return
    code, out, err = said(given)
    if code not in CODES:
        raise Broken(f"exit code {code}")
    lines = err.rstrip("\n").split("\n")
    wrong = next((line for line in lines if not readable(line)), None)
    if wrong is not None:
        raise Broken(f"stderr has {wrong!r}")
    if code and (not lines[0] or "defect of Cyclery" in err or "Traceback" in err):
        raise Broken(f"exit code {code} with {err!r}")
    if code in (2, 5) and given[0] not in ("check", "plan", "run") and len(lines) != 1:
        raise Broken(f"exit code {code} with {len(lines)} lines: {err!r}")
    if "--json" in given and code:
        json.loads(out)


def harmless(given: list[str]) -> bool:
    """Whether the words only ask: none starts a process, opens a browser, waits for workers or writes elsewhere."""
    if ELSEWHERE & set(given) or {"--open", "--debug"} & set(given):
        return False
    if "retry" in given or "--export" in given:
        return not any(word and (RUN.startswith(word) or word in ("last", "model-1", "model-1@1")) for word in given)
    return "init" not in given or not any("/" in word or ".." in word for word in given)


def said(given: list[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command in this very process, with streams as a UTF-8 terminal has them."""
    with _streams() as (out, err), _surroundings():
        code = answer(given)
    return code, out.getvalue().decode(), err.getvalue().decode()


@contextlib.contextmanager
def _streams() -> Iterator[tuple[io.BytesIO, io.BytesIO]]:
    out, err = io.BytesIO(), io.BytesIO()
    before = sys.stdout, sys.stderr
    sys.stdout = io.TextIOWrapper(out, "utf-8", errors="strict", write_through=True)
    sys.stderr = io.TextIOWrapper(err, "utf-8", errors="backslashreplace", write_through=True)
    try:
        yield out, err
    finally:
        texts, (sys.stdout, sys.stderr) = (sys.stdout, sys.stderr), before
        for text in texts:
            with contextlib.suppress(ValueError):  # closed by the command, as after a broken pipe
                text.flush()
                text.detach()


@contextlib.contextmanager
def _surroundings() -> Iterator[None]:
    """A project's folder as working directory, a Redis with one ended run named in the environment."""
    settings = world()
    folder = place.folder() / "words"
    folder.mkdir(exist_ok=True)
    told = {
        "CYCLERY_REDIS_URL": place.server().url,
        "CYCLERY_NAMESPACE": settings.namespace,
        "CYCLERY_HOME": str(settings.home),
        "CYCLERY_STORE": str(settings.store),
        "NO_COLOR": "1",
    }
    before, here = {name: os.environ.get(name) for name in told}, Path.cwd()
    os.environ.update(told)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@cache
def world() -> Settings:
    """A namespace with one run that has ended."""
    settings = place.settings().model_copy(update={"namespace": "words"})
    ledger = Ledger(place.client(), settings)
    call = StageCall(id="a", task="ops.probe", queue="ops", version=1)
    run = ledger.submit(Submission(Plan(workflow="kept", stages=(call,)))).run
    claim = ledger.claim(run, "a", worker="ops@here", host="here", pid=1)
    assert claim is not None
    ledger.complete(claim.lease, Completion({}, 0.5))
    for name in place.client().scan_iter(ledger.keys.run(run, "*") + "*"):
        place.client().copy(name, name.replace(run, RUN))
    place.client().rename(ledger.keys.run(run), ledger.keys.run(RUN))
    place.client().delete(ledger.keys("runs"), ledger.keys("ended"))
    place.client().zadd(ledger.keys("runs"), {RUN: 1})
    return settings
