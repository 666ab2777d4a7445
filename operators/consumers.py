"""What each service does with a message, for whoever handles dead letters again."""

from inventory import handlers as inventory
from messaging.consumer import Consumer
from order import handlers as order
from order.saga import Patience
from payment import handlers as payment


def consumers(patience: Patience) -> tuple[Consumer, ...]:
    """Every service's consumer, as its running processes have it."""
    return order.consumer(patience), payment.consumer(), inventory.consumer()
