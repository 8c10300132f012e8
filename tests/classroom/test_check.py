"""What `check` says, in its order: one answer for each kind of verdict, and the card that shows it."""

import functools
import re
import threading
import time
from contextlib import nullcontext

import numpy as np
import pytest
import sympy as sp
import torch

from course_lib.classroom import check as checking
from course_lib.classroom.check import Card, check, hint, outcomes, short, verdict
from course_lib.classroom.questions import find, questions


def judged(answer, name="alpha"):
    question = find(name)
    cases = question.cases()
    return verdict(question, cases, outcomes(question, answer, cases))


def said(answer, name="alpha"):
    return " ".join(judged(answer, name).sentences)


def not_attempted(gradients):
    raise NotImplementedError


def slips(gradients):
    return gradients.mean(dim=(2, 7))


ORDER = [
    (not_attempted, "blank", "Not attempted"),
    (slips, "raised", "IndexError"),
    (lambda g: None, "type", "returns nothing"),
    (lambda g: [1.0], "type", "a tensor"),
    (lambda g: g.mean((1, 2, 3)), "shape", r"\(1, 2\), and is \(1,\)"),
    (lambda g: g.mean((2, 3)).long(), "dtype", "should be float64, and are int64"),
    (lambda g: g.mean((2, 3)) / 0, "infinite", "not finite"),
    (lambda g: g.mean((2, 3)), "right", "2 of 2 points"),
    (lambda g: g.sum((2, 3)), "mistake", "sum for mean"),
    (lambda g: 3 * g.mean((2, 3)), "scale", "3 times"),
    (lambda g: g.mean((2, 3)) + 1, "wrong", "smallest input"),
]


@pytest.mark.parametrize(("answer", "kind", "words"), ORDER, ids=[kind for _, kind, _ in ORDER])
def test_each_kind_of_verdict(answer, kind, words):
    got = judged(answer)
    assert got.kind == kind and re.search(words, " ".join(got.sentences))
    assert got.points == (2 if kind == "right" else 0)


def test_the_earlier_verdict_wins():
    def raises_on_the_second(g):
        if len(g) > 1:
            raise KeyError("no such key")
        return g.sum((2, 3))  # a known mistake on the first input

    assert judged(raises_on_the_second).kind == "raised"
    assert judged(lambda g: (g.mean((2, 3)) / 0)[:, :1]).kind == "shape"  # before not finite
    assert judged(lambda g: g.abs().mean((2, 3)) * 1.0).kind == "mistake"  # before right up to a factor


def test_a_sign_is_a_nearly_where_it_is_no_known_mistake():
    assert judged(lambda m, s: m.sum((1, 2)) - s, "bias_from_map").mistake == "the sign flipped"
    question = find("bias_from_map")
    object.__setattr__(bare := _copy(question), "mistakes", ())
    cases = question.cases()
    assert verdict(bare, cases, outcomes(bare, lambda m, s: m.sum((1, 2)) - s, cases)).kind == "sign"


def _copy(question):
    return type(question)(**vars(question))


def test_an_error_shows_the_learners_own_line_and_not_ours():
    words = said(slips)
    assert "In your line" in words and "return gradients.mean(dim=(2, 7))" in words
    assert "course_lib" not in words and "Traceback" not in words


def pooled(gradients):
    return gradients.mean(dim=(2, 9))  # where it went wrong


def test_of_several_own_lines_the_innermost_is_shown():
    def calls_another(gradients):
        return pooled(gradients)

    assert "# where it went wrong" in said(calls_another)


def test_after_an_error_the_answer_is_not_called_again():
    calls: list[int] = []
    found = outcomes(find("alpha"), lambda g: calls.append(1) or 1 / 0, find("alpha").cases())
    assert len(calls) == len(found) == 1 and found[0].error == "ZeroDivisionError"


@pytest.mark.parametrize(
    "given", [3.0, "alpha", np, functools.partial(slips)], ids=["number", "text", "module", "partial"]
)
def test_what_is_no_function_with_a_name_is_told_how_to_ask(given, capsys):
    assert check(given).verdict.sentences == (checking.WORDS["unknown"].format(sentence=checking.WORDS["uncalled"]),)


def test_of_an_errors_message_the_first_line_is_shown():
    def raises(gradients):
        raise ValueError("the {}\nthe {}".format("first", "second"))

    assert "raised ValueError: the first" in said(raises) and "the second" not in said(raises)


def test_the_input_that_is_shown_is_the_first_on_which_it_differs():
    (first,), (second,), *_ = find("alpha").cases()
    words = said(lambda g: g.mean((2, 3)) + (g.shape != first.shape))
    assert first.shape != second.shape and short(second) in words and short(first) not in words


