"""The log of commands: one JSON object a line in `property_manager.log`, rotating, without secrets."""

from __future__ import annotations

import json
import logging
import re
from contextvars import ContextVar
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

from loaders.database import is_disk_full, lost_connection, no_space_left
from loaders.errors import DatabaseUnavailableError, PropertyManagerError
from scripts.config import property_home

MAX_BYTES = 5 * 1024 * 1024
BACKUPS = 5

session_id: ContextVar[str | None] = ContextVar("session_id", default=None)
sync_id: ContextVar[str | None] = ContextVar("sync_id", default=None)

_SECRET = re.compile(r"(?P<before>://[^:/@\s]*:|password=)(?P<secret>[^@&\s]+)")


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
            "session_id": session_id.get(),
            "sync_id": sync_id.get(),
        }
        if record.exc_info:
            line["traceback"] = redact(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def redact(text: str) -> str:
    """Text with the passwords of URLs and connection strings masked."""
    return _SECRET.sub(r"\g<before>***", text)


def log_file() -> Path:
    """Where the log is kept."""
    return property_home() / "property_manager.log"


def told(failure: Exception) -> PropertyManagerError:
    """An error for people: of what nobody expected, its kind and where the details are.

    A server that cannot start or take a connection because its disk is full rarely says so; it is looked up then.
    """
    if isinstance(failure, PropertyManagerError) and not isinstance(failure, DatabaseUnavailableError):
        return failure
    from scripts.database import free_database_bytes

    if isinstance(failure, DatabaseUnavailableError):
        is_named = "space left" in failure.message or not is_disk_full(free_database_bytes)
        return failure if is_named else no_space_left(failure.message)
    return lost_connection(failure, free_database_bytes) or PropertyManagerError(
        f"unexpected {type(failure).__name__}: {failure}", f"The details are in {log_file()}."
    )


def start_logging() -> logging.Logger:
    """Attach the rotating file to the project's logger, once a process."""
    logger = logging.getLogger("property_manager")
    if not logger.handlers:
        log_file().parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(log_file(), maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8", delay=True)
        handler.setFormatter(_JsonFormatter())
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    return logger
