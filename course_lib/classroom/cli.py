"""The command line `course`: what authors, teachers and learners do with the course besides reading it."""

import sys
from typing import Annotated

import typer

WORDS = {
    "course": "Why does the model think so? The course's tools, for its learners and its authors.",
    "build": "Make the notebooks from notebooks/source: insert formulas, run every cell, count the claims.",
    "lessons": "Such as 02_class_activation_maps; all, if you name none.",
    "check": "Write nothing; say what differs between sources and notebooks.",
    "in-step": "in step",
    "mends": "`course build {lesson}` mends it",
}
app = typer.Typer(help=WORDS["course"], no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def _course() -> None:
    pass


@app.command(help=WORDS["build"])
def build(
    lessons: Annotated[list[str] | None, typer.Argument(help=WORDS["lessons"], metavar="[LESSON]...")] = None,
    check: Annotated[bool, typer.Option("--check", help=WORDS["check"])] = False,
) -> None:
    from course_lib.classroom import build as builder
    from course_lib.classroom.lesson import LessonError, select

    failed = False
    for name in select(lessons or []):
        faults: list[str] = []
        try:
            if check:
                faults, run = builder.check(name, progress=sys.stderr.isatty())
            else:
                run = builder.build(name, progress=sys.stderr.isatty())
        except LessonError as error:
            faults, run = str(error).splitlines(), None
        end = f"; {WORDS['mends'].format(lesson=name)}" if check else ""
        for fault in faults:
            typer.echo(f"{name}: {fault}{end}.")
        if run is not None and not faults:
            typer.echo(f"{name}: {WORDS['in-step'] + ', ' if check else ''}{run.summary()}")
        failed |= bool(faults)
    raise typer.Exit(int(failed))


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a person's mistake is answered by one sentence and exit code 2."""
    try:
        app(arguments)
    except (ValueError, LookupError, OSError) as error:
        typer.echo(error.args[0], err=True)
        sys.exit(2)
