package neverlost;

import io.debezium.connector.postgresql.PostgresConnectorTask;
import java.util.concurrent.TimeUnit;

/**
 * Tells Postgres how far it is once a second, and not after each transaction.
 *
 * <p>Before it tells, Debezium reads its offsets topic to the end, so that it never runs ahead of what
 * Kafka holds. Between two transactions that read is what the next one waits for. A slot that is told
 * later holds its log back a second longer, and nothing else: where to go on is in Kafka.
 */
public final class OutboxTask extends PostgresConnectorTask {
    private static final long EVERY_NANOS = TimeUnit.SECONDS.toNanos(1);

    private long toldAt = System.nanoTime() - EVERY_NANOS;

    /** Called by Connect after each transaction, always from the task's own thread. */
    @Override
    public void commit() throws InterruptedException {
        long now = System.nanoTime();
        if (now - toldAt >= EVERY_NANOS) {
            toldAt = now;
            super.commit();
        }
    }
}
