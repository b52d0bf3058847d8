"""The embedded stack under umask 0, with secrets planted: they stand nowhere, and nobody else comes near.

A team's stage is given a secret and shouts it: in its output, in an exception, in pieces and coded ones it must not be
promised to be hidden (docs/security.md); here it is looked for as it is, and as common encodings that we ourselves
could have made of it.
"""

from __future__ import annotations

import base64
import json
import os
import pwd
import re
import stat
import subprocess
import sys
import threading
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pyarrow.parquet as pq
import pytest
import redis as redis_py

from tests.acceptance.project import ROOT, Project
from tests.waiting import wait_until

TOKEN = 'tok/en+"quoted"&ü-8f3a1c'  # each encoding spells it in its own way
LINES = "-----BEGIN KEY-----\nfirst-line-of-a-key-71\nsecond-line-of-a-key-72"
STORE_KEY = "planted-store-secret-55aa"
SPEC = """\
name: shop
objective: {predict: bought, task: classification, positive: "yes", metric: roc_auc}
data: {sources: {visits: {file: visits.csv}}}
stages:
  - name: loud
    call: loud:shout
    with: {token: {secret: SHOP_TOKEN}, key: {secret: SHOP_KEY}, fail: false}
    after: prepare
    before: split
train: {candidates: [{logistic_regression: {fixed: {C: 1}}}], search: {folds: 2}}
"""
CODE = """\
import logging, sys, time
import pandas as pd

def shout(visits: pd.DataFrame, *, token: str, key: str, fail: bool) -> pd.DataFrame:
    print("plain", token)
    print(key)
    sys.stderr.write(f"to stderr {token}\\n")
    logging.getLogger("team").warning("logged %s", token)
    for piece in (token[:9], token[9:], "\\n"):  # in pieces of one line
        sys.stdout.write(piece)
        sys.stdout.flush()
        time.sleep(0.2)
    if fail:
        raise ValueError(f"cannot log in with {token}: {key}")
    return visits
"""


TABLE = "draw=1&start=0&length=100&search[value]=&order[0][column]=0&order[0][dir]=asc&columns[0][data]=name"


def spellings(secret: str) -> list[bytes]:
    """The secret as text, as JSON, as a URL, in base64 and as Python writes it."""
    written = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], quote(secret, safe=""),
               repr(secret)[1:-1], base64.b64encode(secret.encode()).decode()}  # fmt: skip
    return [one.encode() for one in written]


PLANTED = {"token": spellings(TOKEN), "key": [line for part in LINES.splitlines()[1:] for line in spellings(part)],
           "store": spellings(STORE_KEY)}  # fmt: skip


def leaked(data: bytes, planted: dict[str, list[bytes]]) -> set[str]:
    """Which secrets stand in these bytes."""
    return {name for name, found in planted.items() if any(one in data for one in found)}


@dataclass
class Site:
    """A project whose runs are over while its stack still runs, and all that Redis was told meanwhile."""

    project: Project
    heard: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def home(self) -> Path:
        """CYCLERY_HOME."""
        return self.project.folder / ".cyclery"

    def state(self) -> dict[str, Any]:
        """The stack's own file."""
        return json.loads((self.home / "stack.json").read_text())  # type: ignore[no-any-return]

    def redis(self) -> redis_py.Redis:
        """A client of the stack's Redis."""
        return redis_py.Redis.from_url(self.state()["redis_url"], socket_timeout=None)

    def processes(self) -> list[psutil.Process]:
        """The supervisor and all below it."""
        supervisor = psutil.Process(self.state()["pid"])
        return [supervisor, *supervisor.children(recursive=True)]

    def listen(self) -> None:
        """Note all that Redis is told, from now on, as its monitor shows it."""
        with self.redis() as client:
            try:
                with client.monitor() as monitor:
                    for one in monitor.listen():
                        self.heard.append(one["command"])
            except (redis_py.ConnectionError, redis_py.TimeoutError):  # the stack goes down
                return


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    before = os.umask(0)
    project = Project(tmp_path_factory.mktemp("project"))
    project.write("shop.yaml", SPEC)
    project.write("loud.py", CODE)
    rows = "".join(f"{n},{n * 7 % 90},{n % 3},{'yes' if n * 7 % 90 > 40 else 'no'}\n" for n in range(200))
    project.write("visits.csv", f"id,age,basket,bought\n{rows}")
    (project.folder / ".cyclery").mkdir()  # as open as umask 0 makes it
    site = Site(project)
    secret: dict[str, Any] = {
        "SHOP_TOKEN": TOKEN,
        "SHOP_KEY": LINES,
        "CYCLERY_STORE_SECRET": STORE_KEY,
        "CYCLERY_STORE_KEY_ID": "id",
    }
    try:
        assert project.say("up", **secret).code == 0
        threading.Thread(target=site.listen, daemon=True).start()
        for words in (
            ("run", "shop.yaml", "--json"), ("run", "shop.yaml", "--set", "stages.0.with.fail=true"),
            ("status", "last", "--json"), ("logs", "last"), ("logs", "last", "--json"), ("report", "last"),
            ("runs", "--json"), ("plan", "shop.yaml", "--json"), ("model", "shop", "--json"), ("doctor", "--json"),
            ("workers", "--json"), ("run", "shop.yaml", "--new", "--debug"), ("status", "last", "--debug"),
        ):  # fmt: skip
            said = project.say(*words, **secret)
            site.said.append(said.out + said.err)
        assert "cannot log in with" in "".join(site.said)
        with site.redis() as client:
            wait_until(lambda: not client.zcard("{cyclery}:ended"), timeout=60)
        yield site
    finally:
        os.umask(before)
        project.say("down")


