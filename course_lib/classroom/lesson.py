"""A lesson's source, in percent format: its cells with their ids, its formulas and its claims."""

import ast
import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_lib.theory.ledger import FORMULAS, SYMBOLS

ROOT = Path(__file__).resolve().parents[2]
"""The folder of the course: what holds `notebooks`, `exercises` and `course_lib`."""
MARKER = re.compile(r"^# ?%%(?: |$)")
NAME = r"[\w:.-]+"
SOLUTION = "_solution"
"""How the name of an exercise's source ends."""
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "pygments_lexer": "ipython3",
    },
}
"""What every notebook says of its language: without a version, which differs from machine to machine."""


class LessonError(Exception):
    """A lesson that can't be built, with a sentence for its author."""


@dataclass(frozen=True)
class Claim:
    """A call of `claim` in a lesson: the cell it stands in, and a pattern of its name (which may be an f-string)."""

    cell: str
    name: str
    pattern: str


@dataclass(frozen=True)
class Lesson:
    """A lesson as its source says it: the notebook without outputs, and the claims to be checked."""

    name: str
    root: Path
    notebook: NotebookNode
    claims: tuple[Claim, ...]

    @property
    def target(self) -> Path:
        """The notebook that is built from it."""
        return source_of(self.name, self.root).parents[1] / f"{self.name}.ipynb"


def source_of(name: str, root: Path = ROOT) -> Path:
    """The file that an author of the lesson, or of an exercise's solution, edits."""
    return root / ("solutions" if name.endswith(SOLUTION) else "notebooks") / "source" / f"{name}.py"


def lesson_names(root: Path = ROOT) -> list[str]:
    """The lessons there are, in order."""
    return sorted(path.stem for path in source_of("x", root).parent.glob("[0-9][0-9]_*.py"))


def solution_names(root: Path = ROOT) -> list[str]:
    """The sources of exercises there are, in order."""
    return sorted(path.stem for path in source_of(f"x{SOLUTION}", root).parent.glob(f"[0-9][0-9]_*{SOLUTION}.py"))


def select(names: Iterable[str], root: Path = ROOT) -> list[str]:
    """The lessons of these names or numbers, and the solutions of these names (all of both, if there is none).

    Raises:
        LookupError: for a name that isn't there, with the nearest ones
    """
    known = lesson_names(root)
    if not known:
        raise LookupError(f"There are no lessons: {source_of('NN_name', root).parent} holds no NN_name.py.")
    numbers = {int(name[:2]): name for name in known}
    known = known + solution_names(root)
    chosen = [numbers.get(int(name), name) if name.isdecimal() else Path(name).stem for name in names] or known
    for name in chosen:
        if name not in known:
            raise LookupError(f"There is no lesson {name!r}; {nearest(name, known)}.")
    return chosen


def nearest(name: str, names: Iterable[str]) -> str:
    """The end of a sentence about a name that isn't there.

    >>> nearest("camm", ["cam", "gap"])
    'the nearest is cam'
    """
    names = list(names)
    near = difflib.get_close_matches(name, names, 3, 0.5)
    words = ", ".join(near or names)
    return f"the nearest {'is' if len(near) == 1 else 'are'} {words}" if near else f"there are {words}"


def read_lesson(name: str, root: Path = ROOT) -> Lesson:
    """Read a lesson's source, with its formulas and symbols put in.

    Raises:
        LessonError: for a cell without id, an id or a claim that is there twice, an unknown formula or symbol, each
            with file and line or cell
    """
    import jupytext

    path = source_of(name, root)
    text = path.read_text("utf-8")
    where = path.relative_to(root).as_posix()
    _check_ids(text, where)
    read = jupytext.reads(text, fmt="py:percent").cells
    if name.endswith(SOLUTION):
        from course_lib.classroom.exercise import mark

        mark(read, where)
    cells = []
    for cell in read:
        kept = {key: value for key, value in sorted(cell.metadata.items()) if key != "id"}
        new: Callable[..., NotebookNode] = getattr(nbformat.v4, f"new_{cell.cell_type}_cell")
        source = cell.source
        if cell.cell_type == "markdown":
            try:
                source = insert(source, {id: (entry.kind, entry.latex) for id, entry in FORMULAS.items()}, SYMBOLS)
            except LookupError as error:
                raise LessonError(f"{where}: cell {cell.metadata['id']}: {error.args[0]}") from None
        cells.append(new(source, id=cell.metadata["id"], metadata=kept))
        if "attachments" in cell:
            cells[-1].attachments = cell.attachments
    metadata = {**METADATA, "course": {"lesson": name}}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    notebook.nbformat_minor = 5
    claims = tuple(_claims(cells, where))
    return Lesson(name, root, notebook, claims)


