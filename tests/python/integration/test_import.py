"""Imports: every row of a file is landed or kept with its reason, and bad input is told in one sentence."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import psycopg
import pytest

from loaders.errors import UsageError
from loaders.importer import ImportFileError, ImportOptions, import_files
from tests.python.conftest import Command

MAP = ("--map", "source_listing_id=id", "title=title", "price=price")


@pytest.mark.core
@pytest.mark.slow
def test_bad_rows_cost_themselves_only(command: Command, connection: psycopg.Connection, tmp_path: Path) -> None:
    file = tmp_path / "feed.csv"
    file.write_bytes(
        b"id,title,price\n"
        b"a,Good,1\n"
        b",No id,2\n"
        b"b,Nul \x00 inside,3\n"
        b"c,Bad \xff byte,4\n"
        b"d,Too,many,5\n"
        b"e,Also good,6\n"
        b"a,Repeated,7\n"
    )
    result = command.ok("import", file, "--source", "feed", *MAP, "--json").json

    assert (result["rows_read"], result["rows_rejected"], result["duplicates_collapsed"]) == (7, 4, 1)
    reasons = connection.execute("select row_no, reason_code from landing_rejects order by row_no").fetchall()
    assert reasons == [
        (2, "missing_id"),
        (3, "nul_character"),
        (4, "invalid_unicode"),
        (5, "wrong_column_count"),
    ]
    live = connection.execute("select source_listing_id, title from properties_live order by 1").fetchall()
    assert live == [("a", "Good"), ("e", "Also good")], "of duplicates the first row counts"
    details = command.ok("session-details", "--session-id", result["session_ids"][0][:8]).stdout
    assert "nul_character" in details


@pytest.mark.core
def test_ndjson_keeps_the_notation_of_numbers_and_reads_paths(
    command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    file = tmp_path / "feed.ndjson.gz"
    lines = [
        '{"id": 1, "offer": {"price": 1500.50}, "tags": ["lift", "garden"], "ok": true, "extra": {"a": 1}}',
        '{"id": 2, "offer": {"price": null}, "tags": [], "ok": false}',
        '{"id": 3, "offer": NaN}',
        "not json",
        '{"id": 4, "offer": {"price": 7}, "title": "\\u0000"}',
    ]
    file.write_bytes(gzip.compress("\n".join(lines).encode()))
    result = command.ok(
        *("import", file, "--source", "feed", "--json", "--map", "source_listing_id=id", "price=offer.price"),
        *("amenities=tags", "has_elevator=ok", "attributes.extra=extra.a"),
    ).json

    assert (result["rows_read"], result["rows_rejected"]) == (5, 3)
    raw = connection.execute(
        "select source_listing_id, price_text, amenities_text from property_scrapes_staging order by 1"
    ).fetchall()
    assert raw == [("1", "1500.50", '["lift", "garden"]'), ("2", None, "[]")]
    live = connection.execute(
        "select source_listing_id, price::text, amenities, has_elevator, attributes from properties_live order by 1"
    ).fetchall()
    assert live == [("1", "1500.50", ["garden", "lift"], True, {"extra": 1}), ("2", None, None, False, {})]


@pytest.mark.core
def test_an_unmapped_column_stays_in_the_payload(
    command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    file = tmp_path / "feed.csv"
    file.write_text("id,title,price,colour\na,Flat,1,red\n")
    command.ok("import", file, "--source", "feed", *MAP)
    (payload, observed) = connection.execute("select payload, observed_fields from property_scrapes_staging").fetchone()
    assert payload == {"id": "a", "title": "Flat", "price": "1", "colour": "red"}
    assert observed == ["title", "price"]


@pytest.mark.slow
def test_empty_is_a_change_and_absent_or_unreadable_is_not(
    command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    days = {
        "2024-01-01": "id,title,price\na,Flat,100\nb,Loft,200\nc,Attic,300\n",
        "2024-01-02": "id,title\na,Flat\nb,Loft\nc,Attic\n",
        "2024-01-03": "id,title,price\na,,100\nb,Loft,call us\nc,Attic,\n",
    }
    for day, text in days.items():
        file = tmp_path / f"{day}.csv"
        file.write_text(text)
        mapped = MAP if "price" in text else MAP[:-1]
        command.ok("import", file, "--source", "feed", "--complete", "--observed-at", day, *mapped)
    changes = connection.execute(
        """
        select live.source_listing_id, changes.field_name, changes.old_value, changes.new_value
        from property_changes as changes inner join properties_live as live using (property_id)
        where change_type = 'updated' order by 1, 2
        """
    ).fetchall()
    assert changes == [("a", "title", "Flat", None), ("c", "price", 300, None)]


@pytest.mark.core
@pytest.mark.slow
def test_a_sync_that_changed_much_lets_the_planner_know(
    command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    """Each session is a whole scope: the first creates 20 listings, the second changes one of them."""
    for day in (1, 2):
        file = tmp_path / f"{day}.csv"
        file.write_text("id,title,price\n" + "".join(f"f{n},Flat,{100 + (n < day)}\n" for n in range(1, 21)))
        command.ok("import", file, "--source", "feed", "--complete", "--observed-at", f"2024-01-0{day}", *MAP)
    analyzed = connection.execute(
        "select relname, analyze_count from pg_stat_user_tables "
        "where relname in ('properties_live', 'listing_sightings')"
    )
    assert dict(analyzed.fetchall()) == {"properties_live": 1, "listing_sightings": 2}


@pytest.mark.parametrize(
    ("arguments", "code", "message", "hint"),
    [
        (("import", "missing.csv", "--source", "feed"), 2, "there is no file", ""),
        (("import", "{file}", "--source", "Feed!"), 2, "is not a source name", "lower-case"),
        (
            ("import", "{file}", "--source", "feed", "--map", "prize=price"),
            2,
            "unknown field 'prize'",
            "attributes.",
        ),
        (
            ("import", "{file}", "--source", "feed", "--map", "source_listing_id=ID"),
            2,
            "has no column 'ID'",
            "id, title, price",
        ),
        (
            ("import", "{file}", "--source", "feed", "--map", "title=title"),
            2,
            "identifies a listing",
            "columns are",
        ),
        (
            ("import", "{file}", "--source", "feed", *MAP, "--set", "colour=red"),
            2,
            "no setting 'colour'",
            "currency",
        ),
        (
            ("import", "{file}", "--source", "feed", *MAP, "--set", "max_removal_share=7"),
            2,
            "max_removal_share",
            "",
        ),
        (
            ("import", "{file}", "--source", "feed", *MAP, "--observed-at", "soon"),
            2,
            "is not a time",
            "ISO 8601",
        ),
        (
            ("import", "{file}", "--source", "feed", "--mapping", "{bad}"),
            2,
            "unknown section 'felds'",
            "fields",
        ),
        (("import", "{packed}", "--source", "feed", *MAP), 1, "not a complete gzip file", "Fetch it again"),
        (("sync", "--session-id", "abcdef"), 2, "there is no session abcdef", "list-sessions"),
        (("sync", "--session-id", "nonsense"), 2, "is not a session id", "list-sessions"),
    ],
)
def test_bad_input_is_told_without_a_traceback(
    command: Command,
    connection: psycopg.Connection,
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    message: str,
    hint: str,
) -> None:
    (tmp_path / "feed.csv").write_text("id,title,price\na,Flat,1\n")
    (tmp_path / "bad.yml").write_text("felds:\n  price: price\n")
    (tmp_path / "feed.csv.gz").write_bytes(gzip.compress(b"id,title,price\na,Flat,1\n" * 5000)[:-40])
    places = {
        "{file}": str(tmp_path / "feed.csv"),
        "{bad}": str(tmp_path / "bad.yml"),
        "{packed}": str(tmp_path / "feed.csv.gz"),
    }
    words = [places.get(word, word) for word in arguments]
    for_people = command.run(*words)
    for_programs = command.run(*words, "--json")

    assert for_people.code == for_programs.code == code
    assert message in " ".join(for_people.stderr.split())
    assert "Traceback" not in for_people.stderr
    error = for_programs.json["error"]
    assert message in error["message"]
    assert hint in error["hint"]
    assert connection.execute("select count(*) from property_scrapes_staging").fetchone() == (0,)


def test_a_damaged_gzip_file_lands_nothing(connection: psycopg.Connection, tmp_path: Path) -> None:
    """Its length is right; what is inside is no packed data."""
    file = tmp_path / "feed.csv.gz"
    packed = gzip.compress(b"source_listing_id,title\na,Flat\n" * 100)
    file.write_bytes(packed[:10] + b"\xff" * (len(packed) - 10))
    with pytest.raises(ImportFileError, match="is not a complete gzip file"):
        import_files(connection, [file], ImportOptions("feed"))
    assert connection.execute("select count(*) from scrape_sessions").fetchone() == (0,)


def test_a_damaged_first_line_costs_itself_only(connection: psycopg.Connection, tmp_path: Path) -> None:
    file = tmp_path / "feed.ndjson"
    whole = ['{"source_listing_id": "a", "title": "Flat"}', '{"source_listing_id": "b", "title": "Loft"}']
    file.write_text("\n".join(['"source_listing_id": "z"}', "{}", *whole]))
    (result,) = import_files(connection, [file], ImportOptions("feed"))
    assert (result.rows_read, result.rows_rejected) == (4, 2)
    landed = "select source_listing_id, title_text from property_scrapes_staging order by 1"
    assert connection.execute(landed).fetchall() == [("a", "Flat"), ("b", "Loft")]
    reasons = "select row_no, reason_code from landing_rejects order by 1"
    assert connection.execute(reasons).fetchall() == [(1, "unreadable_json"), (2, "missing_id")]


def test_a_feed_without_any_object_has_no_columns(connection: psycopg.Connection, tmp_path: Path) -> None:
    file = tmp_path / "feed.ndjson"
    file.write_text("no json\n" * 2_000)
    with pytest.raises(UsageError, match="nothing says which column identifies a listing"):
        import_files(connection, [file], ImportOptions("feed"))


def test_several_words_after_one_set_or_map(command: Command, connection: psycopg.Connection, tmp_path: Path) -> None:
    file = tmp_path / "feed.csv"
    file.write_text("id,title,price\na,Flat,1\n")
    command.ok(
        *(
            "import",
            "--source",
            "feed",
            "--set",
            "removal_after_sessions=1",
            "max_removal_share=null",
            "--map",
        ),
        *("source_listing_id=id", "title=title", file, "--set", "currency=EUR", "--no-sync"),
    )
    settings = connection.execute(
        "select removal_after_sessions, max_removal_share, currency from sources where source = 'feed'"
    ).fetchone()
    assert settings == (1, None, "EUR")
    audited = connection.execute(
        "select count(*) from admin_audit_log where action = 'update sources' and target = 'feed'"
    ).fetchone()
    assert audited == (3,)


@pytest.mark.core
def test_json_reports_have_the_documented_shape(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "feed.csv"
    file.write_text("id,title,price\na,Flat,1\n")
    landed = command.ok("import", file, "--source", "feed", *MAP, "--no-sync", "--json").json
    assert landed["syncs"] == []
    synced = command.ok("sync-pending", "--json")
    (report,) = synced.json["syncs"]
    assert {"sync_id", "status", "started_at", "seconds", "sessions"} == set(report)
    (session,) = report["sessions"]
    documented = "session_id source scope observed_at observed created updated price_changed price_up price_down "
    documented += "reactivated missing removed unchanged held rejected removal_suppressed_reason"
    assert set(documented.split()) <= set(session)
    assert json.loads(synced.stdout)["syncs"][0]["status"] == "complete"


def test_a_row_that_cannot_be_landed_is_no_absence(
    command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("id,title,price\na,A,100\nb,B,200\nc,C,300\n")
    second.write_text("id,title,price\na,A,100\nb,B, with comma,200\nc,C,300\n,,\n")
    limits = ("--set", "removal_after_sessions=1", "max_removal_share=null", "min_volume_ratio=null")
    command.ok("import", first, "--source", "feed", "--complete", *limits, *MAP)
    result = command.ok("import", second, "--source", "feed", "--complete", *MAP, "--json").json

    (counts,) = result["syncs"][0]["sessions"]
    assert (result["rows_read"], result["rows_rejected"]) == (3, 1), "a row without any value is no row"
    assert (counts["removed"], counts["missing"]) == (0, 0)
    assert counts["removal_suppressed_reason"] == "1 of 3 rows could not be landed"
    assert connection.execute("select count(*) from properties_live where listing_status = 'active'").fetchone() == (3,)


@pytest.mark.core
def test_a_row_without_a_value_to_split_by_makes_no_session(
    command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    file = tmp_path / "days.csv"
    file.write_text("id,title,price,day\na,A,1,2024-05-01\nb,B,1,\na,A,2,2024-05-02\nb,B\n")
    result = command.ok("import", file, "--source", "feed", "--split-by", "day", *MAP, "--no-sync", "--json").json

    assert [session["split_value"] for session in result["sessions"]] == ["2024-05-01", "2024-05-02"]
    rejects = connection.execute("select session_id, reason_code from landing_rejects order by reason_code").fetchall()
    first, second = (session["session_id"] for session in result["sessions"])
    assert [(str(session), code) for session, code in rejects] == [
        (first, "no_split_value"),
        (second, "wrong_column_count"),
    ]


@pytest.mark.slow
def test_what_was_landed_is_told_also_when_it_cannot_be_synced(
    command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    file = tmp_path / "feed.csv"
    file.write_text("id,title,price\na,Flat,1\n")
    connection.execute("select pg_advisory_lock(20557, hashtext('public'))")
    for_programs = command.run("import", file, "--source", "feed", *MAP, "--json")
    for_people = command.run("import", file, "--source", "feed", *MAP)
    connection.execute("select pg_advisory_unlock_all()")

    assert for_programs.code == for_people.code == 75
    assert for_programs.json["error"]["code"] == "busy"
    assert "property-manager sync-pending" in for_programs.json["error"]["hint"]
    (session_id,) = for_programs.json["session_ids"]
    assert "feed.csv" in for_people.stdout
    assert "another command is syncing" in for_people.stderr
    (synced, again) = command.ok("sync-pending", "--json").json["syncs"]
    assert synced["sessions"][0]["session_id"] == session_id
    assert again["sessions"][0]["unchanged"] == 1
