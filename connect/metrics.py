"""What the supervisor of the connectors tells of its work."""

from prometheus_client import Counter

RESTARTS = Counter("neverlost_connector_restarts_total", "Restarts that were asked of Connect", ["connector"])
