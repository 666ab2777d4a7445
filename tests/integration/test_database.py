"""Sessions with a database, and the sockets under them."""

import os
import socket
from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import URL

from runtime.database import connect_engine, conninfo
from tests.integration.conftest import Databases


def _pooled(url: URL) -> psycopg.Connection:
    taken = connect_engine(url, process="test", connections=1).raw_connection()
    driver = taken.driver_connection
    taken.detach()
    return driver


def _single(url: URL) -> psycopg.Connection:
    return psycopg.connect(conninfo(url))


@pytest.mark.parametrize("connect", [_pooled, _single])
def test_a_machine_that_has_gone_is_given_up_whether_a_session_is_idle_or_waits_for_an_answer(
    databases: Databases, connect: Callable[[URL], psycopg.Connection]
):
    opened = connect(databases.url("inventory"))

    with opened, socket.socket(fileno=os.dup(opened.fileno())) as below:
        probes = below.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)
        idle = below.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        between = below.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL)
        unanswered = below.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert below.family == socket.AF_INET
    assert idle + probes * between == 11
    assert unanswered == 11_000
