"""A deck's source, `NN_name.slides.md`: slides in markdown, each with its pauses, columns, and notes for the speaker.

A slide begins with its title, `## Title` (the first one with `# Title`), and ends with a line `Notes (2 min):` and what
follows it. `. . .` on a line of its own pauses: what stands below appears with the next key. `|||` begins the next
column; what stands above the slide's first line `===` spans all of them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from course_lib.classroom.lesson import LessonError

SLIDES, MINUTES = range(20, 36), (40.0, 50.0)
"""How many slides a deck may have, and how many minutes they may take."""
MOST_WORDS, MOST_NOTES = 75, 220
LABELS = ("Say", "Ask", "Mistake")
NOTES = re.compile(r"^Notes \((\d+(?:\.\d+)?) min\):[ \t]*$", re.M)
WORDS = {
    "no-slides": "there are no slides; each begins with a line ## Title",
    "before": "text stands before the first title",
    "title": "slide {slide}: another slide has this title already",
    "notes": "slide {slide}: it has no notes; they begin with a line such as Notes (2 min):",
    "label": "slide {slide}: its notes have no paragraph that begins with {label}:",
    "words": "slide {slide}: {words} words, and {most} are allowed",
    "long": "slide {slide}: {words} words of notes, and {most} are allowed",
    "count": "the deck has {count} slides; a lecture of 45 minutes has {least} to {most}",
    "minutes": "the minutes of the notes add up to {minutes:g}; a lecture has {least:g} to {most:g}",
}


@dataclass(frozen=True)
class Slide:
    """One slide as its author wrote it: title, body with pauses and columns, notes and their minutes."""

    title: str
    body: str
    notes: str
    minutes: float

    def blocks(self) -> list[list[list[str]]]:
        """Its parts one below the other, each of columns, each of pieces that appear one after the other."""
        rows = re.split(r"^===[ \t]*$", self.body, flags=re.M)
        columns = [re.split(r"^\|\|\|[ \t]*$", row, flags=re.M) for row in rows]
        return [[re.split(r"^\. \. \.[ \t]*$", column, flags=re.M) for column in row] for row in columns]


def deck_of(name: str, root: Path) -> Path:
    """The file that an author of the deck edits."""
    return root / "notebooks" / "source" / f"{name}.slides.md"


def read_deck(name: str, root: Path) -> list[Slide]:
    """A deck's slides.

    Raises:
        LessonError: with a line for each fault: titles, notes, minutes, words
    """
    text = deck_of(name, root).read_text("utf-8")
    head, *parts = re.split(r"^##? (.+)$", text, flags=re.M)
    slides = [_slide(title.strip(), body) for title, body in zip(parts[::2], parts[1::2], strict=True)]
    found = [WORDS["before"]] if head.strip() else []
    found += _faults(slides) if slides else [WORDS["no-slides"]]
    if found:
        raise LessonError("\n".join(found))
    return slides


def _slide(title: str, text: str) -> Slide:
    body, *rest = NOTES.split(text)
    return Slide(title, body.strip(), rest[1].strip() if rest else "", float(rest[0]) if rest else 0.0)


def _faults(slides: list[Slide]) -> Iterator[str]:
    seen: set[str] = set()
    for slide in slides:
        if slide.title in seen:
            yield WORDS["title"].format(slide=repr(slide.title))
        seen.add(slide.title)
        if not slide.minutes:
            yield WORDS["notes"].format(slide=repr(slide.title))
            continue
        for label in LABELS:
            if not re.search(rf"^{label}: \S", slide.notes, re.M):
                yield WORDS["label"].format(slide=repr(slide.title), label=label)
        for key, text, most in (("words", slide.body, MOST_WORDS), ("long", slide.notes, MOST_NOTES)):
            prose = re.sub(r"\{\{.*?\}\}|\$\$.*?\$\$|\$[^$\n]+\$", "", text, flags=re.S)
            words = len(re.findall(r"[\w'-]*[a-zA-Z][\w'-]*", prose))
            if words > most:
                yield WORDS[key].format(slide=repr(slide.title), words=words, most=most)
    if len(slides) not in SLIDES:
        yield WORDS["count"].format(count=len(slides), least=SLIDES[0], most=SLIDES[-1])
    minutes = sum(slide.minutes for slide in slides)
    if not MINUTES[0] <= minutes <= MINUTES[1]:
        yield WORDS["minutes"].format(minutes=minutes, least=MINUTES[0], most=MINUTES[1])
