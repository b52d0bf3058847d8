"""Every error that Cyclery raises on purpose, with the exit code that the command answers."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.contracts.text import shown


class CycleryError(Exception):
    """The base of all: a message of one line that says what, where and what to do."""

    exit_code = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(shown(message.replace("\n", " ")))


class InvalidInput(CycleryError):
    """What a person gave cannot be used: a wrong option, name, file or reference."""

    exit_code = 2


class SpecError(InvalidInput):
    """A workflow file with problems; `problems` holds one `file:line:col: …` line for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__()
        self.problems = tuple(shown(problem.replace("\n", " ")) for problem in problems)
        self.args = ("\n".join(self.problems),)


class DataError(InvalidInput):
    """Data that cannot be read, breaks its checks, or cannot serve the objective."""


class StageFailed(CycleryError):
    """A stage ended in failure."""


class UserCodeError(StageFailed):
    """A team's own code raised; `frames` holds the traceback lines of that code only."""

    def __init__(self, message: str, frames: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.frames = tuple(frames)


class RequirementMissing(StageFailed):
    """A package that a team's code requires is not installed on the pool that ran it."""


class LimitExceeded(StageFailed):
    """A stage ran longer, or took more memory, than its policy allows."""


class TransientError(CycleryError):
    """A failure that may pass by itself: the only family that is retried."""


class Unreachable(TransientError):
    """Redis, the workers or the store do not answer."""

    exit_code = 5


class Outdated(CycleryError):
    """What was met is of a newer release than this one, which leaves it alone."""

    exit_code = 5


class ArtifactMissing(CycleryError):
    """Bytes that a reference names are not in the store; `digest` names them."""

    def __init__(self, message: str, digest: str) -> None:
        super().__init__(message)
        self.digest = digest


class ArtifactCorrupt(ArtifactMissing):
    """Bytes in the store are not what their name says; they count as missing."""


class RecordConflict(CycleryError):
    """A create-only record exists already with other content."""


class RecordDamaged(CycleryError):
    """A record in the store or in Redis cannot be read; `name` is its name there."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


class LedgerBehind(CycleryError):
    """Redis knows less than the store: it has lost its data, or is another Redis."""

    exit_code = 5


class NotPermitted(CycleryError):
    """The rules do not allow this to whoever asks."""

    exit_code = 6
