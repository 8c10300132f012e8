"""The class as a whole, on one page: how the points spread, which questions were hard, which mistakes were made."""

import html
from collections import Counter
from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from course_lib.classroom.grading.feedback import page
from course_lib.classroom.grading.judge import exercises
from course_lib.classroom.grading.results import Grade
from course_lib.figures import PALETTE, embedded

MOST = 12
"""How many of the mistakes are listed."""
WORDS = {
    "title": "The class",
    "exercise": "{exercise}: {count} graded, {mean:.1f} of {of} points in the mean",
    "nothing": "No notebook was graded.",
    "missing": "Handed nothing in: {names}.",
    "spread": "How many students have how many points",
    "points": "points",
    "students": "students",
    "spread-alt": "Histogram of points, from {low:g} to {high:g}; the median is {median:g} of {of}.",
    "questions": "How much of each question was earned",
    "earned": "earned, in % of the points",
    "questions-alt": "A bar for each question: {bars}.",
    "mistakes": "The mistakes made most",
    "none": "No known mistake was made.",
}
COLUMNS = ("students", "question", "mistake")


def report(grades: Sequence[Grade], absent: Sequence[str] = ()) -> str:
    """The page."""
    parts = []
    for exercise in sorted({grade.entry.exercise for grade in grades if grade.entry.exercise}):
        parts.append(_exercise(exercise, [grade for grade in grades if grade.entry.exercise == exercise]))
    body = "".join(parts) or f"<p>{WORDS['nothing']}</p>"
    if absent:
        body += f"<p>{html.escape(WORDS['missing'].format(names=', '.join(absent)))}</p>"
    return page(WORDS["title"], body)


def _exercise(exercise: str, grades: Sequence[Grade]) -> str:
    totals, of = sorted(grade.total for grade in grades), grades[0].possible
    mean = sum(totals) / len(totals)
    title = WORDS["exercise"].format(exercise=exercise, count=len(totals), mean=mean, of=of)
    facts = {"low": totals[0], "high": totals[-1], "median": totals[len(totals) // 2], "of": of}
    spread = embedded(_spread(totals, of), WORDS["spread-alt"].format(**facts))
    share = {}
    for question in exercises()[exercise]:
        name = question.name
        # a text that nobody has read yet says nothing about how hard it was
        read = [one.points(name) for one in grades if name not in one.waiting]
        if read:
            share[name] = 100 * sum(read) / len(read) / question.points
    bars = ", ".join(f"{name} {value:.0f} %" for name, value in share.items())
    hard = embedded(_bars(share), WORDS["questions-alt"].format(bars=bars))
    return (
        f"<h2>{html.escape(title)}</h2><h3>{WORDS['spread']}</h3>{spread}"
        f"<h3>{WORDS['questions']}</h3>{hard}<h3>{WORDS['mistakes']}</h3>{_mistakes(grades)}"
    )


def _mistakes(grades: Sequence[Grade]) -> str:
    found = [(name, v.mistake) for one in grades for name, v in one.entry.verdicts.items() if v.mistake]
    rows = [(str(count), *key) for key, count in Counter(found).most_common(MOST)]
    if not rows:
        return f"<p>{WORDS['none']}</p>"
    head = "".join(f'<th scope="col">{text}</th>' for text in COLUMNS)
    lines = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _spread(totals: Sequence[float], of: int) -> Figure:
    figure, ax = plt.subplots(figsize=(6, 2.6), layout="constrained")
    ax.hist(totals, bins=[n - 0.5 for n in range(of + 2)], rwidth=0.9, color=PALETTE["blue"])
    ax.set(xlabel=WORDS["points"], ylabel=WORDS["students"], xlim=(-0.5, of + 0.5))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _bars(share: dict[str, float]) -> Figure:
    figure, ax = plt.subplots(figsize=(6, 0.4 * len(share) + 0.8), layout="constrained")
    order = sorted(share, key=share.__getitem__, reverse=True)
    ax.barh(order, [share[name] for name in order], color=PALETTE["orange"])
    ax.set(xlabel=WORDS["earned"], xlim=(0, 100))
    return figure
