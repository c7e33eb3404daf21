"""Settings of a source: `--set name=value`, stored in the table `sources`; `null` switches a limit off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import psycopg
from psycopg import sql

from loaders.errors import UsageError

SETTINGS: tuple[str, ...] = (
    "currency",
    "number_format",
    "area_unit",
    "country",
    "time_zone",
    "removal_after_sessions",
    "max_removal_share",
    "suspicious_price_change",
    "min_coverage",
    "min_volume_ratio",
    "completeness_rate",
    "duplicate_rate",
    "error_rate",
    "freshness_hours",
    "max_fill_rate_drop",
    "max_id_turnover",
    "retention_days",
    "page_retention_days",
    "personal_data_retention_days",
    "detail_ttl_hours",
    "requests_per_second",
    "requests_in_flight",
)


def parse_settings(assignments: Sequence[str]) -> dict[str, str | None]:
    """Read `name=value` pairs; the value `null` becomes None. Raises UsageError for a name that is no setting."""
    settings: dict[str, str | None] = {}
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        if not separator:
            raise UsageError(f"--set {assignment!r} is not of the form name=value")
        if name not in SETTINGS:
            raise UsageError(f"there is no setting {name!r}", f"The settings are: {', '.join(SETTINGS)}.")
        settings[name] = None if value.lower() == "null" else value
    return settings


def change_settings(connection: psycopg.Connection, source: str, settings: Mapping[str, str | None]) -> None:
    """Store settings of an existing source. Raises UsageError for a value that the setting does not allow."""
    for name, value in settings.items():
        if name == "time_zone" and not _is_time_zone(connection, value):
            raise UsageError(f"{value!r} is not a time zone", "Use a name such as Europe/Warsaw or UTC.")
        statement = sql.SQL(
            "update sources set {name} = %(value)s, updated_at = now() where source = %(source)s "
            "and {name} is distinct from %(value_again)s"
        ).format(name=sql.Identifier(name))
        try:
            connection.execute(statement, {"value": value, "value_again": value, "source": source})
        except (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError) as error:
            shown = "null" if value is None else repr(value)
            raise UsageError(
                f"{shown} is not a value that the setting {name} can have",
                "docs/operations.md lists the settings with their units.",
            ) from error


def _is_time_zone(connection: psycopg.Connection, name: str | None) -> bool:
    return connection.execute("select 1 from pg_timezone_names where name = %s", [name]).fetchone() is not None