def test_a_wrong_answer_shows_the_input():
    assert re.search(r"The input: \[[^]]+\] of shape \(1, 2, 1, 2\)", said(lambda g: g.mean((2, 3)) + 1))


@pytest.mark.parametrize(("text", "kind", "words"), [(" \n", "blank", "empty"), ("two words", "by hand", "2 words")])
def test_a_text_waits_for_a_person_unless_it_is_empty(text, kind, words):
    name = next(name for name, question in questions().items() if question.by_hand)
    found = judged(lambda: text, name)
    assert found.kind == kind and words in found.sentences[0] and found.points == 0


def test_an_answer_to_fewer_cases_than_there_are_is_not_judged():
    question = find("alpha")
    cases = question.cases()
    with pytest.raises(ValueError, match="shorter"):
        verdict(question, cases, outcomes(question, lambda g: g.mean((2, 3)), cases)[:-1])


def test_leaving_the_interpreter_is_an_error_of_the_answer():
    def leave(gradients):
        raise SystemExit(3)

    assert "SystemExit" in said(leave)


def test_cases_after_the_first_share_the_time_of_one(monkeypatch):
    given: list[float] = []
    monkeypatch.setattr(checking, "LIMIT", 3.0)
    monkeypatch.setattr(checking, "_stopped_after", lambda seconds: nullcontext(given.append(seconds)))
    question = find("alpha")
    cases = question.cases()
    outcomes(question, lambda g: g.mean((2, 3)), cases)
    assert len(cases) > 1 and given == [checking.LIMIT] + [checking.LIMIT / len(cases)] * (len(cases) - 1)


@pytest.mark.parametrize("threaded", [False, True], ids=["main thread", "another thread"])
def test_an_endless_loop_is_stopped(monkeypatch, threaded):
    monkeypatch.setattr(checking, "LIMIT", 0.4)

    def endless(gradients):
        while True:
            try:
                time.sleep(0.001)
            except Exception:
                pass

    got = []
    started = time.monotonic()
    if threaded:
        thread = threading.Thread(target=lambda: got.append(judged(endless)))
        thread.start()
        thread.join(10)
    else:
        got.append(judged(endless))
    assert got[0].kind == "endless" and time.monotonic() - started < 3
    assert judged(lambda g: g.mean((2, 3))).kind == "right"  # nothing of the alarm is left


def test_prints_and_warnings_of_an_answer_are_swallowed(capsys):
    def loud(gradients):
        import warnings

        warnings.warn("careful", stacklevel=1)
        print("x" * 100_000)
        return gradients.mean((2, 3))

    assert judged(loud).kind == "right"
    assert capsys.readouterr() == ("", "")


def test_the_courses_own_function_earns_nothing_under_any_name():
    from course_lib.classroom.questions.q03_grad_cam import counterfactual_map as theirs
    from course_lib.methods import cam

    assert judged(lambda A, g: theirs(A, g), "counterfactual_map").kind == "library"
    assert judged(lambda A, g: torch.relu(-cam.grad_cam(A, g)), "counterfactual_map").kind == "library"


def test_a_parameter_that_needs_a_gradient_is_judged_like_any_tensor():
    assert judged(lambda g: g.requires_grad_().mean((2, 3))).kind == "right"


# --------------------------------------------------------------------------------------------- what is shown


def test_check_shows_one_card_and_gives_the_points(capsys):
    def alpha(gradients):
        return gradients.mean((2, 3))

    assert check(alpha).points == 2
    shown = capsys.readouterr()
    assert "alpha: right" in shown.out or "Card" in shown.out
    assert shown.err == ""


def test_a_name_that_is_no_question_is_told_the_nearest(capsys):
    def alfa(gradients):
        return gradients

    assert check(alfa).points == 0
    assert check(3).points == 0
    shown = capsys.readouterr().out
    assert "alpha" in shown and "without parentheses" in shown


def test_hints_come_in_layers_and_the_last_one_stays(capsys, monkeypatch):
    monkeypatch.setattr(checking, "_given", {})
    for _ in range(4):
        hint("alpha")
    shown = capsys.readouterr().out
    assert re.findall(r"Hint (\d) of 3", shown) == ["1", "2", "3", "3"]
    places = [shown.index(text[:30]) for text in find("alpha").hints]
    assert places == sorted(places) and shown.count(find("alpha").hints[2][:30]) == 2
    with pytest.raises(LookupError, match="there is alpha"):
        hint("alhpa")


