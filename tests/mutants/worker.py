"""One process that tries mutants on a copy of the project: `python -m tests.mutants.worker`, driven through pipes.

It stays warm: dbt is imported once, parses only what a mutant changed, and one server serves all. It reads mutants
as JSON lines and answers each with a verdict.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from loaders.migrate import migrate
from scripts import embedded_postgres
from scripts.config import project_root, property_home
from scripts.dbt_runner import DbtFailedError, DbtProject
from scripts.sync import SyncFailedError
from tests.mutants.operators import Mutant
from tests.python.integration.story import live_through

_DATABASE, _MIGRATED, _BUILT = "mutants", "mutants_migrated", "mutants_built"
NOTICED, INVALID, SURVIVED = "noticed", "invalid", "survived"
# What PostgreSQL or dbt says of a statement that it does not even begin to run.
_DOES_NOT_COMPILE = re.compile(
    r"syntax error|does not exist|must be type|must return|cannot be matched|cannot be cast|could not determine"
    r"|is ambiguous|missing FROM-clause|must appear in the GROUP BY|not allowed in|invalid reference"
    r"|has an enforced contract|Compilation Error|Parsing Error|could not identify|is of type|mismatched"
    r"|each (?:UNION|INTERSECT) query|FULL JOIN is only supported|more than one row returned by a subquery used as an"
)
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_LAST_RESORT = ("tests/python/integration/test_golden_scenarios.py", "tests/python/integration/test_transitions.py")
_OF_PUBLICATION = tuple(
    f"tests/python/integration/test_{name}.py" for name in ("upgrade", "import", "gate", "undo", "database", "faults")
)
_LAST_RESORT_BY_FOLDER = {
    "macros/quality/": ("tests/python/integration/test_rules.py",),
    "macros/publish/": _OF_PUBLICATION,
    "models/publish/": _OF_PUBLICATION,
}
_TEST_HAS_FAILED = 1


class _NoticedError(Exception):
    """Something differs from what the original did."""


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant, and which test or message decided it."""

    outcome: str
    by: str


class Worker:
    """The original's manifest and story, and a server to try mutants on."""

    def __init__(self, server: str, *, last_resort: bool) -> None:
        self._server = server
        self._url = server.replace(f"/{embedded_postgres.DATABASE}?", f"/{_DATABASE}?")
        self._last_resort = last_resort
        self._story: list[list[str]] = []
        self._unit_tests: dict[str, list[str]] = {}

    def prepare(self, *, checks_original: bool) -> None:
        """Live through the story with the original; its database also serves the unit tests.

        One worker of a run checks that those pass without any mutant.
        """
        self._new_database("template1")
        migrate(self._url)
        self._keep_as(_MIGRATED)
        self._new_database(_MIGRATED)
        self._story = self._live_through()
        (manifest,) = DbtProject._manifests.values()
        self._unit_tests = _unit_tests_by_file(manifest)
        every_test = sorted({name for names in self._unit_tests.values() for name in names})
        failed = self._failed_tests(every_test) if checks_original else ""
        self._keep_as(_BUILT)
        if failed:
            raise DbtFailedError(f"the tests fail without any mutant: {failed}", "Mend them first.")

    def judge(self, mutant: Mutant) -> Verdict:
        """Try one mutant. The file is as it was afterwards."""
        file = project_root() / mutant.path
        original = file.read_text(encoding="utf-8")
        file.write_text(mutant.apply(original), encoding="utf-8")
        try:
            return self._judge(mutant)
        finally:
            file.write_text(original, encoding="utf-8")

    def _judge(self, mutant: Mutant) -> Verdict:
        DbtProject._manifests.clear()
        self._new_database(_BUILT)
        try:
            failed = self._failed_tests(self._unit_tests.get(mutant.path, []))
        except DbtFailedError as error:
            return Verdict(INVALID, _first_line(error.message))
        if failed:
            return _verdict(failed)
        try:
            self._new_database(_MIGRATED)
            told = self._live_through(expected=self._story)
        except _NoticedError as error:
            return Verdict(NOTICED, str(error))
        except (SyncFailedError, DbtFailedError) as error:
            return _verdict(error.message)
        except psycopg.Error as error:
            return Verdict(NOTICED, _first_line(str(error)))
        if told != self._story:
            return Verdict(NOTICED, "the story")
        if failed := self._failed_data_tests():
            return _verdict(failed)
        return self._by_golden_tests(mutant) if self._last_resort else Verdict(SURVIVED, "story and unit tests")

    def _by_golden_tests(self, mutant: Mutant) -> Verdict:
        import pytest

        own = [files for folder, files in _LAST_RESORT_BY_FOLDER.items() if mutant.path.startswith(folder)]
        files = [*_LAST_RESORT, *(file for files in own for file in files)]
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *files])
        if code not in (0, _TEST_HAS_FAILED):
            raise DbtFailedError(f"pytest ended with {code}:\n{said.getvalue()[-2000:]}", "Look at what it said.")
        failed = re.findall(r"^FAILED \S+::(\S+)", said.getvalue(), re.MULTILINE)
        return Verdict(NOTICED, failed[0]) if code else Verdict(SURVIVED, "all")

    def _live_through(self, expected: list[list[str]] | None = None) -> list[list[str]]:
        told: list[list[str]] = []

        def compare(lines: list[str]) -> None:
            told.append(lines)
            if expected is not None and expected[len(told) - 1 : len(told)] != [lines]:
                raise _NoticedError(f"the story, chapter {len(told)}")
            if expected is not None and len(told) > len(expected):
                raise _NoticedError("the story goes on")

        with tempfile.TemporaryDirectory() as folder:
            live_through(self._url, Path(folder), compare)
        return told

    def _failed_tests(self, names: list[str]) -> str:
        project = DbtProject(self._url)
        project.parse()
        return _failures(project, ["test", "--fail-fast", "--select", *names]) if names else ""

    def _failed_data_tests(self) -> str:
        project = DbtProject(self._url)
        project.parse()
        return _failures(project, ["test", "--fail-fast", "--select", "test_type:data"])

    def _new_database(self, template: str) -> None:
        """Make the one database that everything happens in: under another name dbt would parse all of the project."""
        DbtProject.forget_built()
        with psycopg.connect(self._server, autocommit=True) as admin:
            admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(_DATABASE)))
            statement = sql.SQL("create database {} template {}")
            admin.execute(statement.format(sql.Identifier(_DATABASE), sql.Identifier(template)))

    def _keep_as(self, name: str) -> None:
        """Let the database as it is be the template of others."""
        with psycopg.connect(self._server, autocommit=True) as admin:
            statement = sql.SQL("create database {} template {}")
            admin.execute(statement.format(sql.Identifier(name), sql.Identifier(_DATABASE)))


