"""Validation rules: listed, checked, switched on and off, and rehearsed over past sessions before they take effect."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import yaml
from psycopg import sql
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from loaders.database import connect, statements
from loaders.errors import PropertyManagerError, UsageError
from scripts.dbt_runner import CompiledModel, DbtProject
from scripts.sync import run_lock

_SQL = statements("rules.sql", Path(__file__).parent / "sql")

_DEFAULTS: dict[str, Any] = {"rule_config": {}, "severity": "error", "is_enabled": True, "description": None}
_REQUIRED = ("rule_name", "field_name", "rule_type")
_RULES, _LISTINGS, _VIOLATIONS = "stg_validation_rules", "int_listings_observed", "int_rule_violations"


class RuleRefusedError(UsageError):
    """A rule that the database does not take, with what is wrong with it."""

    code = "rule_refused"


class RehearsalFailedError(PropertyManagerError):
    """Past sessions could not be evaluated; nothing was changed."""

    code = "rehearsal_failed"


@dataclass(frozen=True)
class RuleCheck:
    """Whether a rule would be taken; `problem` and `hint` say what is wrong, both are None for a good one."""

    rule_name: str
    problem: str | None
    hint: str | None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with the rule."""
        return self.problem is None


@dataclass(frozen=True)
class Rehearsal:
    """What a rule would have flagged in one past session.

    `evaluated` and `flagged` count distinct listings, `share` is their ratio. `flagged_then` is what the rule of this
    name flagged when the session was synced, None where it was not applied. `examples` are up to three listings.
    """

    rule_name: str
    session_id: uuid.UUID
    source: str
    scope: str
    observed_at: datetime
    evaluated: int
    flagged: int
    share: float
    flagged_then: int | None
    examples: list[dict[str, str | None]]

    def as_json(self) -> dict[str, Any]:
        """The rehearsal in the stable shape that commands print with --json."""
        return {
            **asdict(self),
            "session_id": str(self.session_id),
            "observed_at": self.observed_at.isoformat(),
            "share": round(self.share, 6),
        }


def list_rules(connection: psycopg.Connection) -> list[dict[str, Any]]:
    """Every rule with its settings and what it found in the last sync that applied it."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL["rules"]).fetchall()


def read_rules(file: Path) -> list[dict[str, Any]]:
    """Rules of a YAML or JSON file: a list, or a list under the key `rules`. Raises UsageError for another shape."""
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}: {error}", "Name a YAML or JSON file with rules.") from error
    except yaml.YAMLError as error:
        raise UsageError(
            f"{file} is neither YAML nor JSON: {error}", "docs/validation-rules.md has an example."
        ) from error
    listed = document.get("rules") if isinstance(document, dict) else document
    if not isinstance(listed, list) or not listed:
        raise UsageError(f"{file} holds no list of rules", "docs/validation-rules.md has an example.")
    return [_rule(entry, position, file) for position, entry in enumerate(listed, start=1)]


def check_rules(connection: psycopg.Connection, rules: Sequence[dict[str, Any]] | None = None) -> list[RuleCheck]:
    """What is wrong with the given rules, or with those that are stored; nothing is written."""
    if rules is not None:
        return [_check(connection, rule["rule_name"], "write_rule", _parameters(rule)) for rule in rules]
    names = [name for (name,) in connection.execute(_SQL["rule_names"])]
    return [_check(connection, name, "write_again", {"rule_name": name}) for name in names]


def switch_rule(connection: psycopg.Connection, rule_name: str, *, is_enabled: bool) -> int | None:
    """Switch a rule on or off; returns its new version, or None where it was so already."""
    _require_rule(connection, rule_name)
    try:
        row = connection.execute(_SQL["switch_rule"], {"rule_name": rule_name, "is_enabled": is_enabled}).fetchone()
    except (psycopg.IntegrityError, psycopg.DataError) as error:
        raise _refusal(error) from error
    return None if row is None else row[0]


def rehearse(
    database_url: str,
    rules: Sequence[dict[str, Any]] | str,
    *,
    sessions: int = 5,
    source: str | None = None,
    wait: bool = False,
) -> list[Rehearsal]:
    """What rules (or the stored one of a name) would have flagged in the last sessions, newest first.

    The stored rows are read and judged by the project's own models in one transaction that is rolled back: it writes
    nothing. Limits of change are measured against what is published now. Raises BusyError while another command
    syncs, RuleRefusedError for a malformed rule.
    """
    with (
        connect(database_url, application_name="property-manager rules dry-run") as connection,
        run_lock(connection, wait=wait),
    ):
        if isinstance(rules, str):
            _require_rule(connection, rules)
        _require_sync(connection)
        models = DbtProject(database_url).compile_models(_RULES, _LISTINGS, _VIOLATIONS)
        try:
            with connection.transaction(force_rollback=True):
                return _rehearsed(connection, models, rules, sessions, source)
        except psycopg.errors.CheckViolation as error:
            raise _refusal(error) from error
        except psycopg.Error as error:
            raise RehearsalFailedError(
                f"past sessions could not be evaluated: {error.diag.message_primary or error}",
                "After an update of this project run `property-manager sync-pending` first, then try again.",
            ) from error


def _rehearsed(
    connection: psycopg.Connection,
    models: dict[str, CompiledModel],
    rules: Sequence[dict[str, Any]] | str,
    limit: int,
    source: str | None,
) -> list[Rehearsal]:
    connection.execute("set local jit = off; set local lock_timeout = '30s'; set local enable_nestloop = off")
    for rule in [] if isinstance(rules, str) else rules:
        connection.execute(_SQL["write_rule"], _parameters(rule))
    found = connection.execute(_SQL["recent_sessions"], {"source": source, "limit": limit}).fetchall()
    if not found:
        raise UsageError("no session with stored rows was found", "Import or scrape something first.")
    sync_id = uuid.uuid4()
    connection.execute(_SQL["set_open_syncs_aside"])
    connection.execute(_SQL["open_rehearsal"], {"sync_id": sync_id})
    connection.execute(_SQL["take_sessions"], {"sync_id": sync_id, "session_ids": [row[0] for row in found]})
    staged_rules = _rebuild(connection, models[_RULES])
    names = [rules] if isinstance(rules, str) else [rule["rule_name"] for rule in rules]
    connection.execute(
        sql.SQL("delete from {} where rule_name <> all(%s)").format(staged_rules), [names], prepare=False
    )
    connection.execute(sql.SQL("update {} set is_enabled = true").format(staged_rules))
    listings = _rebuild(connection, models[_LISTINGS])
    connection.execute(sql.SQL("analyze {} (session_id, property_id)").format(listings))
    connection.execute("set local enable_nestloop = on")
    connection.execute(_temporary("rehearsed_violations", models[_VIOLATIONS].query))
    connection.execute(
        sql.SQL("create temporary table rehearsed_rules on commit drop as select rule_name from {}").format(
            staged_rules
        )
    )
    connection.execute(
        sql.SQL(
            "create temporary table rehearsed_listings on commit drop as "
            "select session_id, property_id, source_listing_id from {}"
        ).format(listings)
    )
    with connection.cursor(row_factory=class_row(Rehearsal)) as cursor:
        return cursor.execute(_SQL["rehearsed"]).fetchall()


def _rebuild(connection: psycopg.Connection, model: CompiledModel) -> sql.Identifier:
    """Put a table of the rehearsal in the place of a model's own, until the transaction is rolled back."""
    table = sql.Identifier(model.schema, model.name)
    kept = sql.Identifier(f"{model.name}_kept")
    connection.execute(sql.SQL("alter table {} rename to {}").format(table, kept))
    connection.execute(sql.SQL("create table {} as ").format(table) + _query(model.query))
    return table


