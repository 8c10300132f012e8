"""A notebook is read as data, whatever was done to it."""

import json

import pytest

from course_lib.classroom.grading.judge import exercise_of, exercises, fingerprint
from course_lib.classroom.grading.notebook import NotANotebook, Notebook, read


def test_cells_of_format_4_and_of_worksheets():
    code = {"cell_type": "code", "source": ["a\n", "b"]}
    four = {"nbformat": 4, "cells": [{"cell_type": "markdown", "source": "x"}, code]}
    three = {"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": ["a\n", "b"]}]}]}
    assert read(json.dumps(four).encode()).cells == read(json.dumps(three).encode()).cells == ("a\nb",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_any_encoding(encoding):
    text = json.dumps({"cells": [{"cell_type": "code", "source": "ü = 1"}]}, ensure_ascii=False)
    assert read(text.encode(encoding)).cells == ("ü = 1",)


def test_what_is_in_cells_may_be_anything():
    cells = [{"cell_type": "code", **more} for more in ({}, {"source": 5}, {"source": ["a", 7]})]
    assert read(json.dumps({"cells": [3, None, *cells]}).encode()).cells == ("", "", "a")
    assert read(b'{"cells": [{"cell_type": "code", "source": "\\ud800"}]}').cells == ("?",)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "empty"), (b" \n", "empty"), (b"<!DOCTYPE html><p>", "HTML"), (b"%PDF-1.7", "PDF"),
     (b"PK\x03\x04", "archive"), (b'{"cells": [', "damaged"), (b"\xff\x00\x01", "damaged"),
     (b"[" * 100_000, "damaged"), (b"[1]", "no cells"),
     (b'{"a": 1}', "no cells")],
)  # fmt: skip
def test_what_is_no_notebook_is_told_what_it_is(content, words):
    with pytest.raises(NotANotebook, match=words):
        read(content)


def test_the_exercise_is_told_by_metadata_then_functions_then_name():
    assert exercise_of(Notebook((), "03_grad_cam")) == "03_grad_cam"
    assert exercise_of(Notebook(("x = 1\ndef grad_cam(m, x, c):\n    return x",))) == "03_grad_cam"
    assert exercise_of(Notebook(("grad_cam = None",), "99_other")) == "03_grad_cam"
    assert exercise_of(Notebook(("x = 1",)), "03_grad_cam_exercise.ipynb") == "03_grad_cam"
    assert exercise_of(Notebook(("x = 1",)), "holiday.ipynb") == ""


def test_every_exercise_has_questions_and_a_fingerprint():
    assert all(exercises().values()) and len(fingerprint("03_grad_cam")) == 16
