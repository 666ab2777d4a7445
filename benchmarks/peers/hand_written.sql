-- In each of the three databases.
CREATE TABLE outbox (id uuid PRIMARY KEY DEFAULT uuidv7(), type text NOT NULL, payload text NOT NULL);
CREATE TABLE inbox (event_id uuid PRIMARY KEY);
