"""Mutants that change nothing anybody could see or lose, each with the reason; kept short, and honest."""

from __future__ import annotations

from tests.faults.ledger.mutations import Mutant

# (file, a part of the mutant's name, why it makes no difference)
EQUIVALENT: tuple[tuple[str, str, str], ...] = (
    ("_library.lua", "front taken for", "who comes first among a run's own ready stages is fairness, not safety"),
    ("_library.lua", "#flat >= 2000 taken for", "the same records, written in more commands or in fewer"),
    (
        "_library.lua",
        "'waiting' shortened to record.state ~=",
        "what follows a stage has its record before that stage ends",
    ),
    ("_library.lua", "shortened to call('GET', P .. 'identity:'", "every run has an identity"),
    ("_library.lua", "fields.working taken for true", "there is nothing to read or to take away: a shortcut"),
    ("_library.lua", "status == 'held' taken for true", "one more checkpoint, of a run that goes on"),
    ("expire.lua", "shortened to call('HGET', key('workflows')", "every run has a workflow"),
    ("complete.lua", "shortened to not fields.stopping", "without a name nothing is staged: a shortcut"),
    ("complete.lua", "fields.refusal shortened to not fields.refusal", "what is not said stays unsaid"),
    ("complete.lua", "shortened to call('ZCARD'", "without a name nothing is staged, and nothing is asked for"),
    ("complete.lua", "')) == 1 taken for true", "a shortcut past digests of which none is there"),
    ("renew.lua", "record.spared taken for true", "the same record, written once more"),
    (
        "ledger.py",
        "epoch not looked at",
        "no cached result names what is being deleted, and the flip asks of sources again",
    ),
)


def reason(mutant: Mutant) -> str | None:
    """Why this mutant may survive; None: it must not."""
    return next((why for file, part, why in EQUIVALENT if mutant.path.endswith(file) and part in mutant.name), None)