def files(site: Site) -> list[Path]:
    """Every plain file below the home."""
    return [path for path in site.home.rglob("*") if path.is_file() and not path.is_symlink()]


def readings(path: Path) -> Iterator[bytes]:
    """A file's bytes, and what is packed in them."""
    data = path.read_bytes()
    yield data
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            for name in packed.namelist():
                yield packed.read(name)
    elif data[:4] == b"PAR1":
        yield pq.read_table(path).to_pandas().to_csv().encode()
    for start in [one.start() for one in re.finditer(rb"\x78\x9c", data[:100_000])]:
        try:
            yield zlib.decompress(data[start:])
        except zlib.error:
            continue


def test_no_secret_stands_in_any_file(site: Site) -> None:
    found = {(str(path.relative_to(site.home)), name) for path in files(site) for data in readings(path)
             for name in leaked(data, PLANTED)}  # fmt: skip
    assert found == set()
    logs = [path for path in files(site) if path.suffix == ".aof" or "logs" in path.parts]
    assert any(path.suffix == ".aof" for path in logs)  # Redis's file was looked at


def test_the_secrets_were_really_shouted(site: Site) -> None:
    shown = "".join(site.said)
    for words in ("plain •••", "logged •••", "to stderr •••", "cannot log in with •••"):
        assert words in shown


def test_no_secret_was_ever_told_to_redis(site: Site) -> None:
    told = "\n".join(site.heard).encode()
    for kind in ("PUBLISH", "XADD", "HSET", "LPUSH"):  # events, live logs, the ledger, messages
        assert kind in {one.split(" ", 1)[0].upper() for one in site.heard}
    assert leaked(told, PLANTED) == set()
    assert leaked(told.replace(b"\\\\", b"\\"), PLANTED) == set()


def test_no_secret_stands_in_any_key(site: Site) -> None:
    texts = b""
    with site.redis() as client:
        for key in client.scan_iter(count=1000):
            kind = client.type(key)
            read = {b"string": client.get, b"hash": client.hgetall, b"set": client.smembers, b"stream": client.xrange}
            if kind in read:
                value: Any = read[kind](key)
            else:
                value = client.lrange(key, 0, -1) if kind == b"list" else client.zrange(key, 0, -1)
            texts += key + b"=" + _flat(value) + b"\n"
    assert len(texts) > 10_000
    assert leaked(texts, PLANTED) == set()


def _flat(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict):
        return b"\n".join(_flat(one) for pair in value.items() for one in pair)
    if isinstance(value, list | tuple | set):
        return b"\n".join(_flat(one) for one in value)
    return str(value).encode()


def test_the_command_shows_none(site: Site) -> None:
    password = (site.home / "redis" / "password").read_text()
    shown = "\n".join(site.said).encode()
    assert leaked(shown, {**PLANTED, "redis": [password.encode()]}) == set()


def test_flower_shows_none(site: Site) -> None:
    password = (site.home / "redis" / "password").read_text().encode()
    address, worker = site.state()["flower_url"], f"prep@{os.uname().nodename}"
    for page in ("", "workers", "tasks", "broker", f"worker/{worker}", f"tasks/datatable?{TABLE}"):
        with urllib.request.urlopen(f"{address}/{page}", timeout=60) as answer:  # noqa: S310  (our own Flower)
            assert leaked(answer.read(), {**PLANTED, "redis": [password]}) == set(), page
    for change in ("api/worker/shutdown/prep", "api/tasks", "api/workers"):
        asked = urllib.request.Request(f"{address}/{change}")  # noqa: S310  (our own Flower)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(asked, timeout=60)  # noqa: S310  (our own Flower)
        refused.value.close()
        assert refused.value.code in (401, 403, 405)


def test_no_password_is_an_argument_of_a_process(site: Site) -> None:
    password = (site.home / "redis" / "password").read_text().encode()
    for process in site.processes():
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert leaked(arguments, {**PLANTED, "redis": [password]}) == set(), arguments


def test_the_home_is_its_owners_alone_whatever_the_umask(site: Site) -> None:
    def mode(path: Path) -> int:
        return stat.S_IMODE(path.lstat().st_mode)

    for folder in (site.home, site.home / "redis", site.home / "logs"):
        assert mode(folder) == 0o700, folder
    private = [site.home / "stack.json", *(path for path in (site.home / "redis").rglob("*"))]
    assert {"password", "redis.conf"} <= {path.name for path in private}
    assert [(path, oct(mode(path))) for path in private if mode(path) & 0o077] == []


def test_another_user_reaches_nothing(site: Site) -> None:
    nobody = pwd.getpwnam("nobody")
    if os.getuid() != 0:
        pytest.fail("run the tests as root, or in the image: another user cannot be played otherwise")
    code = (
        "import os, socket, sys\n"
        f"os.setgroups([]); os.setgid({nobody.pw_gid}); os.setuid({nobody.pw_uid})\n"
        "for path in sys.argv[2:]:\n"
        "    try: open(path, 'rb').read(); print('read', path)\n"
        "    except OSError: pass\n"
        "try: s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print('connected')\n"
        "except OSError: pass\n"
    )
    paths = [str(path) for path in files(site)]
    redis = str(site.home / "redis" / "redis.sock")
    done = subprocess.run([sys.executable, "-c", code, redis, *paths[:200]], capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_nothing_listens_beyond_this_host(site: Site) -> None:
    lines = [line for process in site.processes() for line in process.net_connections("inet")]
    addresses = [line.laddr.ip for line in lines if line.status == "LISTEN"]
    assert set(addresses) == {"127.0.0.1"}


def test_no_name_in_a_shared_folder_can_be_guessed(tmp_path: Path) -> None:
    for package in ("orchestrator", "workers"):
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text()
            assert '"/tmp' not in text, path
            assert "mktemp(" not in text, path
