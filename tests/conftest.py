"""What tests share: each lesson is run once, beside the other tests. The plain run leaves out the group `full`."""

import multiprocessing
import os
import re
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

import pytest
import torch

from course_lib.classroom.build import check
from course_lib.classroom.run import Run


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The plain run doesn't even import them: a learner hasn't installed what they need."""
    if config.getoption("markexpr") != "not full":
        return None
    text = collection_path.read_text("utf-8") if collection_path.suffix == ".py" else ""
    needs_full = re.search(r"^pytestmark = \[?\s*pytest\.mark\.full\b", text, re.MULTILINE) is not None
    return True if needs_full or collection_path.name in ("browser", "benchmarks") else None


def pytest_configure(config: pytest.Config) -> None:
    """A thread for the tests and one for the lessons beside them: more than two would wait for one another."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


Checked = tuple[list[str], Run | None]
_lessons = pytest.StashKey[dict[str, "Future[Checked]"]]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What looks at a run of a lesson comes last: until then the lessons run in a process of their own."""
    items.sort(key=lambda item: "checked_lesson" in getattr(item, "fixturenames", ()))


def pytest_runtestloop(session: pytest.Session) -> None:
    using = [item for item in session.items if "checked_lesson" in getattr(item, "fixturenames", ())]
    names = dict.fromkeys(item.callspec.params["name"] for item in using)  # type: ignore[attr-defined]
    pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    running = not session.config.option.collectonly and names
    session.config.stash[_lessons] = {name: pool.submit(check, name, progress=False) for name in running or ()}
    session.config.add_cleanup(lambda: pool.shutdown(cancel_futures=True))


@pytest.fixture(scope="session")
def checked_lesson(pytestconfig: pytest.Config) -> Callable[[str], Checked]:
    """checked_lesson(name) gives what differs between lesson and notebook, and the run; it is run once."""
    return lambda name: pytestconfig.stash[_lessons][name].result()


@pytest.fixture(scope="session")
def lesson_run(checked_lesson: Callable[[str], Checked]) -> Callable[[str], Run]:
    """lesson_run(name) gives the run of a lesson, the one of `checked_lesson`."""

    def run(name: str) -> Run:
        faults, done = checked_lesson(name)
        if done is None:
            pytest.fail("\n".join(faults))
        return done

    return run
