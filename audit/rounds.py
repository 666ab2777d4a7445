"""One round of the auditor after another, each from where the last one ended.

A round is one transaction in the auditor's database, marks and all: one that is cut short is done anew.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import Connection, Engine

from audit import books, explanations, intake, judgement, restored, sql
from audit.judgement import Checkpoint
from audit.report import Body, Scene, write_report
from audit.session import Session
from audit.sources import Helping, Source
from audit.topics import TOPICS, Cluster, TopicReader
from contracts.topics import CANARY, MESSAGE_TOPICS

# What a round takes in from each side, at most: bounded memory, and a report every few seconds.
ROWS_MAX = 20_000
READ_SECONDS_MAX = 2.0
_PARTITIONS = {topic.name: topic.partitions for topic in (*MESSAGE_TOPICS, CANARY)}


class Auditor:
    """Follows every outbox, topic and inbox. Raises what keeps it from reading; then the next starts anew."""

    def __init__(self, engine: Engine, sources: Sequence[Source], servers: Sequence[str]) -> None:
        self._session = Session(engine)
        self._sources = {source.service.name: source for source in sources}
        self._servers = servers
        self._cluster = Cluster(servers)
        self._reader: TopicReader | None = None
        self._topic_ids: Mapping[str, str] = {}
        self._checkpoint = Checkpoint()
        self._doubted: Mapping[UUID, int] = {}

    def round(self) -> Body:
        try:
            return self._round()
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """What is remembered beside the database goes with the lock: another auditor may have gone on."""
        self._session.close()
        self._close_reader()

    def _close_reader(self) -> None:
        if self._reader:
            self._reader.close()
        self._reader, self._checkpoint = None, Checkpoint()

    def _round(self) -> Body:
        # Slots before ends before rows: a row that a slot had passed is in its topic before that end.
        slots = {name: source.slot() for name, source in self._sources.items()}
        topic_ids = self._cluster.topic_ids()
        with self._session.begin() as connection:
            connection.execute(sql.MAKE_NEWS)
            began_at = connection.execute(sql.NOW).scalar_one()
            reader = self._reader_of(connection, topic_ids)
            ends = self._cluster.ends(reader.reached)
            arrivals = reader.read(ends, ROWS_MAX, READ_SECONDS_MAX)
            restored.look_for(connection, self._sources)
            helpings = self._written(connection)
            intake.take_in(connection, arrivals, helpings)
            self._judge(connection, reader)
            stock = books.look(connection, self._sources)
            explanations.look_for(connection, self._sources)
            self._remember(connection, reader)
            behind = [f"topic {topic}" for topic in topic_ids if not reader.has_reached(ends, topic)]
            behind += [f"outbox of {name}" for name, helping in helpings.items() if not helping.is_all]
            behind += books.behind(connection)
            days = {name: source.days_ahead() for name, source in self._sources.items()}
            missing = [topic for topic in TOPICS if topic not in topic_ids]
            held_up = [name for name, helping in helpings.items() if helping.is_held_up]
            scene = Scene(began_at, slots, days, missing, behind, stock, held_up)
            report = write_report(connection, scene)
        if reader.has_reached(self._checkpoint.ends):
            self._checkpoint = Checkpoint({n: s.confirmed for n, s in slots.items() if s}, ends)
        return report

    def _reader_of(self, connection: Connection, topic_ids: Mapping[str, str]) -> TopicReader:
        """The reader there is; another when topics have come, gone, or been made anew."""
        if self._reader and topic_ids == self._topic_ids:
            return self._reader
        self._close_reader()
        self._topic_ids = topic_ids
        known = {(row.topic, row.partition): row for row in connection.execute(sql.POSITIONS)}
        made_anew = {r.topic for r in known.values() if topic_ids.get(r.topic, r.topic_id) != r.topic_id}
        for topic in sorted(made_anew):
            intake.forget_topic(connection, topic)
        reached = {
            place: row.next_offset
            for place, row in known.items()
            if row.topic in topic_ids.keys() - made_anew
        }
        places = [(topic, number) for topic in topic_ids for number in range(_PARTITIONS[topic])]
        # What topics have forgotten cannot be read: a reader must not stand before it for ever.
        begins = self._cluster.begins(places)
        starts = {place: max(reached.get(place, 0), begins[place]) for place in places}
        self._reader = TopicReader(self._servers, starts)
        return self._reader

    def _written(self, connection: Connection) -> dict[str, Helping]:
        marks = {row.service: row.outbox_mark for row in connection.execute(sql.MARKS)}
        return {name: source.written(marks.get(name, 0), ROWS_MAX) for name, source in self._sources.items()}

    def _judge(self, connection: Connection, reader: TopicReader) -> None:
        self._doubted = judgement.find_phantoms(connection, self._sources, self._doubted)
        read = [topic for topic in self._topic_ids if reader.has_reached(self._checkpoint.ends, topic)]
        judgement.find_lost(connection, self._checkpoint, read)
        for source in self._sources.values():
            judgement.find_skipped(connection, source, self._cluster)

    def _remember(self, connection: Connection, reader: TopicReader) -> None:
        places = list(reader.reached)
        positions = {
            "topics": [topic for topic, _ in places],
            "partitions": [partition for _, partition in places],
            "topic_ids": [self._topic_ids[topic] for topic, _ in places],
            "offsets": [reader.reached[place] for place in places],
        }
        connection.execute(sql.SET_POSITIONS, positions)