def test_a_card_says_in_words_what_its_colour_says_and_escapes_what_it_quotes():
    page = Card("alpha: not right", ("got <script>alert(1)</script>",))._repr_html_()
    assert 'role="status"' in page and 'aria-label="alpha: not right"' in page
    assert "<script>" not in page and "&lt;script&gt;" in page
    assert 'aria-hidden="true"' in page  # the sign in front is decoration: the words say it
    assert "background" not in page and re.findall(r"[^-]color: ", page) == []  # the theme's own text and ground
    good = Card("alpha: right", ("Right.",), True)._repr_html_()
    assert good != page and "--jp-success-color1" in good and "✓ " in good and "→ " in page


def test_a_value_is_shown_on_one_line():
    assert short(torch.tensor([1.0, 2.5])) == "[1, 2.5]"
    assert short(torch.ones(1, 1, 2)) == "[1, 1] of shape (1, 1, 2)"
    assert len(short("x" * 500)) == 80


T, INF, NAN = torch.tensor, float("inf"), float("nan")
FORMS = [  # what is wanted, what came, what is wrong with its form
    (1.0, 2.0, None), (1.0, 2, None), (1, 0.5, None), (1.0, T(2.0), None), (1.0, T([2.0]), None),
    (1.0, T([2.0, 3.0]), "type"), (1.0, T([]), "type"), (1.0, True, "type"), (1.0, "1", "type"), (1.0, None, "type"),
    (1.0, 1j, "type"), (1.0, NAN, "infinite"), (1.0, INF, "infinite"), (1.0, -INF, "infinite"), (1.0, 0.0, None),
    (True, False, None), (True, 1, "type"), (True, 0.0, "type"), (True, T(1.0), "type"), (True, T(True), "type"),
    ("b", "a", None), ("b", 1, "type"), ("b", T(1.0), "type"),
    ((1.0, True), (2.0, False), None), ((1.0, True), [2.0, False], None), ((1.0, True), (2.0,), "type"),
    ((1.0, True), (2.0, False, 3.0), "type"), ((1.0, True), (2.0, 1), "type"), ((1.0, True), (NAN, True), "infinite"),
    ((1.0, True), 1.0, "type"), ((1.0, T([1.0])), (1.0, T([1.0, 2.0])), "shape"), ((1.0, 2.0), "ab", "type"),
    (T([1.0]), T([2.0]), None), (T([1.0]), T([2]), "dtype"), (T([1]), T([2.0]), "dtype"), (T([1]), T([2]), None),
    (T([1.0]), T([2j]), "dtype"), (T([1.0]), T([[2.0]]), "shape"), (T([1.0]), T([NAN]), "infinite"),
    (T([1.0]), 2.0, "type"), (T([1.0]), [2.0], "type"),
]  # fmt: skip


@pytest.mark.parametrize(("want", "got", "kind"), FORMS, ids=str)
def test_the_form_of_a_value(want, got, kind):
    found = checking._form(want, got, True)
    assert (found.kind if found else None) == kind
    if kind == "type" and isinstance(want, tuple) and len(want) != len(got if isinstance(got, tuple) else "ab"):
        assert f"a tuple of {len(want)}" in found.sentences[0]


def test_where_many_answers_are_right_their_shapes_are_free():
    assert checking._form(T([1.0]), T([1.0, 2.0]), False) is None


@pytest.mark.parametrize(("factor", "kind"), [(-1.0, "sign"), (-1.5, "scale"), (0.3, "scale"), (7.0, "scale")])
def test_right_up_to_a_factor(factor, kind):
    right = [T([1.0, -2.0]), T([3.0, 0.5])]
    found = checking._nearly(right, [factor * value for value in right])
    assert found.kind == kind and (kind == "sign" or f"{factor:g}" in found.sentences[0])
    assert checking._nearly(right, [factor * right[0], 2 * factor * right[1]]) is None  # not one factor for all
    assert checking._nearly([T([0.0])], [T([1.0])]) is None
    assert checking._nearly(right, [0 * value for value in right]) is None


@pytest.mark.parametrize(("count", "shown"), [(5, "4]"), (6, "5]"), (7, "5, ...]")])
def test_six_numbers_are_shown(count, shown):
    assert short(torch.arange(float(count))).endswith(shown)


def test_a_long_value_is_cut_at_80_letters():
    assert short("x" * 77) == repr("x" * 77) and len(short("x" * 77)) == 79
    assert short("x" * 78).endswith("...") and len(short("x" * 200)) == 80


def test_numbers_of_numpy_and_sympy_are_plain():
    values = (np.float32(1.5), np.int64(2), np.bool_(True), sp.Rational(1, 3))
    assert [type(checking._plain(value)) for value in values] == [float, int, bool, float]
    assert checking._plain([np.float64(1), (2, [sp.pi])]) == (1.0, (2, (float(sp.pi),)))
