"""Training the course's networks from their recipes."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm.auto import tqdm

from course_lib.networks.recipes import RECIPES, TEST_SEED, TRAIN_SEED, Judge, Recipe, class_right


def train(name: str, out: Path, progress: bool = True, seed: int | None = None) -> float:
    """Make a network again and save its weights as `out`/`name`.safetensors, with recipe and accuracy inside.

    AdamW with a one-cycle rate on pictures drawn from TRAIN_SEED, mirrored (and turned) at random; everything follows
    from the seeds. Returns the accuracy on 2,000 pictures drawn from TEST_SEED.

    Raises:
        KeyError: for a name without a recipe
    """
    recipe = RECIPES[name]
    seed = recipe.seed if seed is None else seed
    torch.manual_seed(seed)
    model = recipe.build()
    if recipe.start:
        from course_lib.networks import load

        features = load(recipe.start).model.get_submodule("features").state_dict()
        model.get_submodule("features").load_state_dict(features, strict=False)  # a shorter trunk takes what it has
    fit(
        model,
        *recipe.data(recipe.pictures, TRAIN_SEED),
        recipe,
        seed,
        tqdm(total=recipe.steps, disable=not progress, desc=name),
    )
    reached = accuracy(model, *recipe.data(2000, TEST_SEED), recipe.right)
    facts = {"steps": recipe.steps, "pictures": recipe.pictures, "batch": recipe.batch, "rate": recipe.rate}
    facts |= {"seed": seed, "train_seed": TRAIN_SEED, "test_seed": TEST_SEED, "accuracy": round(reached, 4)}
    out.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), out / f"{name}.safetensors", {"recipe": json.dumps(facts)})
    return reached


def fit(model: nn.Module, pictures: Tensor, labels: Tensor, recipe: Recipe, seed: int, bar: "tqdm[None]") -> None:
    """Train the model in place for the recipe's steps, and leave it in eval mode."""
    random = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, recipe.steps, pct_start=0.15)
    order = torch.empty(0, dtype=torch.long)
    model.train()
    for _ in range(recipe.steps):
        if len(order) < recipe.batch:
            order = torch.cat([order, torch.randperm(len(labels), generator=random)])
        batch, order = order[: recipe.batch], order[recipe.batch :]
        flips = _flips(random, recipe.turns)
        loss = recipe.loss(model, _mirrored(pictures[batch], *flips), recipe.relabel(labels[batch], *flips))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        bar.update()
    bar.close()
    model.eval()


def _flips(random: torch.Generator, turns: bool) -> tuple[bool, bool, bool]:
    left_right, up_down, corner = (torch.rand(3, generator=random) < 0.5).tolist()
    return left_right, turns and up_down, turns and corner


def _mirrored(pictures: Tensor, left_right: bool, up_down: bool, corner: bool) -> Tensor:
    if left_right:
        pictures = pictures.flip(-1)
    if up_down:
        pictures = pictures.flip(-2)
    return pictures.transpose(-1, -2) if corner else pictures


def accuracy(model: nn.Module, pictures: Tensor, labels: Tensor, right: Judge = class_right) -> float:
    """The share of pictures that the network gets right: without `right`, whose largest logit is their label's."""
    with torch.no_grad():
        parts = zip(pictures.split(250), labels.split(250), strict=True)
        return float(torch.cat([right(model, *part) for part in parts]).float().mean())
