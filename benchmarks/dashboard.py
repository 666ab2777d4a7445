"""How soon the dashboard's pages answer where much has happened: `./run bench dashboard [ROWS …]`.

For each size, by default 0 and 1,000,000, a system of its own with so many rows in every table that orders
make grow (the auditor's list of records is as short as the run). While ten orders a second come in, every
page is asked for in turn, on a connection that stays open, by nobody else; also one order, its event and a
page of the list that stand in the middle of that past. The floor is `/livez`: the same process, asked
nothing.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus

import urllib3
from sqlalchemy import text

from benchmarks import auditing
from benchmarks.history import fill
from benchmarks.keeping import keep, measured_on, spreads
from benchmarks.system import WARM_UP_SECONDS, Bench, Figures, bench
from chaos.collect import connected
from chaos.measures import percentile
from contracts.services import ORDER
from dashboard.saga_pages import VIEWS
from stack import prey

SIZES = (0, 1_000_000)
RATE, ROUNDS, TIMES = 10.0, 3, 30
SECONDS_MAX = 300.0
FLOOR = "livez"
_PLAIN = ("", FLOOR, "connectors", "topics", "dead-letters", "audit", "log")

_MIDDLE = "SELECT id FROM {0} ORDER BY id OFFSET (SELECT count(*) / 2 FROM {0}) LIMIT 1"
_LAST = "SELECT id FROM {0} ORDER BY id DESC LIMIT 1"


def places(on: Bench) -> Mapping[str, str]:
    """Every page that shows what there is, by the name of its figures."""
    found = {name.replace("-", "_") or "overview": f"/{name}" for name in _PLAIN}
    found |= {f"sagas_{name}": f"/sagas?view={name}" for name in VIEWS}
    with connected(prey.endpoints_of(on.layout), ORDER.name) as connection:
        id_of = {
            (where, table): connection.execute(text(statement.format(table))).scalar_one()
            for where, statement in (("middle", _MIDDLE), ("last", _LAST))
            for table in ("orders", "outbox")
        }
    return {
        **found,
        "sagas_from_the_middle": f"/sagas?view=newest&after={id_of['middle', 'orders']}",
        **{f"order_{where}": f"/orders/{id_of[where, 'orders']}" for where in ("middle", "last")},
        **{f"event_{where}": f"/events/{id_of[where, 'outbox']}" for where in ("middle", "last")},
    }


def one_round(on: Bench, times: int) -> Figures:
    """By page, milliseconds until its last byte: within which half of the answers came, and 99 %."""
    took: dict[str, list[float]] = defaultdict(list)
    asked = places(on)
    with (
        on.load(RATE, SECONDS_MAX),
        urllib3.HTTPConnectionPool("127.0.0.1", on.layout.port("dashboard"), retries=False) as pool,
    ):
        for _ in range(times):
            for name, place in asked.items():
                took[name].append(_milliseconds(pool, place))
    return {name: _shares(each) for name, each in took.items()}


def _milliseconds(pool: urllib3.HTTPConnectionPool, place: str) -> float:
    began = time.perf_counter()
    answer = pool.request("GET", place)
    took = (time.perf_counter() - began) * 1000
    if answer.status != HTTPStatus.OK:
        raise AssertionError(f"{place} answered {answer.status}: {answer.data[:300]!r}")
    return took


def _shares(took: list[float]) -> Figures:
    return {f"p{share * 100:g}": round(percentile(took, share), 1) for share in (0.5, 0.99)}


def measure(rows: int, rounds: int, times: int, warm_up: float) -> Figures:
    with bench("pages", local_gateway=True, warm_up_seconds=warm_up, before=partial(fill, rows=rows)) as on:
        told = spreads([one_round(on, times) for _ in range(rounds)])
        return {"pages": told, "broken": auditing.against(on.layout), "versions": on.versions()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "sizes", type=int, nargs="*", default=SIZES, metavar="ROWS", help="rows in each table"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--times", type=int, default=TIMES, help="how often a round asks for each page")
    parser.add_argument("--warm-up", type=float, default=WARM_UP_SECONDS, help="seconds, once a system")
    asked = parser.parse_args()
    told = {
        str(rows): measure(rows, asked.rounds, asked.times, asked.warm_up)
        for rows in sorted(set(asked.sizes))
    }
    broken = {rows: each.pop("broken") for rows, each in told.items()}
    about = measured_on("flask", "psycopg")
    for each in told.values():
        about["versions"] |= each.pop("versions")
    keep("dashboard", {**about, "orders_a_second": RATE, "rows": told, "broken": broken})
    sys.exit(1 if any(broken.values()) else 0)


if __name__ == "__main__":
    main()
