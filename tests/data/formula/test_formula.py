"""Reading formulas: what they mean, and what is refused."""

from __future__ import annotations

import re

import pytest

from panelml.data.formula.formula import Effect, parse_effect, parse_formula, read_terms
from panelml.data.formula.rank import full_rank
from panelml.errors import FormulaError


def test_sides_and_effects() -> None:
    formula = parse_formula(" np.log(y) ~ x1 * x2 + L(x, 1) | unit + state^year + unit[trend, x]")
    assert formula.outcome == "np.log(y)"
    assert [str(term) for term in formula.terms()] == ["x1", "x2", "L(x, 1)", "x1:x2"]
    assert formula.intercept
    assert formula.effects == (
        Effect(("unit",)),
        Effect(("state", "year")),
        Effect(("unit",), ("trend", "x")),
    )
    assert [str(effect) for effect in formula.effects] == ["unit", "state^year", "unit[trend, x]"]


@pytest.mark.parametrize(
    ("text", "intercept", "effects"),
    [
        ("y ~ x", True, None),
        ("y ~ 1", True, None),
        ("y ~ 0 + x", False, None),
        ("y ~ x - 1", False, None),
        ("y ~ -1 + x", False, None),
        ("y ~ x | 0", True, ()),
        ("y ~ x | unit", True, (Effect(("unit",)),)),
        ("y ~ x | unit + unit", True, (Effect(("unit",)),)),
        ("y ~ x | `my unit`", True, (Effect(("my unit",)),)),
        ("y ~ 1 | unit[[t]]", True, (Effect(("unit",), ("t",), intercept=False),)),
        ("`a ~ b|c` ~ `d | e` + I(z == '~|') | unit", True, (Effect(("unit",)),)),
    ],
)
def test_constant_and_effects(
    text: str, intercept: bool, effects: tuple[Effect, ...] | None
) -> None:
    formula = parse_formula(text)
    assert (formula.intercept, formula.effects) == (intercept, effects)


REFUSED = {
    "y": "'y' has no two sides of one '~'.",
    "~ x": "has no two sides of one '~'.",
    "y ~ ": "has no two sides of one '~'.",
    "y ~ x ~ z": "has no two sides of one '~'.",
    "y ~ x | a | b": "has more than one '|'. Absorbed effects stand after a single '|'",
    "y ~ x | a +": "An effect is missing around a '+' in 'y ~ x | a +'.",
    "y ~ x | a:b": "Cannot read the absorbed effect 'a:b': write a column, 'state^year' for a comb",
    "y ~ x | f(a)": "Cannot read the absorbed effect 'f(a)'",
    "y ~ x | a[[b]": "The brackets of the effect 'a[[b]' do not match.",
    "y ~ .": "'.' does not stand for all other columns here: name the regressors.",
    "y ~ x + .": "'.' does not stand for all other columns here",
    "y ~ x**2": "'x**2' in a formula crosses a variable with itself, which gives nothing new. "
    "Write I(x**2) for a power.",
    "y ~ np.log(x) + z^3": "Write I(z**3) for a power.",
    "y ~ x +": "Cannot read 'x +': Operator `+`",
    "y ~ x > 3": "Cannot read 'x > 3': Unknown operator '>'.",
    "y ~ 2*x": "Cannot read '2*x': Numeric literals other than `1` can only be used to scale",
    "y ~ 2.5:x": "'2.5:x' has the number 2.5 as a factor. Write I(2 * x) for arithmetic.",
    "y ~ 'text'": "Cannot read \"'text'\": String literals are not valid in formulae.",
    "y1 + y2 ~ x": "The outcome 'y1 + y2' must be one variable. Write I(...) around arithmetic, as",
    "y1 - y0 ~ x": "The outcome 'y1 - y0' must be one variable.",
    "y / pop ~ x": "The outcome 'y / pop' must be one variable.",
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused_with_a_reason(text: str) -> None:
    with pytest.raises(FormulaError, match=re.escape(REFUSED[text])):
        parse_formula(text)


def test_only_texts_are_formulas() -> None:
    with pytest.raises(FormulaError, match=re.escape("A formula is a text such as 'y ~ x1 + x2'")):
        parse_formula(["y", "x"])  # type: ignore[arg-type]


def test_powers_of_sums_and_calls_are_fine() -> None:
    assert [str(t) for t in read_terms("(a + b)**2 + I(a**2) + {b^3} + D(a**2)")] == [
        "1",
        "a",
        "b",
        "I(a ** 2)",
        "b ^ 3",
        "D(a ** 2)",
        "a:b",
    ]


def test_effects_by_themselves() -> None:
    assert parse_effect("state ^ year") == Effect(("state", "year"))
    assert parse_effect(" unit[ a , b ] ") == Effect(("unit",), ("a", "b"))


NONE: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("terms", "constant", "expected"),
    [
        ([(NONE, ("a",))], True, [[{"a": True}]]),
        ([(NONE, ("a",))], False, [[{"a": False}]]),
        ([(NONE, ("a",)), (NONE, ("b",))], False, [[{"a": False}], [{"b": True}]]),
        ([(NONE, ("a", "b"))], True, [[{"b": True}, {"a": True, "b": False}]]),
        ([(NONE, ("a", "b"))], False, [[{"a": False, "b": False}]]),
        ([(NONE, ("a",)), (NONE, ("a", "b"))], True, [[{"a": True}], [{"a": False, "b": True}]]),
        ([(frozenset({"x"}), ()), (frozenset({"x"}), ("a",))], True, [[{}], [{"a": True}]]),
        ([(frozenset({"x"}), ("a",))], True, [[{"a": False}]]),
    ],
)
def test_codings_do_not_repeat_columns(terms, constant, expected) -> None:  # type: ignore[no-untyped-def]
    assert full_rank(terms, constant=constant) == expected
