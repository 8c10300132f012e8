"""What a slide takes from its lesson by id: a figure, code, what a cell printed, a widget, a formula, a claim's number.

`{{figure:CELL}}` (`{{figure:CELL:2}}` for its second, `{{figure:CELL:1, top 40}}` for the upper 40 per cent of one),
`{{code:CELL}}` (`{{code:CELL:name,other}}` for the statements that define these names), `{{output:CELL}}`
(`{{output:CELL:this;that}}` for the lines that hold one of these texts), `{{widget:CELL}}` and `{{formula:ID}}` stand
on lines of their own; `{{claim:NAME}}` and symbols such as `{{S_c}}` stand in a sentence.
"""

import ast
import base64
import html
import io
import re
from collections.abc import Callable

from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.filters.markdown_mistune import markdown2html_mistune
from nbformat import NotebookNode
from PIL import Image

from course_lib.classroom.lesson import insert, nearest
from course_lib.theory.ledger import FORMULAS, SYMBOLS

MOST_LINES = 12
WORDS = {
    "cell": "There is no cell {cell!r} in the lesson; {nearest}.",
    "none": "The cell {cell!r} has no {kind}.",
    "which": "The cell {cell!r} has {count} figures, and {which!r} was asked for.",
    "name": "The cell {cell!r} defines no {name!r}; {nearest}.",
    "line": "The cell {cell!r} prints no line with {text!r}.",
    "lines": "The {kind} of cell {cell!r} has {count} lines, and {most} are allowed: name a part of it.",
    "claim": "There is no claim {name!r} in the lesson; {nearest}.",
    "reference": "{reference} is no reference: there are {kinds}, and the symbols of the notation table.",
    "number": "The number {number} stands nowhere in the lesson.",
}
PRINTED = '<div class="printed" role="region" aria-label="printed output"><pre>{text}</pre></div>'


