"""One notebook's points: drives a worker through the questions, and judges here what comes back."""

import hashlib
import importlib
import pkgutil
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import course_lib.classroom.questions as folder
from course_lib.classroom import check
from course_lib.classroom.check import Raised, Verdict
from course_lib.classroom.grading.notebook import Notebook
from course_lib.classroom.grading.sandbox import Submission, Worker
from course_lib.classroom.lesson import nearest
from course_lib.classroom.questions import Question

CELLS_SECONDS, CALL_SECONDS, ALL_SECONDS, VARIANTS = 25.0, 6.0, 50.0, 4
WORDS = {
    "missing": "There is no function called {name} in this notebook; {nearest}.",
    "nothing": "There is no function called {name} in this notebook.",
    "endless": "Stopped after {seconds:.0f} seconds. Is there a loop that never ends?",
    "ended": "Your code ended Python itself while this function ran (sys.exit, a signal, or too much memory).",
    "memory": "Your code took more memory than there is.",
    "forged": "What came back from your code was no value: it must return plain numbers, texts and tensors.",
    "uncomparable": "What your function returned can't be compared: {error}.",
    "cells-ended": "A cell outside the functions ended Python or never ended, so only the definitions were run.",
    "cells-slow": "A cell outside the functions took longer than 5 seconds and was stopped.",
    "cells-lost": "This notebook's code ended Python before any function could be called.",
    "late": "The time for this notebook ran out before this function was called.",
}


@dataclass(frozen=True)
class Judged:
    """A graded notebook: a verdict for each question, and what is to be said of the whole."""

    verdicts: Mapping[str, Verdict]
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def points(self) -> int:
        """The sum."""
        return sum(verdict.points for verdict in self.verdicts.values())


@dataclass
class Judge:
    """Grades notebooks of one exercise after another with one worker; cases are drawn anew for each judge."""

    worker: Worker
    _drawn: dict[tuple[str, int], list[tuple[Any, ...]]] = field(default_factory=dict)
    _random: random.Random = field(default_factory=random.SystemRandom)

    def judge(self, notebook: Notebook, questions: tuple[Question, ...]) -> Judged:
        """Run a notebook in the sandbox, as often as its questions need, and judge what comes back."""
        start, left = time.monotonic(), list(questions)
        verdicts: dict[str, Verdict] = {}
        notes: list[str] = []
        definitions_only = False
        while left and time.monotonic() - start < ALL_SECONDS:
            submission = self.worker.open()
            ready = False
            try:
                message = {"cells": list(notebook.cells), "wanted": [question.name for question in questions]}
                reply = submission.ask({**message, "definitions_only": definitions_only}, CELLS_SECONDS)
                ready = True
                if reply.get("slow") is True:
                    notes.append(WORDS["cells-slow"])
                names = [name for name in _list(reply.get("defined")) if isinstance(name, str)]
                while left:
                    verdicts[left[0].name] = self._one(submission, left[0], names)
                    left.pop(0)
            except (EOFError, OSError, ValueError) as error:  # TimeoutError is an OSError
                why = submission.close()
                if ready:
                    verdicts[left[0].name] = _lost(error, why)
                    left.pop(0)
                elif definitions_only:
                    notes.append(WORDS["cells-lost"])
                    break
                else:
                    notes.append(WORDS["cells-ended"])
                definitions_only = definitions_only or not ready
            else:
                submission.close()
        for question in left:
            verdicts[question.name] = Verdict("late", sentences=(WORDS["late"],))
        return Judged(verdicts, tuple(dict.fromkeys(notes)), time.monotonic() - start)

    def _one(self, submission: Submission, question: Question, names: list[str]) -> Verdict:
        cases, given = self._cases(question), []
        for case in cases:
            helpers = {"prepare": question.prepare, "back": question.back}
            material = {key: getattr(helper, "__name__", "") for key, helper in helpers.items()}
            message = {"call": question.name, "case": case, **material}
            reply = submission.ask(message, CALL_SECONDS)
            if reply.get("missing") is True:
                return _missing(question.name, names)
            if "value" not in reply:
                given.append(_raised(reply))
                break
            given.append(reply["value"])
        return judged(question, cases, given)

    def _cases(self, question: Question) -> list[tuple[Any, ...]]:
        """One of a few sets of cases, each from a seed that nobody knows and that tells every mistake apart."""
        key = question.name, self._random.randrange(VARIANTS)
        if key not in self._drawn:
            with _drawing:
                self._drawn[key] = _draw(question, self._random)
        return self._drawn[key]


