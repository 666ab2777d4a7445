"""The three services and the names everything around them is known by."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Service:
    """One service: its database, its way into Kafka, its roles."""

    name: str
    database: str

    @property
    def connector(self) -> str:
        return f"{self.name}-outbox"

    @property
    def slot(self) -> str:
        return f"{self.name}_outbox"

    @property
    def publication(self) -> str:
        return f"{self.name}_outbox"

    @property
    def heartbeat_topic(self) -> str:
        return f"__debezium-heartbeat.{self.name}"

    @property
    def offsets_topic(self) -> str:
        return f"connect-offsets.{self.connector}"

    def role(self, duty: str) -> str:
        """The database role of one duty, such as `order_app`."""
        return f"{self.name}_{duty}"


ORDER = Service("order", "orders")
PAYMENT = Service("payment", "payments")
INVENTORY = Service("inventory", "inventory")

SERVICES = (ORDER, PAYMENT, INVENTORY)
SERVICE = {service.name: service for service in SERVICES}

# What a role may do is granted by the migrations; that it exists is the bootstrap's work.
DUTIES = ("migrator", "app", "relay", "retention", "repair")

# What the auditor keeps; its roles are a service's, and it sends nothing.
AUDIT = Service("audit", "audit")
AUDITOR_ROLE = "auditor"