def _temporary(name: str, query: str) -> sql.Composed:
    return sql.SQL("create temporary table {} on commit drop as ").format(sql.Identifier(name)) + _query(query)


def _query(text: str) -> sql.Composed:
    """The text of a query that dbt compiled from this project's own files."""
    return sql.Composed([sql.SQL(text)])


def _rule(entry: Any, position: int, file: Path) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise UsageError(f"rule {position} of {file} is no object", "Each rule has rule_name, field_name, rule_type, …")
    missing = [key for key in _REQUIRED if not isinstance(entry.get(key), str)]
    unknown = sorted(str(key) for key in entry.keys() - {*_REQUIRED, *_DEFAULTS})
    if missing or unknown:
        problem = f"lacks {', '.join(missing)}" if missing else f"has unknown keys: {', '.join(unknown)}"
        raise UsageError(
            f"rule {position} of {file} {problem}",
            f"Its keys are {', '.join((*_REQUIRED, *_DEFAULTS))}; the first three are needed, as text.",
        )
    rule = {**_DEFAULTS, **entry}
    if not isinstance(rule["is_enabled"], bool) or not isinstance(rule["severity"], str):
        raise UsageError(f"rule {position} of {file}: is_enabled is true or false, severity a text")
    return rule


def _parameters(rule: dict[str, Any]) -> dict[str, Any]:
    try:
        config = json.dumps(rule["rule_config"], allow_nan=False)
    except (TypeError, ValueError) as error:
        raise RuleRefusedError(
            f'rule "{rule["rule_name"]}": rule_config is no JSON: {error}', "Write dates and the like in quotes."
        ) from error
    description = None if rule["description"] is None else str(rule["description"])
    return {**rule, "description": description, "rule_config": Jsonb(json.loads(config))}


def _check(connection: psycopg.Connection, name: str, statement: str, parameters: dict[str, Any]) -> RuleCheck:
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(_SQL[statement], parameters)
    except (psycopg.IntegrityError, psycopg.DataError) as error:
        refusal = _refusal(error)
        return RuleCheck(name, refusal.message, refusal.hint or None)
    return RuleCheck(name, None, None)


def _refusal(error: psycopg.Error) -> RuleRefusedError:
    return RuleRefusedError(error.diag.message_primary or str(error), error.diag.message_hint or "")


def _require_rule(connection: psycopg.Connection, rule_name: str) -> None:
    known = [name for (name,) in connection.execute(_SQL["rule_names"])]
    if rule_name not in known:
        raise UsageError(
            f"there is no rule {rule_name!r}",
            f"Known are: {', '.join(known)}." if known else "The first sync adds the shipped rules.",
        )


def _require_sync(connection: psycopg.Connection) -> None:
    if connection.execute("select to_regclass('properties_live')").fetchone() == (None,):
        raise UsageError("nothing has been synced yet", "Import or scrape something first.")
