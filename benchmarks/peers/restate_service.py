"""The saga as a Restate handler: the steps are local transactions, their answers stand in Restate's log.

A step is done at least once, so its statement may be repeated. Served as ASGI; see restate.py.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import restate

from benchmarks.peers import sql
from benchmarks.peers.books import DATABASES
from runtime.environment import Environment

POOL_MAX = 10  # connections to each database, of each worker

Order = dict[str, Any]
Ask = Callable[..., Awaitable[Any]]

_environment = Environment()
_urls = {name: _environment.text(f"{name.upper()}_URL") for name in DATABASES}
_pools = dict[str, asyncpg.Pool]()


async def ask(database: str, statement: str, *values: Any) -> Any:
    """The only value of the only row, if there is one; the statement is the whole transaction."""
    if database not in _pools:
        # Connections are made when they are used: nothing is awaited between the look and the entry.
        _pools[database] = asyncpg.create_pool(_urls[database], min_size=0, max_size=POOL_MAX)
    return await (await _pools[database]).fetchval(statement, *values)


async def place(order: Order) -> None:
    await ask("orders", sql.PLACE, *(order[name] for name in ("id", "sku", "quantity", "amount")))


async def charge(order: Order) -> str:
    return str(await ask("payments", sql.CHARGE, order["id"], order["token"], order["amount"]))


async def reserve(order: Order) -> str:
    return str(await ask("inventory", sql.RESERVE, order["id"], order["sku"], order["quantity"]))


async def refund(order: Order) -> None:
    await ask("payments", sql.REFUND, order["id"])


async def end(order: Order, status: str) -> None:
    await ask("orders", sql.END, order["id"], status)


async def run(ctx: restate.Context, order: Order) -> str:
    """The saga; answers the order's last status."""
    unset: Any = restate.RunOptions()
    await ctx.run_typed("place", place, unset, order)
    if await ctx.run_typed("charge", charge, unset, order) == "DECLINED":
        status = "FAILED"
    elif await ctx.run_typed("reserve", reserve, unset, order) == "REFUSED":
        await ctx.run_typed("refund", refund, unset, order)
        status = "CANCELLED"
    else:
        status = "COMPLETED"
    await ctx.run_typed("end", end, unset, order, status)
    return status


_saga = restate.Service("orders")
_saga.handler()(run)
app = restate.app([_saga])
