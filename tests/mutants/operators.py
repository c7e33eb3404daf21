"""Mechanical mistakes in SQL with Jinja: each mutant differs from the original in one place.

Comments and Jinja are left alone, and so are texts with spaces, which only people read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_TOKEN = re.compile(
    r"""
    (?P<skipped>\{\#.*?\#\}|\{%.*?%\}|--[^\n]*|/\*.*?\*/|\s+)
    | (?P<jinja>\{\{.*?\}\})
    | (?P<text>'(?:[^']|'')*')
    | (?P<number>\b\d+(?:\.\d+)?\b)
    | (?P<word>[A-Za-z_$][\w$]*)
    | (?P<sign>\#>>|\#>|@>|<@|<=|>=|<>|!=|=>|:=|::|->>|->|\|\||!~\*?|~\*?|[^\s\w])
    """,
    re.VERBOSE | re.DOTALL,
)
_CLAUSE_ENDS = ("where", "group", "order", "having", "union", "limit", "window", "returning", "on", "left", "inner")
_CLAUSE_ENDS += ("right", "full", "cross", "join", "loop", "then", "else", "end", "when", "get")
_BOUNDARY = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "<>", "<>": "=", "!~": "~", "~": "!~"}
_COUNTERPARTS = {"min": "max", "max": "min", "greatest": "least", "least": "greatest", "desc": "asc", "asc": "desc"}
_COUNTERPARTS |= {"bool_or": "bool_and", "bool_and": "bool_or"}
_ARITHMETIC = {"+": "-", "-": "+", "*": "/", "/": "*"}
_UNWRAPPED = ("coalesce", "nullif", "abs", "round", "greatest", "least")
_WHOLE_TEXT = re.compile(r"'[^'\s%{}]*'")


@dataclass(frozen=True)
class Mutant:
    """One mistake: the characters `start` to `end` of a file of the project replaced by others."""

    path: str
    operator: str
    start: int
    end: int
    replacement: str
    line: int
    original_line: str
    mutated_line: str
    id: str

    def apply(self, text: str) -> str:
        """The file with the mistake in it."""
        return text[: self.start] + self.replacement + text[self.end :]


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        return self.text.lower() if self.kind in ("word", "sign") else ""


_Change = tuple[int, int, str]
_Operator = Callable[[str, Sequence[_Token]], Iterator[_Change]]


def mutants_of(path: str, text: str) -> list[Mutant]:
    """Every mutant of a file, in order of place and operator; a change that several operators make counts once."""
    tokens = _tokens(text)
    found: dict[_Change, str] = {}
    for operator, changes in OPERATORS.items():
        for change in changes(text, tokens):
            found.setdefault(change, operator)
    return [_mutant(path, text, operator, change) for change, operator in sorted(found.items())]


def files_to_mutate(root: Path, patterns: Sequence[str], excluded: Sequence[str] = ()) -> list[Path]:
    """The files that match a pattern and no excluded one, sorted."""
    chosen = {path for pattern in patterns for path in root.glob(pattern) if path.is_file()}
    return sorted(path for path in chosen if not any(path.relative_to(root).match(each) for each in excluded))


def sample(mutants: Sequence[Mutant], size: int, seed: int) -> list[Mutant]:
    """A random choice by the lines and the seed alone, so that an edit changes it no more than it changes the lines."""

    def rank(mutant: Mutant) -> tuple[str, int, int, str]:
        lines = f"{seed}\0{mutant.path}\0{mutant.original_line}\0{mutant.mutated_line}"
        return hashlib.sha256(lines.encode()).hexdigest(), mutant.start, mutant.end, mutant.replacement

    return sorted(mutants, key=rank)[:size]


def _mutant(path: str, text: str, operator: str, change: _Change) -> Mutant:
    start, end, replacement = change
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", end)
    line_end = len(text) if line_end < 0 else line_end
    mutated = text[line_start:start] + replacement + text[end:line_end]
    digest = hashlib.sha256(f"{path}\0{text}\0{start}\0{end}\0{replacement}".encode()).hexdigest()[:16]
    return Mutant(
        path=path,
        operator=operator,
        start=start,
        end=end,
        replacement=replacement,
        line=text.count("\n", 0, start) + 1,
        original_line=" ".join(text[line_start:line_end].split()),
        mutated_line=" ".join(mutated.split()),
        id=digest,
    )


def _tokens(text: str) -> list[_Token]:
    found = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind is not None and kind != "skipped":
            found.append(_Token(kind, match.group(), match.start(), match.end()))
    return found


def _null_arm(_: str, tokens: Sequence[_Token]) -> Iterator[_Change]:
    for position, token in enumerate(tokens):
        words = [each.word for each in tokens[position : position + 4]]
        if words[:3] == ["is", "distinct", "from"]:
            yield token.start, tokens[position + 2].end, "<>"
        elif words == ["is", "not", "distinct", "from"]:
            yield token.start, tokens[position + 3].end, "="


def _null_test(_: str, tokens: Sequence[_Token]) -> Iterator[_Change]:
    for position, token in enumerate(tokens):
        words = [each.word for each in tokens[position : position + 3]]
        if words[:2] == ["is", "null"]:
            yield token.start, tokens[position + 1].end, "is not null"
        elif words == ["is", "not", "null"]:
            yield token.start, tokens[position + 2].end, "is null"


def _comparison(_: str, tokens: Sequence[_Token]) -> Iterator[_Change]:
    for token in tokens:
        if token.kind == "sign":
            for replacements in (_BOUNDARY, _FLIPPED):
                if token.text in replacements:
                    yield token.start, token.end, replacements[token.text]


def _constant(_: str, tokens: Sequence[_Token]) -> Iterator[_Change]:
    for position, token in enumerate(tokens):
        before = [each.word for each in tokens[max(position - 3, 0) : position]]
        if token.kind == "number" and before != ["exists", "(", "select"]:
            yield token.start, token.end, f"{token.text}1" if "." in token.text else str(int(token.text) + 1)
        elif token.word in ("true", "false"):
            yield token.start, token.end, "false" if token.word == "true" else "true"
        elif token.kind == "text" and _WHOLE_TEXT.fullmatch(token.text) and token.text != "''":
            yield token.start, token.end, "'mutant'"


def _logic(_: str, tokens: Sequence[_Token]) -> Iterator[_Change]:
    after_between = False
    for position, token in enumerate(tokens):
        following = tokens[position + 1].word if position + 1 < len(tokens) else ""
        if token.word == "between":
            after_between = True
        elif token.word == "and" and after_between:
            after_between = False
        elif token.word in ("and", "or"):
            yield token.start, token.end, "or" if token.word == "and" else "and"
        elif token.word == "not" and following not in ("", "null", "distinct", "matched"):
            yield token.start, tokens[position + 1].start, ""


def _condition(_: str, tokens: Sequence[_Token]) -> Iterator[_Change]:
    """A where or join condition is dropped, whole and each of its parts."""
    for position, token in enumerate(tokens):
        if token.word not in ("where", "on", "having", "when"):
            continue
        following = tokens[position + 1].word if position + 1 < len(tokens) else ""
        if following in ("conflict", "commit"):
            continue
        parts = _conjuncts(tokens, position + 1)
        if not parts:
            continue
        if token.word != "when":
            yield parts[0][0].start, parts[-1][1].end, "true"
        if len(parts) > 1:
            for number, (first, last) in enumerate(parts):
                if number:
                    yield parts[number - 1][1].end, last.end, ""
                else:
                    yield first.start, parts[1][0].start, ""


def _conjuncts(tokens: Sequence[_Token], start: int) -> list[tuple[_Token, _Token]]:
    """First and last token of each part of the condition that begins at `start`, joined by `and` on its own level."""
    parts: list[tuple[_Token, _Token]] = []
    first: _Token | None = None
    last: _Token | None = None
    depth, cases, after_between = 0, 0, False
    for token in tokens[start:]:
        if token.text in ("(", "["):
            depth += 1
        elif token.text in (")", "]"):
            depth -= 1
        ends = token.word in _CLAUSE_ENDS or token.text in (";", ",")
        if depth < 0 or (depth == 0 and cases == 0 and ends):
            break
        cases += (token.word == "case") - (token.word == "end")
        if depth == 0 and cases == 0:
            if token.word == "or":
                return _whole(tokens, start)
            if token.word == "between":
                after_between = True
            elif token.word == "and":
                if not after_between:
                    if first is not None and last is not None:
                        parts.append((first, last))
                    first = None
                    continue
                after_between = False
        first, last = first or token, token
    if first is not None and last is not None:
        parts.append((first, last))
    return parts


def _whole(tokens: Sequence[_Token], start: int) -> list[tuple[_Token, _Token]]:
    """A condition with `or` on its own level, as one part."""
    depth, cases = 0, 0
    last = tokens[start]
    for token in tokens[start:]:
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        ends = token.word in _CLAUSE_ENDS or token.text in (";", ",")
        if depth < 0 or (depth == 0 and cases == 0 and ends):
            break
        cases += (token.word == "case") - (token.word == "end")
        last = token
    return [(tokens[start], last)]


def _case_arm(_: str, tokens: Sequence[_Token]) -> Iterator[_Change]:
    for position, token in enumerate(tokens):
        if token.word != "case":
            continue
        arms, end = _arms(tokens, position)
        whens = [number for number, arm in enumerate(arms) if arm.word == "when"]
        for number, arm in enumerate(arms):
            following = arms[number + 1] if number + 1 < len(arms) else end
            if following is not None and (arm.word == "else" or len(whens) > 1):
                yield arm.start, following.start, ""


def _arms(tokens: Sequence[_Token], start: int) -> tuple[list[_Token], _Token | None]:
    depth, arms = 0, []
    for token in tokens[start + 1 :]:
        if token.word == "case":
            depth += 1
        elif token.word == "end":
            if depth == 0:
                return arms, token
            depth -= 1
        elif depth == 0 and token.word in ("when", "else"):
            arms.append(token)
    return arms, None


def _join_kind(_: str, tokens: Sequence[_Token]) -> Iterator[_Change]:
    for position, token in enumerate(tokens[:-1]):
        if tokens[position + 1].word == "join" and token.word in ("left", "inner", "full"):
            yield token.start, token.end, "inner" if token.word == "left" else "left"


def _wrapped(text: str, tokens: Sequence[_Token]) -> Iterator[_Change]:
    """`coalesce(x, y)` becomes `x`, and the like."""
    for position, token in enumerate(tokens[:-1]):
        if token.word not in _UNWRAPPED or tokens[position + 1].text != "(":
            continue
        depth, first_ends = 0, None
        for inner in tokens[position + 1 :]:
            depth += (inner.text in ("(", "[")) - (inner.text in (")", "]"))
            if depth == 1 and inner.text == "," and first_ends is None:
                first_ends = inner.start
            if depth == 0:
                argument = text[tokens[position + 1].end : first_ends or inner.start].strip()
                yield token.start, inner.end, f"({argument})"
                break


def _counterpart(_: str, tokens: Sequence[_Token]) -> Iterator[_Change]:
    for position, token in enumerate(tokens):
        if token.word in _COUNTERPARTS:
            yield token.start, token.end, _COUNTERPARTS[token.word]
        elif token.text in _ARITHMETIC and position and tokens[position - 1].text not in ("(", ",", "=", "select"):
            yield token.start, token.end, _ARITHMETIC[token.text]


def _distinct(_: str, tokens: Sequence[_Token]) -> Iterator[_Change]:
    for position, token in enumerate(tokens[:-1]):
        following = tokens[position + 1]
        if token.word == "distinct" and following.word not in ("from", "on"):
            yield token.start, following.start, ""
        elif token.word == "union" and following.word == "all":
            yield following.start, following.end, ""


OPERATORS: dict[str, _Operator] = {
    "null arm": _null_arm,
    "null test": _null_test,
    "comparison": _comparison,
    "constant": _constant,
    "logic": _logic,
    "condition": _condition,
    "case arm": _case_arm,
    "join": _join_kind,
    "function": _wrapped,
    "counterpart": _counterpart,
    "distinct": _distinct,
}
