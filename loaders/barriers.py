"""Named points at which a fault test ends the process, as `kill -9` would.

With `PROPERTY_BARRIER` set to a name, the process that reaches that point writes the name to the file
`PROPERTY_BARRIER_FILE` and kills itself. `name#3` means the third time it is reached; the two barriers of dbt's nodes
name a node of the manifest, `before_node:model.property_manager.properties_live`. `PROPERTY_BARRIER_SIGNAL=STOP`
freezes the process instead. Without `PROPERTY_BARRIER`, reaching a barrier does nothing.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

BARRIERS: tuple[str, ...] = (
    "session_opened",
    "import_batch_copied",
    "rows_copied",
    "page_flushed",
    "before_sync",
    "before_publish_commit",
    "after_publish_commit",
    "before_history",
    "after_sync",
    "before_replay_commit",
    "before_cleanup_commit",
    "before_erasure_commit",
    "before_rollback_commit",
    "after_rollback_commit",
)
NODE_BARRIERS: tuple[str, ...] = ("before_node", "after_node")

_reached: Counter[str] = Counter()


def reach(name: str, node: str | None = None) -> None:
    """End the process here when the environment asks for it; `node` belongs to the barriers of dbt's nodes."""
    if name not in (BARRIERS if node is None else NODE_BARRIERS):
        raise ValueError(f"unknown barrier {name!r}")
    wanted = os.environ.get("PROPERTY_BARRIER")
    if wanted is None:
        return
    point = name if node is None else f"{name}:{node}"
    _reached[point] += 1
    if wanted in (point, f"{point}#{_reached[point]}"):
        Path(os.environ["PROPERTY_BARRIER_FILE"]).write_text(wanted, encoding="utf-8")
        os.kill(os.getpid(), signal.Signals[f"SIG{os.environ.get('PROPERTY_BARRIER_SIGNAL', 'KILL')}"])
