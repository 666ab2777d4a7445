from connect.offsets import last_offset

KEY = b'["order-outbox",{"server":"order"}]'


def test_newest_offset_of_the_connector_counts():
    records = [(KEY, b'{"lsn": 1}'), (KEY, b'{"lsn": 2}'), (b'["payment-outbox",{}]', b'{"lsn": 9}')]

    assert last_offset(records, "order-outbox") == {"lsn": 2}


def test_deleted_offset_is_none():
    assert last_offset([(KEY, b'{"lsn": 1}'), (KEY, None)], "order-outbox") is None


def test_no_record_is_no_offset():
    assert last_offset([], "order-outbox") is None
