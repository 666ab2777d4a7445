"""Fixtures that several kinds of tests share: a real Postgres, and its three databases, migrated."""

import socket

import pytest


@pytest.fixture(scope="session")
def free_port():
    """A function that finds a port nobody listens on, below the range the kernel hands out itself."""

    def find() -> int:
        for port in range(23000, 32000):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) != 0:
                    return port
        raise AssertionError("no free port between 23000 and 32000")

    return find
