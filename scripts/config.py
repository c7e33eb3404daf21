"""Where this clone lives and what the environment says: directories, `.env` and DATABASE_URL."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from loaders.errors import UsageError

MINIMUM_FREE_BYTES = 1_000_000_000

_ASSIGNMENT = re.compile(r"(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?P<value>.*)")
_TRAILING_COMMENT = re.compile(r"(^|\s)#.*$")
_QUOTES = ("'", '"')


def project_root() -> Path:
    """The clone: the directory that holds `dbt_project.yml`, `loaders/` and `scripts/`."""
    return Path(__file__).resolve().parent.parent


def property_home() -> Path:
    """The directory of all that this clone keeps: $PROPERTY_HOME, else `.property_manager` in the clone."""
    configured = os.environ.get("PROPERTY_HOME", "").strip()
    return Path(configured).expanduser().resolve() if configured else project_root() / ".property_manager"


def free_bytes(directory: Path | None = None) -> int:
    """Free bytes on the disk of a directory, by default `property_home()`, also while that does not exist yet."""
    wanted = property_home() if directory is None else directory
    return shutil.disk_usage(next(path for path in (wanted, *wanted.parents) if path.exists())).free


def load_dotenv(path: Path | None = None) -> None:
    """Add the NAME=VALUE lines of `.env` in the clone to the environment; what is set already stays.

    A value may stand in single or double quotes; unquoted, ` #` begins a comment. A missing file is fine.
    Raises `UsageError` naming the line that is no assignment; then nothing is added.
    """
    file = project_root() / ".env" if path is None else path
    if not file.is_file():
        return
    assignments: dict[str, str] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        content = line.strip()
        if content and not content.startswith("#"):
            name, value = _parse_assignment(content, file, number)
            assignments[name] = value
    for name, value in assignments.items():
        os.environ.setdefault(name, value)


def configured_database_url() -> str | None:
    """DATABASE_URL, or None when it is unset or empty: then the embedded server is meant."""
    return os.environ.get("DATABASE_URL", "").strip() or None


def _parse_assignment(content: str, file: Path, number: int) -> tuple[str, str]:
    match = _ASSIGNMENT.fullmatch(content)
    if match is None:
        raise UsageError(f"{file}, line {number}: not NAME=VALUE.", "Correct the line, or begin it with #.")
    value = match["value"]
    if not value.startswith(_QUOTES):
        return match["name"], _TRAILING_COMMENT.sub("", value).strip()
    quoted, closing, rest = value[1:].partition(value[0])
    if not closing or _TRAILING_COMMENT.sub("", rest).strip():
        raise UsageError(
            f"{file}, line {number}: the quotes around the value of {match['name']} do not match.",
            "Close the quote that opens the value, and write nothing after it.",
        )
    return match["name"], quoted
