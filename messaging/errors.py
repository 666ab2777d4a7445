"""What can go wrong with a message, by consequence.

NeverlostError
  · OutsideTransaction   the caller's bug: an outbox row without its business row
  · MomentaryFault       again, soon: nobody's message is to blame
  · MessageFault         never again as it is: the message is parked
      · UnreadableMessage
"""

from psycopg import errors as postgres
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from runtime.errors import NeverlostError


class OutsideTransaction(NeverlostError):  # noqa: N818 - it says what happened
    """An outbox row may only be written in the transaction of its business row."""


class MomentaryFault(NeverlostError):  # noqa: N818
    """It could not be done just now; nothing was kept, and it may be tried again."""


class MessageFault(NeverlostError):  # noqa: N818
    """The message can never be handled as it is."""


class UnreadableMessage(MessageFault):
    """The record is not one of the messages that services agreed on."""


# What the message itself brought about: a value that does not fit, a constraint it breaks.
_OWN_DATABASE_FAULTS = (postgres.DataError, postgres.IntegrityError)


def is_messages_own(error: Exception) -> bool:
    """Whether the message is to blame, and not the database, the network or the moment.

    A failure of our own code on one message counts as the message's: others must be able to go on.
    A database error that is neither bad data nor a broken constraint does not (gone, deadlock,
    serialization, timeout, a missing grant): trying again may help, parking everything would not.
    """
    if isinstance(error, DBAPIError):
        return isinstance(error.orig, _OWN_DATABASE_FAULTS) and not lacks_partition(error)
    return not isinstance(
        error, SQLAlchemyError | OSError | MemoryError | OutsideTransaction | MomentaryFault
    )


def lacks_partition(error: DBAPIError) -> bool:
    """A row for which no partition was made comes as a broken CHECK that has no name."""
    return isinstance(error.orig, postgres.CheckViolation) and error.orig.diag.constraint_name is None
