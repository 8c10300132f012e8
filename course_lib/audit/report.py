"""What an audit found, as one page: a sentence, tables with intervals, and figures; in a notebook it shows itself."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from torch import Tensor

from course_lib.audit.pictures import AS_THEY_ARE, BACKGROUNDS, FORMATS, INTERVENTIONS, KNOWN, REPAIRED, Folder
from course_lib.evaluation import interval95
from course_lib.figures import PALETTE, Panel, compare, embedded

WORDS = {
    "title": "Does the model look at the background?", "network": "the model", "control": "the control",
    "given": "A model was given; its control has the same weights in random order.",
    "trained": "Networks trained: {n}, each tested on pictures that it has not seen; beside each, as control, one that "
    "is trained and tested through a repaired loader: transparency and even grounds laid on white, and one history of "
    "JPEG for all. (A ground that is painted black or grey after that is new to it.)",
    "share right": "{share} right (95 % interval {low} to {high}, {n} pictures)",
    "hypothesis": "A map is a hypothesis; the swap proves it.",
    "unlearnt": "No verdict: as the files are, the model gets {plain}, no more than a coin. So it has not learnt to "
    "tell these folders apart, and there is nothing to audit.",
    "reversed": "No verdict: as the files are, the model gets only {plain}, fewer than a coin. Is the first folder its "
    "class 0?",
    "swapped": "The interventions show that this model goes by what the files bring along: with {name} it gets "
    "{after}, with the files as they are {plain}.",
    "against": "That is fewer than a coin: it mostly gives the other folder's name, though the object is the same.",
    "equal": "The interventions show that this model needs what they took away, or has never seen such pictures: with "
    "{name} it gets {after}, with the files as they are {plain}. The swaps, made of what it has seen, moved nothing "
    "beyond chance, so they don't prove a shortcut.",
    "steady": "The interventions show no shortcut by the background or the format: none took it down from {plain} by "
    "more than chance explains. What is small, or is neither background nor format, can hide from so many pictures.",
    "no swap": "No verdict: no object could be told from its ground, so nothing could be swapped.",
    "files": "The files", "found": "{used} of {found} pictures read in {name}",
    "sampled": "drawn at random, since there are more", "kind": "{n} {format}{clear}",
    "clear": " with transparent pixels", "hidden": "under transparent pixels lies {colours}",
    "hidden one": "{colour} in {n}", "hidden several": "more than one colour in {n}", "hidden more": "{n} colours more",
    "no mask": "{n} without a known object (no alpha, no even border): left out of the swaps and shares",
    "unreadable": "Skipped in {name}: {file}: {reason}",
    "accuracies": "Right answers after each intervention",
    "accuracies note": "How many pictures of each folder, the share right, and its 95 % interval; for both folders the "
    "mean of their shares, so that a coin gets 50 %. A fall on white, black or grey can also mean that the model never "
    "saw such grounds. The swaps use the grounds that it has seen; where an object was cut out by a flood fill, they "
    "leave a rim of the old one.",
    "both": "both folders", "share": "share of pictures right",
    "alt accuracies": "Bars of the share of pictures right, with 95 % intervals. {rows}.",
    "blanks": "Pictures that show nothing",
    "blanks note": "Logit of {a} less logit of {b} on a picture of one colour: mean over the networks ({n}), and the "
    "95 % interval where there is more than one. On {pictures} real pictures its mean size is {network} for the model, "
    "{control} for the control: a blank that gets as much is taken for an object.",
    "colour": "colour", "evidence": "Where each method sees the evidence",
    "evidence note": "Share of the positive evidence for a picture's own class on the background, and far from the "
    "object (more than a tenth of the side): mean, 95 % interval, and on how many pictures (whose map has any). Beside "
    "it the control, and the area, which is what an even map gets. A share says something only where it differs from "
    "both, and proves nothing by itself. Gradient x input is blind where the number that the model is fed is 0: on a "
    "black ground, unless pixels are normalized before.",
    "folder": "folder", "method": "method", "background": "background", "far": "far", "area": "the area",
    "maps": "Example maps", "left out": "{method} is left out: {reason}",
    "maps note": "The first picture of each folder, its object outlined; the lighter, the more evidence for its class.",
    "alt maps": "Heat maps of {methods} over one picture of {folder}, for the model and for the control, with the "
    "outline of the object. The table above says which share lies on the background.",
    "none": "-", "pictures": "pictures", "mapped": "pictures: model / control / area", "unit": "in its method's unit",
}  # fmt: skip
"""Every word of the report, but for the names of the interventions."""
STYLE = """<style>
.audit { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 0 1rem }
.audit table { border-collapse: collapse; display: block; overflow-x: auto; color: inherit; font-size: .82em }
.audit th, .audit td { padding: .2rem .4rem; text-align: left; border-bottom: 1px solid #8886; vertical-align: bottom }
.audit td, .audit th[scope=row] { white-space: nowrap }
.audit tr { background: none !important }
.audit .verdict { border-left: .3rem solid #d55e00; padding-left: .8rem; font-size: 1.1em }
.audit .swatch { display: inline-block; width: .9em; height: .9em; border: 1px solid #888; vertical-align: -.1em }
</style>"""
HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"></head>"""
Shares = list[tuple[float, float]]


@dataclass
class Side:
    """What one side, the model or its control, did.

    Attributes:
        right: intervention -> for each folder, whether each picture was named rightly
        margins: |logit A - logit B| on each picture as it is
        blanks: intervention's name -> logit A - logit B on a picture of that colour, a number for each network
        evidence: method -> for each folder, (share on the background, share far from the object) of each map
        pictures: folder -> its first picture, as this side reads it, and where the object is
        examples: method -> folder -> the map of that picture
    """

    right: dict[str, tuple[list[bool], list[bool]]] = field(default_factory=dict)
    margins: list[float] = field(default_factory=list)
    blanks: dict[str, list[float]] = field(default_factory=dict)
    evidence: dict[str, tuple[Shares, Shares]] = field(default_factory=dict)
    pictures: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    examples: dict[str, dict[int, Tensor]] = field(default_factory=dict)

    def accuracy(self, name: str) -> tuple[float, float, float, int]:
        """The mean of both folders' shares right, so that a coin gets 1/2, its 95 % interval, the number of pictures.

        p = (p₁ + p₂) / 2, from p - sqrt((p₁ - l₁)² + (p₂ - l₂)²) / 2 to p + sqrt((u₁ - p₁)² + (u₂ - p₂)²) / 2 with the
        intervals [l, u] of the shares. (A folder without such pictures has no part in it.) Source: Zou and Donner,
        Statistics in Medicine 27 (2008).

        >>> side = Side({"as they are": ([True] * 20, [True] * 10 + [False] * 10)})
        >>> [round(number, 3) for number in side.accuracy("as they are")]
        [0.75, 0.621, 0.85, 40]
        """
        known = [_share(right) for right in self.right[name] if right]
        shares, lows, highs, numbers = np.transpose(known)
        below, above = (float(np.sqrt(np.square(d).sum())) / len(known) for d in (shares - lows, highs - shares))
        return float(shares.mean()), float(shares.mean() - below), float(shares.mean() + above), int(numbers.sum())


@dataclass
class Audit:
    """The findings of `audit`; in a notebook they show themselves, `save` writes them as one HTML file.

    Attributes:
        folders: what was read
        trained: whether the audit trained the networks itself
        networks: how many
        sides: the model and its control
        area: for each folder, the share of the background, and of what is far from the object, in each picture
        left_out: method -> why this model doesn't allow it
    """

    folders: tuple[Folder, Folder]
    trained: bool
    networks: int = 1
    sides: tuple[Side, Side] = field(default_factory=lambda: (Side(), Side()))
    area: tuple[Shares, Shares] = field(default_factory=lambda: ([], []))
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, str]:
        """The folders' names, with their parents where they are the same."""
        a, b = (folder.path.resolve() for folder in self.folders)
        return (a.name, b.name) if a.name != b.name else (f"{a.parent.name}/{a.name}", f"{b.parent.name}/{b.name}")

    @property
    def jpegs(self) -> list[dict[str, Any]]:
        """How the JPEG files of both folders were encoded."""
        return self.folders[0].jpegs + self.folders[1].jpegs

    @property
    def verdict(self) -> str:
        """What the interventions show, in a sentence or two: which took the share right below what chance explains."""
        done = {name: self.sides[0].accuracy(name) for name in INTERVENTIONS if name in self.sides[0].right}
        words = {"plain": _said(*done[AS_THEY_ARE])}
        if done[AS_THEY_ARE][1] <= 0.5:
            return WORDS["reversed" if done[AS_THEY_ARE][2] < 0.5 else "unlearnt"].format(**words)
        if BACKGROUNDS not in done:
            return WORDS["no swap"]
        # a swap is held against the same pictures unswapped: those whose object is known
        fallen = [name for name in done if done[name][2] < done[AS_THEY_ARE if name == REPAIRED else KNOWN][1]]
        swaps = [name for name in fallen if name in (FORMATS, BACKGROUNDS)]
        if not fallen:
            return f"{WORDS['steady'].format(**words)} {WORDS['hypothesis']}"
        worst = min(swaps or fallen, key=lambda name: done[name][0])
        words |= {"name": worst, "after": _said(*done[worst])}
        against = f" {WORDS['against']}" if swaps and done[worst][2] < 0.5 else ""
        return f"{WORDS['swapped' if swaps else 'equal'].format(**words)}{against} {WORDS['hypothesis']}"

    def save(self, path: str | Path) -> Path:
        """Write the report as one HTML file that needs nothing else, and give its path."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        head = HEAD.format(title=WORDS["title"])
        path.write_text(f"{head}<body>{self._repr_html_()}</body></html>", encoding="utf-8")
        return path

    def __repr__(self) -> str:
        return self.verdict

    def _repr_html_(self) -> str:
        left = [WORDS["left out"].format(method=name, reason=why) for name, why in self.left_out.items()]
        facts: dict[str, Any] = {which: f"{np.mean(side.margins):.2f}" for which, side in self._both()}
        facts |= dict(zip("ab", self.names, strict=True)) | {"n": self.networks, "pictures": len(self.sides[0].margins)}
        parts = [
            STYLE, f"<h1>{WORDS['title']}</h1>", _p(" / ".join(self.names)), _p(self.verdict, "verdict"),
            _p(WORDS["trained" if self.trained else "given"].format(**facts)),
            _h("files"), *map(self._files, self.folders, self.names),
            _h("accuracies"), _p(WORDS["accuracies note"]), self._bars(), self._accuracies(),
            _h("blanks"), _p(WORDS["blanks note"].format(**facts)), self._blanks(),
            _h("evidence"), _p(WORDS["evidence note"]), self._evidence(), *map(_p, left),
        ]  # fmt: skip
        if self.sides[0].examples:
            parts += [_h("maps"), _p(WORDS["maps note"]), *map(self._maps, sorted(self.sides[0].pictures))]
        return f'<div class="audit">{"".join(parts)}</div>'

    def _files(self, folder: Folder, name: str) -> str:
        facts = [html.escape(WORDS["found"].format(used=len(folder.files), found=folder.found, name=name))]
        if len(folder.files) + len(folder.unreadable) < folder.found:
            facts[0] += f" ({WORDS['sampled']})"
        for (kind, transparent), n in folder.kinds.most_common():
            facts.append(WORDS["kind"].format(n=n, format=kind, clear=WORDS["clear"] if transparent else ""))
        hidden = []
        for colour, n in folder.hidden.most_common(6):
            swatch = f'<span class="swatch" style="background:rgb{colour}"></span> rgb{colour}'
            hidden.append(WORDS["hidden one" if colour else "hidden several"].format(colour=swatch, n=n))
        hidden += [WORDS["hidden more"].format(n=len(folder.hidden) - 6)] if len(folder.hidden) > 6 else []
        facts += [WORDS["hidden"].format(colours=", ".join(hidden))] if hidden else []
        facts += [WORDS["no mask"].format(n=folder.without_mask)] if folder.without_mask else []
        skipped = [WORDS["unreadable"].format(name=name, file=f, reason=why) for f, why in folder.unreadable.items()]
        return f"<p>{'; '.join(facts)}.</p>" + "".join(map(_p, skipped))

    def _both(self) -> Iterable[tuple[str, Side]]:
        return zip(("network", "control"), self.sides, strict=True)

    def _made(self) -> list[str]:
        """The interventions of the table; "object known" only where that isn't every picture."""
        right = self.sides[0].right
        known = [name for name in INTERVENTIONS if name in right]
        return [name for name in known if name != KNOWN or right[name] != right[AS_THEY_ARE]]

    def _blanks(self) -> str:
        names = self.sides[0].blanks
        rows = [[name.split()[-1], *(_number(side.blanks[name]) for side in self.sides)] for name in names]
        return _table([WORDS[head] for head in ("colour", "network", "control")], rows)

    def _accuracies(self) -> str:
        heads, rows = ["", WORDS["pictures"]], []
        for which, _ in self._both():
            heads += [f"{WORDS[which]}: {folder}" for folder in (WORDS["both"], *self.names)]
        for name in self._made():
            cells = [name, " + ".join(str(len(right)) for right in self.sides[0].right[name])]
            for side in self.sides:
                cells += [_percent(*side.accuracy(name)), *(_percent(*_share(right)) for right in side.right[name])]
            rows.append(cells)
        return _table(heads, rows)

    def _bars(self) -> str:
        names, said = self._made(), []
        figure, ax = plt.subplots(figsize=(7, 0.5 * len(names) + 1), layout="constrained")
        for (which, side), colour, shift in zip(self._both(), ("blue", "orange"), (-0.2, 0.2), strict=True):
            share, low, high, _ = np.transpose([side.accuracy(name) for name in names])
            ends, places = [(share - low).clip(0), (high - share).clip(0)], np.arange(len(names)) + shift
            ax.barh(places, share, 0.38, xerr=ends, color=PALETTE[colour], label=WORDS[which], capsize=2)
            values = (f"{name} {value:.0%}" for name, value in zip(names, share, strict=True))
            said.append(f"{WORDS[which]}: {', '.join(values)}")
        ax.axvline(0.5, color=PALETTE["grey"], linestyle=":")
        ax.set_yticks(range(len(names)), names)
        ax.invert_yaxis()
        ax.set(xlim=(0, 1), xlabel=WORDS["share"])
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
        return embedded(figure, WORDS["alt accuracies"].format(rows="; ".join(said)))

    def _evidence(self) -> str:
        heads, rows = [WORDS["folder"], WORDS["method"], WORDS["mapped"]], []
        for part in ("background", "far"):
            heads += [f"{WORDS[part]}: {WORDS[which]}" for which in ("network", "control", "area")]
        for folder, name in enumerate(self.names):
            for method in self.sides[0].evidence:
                lists = [*(side.evidence.get(method, ([], []))[folder] for side in self.sides), self.area[folder]]
                cells = [name, method, " / ".join(str(len(shares)) for shares in lists)]
                for what in (0, 1):
                    cells += [_number([one[what] for one in shares]) for shares in lists]
                rows.append(cells)
        return _table(heads, rows)

    def _maps(self, folder: int) -> str:
        rows = []
        for which, side in self._both():
            picture, inside = side.pictures[folder]
            maps = [(method, found[folder]) for method, found in side.examples.items() if folder in found]
            first = Panel(f"{self.names[folder]}, {WORDS[which]}", picture, mask=inside)
            rows.append([first, *(Panel(method, picture, one, mask=inside) for method, one in maps)])
        alt = WORDS["alt maps"].format(methods=", ".join(self.sides[0].examples), folder=self.names[folder])
        return embedded(compare(rows, shared=False, label=WORDS["unit"]), alt, 1000, 500_000)


def _share(right: Sequence[bool]) -> tuple[float, float, float, int]:
    return (float(np.mean(right)), *interval95(list(right)), len(right)) if right else (0.5, 0.0, 1.0, 0)


def _percent(share: float, low: float, high: float, n: int) -> str:
    return f"{share:.1%} [{100 * low:.0f}, {100 * high:.0f}]" if n else WORDS["none"]


def _said(share: float, low: float, high: float, n: int) -> str:
    return WORDS["share right"].format(share=f"{share:.1%}", low=f"{100 * low:.0f}", high=f"{100 * high:.0f}", n=n)


def _number(values: Sequence[float]) -> str:
    """A mean, and its interval from two values on."""
    if len(values) < 2:
        return f"{values[0]:.2f}" if values else WORDS["none"]
    low, high = interval95(list(values))
    return f"{np.mean(values):.2f} [{low:.2f}, {high:.2f}]"


def _h(which: str) -> str:
    return f"<h2>{WORDS[which]}</h2>"


def _p(text: str, kind: str = "") -> str:
    return f'<p class="{kind}">{html.escape(text)}</p>'


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["".join(f'<th scope="col">{html.escape(head)}</th>' for head in heads)]
    for first, *rest in rows:
        cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in rest)
        lines.append(f'<th scope="row">{html.escape(first)}</th>{cells}')
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"
