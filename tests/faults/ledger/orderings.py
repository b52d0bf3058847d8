"""Orderings that safety rests on, each turned round or left out by hand."""

from __future__ import annotations

from tests.faults.ledger.mutations import Mutant

_LEDGER = "orchestrator/engine/ledger.py"
_STAGING = "orchestrator/engine/submission.py"
_GARBAGE = "orchestrator/engine/garbage.py"
_LIBRARY = "orchestrator/engine/lua/_library.lua"
_STEPS = "orchestrator/store/steps.py"
_MODELS = "orchestrator/store/models.py"
_AUDIT = "orchestrator/store/audit.py"
_SERVICE = "orchestrator/service.py"
_PERFORM = "workers/runtime/perform.py"


def _left_out(path: str, old: str, why: str, new: str = "") -> Mutant:
    return Mutant(path, 0, old, new, why)


ORDERINGS: tuple[Mutant, ...] = (
    # durable before the answer
    _left_out(_STEPS, 'pipe.execute_command("WAITAOF", 1, 0, DURABLE_MS)', "answer before it is durable",
              'pipe.execute_command("TIME")'),
    _left_out(_STEPS, '            pipe.execute_command("WAITAOF", 1, 0, DURABLE_MS)  # type: ignore[no-untyped-call]\n'
              "            return pipe.execute(raise_on_error=False)\n", "step and wait sent apart",
              "            answer = pipe.execute(raise_on_error=False)[0]\n"
              "        with client.pipeline(transaction=False) as pipe:\n"
              '            pipe.execute_command("WAITAOF", 1, 0, DURABLE_MS)\n'
              "            return [answer, *pipe.execute(raise_on_error=False)]\n"),
    _left_out(_LEDGER, 'return self._durably("submit"', "submission not durable", 'return self._run("submit"'),
    _left_out(_LEDGER, 'self._durably("cancel"', "cancel not durable", 'self._run("cancel"'),
    _left_out(_LEDGER, 'self._durably("decide"', "decision not durable", 'self._run("decide"'),
    _left_out(_STEPS, "    if process_of(client) != since:\n", "settled in another process", "    if False:\n"),
    _left_out(_MODELS, "answer = durable_step(", "registration and promotion not durable",
              "from orchestrator.store.steps import step\n\n        answer = step("),
    _left_out(_AUDIT, "        settle(client, keys, process)\n", "audit entry kept before it is durable"),
    _left_out(_SERVICE, "                settle(self.ledger.redis, self.ledger.keys, process)\n", "manifest before its end is durable",
              "                pass\n"),
    # staged, then visible
    _left_out(_STAGING, "        with client.pipeline(transaction=True) as pipe:  # whole or not at all: nothing is left "
              "without its expiry\n            _stage_chunk", "submission staged in pieces",
              "        with client.pipeline(transaction=False) as pipe:\n            _stage_chunk"),
    _left_out(_STAGING, "        with client.pipeline(transaction=True) as pipe:  # whole or not at all: nothing is left "
              "without its expiry\n            for part", "growth staged in pieces",
              "        with client.pipeline(transaction=False) as pipe:\n            for part"),
    _left_out(_LEDGER, "            self._unstage(request)  # what is staged next may hold less, and a power loss may bring "
              "this back\n            request = replace(request, nonce=secrets.token_hex(8))\n",
              "staging of an earlier try left"),
    _left_out(_STAGING, "    nonce = secrets.token_hex(8)\n", "growth staged under one name for all",
              '    nonce = "growth"\n'),
    # what is there was looked at after the epoch
    _left_out(_LEDGER, "            epoch, doomed = self._collected()\n", "epoch not looked at",
              '            epoch, doomed = str(self.redis.get(self.keys("epoch")) or "0"), set[str]()\n'),
    _left_out(_LEDGER, "            hits = self._hits(request, there)\n", "epoch read after the hits",
              "            hits = self._hits(request, there)\n            epoch, doomed = self._collected()\n"),
    _left_out(_LEDGER, "    return digest not in doomed and has(digest)", "sources not looked for", "    return True"),
    _left_out(_LEDGER, "        digests = [*(ref.digest for ref in kept), *(staging", "completed without its digests",
              "        digests = [*(ref.digest for ref in kept if False), *(staging"),
    _left_out(_PERFORM, "        if record is None or not all(self.child.store.has(ref.digest) for ref in "
              "record.outputs.values()):\n", "hit without its bytes", "        if record is None:\n"),
    _left_out(_GARBAGE, "            settle(self.ledger.redis, self.ledger.keys, process)\n", "deleted before that is durable",
              "            pass\n"),
    _left_out(_GARBAGE, 'for part in ("calls", "outputs", "stages"):', "sources are garbage",
              'for part in ("outputs", "stages"):'),
    _left_out(_GARBAGE, 'for part in ("calls", "outputs", "stages"):', "outputs are garbage",
              'for part in ("calls", "stages"):'),
    _left_out(_GARBAGE, '        going = self._last_look(live)\n', "deleted without a last look",
              "        going = {one for one, _, _ in self.store.digests() if one not in live}\n"),
    _left_out(_GARBAGE, '            self._step("deleted", digest, REMEMBERED_MS)\n', "deletion forgotten",
              '            self.ledger.redis.srem(self.ledger.keys("deleting"), digest)\n'),
    _left_out(_GARBAGE, '        return bool(self.ledger.redis.set(self.ledger.keys("collecting"), self._token, nx=True, px=HOLD_MS))\n',
              "collectors beside each other",
              '        return bool(self.ledger.redis.set(self.ledger.keys("collecting"), self._token, px=HOLD_MS))\n'),
    # in the store before it leaves Redis
    _left_out(_SERVICE, "                self._keep_manifest(record)\n"
              "                self.ledger.archive(run, record.generation)\n", "archived before its manifest",
              "                self.ledger.archive(run, record.generation)\n"
              "                self._keep_manifest(record)\n"),
    _left_out(_AUDIT, "        kept = _keep(store, start, entries)\n"
              '        moved += kept * int(step(client, "drained", keys, start, kept))\n', "trimmed before it is kept",
              '        moved += len(entries) * int(step(client, "drained", keys, start, len(entries)))\n'
              "        kept = _keep(store, start, entries)\n"),
    # fences
    _left_out("orchestrator/engine/lua/claim.lua", "record.fence = nonce .. ':' .. call('INCR', key('fences'))",
              "a fence by counter alone", "record.fence = 'f:' .. call('INCR', key('fences'))"),
    _left_out("orchestrator/engine/lua/claim.lua", "record.fence = nonce .. ':' .. call('INCR', key('fences'))",
              "one fence for all", "record.fence = 'f'"),
    # repair
    _left_out("orchestrator/engine/reconciler.py", "            bells += self.ledger.sweep(run)\n",
              "graph work left lying", "            pass\n"),
    _left_out("orchestrator/engine/lua/tick.lua", "math.min(old, heard - 1)", "age alone rings again", "old"),
    _left_out("orchestrator/engine/lua/tick.lua", "call('LLEN', key(queue)) == 0 and old or math.min(old, heard - 1)",
              "an empty queue says nothing", "math.min(old, heard - 1)"),
    _left_out(_LIBRARY, "  if at <= last then at = last + 1 end\n", "stamps that do not rise"),
    _left_out(_LIBRARY, "  local successors = cjson.decode(text)\n  local last = math.min(#successors, offset + CHUNK)\n",
              "releases begin again",
              "  local successors = cjson.decode(text)\n  offset = 0\n  local last = math.min(#successors, offset + CHUNK)\n"),
)  # fmt: skip
