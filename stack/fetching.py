"""What the JVMs of the stack run on: a Java, the jars, and the relays' plugin, all made ready once."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from connect import jars, plugin
from stack import java
from stack.layout import cache_folder


def fetch(console: Console) -> None:
    """Get what is missing. Raises NeverlostError."""
    program = java.find_or_install(console.print)
    _fetch_jars(console)
    plugin.build(program, cache_folder())


def _fetch_jars(console: Console) -> None:
    columns = (
        TextColumn("Fetching jars"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None, visible=False)
        jars.fetch(
            cache_folder(),
            lambda done, total, name: progress.update(
                task, completed=done, total=total, description=name, visible=True
            ),
        )
