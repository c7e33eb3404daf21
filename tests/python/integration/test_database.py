"""Migrations, plain dbt, other servers, and the guards between runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from loaders.database import connect, statements
from loaders.errors import DatabaseUnavailableError
from loaders.migrate import DatabaseNewerThanCodeError, known_migrations, migrate
from scripts.dbt_connections import connections_kept
from scripts.dbt_runner import DbtProject
from tests.python.conftest import ROOT, Command
from tests.python.integration.snapshots import MAPPING, flats, tables, write_csv

if TYPE_CHECKING:
    from dbt.adapters.postgres.connections import PostgresConnectionManager

pytestmark = [pytest.mark.core, pytest.mark.slow]

DBT = Path(sys.executable).parent / "dbt"


WITHOUT_UNIT_TESTS = ("--exclude-resource-type", "unit_test")
ONLY_GUARDS = (*WITHOUT_UNIT_TESTS, "--exclude", "test_type:generic")
"""Of dbt's data tests only those that guard publication: the others read what is there and write nothing."""


def plain_dbt(url: str, target: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run dbt itself, as a user with DATABASE_URL would."""
    return subprocess.run(
        [DBT, *arguments, "--target-path", str(target), "--log-path", str(target)],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url, "DBT_PROFILES_DIR": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_migrations_apply_once_also_when_two_start_together(empty_database_url: str) -> None:
    applied: list[list[str]] = []
    threads = [threading.Thread(target=lambda: applied.append(migrate(empty_database_url))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for names in applied for name in names) == [path.stem for path in known_migrations()]
    assert migrate(empty_database_url) == []


def test_a_database_from_a_newer_version_is_refused(command: Command, connection: psycopg.Connection) -> None:
    connection.execute("insert into schema_migrations (migration) values ('9999_from_the_future')")
    with pytest.raises(DatabaseNewerThanCodeError):
        migrate(command.database_url)
    result = command.run("status")
    assert result.code == 1
    assert "9999_from_the_future" in result.stderr
    assert "Update the clone" in result.stderr


def test_a_failing_migration_leaves_nothing_behind(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from loaders import migrate as module

    broken = tmp_path / "0001_broken.sql"
    broken.write_text("create table half (id integer); select 1 / 0;")
    monkeypatch.setattr(module, "known_migrations", lambda: (broken,))
    with pytest.raises(module.MigrationFailedError, match="division by zero"):
        migrate(empty_database_url)
    with connect(empty_database_url) as connection:
        assert connection.execute("select to_regclass('half')").fetchone() == (None,)


@pytest.mark.first_build
def test_plain_dbt_build_on_a_clean_database_and_with_pending_sessions(
    command: Command, connection: psycopg.Connection, parsed_project: Path, tmp_path: Path
) -> None:
    clean = plain_dbt(command.database_url, parsed_project, "build")
    assert clean.returncode == 0, clean.stdout
    assert connection.execute("select count(*) from sync_metadata").fetchone() == (0,), "nothing to do leaves no row"

    for day in (1, 2):
        file = write_csv(tmp_path / f"{day}.csv", flats(10 + day))
        times = ("--observed-at", f"2024-05-{day:02d}")
        command.ok("import", file, "--source", "feed", "--complete", *times, *MAPPING, "--no-sync")
    # The unit tests have passed above, and read none of these tables.
    for synced, options in ((11, ONLY_GUARDS), (12, WITHOUT_UNIT_TESTS)):
        built = plain_dbt(command.database_url, parsed_project, "build", *options)
        assert built.returncode == 0, built.stdout
        assert connection.execute("select count(*) from properties_live").fetchone() == (synced,)
    assert connection.execute("select array_agg(distinct status) from scrape_sessions").fetchone() == (["complete"],)
    before = tables(connection)
    assert plain_dbt(command.database_url, parsed_project, "build", *ONLY_GUARDS).returncode == 0
    assert tables(connection) == before


@pytest.mark.usefixtures("command")
@pytest.mark.parametrize(
    "view", ["stg_published_listings", "stg_listing_sightings", "stg_replaced_listings", "stg_rule_violations"]
)
def test_listings_are_looked_up_by_key(connection: psycopg.Connection, view: str) -> None:
    """A view that PostgreSQL cannot fold into the query around it is read as a whole, however few listings are asked
    for: see decision 16.
    """
    for kind in ("seqscan", "hashjoin", "mergejoin"):
        connection.execute(f"set enable_{kind} = off".encode())
    query = sql.SQL("explain select listings.* from {} as asked inner join {} as listings using (property_id)")
    asked = sql.SQL("(select gen_random_uuid() as property_id from generate_series(1, 10))")
    plan = connection.execute(query.format(asked, sql.Identifier("public_staging", view))).fetchall()
    assert any("Index Cond: (property_id = " in line for (line,) in plan), plan


def test_the_rows_of_a_session_are_found_among_those_of_months(
    command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    command.ok("import", write_csv(tmp_path / "feed.csv", flats(2)), "--source", "feed", *MAPPING)
    connection.execute("set enable_seqscan = off; set enable_nestloop = off")
    plan = connection.execute("explain select price from public_staging.stg_scraped_listings").fetchall()
    assert any("Index Cond: (session_id = ANY " in line for (line,) in plan), plan


def test_plain_dbt_says_what_an_unmigrated_database_needs(empty_database_url: str, parsed_project: Path) -> None:
    result = plain_dbt(empty_database_url, parsed_project, "build")
    assert result.returncode != 0
    assert "property-manager db migrate" in result.stdout


def test_a_plain_build_beside_a_syncing_command_fails_cleanly(
    command: Command, connection: psycopg.Connection, parsed_project: Path, tmp_path: Path
) -> None:
    file = write_csv(tmp_path / "feed.csv", flats(5))
    command.ok("import", file, "--source", "feed", *MAPPING, "--no-sync")
    with connect(command.database_url) as holder:
        holder.execute("select pg_advisory_lock(20557, hashtext(current_schema()))")
        busy = plain_dbt(command.database_url, parsed_project, "build")
        assert busy.returncode != 0
        assert "another property-manager command is syncing" in busy.stdout
        assert command.run("sync-pending", "--json").code == 75
    assert connection.execute("select count(*) from properties_live").fetchone() == (0,)


def test_a_request_of_a_killed_command_is_not_taken_for_one_of_the_command_at_work(
    command: Command, connection: psycopg.Connection, parsed_project: Path, tmp_path: Path
) -> None:
    file = write_csv(tmp_path / "feed.csv", flats(5))
    command.ok("import", file, "--source", "feed", *MAPPING, "--no-sync")
    request = {"request_id": uuid.uuid4(), "source": "feed", "allows_mass_removal": True}
    ask = statements("sync.sql", ROOT / "scripts" / "sql")["request_sync"]
    with connect(command.database_url) as killed:
        killed.execute(ask, request)
    with connect(command.database_url) as holder:
        holder.execute("select pg_advisory_lock(20557, hashtext(current_schema()))")
        busy = plain_dbt(command.database_url, parsed_project, "build")
        assert (busy.returncode != 0, "another property-manager command is syncing" in busy.stdout) == (True, True)
        assert holder.execute("select claimed_by from sync_requests").fetchall() == [(None,)]
    assert connection.execute("select count(*) from sync_metadata").fetchone() == (0,)


GATED = "public_intermediate.int_sessions_gated"


def test_a_run_publishes_only_what_it_compared_itself(
    command: Command, connection: psycopg.Connection, parsed_project: Path, tmp_path: Path
) -> None:
    command.ok("import", write_csv(tmp_path / "feed.csv", flats(2)), "--source", "feed", *MAPPING)
    guard = plain_dbt(command.database_url, parsed_project, "compile", "--inline", "{{ guard_run() }}", "--quiet")
    assert guard.returncode == 0, guard.stdout
    (this_run,) = set(re.findall(r"invocation_id <> '([0-9a-f-]{36})'", guard.stdout))
    connection.execute("update sync_run_marker set invocation_id = %s", [this_run])
    connection.execute("update sync_metadata set status = 'running', version = null, invocation_id = %s", [this_run])

    def refusal(change: str) -> str | None:
        """What the guard says after a change, which is taken back."""
        with connection.transaction(force_rollback=True):
            connection.execute(change)
            try:
                connection.execute(guard.stdout)
            except psycopg.errors.RaiseException as error:
                return error.diag.message_primary
        return None

    later = "insert into sync_metadata (sync_id, invocation_id, sync_kind, status, base_version, version) "
    later += "values (gen_random_uuid(), gen_random_uuid(), 'rollback', 'complete', 0, 1)"
    refusals = {
        "select": None,
        # Its own version is no later one.
        "update sync_metadata set status = 'published', version = 1": None,
        "update sync_metadata set invocation_id = gen_random_uuid()": "another run took over this sync",
        "delete from sync_run_marker": "the database restarted",
        later: "something was published since this run compared",
        f"update {GATED} set sync_id = gen_random_uuid()": "the intermediate tables belong to another run",
        f"update {GATED} set sync_id = null": "the intermediate tables belong to another run",
    }
    for change, expected in refusals.items():
        said = refusal(change)
        assert said == expected or (said and expected and said.startswith(expected)), change


@pytest.fixture
def awkward_role(server_url: str, database_url: str) -> Iterator[str]:
    """A URL whose user and password need escaping, in a server that trusts its socket."""
    user, password = "us er@ü", "p:a/s?s#%&ü"
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(
            sql.SQL("create role {} superuser login password {}").format(sql.Identifier(user), sql.Literal(password))
        )
    parts = conninfo_to_dict(database_url)
    yield (
        f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@/{parts['dbname']}"
        f"?host={quote(str(parts['host']), safe='')}&port={parts.get('port', 5432)}&sslmode=disable"
    )
    with (
        psycopg.connect(server_url, autocommit=True) as admin,
        psycopg.connect(database_url, autocommit=True) as own,
    ):
        own.execute(sql.SQL("reassign owned by {} to current_user").format(sql.Identifier(user)))
        own.execute(sql.SQL("drop owned by {}").format(sql.Identifier(user)))
        admin.execute(sql.SQL("drop role {}").format(sql.Identifier(user)))


def test_database_url_with_special_characters_serves_command_and_plain_dbt(
    awkward_role: str, command_home: Path, parsed_project: Path, tmp_path: Path
) -> None:
    command = Command(awkward_role, command_home)
    file = write_csv(tmp_path / "feed.csv", flats(3))
    command.ok("import", file, "--source", "feed", *MAPPING, "--no-sync")
    built = plain_dbt(awkward_role, parsed_project, "build", "--exclude-resource-type", "test", "unit_test")
    assert built.returncode == 0, built.stdout
    with psycopg.connect(awkward_role) as connection:
        assert connection.execute("select count(*), current_user from properties_live").fetchone() == (
            3,
            "us er@ü",
        )


def test_the_seed_documents_rules_work_verbatim(
    command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    connection.execute(
        """
        INSERT INTO validation_rules (rule_name, field_name, rule_type, rule_config, severity) VALUES
        ('custom_price_range', 'price', 'range', '{"min": 50000, "max": 10000000}', 'warning'),
        ('required_location', 'city', 'required', '{}', 'error');
        """
    )
    listings = flats(4)
    listings["flat-1"]["price"] = 10
    listings["flat-2"]["city"] = ""
    counts = command.ok(
        "import",
        write_csv(tmp_path / "feed.csv", listings),
        "--source",
        "feed",
        "--complete",
        *MAPPING,
        "--json",
    ).json["syncs"][0]["sessions"][0]

    assert (counts["created"], counts["rejected"]) == (3, 1)
    flagged = connection.execute(
        "select source_listing_id, quality_flags from properties_live where quality_flags <> '{}'"
    ).fetchall()
    assert flagged == [("flat-1", ["custom_price_range"])]
    seen = connection.execute("select count(*) from listing_sightings").fetchone()
    assert seen == (4,), "a rejected listing was seen all the same"


def test_two_threads_that_drop_what_shares_dependants_end_in_no_deadlock(
    command: Command, connection: psycopg.Connection, database_url: str, parsed_project: Path
) -> None:
    """Each finds the views `third` and `last` in another order, and both are under way before `last` can go."""
    connection.execute(
        """
        create view left_one as select 1 as one;
        create view right_one as select 1 as one;
        create view left_two as select * from left_one;
        create view left_three as select * from left_one;
        create view right_two as select * from right_one;
        create view right_three as select * from right_one;
        create view third as select l.one from left_three as l cross join right_two as r;
        create view last as select l.one from left_two as l cross join right_three as r;
        """
    )
    relation = "{{ get_drop_sql(api.Relation.create(schema='public', identifier='%s', type='view')) }}"
    text = "-- cut".join(relation % name for name in ("right_one", "left_one"))
    options = ("--quiet", "compile", "--target-path", parsed_project, "--inline", text)
    statements = command.ok("dbt", "--", *options).stdout.split("-- cut")
    errors: list[psycopg.Error] = []

    def drop(statement: str) -> None:
        try:
            with psycopg.connect(database_url, autocommit=True) as own:
                own.execute(statement)
        except psycopg.Error as error:
            errors.append(error)

    threads = [threading.Thread(target=drop, args=[statement]) for statement in statements]
    with psycopg.connect(database_url) as holder:
        holder.execute("comment on view last is 'not to be dropped yet'")
        for number, thread in enumerate(threads, start=1):
            thread.start()
            _await_waiting(connection, number)
    for thread in threads:
        thread.join()
    assert errors == []
    left = "select count(*) from pg_views where schemaname = 'public' and viewname ~ 'left|right|third|last'"
    assert connection.execute(left).fetchone() == (0,)


def _await_waiting(connection: psycopg.Connection, number: int) -> None:
    """Return when so many other connections to this database wait for a lock."""
    waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    for _ in range(400):
        if connection.execute(waiting).fetchone() == (number,):
            return
        time.sleep(0.05)
    pytest.fail("nobody waits for a lock")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("('r', 'prize', 'range', '{\"min\": 1}', 'error')", 'unknown field "prize"'),
        ("('r', 'price', 'rnge', '{\"min\": 1}', 'error')", 'unknown rule type "rnge"'),
        ("('r', 'price', 'range', '{}', 'error')", 'needs "min", "max" or both'),
        ("('r', 'price', 'range', '{\"min\": 9, \"max\": 1}', 'error')", "min is greater than max"),
        ("('r', 'price', 'range', '{\"min\": \"a\"}', 'error')", "must be a number"),
        ("('r', 'price', 'range', '{\"min\": 1, \"mix\": 9}', 'error')", 'a range rule has no setting "mix"'),
        ("('r', 'city', 'required', '{\"min\": 1}', 'error')", 'a required rule has no setting "min"'),
        ("('r', 'city', 'range', '{\"min\": 1}', 'error')", '"city" is no number'),
        ("('r', 'city', 'pattern', '{\"pattern\": \"(\"}', 'error')", "not a valid regular expression"),
        ("('r', 'city', 'enum', '{\"values\": []}', 'error')", 'needs "values"'),
        ("('r', 'city', 'enum', '[1]', 'error')", "must be a JSON object"),
        ("('r', 'city', 'required', '{}', 'fatal')", "severity"),
    ],
)
def test_a_malformed_rule_is_refused_when_inserted(connection: psycopg.Connection, rule: str, message: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match=message.replace("(", r"\(")):
        connection.execute(
            "insert into validation_rules (rule_name, field_name, rule_type, rule_config, severity) values " + rule
        )


def test_dbt_connections_are_kept_between_nodes(
    command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    """A sync has more than twenty nodes; each of dbt's two threads has one connection for all that it works on.

    The others are those of the command itself, of hooks, and of reading the catalogue.
    """
    command.ok("import", write_csv(tmp_path / "feed.csv", flats(2)), "--source", "feed", *MAPPING, "--no-sync")
    before = _sessions(connection)
    command.ok("sync-pending")
    assert 4 < _sessions(connection) - before < 16


def test_a_kept_connection_of_dbt_is_rolled_back_and_a_broken_one_replaced(
    connection: psycopg.Connection, database_url: str
) -> None:
    manager = _connection_manager(database_url)

    def backend(node: str) -> int:
        manager.set_connection_name(node)
        with manager.get_thread_connection().handle.cursor() as cursor:
            cursor.execute("select pg_backend_pid()")
            return cursor.fetchone()[0]

    with connections_kept():
        first = backend("model.one")
        manager.release()
        state = connection.execute("select state from pg_stat_activity where pid = %s", [first]).fetchone()
        assert state == ("idle",)
        assert backend("test.two") == first
        connection.execute("select pg_terminate_backend(%s, 5000)", [first])
        manager.release()
        second = backend("model.three")
        manager.release()
        assert second != first
        outside = backend("master")
        manager.release()
        assert outside == second
        assert backend("master") != second
        manager.release()
    kept_no_more = backend("model.four")
    manager.release()
    assert backend("model.five") != kept_no_more
    manager.release()


def test_a_run_of_dbt_that_gets_no_connection_names_the_database(
    command: Command, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROPERTY_HOME", str(command.home))
    project = DbtProject(command.database_url)
    project.parse()
    refuse = sql.SQL("alter database {} allow_connections false")
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(refuse.format(sql.Identifier(str(conninfo_to_dict(command.database_url)["dbname"]))))
    with pytest.raises(DatabaseUnavailableError, match=r"the connection to the database was lost: .*not currently"):
        project.build("sync")


def test_a_run_of_dbt_whose_connection_was_closed_names_the_database(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dbt.adapters.postgres.connections import PostgresConnectionManager

    monkeypatch.setenv("PROPERTY_HOME", str(command.home))
    begin = PostgresConnectionManager.begin

    def begin_on_a_closed_connection(manager: PostgresConnectionManager) -> None:
        manager.get_thread_connection().handle.close()
        begin(manager)

    monkeypatch.setattr(PostgresConnectionManager, "begin", begin_on_a_closed_connection)
    with pytest.raises(DatabaseUnavailableError, match="the connection to the database was lost: connection already"):
        DbtProject(command.database_url).build("sync")


def _connection_manager(database_url: str) -> PostgresConnectionManager:
    from dbt.adapters.postgres.connections import PostgresConnectionManager, PostgresCredentials

    parts = conninfo_to_dict(database_url)
    credentials = PostgresCredentials(
        host=str(parts["host"]),
        user=str(parts["user"]),
        port=int(parts.get("port") or 5432),
        password=str(parts.get("password", "")),
        database=str(parts["dbname"]),
        schema="public",
    )
    return PostgresConnectionManager(SimpleNamespace(credentials=credentials), get_context("spawn"))


def _sessions(connection: psycopg.Connection) -> int:
    """How many connections to this database there have been, once dbt's have ended."""
    at_work = "select count(*) from pg_stat_activity where application_name like 'property-manager%'"
    while connection.execute(at_work).fetchone() != (0,):
        time.sleep(0.01)
    counted = connection.execute("select sessions from pg_stat_database where datname = current_database()").fetchone()
    assert counted is not None
    return counted[0]
