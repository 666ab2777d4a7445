"""What an event says, as 32 bytes: the same whether it is read from an outbox or from a topic.

Its id and key are compared as they are; everything else that the relay carries is in here.
"""

import hashlib
from collections.abc import Mapping

# Cannot stand in a topic's name, a type, a number or a source, so no two events read alike.
_BETWEEN = b"\x1f"

# The same in SQL, over the columns of an outbox. `payload` is json: its text is what was written.
OF_ROW = r"""
    sha256(convert_to(concat_ws(E'\x1f', topic, type, sequence::text, source, coalesce(saga_id, ''),
                                payload::text), 'UTF8'))
"""


def of_record(topic: str, headers: Mapping[str, str | None], value: bytes) -> bytes:
    """The digest of a record, from the headers the relay gives it."""
    named = (headers.get(name) or "" for name in ("ce_type", "sequence", "ce_source", "saga_id"))
    said = [topic.encode(), *(text.encode() for text in named), value]
    return hashlib.sha256(_BETWEEN.join(said)).digest()
