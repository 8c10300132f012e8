"""The command line `course`: what learners, teachers and authors do with the course besides reading it."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from course_lib.classroom.start import default_folder
from course_lib.classroom.start import start as copy_lessons

ROOT = Path(__file__).resolve().parents[2]
WORDS = {
    "course": "Why does the model think so? The course's tools, for its learners and its authors.",
    "start": "Copy lessons and exercises into a folder of your own. A file that you changed is never overwritten.",
    "folder": "Where to; if you name none, the course's own work/ (in your home folder where that can't be written).",
    "build": "Make the notebooks from notebooks/source: insert formulas, run every cell, count the claims.",
    "lessons": "Such as 02_class_activation_maps, or 2; all, if you name none.",
    "check": "Write nothing; say what differs between sources and notebooks, and run them.",
    "train": "Train the course's networks again.",
    "networks": "Such as scenes_gap; all, if you name none.",
    "experiments": "Compute again what takes long: the tables that the lessons read.",
    "tables": "The tables' names; all, if you name none.",
    "into": "The folder for what is made.",
    "audit": "Two folders of pictures: does a network tell them apart by their objects, or by their files?",
    "folder-a": "The pictures of one kind.",
    "folder-b": "The pictures of the other kind.",
    "model": "One of the course's networks with 2 classes; without it, small ones are trained (a few minutes).",
    "release": "Write what is handed to a class: lessons, exercises, the library with its checks; no solutions.",
    "new": "A new folder.",
    "released": "In {folder}: {lessons} lessons, {exercises} exercises, and the library with its checks, without "
    "solutions, tests and decks. This course's repository and its solutions are public, and the checks hold the right "
    "answers too: whoever looks for them finds them.",
    "grade": "Grade a class: points, a feedback page for each student, a report. Learners' code runs in a sandbox.",
    "submissions": "A folder with notebooks (one folder a student, or flat), or the zip that Moodle or Canvas gives.",
    "results": "Where the results go. What is in there already isn't graded again.",
    "unsandboxed": "Grade without a sandbox: learners' code can then read and change what you can.",
    "roster": "A CSV with the names of the class: says who handed nothing in.",
    "exercise": "The only exercise that counts, such as 03_grad_cam; without it, whichever a notebook answers.",
    "canvas": "Canvas's gradebook export; its column is filled, in canvas.csv.",
    "column": "The column to fill, such as 'Exercise 3'.",
    "moodle": "Moodle's grading worksheet; filled in moodle.csv, with the feedback as a zip beside it.",
    "workers": "How many notebooks at once; one for each core if you don't say.",
    "demo": "Grade a class of 30 made-up submissions, to see what comes out.",
    "no-submissions": "Name the folder or zip with the submissions, or try --demo.",
    "no-column": "Name the column of Canvas's export to fill, with --column.",
    "graded": "{graded} graded, {known} known already, {missing} missing. The results are in {folder}.",
    "waiting": "Texts that wait for you in overrides.csv: {count}. Give each of them points, and run this again.",
    "changed": "{changed} questions have other points than before: changes.csv says whose, from what to what.",
    "no-border": "Without a sandbox: learners' code runs as you.",
    "out": "The report, one HTML file.",
    "progress": "Show progress bars.",
    "copied": "Your copies are in {folder}: {new} new, {updated} brought up to date, {same} as they were.",
    "theirs": "Changed by you and left alone: {names}.",
    "beside": "Changed by you, and changed in the course since then, so the course's is beside yours: {names}.",
    "no-lessons": "There is nothing to copy: {folder} holds no lessons.",
    "in-step": "{name}: in step, {summary}",
    "built": "{name}: {summary}",
    "fault": "{name}: {fault}.",
    "mends": "{name}: {fault}; `course build {name}` mends it.",
    "no-tools": "`course build` needs jupytext and nbclient, which authors install: run `uv sync`.",
    "no-slides": "`course slides` needs jupytext, nbclient and nbconvert, which teachers install: run `uv sync`.",
    "draft": "Quick, for authors: with the notebooks' own pictures, which are pixels, so that no lesson is run.",
    "slides": "Make the lecture slides: a folder for each lesson that needs no network, and its PDFs.",
    "pdf": "Print each deck as PDF too, once without and once with the notes (needs Chromium).",
    "deck": "{name}: {slides} slides, {minutes:g} minutes: {page}",
    "no-pdf": "No PDF: {sentence}.",
    "index": "All decks: {path}",
    "computed": "{name}: computed, saved as {path}",
    "audited": "{verdict}\nThe report is in {path}.",
    "trained": "{name}: {reached:.1%} of test pictures right ({required:.0%} required), saved in {folder}",
}
app = typer.Typer(help=WORDS["course"], no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
Progress = Annotated[bool, typer.Option("--progress/--quiet", help=WORDS["progress"])]


@app.command(help=WORDS["start"])
def start(folder: Annotated[Path | None, typer.Argument(help=WORDS["folder"])] = None) -> None:
    done = copy_lessons(ROOT, folder or default_folder(ROOT))
    counts = {"new": len(done.new), "updated": len(done.updated), "same": len(done.same)}
    if not (sum(counts.values()) or done.theirs or done.beside):
        raise ValueError(WORDS["no-lessons"].format(folder=ROOT))
    typer.echo(WORDS["copied"].format(folder=done.folder, **counts))
    for key, names in {"theirs": done.theirs, "beside": done.beside}.items():
        if names:
            typer.echo(WORDS[key].format(names=", ".join(names)))


@app.command(help=WORDS["build"])
def build(
    lessons: Annotated[list[str] | None, typer.Argument(help=WORDS["lessons"], metavar="[LESSON]...")] = None,
    check: Annotated[bool, typer.Option("--check", help=WORDS["check"])] = False,
    progress: Progress = True,
) -> None:
    if not (find_spec("jupytext") and find_spec("nbclient")):
        raise ValueError(WORDS["no-tools"])
    from course_lib.classroom import build as builder
    from course_lib.classroom.lesson import LessonError, select

    failed = False
    for name in select(lessons or [], ROOT):
        faults: list[str] = []
        run = None
        try:
            if check:
                faults, run = builder.check(name, ROOT, progress)
            else:
                run = builder.build(name, ROOT, progress)
        except LessonError as error:
            faults = str(error).splitlines()
        for fault in faults:
            typer.echo(WORDS["mends" if check else "fault"].format(name=name, fault=fault), err=True)
        if run and not faults:
            typer.echo(WORDS["in-step" if check else "built"].format(name=name, summary=run.summary()))
        failed |= bool(faults)
    raise typer.Exit(int(failed))


@app.command(help=WORDS["slides"])
def slides(
    lessons: Annotated[list[str] | None, typer.Argument(help=WORDS["lessons"], metavar="[LESSON]...")] = None,
    into: Annotated[Path, typer.Option(help=WORDS["into"])] = ROOT / "build" / "slides",
    pdf: Annotated[bool, typer.Option("--pdf/--no-pdf", help=WORDS["pdf"])] = True,
    draft: Annotated[bool, typer.Option("--draft", help=WORDS["draft"])] = False,
    progress: Progress = True,
) -> None:
    if not all(map(find_spec, ("jupytext", "nbclient", "nbconvert"))):
        raise ValueError(WORDS["no-slides"])
    from course_lib.classroom.lesson import LessonError
    from course_lib.classroom.slides.deck import decks, draw, write_deck, write_index
    from course_lib.classroom.slides.pdf import NoPrinter, print_decks

    made, failed = [], False
    names = decks(lessons or [], ROOT)
    if not draft:
        draw(names, ROOT, progress)
    for name in names:
        try:
            made.append(write_deck(name, ROOT, into, draft, progress))
        except LessonError as error:
            failed = True
            for fault in str(error).splitlines():
                typer.echo(WORDS["fault"].format(name=f"{name}.slides.md", fault=fault.removesuffix(".")), err=True)
    try:
        if pdf:
            print_decks(made)
    except NoPrinter as sentence:
        typer.echo(WORDS["no-pdf"].format(sentence=sentence), err=True)
    for deck in made:
        typer.echo(WORDS["deck"].format(**vars(deck), page=deck.page))
    if made:
        typer.echo(WORDS["index"].format(path=write_index(into, made)))
    raise typer.Exit(int(failed))


@app.command(help=WORDS["train"])
def train(
    names: Annotated[list[str] | None, typer.Argument(help=WORDS["networks"], metavar="[NETWORK]...")] = None,
    into: Annotated[Path, typer.Option(help=WORDS["into"])] = ROOT / "build" / "weights",
    progress: Progress = True,
) -> None:
    from course_lib.networks import check_name
    from course_lib.networks.recipes import RECIPES
    from course_lib.networks.training import train as train_network

    failed = False
    for name in [check_name(name) for name in names or RECIPES]:
        reached, required = train_network(name, into, progress), RECIPES[name].required
        typer.echo(WORDS["trained"].format(name=name, reached=reached, required=required, folder=into))
        failed |= reached < required
    raise typer.Exit(int(failed))


@app.command(help=WORDS["experiments"])
def experiments(
    names: Annotated[list[str] | None, typer.Argument(help=WORDS["tables"], metavar="[TABLE]...")] = None,
    into: Annotated[Path, typer.Option(help=WORDS["into"])] = ROOT / "build" / "results",
    progress: Progress = True,
) -> None:
    from course_lib.experiments import run

    for path in run(names or [], into, progress):
        typer.echo(WORDS["computed"].format(name=path.stem, path=path))


@app.command(help=WORDS["audit"])
def audit(
    folder_a: Annotated[Path, typer.Argument(help=WORDS["folder-a"])],
    folder_b: Annotated[Path, typer.Argument(help=WORDS["folder-b"])],
    model: Annotated[str | None, typer.Option(help=WORDS["model"])] = None,
    out: Annotated[Path, typer.Option(help=WORDS["out"], dir_okay=False)] = ROOT / "build" / "audit.html",
    progress: Progress = True,
) -> None:
    from course_lib.audit import audit as examine
    from course_lib.networks import load

    result = examine(folder_a, folder_b, load(model) if model else None, progress=progress)
    typer.echo(WORDS["audited"].format(verdict=result.verdict, path=result.save(out)))


@app.command(help=WORDS["release"])
def release(folder: Annotated[Path, typer.Argument(help=WORDS["new"], metavar="OUT")]) -> None:
    from course_lib.classroom.release import release as hand_out

    names = hand_out(ROOT, folder)
    lessons, exercises = (sum(n.startswith(f"{part}/") and n.endswith(".ipynb") for n in names)
                          for part in ("notebooks", "exercises"))  # fmt: skip
    typer.echo(WORDS["released"].format(folder=folder, lessons=lessons, exercises=exercises))


@app.command(help=WORDS["grade"])
def grade(
    submissions: Annotated[Path | None, typer.Argument(help=WORDS["submissions"])] = None,
    out: Annotated[Path, typer.Option(help=WORDS["results"], file_okay=False)] = ROOT / "build" / "grades",
    unsandboxed: Annotated[bool, typer.Option("--unsandboxed", help=WORDS["unsandboxed"])] = False,
    roster: Annotated[Path | None, typer.Option(help=WORDS["roster"])] = None,
    exercise: Annotated[str, typer.Option(help=WORDS["exercise"])] = "",
    canvas: Annotated[Path | None, typer.Option(help=WORDS["canvas"])] = None,
    column: Annotated[str, typer.Option(help=WORDS["column"])] = "",
    moodle: Annotated[Path | None, typer.Option(help=WORDS["moodle"])] = None,
    workers: Annotated[int, typer.Option(help=WORDS["workers"], min=0)] = 0,
    demo: Annotated[bool, typer.Option("--demo", help=WORDS["demo"])] = False,
    progress: Progress = True,
) -> None:
    if not (submissions or demo):
        raise ValueError(WORDS["no-submissions"])
    if canvas and not column:
        raise ValueError(WORDS["no-column"])
    from course_lib.classroom.grading.demo import make_class
    from course_lib.classroom.grading.grade import Settings, grade

    if demo:
        submissions, roster = make_class(out / "demo")
    if unsandboxed:
        typer.echo(WORDS["no-border"], err=True)
    settings = Settings(not unsandboxed, workers, exercise, roster, canvas, column, moodle, progress)
    done = grade(submissions or out, out, settings)
    for sentence in done.failed:
        typer.echo(sentence, err=True)
    counts = {"graded": done.graded, "known": done.known, "missing": len(done.missing)}
    typer.echo(WORDS["graded"].format(folder=out, **counts))
    if done.waiting:
        typer.echo(WORDS["waiting"].format(count=done.waiting))
    if done.changed:
        typer.echo(WORDS["changed"].format(changed=done.changed))
    raise typer.Exit(int(bool(done.failed)))


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a person's mistake is answered by one sentence and exit code 2, without a traceback."""
    try:
        app(arguments)
    except OSError as error:
        typer.echo(f"{error.strerror}: {error.filename}" if error.filename else str(error), err=True)
    except (ValueError, LookupError) as error:
        typer.echo(str(error.args[0]) if error.args else type(error).__name__, err=True)
    sys.exit(2)
