"""The checker: evidence and history in, one result an invariant out. Pure, and it believes no service.

Each invariant is a function of its own and looks at nothing that another one judges, so that what is broken
says by its name where to look. S1 to S17 is safety; L2 is that everything comes to an end.
"""

from collections.abc import Sequence

from chaos import checker_answers, checker_inbox, checker_money, checker_relay, checker_sagas, checker_stock
from chaos.evidence import Evidence
from chaos.history import Operation
from chaos.verdict import Result


def check(evidence: Evidence, operations: Sequence[Operation]) -> tuple[Result, ...]:
    """Every invariant, in its order. Of the operations, faults are left to `judge`."""
    return (
        checker_sagas.s1_dual_write(evidence),
        checker_answers.s2_accepted_orders(evidence, operations),
        checker_answers.s3_no_ghosts(evidence, operations),
        checker_relay.s4_completeness(evidence),
        checker_relay.s5_uniqueness(evidence),
        checker_relay.s6_no_phantom(evidence),
        checker_relay.s7_order(evidence),
        checker_relay.s8_content(evidence),
        checker_inbox.s9_one_effect(evidence),
        checker_inbox.s10_completeness(evidence),
        checker_money.s11_money(evidence),
        checker_stock.s12_stock(evidence),
        checker_sagas.s13_sagas(evidence),
        checker_sagas.s14_compensation(evidence),
        checker_answers.s15_no_way_back(evidence, operations),
        checker_answers.s16_repeats(evidence, operations),
        checker_answers.s17_own_answers(evidence, operations),
        checker_sagas.l2_rest(evidence, checker_answers.accepted(operations)),
    )
