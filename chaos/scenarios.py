"""The scenarios by name: what is done to a system under load."""

import signal

from chaos import losing
from chaos.disks import FULL, FULL_AT_CHECKPOINT
from chaos.faults import Act, Pause
from chaos.kills import Down, Kill
from chaos.nemesis import Package
from chaos.network import Cut, Reset, Slow, Split
from chaos.poison import PARK, POISON
from chaos.scenario import (
    BETWEEN,
    NETWORK,
    PARKING,
    SMALL_DISKS,
    SMALL_SLOTS,
    TWINS,
    WAY_BACK,
    Scenario,
    a_mix,
    in_turn,
)
from chaos.targets import EVERYTHING, ROLES, Choice
from chaos.zombie import Zombie


def _of(kind: str, *faults: Kill | Pause | Cut | Slow | Reset | Split) -> tuple[Package, ...]:
    return tuple(Package(fault, Choice(kind)) for fault in faults)


_ROLES = tuple(Choice("broker", which) for which in ROLES)
_TERM = Kill(signal.SIGTERM)
_SERVICES = tuple(Package(Kill(), Choice(kind)) for kind in ("api", "worker", "gateway"))
# Longer than a consumer's session (3 s), and at times than a transaction may idle (10 s).
_ZOMBIE = (7.0, 14.0)
_RELAY = Choice("connect", "all")


def _loss(act: Act) -> Package:
    """What is taken is Connect's, whichever worker has it."""
    return Package(act, _RELAY)


