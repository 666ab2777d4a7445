"""What the dashboard is told: where everything is, and the operator's token."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL

from contracts.services import AUDIT, SERVICES
from order.saga import Patience
from order.settings import read_patience
from runtime.database import database_url
from runtime.environment import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`databases` by name, as who only looks; `handlers` by service, as the service itself: for redriving."""

    databases: Mapping[str, URL]
    handlers: Mapping[str, URL]
    bootstrap_servers: tuple[str, ...]
    connect_urls: tuple[str, ...]
    urls: Mapping[str, str]
    supervisor_url: str
    operator_token: str
    reports: Path
    patience: Patience

    @classmethod
    def read(cls, environment: Environment) -> "Settings":
        settings = cls(
            databases={
                each.name: database_url(environment, f"{each.name.upper()}_DATABASE_URL")
                for each in (*SERVICES, AUDIT)
            },
            handlers={
                each.name: database_url(environment, f"{each.name.upper()}_APP_DATABASE_URL")
                for each in SERVICES
            },
            bootstrap_servers=environment.servers("KAFKA_BOOTSTRAP_SERVERS"),
            connect_urls=environment.texts("CONNECT_URLS"),
            urls={
                each.name: environment.url(f"{each.name.upper()}_URL", "http://", "https://").rstrip("/")
                for each in SERVICES
            },
            supervisor_url=environment.url("SUPERVISOR_URL", "http://", "https://").rstrip("/"),
            operator_token=environment.file("OPERATOR_TOKEN_FILE"),
            reports=Path(environment.text("CHAOS_REPORTS")),
            patience=read_patience(environment),
        )
        environment.check()
        return settings
