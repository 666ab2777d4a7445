"""How long an order takes, from when it was to be sent: until its end is stored, and until it is told."""

from benchmarks import sql
from benchmarks.system import MIXED, Bench, Figures
from chaos.collect import connected
from chaos.history import operations, read
from chaos.measures import percentile
from chaos.orders import Mix
from contracts.services import ORDER
from runtime.waiting import until
from stack import prey

SETTLE_SECONDS_MAX = 120.0


def latency(on: Bench, rate: float, seconds: float, mix: Mix = MIXED) -> Figures:
    """Milliseconds at a rate of orders a second; all clocks are this machine's.

    `p50`, `p99`: until an order's final status is in the order service's database. `told_p50`, `told_p99`:
    until a read_committed reader has it.
    """
    with on.load(rate, seconds, mix) as (load, path):
        load.join()
    meant: dict[str, float] = {}
    first: dict[str | None, float] = {}
    for each in operations(read(path)):
        # Who asks again for want of an answer has waited since the first time.
        asked = first.setdefault(each.begin.key, each.begin.intended or each.begin.at)
        if each.end and each.end.type == "ok":
            meant.setdefault(each.end.value["order_id"], each.end.wall - each.end.at + asked)
    if len(meant) < len(first):
        raise AssertionError(f"{len(first) - len(meant)} of {len(first)} orders were not accepted")
    until(
        lambda: meant.keys() <= on.watch.ended.keys(),
        within_seconds=SETTLE_SECONDS_MAX,
        what="the last orders",
    )
    stored, told = _stored(on, meant), on.watch.ended
    return {
        "rate": round(rate, 1),
        "orders": len(meant),
        **_shares("", [(stored[order_id] - at) * 1000 for order_id, at in meant.items()]),
        **_shares("told_", [(told[order_id] - at) * 1000 for order_id, at in meant.items()]),
    }


def _stored(on: Bench, order_ids: dict[str, float]) -> dict[str, float]:
    """When the statement ran that ended each order's saga, in Unix time; its commit comes right after."""
    with connected(prey.endpoints_of(on.layout), ORDER.name) as connection:
        rows = connection.execute(sql.SAGA_ENDS, {"ids": list(order_ids)})
        return {row.id: row.at for row in rows}


def _shares(name: str, took: list[float]) -> Figures:
    return {f"{name}p{share * 100:g}": round(percentile(took, share), 1) for share in (0.5, 0.99)}
