"""The rows of evidence: what is taken of each table, topic and ledger, and nothing else.

Ids are text and times are Unix seconds, so that a row is the same before and after it was a line of JSON.
"""

from typing import NamedTuple

Items = tuple[tuple[str, int], ...]  # (sku, quantity), sorted


class Order(NamedTuple):
    id: str
    status: str
    total: int
    currency: str
    items: Items
    created_at: float


class Saga(NamedTuple):
    id: str
    status: str
    cause: str | None


class SagaLine(NamedTuple):
    """One line of the sagas' log; `number` is its place."""

    number: int
    saga_id: str
    at: float
    kind: str
    status: str
    message_type: str | None
    event_id: str | None


class Event(NamedTuple):
    """An outbox row. `digest` is the payload's sha256, `xact` the transaction that wrote it.

    `total` is the amount of money that the payload names, where it does.
    """

    service: str
    id: str
    topic: str
    key: str
    type: str
    source: str
    saga_id: str | None
    sequence: int
    digest: str
    at: float
    xact: int
    total: int | None = None


class Replay(NamedTuple):
    """An event that a repair sent again under its own id."""

    service: str
    id: str
    topic: str
    digest: str
    requested_by: str
    reason: str


class Rewind(NamedTuple):
    """A recovery, on record, after which a relay sent again what its lost position had told to be sent."""

    service: str
    kind: str
    done_by: str
    at: float


class Receipt(NamedTuple):
    """An inbox row."""

    consumer: str
    event_id: str
    topic: str
    partition: int
    offset: int


class Letter(NamedTuple):
    """A dead letter; `event_id` is None where the record had none."""

    consumer: str
    event_id: str | None
    topic: str
    partition: int
    offset: int
    key: str
    state: str
    redriven: bool  # not so while it waits, and never once it was discarded


class Fence(NamedTuple):
    service: str
    saga_id: str
    step: str
    state: str


class Payment(NamedTuple):
    order_id: str
    status: str
    amount: int
    captured: int
    refunded: int


class Intent(NamedTuple):
    id: str
    order_id: str
    operation: str
    epoch: int
    state: str


class MoneyMove(NamedTuple):
    """A row of the payment service's ledger."""

    order_id: str
    operation: str
    amount: int
    reference: str
    xact: int


class GatewayEntry(NamedTuple):
    """A row of the gateway's own ledger; `key` is the intent's id."""

    number: int
    key: str
    operation: str
    amount: int
    declined: str | None


class Stock(NamedTuple):
    sku: str
    on_hand: int
    reserved: int
    sold: int


class StockMove(NamedTuple):
    """A row of the inventory service's ledger, in the order in which each sku moved."""

    number: int
    order_id: str | None
    sku: str
    movement: str
    on_hand: int
    reserved: int
    sold: int
    xact: int


class Reservation(NamedTuple):
    order_id: str
    status: str
    items: Items


class Key(NamedTuple):
    """An idempotency key that was answered, and the order in its answer."""

    caller: str
    route: str
    key: str
    fingerprint: str
    order_id: str


class Record(NamedTuple):
    """A committed record, as an independent client read it; names as in the envelope."""

    topic: str
    partition: int
    offset: int
    key: str
    id: str
    type: str
    source: str
    saga_id: str | None
    sequence: str
    digest: str
    at: float


class Place(NamedTuple):
    """Where the second reading found an id."""

    topic: str
    partition: int
    offset: int
    id: str


class Position(NamedTuple):
    """How far a consumer group says that it has come: the offset it would read next."""

    group: str
    topic: str
    partition: int
    offset: int


class Aborted(NamedTuple):
    """How many records of aborted transactions a topic still holds; who reads committed ones sees none."""

    topic: str
    records: int
