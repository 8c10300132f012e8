"""Does a model look at the background? Two folders of pictures, and what a model does when only the ground changes."""

import copy
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import compress
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor, nn
from tqdm.auto import tqdm

from course_lib.audit.pictures import AS_THEY_ARE, EQUAL, Picture, interventions, pictures_in, read, repaired, survey
from course_lib.audit.report import Audit
from course_lib.evaluation import mass_in_mask
from course_lib.methods.registry import explain, find_method
from course_lib.methods.steps import upsample
from course_lib.networks import Network
from course_lib.networks.architectures import GapNetwork
from course_lib.networks.recipes import Recipe
from course_lib.networks.training import fit
from course_lib.preprocessing import Preprocessing
from course_lib.recording import check_model

METHODS = ("Grad-CAM", "saliency", "gradient x input")  # where CAM holds, Grad-CAM is CAM but for a factor
SIZE, FAR = 64, 0.1  # pixels of a side; "far" is more than a tenth of it away from the object
FOLDS, FEW = 5, 600  # so many networks where there are at most so many pictures, else one, tested on a fifth
BATCH, MAPPED = 32, 100  # pictures in one pass; pictures of a folder of which maps are made
STEPS, RATE = 240, 4e-3
Fold = tuple[nn.Module, nn.Module, slice]  # a network, its control, and the pictures that neither was trained on


def audit(
    folder_a: str | Path,
    folder_b: str | Path,
    model: nn.Module | Network | None = None,
    *,
    methods: Sequence[str] = METHODS,
    most: int = 1000,
    seed: int = 0,
    progress: bool = True,
) -> Audit:
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
            preprocessing makes; its control is a copy with fresh weights. None: small networks are trained, each tested
            on the fifth of the pictures it has not seen, and beside each, as control, one on repaired pictures (laid
            on white and encoded as JPEG, all of them)
        methods: names of explanations; one that the model doesn't allow is left out, with the reason
        most: pictures of each folder, drawn with the seed if there are more

    Raises:
        ValueError: for a folder that isn't there, holds no picture or fewer than two readable ones, the same folder
            twice, or a model without exactly 2 classes
        LookupError: for a method that isn't there
        TypeError: for a model that is none

    Source: interventions on the ground as in Xiao, Engstrom, Ilyas, Madry, "Noise or Signal" (ICLR 2021); the term of
    shortcut learning is that of Geirhos et al. (Nature Machine Intelligence 2020).
    """
    paths = Path(folder_a), Path(folder_b)
    found = [pictures_in(path) for path in paths]
    if paths[0].resolve() == paths[1].resolve():
        raise ValueError(f"Both folders are {str(paths[0])!r}; an audit compares two kinds of pictures, a folder each.")
    for name in methods:
        find_method(name)
    own = model.preprocessing if isinstance(model, Network) else Preprocessing(SIZE)
    network = model.model if isinstance(model, Network) else model
    if network is not None:
        _check_classes(network, own.size)
    kept: tuple[list[Tensor], list[Tensor]] = ([], [])

    def keep(picture: Picture) -> None:
        if network is None:
            for store, rgb in zip(kept, (picture.rgb, repaired(picture)), strict=True):
                store.append((255 * own(rgb)).round().byte())

    with tqdm(total=sum(min(most, len(files)) for files in found), desc="reading", disable=not progress) as bar:
        folders = [survey(path, most, seed, keep, bar.update) for path in paths]
    if network is None:
        folds = list(_trained(kept, [len(folder.files) for folder in folders], seed, progress))
    else:
        folds = [(network, _fresh(network, seed), slice(None))]
    result = Audit((folders[0], folders[1]), network is None, len(folds))
    for fold in folds:
        _look_at_blanks(result, fold, own)
    tested = [(target, fold) for target in (0, 1) for fold in folds]
    total = sum(len(folders[target].files[part]) for target, (*_, part) in tested)
    with tqdm(total=total, desc="testing", disable=not progress) as bar:
        for target, (*pair, part) in tested:
            places = range(len(folders[target].files))[part]
            for start in range(0, len(places), BATCH):
                shown = _test(result, pair, target, places[start : start + BATCH], own)
                _explain(result, pair, target, shown[: max(0, MAPPED // len(folds) - start)], methods)
                bar.update(len(places[start : start + BATCH]))
    return result


def _trained(kept: Sequence[list[Tensor]], sizes: Sequence[int], seed: int, progress: bool) -> Iterator[Fold]:
    """For each fold a network on the pictures as they are, and one on the repaired, neither of which saw the fold."""
    count = min(FOLDS, *sizes)
    place = torch.cat([torch.arange(n) for n in sizes])
    labels = torch.cat([torch.full((n,), target) for target, n in enumerate(sizes)])
    used = range(count) if len(labels) <= FEW else range(1)
    build = partial(GapNetwork, 2, (16, 32, 48, 64), 3)
    recipe = Recipe(build, lambda n, s: (place, labels), ("A", "B"), SIZE, 0, STEPS, batch=BATCH, turns=False)
    with tqdm(total=2 * len(used), desc="training", disable=not progress) as bar:
        for fold in used:
            seen = place % count != fold
            pair: list[nn.Module] = []
            for store in kept:
                with torch.random.fork_rng():
                    torch.manual_seed(seed + fold)
                    pair.append(build())
                pictures = torch.stack(list(compress(store, seen))) / 255
                fit(pair[-1], pictures, labels[seen], recipe, seed + fold, tqdm(disable=True))
                bar.update()
            yield pair[0], pair[1], slice(fold, None, count)


def _fresh(model: nn.Module, seed: int) -> nn.Module:
    """The same model with random weights: its maps are what they are for any picture's sake."""
    control = copy.deepcopy(model)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for module in control.modules():
            if callable(reset := getattr(module, "reset_parameters", None)):
                reset()
    return control


