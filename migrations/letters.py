"""The fourth revision of the mechanism in every history: what became of a dead letter, by whom, and why.

A letter is accounted for when it waits, was handled after all, or was given up by a person who said why.
"""

from alembic import op

# Until now there was one way to settle a letter: it was redriven.
_UP = """
ALTER TABLE dead_letters ADD COLUMN outcome text, ADD COLUMN settled_by text, ADD COLUMN note text;
UPDATE dead_letters SET outcome = 'redriven' WHERE settled_at IS NOT NULL;
ALTER TABLE dead_letters
    ADD CONSTRAINT ck_dead_letters_outcome_known CHECK (outcome IN ('redriven', 'discarded')),
    ADD CONSTRAINT ck_dead_letters_outcome_told CHECK ((outcome IS NULL) = (settled_at IS NULL)),
    ADD CONSTRAINT ck_dead_letters_discard_explained
        CHECK (outcome <> 'discarded' OR (settled_by IS NOT NULL AND note IS NOT NULL AND note <> '')),
    ADD CONSTRAINT ck_dead_letters_stray_not_redriven CHECK (state <> 'stray' OR outcome <> 'redriven');
"""

_DOWN = """
ALTER TABLE dead_letters DROP COLUMN outcome, DROP COLUMN settled_by, DROP COLUMN note;
"""


def tell_outcomes() -> None:
    """Let every settled letter, old and new, say what became of it."""
    op.execute(_UP)


def forget_outcomes() -> None:
    op.execute(_DOWN)


def find_discarded() -> None:
    """Let the auditor find a key's letters that were given up without reading all that ever were."""
    op.execute("CREATE INDEX ix_dead_letters_discarded ON dead_letters (key) WHERE outcome = 'discarded'")


def lose_discarded() -> None:
    op.execute("DROP INDEX ix_dead_letters_discarded")
