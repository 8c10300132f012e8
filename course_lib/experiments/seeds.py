"""Networks of several seeds: a table's claim must not hang on one training."""

from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors.torch import load_file
from torch import nn

from course_lib.networks import load, untrained
from course_lib.networks.training import train


@lru_cache(maxsize=16)
def network(name: str, trained: int, seed: int) -> nn.Module:
    """One of the course's networks, trained from this seed (0: the shipped one), or with fresh weights (trained: 0)."""
    if not trained:
        return untrained(name, seed).model
    if seed == 0:
        return load(name).model
    model = untrained(name).model
    with TemporaryDirectory() as folder:
        train(name, Path(folder), progress=False, seed=seed)
        model.load_state_dict(load_file(Path(folder) / f"{name}.safetensors"))
    return model