def _failures(project: DbtProject, arguments: list[str]) -> str:
    result = project._invoke(arguments)
    if result.exception is not None:
        raise DbtFailedError(str(result.exception), "The project cannot be tested.")
    bad = [each for each in result.result.results if each.status in ("error", "fail", "runtime error")]
    return "; ".join(f"{each.node.name}: {each.message}" for each in bad)


def _unit_tests_by_file(manifest: Any) -> dict[str, list[str]]:
    """The unit tests of each model's file, and of each macro's file those of all models that use it."""
    tests: dict[str, list[str]] = {}
    for test in manifest.unit_tests.values():
        tests.setdefault(test.depends_on.nodes[0], []).append(test.name)
    found: dict[str, set[str]] = {}
    for node_id, node in manifest.nodes.items():
        if node_id not in tests:
            continue
        files = {node.original_file_path, *_macro_files(manifest, node.depends_on.macros)}
        for file in files:
            found.setdefault(file, set()).update(tests[node_id])
    return {file: sorted(names) for file, names in found.items()}


def _macro_files(manifest: Any, macro_ids: list[str]) -> set[str]:
    files, waiting, seen = set(), list(macro_ids), set()
    while waiting:
        macro_id = waiting.pop()
        macro = manifest.macros.get(macro_id)
        if macro is None or macro_id in seen:
            continue
        seen.add(macro_id)
        if macro.package_name == "property_manager":
            files.add(macro.original_file_path)
        waiting += macro.depends_on.macros
    return files


def _verdict(message: str) -> Verdict:
    return Verdict(INVALID if _DOES_NOT_COMPILE.search(message) else NOTICED, _first_line(message))


def _first_line(message: str) -> str:
    return " ".join(_COLOUR.sub("", message).split())[:160]


def main() -> None:
    """Prepare, say so, then judge one mutant a line."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.environ["PROPERTY_EMBEDDED_FSYNC"] = "off"
    server = embedded_postgres.start(property_home()).url
    os.environ["PROPERTY_TEST_DATABASE_URL"] = server
    try:
        worker = Worker(server, last_resort="--last-resort" in sys.argv)
        worker.prepare(checks_original="--check-original" in sys.argv)
        print(json.dumps({"ready": True}), file=answers, flush=True)
        for line in sys.stdin:
            verdict = worker.judge(Mutant(**json.loads(line)))
            print(json.dumps({"outcome": verdict.outcome, "by": verdict.by}), file=answers, flush=True)
    finally:
        embedded_postgres.destroy(property_home())


if __name__ == "__main__":
    main()
