"""The one place that invokes dbt: in this process, quietly, with a manifest that is parsed once."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from loaders import barriers
from loaders.database import explained_loss, schema_name
from loaders.errors import DatabaseUnavailableError, PropertyManagerError
from scripts.config import project_root, property_home
from scripts.database import free_database_bytes
from scripts.dbt_connections import connections_kept
from scripts.interrupts import wait_interruptibly

if TYPE_CHECKING:
    from dbt.artifacts.schemas.results import BaseResult
    from dbt.contracts.graph.manifest import Manifest

_PUBLISHING_NODE = "model.property_manager.properties_live"
_HISTORY_NODE = "snapshot.property_manager.properties_history"
_NODE_EVENTS = {
    "NodeStart": "before_node",
    "LogHookStartLine": "before_node",
    "NodeFinished": "after_node",
    "LogHookEndLine": "after_node",
}


class DbtFailedError(PropertyManagerError):
    """A dbt run that could not do its work."""

    code = "dbt"


@dataclass(frozen=True)
class NodeFailure:
    """A model, snapshot, seed, test or hook that failed, with dbt's message."""

    name: str
    status: str
    message: str


@dataclass(frozen=True)
class DbtOutcome:
    """What a run reported: whether all went well, what did not, and the seconds that each node took, by its name."""

    success: bool
    failures: tuple[NodeFailure, ...]
    node_seconds: dict[str, float]


@dataclass(frozen=True)
class CompiledModel:
    """A model as dbt would run it: where its table or view stands, and its query."""

    schema: str
    name: str
    query: str


class DbtProject:
    """The dbt project of this clone against one schema of a database; a process parses it once for each."""

    _manifests: ClassVar[dict[tuple[str, str], Manifest]] = {}
    _built: ClassVar[dict[tuple[str, str], list[str]]] = {}

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._place = (database_url, schema_name())

    def build(self, selector: str) -> DbtOutcome:
        """Run `dbt build` with a selector of selectors.yml. Raises DbtFailedError when dbt could not start.

        dbt's artifacts, a fifth of the work of a small build, are written by the first build of a process only.
        """
        self.parse()
        writing = "--no-write-json" if self._place in self._built else "--write-json"
        outcome = _outcome(self._invoke([writing, "build", "--selector", selector]))
        if outcome.success:
            self._built[self._place] = self._views_and_seeds()
        return outcome

    @property
    def manifest(self) -> Manifest:
        """The project as dbt has read it."""
        self.parse()
        return self._manifests[self._place]

    @property
    def built_relations(self) -> list[str]:
        """The views and seeds that this process has built in this schema; others may have dropped them since."""
        return self._built.get(self._place, [])

    @classmethod
    def forget_built(cls) -> None:
        """Let the next build of this process be as its first."""
        cls._built.clear()

    def _views_and_seeds(self) -> list[str]:
        # Hooks count as nodes too, of a materialisation that is a view's.
        return [
            f'"{node.schema}"."{node.alias}"'
            for node in self.manifest.nodes.values()
            if node.resource_type in ("model", "seed") and node.config.materialized in ("view", "seed")
        ]

    def compile_models(self, *names: str) -> dict[str, CompiledModel]:
        """The queries of some models by name, without running anything."""
        self.parse()
        result = self._invoke(["compile", "--select", *names])
        if not result.success:
            raise DbtFailedError(
                f"the dbt project cannot be compiled: {result.exception or 'see the log'}",
                f"The log is {log_directory() / 'dbt.log'}.",
            )
        nodes = [compiled.node for compiled in result.result.results]
        return {node.name: CompiledModel(node.schema, node.alias, node.compiled_code) for node in nodes}

    def generate_docs(self, target: Path) -> Path:
        """Write the static documentation site into a folder and return its page."""
        self.parse()
        result = self._invoke(["docs", "generate", "--static"], target_path=target)
        if not result.success:
            raise DbtFailedError(
                f"dbt could not write its documentation: {result.exception or 'see the log'}",
                f"The log is {log_directory() / 'dbt.log'}.",
            )
        return target / "static_index.html"

    def parse(self) -> None:
        """Read the project, once in a process."""
        if self._place not in self._manifests:
            result = self._invoke(["parse"])
            if not result.success:
                raise DbtFailedError(
                    f"the dbt project cannot be read: {result.exception}",
                    "Undo the last edit of a model or macro.",
                )
            self._manifests[self._place] = result.result

    def _invoke(self, arguments: Sequence[str], target_path: Path | None = None) -> Any:
        root = project_root()
        return _run(
            self._database_url,
            [
                "--log-level",
                "none",
                "--log-level-file",
                "info",
                "--log-path",
                str(log_directory()),
                "--no-use-colors-file",
                *arguments,
                "--project-dir",
                str(root),
                "--profiles-dir",
                str(root),
                "--target-path",
                str(target_path or dbt_directory()),
            ],
            self._manifests.get(self._place),
        )


