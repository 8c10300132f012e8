"""Networks that speak: one writes a caption of a scene, the other answers a question about it.

In both the words decide what is looked for: the state of a recurrent network scales and shifts the channels of the
picture's map (FiLM, Perez et al., AAAI 2018), then come a 1 x 1 convolution and the mean over the cells. The captioner
also reads where the middle of each channel lies, without which it learns no "left of".
"""

import difflib
from dataclasses import fields

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.datasets.scenes import COLOURS, SHAPES, Scenes, scenes
from course_lib.networks.architectures import Normalize, trunk

KINDS = {
    "article": ("a", "an"),
    "colour": tuple(COLOURS),
    "noun": SHAPES,
    "relation": ("left of", "right of", "above", "below"),
}
"""The words of captions by kind; "left of" is one word."""
ANSWERS = (*COLOURS, *SHAPES)
END = "."
VOCABULARY = (END, *sum(KINDS.values(), ()), "what", "colour", "shape", "is", "the", "thing")
LENGTH = 8


def tokens(sentence: str) -> Tensor:
    """A caption or question as numbers, (8,): each word's place in `VOCABULARY`, and then full stops.

    Raises:
        LookupError: for a word that the networks don't know (with the nearest ones)
        ValueError: for more than 7 words

    >>> tokens("a red circle")
    tensor([1, 3, 9, 0, 0, 0, 0, 0])
    """
    said = sentence.lower().rstrip("?. ").replace(" of", "_of").split()
    if len(said) >= LENGTH:
        raise ValueError(f"A sentence has at most {LENGTH - 1} words, and this one has {len(said)}: {sentence!r}.")
    return torch.tensor([_place(word.replace("_", " ")) for word in said] + [0] * (LENGTH - len(said)))


def _place(word: str) -> int:
    if word not in VOCABULARY:
        near = difflib.get_close_matches(word, VOCABULARY, 3, 0.4) or VOCABULARY
        raise LookupError(f"The networks don't know the word {word!r}; they know {', '.join(near)}.")
    return VOCABULARY.index(word)


def words(sentence: Tensor) -> list[str]:
    """The words of `tokens` up to the full stop.

    >>> words(tokens("a red circle left of a blue ring"))
    ['a', 'red', 'circle', 'left of', 'a', 'blue', 'ring']
    """
    said = [VOCABULARY[place] for place in sentence.tolist()]
    return said[: said.index(END)] if END in said else said


class _Modulated(nn.Module):
    """What both networks share: a map of the picture, modulated by a state of words."""

    def __init__(self, places: int, width: int, states: int = 96) -> None:
        super().__init__()
        self.normalize = Normalize()
        self.features = trunk()
        self.embedding = nn.Embedding(len(VOCABULARY), 32)
        self.rnn = nn.GRU(32, states, batch_first=True)
        self.mix = nn.Conv2d(64 + places, width, 1)
        self.film = nn.Linear(states, 2 * width)
        self.post = nn.Conv2d(width, 2 * width, 1)

    def found(self, features: Tensor, states: Tensor) -> Tensor:
        """(B L, 2 width, h, w): what each of L states (B, L, states) finds in the map (B, 64 + places, h, w)."""
        mixed = self.mix(features)[:, None]
        scale, shift = self.film(states)[..., None, None].chunk(2, 2)
        return torch.relu(self.post(torch.relu(mixed * (1 + scale) + shift).flatten(0, 1)))


class Captioner(_Modulated):
    """Pictures to a sentence: a GRU reads the words so far, and its state modulates the map for the next word."""

    def __init__(self, width: int = 32, states: int = 96) -> None:
        super().__init__(2, width, states)  # two more channels: where the cell lies
        self.fc1 = nn.Linear(3 * 2 * width + states, 128)
        self.fc2 = nn.Linear(128, len(VOCABULARY))
        self.presence = nn.Linear(64, len(ANSWERS))  # used in training only

    def read(self, features: Tensor, states: Tensor) -> Tensor:
        """Logits (B, L, words) from how much is found in each channel, where its middle lies, and the state."""
        rows, columns = (torch.linspace(-1, 1, n).to(features) for n in features.shape[-2:])
        place = torch.stack(torch.meshgrid(rows, columns, indexing="ij")).expand(len(features), -1, -1, -1)
        found = self.found(torch.cat([features, place], 1), states)
        amount = found.mean((2, 3))
        middles = [(found * axis).mean((2, 3)) / (amount + 0.05) for axis in place[:1].unbind(1)]
        pooled = torch.cat([amount, *middles], 1).unflatten(0, states.shape[:2])
        logits: Tensor = self.fc2(torch.relu(self.fc1(torch.cat([pooled, states], 2))))
        return logits

    def forward(self, pictures: Tensor, sentences: Tensor | None = None) -> Tensor:
        """Logits of each next word, (B, 8, words); without `sentences` (B, 8) the network reads its own words."""
        features = self.features(self.normalize(pictures))
        word, state, said = torch.zeros(len(pictures), 1, dtype=torch.long, device=pictures.device), None, []
        if sentences is not None:
            return self.read(features, self.rnn(self.embedding(torch.cat([word, sentences[:, :-1]], 1)))[0])
        for _ in range(LENGTH):
            states, state = self.rnn(self.embedding(word), state)
            said.append(self.read(features, states))
            word = said[-1].argmax(-1)
        return torch.cat(said, 1)


