from connect.offsets import offsets_of

KEY = b'["order-outbox",{"server":"order"}]'


def test_only_what_is_said_of_the_connector_counts():
    records = [(KEY, b'{"lsn": 1}'), (KEY, b'{"lsn": 2}'), (b'["payment-outbox",{}]', b'{"lsn": 9}')]

    assert list(offsets_of("order-outbox", records)) == [{"lsn": 1}, {"lsn": 2}]


def test_what_is_taken_back_is_not_the_same_as_never_told():
    assert list(offsets_of("order-outbox", [(KEY, b'{"lsn": 1}'), (KEY, None)]))[-1] is None
    assert list(offsets_of("order-outbox", [])) == []
