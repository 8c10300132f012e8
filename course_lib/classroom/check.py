"""`check(answer)` says at once what an answer is, `hint(answer)` what may help; `verdict` is the judgement alone."""

import builtins
import ctypes
import html
import io
import linecache
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_lib.classroom.questions import Question, find, same

LIMIT = 4.0
"""Seconds after which an answer is stopped."""
MOST = 5000
"""Characters that are kept of a text."""
LESSONS = ("methods", "evaluation", "faithfulness", "theory", "classroom/questions/q")
BORROWED = tuple(str(Path(__file__).parents[1] / part) for part in LESSONS)
"""Whose functions are no answers; what begins with q is the questions' modules themselves."""
WORDS = {
    "blank": "Not attempted yet.",
    "unknown": "Nothing to check here. {sentence}",
    "uncalled": "check takes your function itself: check(grad_cam), without parentheses behind its name.",
    "library": "This calls the course's own function, which earns nothing: write the steps yourself.",
    "endless": "Stopped after {seconds:.0f} seconds. Is there a loop that never ends?",
    "raised": "Your code raised {error}: {message}",
    "line": "In your line {number}: {text}",
    "nothing": "Your function returns nothing. Is there a return?",
    "type": "Your function should return {want}, and returned {got}.",
    "shape": "The shape should be {want}, and is {got}.",
    "dtype": "The numbers should be {want}, and are {got}.",
    "infinite": "There are values that are not finite (NaN or infinity). Is something divided by 0?",
    "by hand": "Read: {words} words. A person gives the points for this one, up to {points}.",
    "empty": "The text is empty: not attempted yet.",
    "right": "Right. {earned} of {points} points.",
    "mistake": "A known mistake: {name}. {hint}",
    "scale": "Right up to a factor: yours is {factor:.4g} times what is expected.",
    "sign": "Right up to the sign: yours is the negative of what is expected.",
    "wrong": "Not right yet. The smallest input on which it differs gives {got}, and {want} is expected.",
    "unmet": "Not right yet. These conditions decide: {missing}.",
    "input": "The input: {case}",
    "points": "{earned} of {points} points",
    "title": "{name}: {verdict}",
    "hint": "Hint {number} of {total}: {text}",
    "a tensor": "a tensor",
    "a number": "a number",
    "a text": "a text",
    "true or false": "True or False",
    "a pair": "a tuple of {count}",
}
TITLES = {"right": "right", "by hand": "handed in", "blank": "not attempted", "mistake": "a known mistake",
          "raised": "raised an error", "scale": "nearly", "sign": "nearly", "endless": "stopped",
          "unknown": "not found"}  # fmt: skip


@dataclass(frozen=True)
class Raised:
    """What an answer gave in place of a value: the error, and the learner's own line."""

    error: str
    message: str = ""
    number: int = 0
    text: str = ""


@dataclass(frozen=True)
class Verdict:
    """What an answer is.

    Attributes:
        kind: a key of WORDS, such as "right" or "shape"
        points: what it earns
        mistake: the name of the known mistake, where it is one
        sentences: in words, for the card
    """

    kind: str
    points: int = 0
    mistake: str = ""
    sentences: tuple[str, ...] = ()


# ---------------------------------------------------------------------------------------------------- the judgement


def verdict(question: Question, cases: Sequence[tuple[Any, ...]], given: Sequence[Any]) -> Verdict:
    """Judge what an answer gave for each case: plain values, or `Raised`. Runs none of the answer's code.

    The order: not attempted, raised, wrong type, shape or dtype, not finite, right, a known mistake, right up to scale
    or sign, wrong. What comes in another shape or isn't finite may be a known mistake too, and is then named as well.
    """
    for value in given:
        if isinstance(value, Raised):
            return _raised(value)
    wanted = [question.value(question.reference, case) for case in cases]
    fixed = question.observe is None  # where many answers are right, their shapes are free
    form = next((f for want, got in zip(wanted, given, strict=True) if (f := _form(want, got, fixed))), None)
    if form and (form.kind not in ("shape", "infinite") or not fixed):
        return form
    if question.by_hand:
        return _by_hand(question, given[0])
    seen = [question.seen(c, v) for c, v in zip(cases, given, strict=True)]
    right = [question.seen(case, want) for case, want in zip(cases, wanted, strict=True)]
    if not form and same(seen, right):
        words = WORDS["right"].format(earned=question.points, points=question.points)
        return Verdict("right", question.points, sentences=(words,))
    for mistake in question.mistakes:
        if same(seen, [question.seen(case, question.value(mistake.answer, case)) for case in cases]):
            words = WORDS["mistake"].format(name=mistake.name, hint=mistake.hint)
            first = form.sentences if form else ()
            return Verdict(form.kind if form else "mistake", 0, mistake.name, (*first, words))
    return form or _nearly(right, seen) or _wrong(cases, right, seen)


def _by_hand(question: Question, text: str) -> Verdict:
    if not text.strip():
        return Verdict("blank", sentences=(WORDS["empty"],))
    words = WORDS["by hand"].format(words=len(text.split()), points=question.points)
    return Verdict("by hand", sentences=(words, text.strip()[:MOST]))


