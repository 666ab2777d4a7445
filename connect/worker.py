"""How a Connect worker is started: what it runs, and which variables its files ask for."""

from pathlib import Path

from connect import jars, plugin
from contracts.services import SERVICES

MAIN_CLASS = "org.apache.kafka.connect.cli.ConnectDistributed"
PROPERTIES = Path(__file__).with_name("worker.properties")
LOGGING = Path(__file__).with_name("log4j2.yaml")

# A connector's configuration must not make a worker load code or read files: modules that fetch from
# an address are off, and no provider but the one in worker.properties is started.
_LOGIN_MODULES_OFF = ("JndiLoginModule", "LdapLoginModule")
_CONFIG_PROVIDER = "org.apache.kafka.common.config.provider.EnvVarConfigProvider"
JVM_FLAGS = (
    f"-Dorg.apache.kafka.automatic.config.providers={_CONFIG_PROVIDER}",
    "-Dorg.apache.kafka.disallowed.login.modules="
    + ",".join(f"com.sun.security.auth.module.{module}" for module in _LOGIN_MODULES_OFF),
)

# What `${env:...}` stands for in worker.properties and in connectors/*.json.
VARIABLES = (
    "KAFKA_BOOTSTRAP_SERVERS",
    "CONNECT_REST_HOST",
    "CONNECT_REST_PORT",
    *(
        f"{service.name.upper()}_{name}"
        for service in SERVICES
        for name in ("DATABASE_HOST", "DATABASE_PORT", "RELAY_PASSWORD")
    ),
)


def properties() -> dict[str, str]:
    """What worker.properties says, `${env:...}` and all."""
    lines = PROPERTIES.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


# `plugin.path` cannot name a variable and is read relative to the folder the worker runs in.
_IN_FOLDER = ("/bin/sh", "-c", 'cd "$0" && exec "$@"')


def command(java: str, cache: Path, flags: tuple[str, ...] = ()) -> list[str]:
    """The command of one worker, whatever folder it is started from; `flags` are for its JVM."""
    logging = f"-Dlog4j2.configurationFile={LOGGING.as_uri()}"
    java_command = [java, *flags, *JVM_FLAGS, logging, "-cp", jars.class_path(cache, "connect"), MAIN_CLASS]
    return [*_IN_FOLDER, str(plugin.home(cache)), *java_command, str(PROPERTIES)]
