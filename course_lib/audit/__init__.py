"""Does a model look at the background? Two folders of pictures, and what a model does when only the ground changes."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import compress
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor, nn
from tqdm.auto import tqdm

from course_lib.audit.pictures import AS_THEY_ARE, EQUAL, REPAIRED, interventions, pictures_in, read, repaired, survey
from course_lib.audit.report import Audit, Shares
from course_lib.evaluation import mass_in_mask
from course_lib.experiments.creatures import centred
from course_lib.methods.registry import explain, find_method
from course_lib.methods.steps import upsample
from course_lib.networks import Network
from course_lib.networks.architectures import GapNetwork
from course_lib.networks.own import reinitialized
from course_lib.networks.recipes import Recipe
from course_lib.networks.training import fit
from course_lib.preprocessing import Preprocessing
from course_lib.recordable import check_model

METHODS = ("Grad-CAM", "saliency", "gradient x input")  # where CAM holds, Grad-CAM is CAM but for a factor
SIZE, FAR = 64, 0.1  # pixels of a side; "far" is more than a tenth of it away from the object
FOLDS, FEW = 5, 600  # so many networks where there are at most so many pictures, else one, tested on a fifth
BATCH, MAPPED = 32, 100  # pictures in one pass; pictures of a folder of which maps are made
STEPS, RATE = 240, 4e-3
Fold = tuple[Network, Network, slice]  # a network, its control, and the pictures that neither was trained on


def audit(
    folder_a: str | Path, folder_b: str | Path, model: nn.Module | Network | None = None, *,
    methods: Sequence[str] = METHODS, most: int = 1000, seed: int = 0, progress: bool = True,
) -> Audit:  # fmt: skip
    """Does a network tell two folders of pictures apart by their objects, or by what the files bring along?

    Pictures are read as `Image.open(file).convert("RGB")` reads them, then again after each intervention on the ground
    or the file. The object is where a file's alpha says, else what a flood fill from a near-constant border leaves;
    a picture with neither is counted, and stays out of what needs it. Files are read one at a time, `most` of each
    folder at the most; kept are two pictures of 64 x 64 for training (24 KB each file), and numbers. So memory is
    bounded by 2 `most` x 24 KB and the float copy for one training (2 `most` x 48 KB), 150 MB for 1,000.

    Args:
        folder_a: one kind of pictures, class 0 of the model
        folder_b: the other, class 1
        model: with 2 classes, in eval mode; an `nn.Module` gets (B, 3, 64, 64) in [0, 1], a `Network` what its
            preprocessing makes; its control has the same weights in random order. None: small networks are trained,
            each tested on the fifth of the pictures it has not seen; beside each, as control, one that is trained and
            tested through a repaired loader (all laid on white, with one history of JPEG)
        methods: names of explanations; one that the model doesn't allow is left out, with the reason
        most: pictures of each folder, drawn with the seed if there are more

    Raises:
        ValueError: for a folder that isn't there, holds no picture or fewer than two readable ones, the same folder
            twice, a `most` below 2, or a model without exactly 2 classes
        LookupError: for a method that isn't there
        TypeError: for a model that is none

    Source: interventions on the ground as in Xiao, Engstrom, Ilyas, Madry, "Noise or Signal" (ICLR 2021); the term of
    shortcut learning is that of Geirhos et al. (Nature Machine Intelligence 2020).

    >>> import tempfile
    >>> from PIL import Image, ImageDraw
    >>> whiter = nn.Sequential(nn.AvgPool2d(64), nn.Flatten(), nn.Linear(3, 2)).eval()
    >>> whiter[2].weight.data, whiter[2].bias.data = torch.tensor([[-1.0] * 3, [1.0] * 3]), torch.tensor([1.5, -1.5])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name, ground in (("a", "black"), ("b", "white")):
    ...         Path(folder, name).mkdir()
    ...         for place in range(20):
    ...             picture = Image.new("RGB", (64, 64), ground)
    ...             ImageDraw.Draw(picture).rectangle([20, 20, 30, 30 + place], "red")
    ...             picture.save(Path(folder, name, f"{place}.png"))
    ...     print(audit(f"{folder}/a", f"{folder}/b", whiter, progress=False).verdict.split(":")[0])
    The interventions show that this model goes by what the files bring along
    """
    paths = Path(folder_a), Path(folder_b)
    found = [pictures_in(path) for path in paths]
    if paths[0].resolve() == paths[1].resolve():
        raise ValueError(f"Both folders are {str(paths[0])!r}; an audit compares two kinds of pictures, a folder each.")
    if most < 2:
        raise ValueError(f"An audit needs two pictures or more of each folder, not at most {most}.")
    for name in methods:
        find_method(name)
    network = model if isinstance(model, Network) or model is None else Network(model, (), Preprocessing(SIZE), "")
    if network is not None:
        _check_classes(network)
    with tqdm(total=sum(min(most, len(files)) for files in found), desc="reading", disable=not progress) as bar:
        a, b = (survey(path, files, most, seed, bar.update) for path, files in zip(paths, found, strict=True))
    result = Audit((a, b), network is None)
    if network is None:
        folds = list(_trained(result, seed, progress))
    else:
        folds = [(network, reinitialized(network, seed), slice(None))]
    result.networks = len(folds)
    tested = [(target, *fold) for fold in folds for target in (0, 1)]
    total = sum(len(result.folders[target].files[part]) for target, *_, part in tested)
    with tqdm(total=total, desc="testing", disable=not progress) as bar:
        for target, *pair, part in tested:
            places = range(len(result.folders[target].files))[part]
            for start in range(0, len(places), BATCH):
                some = places[start : start + BATCH]
                _test(result, pair, target, some, methods, max(0, MAPPED // len(folds) - start))
                bar.update(len(some))
    for fold in folds:
        for judge, side in zip(fold[:2], result.sides, strict=True):
            for name, colour in EQUAL.items():
                blank = judge.preprocessing(np.full((SIZE, SIZE, 3), colour, np.uint8))[None]
                side.blanks.setdefault(name, []).extend(_margins(judge, blank).tolist())
    return result


def _trained(result: Audit, seed: int, progress: bool) -> Iterator[Fold]:
    """For each fold a network on the pictures as they are, and one on the repaired, neither of which saw the fold."""
    loader, sizes = Preprocessing(SIZE), [len(folder.files) for folder in result.folders]
    kept: tuple[list[Tensor], list[Tensor]] = ([], [])
    for folder in result.folders:
        for number, file in enumerate(tqdm(folder.files, desc="reading again", disable=not progress)):
            picture = read(file)
            for store, rgb in zip(kept, (picture.rgb, repaired(picture, number, result.jpegs)), strict=True):
                store.append((255 * loader(rgb)).round().byte())
    count = min(FOLDS, *sizes)
    place = torch.cat([torch.arange(n) for n in sizes])
    labels = torch.cat([torch.full((n,), target) for target, n in enumerate(sizes)])
    used = range(count) if len(labels) <= FEW else range(1)
    build = partial(GapNetwork, 2, (16, 32, 48, 64), 3)
    recipe = Recipe(build, lambda n, s: (place, labels), result.names, SIZE, 0, STEPS, 0, BATCH, RATE, turns=False)
    with tqdm(total=2 * len(used) * STEPS, desc="training", disable=not progress) as bar:
        for fold in used:
            seen, pair = torch.ne(place % count, fold), []
            for store in kept:
                with torch.random.fork_rng():
                    torch.manual_seed(seed + fold)
                    fresh = build()
                pictures = torch.stack(list(compress(store, seen))) / 255
                fit(fresh, pictures, labels[seen], recipe, seed + fold, tqdm(disable=True))
                bar.update(STEPS)
                pair.append(Network(centred(fresh), result.names, loader, ""))
            yield pair[0], pair[1], slice(fold, None, count)


def _test(
    result: Audit, pair: Sequence[Network], target: int, places: Iterable[int], methods: Sequence[str], most: int
) -> None:
    """Add what both networks answer, as the files are and after each intervention, and maps of the first `most`.

    A trained control gets everything through its repaired loader, the other two as a careless loader reads it.
    """
    mine, other = result.folders[target], result.folders[1 - target]
    versions: tuple[dict[str, list[Tensor]], ...] = ({}, {})
    shown, masks = [], []
    for row, place in enumerate(places):
        picture = read(mine.files[place])
        made = interventions(picture, place, mine, other)
        clean = {name: repaired(one, place, result.jpegs) for name, one in made.items() if result.trained}
        white = clean.get(AS_THEY_ARE, repaired(picture, place, result.jpegs))
        plain = {name: one.rgb for name, one in made.items()} | {REPAIRED: white}
        for judge, store, loaded in zip(pair, versions, (plain, plain | clean), strict=True):
            for name, rgb in loaded.items():
                store.setdefault(name, []).append(judge.preprocessing(rgb))
        if picture.alpha is not None and row < most:
            cut = Preprocessing(pair[0].preprocessing.size, pair[0].preprocessing.resize)
            inside = cut(np.round(255 * picture.alpha).astype(np.uint8))[0] > 0.5
            if inside.any():  # else cropped away
                shown.append(row)
                masks.append(inside)
    shapes = torch.stack(masks) if masks else None
    if shapes is not None:
        result.area[target].extend(_shares(torch.ones(shapes.shape), shapes))
    for judge, side, store in zip(pair, result.sides, versions, strict=True):
        for name, read_as in store.items():
            margins = _margins(judge, torch.stack(read_as)) * (1 - 2 * target)
            side.right.setdefault(name, ([], []))[target].extend((margins > 0).tolist())
            if name == AS_THEY_ARE:
                side.margins.extend(margins.abs().tolist())
        if shapes is None:
            continue
        pixels = torch.stack([store[AS_THEY_ARE][row] for row in shown])
        side.pictures.setdefault(target, (judge.preprocessing.undo(pixels[0]), shapes[0]))
        for method in methods:
            try:
                raw = explain(judge.model, _like(judge, pixels), target, method).map
            except ValueError as error:
                result.left_out[method] = str(error)
                continue
            maps = upsample(raw, (shapes.shape[-2], shapes.shape[-1])).detach().cpu().clamp(min=0)
            side.evidence.setdefault(method, ([], []))[target].extend(_shares(maps, shapes))
            side.examples.setdefault(method, {}).setdefault(target, maps[0])


def _shares(maps: Tensor, shapes: Tensor) -> Shares:
    """Of each map with evidence the share on the background, and far from the object: what an even map gets is area."""
    reach = FAR * shapes.shape[-1]
    far = torch.stack([torch.from_numpy(distance_transform_edt(~one) > reach) for one in shapes.numpy()])
    some = maps.flatten(1).any(1)
    shares = [mass_in_mask(maps, where)[some].tolist() for where in (~shapes, far)]
    return list(zip(*shares, strict=True))


def _like(network: Network, pixels: Tensor) -> Tensor:
    return pixels.to(next(network.model.parameters(), pixels))


def _margins(network: Network, pixels: Tensor) -> Tensor:
    """How far the logit of A lies above that of B, (B,)."""
    with torch.no_grad():
        logits: Tensor = network.model(_like(network, pixels))
    return logits[:, 0] - logits[:, 1]


def _check_classes(network: Network) -> None:
    check_model(network.model)
    size = network.preprocessing.size
    try:
        with torch.no_grad():
            shape = tuple(network.model(_like(network, torch.zeros(1, 3, size, size))).shape)
    except Exception as error:  # whatever the learner's own forward raises
        raise ValueError(
            f"The model can't take a picture of 3 x {size} x {size} ({(str(error).splitlines() or [''])[0]}): give a "
            "Network, whose preprocessing says the size."
        ) from None
    if shape != (1, 2):
        raise ValueError(
            f"An audit needs a model with 2 classes, one a folder, that gives (1, 2) logits for a picture; this one "
            f"gives {shape}. Without a model the audit trains one."
        )