_drawing = threading.Lock()


def _draw(question: Question, source: random.Random) -> list[tuple[Any, ...]]:
    for _ in range(50):
        seed = source.randrange(1 << 40, 1 << 48)  # far from the seeds of the year's own cases
        if question.separates(seed):
            return question.inputs(seed)
    raise ValueError(f"No inputs of {question.name} tell its mistakes apart: design them so that they do.")


def judged(question: Question, cases: list[tuple[Any, ...]], given: list[Any]) -> Verdict:
    """The verdict on values that came across the border, whatever they are."""
    try:
        # after an error there are fewer values than cases, and the error decides
        return check.verdict(question, cases[: len(given)], given)
    except Exception as error:
        words = WORDS["uncomparable"].format(error=type(error).__name__)
        return Verdict("type", sentences=(words,))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _raised(reply: dict[str, Any]) -> Raised:
    texts = [value[:300] if isinstance(value := reply.get(key), str) else "" for key in ("error", "message", "text")]
    number = reply.get("number")
    return Raised(texts[0] or "Exception", texts[1], number if type(number) is int else 0, texts[2])


def _missing(name: str, names: list[str]) -> Verdict:
    words = WORDS["missing"].format(name=name, nearest=nearest(name, names[:20])) if names else ""
    return Verdict("missing", sentences=(words or WORDS["nothing"].format(name=name),))


def _lost(error: Exception, why: str) -> Verdict:
    if isinstance(error, ValueError):
        return Verdict("forged", sentences=(WORDS["forged"],))
    if isinstance(error, TimeoutError) or why == "time":
        return Verdict("endless", sentences=(WORDS["endless"].format(seconds=CALL_SECONDS),))
    return Verdict("ended", sentences=(WORDS["memory" if why == "memory" else "ended"],))


# ------------------------------------------------------------------------------------------------ what is graded


@cache
def exercises() -> dict[str, tuple[Question, ...]]:
    """Every exercise, such as `03_grad_cam`, with its questions."""
    names = sorted(info.name for info in pkgutil.iter_modules(folder.__path__) if info.name.startswith("q"))
    return {name[1:]: importlib.import_module(f"{folder.__name__}.{name}").QUESTIONS for name in names}


@cache
def fingerprint(exercise: str) -> str:
    """Changes when a question of the exercise, its material, or the judgement does: then its notebooks are regraded."""
    place = Path(folder.__path__[0])
    shared = [path for path in place.glob("*.py") if not path.name.startswith("q")]
    sources = [Path(check.__file__), place / f"q{exercise}.py", *sorted(shared)]
    text = b"".join(path.read_bytes().replace(b"\r\n", b"\n") for path in sources)
    return hashlib.sha256(text).hexdigest()[:16]


def exercise_of(notebook: Notebook, name: str = "") -> str:
    """Which exercise a notebook answers: by its metadata, else by its functions, else by its file's name; or ""."""
    known = exercises()
    if notebook.exercise in known:
        return notebook.exercise
    functions = notebook.functions()
    counts = {key: sum(q.name in functions for q in questions) for key, questions in known.items()}
    best = max(counts, key=counts.__getitem__, default="")
    if counts.get(best):
        return best
    return next((key for key in known if key in name), "")
