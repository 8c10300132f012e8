"""A lesson's source: one text file in percent format, turned into the cells of a notebook."""

import ast
import difflib
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

from course_lib.theory.ledger import FORMULAS, SYMBOLS

LIBRARY = Path(__file__).parent.parent
KINDS = {"definition": "Definition", "identity": "Identity", "theorem": "Theorem"}
WORDS = {
    "no-lesson": "There is no lesson {name!r}; there are {near}.",
    "no-id": 'Each cell needs an id="..." in its marker: {path.name} has a cell without one, which begins {start!r}.',
    "bad-id": "A cell's id is made of letters, digits, - and _: {path.name} has {id!r}.",
    "two-ids": "Each id names one cell: {path.name} has several cells with the id {id!r}.",
    "two-claims": "Each claim has an id of its own: {path.name} has {id!r} several times.",
    "claim-id": "A claim's id is written out in the source: {path.name} has one that isn't, in cell {id!r}.",
    "no-formula": "The ledger has no formula {name!r} (cell {id!r}); nearest: {near}.",
    "no-symbol": "The notation has no symbol {name!r} (cell {id!r}); nearest: {near}.",
}


class LessonError(ValueError):
    """What is wrong with a lesson, in a sentence for its author."""


def _fault(word: str, **values: object) -> LessonError:
    return LessonError(WORDS[word].format(**values))


@dataclass(frozen=True)
class Lesson:
    """One lesson of a project: its source and the notebook that is built from it."""

    name: str
    root: Path

    @property
    def source(self) -> Path:
        return self.root / "notebooks" / "source" / f"{self.name}.py"

    @property
    def notebook(self) -> Path:
        return self.root / "notebooks" / f"{self.name}.ipynb"

    def cells(self) -> NotebookNode:
        """The notebook as the source says it, without outputs: ids and tags set, formulas and symbols put in.

        Raises:
            LessonError: for a cell without an id, an id that is used twice, an unknown formula or symbol, a claim
                without an id of its own
        """
        parsed = jupytext.reads(self.source.read_text("utf-8"), fmt="py:percent")
        notebook: NotebookNode = nbformat.v4.new_notebook()
        for cell in parsed.cells:
            id = cell.metadata.get("id")
            if not id:
                raise _fault("no-id", path=self.source, start=cell.source.strip().split("\n")[0][:60])
            if not re.fullmatch(r"[\w-]{1,64}", id):
                raise _fault("bad-id", path=self.source, id=id)
            code = cell.cell_type == "code"
            new: Callable[..., NotebookNode] = nbformat.v4.new_code_cell if code else nbformat.v4.new_markdown_cell
            tags = list(cell.metadata.get("tags", []))
            text = cell.source if code else _with_formulas(cell.source, id)
            notebook.cells.append(new(text, id=id, metadata={"tags": tags} if tags else {}))
        twice = [id for id, count in Counter(cell.id for cell in notebook.cells).items() if count > 1]
        if twice:
            raise _fault("two-ids", path=self.source, id=twice[0])
        self.claims(notebook)
        notebook.metadata = {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
            "course": {"lesson": self.name, "hash": fingerprint(self.source.read_bytes())},
        }
        return notebook

    def claims(self, notebook: NotebookNode) -> list[str]:
        """The ids of the claims in the code cells, in order."""
        found: list[str] = []
        for cell in notebook.cells:
            if cell.cell_type != "code":
                continue
            for node in ast.walk(ast.parse(cell.source)):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "claim":
                    if not (node.args and isinstance(node.args[0], ast.Constant)):
                        raise _fault("claim-id", path=self.source, id=cell.id)
                    found.append(str(node.args[0].value))
        twice = [id for id, count in Counter(found).items() if count > 1]
        if twice:
            raise _fault("two-claims", path=self.source, id=twice[0])
        return found


def lessons(root: Path, names: Iterable[str] = ()) -> list[Lesson]:
    """The lessons of a project in their order; of those named, by name or number.

    Raises:
        LessonError: for a lesson that isn't there (with the nearest names)
    """
    every = [Lesson(path.stem, root) for path in sorted((root / "notebooks" / "source").glob("[0-9]*.py"))]
    known = {lesson.name: lesson for lesson in every} | {lesson.name.split("_")[0]: lesson for lesson in every}
    known |= {number.lstrip("0"): lesson for number, lesson in known.items() if number.isdigit()}
    chosen = []
    for name in names:
        stem = name.removesuffix(".py").removesuffix(".ipynb")
        if stem not in known:
            near = difflib.get_close_matches(name, [lesson.name for lesson in every], 3, 0.3)
            raise _fault("no-lesson", name=name, near=", ".join(near or [lesson.name for lesson in every]))
        chosen.append(known[stem])
    return chosen or every


def _with_formulas(text: str, id: str) -> str:
    def display(match: re.Match[str]) -> str:
        name = match[1]
        if name not in FORMULAS:
            raise _fault(
                "no-formula", name=name, id=id, near=", ".join(difflib.get_close_matches(name, FORMULAS, 3, 0))
            )
        one = FORMULAS[name]
        return f"$$\n{one.latex}\n$$\n\n*{KINDS[one.kind]} `{name}`.* {one.says}"

    def inline(match: re.Match[str]) -> str:
        name = match[1]
        if name not in SYMBOLS:
            raise _fault("no-symbol", name=name, id=id, near=", ".join(difflib.get_close_matches(name, SYMBOLS, 3, 0)))
        return f"${SYMBOLS[name]}$"

    text = re.sub(r"(?m)^\{\{formula:([\w-]+)\}\}$", display, text)
    return re.sub(r"\{\{([\w-]+)\}\}", inline, text)


def fingerprint(source: bytes) -> str:
    """A hash of what a lesson's outputs depend on: its source, the library's code, and the weights and results."""
    digest = hashlib.sha256(source.replace(b"\r\n", b"\n"))
    for path in sorted(LIBRARY.rglob("*")):
        inside = path.relative_to(LIBRARY)
        if path.suffix in {".py", ".js", ".css", ".csv", ".safetensors"} and inside.parts[0] != "classroom":
            digest.update(inside.as_posix().encode())
            data = path.read_bytes()
            digest.update(data if path.suffix == ".safetensors" else data.replace(b"\r\n", b"\n"))
    return digest.hexdigest()[:16]
