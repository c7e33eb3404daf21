"""dbt's connections, kept from node to node of a run.

dbt opens a connection for every node and closes it after the node, so that a sync of seconds starts thirty server
processes, each of which reads the catalogue anew: a sixth of its work. Renaming a connection that is still open is part
of dbt's design; only its release closes it. See decision 18.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbt.adapters.postgres.connections import PostgresConnectionManager

_NODES = ("model.", "seed.", "snapshot.", "test.", "unit_test.")


@contextmanager
def connections_kept() -> Iterator[None]:
    """Within it each thread of a dbt run keeps one connection for all its nodes; dbt closes them as the run ends.

    What dbt does outside of nodes, and connections that broke, are released as ever.
    """
    from dbt.adapters.postgres.connections import PostgresConnectionManager
    from psycopg2 import Error

    close = PostgresConnectionManager.release

    def release(manager: PostgresConnectionManager) -> None:
        connection = manager.get_if_exists()
        if connection is None or connection.state != "open" or not str(connection.name).startswith(_NODES):
            close(manager)
            return
        try:
            # Also what dbt knows nothing of: psycopg2 begins a transaction with any statement.
            connection.handle.rollback()
        except Error:
            close(manager)
        connection.transaction_open = False

    PostgresConnectionManager.release = release
    try:
        yield
    finally:
        del PostgresConnectionManager.release
