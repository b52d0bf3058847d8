"""The grammar of expressions: what it reads, what it refuses and where, and that nothing is ever run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.contracts.expressions import (
    FUNCTIONS,
    Binary,
    Call,
    Choice,
    Column,
    Comparison,
    Constant,
    ExpressionError,
    Logic,
    Member,
    Negative,
    Not,
    parse,
)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a / b", Binary("/", Column("a"), Column("b"))),
        ("-3", Constant(-3)),
        ("-a", Negative(Column("a"))),
        ("+a", Column("a")),
        ("a ** 2", Binary("**", Column("a"), Constant(2))),
        ("1e-4", Constant(1e-4)),
        ("a > 0", Comparison(">", Column("a"), Constant(0))),
        (
            "0 < a <= 5",
            Logic("and", (Comparison("<", Constant(0), Column("a")), Comparison("<=", Column("a"), Constant(5)))),
        ),
        ("a in ['x', 2]", Member(Column("a"), ("x", 2))),
        ("a not in [1]", Not(Member(Column("a"), (1,)))),
        ("not is_missing(a)", Not(Call("is_missing", (Column("a"),)))),
        ("a if b else None", Choice(Column("b"), Column("a"), Constant(None))),
        ("`two words` == 'it''s'", Comparison("==", Column("two words"), Constant("it's"))),
        ('"a ""quoted"" text"', Constant('a "quoted" text')),
        ("''", Constant("")),
        ("`back``tick`", Column("back`tick")),
        (r"'a\b'", Constant(r"a\b")),
        ("true or False", Logic("or", (Constant(value=True), Constant(value=False)))),
        ("größe * `größe 2`", Binary("*", Column("größe"), Column("größe 2"))),
        ("ﬁ", Column("ﬁ")),  # Python would normalise the ligature; the data's header does not
        ("a\n  + b", Binary("+", Column("a"), Column("b"))),
        ("min(a, 1, b)", Call("min", (Column("a"), Constant(1), Column("b")))),
    ],
)
def test_text_becomes_a_tree(text, tree):
    assert parse(text).root == tree


def test_columns_are_named_once_in_order_of_appearance():
    assert parse("b + a if log(c) > b else `d e`").columns() == ("b", "a", "c", "d e")


def test_a_quoted_word_is_no_column_and_no_function():
    assert parse("contains(a, 'log(b)')").columns() == ("a",)


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("", 0, "empty"),
        ("  ", 0, "empty"),
        ("a b", 2, "cannot be read"),
        ("a +", 0, "cannot be read"),
        ("(a", 0, "never closed"),
        ("a = 1", 2, "cannot be read"),
        ("1 + evil(a)", 4, "unknown function 'evil'"),
        ("a + b.c", 4, "a dot"),
        ("a[0]", 0, "brackets"),
        ("a, b", 0, "comma"),
        ("[a]", 0, "list"),
        ("a is None", 0, "is_missing"),
        ("lambda: a", 0, "not part"),
        ("(x := 1)", 1, "not part"),
        ("1j", 0, "not part"),
        ("...", 0, "not part"),
        ("a & b", 0, "not part"),
        ("~a", 0, "not part"),
        ("{1: a}", 0, "not part"),
        ("[x for x in a]", 0, "not part"),
        ("log()", 0, "1 argument"),
        ("log(a, b)", 0, "1 argument"),
        ("round(a, 1, 2)", 0, "1 to 2 arguments"),
        ("min(a)", 0, "at least 2"),
        ("log(x=a)", 0, "by position"),
        ("log(*a)", 0, "by position"),
        ("a in b", 5, "a list"),
        ("a in [b]", 6, "only numbers and quoted texts"),
        ("'open", 0, "not closed"),
        ("f'{a}'", 1, "beside a quote"),
        ("a`b`", 1, "beside a quote"),
        ("a # b", 2, "'#'"),
        ("1e999", 0, "too large"),
        ("größe + evil(a)", 8, "unknown function"),
    ],
)
def test_what_is_outside_the_grammar_is_refused_at_its_place(text, position, words):
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert words in caught.value.message
    assert caught.value.position == position


@pytest.mark.parametrize(
    "text",
    [
        "a" * 3000,
        "(" * 1000 + "a" + ")" * 900,
        "-" * 1900 + "a",
        "+".join("a" * 900),
        "9" * 1900,
        "a" + "\x00",
        "__import__('os').system('true')",
        "().__class__",
    ],
)
def test_hostile_text_is_refused_quickly(text):
    with pytest.raises(ExpressionError):
        parse(text)


def test_a_sum_of_many_columns_is_not_too_deep():
    assert len(parse(" + ".join(f"c{number}" for number in range(150))).columns()) == 150


def test_every_function_takes_as_many_arguments_as_its_row_says():
    for name, (fewest, most) in FUNCTIONS.items():
        arguments = ", ".join("a" * fewest)
        assert parse(f"{name}({arguments})").root == Call(name, (Column("a"),) * fewest)
        assert most is None or most >= fewest


@given(st.text(max_size=60) | st.text(alphabet="ab1.()[]'\"` +-*/<>=,innotfe", max_size=60))
def test_any_text_is_a_tree_or_a_refusal_inside_it(text):
    try:
        position = len(parse(text).text)
    except ExpressionError as error:
        position = error.position
    assert 0 <= position <= len(text)
