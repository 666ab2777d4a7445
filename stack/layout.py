"""Everything a stack's shape depends on, frozen: the topology is a pure function of it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runtime.environment import Environment
from stack.ports import ALL, HOST
from stack.postgres_home import Home

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_STATE = ROOT / "var"
DEADLINE_SECONDS = 900
BROKERS = ("broker-1", "broker-2", "broker-3")
CONNECT_WORKERS = ("connect-1", "connect-2")


def cache_folder(environment: Environment | None = None) -> Path:
    """Where jars are kept between checkouts."""
    environment = environment or Environment()
    home = environment.text("HOME", str(Path("~").expanduser()))
    return Path(environment.text("XDG_CACHE_HOME", f"{home}/.cache")) / "neverlost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One stack: its folders, its ports, its programs, and how often things fail on purpose."""

    state: Path = DEFAULT_STATE
    cache: Path = Path(".cache")
    port_offset: int = 0
    java: str = "java"
    python: str = sys.executable
    # Extra flags for a JVM, by the name of its node.
    jvm_flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    postgres: Home | None = None
    slot_wal_keep_mb: int = 4096
    payment_failure_rate: float = 0.0
    stock_failure_rate: float = 0.0
    order_deadline_seconds: int = DEADLINE_SECONDS
    rate_limit: str = "off"
    otlp_endpoint: str = ""  # where the services send their spans, if anywhere
    # Clients reach the brokers, and brokers one another, through a proxy that can make the network bad.
    detour: bool = False
    # The gateway is in the executor's process, and has no node: for benchmarks of the way of an order.
    local_gateway: bool = False

    @property
    def secrets(self) -> Path:
        return self.state / "secrets"

    @property
    def shared_with_gateway(self) -> Path:
        return self.state / "webhook"

    @property
    def gateway_ledger(self) -> Path:
        return self.state / "gateway.sqlite"

    @property
    def gateway_url(self) -> str:
        """Where the executor calls the gateway, and where the gateway's own ledger can be read."""
        return f"sqlite:{self.gateway_ledger}" if self.local_gateway else self.url("gateway")

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def kafka(self) -> Path:
        return self.state / "kafka"

    @property
    def postgres_home(self) -> Home:
        return self.postgres or Home(Path(), self.state / "postgres", None)

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(self.address(f"{name}-detour" if self.detour else name) for name in BROKERS)

    @property
    def connect_urls(self) -> str:
        return ",".join(self.url(name) for name in CONNECT_WORKERS)

    def port(self, name: str) -> int:
        return ALL[name] + self.port_offset

    def address(self, name: str) -> str:
        return f"{HOST}:{self.port(name)}"

    def url(self, name: str) -> str:
        return f"http://{self.address(name)}"

    def database_url(self, role: str, database: str) -> str:
        """Without the password: that one comes from a file of the role's name in `secrets`."""
        return f"postgresql+psycopg://{role}@{self.address('postgres')}/{database}"
