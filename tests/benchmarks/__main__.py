"""This library beside its peers on the same work, in one process: `python -m tests.benchmarks`.

In each round every way runs once, in a new order; a ratio is that of one round to the limit in the same round, and the
table has the median of the rounds. The limit runs twice a round: how far it is from itself says how noisy the machine
was. Freed memory stays with the process: otherwise a way pays for the pages that the one before it gave back to the
system. Memory is what is allocated at the worst moment beyond what was there before, less the same for a forward pass
without gradients; it is read from the allocator's own records (torch.profiler).
"""

import ctypes
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import matplotlib
import matplotlib.pyplot as plt
import torch
import typer
from matplotlib.ticker import LogLocator
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from tqdm import tqdm

from course_lib.figures import PALETTE
from course_lib.methods.gradients import integrated_gradients
from course_lib.methods.perturbation import occlusion
from course_lib.recording import record
from tests.benchmarks.ways import (
    CLASSES,
    GRAD_CAM,
    LAYERS,
    LIMIT,
    PASSES,
    SEVERAL,
    STAGES,
    TARGET,
    Run,
    Way,
    network,
    ours,
)

ROOT = Path(__file__).parents[2]
MIB = 2**20
Ratios = dict[str, list[float]]


def keep_what_is_freed() -> None:
    """Tell glibc not to give memory back to the system; other allocators are left as they are."""
    trim_threshold, mmap_max = -1, -4
    if hasattr(allocator := ctypes.CDLL(None), "mallopt"):
        allocator.mallopt(trim_threshold, 2**31 - 1)
        allocator.mallopt(mmap_max, 0)


def seconds(run: Run, x: Tensor) -> float:
    start = time.perf_counter()
    run(x)
    return time.perf_counter() - start


def ratios(runs: dict[str, Run], x: Tensor, rounds: int) -> Ratios:
    """Each way's time as a multiple of the first one's in the same round."""
    source, found = random.Random(0), {name: [] for name in runs}
    first = next(iter(runs))
    for run in runs.values():
        run(x)
    for _ in range(rounds):
        order = list(runs)
        source.shuffle(order)
        times = {name: seconds(runs[name], x) for name in order}
        for name in runs:
            found[name].append(times[name] / times[first])
    return found


def peak(run: Callable[[], Any]) -> float:
    """The most bytes that are allocated at once while it runs, beyond those from before.

    >>> round(peak(lambda: torch.ones(2**18) + torch.ones(2**18)) / MIB)  # two terms and their sum, 1 MiB each
    3
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as noted:
        run()
    events = [event for event in noted.profiler.kineto_results.events() if event.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return most


def extra(run: Run, model: nn.Module, x: Tensor) -> float:
    """MiB beyond a forward pass without gradients."""
    with torch.no_grad():
        run_forward = peak(lambda: model(x))
    return (peak(lambda: run(x)) - run_forward) / MIB


def prepared(ways: Sequence[Way], name: str, *given: Any) -> tuple[dict[str, Run], dict[str, nn.Module]]:
    """Each way with a network of its own, since peers leave hooks on theirs; a way that refuses is left out."""
    runs, models = {}, {}
    for way in ways:
        models[way.name] = network(name)
        runs[way.name] = way.prepare(models[way.name], *given)
    return runs, models


def compared(ways: Sequence[Way], name: str, x: Tensor, rounds: int, *given: Any) -> Ratios:
    runs, _ = prepared(ways, name, *given)
    for way in list(runs):
        try:
            runs[way](x)
        except Exception as error:  # a peer that can't do it
            print(f"  {way} on {name}: {type(error).__name__}: {str(error).splitlines()[0][:100]}")
            del runs[way]
    return ratios(runs, x, rounds)


def pictures(batch: int, side: int) -> Tensor:
    return torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(1))


def table(title: str, columns: Sequence[str], rows: dict[str, Ratios]) -> list[str]:
    """Medians of ratios; where the limit is compared with itself, the quartiles."""
    lines = [f"**{title}**", "", f"| | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    for where, found in rows.items():
        cells = []
        for column in columns:
            values = found.get(column)
            if not values:
                cells.append("—")
            elif column == "the limit again":
                low, _, high = statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3
                cells.append(f"{low:.2f} to {high:.2f}")
            else:
                cells.append(f"{statistics.median(values):.2f}")
        lines.append(f"| {where} | {' | '.join(cells)} |")
    return [*lines, ""]


def across(rows: dict[str, Ratios], column: str) -> str:
    """The median over the rows, and from where to where they go."""
    medians = [statistics.median(found[column]) for found in rows.values() if found.get(column)]
    if not medians:
        return "—"
    return f"{statistics.median(medians):.2f} ({min(medians):.2f} to {max(medians):.2f})"


def summary(compared: dict[str, dict[str, Ratios]], memory: dict[str, dict[str, float]]) -> list[str]:
    """The table of the README: each way's time over all networks, layers and batches, and its memory."""
    ways = [way.name for way in GRAD_CAM[2:]]
    lines = [f"| | {' | '.join(ways)} |", "|---|" + "---|" * len(ways)]
    lines += [f"| {what} | {' | '.join(across(rows, way) for way in ways)} |" for what, rows in compared.items()]
    for name, found in memory.items():
        if name in ("resnet50", "vit_b_16"):
            cells = [f"{found[way]:.0f} MiB" for way in ways]
            lines.append(f"| memory beyond the forward pass, {name}, last layer, 8 pictures | {' | '.join(cells)} |")
    return [*lines, ""]


