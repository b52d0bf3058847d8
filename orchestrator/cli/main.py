"""The entry point of `cyclery`: finds the verb, answers with its exit code, turns errors into one line."""

from __future__ import annotations

import errno
import gc
import os
import sys
from importlib import import_module
from typing import Any

import click

from orchestrator.cli import streams
from orchestrator.cli.output import fail
from orchestrator.cli.verbs import GROUPS, VERBS
from orchestrator.contracts.errors import CycleryError
from orchestrator.contracts.text import is_unicode, shown

INTERRUPTED = 130


class Verbs(click.Group):
    """Verbs whose modules are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's)
        """All verbs, in the order of the help."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  (click's)
        """The command of a verb, from its module."""
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        command: click.Command = getattr(import_module(f"orchestrator.cli.{verb.module}"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """An unknown verb is answered with the one that was meant."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from orchestrator.spec.problems import did_you_mean

            raise click.UsageError(f"there is no verb {args[0]!r}{did_you_mean(args[0], VERBS)}; see `cyclery --help`")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  (click's)
        """The verbs by group, without importing one."""
        for title, verbs in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name, verb.help) for name, verb in verbs.items()])


def _version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        click.echo(f"cyclery {version('cyclery')}")
        ctx.exit()


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def cyclery() -> None:
    """The machine-learning lifecycle as durable workflows on Celery and Redis.

    Begin with `cyclery init`, then `cyclery run workflow.yaml`. Every verb takes --json and --debug.
    """


def main() -> None:
    """The command: leave with the verb's exit code.

    Looking for garbage among what imports made takes a fifth of a short verb, half of it when the interpreter ends.
    """
    gc.set_threshold(100_000, 50, 50)
    streams.prepare()
    code = streams.finish(answer(sys.argv[1:]))
    gc.freeze()
    sys.exit(code)


def answer(given: list[str]) -> int:
    """Do what these words say; the exit code. A pipe that ended (`cyclery runs | head`) is no fault."""
    try:
        return _answer(given)
    except SystemExit:  # click's and rich's answer to such a pipe, and nobody else's
        return streams.give_up(BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)))
    except OSError as error:
        if not streams.is_of_streams(error):
            raise
        return streams.give_up(error)


def _answer(given: list[str]) -> int:
    as_json, debug = "--json" in given, "--debug" in given
    strange = next((word for word in given if not is_unicode(word)), None)
    if strange is not None:
        return fail(f"{strange!a} is no text: write words and names of files in UTF-8", 2, as_json=as_json)
    try:
        answered: Any = cyclery.main(args=given, prog_name="cyclery", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except (click.Abort, KeyboardInterrupt):
        return fail("interrupted", INTERRUPTED, as_json=as_json)
    except Exception as error:
        of_streams = isinstance(error, OSError) and streams.is_of_streams(error)
        if of_streams or (debug and not isinstance(error, click.ClickException)):
            raise
        message, code = _judged(error)
        return fail(message, code, as_json=as_json, problems=getattr(error, "problems", None))
    return answered if isinstance(answered, int) else 0


def _judged(error: Exception) -> tuple[str, int]:
    """An error as a person reads it, and its exit code."""
    if isinstance(error, click.ClickException):
        return _sentence(error), 2
    if isinstance(error, CycleryError):
        return str(error), error.exit_code
    # A connection that broke while a verb was at work: redis-py is only asked where it is loaded.
    redis = sys.modules.get("redis")
    if redis is not None and isinstance(error, redis.RedisError):
        from orchestrator.store.refusals import refusal

        known = refusal(error, "CYCLERY_REDIS_URL")
        if known is not None:
            return str(known), known.exit_code
        if isinstance(error, (redis.ConnectionError, redis.TimeoutError)):
            return f"Redis went away ({error}): see that it runs (`cyclery doctor`)", 5
    if isinstance(error, OSError) and error.filename is not None:
        name = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else error.filename
        return f"{name}: cannot be used ({error.strerror}): see that it may be written and that its disk has room", 5
    message = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{message} (a defect of Cyclery; --debug shows where)", 1


def _sentence(error: click.ClickException) -> str:
    message = shown(" ".join(error.format_message().split())).rstrip(".")
    usage = getattr(error, "ctx", None)
    if isinstance(error, click.UsageError) and usage is not None and usage.command is not cyclery:
        return f"{message[:1].lower()}{message[1:]}; see `{usage.command_path} --help`"
    return f"{message[:1].lower()}{message[1:]}"
