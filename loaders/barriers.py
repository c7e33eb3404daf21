"""Named points at which a fault test ends the process, as `kill -9` would.

With `PROPERTY_BARRIER` set to a name, the process that reaches that point writes the name to the file
`PROPERTY_BARRIER_FILE` and kills itself. Without it, reaching a barrier does nothing.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

BARRIERS: tuple[str, ...] = (
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


def reach(name: str) -> None:
    """End the process here when the environment asks for it."""
    if name not in BARRIERS:
        raise ValueError(f"unknown barrier {name!r}")
    if os.environ.get("PROPERTY_BARRIER") == name:
        Path(os.environ["PROPERTY_BARRIER_FILE"]).write_text(name, encoding="utf-8")
        os.kill(os.getpid(), signal.SIGKILL)