def growth(side: int, rounds: int, most: int) -> list[tuple[str, list[int], list[float], list[float]]]:
    """How time and memory of this library grow, for so many sizes at most: (what, sizes, seconds, MiB)."""
    model = network("resnet18")
    cam = ours(model, "layer4")

    def classes(count: int) -> Run:
        def run(x: Tensor) -> Any:
            with record(model, "layer4") as tape:
                model(x)
            return tape.gradients(CLASSES[:1] * count)

        return run

    def layers(count: int) -> Run:
        names = [f"layer{4 - n // 2}.{1 - n % 2}" for n in range(count)]

        def run(x: Tensor) -> Any:
            with record(model, names) as tape:
                model(x)
            return tape.gradients(TARGET)

        return run

    many = [
        ("picture size", [64, 128, 256, 512, 1024], lambda n: (cam, pictures(1, n))),
        ("batch", [1, 2, 4, 8, 16], lambda n: (cam, pictures(n, side))),
        ("layers at once", [1, 2, 4, 8], lambda n: (layers(n), pictures(1, side))),
        ("classes at once", [1, 2, 4, 8, 16], lambda n: (classes(n), pictures(1, side))),
        ("steps of integrated gradients", [8, 16, 32, 64, 128], lambda n: (
            lambda x: integrated_gradients(model, x, TARGET, steps=n, batch=8), pictures(1, side))),
        ("patches of occlusion", [4, 16, 64, 256], lambda n: (
            lambda x: occlusion(model, x, TARGET, side // round(n**0.5), side // round(n**0.5), batch=8),
            pictures(1, side))),
    ]  # fmt: skip
    found = []
    for what, sizes, make in tqdm(many, desc="growth", disable=None):
        times, memory = [], []
        for size in sizes[:most]:
            run, x = make(size)
            run(x)
            times.append(statistics.median(seconds(run, x) for _ in range(rounds)))
            memory.append(peak(lambda run=run, x=x: run(x)) / MIB)
        found.append((what, sizes[:most], times, memory))
    return found


def draw_growth(found: list[tuple[str, list[int], list[float], list[float]]], path: Path) -> None:
    figure, axes = plt.subplots(2, 3, figsize=(10, 6), layout="constrained")
    for ax, (what, sizes, times, memory) in zip(axes.flat, found, strict=True):
        power = 2 if what == "picture size" else 1
        ax.plot(sizes, [(size / sizes[0]) ** power for size in sizes], "--", color="grey", label="in proportion")
        ax.plot(sizes, [one / times[0] for one in times], "o-", color=PALETTE["blue"], label="time")
        ax.plot(sizes, [one / memory[0] for one in memory], "s:", color=PALETTE["orange"], label="peak memory")
        ax.set(xscale="log", yscale="log", xlabel=what, xticks=sizes, xticklabels=sizes)
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.minorticks_off()
    axes.flat[0].legend()
    figure.supylabel("times the smallest")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def draw_ratios(rows: dict[str, Ratios], path: Path) -> None:
    """One dot a network, layer and batch, a line of dots for each way."""
    names = [way.name for way in GRAD_CAM[1:]]
    figure, ax = plt.subplots(figsize=(8, 3), layout="constrained")
    for level, name in enumerate(names):
        values = [statistics.median(found[name]) for found in rows.values() if found.get(name)]
        ax.plot(values, [level] * len(values), "o", color=PALETTE["blue"], alpha=0.5)
    ax.axvline(1.05, color=PALETTE["vermilion"], ls="--", lw=1, label="1.05")
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.set(xscale="log", xlabel="time as a multiple of the limit: one dot for each network, layer and batch")
    ax.set_xticks([0.75, 1, 1.5, 2, 3, 4], ["0.75", "1", "1.5", "2", "3", "4"])
    ax.minorticks_off()
    ax.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main(
    quick: Annotated[bool, typer.Option("--quick", help="Two networks, small pictures, two rounds.")] = False,
    networks: Annotated[list[str] | None, typer.Option(help="Only these networks.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds with one picture; half as many with eight.")] = 9,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 1,
    out: Annotated[Path, typer.Option(help="Where table and figures go.")] = ROOT / "build" / "benchmarks",
) -> None:
    """Measure, and write a table (Markdown) and two figures."""
    keep_what_is_freed()
    torch.set_num_threads(threads)
    matplotlib.use("agg")
    out.mkdir(parents=True, exist_ok=True)
    chosen = networks or (["squeezenet1_0", "mobilenet_v3_small"] if quick else list(LAYERS))
    if unknown := set(chosen) - set(LAYERS):
        raise typer.BadParameter(f"There is no {', '.join(sorted(unknown))} here; there are {', '.join(LAYERS)}.")
    side, rounds = (224, 2) if quick and "vit_b_16" in chosen else (64, 2) if quick else (224, rounds)
    lines = [f"{threads} thread(s), pictures of {side} x {side}, torch {torch.__version__}.", ""]

    rows: dict[str, Ratios] = {}
    places = [(name, batch, layer) for name in chosen for batch in (1, 8) for layer in (LAYERS[name][-1],
              LAYERS[name][0])]  # fmt: skip
    for name, batch, layer in tqdm(places, desc="Grad-CAM", disable=None):
        count = rounds if batch == 1 else max(2, rounds // 2)
        rows[f"{name}, `{layer}`, batch {batch}"] = compared(GRAD_CAM, name, pictures(batch, side), count, layer)
    lines += table("Grad-CAM: time as a multiple of the limit", [way.name for way in GRAD_CAM[1:]], rows)
    draw_ratios(rows, out / "ratios.png")

    x, memory = pictures(8, side), {}
    for name in tqdm(chosen, desc="memory", disable=None):
        memory[name] = {}
        for way in (LIMIT, *GRAD_CAM[2:]):
            model = network(name)
            memory[name][way.name] = extra(way.prepare(model, LAYERS[name][-1]), model, x)
    columns = [way.name for way in (LIMIT, *GRAD_CAM[2:])]
    lines += ["**Grad-CAM at the last layer, batch 8: MiB beyond the forward pass**", "",
              f"| | {' | '.join(columns)} |", "|---|" + "---|" * len(columns),
              *(f"| {name} | {' | '.join(f'{found[way]:.0f}' for way in columns)} |" for name, found in memory.items()),
              ""]  # fmt: skip

    stages = {name: compared(STAGES, name, pictures(1, side), rounds, LAYERS[name])
              for name in tqdm(chosen, desc="all stages", disable=None)}  # fmt: skip
    lines += table("All stages at once: time as a multiple of the limit of the earliest",
                   [way.name for way in STAGES[1:]], stages)  # fmt: skip
    several = {name: compared(SEVERAL, name, pictures(1, side), rounds, LAYERS[name][-1])
               for name in tqdm(chosen, desc="classes", disable=None) if name != "vit_b_16"}  # fmt: skip
    lines += table(f"{len(CLASSES)} classes at once, at the last layer: time as a multiple of the limit",
                   [way.name for way in SEVERAL[1:]], several)  # fmt: skip
    in_short = {"one layer, 1 or 8 pictures": rows, "all stages at once": stages,
                f"{len(CLASSES)} classes at once": several}  # fmt: skip
    lines += ["**In short**: the median, and from where to where, of times as multiples of the limit", "",
              *summary(in_short, memory)]  # fmt: skip

    found: dict[str, Ratios] = {}
    for what, ways in tqdm(PASSES.items(), desc="passes", disable=None):
        for name in [name for name in chosen if name != "vit_b_16"][:2]:
            runs, models = prepared(ways, name)
            found[f"{what}, {name}"] = {"this library": ratios(runs, pictures(1, side), rounds)["this library"]}
            for way in ways:
                mib = extra(runs[way.name], models[way.name], pictures(1, side))
                column = "MiB, this library" if way.name == "this library" else "MiB, the other"
                found[f"{what}, {name}"][column] = [mib]
    columns = ["this library", "MiB, this library", "MiB, the other"]
    title = "Methods with passes of their own: time as a multiple of captum's (RISE: of a loop by hand)"
    lines += table(title, columns, found)

    draw_growth(growth(64, 2, 2) if quick else growth(128, 5, 5), out / "growth.png")
    noise = sorted(value for one in rows.values() for value in one["the limit again"])
    low, high = noise[len(noise) // 20], noise[-1 - len(noise) // 20]
    lines += [f"The limit beside itself: 90 % of all rounds lie between {low:.2f} and {high:.2f}.", "", "Calls:", ""]
    calls = {f"{way.name}: {way.call}": None for ways in (GRAD_CAM, STAGES, SEVERAL, *PASSES.values()) for way in ways
             if way.call != "the same"}  # fmt: skip
    lines += [f"- {call}" for call in calls]
    (out / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    typer.run(main)
