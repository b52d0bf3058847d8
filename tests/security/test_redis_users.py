"""The users of deploy/redis/users.acl, over TLS: a lifecycle needs all that they may, and is denied nothing."""

from __future__ import annotations

import base64
import os
import subprocess
import urllib.request
from collections.abc import Iterator

import pytest
import redis as redis_py

from orchestrator.contracts.errors import CycleryError
from orchestrator.contracts.tasks import Queue
from orchestrator.engine.ledger import Ledger
from orchestrator.store.connection import connect
from orchestrator.store.models import Registry
from tests.acceptance.project import ROOT
from tests.security.cluster import ROLES, Cluster, fresh_passwords
from tests.security.rights import Ear, Granted, Step, Used
from tests.servers import stop
from tests.waiting import wait_until


def steps(package: str, *names: str) -> list[Step]:
    """Steps by name."""
    return [Step.of(package, name) for name in names]


POOL = steps("orchestrator.engine", "claim", "renew", "complete", "fail", "give_back", "sweep")
STEPS = {
    "client": steps("orchestrator.engine", "submit", "cancel", "decide", "sweep")
    + steps("orchestrator.store", "promote", "rollback"),
    "worker": POOL,
    "ops": POOL + steps("orchestrator.store", "register", "look"),
    "service": steps("orchestrator.engine", "tick", "sweep", "archive", "expire", "condemn")
    + steps("orchestrator.store", "drained", "settle"),
    "flower": [],
}
# Rights for what a lifecycle need not meet. A Redis that forgot a step is sent it whole.
WHOLE = {"+eval"}
# What kombu does to a message that it had in its hands when it was stopped, and to scripts that Redis does not know.
KOMBU = {"+watch", "+unwatch", "+hget", "+script|load", "+script|exists", "+punsubscribe"}
# Stages that bring new ones into being, as the ledger lets them.
EXPANSION = {"+pexpire", "%W~{teamspace}:queues"}
# Once an hour.
COLLECTION = {"+scan", "+hscan", "+incr", "%R~{teamspace}:epoch", "%W~{teamspace}:epoch", "%R~{teamspace}:cache:*",
              "%R~{teamspace}:models", "%R~{teamspace}:model:*", "%R~{teamspace}:restoring", "+exists"}  # fmt: skip
# Its page of queues asks for the length of those whose workers told of them in time.
LENGTHS = {f"%R~{{teamspace}}:{queue}*" for queue in Queue}
UNUSED: dict[str, set[str]] = {
    "client": WHOLE,
    "worker": WHOLE | KOMBU | EXPANSION,
    "ops": WHOLE | KOMBU | EXPANSION,
    "service": WHOLE | COLLECTION,
    "flower": KOMBU | LENGTHS,
}
SPEC = """\
name: shop
objective: {predict: bought, task: classification, positive: "yes", metric: roc_auc}
data: {sources: {visits: {file: visits.csv}}}
train: {candidates: [{logistic_regression: {grid: {C: [0.1, 1]}}}], search: {folds: 3}}
approve: true
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster whose lifecycle is over; everything still runs."""
    passwords = fresh_passwords()
    named = {f"{role.upper()}_PASSWORD": password for role, password in passwords.items()}
    users = subprocess.run(
        [ROOT / "deploy" / "redis" / "make-users", "teamspace"], env={**os.environ, **named}, check=True,
        capture_output=True, text=True,
    ).stdout  # fmt: skip
    cluster = Cluster(users, passwords, certified=True)
    try:
        yield cluster.start()
    finally:
        cluster.close()


@pytest.fixture(scope="module")
def used(cluster: Cluster) -> dict[str, Used]:
    """What each role used in a lifecycle: two models, one approved, promoted and rolled back; a cancelled run."""
    ear = Ear(cluster)
    cluster.begin_all()
    cluster.wait_for_pools()
    pages = cluster.begin_flower()
    folder = cluster.project().folder
    (folder / "shop.yaml").write_text(SPEC)
    rows = "".join(f"{n},{n * 7 % 90},{n % 3},{'yes' if n * 7 % 90 > 40 else 'no'}\n" for n in range(300))
    (folder / "visits.csv").write_text(f"id,age,basket,bought\n{rows}")
    _do(cluster, "doctor")
    for seed in ("1", "2"):
        _do(cluster, "run", "shop.yaml", "--set", f"split.seed={seed}", code=4)
        _do(cluster, "approve", "last", "--note", "as expected")
        _do(cluster, "watch", "last")
        _do(cluster, "promote", f"shop@{seed}")
    _do(cluster, "rollback", "shop")
    _do(cluster, "plan", "shop.yaml")
    for verb in ("status", "logs", "trials", "report"):
        _do(cluster, verb, "last")
    for verb in ("runs", "models", "workers", "approvals"):
        _do(cluster, verb)
    _do(cluster, "run", "shop.yaml", "--set", "split.seed=3", "--detach")
    _do(cluster, "cancel", "last")
    for page in ("workers", "tasks", "broker", "api/workers?refresh=1"):
        assert _page(pages, page, cluster.passwords["pages"]) == 200
    with cluster.admin() as admin:
        wait_until(lambda: not admin.zcard("{teamspace}:ended"), timeout=60)  # the service wrote their manifests
    for name in ("flower", "ops", "workers"):
        stop(cluster.processes[name], patience=60)
    ear.close()
    return ear.by_role()


def _do(cluster: Cluster, *words: str, code: int = 0) -> None:
    said = cluster.say(*words)
    assert said.code == code, (words, said)


