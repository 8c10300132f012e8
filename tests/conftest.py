"""What tests share: each lesson is run once. The plain run leaves out what needs the group `full`."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from course_lib.classroom.build import check
from course_lib.classroom.run import Run


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The plain run doesn't even import them: a learner hasn't installed what they need."""
    if config.getoption("markexpr") != "not full":
        return None
    text = collection_path.read_text("utf-8") if collection_path.suffix == ".py" else ""
    needs_full = "\npytestmark = pytest.mark.full\n" in text
    return True if needs_full or collection_path.name == "browser" else None


@pytest.fixture(scope="session")
def checked_lesson() -> Callable[[str], tuple[list[str], Run | None]]:
    """checked_lesson(name) gives what differs between lesson and notebook, and the run; it is run once."""
    return cache(lambda name: check(name, progress=False))


@pytest.fixture(scope="session")
def lesson_run(checked_lesson: Callable[[str], tuple[list[str], Run | None]]) -> Callable[[str], Run]:
    """lesson_run(name) gives the run of a lesson, the one of `checked_lesson`."""

    def run(name: str) -> Run:
        faults, done = checked_lesson(name)
        if done is None:
            pytest.fail("\n".join(faults))
        return done

    return run
