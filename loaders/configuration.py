"""What users configure beside the clone, in `PROPERTY_CONFIG_DIR`: settings by source and mappings of feeds."""

from __future__ import annotations

from pathlib import Path

from loaders.config_files import config_folder, read_config
from loaders.source_files import check_source_name, find_source

THRESHOLDS_FILE = "thresholds.yml"
DEFAULTS = "defaults"
"""The key of thresholds.yml for what holds for every source; no source needs the name."""


def configured_settings(source: str) -> dict[str, str | None]:
    """What a source is set to, the last wins: the defaults of `thresholds.yml`, the source's file, its own thresholds.

    Raises ConfigFileError for a file that cannot be used.
    """
    thresholds, source_file = _thresholds(), find_source(source)
    own = source_file.settings if source_file else {}
    return {**thresholds.get(DEFAULTS, {}), **own, **thresholds.get(source, {})}


def configured_mapping(source: str) -> Path | None:
    """The user's mapping file for imports of a source, `mappings/<source>.yml`; None where there is none."""
    folder = config_folder()
    path = folder / "mappings" / f"{source}.yml" if folder else None
    return path if path is not None and path.is_file() else None


def _thresholds() -> dict[str, dict[str, str | None]]:
    folder = config_folder()
    path = folder / THRESHOLDS_FILE if folder else None
    if path is None or not path.is_file():
        return {}
    section = read_config(path)
    for name in section:
        check_source_name(name)
    return {name: section.settings(name) for name in section}
