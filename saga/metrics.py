"""What the clock of the sagas tells of its work."""

from prometheus_client import Counter

DEADLINES = Counter(
    "neverlost_saga_deadlines_total",
    "Sagas whose time had come: moved, or set aside for people because they could not be",
    ["outcome"],
)
