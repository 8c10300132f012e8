"""A page for each student: what each answer was, in words; self-contained HTML, readable without colours."""

import hashlib
import html
import re

from course_lib.classroom.grading.results import Grade, number

WORDS = {
    "title": "{exercise}: feedback for {student}",
    "sum": "{points} of {of} points",
    "none": "Nothing could be graded.",
    "question": "{name}: {points} of {of} points",
    "override": "Given by your teacher: {points} points (the grader gave {before}).",
    "read": "Given by your teacher: {points} points.",
    "comment": "Your teacher writes: {comment}",
    "file": "Graded from {file}.",
    "notes": "About the notebook",
    "right": "right",
    "open": "not yet",
    "waits": "waits for your teacher",
}
STYLE = """
:root { color-scheme: light dark; --line: #888; --good: #2e7d32; --open: #b26a00; }
@media (prefers-color-scheme: dark) { :root { --good: #81c784; --open: #ffb74d; } }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 46em; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.4em; } h2 { font-size: 1.1em; margin-bottom: 0.2em; }
section { border-left: 5px solid var(--open); padding: 0.1em 1em; margin: 1em 0; }
th { text-align: left; } td, th { padding: 0 1em 0 0; }
section.right { border-color: var(--good); }
"""


def page(title: str, body: str) -> str:
    """A whole HTML page."""
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f"<body><main><h1>{html.escape(title)}</h1>\n{body}</main></body></html>\n"
    )


def _paragraphs(sentences: tuple[str, ...] | list[str]) -> str:
    return "".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences)


def feedback(grade: Grade) -> str:
    """One student's page for one exercise."""
    entry, parts = grade.entry, []
    head = WORDS["sum"].format(points=number(grade.total), of=grade.possible) if entry.exercise else WORDS["none"]
    for name, of in grade.questions.items():
        points, verdict = grade.points(name), entry.verdicts.get(name)
        sentences = list(verdict.sentences) if verdict else []
        if name in grade.overrides:
            comment = grade.overrides[name][1]
            before = verdict.points if verdict else 0
            words = WORDS["read" if name in grade.by_hand else "override"]
            sentences.append(words.format(points=number(points), before=before))
            sentences += [WORDS["comment"].format(comment=comment)] if comment else []
        kind = "right" if points >= of else "waits" if name in grade.waiting else "open"
        mark = f'<span aria-hidden="true">{"✓" if kind == "right" else "→"} </span>'
        title = WORDS["question"].format(name=name, points=number(points), of=of)
        head_line = f"<h2>{mark}{html.escape(title)} ({WORDS[kind]})</h2>"
        parts.append(f'<section class="{kind}">{head_line}{_paragraphs(sentences)}</section>')
    if entry.notes:
        parts.append(f"<section><h2>{WORDS['notes']}</h2>{_paragraphs(entry.notes)}</section>")
    parts.append(_paragraphs((WORDS["file"].format(file=entry.file),)))
    title = WORDS["title"].format(exercise=entry.exercise or entry.file, student=entry.student)
    return page(title, f"<p><strong>{head}</strong></p>{''.join(parts)}")


def file_name(grade: Grade) -> str:
    """A name that every file system takes, and no two students share."""
    entry = grade.entry
    readable = re.sub(r"[^\w-]+", "_", f"{entry.student}_{entry.exercise}").strip("_")[:80]
    tag = hashlib.sha256(f"{entry.student}\0{entry.id}\0{entry.exercise}".encode()).hexdigest()[:6]
    return f"{readable}_{tag}.html"