class Lesson:
    """An executed lesson, as slides ask it for its parts; each answer is a piece of HTML.

    Every method raises LookupError with a sentence for what isn't there, and ValueError for what is too long.
    """

    def __init__(self, notebook: NotebookNode) -> None:
        self.cells: dict[str, NotebookNode] = {cell.id: cell for cell in notebook.cells}
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        self.printed = {cell.id: "".join(_texts(cell)) for cell in code}
        everything = "\n".join(self.printed.values())
        self.claims = dict(re.findall(r"^claim (.+?) holds: (.+?) = .* \(.*\)$", everything, re.M))
        self.text = "\n".join([everything, *(cell.source for cell in notebook.cells)])

    def render(self, text: str) -> str:
        """Markdown with references as HTML."""
        kinds: dict[str, Callable[..., str]] = {
            "figure": self.figure, "code": self.code, "output": self.output, "widget": self.widget,
        }  # fmt: skip
        kept: list[str] = []

        def block(match: re.Match[str]) -> str:
            kept.append(kinds[match[1]](*match[2].split(":", 1)))
            return f"\n\n<div data-kept='{len(kept) - 1}'></div>\n\n"

        self._check_numbers(text)
        text = re.sub(r"\{\{claim:([^{}]+)\}\}", lambda match: self.claim(match[1]), text)
        text = re.sub(rf"^\{{\{{({'|'.join(kinds)}):([^{{}}]+)\}}\}}[ \t]*$", block, text, flags=re.M)
        if wrong := re.search(rf"\{{\{{(?:{'|'.join(kinds)}):.*?\}}\}}|\{{\{{(?!formula:)[^{{}}]*:.*?\}}\}}", text):
            known = ", ".join([*kinds, "formula", "claim"])
            raise LookupError(WORDS["reference"].format(reference=wrong[0], kinds=known))
        text = insert(text, {id: (entry.kind, entry.latex) for id, entry in FORMULAS.items()}, SYMBOLS)
        page = markdown2html_mistune(re.sub(r'<a id="formula-[^"]*"></a>', "", text))
        return re.sub(r"<div data-kept='(\d+)'></div>", lambda match: kept[int(match[1])], page)

    def figure(self, cell: str, which: str = "1") -> str:
        """A picture that a cell shows, with its alternative text; `1, top 40` is the upper 40 per cent of the first."""
        which, _, top = which.partition(", top ")
        share = int(top) if top.isdecimal() else 0
        found = [tag for part in self._html(cell) for tag in re.findall(r"<img\b[^>]*>", part)]
        if not found:
            raise LookupError(WORDS["none"].format(cell=cell, kind="figure"))
        if not which.isdecimal() or not 1 <= int(which) <= len(found):
            raise LookupError(WORDS["which"].format(cell=cell, count=len(found), which=which))
        picture = re.sub(r' (?:style|width|height)="[^"]*"', "", found[int(which) - 1])
        if share:
            picture = re.sub(r'(?<=src="data:image/png;base64,)[^"]*', lambda match: _top(match[0], share), picture)
            picture = re.sub(r'(?<=src="data:image/svg\+xml;base64,)[^"]*', lambda m: _top_svg(m[0], share), picture)
        return f"<figure>{picture}</figure>"

    def code(self, cell: str, names: str = "") -> str:
        """A cell's code, or the statements in it that define names."""
        source = self._cell(cell).source
        if names:
            defined = _definitions(source)
            for name in names.split(","):
                if name not in defined:
                    raise LookupError(WORDS["name"].format(cell=cell, name=name, nearest=nearest(name, defined)))
            source = "\n".join(dict.fromkeys(defined[name] for name in names.split(",")))
        self._check_length(cell, "code", source)
        highlight = Highlight2HTML(pygments_lexer="ipython3")  # type: ignore[no-untyped-call]
        return str(highlight(source))

    def output(self, cell: str, text: str = "") -> str:
        """What a cell prints (its claims apart), or the lines of it that hold a text."""
        self._cell(cell)
        lines = [line for line in self.printed.get(cell, "").splitlines() if not line.startswith("claim ")]
        if not lines:
            raise LookupError(WORDS["none"].format(cell=cell, kind="printed output"))
        lines = [line for line in lines if line.strip() and any(part in line for part in text.split(";"))]
        if not lines:
            raise LookupError(WORDS["line"].format(cell=cell, text=text))
        self._check_length(cell, "output", "\n".join(lines))
        return PRINTED.format(text=html.escape("\n".join(lines)))

    def widget(self, cell: str) -> str:
        """A cell's widget, which works without a kernel; on paper it stays the picture."""
        found = [part for part in self._html(cell) if "data-course-widget" in part]
        if not found:
            raise LookupError(WORDS["none"].format(cell=cell, kind="widget"))
        # on paper the picture stays; and to reveal.js a <section> is a slide, even inside another
        live = found[0].replace("\nstandIn(", "\nif (!window.onPaper) standIn(").replace('"section"', '"div"')
        return f'<div class="live">{live}</div>'

    def claim(self, name: str) -> str:
        """The number that a claim of the lesson held."""
        if name not in self.claims:
            raise LookupError(WORDS["claim"].format(name=name, nearest=nearest(name, self.claims)))
        return str(self.claims[name])

    def _cell(self, cell: str) -> NotebookNode:
        if cell not in self.cells:
            raise LookupError(WORDS["cell"].format(cell=cell, nearest=nearest(cell, self.cells)))
        return self.cells[cell]

    def _html(self, cell: str) -> list[str]:
        outputs = self._cell(cell).get("outputs", [])
        return [part["data"]["text/html"] for part in outputs if "text/html" in part.get("data", {})]

    def _check_length(self, cell: str, kind: str, text: str) -> None:
        count = len(text.splitlines())
        if count > MOST_LINES:
            raise ValueError(WORDS["lines"].format(kind=kind, cell=cell, count=count, most=MOST_LINES))

    def _check_numbers(self, text: str) -> None:
        """A measured number (one with a point or per cent) must stand in the lesson as well."""
        prose = re.sub(r"\{\{.*?\}\}|\$\$.*?\$\$|\$[^$\n]+\$|`[^`\n]+`", "", text, flags=re.S)
        for number in re.findall(r"(?<![\w.,])\d+(?:\.\d+%?|%)", prose):
            if not re.search(rf"(?<![\w.]){re.escape(number)}(?!\d)", self.text):
                raise LookupError(WORDS["number"].format(number=number))


def _top(png: str, share: int) -> str:
    """The upper part of an embedded PNG, `share` per cent of its height."""
    picture, file = Image.open(io.BytesIO(base64.b64decode(png))), io.BytesIO()
    picture.crop((0, 0, picture.width, picture.height * share // 100)).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def _texts(cell: NotebookNode) -> list[str]:
    parts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs]
    return [part if part.endswith("\n") else f"{part}\n" for part in parts if part]


def _definitions(source: str) -> dict[str, str]:
    """The top-level statements of code by the names that they bind."""
    lines = source.splitlines()
    found: dict[str, str] = {}
    for node in ast.parse(source).body:
        names = [node.name] if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
        names += [one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)]
        for name in names:
            found.setdefault(name, "\n".join(lines[node.lineno - 1 : node.end_lineno]))
    return found


def _top_svg(svg: str, share: int) -> str:
    """The upper part of an embedded SVG, `share` per cent of its height."""
    text = base64.b64decode(svg).decode()
    root = re.search(r'<svg\b[^>]*?height="([\d.]+)pt"[^>]*?viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    assert root, "matplotlib writes a height and a viewBox"
    height, wide, high = (float(part) for part in root.groups())
    part = root[0].replace(f'height="{root[1]}pt"', f'height="{height * share / 100:g}pt"')
    part = part.replace(f'viewBox="0 0 {root[2]} {root[3]}"', f'viewBox="0 0 {wide:g} {high * share / 100:g}"')
    return base64.b64encode(text.replace(root[0], part).encode()).decode()
