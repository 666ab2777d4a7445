"""Options that several commands share."""

import re
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

from runtime.environment import Environment
from stack import ports
from stack.layout import DEADLINE_SECONDS, DEFAULT_STATE
from web.rate_limit import FORM, parse_rate_limit


def _offset(_context: click.Context, _parameter: click.Parameter, value: int) -> int:
    if not ports.is_offset(value):
        raise click.BadParameter(f"0, or {ports.OFFSET_LOW} to {ports.OFFSET_HIGH}")
    return value


class Age(click.ParamType[float]):
    """A length of time such as 30s, 10m, 2h or 1d, in seconds."""

    name = "age"
    _SECONDS = MappingProxyType({"s": 1, "m": 60, "h": 3600, "d": 86_400})

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = re.fullmatch(r"(\d{1,6})([smhd])", str(value))
        if found is None:
            self.fail(f"{value!r} is no age: say 30s, 10m, 2h or 1d", param, ctx)
        return float(int(found[1]) * self._SECONDS[found[2]])


state_option = click.option(
    "--state",
    type=click.Path(file_okay=False, resolve_path=True, path_type=Path),
    default=DEFAULT_STATE,
    help="The folder that holds the stack's data, logs and secrets.  [default: var/]",
)
offset_option = click.option(
    "--port-offset", type=int, default=0, callback=_offset, help="Added to every port: 0, or 10000 to 50000."
)
failures_option = click.option(
    "--failures",
    type=click.FloatRange(0, 1),
    default=0.0,
    help="The share of payments, and of reservations, that fail on purpose.",
)
deadline_option = click.option(
    "--deadline",
    type=click.IntRange(15, 86_400),
    default=DEADLINE_SECONDS,
    show_default=True,
    help="Seconds that an answer may take before its order turns round; twice that to compensate.",
)
jmx_option = click.option(
    "--jmx",
    is_flag=True,
    help="Brokers and Connect tell Prometheus of themselves; it costs memory and a slower start.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line.")


def rate_limit(environment: Environment | None = None) -> str:
    """RATE_LIMIT, refused here when it is none: a service would only end."""
    environment = environment or Environment()
    environment.parsed("RATE_LIMIT", parse_rate_limit, "off", FORM)
    environment.check()
    return environment.text("RATE_LIMIT", "off", form=FORM)
