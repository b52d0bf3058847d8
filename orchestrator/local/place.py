"""Where the embedded stack of one project keeps its files: everything below CYCLERY_HOME, one short socket apart."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from orchestrator.contracts.errors import Unreachable

_SOCKET_PATH_BYTES = 100  # macOS allows 103, Linux 107; Redis and its clients fail without a clear word beyond


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one home, absolute."""

    home: Path

    @classmethod
    def of(cls, home: Path) -> Place:
        """The place of this home, as seen from the working directory."""
        return cls(Path(os.path.abspath(home)))  # noqa: PTH100  (resolve() would follow a linked home)

    @property
    def state(self) -> Path:
        """Who runs and how to reach them; readable by its owner only, since it holds the password of Redis."""
        return self.home / "stack.json"

    @property
    def starting(self) -> Path:
        """The lock of whoever starts or stops the stack."""
        return self.home / "up.lock"

    @property
    def running(self) -> Path:
        """The lock that the supervisor holds while it lives; the system frees it however the supervisor ends."""
        return self.home / "supervisor.lock"

    @property
    def redis(self) -> Path:
        """Redis's working directory: configuration and append-only file."""
        return self.home / "redis"

    @property
    def logs(self) -> Path:
        """One log for each process."""
        return self.home / "logs"

    def log(self, name: str) -> Path:
        """The log of the process with this name."""
        return self.logs / f"{name}.log"

    def marker(self) -> str:
        """What names this home among all of the machine; it survives a renaming of the folder."""
        found = self.home.stat()
        return hashlib.sha256(f"{found.st_dev}:{found.st_ino}".encode()).hexdigest()[:16]

    def prepare(self) -> None:
        """Make the folders; `Unreachable` when the home cannot be written."""
        try:
            for folder in (self.home, self.redis, self.logs):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                _close_to_others(folder)  # another verb may have made it, as open as its files are
            probe = self.home / f".probe-{secrets.token_hex(4)}"
            probe.touch()
            probe.unlink()
        except OSError as problem:
            raise Unreachable(
                f"{self.home}: cannot be written ({problem.strerror}); set CYCLERY_HOME to a folder that belongs to you"
            ) from problem

    def password(self) -> str:
        """The password of this home's Redis, made at the first start."""
        path = self.redis / "password"
        if not path.exists():
            write_private(path, secrets.token_urlsafe(24))
        return path.read_text()

    def socket(self) -> Path | None:
        """A private path for Redis's socket; None when there is none short and plain enough, and a port must do."""
        inside = self.redis / "redis.sock"
        # Flower does not decode what a URL must encode: a blank in the path would lose it the way to Redis.
        if len(os.fsencode(inside)) <= _SOCKET_PATH_BYTES and quote(str(inside)) == str(inside):
            return inside
        folder = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"cyclery-{self.marker()}"
        outside = folder / "redis.sock"
        if len(os.fsencode(outside)) > _SOCKET_PATH_BYTES or not _own_private_folder(folder):
            return None
        return outside


def write_private(path: Path, text: str) -> None:
    """Replace a file that only its owner may read, in one step."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def _close_to_others(folder: Path) -> None:
    found = folder.stat()
    if found.st_uid == os.getuid() and found.st_mode & 0o077:
        folder.chmod(0o700)


def _own_private_folder(folder: Path) -> bool:
    """Whether the folder is ours alone: in a shared directory somebody else may have made one of this name."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
