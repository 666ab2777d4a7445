"""What was wanted of a figure, and whether it was reached: the first table of the page."""

from dataclasses import dataclass
from typing import TypeAlias

from benchmarks.keeping import kept, measured

# Of a figure: the benchmark that keeps it, and its path in there.
Place: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Wish:
    """A figure, or one by another: at least `must`, better `aim`; at most, where the aim is the lower one."""

    what: str
    must: float
    aim: float
    figure: Place
    by: Place | None = None

    def verdict(self, found: float) -> str:
        sign = 1 if self.aim >= self.must else -1
        if sign * found >= sign * self.aim:
            return "yes, and what was hoped for"
        return "yes" if sign * found >= sign * self.must else "**no**"


OURS, BRISK = ("saga", "mixed.sagas_a_second"), "saturated.sagas_a_second"
WISHES = (
    Wish("orders over HTTP, by pgbench with the same transaction", 0.5, 1.0, ("api", "ratio")),
    Wish("its p99 at 70 % of that, by pgbench's", 5, 2.5, ("api", "p99_ratio")),
    Wish("a relay's backlog, by `pg_recvlogical`", 0.4, 0.6, ("relay", "drain.ratio")),
    Wish("from commit to reader at 100 a second, ms, p50", 40, 15, ("relay", "latency_ms.100.p50")),
    Wish("the same, p99", 110, 50, ("relay", "latency_ms.100.p99")),
    Wish(
        "a backlog exactly once, by at least once",
        0.85,
        0.95,
        ("relay", "exactly_once_by_at_least_once.flowing_a_second"),
    ),
    Wish("a consumer's batches, by one at a time", 6, 10, ("consumer", "ratio_to_single")),
    Wish("orders a second, by Restate's", 1.5, 3, OURS, ("peers", f"peers.restate.{BRISK}")),
    Wish("CPU of an order, ms", 3.1, 1.6, ("saga", "mixed.cpu_ms_a_saga")),
    Wish("orders a second, by three written by hand", 1, 2, OURS, ("peers", f"peers.hand_written.{BRISK}")),
    Wish("orders a second, by the same work with no saga", 0.4, 0.6, ("saga", "ratio")),
    Wish("an order's end at 10 a second, ms, p50", 200, 75, ("saga", "slow.p50")),
    Wish("the same, p99", 500, 150, ("saga", "slow.p99")),
    Wish(
        "orders a second over 10,000,000 rows, by over none",
        0.85,
        0.95,
        ("growth", "rows.10000000.plain.sagas_a_second"),
        ("growth", "rows.0.plain.sagas_a_second"),
    ),
    Wish("a warm start until an order is COMPLETED, s", 30, 12, ("start", "warm.completed_seconds")),
    Wish("memory of the whole system, MB", 3200, 2400, ("start", "warm.memory_mb")),
)


def table() -> str:
    """Of medians; what is not measured says so."""
    head = "| figure | wanted | hoped for | measured | reached |\n|---|---|---|---|---|\n"
    return head + "".join(_row(wish) for wish in WISHES)


def figure(wish: Wish) -> float | None:
    """The median of what was measured; by that of the other, where there is one."""
    over, under = _median(wish.figure), _median(wish.by) if wish.by else 1.0
    return over / under if over is not None and under else None


def _row(wish: Wish) -> str:
    found = figure(wish)
    told = ("", "not measured") if found is None else (_told(found), wish.verdict(found))
    wanted = f"{'at least' if wish.aim >= wish.must else 'at most'} {wish.must:g}"
    return f"| {' | '.join((wish.what, wanted, f'{wish.aim:g}', *told))} |\n"


def _told(number: float) -> str:
    return f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"


def _median(place: Place) -> float | None:
    benchmark, path = place
    found = dict(measured(kept(benchmark))).get(path)
    return found["median"] if found else None
