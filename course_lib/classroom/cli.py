"""The command line `course`."""

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

ROOT = Path(__file__).resolve().parent.parent.parent
WORDS = {
    "help": "Why does the model think so? The course's command line.",
    "start": "Copy the lessons into a folder of your own. A file that you changed is never overwritten.",
    "build": "Make the notebooks from notebooks/source, or check that they are in step.",
    "train": "Train the course's networks again, into build/weights.",
    "experiments": "Compute the long results again, into build/results.",
    "folder": "where to; without it, work in the course's folder",
    "lessons": "names or numbers, such as 02; without them, all",
    "check": "write nothing; say what isn't in step, and run every lesson",
    "networks": "which; without them, all",
    "results": "which; without them, all",
    "out": "the folder for what is made",
    "copied": "Your copies are in {folder}: {new} new, {updated} brought up to date, {same} as they were.",
    "beside": "You changed these, so the new version lies beside yours: {names}",
    "open": "Open them in JupyterLab, which shows the folder on the left.",
    "in-step": "{name}: in step",
    "trained": "{name}: accuracy {accuracy:.1%}, saved in {out}",
    "authors": "This needs what authors install: run it as `uv run course {command}` in the course's folder.",
    "stopped": "Stopped.",
}

app = typer.Typer(help=WORDS["help"], no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
Progress = Annotated[bool, typer.Option("--progress/--quiet", help="show progress bars")]


@app.command(help=WORDS["start"])
def start(folder: Annotated[Path | None, typer.Argument(help=WORDS["folder"])] = None) -> None:
    from course_lib.classroom.start import default_folder
    from course_lib.classroom.start import start as copy

    done = copy(ROOT, folder or default_folder(ROOT))
    counts = {"new": len(done.new), "updated": len(done.updated), "same": len(done.same)}
    typer.echo(WORDS["copied"].format(folder=done.folder, **counts))
    if done.beside:
        typer.echo(WORDS["beside"].format(names=", ".join(done.beside)))
    typer.echo(WORDS["open"])


@app.command(help=WORDS["build"])
def build(
    names: Annotated[list[str] | None, typer.Argument(metavar="[LESSON]...", help=WORDS["lessons"])] = None,
    check: Annotated[bool, typer.Option("--check", help=WORDS["check"])] = False,
    progress: Progress = True,
) -> None:
    if not find_spec("jupytext"):
        raise ValueError(WORDS["authors"].format(command="build"))
    from course_lib.classroom import build as building
    from course_lib.classroom.lesson import LessonError, lessons

    faults: list[str] = []
    for lesson in lessons(ROOT, names or []):
        try:
            if check:
                found = building.check(lesson, progress=progress)
                faults += found
                typer.echo("\n".join(found) or WORDS["in-step"].format(name=lesson.name))
            else:
                typer.echo(building.build(lesson, progress).summary())
        except LessonError as fault:
            faults.append(str(fault))
            typer.echo(str(fault), err=True)
    if faults:
        raise typer.Exit(1)


@app.command(help=WORDS["train"])
def train(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NETWORK]...", help=WORDS["networks"])] = None,
    out: Annotated[Path, typer.Option(help=WORDS["out"])] = ROOT / "build" / "weights",
    progress: Progress = True,
) -> None:
    from course_lib.networks import check_name
    from course_lib.networks.recipes import RECIPES
    from course_lib.networks.training import train as make

    for name in [check_name(name) for name in names or RECIPES]:
        typer.echo(WORDS["trained"].format(name=name, accuracy=make(name, out, progress), out=out))


@app.command(help=WORDS["experiments"])
def experiments(
    names: Annotated[list[str] | None, typer.Argument(metavar="[RESULT]...", help=WORDS["results"])] = None,
    out: Annotated[Path, typer.Option(help=WORDS["out"])] = ROOT / "build" / "results",
    progress: Progress = True,
) -> None:
    from course_lib.experiments import run

    for path in run(names or [], out, progress):
        typer.echo(str(path))


def main(arguments: list[str] | None = None, run: Callable[..., Any] = app) -> None:
    """Run the command line: a person's mistake gets one sentence on stderr and exit code 2, and no traceback."""
    try:
        run(arguments)
    except KeyboardInterrupt:
        typer.echo(WORDS["stopped"], err=True)
        sys.exit(130)
    except (ValueError, LookupError, OSError) as mistake:
        typer.echo(
            str(mistake.args[0]) if isinstance(mistake, LookupError) and mistake.args else str(mistake), err=True
        )
        sys.exit(2)
