"""Workers for tests of the client: they do what is asked for, and leave documents as stages do."""

from __future__ import annotations

from orchestrator import Client
from orchestrator.contracts.calls import Kind
from orchestrator.contracts.documents.data import Changes, SplitSummary
from orchestrator.contracts.documents.release import Registration
from orchestrator.contracts.documents.training import SearchEffects
from orchestrator.contracts.records import StageError
from orchestrator.contracts.tasks import TASKS, names_of
from orchestrator.engine.messages import Bell, Claim, Completion, Pool
from tests.unit import report_case

DOCUMENTS = {
    "profile": report_case.profile(),
    "changes": Changes(rows_before=60),
    "summary": SplitSummary(
        method="random", scheme="partition", folds=2, train_rows=40, test_rows=20, fold_rows=(20, 20)
    ),
    "result": report_case.trial("ridge_classifier", 1, 0.9),
    "ranking": report_case.ranking(),
    "effects": SearchEffects(candidates=()),
    "preparation": report_case.preparation(),
    "evaluation": report_case.evaluation(),
    "details": report_case.details(),
    "registration": Registration(model="churn@1", stage="candidate"),
}


class Workers:
    """Completes what is ready with outputs that are bytes and no more."""

    def __init__(self, client: Client) -> None:
        self.session = client.session(pools=True)
        self.fails: set[str] = set()
        self.done: list[str] = []

    def serve(self) -> None:
        """Register a pool for each queue."""
        known = {"tasks": [name for task in TASKS.values() for name in names_of(task)]}
        for queue in ("prep", "train", "evaluate", "ops"):
            pool = Pool(f"{queue}@here", queue, "here", 2, "sha256:env", "0", 1, known)
            self.session.history.register(pool)

    def work(self, run: str, upto: int = 100) -> list[str]:
        """Claim and complete whatever is ready, until nothing is; the stages that ran."""
        began = len(self.done)
        while ready := [one.id for one in self._record(run).stages if one.state == "ready"][
            : upto - len(self.done) + began
        ]:
            for stage in ready:
                claim = self.session.ledger.claim(run, stage, worker="prep@here", host="here", pid=1)
                assert claim is not None
                self._end(claim)
                self.done.append(stage)
            if len(self.done) - began >= upto:
                break
        return self.done[began:]

    def _end(self, claim: Claim) -> tuple[Bell, ...]:
        stage = claim.call.id
        if stage in self.fails:
            error = StageError(family="user", message="it broke")
            return self.session.ledger.fail(claim.lease, error).bells
        outputs = {
            name: self.session.store.put_bytes(
                DOCUMENTS[name].model_dump_json().encode()
                if name in DOCUMENTS
                else f"{stage}.{name}:{claim.call.key}".encode(),
                Kind.JSON,
            )
            for name in TASKS[claim.call.task].outputs
        }
        log = self.session.store.put_bytes(f"{stage} was here\n".encode(), Kind.FILE)
        keys = (claim.call.key,) if claim.call.key else ()
        return self.session.ledger.complete(claim.lease, Completion(outputs, 0.5, keys=keys, log=log)).bells

    def _record(self, run: str):
        record = self.session.history.snapshot(run)
        assert record is not None
        return record
