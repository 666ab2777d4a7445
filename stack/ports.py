"""Where everything listens: the ports by name, the offset that moves them all, and whether they are free."""

import random
import socket
from collections.abc import Iterable

HOST = "127.0.0.1"

PORTS = {
    "order": 4000,
    "payment": 5000,
    "inventory": 6000,
    "gateway": 7000,
    "dashboard": 8000,
    "postgres": 5432,
    "connect-1": 8083,
    "connect-2": 8084,
    "broker-1": 9092,
    "broker-1-controller": 9093,
    "broker-2": 9192,
    "broker-2-controller": 9193,
    "broker-3": 9292,
    "broker-3-controller": 9293,
    "order-worker": 9401,
    "payment-worker": 9402,
    "inventory-worker": 9403,
    "payment-executor": 9404,
    "connect-supervisor": 9405,
    "order-deadlines": 9406,
    "auditor": 9407,
    "retention": 9408,
    "exporter": 9409,
}

# Where clients reach a broker through the proxy, where the proxy reaches it for them and for other brokers,
# and where the proxy is told what to do; only when a detour is asked for.
DETOUR = {
    "broker-1-detour": 9094,
    "broker-1-client": 9095,
    "broker-2-detour": 9194,
    "broker-2-client": 9195,
    "broker-3-detour": 9294,
    "broker-3-client": 9295,
    "broker-1-peers": 9096,
    "broker-2-peers": 9196,
    "broker-3-peers": 9296,
    "detour": 9396,
}
# Where the JVMs tell their figures; only when they are asked to.
JMX = {
    "broker-1-jmx": 9411,
    "broker-2-jmx": 9412,
    "broker-3-jmx": 9413,
    "connect-1-jmx": 9414,
    "connect-2-jmx": 9415,
}
ALL = PORTS | DETOUR | JMX

OFFSET_LOW, OFFSET_HIGH = 10_000, 50_000
# Below the range that the kernel hands out to outgoing connections, which could sit on a port of ours.
FREE_OFFSETS = range(10_000, 22_000)
ATTEMPTS_MAX = 200


def is_offset(number: int) -> bool:
    return number == 0 or OFFSET_LOW <= number <= OFFSET_HIGH


def busy(offset: int, names: Iterable[str] = PORTS) -> dict[str, int]:
    """The ports that something else listens on, by the name of the process that wants them."""
    return {name: ALL[name] + offset for name in names if not _is_free(ALL[name] + offset)}


def free_offset() -> int:
    """An offset at which every port is free. By chance, so that two who ask at once get two answers."""
    for offset in random.sample(FREE_OFFSETS, ATTEMPTS_MAX):
        if not busy(offset, ALL):
            return offset
    raise LookupError(f"no free port offset found in {ATTEMPTS_MAX} attempts")


def _is_free(port: int) -> bool:
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((HOST, port))
        except OSError:
            return False
    return True
