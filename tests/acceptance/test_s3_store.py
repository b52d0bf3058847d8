"""A whole run whose artifacts live in an S3 store over HTTP; workers and command share nothing but it and Redis."""

from __future__ import annotations

import shutil

from tests.acceptance.project import Project, Said, stages
from tests.servers import S3Server

SPEC = """\
name: remote
objective: {predict: diagnosis, task: classification, positive: malignant, metric: roc_auc}
data: {sources: {cases: {file: data/cancer.csv}}}
train:
  candidates: [{logistic_regression: {fixed: {max_iter: 1000}, grid: {C: [0.1, 1]}}}]
gates: ["beats: dummy"]
"""


def test_a_run_over_an_s3_store(project: Project, s3_server: S3Server) -> None:
    assert project.say("init", ".", "--example", "cancer").code == 0
    project.write("remote.yaml", SPEC)
    store = s3_server.environment() | {"CYCLERY_STORE": f"{s3_server.url}/runs"}

    def say(*words: str) -> Said:
        return project.say(*words, "--json", **store)

    done = say("run", "remote.yaml")
    assert done.code == 0, done.err
    assert done.json["status"] == "succeeded"
    shutil.rmtree(project.folder / ".cyclery" / "cache", ignore_errors=True)  # a host that has no copies
    again = say("run", "remote.yaml")
    assert all(stage["cached"] for stage in again.json["stages"])
    changed = say("run", "remote.yaml", "--set", "gates=[accuracy >= 0.5]")
    assert changed.code == 0, changed.err
    assert not stages(changed.json)["gates"]["cached"]
    assert say("down").code == 0
