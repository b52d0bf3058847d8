"""How verbs come to a client; and what they take as arguments in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.output import Output

if TYPE_CHECKING:
    from orchestrator.client.client import Client
    from orchestrator.settings import Settings

FILE = click.Path(path_type=Path, dir_okay=True)


def read_settings() -> Settings:
    """The settings of this directory and environment; what is wrong with them is one line."""
    from tomllib import TOMLDecodeError

    from pydantic import ValidationError

    from orchestrator.contracts.errors import InvalidInput
    from orchestrator.settings import Settings

    try:
        return Settings()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"cyclery.toml or .env is not UTF-8 ({error.reason}): save both as UTF-8") from None
    except RecursionError:
        raise InvalidInput("cyclery.toml is nested too deeply: a setting is one value") from None
    except TOMLDecodeError as error:
        raise InvalidInput(f'cyclery.toml is not TOML: {error}; write for example namespace = "team"') from None
    except ValidationError as error:
        problems = [f"CYCLERY_{'.'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors()]
        raise InvalidInput("; ".join(problems)) from None


def client_for(output: Output) -> Client:
    """A client that announces on stderr."""
    from orchestrator.client.client import Client

    return Client(read_settings(), output.say)


def _complete_run(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    from orchestrator.client.client import Client
    from orchestrator.contracts.errors import CycleryError

    try:
        runs = [summary.run for summary in Client(read_settings()).runs()]
    except CycleryError:  # a completion has no way to say it
        return []
    return [name for name in [*runs, "last"] if name.startswith(incomplete)]


def run_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """RUN: its id, the beginning of it, or `last`."""
    return click.argument("run", shell_complete=_complete_run)(function)