SCENARIOS = (
    Scenario(
        "broker-kill",
        "kill -9 of the broker that leads a topic, a relay's transactions, a group of consumers, the quorum",
        in_turn(*(Package(Kill(), choice) for choice in _ROLES)),
        round_steps=4,
        rate=5.0,
    ),
    Scenario(
        "broker-majority",
        "two of three brokers are killed at once: too few are left to acknowledge anything",
        in_turn(Package(Kill(), Choice("broker", "majority")), quiet=(6, 10)),
    ),
    Scenario(
        "all-brokers",
        "all brokers are killed at once, and start from what they have on disk",
        in_turn(Package(Kill(), Choice("broker", "all")), quiet=(8, 12)),
    ),
    Scenario(
        "kafka-down",
        "all brokers are down for two minutes, and orders are taken all the while",
        in_turn(Package(Down(), Choice("broker", "all")), quiet=(8, 10), hold=(120, 125)),
        orders=1200,
    ),
    Scenario(
        "broker-pause",
        "a broker freezes for longer than its session, and wakes up believing that it leads still",
        in_turn(*(Package(Pause(), choice) for choice in _ROLES[:3]), hold=(8, 15)),
        round_steps=3,
        rate=6.0,
    ),
    Scenario(
        "connect-kill",
        "kill -9 of a Connect worker, then of all of them",
        in_turn(*(Package(Kill(), Choice("connect", which)) for which in ("one", "one", "all"))),
        round_steps=3,
        rate=6.0,
    ),
    Scenario(
        "connect-pause",
        "a Connect worker freezes until its tasks have moved, and goes on as a zombie",
        in_turn(Package(Pause(), Choice("connect")), quiet=(5, 8), hold=(15, 22)),
        round_steps=2,
    ),
    Scenario(
        "postgres-kill",
        "kill -9 of Postgres with every session in it",
        in_turn(Package(Kill(), Choice("database")), quiet=(8, 12)),
        round_steps=3,
    ),
    Scenario(
        "service-kill",
        "kill -9 and SIGTERM of the services' processes: HTTP, workers, the gateway; one, or all at once",
        in_turn(
            Package(Kill(), Choice("api", "all")),
            *_SERVICES[1:],
            Package(_TERM, Choice("api")),
            Package(_TERM, Choice("worker", "all")),
            Package(_TERM, Choice("gateway")),
            quiet=(2, 4),
            hold=(3, 5),
        ),
        round_steps=6,
    ),
    Scenario(
        "consumer-pause",
        "a consumer freezes inside a database transaction, loses its partitions, and goes on as a zombie",
        in_turn(Package(Zombie(), Choice("worker", "member")), quiet=(4, 6), hold=_ZOMBIE),
        round_steps=3,
        needs=frozenset({TWINS}),
    ),
    Scenario(
        "partition",
        "brokers cannot be reached: one, one way only, most of them; connections are reset",
        in_turn(
            Package(Cut(), Choice("broker", "leader")),
            Package(Cut("out"), Choice("broker", "transaction-coordinator")),
            Package(Reset(), Choice("broker", "all")),
            Package(Cut("in"), Choice("broker", "group-coordinator")),
            Package(Cut(), Choice("broker", "majority")),
            hold=(6, 10),
        ),
        round_steps=5,
        rate=6.0,
        needs=frozenset({NETWORK}),
    ),
    Scenario(
        "broker-split",
        "a broker is cut off from the others, both ways and one; clients still reach it, and it them",
        in_turn(
            Package(Split(), Choice("broker", "leader")),
            Package(Split("out"), Choice("broker", "transaction-coordinator")),
            Package(Split("in"), Choice("broker", "group-coordinator")),
            Package(Split(), Choice("broker", "controller")),
            hold=(8, 12),
        ),
        round_steps=4,
        rate=6.0,
        needs=frozenset({NETWORK, BETWEEN}),
    ),
    Scenario(
        "slow-network",
        "the way to the brokers is slow and narrow, and the one between them slow",
        in_turn(
            Package(Slow(), Choice("broker", "all")),
            Package(Slow(latency_ms=80, jitter_ms=80, between=True), Choice("broker", "all")),
            Package(Slow(latency_ms=500, jitter_ms=500), Choice("broker")),
            Package(Slow(latency_ms=20, bytes_per_second=64 * 1024), Choice("broker", "all")),
            hold=(10, 15),
        ),
        round_steps=4,
        rate=6.0,
        needs=frozenset({NETWORK, BETWEEN}),
    ),
    Scenario(
        "disk-full",
        "the disk of a broker is full, then the one of Postgres, until somebody makes room",
        in_turn(
            Package(FULL, Choice("broker", "leader")),
            Package(FULL, Choice("database")),
            Package(FULL, Choice("broker", "controller")),
            Package(FULL_AT_CHECKPOINT, Choice("database")),
            hold=(8, 12),
        ),
        round_steps=4,
        rate=6.0,
        needs=frozenset({SMALL_DISKS}),
    ),
    Scenario(
        "restart-everything",
        "every process of the system is killed at the same moment",
        in_turn(Package(Kill(), Choice(EVERYTHING, "all")), quiet=(8, 12)),
        rate=6.0,
    ),
    Scenario(
        "poison",
        "records that nobody can handle, and an order's key that is parked, its cause mended, and redriven",
        in_turn(
            Package(POISON, Choice("worker", "member")),
            Package(PARK, Choice("worker", "member", "inventory")),
            quiet=(2, 4),
            hold=(4, 6),
        ),
        round_steps=4,
        needs=frozenset({PARKING}),
    ),
    Scenario(
        "lost-slot",
        "a relay's slot is put out of use, another's is dropped; one command brings them back",
        in_turn(_loss(losing.SLOT_LOST), _loss(losing.SLOT_DROPPED)),
        round_steps=2,
        orders=300,
        rate=4.0,
        needs=frozenset({WAY_BACK, SMALL_SLOTS}),
    ),
    Scenario(
        "deleted-topic",
        "a topic is deleted with all that was in it, then a connector; one command brings them back",
        in_turn(_loss(losing.TOPIC_DELETED), _loss(losing.CONNECTOR_DELETED)),
        round_steps=2,
        orders=300,
        rate=4.0,
        needs=frozenset({WAY_BACK}),
    ),
    Scenario(
        "offsets-reset",
        "Connect forgets a relay's position, and a group of consumers is set back to the beginning",
        in_turn(_loss(losing.POSITION_FORGOTTEN), Package(losing.GROUP_REWOUND, Choice("worker", "member"))),
        round_steps=2,
        orders=300,
        rate=4.0,
        needs=frozenset({WAY_BACK}),
    ),
    Scenario(
        "random",
        "faults of many kinds, drawn every 5 to 20 seconds, at times none and at times two at once",
        a_mix(
            *(Package(Kill(), choice) for choice in _ROLES),
            *_SERVICES,
            *_of("connect", Kill(), Pause()),
            *_of("database", Kill()),
            *_of("broker", Pause(), Cut(), Slow(), Reset(), Split(), Split("in"), Split("out")),
            Package(Pause(), Choice("worker", "member")),
        ),
        round_steps=4,
        orders=900,
        rate=6.0,
        needs=frozenset({NETWORK, BETWEEN}),
    ),
)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
