"""From a history to its report: wait for rest, gather evidence, check, judge, publish.

`conclude` asks the system; `conclude_again` asks nobody, and comes to the same from the files of a run.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from chaos import report
from chaos.checker import check
from chaos.collect import collect
from chaos.evidence import Endpoints, Evidence
from chaos.history import operations, read
from chaos.report import About, Run
from chaos.rest import at_rest
from chaos.verdict import judge

HISTORY, EVIDENCE = "history.jsonl", "evidence.json.gz"
REST_SECONDS_MAX = 180.0


def conclude(
    folder: Path,
    endpoints: Endpoints,
    about: About,
    *,
    within_seconds: float = REST_SECONDS_MAX,
    tell: Callable[[str], None] = lambda _line: None,
) -> dict[str, Any]:
    """Judge the system after a run whose history lies in `folder`; what result.json holds of it."""
    tell("waiting until everything has come to its end")
    still_open = at_rest(endpoints, within_seconds)
    tell("gathering evidence: databases, topics, the gateway's ledger")
    evidence = collect(endpoints, still_open)
    evidence.save(folder / EVIDENCE)
    return _publish(folder, about, evidence)


def conclude_again(folder: Path, about: About) -> dict[str, Any]:
    """The same from what was gathered then."""
    return _publish(folder, about, Evidence.load(folder / EVIDENCE))


def _publish(folder: Path, about: About, evidence: Evidence) -> dict[str, Any]:
    history = operations(read(folder / HISTORY))
    results = check(evidence, history)
    judgement = judge(results, history)
    run = Run(about=about, operations=history, evidence=evidence, results=results, judgement=judgement)
    return report.write(folder, run)
