-- The books that every peer keeps, and no others: the same three databases, one section each.
-- What a peer needs beside them it makes itself.

-- database orders
-- Its value is how many orders have come to their end: it can be asked often, and no table is counted.
CREATE SEQUENCE ended_orders;
CREATE TABLE orders (
    id uuid PRIMARY KEY,
    sku text NOT NULL,
    quantity int NOT NULL,
    amount int NOT NULL,
    status text NOT NULL DEFAULT 'PENDING'
        CONSTRAINT ck_status CHECK (status IN ('PENDING', 'COMPLETED', 'FAILED', 'CANCELLED')),
    finished_at timestamptz,
    ended bigint
);

-- database payments
CREATE TABLE payments (
    order_id uuid PRIMARY KEY,
    status text NOT NULL CONSTRAINT ck_status CHECK (status IN ('CAPTURED', 'DECLINED', 'REFUNDED')),
    amount int NOT NULL
);

-- database inventory
CREATE TABLE stock (
    sku text PRIMARY KEY,
    on_hand int NOT NULL CONSTRAINT ck_never_oversold CHECK (on_hand >= 0),
    sold int NOT NULL DEFAULT 0
);
INSERT INTO stock (sku, on_hand) VALUES ('PIZZA', 100000000), ('SOLD-OUT', 0);
CREATE TABLE reservations (
    order_id uuid PRIMARY KEY,
    sku text NOT NULL,
    quantity int NOT NULL,
    status text NOT NULL DEFAULT 'SOLD' CONSTRAINT ck_status CHECK (status IN ('SOLD', 'REFUSED'))
);
-- Asked again for the same order, it takes nothing and answers the same.
CREATE FUNCTION reserve(asking uuid, wanted text, many int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO reservations (order_id, sku, quantity) VALUES (asking, wanted, many) ON CONFLICT DO NOTHING;
    IF FOUND THEN
        UPDATE stock SET on_hand = on_hand - many, sold = sold + many WHERE sku = wanted AND on_hand >= many;
        IF NOT FOUND THEN
            UPDATE reservations SET status = 'REFUSED' WHERE order_id = asking;
        END IF;
    END IF;
    RETURN (SELECT status FROM reservations WHERE order_id = asking);
END $$;