def _raised(value: Raised) -> Verdict:
    if value.error == "NotImplementedError":
        return Verdict("blank", sentences=(WORDS["blank"],))
    if value.error == "Endless":
        return Verdict("endless", sentences=(WORDS["endless"].format(seconds=LIMIT), *_line(value)))
    if value.error == "Borrowed":
        return Verdict("library", sentences=(WORDS["library"],))
    words = WORDS["raised"].format(error=value.error, message=value.message)
    return Verdict("raised", sentences=(words, *_line(value)))


def _line(value: Raised) -> tuple[str, ...]:
    return (WORDS["line"].format(number=value.number, text=value.text),) if value.text else ()


def _form(want: Any, got: Any, fixed: bool) -> Verdict | None:
    """What is wrong with the form of a value, or None."""
    if got is None:
        return Verdict("type", sentences=(WORDS["nothing"],))
    if isinstance(want, tuple):
        if type(got) not in (tuple, list) or len(got) != len(want):
            return _sentence("type", want=WORDS["a pair"].format(count=len(want)), got=_kind(got))
        return next((f for pair in zip(want, got, strict=True) if (f := _form(*pair, fixed))), None)
    if isinstance(want, Tensor):
        if not isinstance(got, Tensor):
            return _sentence("type", want=_kind(want), got=_kind(got))
        if fixed and got.shape != want.shape:
            return _sentence("shape", want=tuple(want.shape), got=tuple(got.shape))
        if got.is_floating_point() != want.is_floating_point() or got.is_complex():
            return _sentence("dtype", want=str(want.dtype)[6:], got=str(got.dtype)[6:])
        return None if torch.isfinite(got).all() else _sentence("infinite")
    if _kind(want) == WORDS["a number"] and isinstance(got, Tensor) and got.numel() == 1:
        return None
    if _kind(want) != _kind(got):
        return _sentence("type", want=_kind(want), got=_kind(got))
    if _kind(want) == WORDS["a number"] and abs(float(got)) * 0 != 0:
        return _sentence("infinite")
    return None


def _kind(value: Any) -> str:
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "a text"}
    key = "a tensor" if isinstance(value, Tensor) else kinds.get(type(value))
    return WORDS[key] if key else type(value).__name__


def _sentence(kind: str, **facts: Any) -> Verdict:
    return Verdict(kind, sentences=(WORDS[kind].format(**facts),))


def _nearly(right: Sequence[Any], seen: Sequence[Any]) -> Verdict | None:
    """Right up to one factor for all cases, or None."""
    if not all(isinstance(value, Tensor) and value.is_floating_point() for value in (*right, *seen)):
        return None
    want, got = (torch.cat([value.detach().double().flatten() for value in values]) for values in (right, seen))
    square = float(want @ want)
    factor = float(want @ got) / square if square else 0.0
    if factor == 0 or not same(got, factor * want):
        return None
    return _sentence("sign") if abs(factor + 1) < 1e-4 else _sentence("scale", factor=factor)


def _wrong(cases: Sequence[tuple[Any, ...]], right: Sequence[Any], seen: Sequence[Any]) -> Verdict:
    case, want, got = next(one for one in zip(cases, right, seen, strict=True) if not same(one[2], one[1]))
    if isinstance(got, tuple) and got and all(isinstance(part, str) for part in (*got, *want)):
        missing = [part for part in got if part not in want]
        return _sentence("unmet", missing="; ".join(missing))
    first = WORDS["wrong"].format(got=short(got), want=short(want))
    shown = ", ".join(short(part) for part in case)
    return Verdict("wrong", sentences=(first, *((WORDS["input"].format(case=shown),) if shown else ())))


def short(value: Any) -> str:
    """A value on one line: its first numbers, and its shape where there are more.

    >>> short(torch.arange(12.0).reshape(3, 4))
    '[0, 1, 2, 3, 4, 5, ...] of shape (3, 4)'
    """
    if not isinstance(value, Tensor):
        return repr(value) if len(repr(value)) < 80 else f"{repr(value)[:77]}..."
    numbers = [f"{float(number):.4g}" for number in value.detach().flatten()[:6]]
    more = ", ..." if value.numel() > 6 else ""
    return f"[{', '.join(numbers)}{more}]" + ("" if value.ndim < 2 else f" of shape {tuple(value.shape)}")


# --------------------------------------------------------------------------------------------- running an answer here


class Endless(BaseException):
    """Stops an answer; no `except Exception` of the answer catches it."""


class _Borrowed(BaseException):
    pass


class _Sink(io.TextIOBase):
    """Swallows what an answer prints: the card says all, and a flood fills no memory."""

    def write(self, text: str) -> int:
        return len(text)


def outcomes(question: Question, answer: Callable[..., Any], cases: Sequence[tuple[Any, ...]]) -> list[Any]:
    """What an answer gives for each case, with `Raised` (then the last) where it gives no value."""
    values: list[Any] = []
    for case in cases:
        arguments = question.arguments(case)
        try:
            with _quiet(), _stopped_after(LIMIT / len(cases) if values else LIMIT), _own_work():
                given = answer(*arguments)
                values.append(_plain(question.back(given, *case) if question.back else given))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # sys.exit in an answer is an error of that answer
            values.append(_as_raised(error, answer))
            break
    return values