class QuestionNetwork(_Modulated):
    """Pictures and questions to the logits of the answers, (B, answers)."""

    def __init__(self, width: int = 64) -> None:
        super().__init__(0, width)
        self.fc = nn.Linear(2 * width, len(ANSWERS))

    def forward(self, pictures: Tensor, questions: Tensor | None = None) -> Tensor:
        """Logits of the answers; without `questions` (B, 8) an empty one is asked."""
        if questions is None:
            questions = torch.zeros(len(pictures), LENGTH, dtype=torch.long, device=pictures.device)
        states = self.rnn(self.embedding(questions))[0][:, -1:]
        logits: Tensor = self.fc(self.found(self.features(self.normalize(pictures)), states).mean((2, 3)))
        return logits


def captioned(n: int, seed: int) -> Scenes:
    """The first n scenes of a seed with one or two objects, of which only one caption is true.

    (With three objects nobody can see which of the other two the caption will name.)
    """
    drawn = scenes(3 * n // 2 + 20, seed)
    keep = (drawn.shapes[:, 2] < 0).nonzero().flatten()[:n]
    tensors = {field.name: getattr(drawn, field.name)[keep] for field in fields(drawn) if field.name != "captions"}
    return Scenes(**tensors, captions=tuple(drawn.captions[place] for place in keep))


def captions(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Pictures and their captions as tokens, (n, 8)."""
    drawn = captioned(n, seed)
    return drawn.pictures, torch.stack([tokens(caption) for caption in drawn.captions])


def questions(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Pictures, and 6 questions with their answers to each, (n, 6, 8 + 1), in a random order.

    The colour of each shape and the shape of each colour; in scenes with fewer than three objects some come twice.
    """
    drawn, random = scenes(n, seed), torch.Generator().manual_seed(seed)
    rows = []
    for shapes, colours in zip(drawn.shapes, drawn.colours, strict=True):
        objects = [(SHAPES[s], list(COLOURS)[c]) for s, c in zip(shapes, colours, strict=True) if s >= 0]
        asked = [(f"what colour is the {shape}", colour) for shape, colour in objects]
        asked += [(f"what shape is the {colour} thing", shape) for shape, colour in objects]
        all_of_them = [torch.cat([tokens(question), torch.tensor([ANSWERS.index(a)])]) for question, a in asked]
        order = torch.randperm(len(asked), generator=random).tolist() * 3
        rows.append(torch.stack([all_of_them[place] for place in order[:6]]))
    return drawn.pictures, torch.stack(rows)


def caption_loss(model: nn.Module, pictures: Tensor, sentences: Tensor) -> Tensor:
    """Cross-entropy of each next word, and of which colours and shapes are there, from the mean of the trunk's map.

    Relations are rare and hard: they count five times.
    """
    seen: list[Tensor] = []
    hook = model.get_submodule("features").register_forward_hook(lambda module, args, output: seen.append(output))
    logits = model(pictures, sentences)
    hook.remove()
    named = torch.zeros(len(sentences), len(VOCABULARY)).scatter(1, sentences, 1)[:, [_place(word) for word in ANSWERS]]
    presence = model.get_submodule("presence")(seen[0].mean((2, 3)))
    weights = torch.tensor([5.0 if word in KINDS["relation"] else 1.0 for word in VOCABULARY])
    return F.cross_entropy(logits.flatten(0, 1), sentences.flatten(), weights) + F.binary_cross_entropy_with_logits(
        presence, named
    )


def question_loss(model: nn.Module, pictures: Tensor, rows: Tensor) -> Tensor:
    """Cross-entropy of the answer to one of the questions (B, 6, 8 + 1), drawn at random for each picture."""
    drawn = rows[torch.arange(len(rows)), torch.randint(rows.shape[1], (len(rows),))]
    return F.cross_entropy(model(pictures, drawn[:, :-1]), drawn[:, -1])


def exact(model: nn.Module, pictures: Tensor, sentences: Tensor) -> Tensor:
    """Whether the caption that the network writes is the true one, word for word, (B,)."""
    same: Tensor = (model(pictures).argmax(-1) == sentences).all(1)
    return same


def answered(model: nn.Module, pictures: Tensor, rows: Tensor) -> Tensor:
    """Whether the first of the questions (B, 6, 8 + 1) is answered rightly, (B,)."""
    same: Tensor = model(pictures, rows[:, 0, :-1]).argmax(1) == rows[:, 0, -1]
    return same


def turned(sentences: Tensor, left_right: bool, up_down: bool, corner: bool) -> Tensor:
    """Captions of pictures that were mirrored left-right, then up-down, then at the diagonal from the upper left."""
    left, right, above, below = (_place(word) for word in KINDS["relation"])
    places = torch.arange(len(VOCABULARY))
    swaps = ((left, right),) * left_right + ((above, below),) * up_down + ((left, above), (right, below)) * corner
    for a, b in swaps:
        now = places.clone()
        now[places == a], now[places == b] = b, a
        places = now
    return places[sentences]
