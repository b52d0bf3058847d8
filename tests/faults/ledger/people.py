"""People of a storm: they submit, cancel, decide, retry and promote, through the product's code."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orchestrator.contracts.calls import Kind
from orchestrator.contracts.errors import InvalidInput, NotPermitted, TransientError
from orchestrator.contracts.records import Decision
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.submission import Submission
from orchestrator.store.models import Registry
from tests.faults.ledger.expected import FAILING
from tests.faults.ledger.shapes import LONG_S, Workflow, keyed
from tests.faults.ledger.workers import model_of

if TYPE_CHECKING:
    from tests.faults.ledger.storm import Storm


class Person:
    """Submits, cancels, decides, retries, promotes; starts again when the command died."""

    def __init__(self, storm: Storm, work: list[Workflow]) -> None:
        self.storm, self.work = storm, work
        self.retried: dict[str, Submission] = {}

    def __call__(self) -> None:
        storm = self.storm
        client = storm.wire.client()
        self.ledger = Ledger(client, storm.settings)
        self.registry = Registry(client, storm.settings)
        try:
            while True:
                storm.point()
                try:
                    self._act()
                except TransientError as error:
                    storm.note("person", error)
        finally:
            client.connection_pool.disconnect()

    def _act(self) -> None:
        chance = self.storm.chance
        if self.work and chance.random() < 0.5:
            self._submit(self.work[0])
            return
        mine = [run for run in self.storm.accepted if run.person is self]
        if not mine:
            return
        run = next((one for one in mine if one.lingering and not one.cancelled), None) or chance.choice(mine)
        workflow = run.workflow
        ended = not run.heard and chance.random() < 0.02 and self.storm.settled(run)
        again = 0.03 if run.cancelled else 1.0 if run.lingering else 0.1  # some ask twice
        asked = workflow.cancel and run.generation == 1 and chance.random() < again
        if ended or asked:
            self._cancel(run)
        elif workflow.verdict is not None and chance.random() < 0.3:
            self._decide(run)
        elif workflow.retry and run.generation == 1:
            self._retry(run)
        elif workflow.promote and not run.promoted and chance.random() < 0.3:
            self._promote(run)

    def _submit(self, workflow: Workflow) -> None:
        if workflow.source is not None:
            self.storm.store.put_bytes(workflow.source, Kind.FILE)
        twice = workflow.shape in ("chain", "fan", "roots") and self.storm.chance.random() < 0.2
        request = Submission(workflow.plan, new=twice)  # where nobody is asked by a run that nobody knows of
        accepted = self.ledger.submit(request, self.storm.store.has)
        self.storm.accept(accepted.run, workflow, self)
        if self.work and self.work[0] is workflow and self.storm.chance.random() < 0.9:  # else again: attaches
            self.work.pop(0)

    def _cancel(self, run: Any) -> None:
        run.cancel_tried = True
        answer = self.ledger.cancel(run.id, "ann").answer
        if answer != "cancelling":
            run.heard = (run.generation, answer)
            if answer in ("running", "held"):
                self.storm.violations.append(f"told: {run.id} is {answer}, and was not cancelled")
            self.storm.strikes.tempt("heard", 0.5, told=True)
        else:
            run.cancelled = True
            self.storm.strikes.tempt("cancelled", 0.8, told=True)

    def _decide(self, run: Any) -> None:
        record = self.storm.history(self.ledger).snapshot(run.id)
        held = [one.id for one in record.stages if one.state == "held"] if record else []
        note = f"{run.id} {run.generation}"
        for stage in dict.fromkeys([*held, *(one for generation, one in run.deciding if generation == run.generation)]):
            run.deciding.add((run.generation, stage))  # whoever hears no answer says it again
            try:
                self.ledger.decide(run.id, stage, Decision(verdict=run.workflow.verdict, by="ann", at=1.0, note=note))
            except InvalidInput:  # decided or cancelled meanwhile
                self.storm.onlooker.refused_to_decide(run.id, stage, note)
                run.deciding.discard((run.generation, stage))
                continue
            run.deciding.discard((run.generation, stage))
            run.decided.add((run.generation, stage))
            self.storm.strikes.tempt("decided", 0.5, told=True)

    def _retry(self, run: Any) -> None:
        record = self.storm.history(self.ledger).snapshot(run.id)
        if record is None or not record.status.ended or record.generation != 1:
            return
        repaired = run.workflow.plan.model_copy(
            update={"stages": keyed(map(_repaired, run.workflow.plan.stages), run.workflow.name)}
        )
        request = Submission(repaired, run=run.id, generation=2,
                             attempts={one.id: one.attempt for one in record.stages})  # fmt: skip
        run.retry_tried = replace(run.workflow, plan=repaired)
        try:
            self.ledger.submit(request, self.storm.store.has)
        except InvalidInput:
            return
        run.advance()
        self.storm.strikes.tempt("retried", 0.5, told=True)

    def _promote(self, run: Any) -> None:
        model = model_of(run.id)
        version = next((one for one in self.registry.list(model) if one.run == run.id), None)
        if version is None:
            return
        to = self.storm.chance.choice(["production", "production", "staging", "archived"])
        try:
            if self.storm.chance.random() < 0.2:
                back = self.registry.rollback(model, by="ann", note=run.id)
                self.storm.promise("rolled back", run.id, back.name)
            self.registry.promote(version.name, to=to, by="ann", note=run.id)
        except InvalidInput:
            return
        except NotPermitted:
            run.promoted = True
            return
        run.promoted = True
        self.storm.promise("archived" if to == "archived" else "promoted", run.id, version.name)


def _repaired(call: Any) -> Any:
    if call.params["act"] not in FAILING:
        return call
    return call.model_copy(update={"params": {**call.params, "act": "ok", "salt": f"{call.params['salt']} repaired"},
                                   "policy": call.policy.model_copy(update={"timeout_s": LONG_S})})  # fmt: skip
