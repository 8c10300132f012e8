"""The words of the captioner and of the visual question, their data, and what their networks compute."""

import pytest
import torch

from course_lib.datasets.scenes import CLASSES, COLOURS, SHAPES, scenes
from course_lib.networks import load, untrained
from course_lib.networks.recipes import RECIPES
from course_lib.networks.sentences import (
    ANSWERS,
    END,
    KINDS,
    LENGTH,
    VOCABULARY,
    captioned,
    captions,
    questions,
    tokens,
    turned,
    words,
)
from course_lib.recording import record


def test_tokens_and_words_undo_each_other():
    for caption in captioned(20, seed=3).captions:
        assert " ".join(words(tokens(caption))) == caption
    assert tokens("What colour is the ring?").tolist()[5:] == [0, 0, 0]
    assert len(set(VOCABULARY)) == len(VOCABULARY) and VOCABULARY[0] == END


def test_mistakes_in_a_sentence_are_said():
    with pytest.raises(LookupError, match="don't know the word 'circel'; they know circle"):
        tokens("a red circel")
    with pytest.raises(ValueError, match="at most 7 words, and this one has 8"):
        tokens("a red circle left of a red ring a")


def test_captions_follow_a_fixed_order_of_kinds():
    kinds = list(KINDS.values())
    for sentence in captions(40, seed=4)[1]:
        said = words(sentence)
        assert len(said) in (3, LENGTH - 1)
        assert all(word in kinds[place % 4] for place, word in enumerate(said))


def test_captioned_scenes_have_one_true_caption():
    drawn = captioned(30, seed=5)
    assert len(drawn.captions) == len(drawn.pictures) == 30
    assert ((drawn.shapes >= 0).sum(1) <= 2).all()
    first = [SHAPES.index(caption.split()[2]) for caption in drawn.captions]
    assert first == drawn.labels.tolist() and max(first) < len(CLASSES)


def test_questions_have_the_answer_that_the_scene_gives():
    pictures, rows = questions(60, seed=6)
    drawn = scenes(60, seed=6)
    assert pictures.equal(drawn.pictures)
    kinds = set()
    for asked, shapes, colours in zip(rows, drawn.shapes.tolist(), drawn.colours.tolist(), strict=True):
        assert len(asked) == 6 and len(asked.unique(dim=0)) == 2 * sum(shape >= 0 for shape in shapes)
        for row in asked:
            said, answer = words(row[:-1]), ANSWERS[row[-1]]
            kinds.add(said[1])
            if said[1] == "colour":
                assert colours[shapes.index(SHAPES.index(said[-1]))] == list(COLOURS).index(answer)
            else:
                assert shapes[colours.index(list(COLOURS).index(said[-2]))] == SHAPES.index(answer)
    assert kinds == {"colour", "shape"}


@pytest.mark.parametrize(
    ("flips", "relation"),
    [
        ((False, False, False), "left of"),
        ((True, False, False), "right of"),
        ((False, True, False), "left of"),
        ((False, False, True), "above"),
        ((True, False, True), "below"),
        ((True, True, True), "below"),
    ],
)
def test_mirrored_pictures_get_the_caption_that_is_then_true(flips, relation):
    sentence = torch.stack([tokens("a red ring left of a blue drop"), tokens("a red ring")])
    after = turned(sentence, *flips)
    assert words(after[0])[3] == relation
    assert after[1].equal(sentence[1]) and (after[0] != sentence[0]).sum() == (relation != "left of")


def test_an_answer_depends_on_what_is_there_and_not_on_where():
    """FiLM, 1 x 1 and the mean over cells: cells may change places freely; the words decide what is looked for."""
    model = untrained("scenes_questions").model
    with torch.no_grad():
        features, states = torch.rand(2, 64, 16, 16), torch.rand(2, 1, 96)
        found = model.found(features, states).mean((2, 3))
        assert torch.allclose(found, model.found(features.roll(5, -1), states).mean((2, 3)), atol=1e-5)
        assert not torch.allclose(found, model.found(features, states + 1).mean((2, 3)), atol=1e-3)


def test_the_captioner_reads_its_own_words():
    model, pictures = load("scenes_captioner").model, scenes(4, seed=8).pictures
    with torch.no_grad():
        logits = model(pictures)
        assert logits.shape == (4, LENGTH, len(VOCABULARY))
        assert torch.allclose(logits, model(pictures, logits.argmax(-1)), atol=1e-4)


def test_a_word_knows_nothing_of_what_comes_after_it():
    model, pictures = load("scenes_captioner").model, scenes(2, seed=8).pictures
    sentences = tokens("a red ring left of a blue drop").repeat(2, 1)
    changed = sentences.clone()
    changed[:, 4:] = 0
    with torch.no_grad():
        assert model(pictures, sentences)[:, :5].equal(model(pictures, changed)[:, :5])


def test_a_word_is_a_score_like_any_other():
    model, pictures = load("scenes_captioner").model, scenes(2, seed=8).pictures
    with record(model, "features") as tape:
        logits = model(pictures, tokens("a red circle").repeat(2, 1))
    words_of_a_caption = tape.gradients(torch.stack([logits[:, place, 9].sum() for place in range(3)]))["features"]
    assert words_of_a_caption.shape == (3, 2, 64, 16, 16)
    assert not words_of_a_caption[0].allclose(words_of_a_caption[2])


def test_recipes_judge_sentences():
    caption, question = RECIPES["scenes_captioner"], RECIPES["scenes_questions"]
    model = load("scenes_questions").model
    pictures, rows = question.data(6, 9)
    with torch.no_grad():
        right = question.right(model, pictures, rows)
        wrong = rows.clone()
        wrong[..., -1] = (rows[..., -1] + 1) % len(ANSWERS)
        assert right.shape == (6,) and not (right & question.right(model, pictures, wrong)).any()
        assert question.loss(model, pictures, wrong) > question.loss(model, pictures, rows)
        written = load("scenes_captioner").model(pictures).argmax(-1)
        other = written.clone()
        other[0, 1] = 0
        assert caption.right(load("scenes_captioner").model, pictures, written).all()
        assert caption.right(load("scenes_captioner").model, pictures, other).tolist() == [False] + [True] * 5
