import pytest
import torch
from toy_training import COLOURS, ToyStream, draw, silent, toy_config, toy_example, train_on

from ib_data.errors import IbDataError
from ib_data.training.generate import Trained, answer, answers, load

QUESTION = "What colour is the shape? Short answer:"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    train_on(toy_config(steps=60, batch_size=16, save_every=60, warmup_steps=5), ToyStream(), out, silent)
    return out


@pytest.fixture(scope="module")
def trained(run) -> Trained:
    return load(run, "cpu")


def test_it_has_learnt_the_colours(trained: Trained) -> None:
    said = [answer(trained, draw(colour, "circle"), QUESTION, 5) for colour in COLOURS]
    assert sum(word == colour for word, colour in zip(said, COLOURS, strict=True)) >= 3


def test_only_new_words_come_back(trained: Trained) -> None:
    text = answer(trained, draw("red", "circle"), QUESTION, 3)
    assert "colour" not in text
    assert "<" not in text
    assert len(text.split()) <= 3


def test_max_new_tokens_counts_new_ones_only(trained: Trained) -> None:
    long = "Short answer: " * 60 + QUESTION
    assert len(answer(trained, draw("red", "circle"), long, 1).split()) <= 1


def test_an_answer_does_not_depend_on_its_batch_mates(trained: Trained) -> None:
    asked = [(toy_example(p).media, toy_example(p).rendered.instruction) for p in (0, 9, 18)]
    asked.append((draw("blue", "square"), "Caption: " * 40))
    together = answers(trained, asked, 6)
    assert together == [answer(trained, image, prompt, 6) for image, prompt in asked]
    assert answers(trained, asked[::-1], 6) == together[::-1]


def test_unknown_words_in_a_prompt_are_no_error(trained: Trained) -> None:
    assert isinstance(answer(trained, draw("red", "circle"), "Pourquoi pas <image> ?", 3), str)


def test_asking_twice_gives_the_same(trained: Trained) -> None:
    torch.manual_seed(1)
    first = answer(trained, draw("red", "circle"), "Caption:", 6)
    torch.manual_seed(2)
    assert answer(trained, draw("red", "circle"), "Caption:", 6) == first


def test_a_checkpoint_folder_and_its_run_give_the_same_model(run, trained: Trained) -> None:
    other = load(run / "step-000060", "cpu")
    ours, theirs = trained.model.state_dict(), other.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_what_is_no_picture_is_an_error(trained: Trained) -> None:
    with pytest.raises(IbDataError, match="not an image"):
        answer(trained, b"no picture", QUESTION)


def test_a_folder_without_a_checkpoint(tmp_path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(IbDataError, match=r"expected a checkpoint \(checkpoint.json\), found none"):
            load(folder)
