"""What it costs when everybody orders the same dish: `./run bench hot_sku`.

One row of the stock is then locked and changed by every order, instead of one of many. Both ways take turns
on one system: how many orders a second come to their end, and, at half the rate of the slower one, how long
an order takes. There is plenty of every dish. With `--twins` each service has a second worker, so that two
processes want the row at once; one alone handles its messages by whole batches, a row once a batch.
"""

import argparse
import sys
from collections.abc import Mapping
from contextlib import nullcontext

from benchmarks import sql
from benchmarks.keeping import keep, measured_on
from benchmarks.latency import latency
from benchmarks.system import NOTHING_ELSE, WARM_UP_SECONDS, Bench, Figures, bench, spread
from chaos.orders import Mix
from contracts.services import INVENTORY, ORDER
from runtime.database import connect_engine
from stack import prey
from stack.postgres import SUPERUSER

SECONDS, ROUNDS, DISHES = 30.0, 5, 200
_FIGURES = ("sagas_a_second", "cpu_ms_a_saga")
_TIMES = ("p50", "p99", "told_p50", "told_p99")


def make_dishes(on: Bench, number: int) -> Mapping[str, Mix]:
    """Dishes that can be ordered; what is ordered where all want the first, and where each wants any."""
    for service, statements in {ORDER: (sql.NEW_DISHES,), INVENTORY: sql.NEW_STOCK}.items():
        url = prey.database(on.layout, SUPERUSER, service.database)
        engine = connect_engine(url, process="benchmark", connections=1)
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(statement, {"number": number})
        engine.dispose()
    skus = [f"DISH-{n}" for n in range(1, number + 1)]
    return {"hot": _mix(skus[:1]), "spread": _mix(skus)}


def one_round(on: Bench, mixes: Mapping[str, Mix], seconds: float) -> Figures:
    """Every question once, so that repeats of one are not done in a row."""
    rates = {name: on.saturate(seconds, mix) for name, mix in mixes.items()}
    half = min(each["sagas_a_second"] for each in rates.values()) / 2
    return {name: rates[name] | latency(on, half, seconds, mix) for name, mix in mixes.items()}


def measure(on: Bench, mixes: Mapping[str, Mix], rounds: int, seconds: float) -> list[Figures]:
    """Every other round goes the other way about, so that neither always comes first."""
    names = list(mixes)
    return [
        one_round(on, {name: mixes[name] for name in (names if number % 2 else names[::-1])}, seconds)
        for number in range(rounds)
    ]


def summary(rounds: list[Figures]) -> Figures:
    """Of each figure the least, the median and the most; the ratios are of one round's figures."""
    told: Figures = {
        name: {key: spread([each[name][key] for each in rounds]) for key in (*_FIGURES, *_TIMES)}
        for name in ("hot", "spread")
    }
    told["half_rate"] = spread([each["hot"]["rate"] for each in rounds])
    for key in ("sagas_a_second", "p50", "p99"):
        told[f"ratio_{key}"] = spread([each["hot"][key] / each["spread"][key] for each in rounds])
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long each question is asked")
    parser.add_argument("--dishes", type=int, default=DISHES, help="over how many orders are spread")
    parser.add_argument("--twins", action="store_true", help="a second worker of each service")
    parser.add_argument("--warm-up", type=float, default=WARM_UP_SECONDS, help="seconds, once")
    asked = parser.parse_args()
    with bench("hot-sku", local_gateway=True, warm_up_seconds=asked.warm_up) as on:
        with prey.twins(on.layout) if asked.twins else nullcontext():
            rounds = measure(on, make_dishes(on, asked.dishes), asked.rounds, asked.seconds)
        broken, about = on.broken(), measured_on("sqlalchemy", "psycopg")
        about["versions"] |= on.versions()
    said = {"seconds": asked.seconds, "dishes": asked.dishes, "twins": asked.twins}
    keep("hot_sku", {**about, **said, **summary(rounds), "broken": broken, "rounds": rounds})
    sys.exit(1 if broken else 0)


def _mix(skus: list[str]) -> Mix:
    return Mix(orders=tuple((1, "tok_ok", ((sku, 1),)) for sku in skus), **NOTHING_ELSE)


if __name__ == "__main__":
    main()
