"""Collecting garbage: artifacts that no run, cached result or model refers to are condemned, and later deleted.

A round looks at everything that refers to artifacts. What was condemned by an earlier round, has waited, and is still
referred to by nothing, is deleted. A completion or submission that refers to a condemned artifact saves it; one that
refers to an artifact under deletion is refused and tried again: so a hit is never left without its bytes.
"""

from __future__ import annotations

import json
import secrets
from typing import Any, cast

from orchestrator.contracts.errors import RecordDamaged
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.scripts import run_script
from orchestrator.store.artifacts import ArtifactStore
from orchestrator.store.connection import answering, clock
from orchestrator.store.continuity import require_whole
from orchestrator.store.models import Registry
from orchestrator.store.steps import process_of, settle

PAGE = 500
YOUNG_S = 86_400.0  # an artifact so young may belong to a submission that is being made
GRACE_S = 3_600.0  # between being condemned and being deleted
HOLD_MS = 3_600_000  # for which a collector that is silent keeps others away
REMEMBERED_MS = 86_400_000  # for which a deletion is told to stages that began before it


class Collector:
    """Rounds of collection over one namespace, one at a time; its store must belong to this namespace alone."""

    def __init__(
        self, ledger: Ledger, store: ArtifactStore, *, young_s: float = YOUNG_S, grace_s: float = GRACE_S
    ) -> None:
        self.ledger, self.store = ledger, store
        self.young_s, self.grace_s = young_s, grace_s
        self._token = secrets.token_hex(8)  # its next round ends what an outage broke off, which still holds off others

    def collect(self) -> int:
        """One round; answers how many artifacts it deleted.

        Raises `LedgerBehind` where Redis knows less than the store, and `RecordDamaged` where one of its records cannot
        be read: what nothing seems to refer to is not known to be garbage then.
        """
        require_whole(self.ledger.redis, self.ledger.keys, self.store)
        with answering(self.ledger.redis):
            return self._alone()

    def _alone(self) -> int:
        if not (self._begins() or self._goes_on()):
            return 0  # another one is at it: whoever deletes must be alone with what may be put again
        process = process_of(self.ledger.redis)
        live = self.live()
        going = self._last_look(live)
        doomed = sorted(going | self._unfinished())
        if doomed:  # a Redis that forgot it, with its power, would let stages refer to what is gone
            settle(self.ledger.redis, self.ledger.keys, process)
        for digest in doomed:
            if not self._goes_on():
                return 0  # it took too long, and another one took over
            self.store.delete(digest)
            self._step("deleted", digest, REMEMBERED_MS)
        self._condemn(live)
        if self.ledger.redis.get(self.ledger.keys("collecting")) == self._token:
            self.ledger.redis.delete(self.ledger.keys("collecting"))
        return len(going)

    def _begins(self) -> bool:
        return bool(self.ledger.redis.set(self.ledger.keys("collecting"), self._token, nx=True, px=HOLD_MS))

    def _goes_on(self) -> bool:
        """Hold off others for as long again, unless one has taken over."""
        return self._step("deleting", self._token, HOLD_MS) == [1]

    def live(self) -> set[str]:
        """The digests that something refers to."""
        found: set[str] = set()
        for run in cast("list[str]", self.ledger.redis.zrange(self.ledger.keys("runs"), 0, -1)):
            for part in ("calls", "outputs", "stages"):
                for stage, text in self.ledger.redis.hscan_iter(self.ledger.keys.run(run, part), count=PAGE):
                    found |= _digests(text, f"{run}/{stage}")
        for name in self.ledger.redis.scan_iter(_literal(self.ledger.keys("cache")) + ":*", count=PAGE):
            found |= _digests(cast("str | None", self.ledger.redis.get(name)) or "", name)
        for version in Registry(self.ledger.redis, self.ledger.settings).list():
            found |= _digests(version.model_dump_json(), version.name)
        return found

    def _last_look(self, live: set[str]) -> set[str]:
        condemned = cast("list[str]", self.ledger.redis.zrange(self.ledger.keys("condemned"), 0, -1))
        saved = [digest for digest in condemned if digest in live]
        if saved:
            self.ledger.redis.zrem(self.ledger.keys("condemned"), *saved)
        doomed = [digest for digest in condemned if digest not in live]
        going: set[str] = set()
        for start in range(0, len(doomed), PAGE):
            chunk = doomed[start : start + PAGE]
            going |= set(self._step("condemn", int(self.grace_s * 1000), *chunk))
        return going

    def _unfinished(self) -> set[str]:
        """Deletions that an earlier round began and did not end."""
        return cast("set[str]", self.ledger.redis.smembers(self.ledger.keys("deleting")))

    def _condemn(self, live: set[str]) -> None:
        now = clock(self.ledger.redis)  # on which `condemn` looks too
        doomed = {
            digest: int(now * 1000)
            for digest, _, written in self.store.digests()
            if digest not in live and now - written > self.young_s
        }
        if not doomed:
            return
        pipe = self.ledger.redis.pipeline(transaction=True)
        pipe.zadd(self.ledger.keys("condemned"), cast("Any", doomed), nx=True)
        # A submission that read its hits before this reads them again. Counted up it could be one that Redis had before
        # it lost its power.
        pipe.set(self.ledger.keys("epoch"), secrets.token_hex(8))
        pipe.execute()

    def _step(self, name: str, *arguments: str | int) -> list[Any]:
        return run_script(self.ledger.redis, name, self.ledger.keys.prefix, *arguments)


def _literal(pattern: str) -> str:
    return pattern.replace("{", "\\{").replace("}", "\\}")


def _digests(text: str, name: str) -> set[str]:
    """Every digest in a JSON text, at any depth. Raises RecordDamaged: what it refers to is not known then."""
    try:
        return _named(text)
    except (ValueError, RecursionError):
        raise RecordDamaged(
            f"the record of {name} in Redis is damaged: no garbage is collected while it is there", name
        ) from None


def _named(text: str) -> set[str]:
    found: set[str] = set()
    if "sha256:" not in text:
        return found
    pending: list[Any] = [json.loads(text)]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
        elif isinstance(value, str) and value.startswith("sha256:"):
            found.add(value)
        elif isinstance(value, str) and "sha256:" in value and value[:1] in "[{":
            pending.append(json.loads(value))
    return found
