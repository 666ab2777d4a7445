"""What the history of a service that takes part in sagas makes for them: the fences."""

from alembic import op

from contracts.services import Service

_UP = """
CREATE TABLE fences (
    saga_id uuid NOT NULL,
    step text NOT NULL,
    state text NOT NULL DEFAULT 'none',
    epoch bigint NOT NULL DEFAULT 0,
    reply_type text,
    reply json,
    updated_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_fences PRIMARY KEY (saga_id, step),
    CONSTRAINT ck_fences_state_known CHECK (state IN
        ('none', 'begun', 'done', 'refused', 'undoing', 'undo-failed', 'undone', 'tombstone')),
    CONSTRAINT ck_fences_answered CHECK
        ((reply_type IS NOT NULL AND reply IS NOT NULL) OR state IN ('none', 'begun', 'undoing'))
) WITH (fillfactor = 80);
GRANT SELECT, INSERT, UPDATE ON fences TO {app};
"""


def create_fences(service: Service) -> None:
    op.execute(_UP.format(app=service.role("app")))


def drop_fences() -> None:
    op.execute("DROP TABLE fences")
