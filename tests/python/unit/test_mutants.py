"""The mutation check makes one small mistake at a time, everywhere it should and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.__main__ import EXCLUDED, PATTERNS, known_survivors
from tests.mutants.operators import OPERATORS, files_to_mutate, mutants_of, sample

ROOT = Path(__file__).parents[3]


def becomes(text: str, operator: str) -> set[str]:
    """What one operator makes of a text."""
    return {mutant.apply(text) for mutant in mutants_of("a.sql", text) if mutant.operator == operator}


@pytest.mark.parametrize(
    ("operator", "text", "mutated"),
    [
        ("null arm", "select a is distinct from b", {"select a <> b"}),
        ("null arm", "select a is not distinct from b", {"select a = b"}),
        ("null test", "select a is null", {"select a is not null"}),
        ("null test", "select a is not null", {"select a is null"}),
        ("comparison", "select a < b", {"select a <= b", "select a > b"}),
        (
            "comparison",
            "select a = b, c => d, e::text, f -> 'g', h #>> '{}'",
            {"select a <> b, c => d, e::text, f -> 'g', h #>> '{}'"},
        ),
        ("constant", "select 1, true", {"select 2, true", "select 1, false"}),
        ("constant", "select 0.5", {"select 0.51"}),
        ("constant", "select 'price', 'for people to read', ''", {"select 'mutant', 'for people to read', ''"}),
        ("constant", "select exists (select 1 from a), $1", set()),
        ("logic", "select a and b", {"select a or b"}),
        (
            "logic",
            "select a between 1 and 2 or not b",
            {"select a between 1 and 2 and not b", "select a between 1 and 2 or b"},
        ),
        (
            "condition",
            "select 1 from a where b and c group by d",
            {
                "select 1 from a where true group by d",
                "select 1 from a where c group by d",
                "select 1 from a where b group by d",
            },
        ),
        ("condition", "select 1 from a where b or c", {"select 1 from a where true"}),
        (
            "condition",
            "from a inner join b on a.c = b.c left join d on e",
            {
                "from a inner join b on true left join d on e",
                "from a inner join b on a.c = b.c left join d on true",
            },
        ),
        ("condition", "insert on conflict (a) do nothing", set()),
        ("condition", "count(*) filter (where a) as b", {"count(*) filter (where true) as b"}),
        (
            "case arm",
            "case when a then 1 when b then 2 else 3 end",
            {
                "case when b then 2 else 3 end",
                "case when a then 1 else 3 end",
                "case when a then 1 when b then 2 end",
            },
        ),
        ("case arm", "case when a then 1 end", set()),
        ("join", "a left join b", {"a inner join b"}),
        ("function", "coalesce(a, f(b, c))", {"(a)"}),
        (
            "counterpart",
            "select min(a), b + c order by d desc",
            {
                "select max(a), b + c order by d desc",
                "select min(a), b - c order by d desc",
                "select min(a), b + c order by d asc",
            },
        ),
        ("distinct", "count(distinct a)", {"count(a)"}),
        ("distinct", "a union all b", {"a union  b"}),
    ],
)
def test_what_an_operator_makes(operator: str, text: str, mutated: set[str]) -> None:
    assert becomes(text, operator) == mutated


@pytest.mark.parametrize(
    "text", ["-- a < 1 and b", "{# where a #}", "{% if a < 1 and b %}", "{{ ref('a') }}", "'a and 1'"]
)
def test_comments_jinja_and_prose_are_left_alone(text: str) -> None:
    assert mutants_of("a.sql", text) == []


def test_every_operator_finds_work_and_each_mutant_differs_in_one_place() -> None:
    found = set()
    files = files_to_mutate(ROOT, PATTERNS, EXCLUDED)
    for file in files:
        text = file.read_text(encoding="utf-8")
        mutants = mutants_of(file.relative_to(ROOT).as_posix(), text)
        found |= {mutant.operator for mutant in mutants}
        assert len({mutant.id for mutant in mutants}) == len(mutants)
        for mutant in mutants:
            mutated = mutant.apply(text)
            assert mutated != text
            assert mutated[: mutant.start] == text[: mutant.start]
            assert mutated[mutant.start + len(mutant.replacement) :] == text[mutant.end :]
            assert mutant.original_line != mutant.mutated_line
    assert found == set(OPERATORS)
    assert {"compared_outcome.sql", "breaks_rule.sql", "int_sessions_gated.sql", "publish.sql"} <= {
        f.name for f in files
    }
    assert not {"int_listings_observed.sql"} & {file.name for file in files}


def test_the_sample_depends_on_its_seed_alone() -> None:
    text = (ROOT / "models/intermediate/int_sessions_gated.sql").read_text(encoding="utf-8")
    mutants = mutants_of("gate.sql", text)
    assert sample(mutants, 20, seed=1) == sample(mutants[::-1], 20, seed=1)
    assert sample(mutants, 20, seed=1) != sample(mutants, 20, seed=2)
    assert len(set(sample(mutants, 20, seed=1))) == 20
    assert len(sample(mutants, 10_000, seed=1)) == len(mutants)


def test_an_edit_leaves_the_sample_of_other_lines_as_it_was() -> None:
    text = (ROOT / "models/intermediate/int_sessions_gated.sql").read_text(encoding="utf-8")
    before = {(each.original_line, each.mutated_line) for each in sample(mutants_of("gate.sql", text), 20, seed=1)}
    edited = mutants_of("gate.sql", "-- Another line.\n\n" + text)
    assert {(each.original_line, each.mutated_line) for each in sample(edited, 20, seed=1)} == before


def test_each_known_survivor_is_still_a_mutant() -> None:
    """A reason that fits no mutant any more would hide the next one on that line."""
    files = files_to_mutate(ROOT, PATTERNS, EXCLUDED)
    possible = {
        (mutant.path, mutant.original_line, mutant.mutated_line)
        for file in files
        for mutant in mutants_of(file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8"))
    }
    assert set(known_survivors()) <= possible
    assert all(len(reason.split()) > 3 for reason in known_survivors().values())