def _test(
    result: Audit, pair: Sequence[nn.Module], target: int, places: Iterable[int], preprocessing: Preprocessing
) -> list[tuple[Tensor, Tensor]]:
    """Add what both networks answer, as the files are and after each intervention; gives back (pixels, object)."""
    mine, other = result.folders[target], result.folders[1 - target]
    plain = Preprocessing(preprocessing.size, preprocessing.resize)
    versions: dict[str, list[Tensor]] = {}
    shown = []
    for place in places:
        picture = read(mine.files[place])
        for name, rgb in interventions(picture, place, mine, other).items():
            versions.setdefault(name, []).append(preprocessing(rgb))
        if picture.alpha is not None:
            inside = plain(np.round(255 * picture.alpha).astype(np.uint8))[0] > 0.5
            shown.append((versions[AS_THEY_ARE][-1], inside))
    for network, side in zip(pair, result.sides, strict=True):
        for name, pixels in versions.items():
            margins = _margins(network, torch.stack(pixels)) * (1 - 2 * target)
            side.right.setdefault(name, ([], []))[target].extend((margins > 0).tolist())
            if name == AS_THEY_ARE:
                side.margins.extend(margins.abs().tolist())
    return shown


def _look_at_blanks(result: Audit, fold: Fold, preprocessing: Preprocessing) -> None:
    """Add the margins, for A over B, on pictures that show nothing."""
    for network, side in zip(fold[:2], result.sides, strict=True):
        for name, colour in EQUAL.items():
            blank = preprocessing(np.full((SIZE, SIZE, 3), colour, np.uint8))[None]
            side.blanks.setdefault(name, []).extend(_margins(network, blank).tolist())


def _explain(
    result: Audit,
    pair: Sequence[nn.Module],
    target: int,
    shown: Sequence[tuple[Tensor, Tensor]],
    methods: Sequence[str],
) -> None:
    """Add each method's share of evidence for the folder's class on the ground, and far from the object."""
    if not shown:
        return
    pixels, inside = (torch.stack(part) for part in zip(*shown, strict=True))
    reach = FAR * inside.shape[-1]
    far = torch.stack([torch.from_numpy(distance_transform_edt(~one) > reach) for one in inside.numpy()])
    result.area[target].extend(zip(_shares(~inside), _shares(far), strict=True))
    for network, side in zip(pair, result.sides, strict=True):
        for method in methods:
            try:
                raw = explain(network, pixels, target, method).map
            except ValueError as error:
                result.left_out[method] = str(error)
                continue
            maps = upsample(raw, (inside.shape[-2], inside.shape[-1])).clamp(min=0)
            some = maps.flatten(1).any(1)  # a map without evidence for the class has no share to give
            shares = [mass_in_mask(maps, where)[some].tolist() for where in (~inside, far)]
            side.evidence.setdefault(method, ([], []))[target].extend(zip(*shares, strict=True))
            side.examples.setdefault(method, {}).setdefault(target, maps[0])
    result.pictures.setdefault(target, (pixels[0], inside[0]))


def _shares(masks: Tensor) -> list[float]:
    shares: list[float] = masks.double().mean((1, 2)).tolist()
    return shares


def _margins(network: nn.Module, pixels: Tensor) -> Tensor:
    """How far the logit of A lies above that of B, (B,)."""
    with torch.no_grad():
        logits: Tensor = network(pixels)
    return logits[:, 0] - logits[:, 1]


def _check_classes(model: nn.Module, size: int) -> None:
    check_model(model)
    with torch.no_grad():
        logits = model(torch.zeros(1, 3, size, size))
    if tuple(logits.shape) != (1, 2):
        raise ValueError(
            f"An audit needs a model with 2 classes, one a folder, that gives (1, 2) logits for a picture; this one "
            f"gives {tuple(logits.shape)}. Without a model the audit trains one."
        )
