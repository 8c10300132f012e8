"""The plain run neither runs nor imports what needs the group `full`, which a learner doesn't install."""

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if config.getoption("markexpr") != "not full":
        return None
    text = collection_path.read_text("utf-8") if collection_path.suffix == ".py" else ""
    needs_full = "\npytestmark = pytest.mark.full\n" in text
    return True if needs_full or collection_path.name == "browser" else None