def dbt_directory() -> Path:
    """Where dbt keeps what it parsed and compiled, apart for each schema, since names of schemas are part of it."""
    return property_home() / "dbt" / schema_name()


def log_directory() -> Path:
    """Where dbt keeps its own log."""
    return property_home() / "logs"


def pass_through(database_url: str, arguments: Sequence[str]) -> int:
    """Run dbt with a user's own arguments against the configured database; returns dbt's exit code."""
    os.environ.setdefault("DBT_PROJECT_DIR", str(project_root()))
    os.environ.setdefault("DBT_PROFILES_DIR", str(project_root()))
    result = _run(database_url, arguments)
    if result.success:
        return 0
    if result.exception is not None:
        print(result.exception, file=sys.stderr)
        return 2
    return 1


def _run(database_url: str, arguments: Sequence[str], manifest: Manifest | None = None) -> Any:
    """What dbt returns; queries that run are cancelled by Ctrl-C and SIGTERM, which come out as KeyboardInterrupt."""
    from dbt.adapters.base import impl
    from dbt.cli.main import dbtRunner
    from psycopg2.extensions import set_wait_callback

    set_wait_callback(wait_interruptibly)
    os.environ["DATABASE_URL"] = database_url
    # Each run's adapter appends its own flags to this list of dbt's, and then looks up who defined every one of them:
    # without this a process spends seconds on each of its later runs.
    flags = list(impl.DEFAULT_BASE_BEHAVIOR_FLAGS)
    try:
        with connections_kept():
            result = dbtRunner(manifest=manifest, callbacks=[_reach_barriers]).invoke(list(arguments))
    finally:
        impl.DEFAULT_BASE_BEHAVIOR_FLAGS[:] = flags
    if isinstance(result.exception, KeyboardInterrupt):
        raise result.exception
    return result


def _outcome(result: Any) -> DbtOutcome:
    if result.exception is not None:
        failed = DbtFailedError(str(result.exception), f"The log is {log_directory() / 'dbt.log'}.")
        raise _lost_connection(result.exception) or failed from result.exception
    failures = [_failure(node) for node in result.result.results if node.status in ("error", "fail", "runtime error")]
    node_seconds = {each.node.unique_id.split(".", 2)[-1]: each.execution_time for each in result.result.results}
    return DbtOutcome(success=bool(result.success), failures=tuple(failures), node_seconds=node_seconds)


def _lost_connection(exception: BaseException | None) -> DatabaseUnavailableError | None:
    """What to tell of a run that dbt gave up as it had no connection outside of nodes; None for other exceptions."""
    from psycopg2 import InterfaceError, OperationalError

    # An InterfaceError is what a closed connection raises where it is used again.
    while exception is not None and not isinstance(exception, OperationalError | InterfaceError):
        exception = exception.__cause__ or exception.__context__
    return None if exception is None else explained_loss(str(exception), exception.pgcode, free_database_bytes)


def _failure(result: BaseResult) -> NodeFailure:
    node = getattr(result, "node", None)
    name = getattr(node, "name", None) or getattr(result, "unique_id", "dbt")
    return NodeFailure(name=str(name), status=str(result.status), message=(result.message or "").strip())


def _reach_barriers(event: Any) -> None:
    """Turn dbt's own events into the fault tests' barriers."""
    if "PROPERTY_BARRIER" not in os.environ:
        return
    name = event.info.name
    node = getattr(getattr(event.data, "node_info", None), "unique_id", "")
    if name in _NODE_EVENTS:
        barriers.reach(_NODE_EVENTS[name], node)
    if name == "SQLCommit" and getattr(event.data, "conn_name", "") == _PUBLISHING_NODE:
        barriers.reach("before_publish_commit")
    elif name == "NodeFinished" and node == _PUBLISHING_NODE:
        barriers.reach("after_publish_commit")
    elif name == "NodeStart" and node == _HISTORY_NODE:
        barriers.reach("before_history")