def _check_ids(text: str, where: str) -> None:
    seen: dict[str, int] = {}
    markers = [(number, line) for number, line in enumerate(text.splitlines(), 1) if MARKER.match(line)]
    if not markers:
        raise LessonError(f'{where}: there are no cells; each begins with a line such as # %% id="name".')
    for number, line in markers:
        found = re.search(r'\sid="([^"]*)"', line)
        id = found[1] if found else ""
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", id):
            have = f"has the id {id!r}, which isn't made of letters, digits, - and _" if id else "has no id"
            raise LessonError(f'{where}, line {number}: this cell {have}; write # %% id="a-name" in its marker.')
        if id in seen:
            raise LessonError(f"{where}, line {number}: the id {id!r} is already that of the cell in line {seen[id]}.")
        seen[id] = number


def insert(text: str, formulas: Mapping[str, tuple[str, str]], symbols: Mapping[str, str]) -> str:
    r"""Put formulas and symbols where the text names them.

    `formulas` is id -> (kind, LaTeX); a formula stands on a line of its own, tagged with its kind, at an anchor
    `formula-ID`. Within a formula of the text a symbol comes without dollars of its own.

    Raises:
        LookupError: for an unknown formula or symbol, with the nearest ones

    >>> print(insert("From {{A}} follows $2 {{A}}$:\n{{formula:gap}}", {"gap": ("definition", "F = x")}, {"A": "A^k"}))
    From $A^k$ follows $2 A^k$:
    <a id="formula-gap"></a>$$F = x \tag{definition}$$
    """

    def find(kind: str, name: str, table: Mapping[str, object]) -> str:
        if name not in table:
            raise LookupError(f"There is no {kind} {name!r}; {nearest(name, table)}.")
        return name

    def formula(match: re.Match[str]) -> str:
        kind, latex = formulas[find("formula", match[1], formulas)]
        return f'<a id="formula-{match[1]}"></a>$${latex} \\tag{{{kind}}}$$'

    def symbol(match: re.Match[str]) -> str:
        return symbols[find("symbol", match[1], symbols)]

    mathematics = re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$", re.S)
    text = mathematics.sub(lambda found: re.sub(rf"{{{{({NAME})}}}}", symbol, found[0]), text)
    text = re.sub(rf"^{{{{formula:({NAME})}}}}[ \t]*$", formula, text, flags=re.M)
    return re.sub(rf"{{{{({NAME})}}}}", lambda match: f"${symbol(match)}$", text)


def _claims(cells: Iterable[NotebookNode], where: str) -> Iterator[Claim]:
    seen: dict[str, str] = {}
    for cell in cells:
        for call in calls(cell, "claim", where) if cell.cell_type == "code" else []:
            parts = call.args[0].values if call.args and isinstance(call.args[0], ast.JoinedStr) else call.args[:1]
            texts = [part.value if isinstance(part, ast.Constant) else None for part in parts]
            if not any(isinstance(text, str) for text in texts):
                raise LessonError(f'{where}: cell {cell.id}: a claim begins with its name: claim("cam-sum", ...).')
            name = "".join("*" if text is None else str(text) for text in texts)
            if name in seen:
                raise LessonError(f"{where}: cell {cell.id}: the claim {name!r} stands in cell {seen[name]} already.")
            seen[name] = cell.id
            yield Claim(cell.id, name, "".join(".+" if text is None else re.escape(str(text)) for text in texts))


def calls(cell: NotebookNode, function: str, where: str = "") -> list[ast.Call]:
    """The calls of a function in a code cell, in their order.

    Raises:
        LessonError: for code that isn't Python
    """
    try:
        tree = ast.parse(re.sub(r"^([ \t]*)[%!].*$", r"\1pass", cell.source, flags=re.M))
    except SyntaxError as error:
        raise LessonError(f"{where}: cell {cell.id}, line {error.lineno}: {error.msg}.") from None
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = [call for call in found if function in (getattr(call.func, "id", ""), getattr(call.func, "attr", ""))]
    return sorted(named, key=lambda call: (call.lineno, call.col_offset))
