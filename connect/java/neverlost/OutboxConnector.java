package neverlost;

import io.debezium.connector.postgresql.PostgresConnector;
import org.apache.kafka.connect.connector.Task;

/** Debezium's connector for Postgres, with the task beside this file. */
public final class OutboxConnector extends PostgresConnector {
    @Override
    public Class<? extends Task> taskClass() {
        return OutboxTask.class;
    }
}
