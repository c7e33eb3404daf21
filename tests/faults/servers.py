"""A database that goes away while a command works: what was acknowledged stays, and the command says why."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from scripts import embedded_postgres
from tests.faults.stage import Stage
from tests.faults.stories import READ_FEED, Story
from tests.python.integration.snapshots import flats, write_csv

_LARGE = 20_000
_ROOMY = "2g"


class SkippedError(Exception):
    """The fault cannot be brought about on this machine."""


def stop_at_once(home: Path) -> None:
    """End the server without a checkpoint, as the end of the machine would."""
    _end(home, signal.SIGQUIT)


def kill_postmaster(home: Path) -> None:
    """`kill -9` of the postmaster alone; its children notice by themselves."""
    _end(home, signal.SIGKILL)


def restart(home: Path) -> None:
    """End the server properly and start it again."""
    embedded_postgres.stop(home)
    embedded_postgres.start(home)


def cut_off(home: Path) -> None:
    """Let the server end every connection but this one."""
    with psycopg.connect(embedded_postgres.url(home), autocommit=True) as admin:
        admin.execute(
            """
            select pg_terminate_backend(pid) from pg_stat_activity
            where backend_type = 'client backend' and pid <> pg_backend_pid()
            """
        )


FAULTS: tuple[Callable[[Path], None], ...] = (stop_at_once, kill_postmaster, restart, cut_off)


def lost(stage: Stage, home: Path, story: Story, fault: Callable[[Path], None], share: float) -> float:
    """A fault of the server after a share of the story's time; returns the seconds that recovery took."""
    embedded_postgres.start(home)  # which the fault before may have left without
    expected = story.begin(stage)
    with stage.connect() as connection:
        # A sequence in a copied database counts on what the log says of the original, until a checkpoint.
        connection.execute("checkpoint")
    running = stage.start(*story.command)
    time.sleep(share * story.seconds[True])
    with stage.connect() as connection:
        before = _acknowledged(connection, story)
    fault(home)
    try:
        ended = running.wait()
    finally:
        embedded_postgres.start(home)
    if ended.code != 0:
        assert ended.code == 1, f"exit code {ended.code}\n{ended.output}"
        assert "hint:" in ended.output, f"no next step\n{ended.output}"
        assert "the database" in ended.output, f"no cause\n{ended.output}"
        assert "error: unexpected" not in ended.output, f"no cause\n{ended.output}"
    with stage.connect() as connection:
        after = _acknowledged(connection, story)
        following = story.next_command(connection)
    assert all(kept >= known for known, kept in zip(before, after, strict=True)), (before, after)
    recovered = stage.ok(*following)
    assert story.tables(stage) == expected, "the tables differ from those of a run without a fault"
    return recovered.seconds


def _acknowledged(connection: psycopg.Connection, story: Story) -> tuple[int, int]:
    """How many raw rows and published changes there are that the story may not lose."""
    count_landed = "select count(*) from property_scrapes_staging"
    count_published = "select count(*) from property_changes where is_published"
    (has_feed,) = connection.execute("select to_regclass('property_changes') is not null").fetchone()
    return (
        0 if story.removes_raw_rows else connection.execute(count_landed).fetchone()[0],
        connection.execute(count_published).fetchone()[0] if has_feed else 0,
    )


def disk_full(stage: Stage, story: Story, room: int) -> None:
    """A database on a small disk refuses a large import; once there is space, the next command succeeds.

    `room` in megabytes decides whether landing or syncing finds the disk full.
    """
    story.begin(stage)
    file = write_csv(stage.folder / "large.csv", flats(_LARGE))
    command = ("import", str(file), *READ_FEED, "--observed-at", "2024-05-03T06:00:00+00:00")
    with _small_disk(stage, room) as make_room:
        before = _live_rows(stage)
        ended = stage.run(*command)
        assert ended.code == 1, f"exit code {ended.code}\n{ended.output}"
        assert "No space left on device" in ended.output, ended.output
        assert "hint:" in ended.output, ended.output
        assert _live_rows(stage) == before, "something was published"
        make_room()
        with stage.connect() as connection:
            landed = connection.execute("select 1 from scrape_sessions where status = 'scraped'").fetchone()
        stage.ok(*(("sync-pending",) if landed else command))
        assert _live_rows(stage) == _LARGE


@contextmanager
def _small_disk(stage: Stage, room: int) -> Iterator[Callable[[], None]]:
    """Move the database to a disk of its own with `room` megabytes left; yields what gives it more."""
    disk = stage.folder / "disk"
    disk.mkdir(exist_ok=True)
    with psycopg.connect(stage.server_url, autocommit=True) as admin:
        size, owner = admin.execute(
            "select pg_database_size(%s), current_setting('data_directory')", [stage.database]
        ).fetchone()
        megabytes = size // 1_000_000 + room
        _mount("-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(disk))
        try:
            place = disk / "tablespace"
            place.mkdir()
            found = Path(owner).stat()
            os.chown(place, found.st_uid, found.st_gid)
            disk.chmod(0o755)
            admin.execute(sql.SQL("create tablespace small location {}").format(sql.Literal(str(place))))
            moved = sql.SQL("alter database {} set tablespace small").format(sql.Identifier(stage.database))
            admin.execute(moved)
            yield lambda: _mount("-o", f"remount,size={_ROOMY}", str(disk))
        finally:
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(stage.database)))
            admin.execute("drop tablespace if exists small")
            subprocess.run(["umount", str(disk)], check=True)


def _mount(*arguments: str) -> None:
    try:
        subprocess.run(["mount", *arguments], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SkippedError(f"a small disk cannot be mounted here: {error}") from error


def _live_rows(stage: Stage) -> int:
    with stage.connect() as connection:
        row = connection.execute("select count(*) from properties_live where listing_status = 'active'").fetchone()
    assert row is not None
    return row[0]


def _end(home: Path, number: signal.Signals) -> None:
    pid = embedded_postgres.status(home).pid
    assert pid is not None, "the server does not run"
    os.kill(pid, number)
    deadline = time.monotonic() + 60
    while embedded_postgres.status(home).pid == pid:
        assert time.monotonic() < deadline, "the server does not end"
        time.sleep(0.02)
