package neverlost;

import io.debezium.connector.postgresql.PostgresConnectorTask;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.connect.source.SourceRecord;

/**
 * Debezium's task, with two habits that spare a busy machine what each transaction costs anew, and without
 * one that keeps a task which has failed from saying so.
 */
public final class OutboxTask extends PostgresConnectorTask {
    private static final long TELL_EVERY = TimeUnit.SECONDS.toNanos(1);
    private static final long QUICK = TimeUnit.MILLISECONDS.toNanos(50);
    private static final long REST_MAX = TimeUnit.MILLISECONDS.toNanos(250);
    /** Of so many events a transaction is worth its price, however long it takes. */
    private static final int MANY = 1000;

    private long toldAt = System.nanoTime() - TELL_EVERY;
    private long sentAt;
    private boolean isToTell;

    /**
     * What is new since the last call, after a rest where the last transaction was slow.
     *
     * <p>A transaction costs three brokers the same for one event as for a thousand. One that takes long
     * says that the machine has no time to spare; then the events of a while are sent as one. A machine
     * with time to spare is asked at once.
     */
    @Override
    public List<SourceRecord> doPoll() throws InterruptedException {
        TimeUnit.NANOSECONDS.sleep(rest());
        List<SourceRecord> records = super.doPoll();
        sentAt = records.isEmpty() || records.size() >= MANY ? 0 : System.nanoTime();
        return records;
    }

    /** Twice as long as the last transaction was too slow; Connect has ended it when it asks for more. */
    private long rest() {
        long took = sentAt == 0 ? 0 : System.nanoTime() - sentAt;
        return Math.min(2 * Math.max(took - QUICK, 0), REST_MAX);
    }

    /**
     * Tells Postgres how far the relay is, once a second and not after each transaction.
     *
     * <p>To be sure that it tells nothing that Kafka does not hold, Debezium first reads its offsets topic
     * to the end, and the next transaction waits for that. Where to go on is in Kafka; a slot that is told
     * later only keeps its log for a second more.
     */
    @Override
    public void commit() throws InterruptedException {
        long now = System.nanoTime();
        if (now - toldAt >= TELL_EVERY) {
            toldAt = now;
            isToTell = true;
            super.commit();
        }
    }

    /**
     * Tells Postgres what Kafka holds, where a transaction has ended since it was last told.
     *
     * <p>Debezium does so whenever a task ends, too. After a transaction that failed that is to wait until
     * Kafka gives it up, since it stands in the offsets topic: for 45 s the task would be RUNNING, and dead.
     */
    @Override
    public void performCommit() {
        if (isToTell) {
            isToTell = false;
            super.performCommit();
        }
    }
}
