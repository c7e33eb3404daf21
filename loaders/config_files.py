"""YAML files of configuration, read strictly: every complaint names the file, the key and the mend."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from cssselect import SelectorError
from parsel import Selector
from parsel.csstranslator import HTMLTranslator

from loaders.errors import UsageError
from loaders.settings import SETTINGS

DOCUMENTATION = "docs/adding-a-source.md lists the keys."


class ConfigFileError(UsageError):
    """A configuration file that cannot be used; the message names the file, the key and the mend."""

    code = "config_file"


def config_folder() -> Path | None:
    """The folder of the user's own sources, mappings and thresholds, `PROPERTY_CONFIG_DIR`; None where it is unset."""
    configured = os.environ.get("PROPERTY_CONFIG_DIR", "").strip()
    return Path(configured).expanduser() if configured else None


def read_config(path: Path) -> Section:
    """The top level of one YAML file. Raises ConfigFileError."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), _StrictLoader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise ConfigFileError(f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigFileError(f"{path} is not valid YAML: {error}") from error
    return Section(path, "", {} if document is None else document)


class Section:
    """One level of a file. What was not asked for by the time of `end` is refused as unknown."""

    def __init__(self, path: Path, prefix: str, document: Any) -> None:
        self.path = path
        self._prefix = prefix
        if not isinstance(document, dict):
            raise ConfigFileError(f"{path}: {prefix.rstrip('.') or 'the file'} must hold `key: value` lines")
        self._document: dict[str, Any] = {str(key): value for key, value in document.items()}
        self._known: set[str] = set()

    def __iter__(self) -> Iterator[str]:
        """The keys, each of them welcome."""
        self._known.update(self._document)
        return iter(self._document)

    def has(self, key: str) -> bool:
        """Whether a key has a value."""
        self._known.add(key)
        return self._document.get(key) is not None

    def value(self, key: str) -> Any:
        """The value of a key that must be there."""
        if not self.has(key):
            raise self.error(key, "is missing", DOCUMENTATION)
        return self._document[key]

    def values(self, key: str) -> list[Any]:
        """One value or a list of them, as a list; empty where the key is missing."""
        if not self.has(key):
            return []
        value = self._document[key]
        return value if isinstance(value, list) else [value]

    def section(self, key: str, document: Any = None) -> Section:
        """The lines below a key; `document` is one of several values that it has."""
        return Section(self.path, f"{self._prefix}{key}.", self.value(key) if document is None else document)

    def text(self, key: str) -> str:
        """A text that is not blank."""
        value = self.value(key)
        if not isinstance(value, str) or not value.strip():
            raise self.error(key, f"must be a text, not {value!r}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A text or a list of them."""
        values = self.values(key)
        if not all(isinstance(value, str) and value.strip() for value in values):
            raise self.error(key, "must be a list of texts")
        return tuple(values)

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self.value(key) if self.has(key) else default
        if not isinstance(value, bool):
            raise self.error(key, f"must be true or false, not {value!r}")
        return value

    def number(self, key: str, *, least: int) -> int:
        """A whole number, at least `least`."""
        value = self.value(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.error(key, f"must be a whole number from {least}, not {value!r}")
        return value

    def css(self, key: str) -> str:
        """A CSS selector."""
        return self.checked_css(key, self.text(key))

    def checked_css(self, key: str, css: str) -> str:
        """The selector itself, where it is one."""
        try:
            Selector("<html></html>", type="html").xpath(HTMLTranslator().css_to_xpath(css))
        except (SelectorError, ValueError) as error:
            raise self.error(key, f"{css!r} is not a CSS selector: {error}") from error
        return css

    def pattern(self, key: str) -> re.Pattern[str]:
        """A regular expression with one group."""
        text = self.text(key)
        try:
            pattern = re.compile(text)
        except re.error as error:
            raise self.error(key, f"{text!r} is not a regular expression: {error}") from error
        if pattern.groups != 1:
            raise self.error(key, f"{text!r} needs exactly one group", "For example 'of ([0-9.,]+) homes'.")
        return pattern

    def settings(self, key: str) -> dict[str, str | None]:
        """Settings of a source by name; null switches a limit off. Values are judged when they are stored."""
        if not self.has(key):
            return {}
        section = self.section(key)
        settings: dict[str, str | None] = {}
        for name in section:
            if name not in SETTINGS:
                raise section.error(name, "is not a setting", f"The settings are: {', '.join(SETTINGS)}.")
            value = section._document[name]
            if isinstance(value, (dict, list)):
                raise section.error(name, f"must be one value, not {value!r}")
            settings[name] = None if value is None else str(value)
        return settings

    def end(self) -> None:
        """Refuse the keys that nothing asked for."""
        unknown = sorted(self._document.keys() - self._known)
        if unknown:
            raise self.error(unknown[0], "is not a known key", f"Known here: {', '.join(sorted(self._known))}.")

    def error(self, key: str, problem: str, hint: str = "") -> ConfigFileError:
        """A complaint about a key."""
        return ConfigFileError(f"{self.path}: {self._prefix}{key} {problem}", hint)


class _StrictLoader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice, of which the first would be lost silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = next((key for place, key in enumerate(keys) if key in keys[:place]), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)
