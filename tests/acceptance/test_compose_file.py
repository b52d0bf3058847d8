"""compose.yaml and the image stand on what the project promises, as Compose itself would read it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.contracts.tasks import Queue
from orchestrator.engine.app import SOFT_SHUTDOWN_S

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file with its merges resolved."""
    return yaml.safe_load((ROOT / "compose.yaml").read_text())  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    return compose["services"]  # type: ignore[no-any-return]


def test_there_is_a_worker_service_for_every_queue(services: dict[str, Any]) -> None:
    workers = {name.removeprefix("worker-") for name in services if name.startswith("worker-")}
    assert workers == {queue.value for queue in Queue}
    for queue in workers:
        assert services[f"worker-{queue}"]["command"][-1].startswith(f"{queue}:")


def test_all_but_redis_run_one_image_and_nobody_as_root(services: dict[str, Any]) -> None:
    own = {name: service for name, service in services.items() if name != "redis"}
    assert len({service["image"] for service in own.values()}) == 1
    assert [name for name, service in own.items() if "build" in service] == ["orchestrator"]
    for service in own.values():
        assert re.fullmatch(r"\$\{CYCLERY_UID:-[1-9]\d*\}:\$\{CYCLERY_GID:-[1-9]\d*\}", service["user"])
    assert re.search(r"^USER (?!root|0)", (ROOT / "deploy/Dockerfile").read_text(), re.MULTILINE)


def test_workers_are_given_longer_than_their_soft_shutdown(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if name.startswith("worker-"):
            assert int(service["stop_grace_period"].removesuffix("s")) > SOFT_SHUTDOWN_S


def test_redis_keeps_what_it_accepts_and_is_closed_to_others(services: dict[str, Any]) -> None:
    words = services["redis"]["command"]
    options = dict(zip(words[1::2], words[2::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--maxmemory-policy"] == "noeviction"
    assert options["--aclfile"] == "/etc/cyclery/users.acl"
    assert services["redis"]["volumes"] == ["redis:/data", "${CYCLERY_REDIS_CONFIG:-./.cyclery/redis}:/etc/cyclery:ro"]


def test_each_service_is_the_redis_user_of_its_role(services: dict[str, Any]) -> None:
    users = {}
    for name, service in services.items():
        if name != "redis":
            url = service["environment"]["CYCLERY_REDIS_URL"]
            user, password = re.search(r"://(\w+):\$\{CYCLERY_(\w+)_PASSWORD-\}@", url).groups()  # type: ignore[union-attr]
            users[name] = user
            assert password == {"flower": "MONITOR"}.get(user, user.upper())
    assert users == {
        "orchestrator": "service", "worker-prep": "worker", "worker-train": "worker", "worker-evaluate": "worker",
        "worker-ops": "ops", "flower": "flower",
    }  # fmt: skip


def test_over_tls_redis_listens_to_nothing_else_and_everybody_has_its_authority(services: dict[str, Any]) -> None:
    tls = yaml.safe_load((ROOT / "deploy/compose.tls.yaml").read_text())["services"]
    words = tls["redis"]["command"]
    options, plain = dict(zip(words[1::2], words[2::2], strict=True)), services["redis"]["command"]
    assert options["--port"] == "0"
    assert words[: len(plain)] == plain  # all that holds without TLS holds with it
    assert set(tls) == set(services)
    assert all("/etc/cyclery/ca.crt:ro" in tls[name]["volumes"][0] for name in tls if name != "redis")


def test_prepare_makes_a_password_for_each_role_and_tells_none(tmp_path: Path) -> None:
    done = subprocess.run([ROOT / "deploy/prepare", tmp_path], capture_output=True, text=True, check=True)
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    written = dict(re.findall(r"^(\w+)=(.*)$", (tmp_path / ".env").read_text(), re.MULTILINE))
    secret = [value for name, value in written.items() if name.endswith("_PASSWORD")]
    assert len(secret) == len(set(secret)) == 6
    assert not [value for value in secret if value in done.stdout + (tmp_path / ".cyclery/redis/users.acl").read_text()]
    assert written["CYCLERY_REDIS_URL"].startswith("redis://client:")
    assert (tmp_path / ".cyclery").stat().st_mode & 0o077 == 0


def test_ports_are_published_on_this_host_only_unless_told_otherwise(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", ())]
    assert published
    assert all(re.match(r"\$\{\w+:-127\.0\.0\.1:\d+\}:\d+$", port) for port in published)


def test_flower_asks_for_a_password(services: dict[str, Any]) -> None:
    assert "${CYCLERY_FLOWER_PASSWORD:?" in services["flower"]["environment"]["FLOWER_BASIC_AUTH"]


def test_every_service_has_a_health_check(services: dict[str, Any]) -> None:
    assert [name for name, service in services.items() if "healthcheck" not in service] == []


def test_every_container_of_a_host_shares_the_store_and_the_cache(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if name != "redis":
            targets = [volume.rsplit(":", 1)[-1] for volume in service["volumes"]]
            assert targets == ["/var/lib/cyclery/store", "/var/cache/cyclery"]


def test_what_only_newer_or_older_composes_know_is_not_used(compose: dict[str, Any]) -> None:
    assert set(compose) <= {"services", "volumes"} | {key for key in compose if key.startswith("x-")}
    for service in compose["services"].values():
        assert not {"pull_policy", "develop", "links", "mem_limit"} & set(service)


def test_the_images_lock_is_a_part_of_the_lock() -> None:
    assert pinned("deploy/requirements.lock") <= pinned("requirements.lock")
    names = {name for name, _ in pinned("deploy/requirements.lock")}
    assert {"celery", "pandas", "scikit-learn", "skops", "hatchling"} <= names
    assert not {"pytest", "mypy", "moto"} & names


def pinned(lock: str) -> set[tuple[str, str]]:
    """(name, version) of every entry of a lock."""
    return set(re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==([^ \\\n]+)", (ROOT / lock).read_text(), re.MULTILINE))


def test_no_file_of_the_deployment_names_a_registry() -> None:
    for path in (ROOT / "compose.yaml", *(ROOT / "deploy").rglob("*")):
        if path.is_dir():
            continue
        assert not re.search(r"\b(ghcr|docker|quay|pypi)\.(io|org|com)\b", path.read_text()), path


@pytest.mark.parametrize(
    "script",
    ["make-env", "prepare", "install-test-packages", "try-compose", "redis/make-users", "redis/make-certificates"],
)
def test_the_scripts_are_well_formed(script: str) -> None:
    path = ROOT / "deploy" / script
    assert path.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(path)], check=True)


def test_a_certificate_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    script = ROOT / "deploy" / "redis" / "make-certificates"
    made = subprocess.run([script, tmp_path, "::1", "no name,"], capture_output=True, text=True, check=False)
    assert made.returncode == 1
    assert "IP:::1,DNS:no name" in made.stderr
    assert made.stderr.endswith("no certificate was made: see what openssl says above\n")
    assert made.stdout == ""
