"""The table of verbs: which module holds each, and its line of help, so that `--help` imports none of them."""

from __future__ import annotations

from typing import NamedTuple


class Verb(NamedTuple):
    """One verb: the module below `orchestrator.cli` that has its command under the same name, and what it does."""

    module: str
    help: str


GROUPS: dict[str, dict[str, Verb]] = {
    "Begin": {
        "init": Verb("starting", "Write a starter project with real data."),
        "check": Verb("starting", "Validate a workflow file; shows all problems at once."),
        "feasibility": Verb("feasibility", "Tell whether data and target are realistic, before the search."),
        "plan": Verb("planning", "Show stages, what is cached, how long it may take, what changed."),
        "run": Verb("running", "Submit a workflow and watch it; Ctrl-C detaches."),
    },
    "Runs": {
        "runs": Verb("looking", "List runs, the newest first."),
        "status": Verb("looking", "Show how a run stands."),
        "watch": Verb("running", "Watch a run until it ends."),
        "logs": Verb("looking", "Show what the stages of a run wrote."),
        "trials": Verb("trials", "List, sort and filter the trials of a run."),
        "compare": Verb("comparing", "Set runs side by side."),
        "report": Verb("looking", "Write a run's HTML report and say where it is."),
        "cancel": Verb("running", "Stop a run."),
        "retry": Verb("running", "Run an ended run again, keeping what still matches."),
    },
    "Models and decisions": {
        "models": Verb("models", "List models with their versions."),
        "model": Verb("models", "Show one version, or export its artifacts."),
        "evaluate": Verb("evaluating", "Judge a version on new labelled data."),
        "promote": Verb("models", "Put a version into production."),
        "rollback": Verb("models", "Put the version before back into production."),
        "archive": Verb("models", "Take a version out of use."),
        "approvals": Verb("approving", "List what waits for a person."),
        "approve": Verb("approving", "Let a held run go on."),
        "reject": Verb("approving", "Do not let a held run go on."),
        "data": Verb("datasets", "List and show the data that runs have seen."),
    },
    "Stack": {
        "up": Verb("stack", "Start the embedded stack."),
        "down": Verb("stack", "Stop the embedded stack."),
        "workers": Verb("stack", "List worker pools and their queues."),
        "flower": Verb("stack", "Say where Flower is."),
        "doctor": Verb("doctor", "Show every setting and test every connection."),
        "restore": Verb("restoring", "Rebuild a lost Redis from the store."),
    },
    "Tools": {
        "schema": Verb("starting", "Print the JSON Schema of workflow files."),
        "completion": Verb("starting", "Print a shell's completion script."),
    },
}

VERBS: dict[str, Verb] = {name: verb for group in GROUPS.values() for name, verb in group.items()}
