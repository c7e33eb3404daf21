"""The commands that people and programs use: what they do, print and return."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from scripts import embedded_postgres
from scripts.demo.market import Market
from scripts.demo.portal import DemoPortal
from tests.python.conftest import ROOT, Command
from tests.python.integration.snapshots import MAPPING, edited, flats, land_day, write_csv

A_SESSION = "aaaaaaaa-0000-4000-8000-000000000001"


@pytest.fixture
def pending(command: Command, tmp_path: Path) -> list[str]:
    """Ids of three sessions of one source, a day apart, that wait for a sync."""
    days = [flats(6), edited(flats(6), "flat-1", price=99_000), edited(flats(6), "flat-1", price=98_000)]
    ids = []
    for number, day in enumerate(days, start=1):
        file = write_csv(tmp_path / f"{number}.csv", day)
        times = ("--observed-at", f"2024-05-{number:02d}")
        landed = command.ok("import", file, "--source", "feed", "--complete", *times, *MAPPING, "--no-sync", "--json")
        ids += landed.json["session_ids"]
    return ids


@pytest.fixture
def portal() -> Iterator[DemoPortal]:
    with DemoPortal(Market(seed=3, size=40, days=3)) as running:
        yield running


@pytest.mark.slow
def test_sync_takes_older_sessions_of_the_source_first(command: Command, pending: list[str]) -> None:
    synced = command.ok("sync", "--session-id", pending[1][:13], "--json").json["syncs"]
    assert [sync["sessions"][0]["session_id"] for sync in synced] == pending[:2]

    rest = command.ok("sync-pending", "--source", "feed", "--json").json["syncs"]
    assert [sync["sessions"][0]["session_id"] for sync in rest] == pending[2:]

    again = command.ok("sync", "--session-id", pending[2])
    assert "Nothing was pending." in again.stdout
    assert f"Session {pending[2]} is complete already." in again.stderr
    assert command.ok("sync-pending", "--json").json == {"syncs": [], "interrupted": []}


@pytest.mark.slow
def test_a_process_builds_the_views_that_outlive_a_sync_once(
    command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    """Unless somebody dropped one meanwhile. A view that is built anew has another object id."""

    def view_ids() -> dict[str, int]:
        rows = connection.execute(
            """
            select relname, pg_class.oid from pg_class inner join pg_namespace on relnamespace = pg_namespace.oid
            where relkind = 'v' and nspname = 'public_staging' and relname in ('stg_sources', 'stg_published_listings')
            """
        )
        return dict(rows.fetchall())

    land_day(command, tmp_path, 1, flats(2))
    first = view_ids()
    land_day(command, tmp_path, 2, flats(3))
    assert view_ids() == first
    assert len(first) == 2

    connection.execute("drop view public_staging.stg_sources cascade")
    land_day(command, tmp_path, 3, flats(2))
    built = view_ids()
    assert set(built) == set(first)
    assert not set(built.values()) & set(first.values())


@pytest.mark.slow
def test_a_later_run_of_dbt_has_no_more_to_do_than_the_first(command: Command, parsed_project: str) -> None:
    """dbt collects the flags of every adapter that a process ever had, and works on all of them at each start."""
    from dbt.adapters.factory import get_adapter_by_type

    flags = []
    for _ in range(3):
        command.ok("dbt", "--", "--quiet", "list", "--select", "stg_sessions", "--target-path", parsed_project)
        flags.append([flag.name for flag in get_adapter_by_type("postgres").behavior._flags])
    assert flags[0]
    assert flags[1:] == [flags[0]] * 2


def test_another_source_than_asked_for_stays_pending(command: Command, pending: list[str], tmp_path: Path) -> None:
    unknown = command.run("sync-pending", "--source", "other")
    assert (unknown.code, "there is no source 'other'" in unknown.stderr, "feed" in unknown.stderr) == (2, True, True)
    command.ok("import", tmp_path / "1.csv", "--source", "other", "--complete", *MAPPING, "--no-sync")
    synced = command.ok("sync-pending", "--source", "other", "--json").json["syncs"]
    assert [session["source"] for sync in synced for session in sync["sessions"]] == ["other"]
    sources = {source["source"]: source for source in command.ok("status", "--json").json["sources"]}
    assert (sources["feed"]["pending_sessions"], sources["other"]["pending_sessions"]) == (len(pending), 0)


def test_an_ambiguous_or_unfinished_session_is_not_synced(command: Command, connection: psycopg.Connection) -> None:
    _open_crawl(connection, A_SESSION)
    _open_crawl(connection, A_SESSION.replace("1", "2"))
    ambiguous = command.run("sync", "--session-id", "aaaa")
    assert (ambiguous.code, "more than one session id starts with aaaa" in ambiguous.stderr) == (2, True)
    running = command.run("sync", "--session-id", A_SESSION)
    assert (running.code, "is running; only a session that was scraped" in running.stderr) == (2, True)


@pytest.mark.slow
def test_scrape_lands_syncs_and_says_what_it_left_out(command: Command, portal: DemoPortal) -> None:
    result = command.ok(
        *("scrape", "--url", f"{portal.url}/listings", "--source", "demo_portal", "--session-name", "two pages"),
        *("--max-pages", "1", "--set", "requests_per_second=200", "--json"),
    ).json
    session = result["session"]
    (counts,) = result["syncs"][0]["sessions"]
    assert session["is_complete"] is False
    assert counts["observed"] == counts["created"] > 10
    assert (counts["removed"], counts["removal_suppressed_reason"]) == (0, session["incomplete_reason"])

    assert session["incomplete_reason"] in " ".join(command.ok("status").stdout.split())
    (listed,) = command.ok("list-sessions", "--limit", "5", "--json").json["sessions"]
    assert (listed["session_name"], listed["status"]) == ("two pages", "complete")
    details = command.ok("session-details", "--session-id", session["session_id"][:8], "--json").json
    assert sum(row["pages"] for row in details["pages"] if row["state"] == "done") == session["pages_done"]
    assert details["syncs"][0]["created"] == counts["created"]
    shown = command.ok("session-details", "--session-id", session["session_id"]).stdout
    assert session["session_id"] in shown


def test_status_tells_of_a_crawl_whose_process_is_gone(command: Command, connection: psycopg.Connection) -> None:
    assert "Nothing has been scraped or imported yet" in command.ok("status").stdout
    _open_crawl(connection, A_SESSION)

    (gone,) = command.ok("status", "--json").json["attention"]
    assert gone["reason"] == "the process that was scraping is gone"
    assert gone["next_step"].startswith(f"property-manager scrape --resume {A_SESSION[:8]}")

    connection.execute("select pg_advisory_lock(crawl_lock_key(%s))", [A_SESSION])
    assert command.ok("status", "--json").json["attention"] == []


def test_list_sessions_shows_the_newest_first(command: Command, pending: list[str]) -> None:
    listed = command.ok("list-sessions", "--limit", "2", "--json").json["sessions"]
    assert [session["session_id"] for session in listed] == pending[:0:-1]
    assert pending[2][:8] in command.ok("list-sessions").stdout


def test_doctor_names_the_mend(command: Command, tmp_path: Path) -> None:
    checks = {check["name"]: check for check in command.ok("doctor", "--json").json["checks"]}
    assert {"Python", "Database", "Migrations", "Browser", "Disk"} <= checks.keys()
    assert checks["Database"]["finding"].startswith("PostgreSQL 1")

    unreachable = command.run("doctor", "--json", DATABASE_URL=f"postgresql://user@/db?host={tmp_path}")
    (failed,) = [check for check in unreachable.json["checks"] if not check["ok"]]
    assert (unreachable.code, failed["name"]) == (1, "Database")
    assert "DATABASE_URL" in failed["mend"]


@pytest.mark.slow
def test_docs_hold_models_columns_and_lineage(command: Command, tmp_path: Path) -> None:
    assert f"{tmp_path}/site/static_index.html" in command.ok("docs", "--output", tmp_path / "site").stdout.replace(
        "\n", ""
    )
    page = (tmp_path / "site" / "static_index.html").read_text(encoding="utf-8")
    assert '"child_map"' in page
    for text in ("properties_live", "stg_published_listings", "repeated scrapes", "removal_suppressed_reason"):
        assert text.lower() in page.lower()


@pytest.mark.slow
def test_db_commands(command: Command) -> None:
    environment = {"DATABASE_URL": command.database_url}
    assert command.ok("db", "url").stdout.strip() == command.database_url
    assert command.ok("db", "migrate", "--json").json == {"applied": []}
    answer = command.run_in_process_of_its_own("db", "psql", "--", "-XAtc", "select 6 * 7")
    assert (answer.code, answer.stdout) == (0, "42\n")
    script = 'eval "$1" && dbt --version && python -c "import os; print(os.environ[\'DATABASE_URL\'])"'
    exports = command.ok("db", "env").stdout
    shell = subprocess.run(
        ["sh", "-c", script, "sh", exports], env={"PATH": os.defpath}, capture_output=True, text=True, check=False
    )
    assert shell.stdout.splitlines()[-1:] == [command.database_url], shell.stderr
    refused = command.run("db", "start", **environment)
    assert (refused.code, "DATABASE_URL names another server" in refused.stderr) == (2, True)
    assert command.ok("db", "status", "--json").json["running"] is False


def test_a_prepared_shell_starts_the_embedded_server_again(tmp_path: Path) -> None:
    """`db env` leaves DATABASE_URL set to the embedded server, which may be stopped later."""
    command = Command("", tmp_path)
    try:
        address = command.ok("db", "url", PROPERTY_EMBEDDED_FSYNC="off").stdout.strip()
        command.ok("db", "stop")
        prepared = Command(address, tmp_path)
        assert prepared.ok("db", "migrate", "--json", PROPERTY_EMBEDDED_FSYNC="off").json["applied"]
        prepared.ok("db", "stop")
        assert prepared.ok("db", "start", "--json", PROPERTY_EMBEDDED_FSYNC="off").json["running"] is True
    finally:
        embedded_postgres.destroy(tmp_path)


def test_help_imports_neither_dbt_nor_browser_nor_driver() -> None:
    program = """
import sys
from scripts.property_manager_cli import main
main(["import", "--help"], standalone_mode=False)
print(sorted({name.partition(".")[0] for name in sys.modules} & {"dbt", "playwright", "psycopg", "parsel"}))
"""
    said = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "Example: property-manager import" in said.stdout
    assert said.stdout.endswith("[]\n")


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_signal_while_a_command_still_starts_ends_it_as_later_ones_do(number: str) -> None:
    program = f"""
import signal
from scripts import config
from scripts.property_manager_cli import main
config.load_dotenv = lambda: signal.raise_signal(signal.{number})
main(["status"])
"""
    said = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (130, "")
    assert "interrupted" in said.stderr
    assert "Traceback" not in said.stderr


def _open_crawl(connection: psycopg.Connection, session_id: str) -> None:
    connection.execute("insert into sources (source) values ('feed') on conflict do nothing")
    connection.execute(
        """
        insert into scrape_sessions (
            session_id, source, scope, session_kind, observed_at, target_url, opened_at, heartbeat_at
        )
        values (%s, 'feed', %s, 'scrape', now(), 'https://portal.example/a?b=1&c=2', now(), now())
        """,
        [session_id, session_id],
    )
