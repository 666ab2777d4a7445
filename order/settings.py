"""What the order service's processes read from the environment beside what all of them do."""

from order.saga import Patience
from runtime.environment import Environment
from saga.soundness import DEADLINE_SECONDS_MIN


def read_patience(environment: Environment) -> Patience:
    """How long answers may take: ORDER_DEADLINE_SECONDS, and ORDER_UNDO_DEADLINE_SECONDS to compensate."""
    default, low = Patience(), int(DEADLINE_SECONDS_MIN)
    return Patience(
        environment.whole("ORDER_DEADLINE_SECONDS", int(default.action_seconds), low=low),
        environment.whole("ORDER_UNDO_DEADLINE_SECONDS", int(default.undo_seconds), low=low),
    )
