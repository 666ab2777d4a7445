"""The command line, from click: every command with its arguments, options and exit codes."""

import inspect
from collections.abc import Iterator

import click

from reference.markdown import code, page, table
from runtime.errors import NeverlostError
from stack.cli import cli
from stack.errors import NotReady, StackError

_EVERY_COMMAND = (
    ("0", "done, or all is well"),
    (str(StackError.exit_code), f"the answer is bad, or it could not be done ({NeverlostError.__name__})"),
    (str(click.UsageError.exit_code), "the command was not understood"),
    (
        str(NotReady.exit_code),
        "nothing runs, or a piece that is needed is missing; the text says how to get it",
    ),
    ("130", "interrupted"),
)


def document() -> str:
    """The page of the command line."""
    commands = list(_commands(cli, "./run"))
    return page(
        "Commands",
        "Every command ends by itself, and says what to do next when it fails. What a program reads is"
        " printed with `--json`, on the last line. Where a command says nothing else, it exits with:",
        table(("exit code", "meaning"), _EVERY_COMMAND),
        *(part for path, command in commands for part in _section(path, command)),
    )


def _commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Each command under its full name, in the order of names; what is hidden is for the code alone."""
    for name in sorted(group.commands):
        command = group.commands[name]
        if command.hidden:
            continue
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")


def _section(path: str, command: click.Command) -> Iterator[str]:
    arguments = [_argument(each) for each in command.params if isinstance(each, click.Argument)]
    yield f"## `{' '.join([path, *arguments])}`"
    yield inspect.cleandoc(command.help or "")
    options = [each for each in command.params if isinstance(each, click.Option) and not each.hidden]
    if options:
        yield table(("option", "meaning", "default"), map(_option, options))


def _argument(argument: click.Argument) -> str:
    name = argument.make_metavar(click.Context(click.Command("none")))
    if isinstance(argument.type, click.Choice):
        name = "|".join(argument.type.choices)
    return name if argument.required or name.startswith("[") else f"[{name}]"


def _option(option: click.Option) -> tuple[str, str, str]:
    kind = "" if option.is_flag else f" {_kind(option)}"
    told, _, default = (option.help or "").partition("[default:")
    if option.required:
        told = f"{told} Required."
    return code(", ".join(option.opts) + kind), told.strip(), default.rstrip("]").strip() or _default(option)


def _kind(option: click.Option) -> str:
    """What its value looks like."""
    kind = option.type
    if isinstance(kind, click.Choice):
        return "|".join(kind.choices)
    if isinstance(kind, click.IntRange | click.FloatRange):
        low, high = ("" if bound is None else f"{bound:,}" for bound in (kind.min, kind.max))
        return f"{low}..{high}"
    return kind.name.upper()


def _default(option: click.Option) -> str:
    """As it is written; a flag that is not given is off, which nobody needs to be told."""
    value = option.default
    return str(value) if isinstance(value, int | float | str) and not option.is_flag else ""