def _plain(value: Any) -> Any:
    """A value as data: what an answer returned may not know later that it is being compared."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if type(value) in (tuple, list):
        return tuple(_plain(part) for part in value)
    if isinstance(value, np.generic) or getattr(value, "is_number", False):  # one of numpy's numbers, or of sympy's
        return value.item() if isinstance(value, np.generic) else float(value)
    return value


def _as_raised(error: BaseException, answer: Callable[..., Any]) -> Raised:
    own = getattr(answer, "__globals__", None)
    frames = [one for one in traceback.walk_tb(error.__traceback__) if one[0].f_globals is own]
    name = "Borrowed" if isinstance(error, _Borrowed) else type(error).__name__
    message = (str(error).strip().splitlines() or [""])[0][:300]
    if not frames:
        return Raised(name, message)
    frame, number = frames[-1]
    return Raised(name, message, number, linecache.getline(frame.f_code.co_filename, number).strip())


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(), redirect_stdout(_Sink()), redirect_stderr(_Sink()), torch.enable_grad():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _own_work() -> Iterator[None]:
    """Stop an answer that enters the course's own methods, whatever it calls them."""

    def watch(frame: Any, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(BORROWED):
            raise _Borrowed

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(before)


@contextmanager
def _stopped_after(seconds: float) -> Iterator[None]:
    """Raise Endless in this thread after some seconds: by a signal where there are any, else between two steps."""
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():

        def stop(number: int, frame: Any) -> None:
            raise Endless

        before = signal.signal(signal.SIGALRM, stop)
        # again and again: an answer's own `except:` may catch the first
        signal.setitimer(signal.ITIMER_REAL, seconds, 0.2)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        return
    thread, lock, done = ctypes.c_ulong(threading.get_ident()), threading.Lock(), False

    def interrupt() -> None:
        with lock:
            if not done:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(Endless))

    timer = threading.Timer(seconds, interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            done = True
        timer.cancel()


# ------------------------------------------------------------------------------------------------ what a learner calls


@dataclass(frozen=True)
class Card:
    """Sentences with a title, as HTML in a notebook and as text elsewhere."""

    title: str
    sentences: tuple[str, ...]
    good: bool = False

    def __repr__(self) -> str:
        return "\n".join([self.title, *("  " + sentence for sentence in self.sentences)])

    def _repr_html_(self) -> str:
        colour = "var(--jp-success-color1, #2e7d32)" if self.good else "var(--jp-warn-color1, #b26a00)"
        style = f"border-left: 5px solid {colour}; padding: 0.4em 0.9em; margin: 0.3em 0; max-width: 46em"
        mark = "✓" if self.good else "→"
        lines = "".join(f'<p style="margin: 0.3em 0">{html.escape(sentence)}</p>' for sentence in self.sentences)
        title = html.escape(self.title)
        return (
            f'<section role="status" aria-label="{title}" style="{style}">'
            f'<p style="margin: 0; font-weight: 600"><span aria-hidden="true">{mark} </span>{title}</p>'
            f"{lines}</section>"
        )


@dataclass(frozen=True)
class Result:
    """What `check` returns; the card is shown already."""

    verdict: Verdict = field(repr=False)

    @property
    def points(self) -> int:
        """The points earned."""
        return self.verdict.points

    def _ipython_display_(self) -> None:
        """Nothing: a cell that ends in check(...) shows one card, not two."""


def check(answer: Callable[..., Any]) -> Result:
    """Judge an answer and show a card; the question is found by the name of the function."""
    name = getattr(answer, "__name__", "")
    if not callable(answer) or not name:
        judged = _sentence("unknown", sentence=WORDS["uncalled"])
    else:
        try:
            question = find(name)
        except LookupError as error:
            judged = _sentence("unknown", sentence=error.args[0])
        else:
            cases = question.cases()
            judged = verdict(question, cases, outcomes(question, answer, cases))
    title = WORDS["title"].format(name=name or "check", verdict=TITLES.get(judged.kind, "not right"))
    _show(Card(title, judged.sentences, judged.kind in ("right", "by hand")))
    return Result(judged)


_given: dict[str, int] = {}


def hint(answer: Callable[..., Any] | str) -> None:
    """Show the next hint for a question: each call gives away a little more, and the last one stays."""
    question = find(answer if isinstance(answer, str) else answer.__name__)
    number = _given[question.name] = min(_given.get(question.name, 0) + 1, len(question.hints))
    words = WORDS["hint"].format(number=number, total=len(question.hints), text=question.hints[number - 1])
    _show(Card(question.name, (words,)))


def _show(card: Card) -> None:
    if hasattr(builtins, "get_ipython") or "IPython" in sys.modules:
        from IPython.display import display

        display(card)  # type: ignore[no-untyped-call]
    else:
        print(card)