def _page(address: str, page: str, password: str) -> int:
    given = base64.b64encode(f"cyclery:{password}".encode()).decode()
    asked = urllib.request.Request(f"{address}/{page}", headers={"Authorization": f"Basic {given}"})  # noqa: S310
    with urllib.request.urlopen(asked, timeout=120) as answer:  # noqa: S310  (our own Flower)
        return int(answer.status)


def test_nobody_is_denied_anything(cluster: Cluster, used: dict[str, Used]) -> None:
    with cluster.admin() as admin:
        assert [(one["username"], one["reason"], one["object"]) for one in admin.acl_log()] == []
    assert set(used) == set(ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_nobody_may_what_nothing_needs(cluster: Cluster, used: dict[str, Used], role: str) -> None:
    unused = Granted.of(cluster.users, role).unused(used[role], STEPS[role])
    left = sorted(unused - UNUSED[role])
    assert not left, " ".join(left)


@pytest.mark.parametrize("role", ROLES)
def test_every_command_in_a_step_is_a_right_of_its_senders(cluster: Cluster, role: str) -> None:
    granted = Granted.of(cluster.users, role)
    for step in STEPS[role]:
        assert step.commands - granted.commands == set()


FORBIDDEN = {
    "client": [
        "SET {teamspace}:cache:x 1", "SET {teamspace}:audit:drained 1", "DEL {teamspace}:audit:drained",
        "SET {teamspace}:window 1", "BRPOP {teamspace}:train 1", "HSET {teamspace}:slots train 9", "SCAN 0",
        "HDEL {teamspace}:looks:Churn k",
        "PUBLISH {teamspace}:/0.celery.pidbox x", "PSUBSCRIBE {teamspace}:/0.celeryev/*", "HSET {teamspace}:models a b",
    ],
    "worker": [
        "HGET {teamspace}:model:shop production", "HSET {teamspace}:model:shop production 1",
        "HGETALL {teamspace}:looks:Churn", "HDEL {teamspace}:looks:Churn k",
        "SADD {teamspace}:models x", "RPUSH {teamspace}:audit:outbox x",
        "BRPOP {teamspace}:ops 1", "LRANGE {teamspace}:ops 0 -1", "SCAN 0",
        "SET {teamspace}:window 1", "SADD {teamspace}:deleting x",
    ],
    "ops": ["BRPOP {teamspace}:train 1", "LTRIM {teamspace}:audit:outbox 1 0", "SCAN 0", "SADD {teamspace}:deleting x"],
    "service": [
        "HSET {teamspace}:model:shop production 1", "SET {teamspace}:cache:x 1", "BRPOP {teamspace}:train 1",
        "PUBLISH {teamspace}:/0.celery.pidbox x",
    ],
    "flower": [
        "HGETALL {teamspace}:run:x", "EVAL return 0", "LPUSH {teamspace}:train x", "SET {teamspace}:run:x 1", "SCAN 0",
        "BRPOP {teamspace}:train 1", "HGET {teamspace}:model:shop production", "INFO",
    ],
}  # fmt: skip
NOBODYS = [
    "KEYS *", "FLUSHALL", "FLUSHDB", "CONFIG GET requirepass", "CONFIG SET save x", "ACL LIST", "ACL SETUSER client on",
    "MONITOR", "SHUTDOWN", "SAVE", "BGREWRITEAOF", "REPLICAOF NO ONE", "MODULE LIST", "FUNCTION LIST",
    "CLIENT LIST", "CLIENT KILL ID 1", "SCRIPT FLUSH", "SCRIPT KILL", "SLOWLOG GET", "SWAPDB 0 1", "MIGRATE h 1 k 0 1",
    "SELECT 1", "GET {other}:stamp", "SET {other}:stamp 1", "GET teamspace:stamp", "SUBSCRIBE {other}:/0.celery.pidbox",
    "PUBLISH {other}:/0.celery.pidbox x", "DUMP {teamspace}:stamp", "RESTORE {teamspace}:stamp 0 x", "RANDOMKEY",
]  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_has_no_business_with_is_denied(cluster: Cluster, used: dict[str, Used], role: str) -> None:
    with cluster.client(role) as client:
        for command in FORBIDDEN[role] + NOBODYS:
            with pytest.raises(redis_py.exceptions.NoPermissionError):
                client.execute_command(*command.split())


def test_a_step_has_the_rights_of_its_sender(cluster: Cluster, used: dict[str, Used]) -> None:
    settings = cluster.settings("worker")
    with connect(settings) as client:
        with pytest.raises(CycleryError, match="may not"):
            Registry(client, settings).rollback("shop", by="nobody")
        with pytest.raises(CycleryError, match="may not"):
            Ledger(client, settings).expire()
    with cluster.admin() as admin:
        assert admin.hget("{teamspace}:model:shop", "production") == "1"


def test_nobody_comes_in_without_a_password(cluster: Cluster) -> None:
    with redis_py.Redis(port=cluster.port) as stranger, pytest.raises(redis_py.AuthenticationError):
        stranger.ping()
    said = cluster.say("runs", CYCLERY_REDIS_URL=f"redis://client:wrong@127.0.0.1:{cluster.port}/0")
    assert (said.code, len(said.err.splitlines())) == (5, 1)
    assert "refuses the password" in said.err
    assert "wrong" not in said.out + said.err


def test_a_user_without_rights_is_one_line(cluster: Cluster) -> None:
    said = cluster.say("runs", role="flower")
    assert (said.code, len(said.err.splitlines())) == (5, 1)
    assert "INFO" in said.err


def test_the_file_holds_no_password(cluster: Cluster) -> None:
    assert [password for password in cluster.passwords.values() if password in cluster.users] == []
