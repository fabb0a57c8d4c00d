"""What the collator puts where: golden rows, chats, images, micro-batches."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_batches import RED, asked, chat, clip, with_texts
from toy_models import FAMILIES
from toy_texts import QUESTIONS, TEXTS
from toy_training import draw, toy_collator, toy_example

from ib_data.errors import DataError
from ib_data.media.faults import MediaError
from ib_data.media.pixels import pixels
from ib_data.stream_options import ImageOptions
from ib_data.tasks import TASKS
from ib_data.training.batch.batch import IGNORED
from ib_data.training.batch.padding import left_padded, right_padded

families = pytest.mark.parametrize("family", FAMILIES)
WORDS = sorted({word for text in TEXTS for word in text.split()})


def ids_of(collator, text):
    return collator.rows.tokenizers.language.ids(text)


def test_golden_rows_of_a_causal_model() -> None:
    batch = toy_collator().batch([asked("a red circle", "blue"), asked("a", "white")])
    # After the five special tokens: words by frequency, then by alphabet.
    image, a, on, white, circle = 4, 5, 6, 7, 8
    words = {word: ids_of(toy_collator(), word) for word in ("a", "on", "white", "circle", "red", "blue")}
    assert [words["a"], words["on"], words["white"], words["circle"]] == [[a], [on], [white], [circle]]
    (red,), (blue,) = words["red"], words["blue"]
    head = [image] * 8 + [2]
    assert batch.input_ids.tolist() == [[*head, a, red, circle, blue, 3], [*head, a, white, 3, 0, 0]]
    assert batch.attention_mask.tolist() == [[1] * 14, [1] * 12 + [0] * 2]
    assert batch.labels.tolist() == [[IGNORED] * 12 + [blue, 3], [IGNORED] * 10 + [white, 3] + [IGNORED] * 2]
    assert batch.target_index.tolist() == [11, 12, 14 + 9, 14 + 10]
    assert batch.targets.tolist() == [blue, 3, white, 3]
    assert batch.target_rows.tolist() == [0, 0, 1, 1]
    assert batch.decoder_input_ids is None
    assert batch.qformer_input_ids.shape == (2, 5)
    assert batch.qformer_input_ids[1].tolist() == [2, toy_collator().rows.tokenizers.qformer.ids("a")[0], 3, 0, 0]
    assert batch.qformer_attention_mask.tolist() == [[1] * 5, [1, 1, 1, 0, 0]]
    assert batch.frame_index.tolist() == [0, 0]
    assert batch.text_index.tolist() == [0, 1]
    assert batch.pixel_values.shape == (1, 3, 32, 32)


def test_golden_rows_of_an_encoder_decoder_model() -> None:
    collator = toy_collator("t5")
    batch = collator.batch([asked("a red circle", "blue circle"), asked("a", "white")])
    a, red, circle, blue, white = (ids_of(collator, word)[0] for word in ("a", "red", "circle", "blue", "white"))
    image, end, pad = collator.rows.tokenizers.image_id, collator.rows.tokenizers.eos_id, 0
    assert batch.input_ids.tolist() == [[image] * 8 + [a, red, circle, end], [image] * 8 + [a, end, pad, pad]]
    assert batch.decoder_input_ids.tolist() == [[pad, blue, circle], [pad, white, pad]]
    assert batch.labels.tolist() == [[blue, circle, end], [white, end, IGNORED]]
    assert batch.target_index.tolist() == [0, 1, 2, 3, 4]
    assert batch.targets.tolist() == [blue, circle, end, white, end]
    assert batch.target_rows.tolist() == [0, 0, 0, 1, 1]


@families
def test_types_are_as_documented(family) -> None:
    batch = toy_collator(family).batch([*(toy_example(p) for p in range(5)), clip(1)])
    assert batch.images.dtype == torch.uint8
    assert batch.pixel_values.dtype == torch.float32
    for field in dataclasses.fields(batch):
        value = getattr(batch, field.name)
        assert field.name == "images" or value is None or value.dtype == torch.int64
    assert batch.tasks.tolist() == [list(TASKS).index("captioning")] * 6
    assert batch.positions.tolist() == [0, 1, 2, 3, 4, 1]


@families
def test_the_target_never_reaches_the_qformer_or_an_encoder(family) -> None:
    collator = toy_collator(family)
    one, other = (collator.batch([asked("Caption:", target)]) for target in ("a red circle", "green"))
    assert torch.equal(one.qformer_input_ids, other.qformer_input_ids)
    assert torch.equal(one.qformer_attention_mask, other.qformer_attention_mask)
    assert not torch.equal(one.labels, other.labels)
    if family == "t5":
        assert torch.equal(one.input_ids, other.input_ids)


@families
@settings(max_examples=25, deadline=None)
@given(texts=st.lists(st.tuples(*[st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)] * 2), min_size=1))
def test_labels_are_the_targets_and_their_end(family, texts) -> None:
    collator = toy_collator(family)
    batch = collator.batch([asked(*pair, position=number) for number, pair in enumerate(texts)])
    for labels, (_, target) in zip(batch.labels.tolist(), texts, strict=True):
        learnt = [label for label in labels if label != IGNORED]
        assert learnt[-1] == collator.rows.tokenizers.eos_id
        assert collator.rows.tokenizers.language.text(learnt[:-1]) == target
    assert len(batch.targets) == sum(len(ids_of(collator, target)) + 1 for _, target in texts)


def test_a_causal_chat_learns_every_answer_and_no_question() -> None:
    collator = toy_collator()
    batch = collator.batch([chat(), asked(QUESTIONS[1], "circle")])
    eos = collator.rows.tokenizers.eos_id
    first, answer, last, end = (ids_of(collator, text) for text in (QUESTIONS[0], "red", QUESTIONS[1], "circle"))
    head = [collator.rows.tokenizers.image_id] * 8 + [collator.rows.tokenizers.bos_id]
    assert batch.input_ids[0].tolist() == [*head, *first, *answer, eos, *last, *end, eos]
    ignored = [IGNORED] * 100
    expected = [*ignored[: 9 + len(first)], *answer, eos, *ignored[: len(last)], *end, eos]
    assert batch.labels[0].tolist() == expected
    # The last turn alone is what it is without chats.
    length = 9 + len(last) + len(end) + 1
    assert batch.input_ids[1].tolist()[:length] == [*head, *last, *end, eos]


def test_an_encoder_decoder_chat_reads_the_earlier_turns_and_learns_the_last_answer() -> None:
    collator = toy_collator("t5")
    batch = collator.batch([chat()])
    eos = collator.rows.tokenizers.eos_id
    read = ids_of(collator, f"{QUESTIONS[0]}\nred\n{QUESTIONS[1]}")
    assert batch.input_ids[0].tolist()[8:] == [*read, eos]
    assert batch.labels[0].tolist() == [*ids_of(collator, "circle"), eos]


@families
def test_the_qformer_reads_all_questions_of_a_chat_and_no_answer(family) -> None:
    collator = toy_collator(family)
    told = collator.batch([chat()]).qformer_input_ids[0].tolist()
    assert told[1:-1] == collator.rows.tokenizers.qformer.ids(f"{QUESTIONS[0]}\n{QUESTIONS[1]}")


@families
def test_empty_texts(family) -> None:
    collator = toy_collator(family)
    eos = collator.rows.tokenizers.eos_id
    batch = collator.batch([asked("", "red"), asked("", ""), asked("Caption:", "")])
    targets = [[label for label in row if label != IGNORED] for row in batch.labels.tolist()]
    assert targets == [[*ids_of(collator, "red"), eos], [eos], [eos]]
    assert batch.qformer_input_ids[0].tolist()[:2] == [2, 3]
    content = batch.input_ids[0][batch.attention_mask[0].bool()].tolist()[8:]
    assert content == ([2, *ids_of(collator, "red"), eos] if family == "llama" else [eos])


@families
def test_placeholders_are_one_for_each_query_of_each_frame(family) -> None:
    collator = toy_collator(family)
    examples = [clip(0), toy_example(1), clip(2, num_frames=2), with_texts(toy_example(3), "<image> is <image>?", "a")]
    batch = collator.batch(examples)
    placeholders = batch.input_ids == collator.rows.tokenizers.image_id
    assert placeholders.sum(dim=1).tolist() == [32, 8, 16, 8]
    assert placeholders[:, :8].all()
    assert batch.images.shape == (8, 32, 32, 3)
    assert batch.frame_index.tolist() == list(range(8))
    assert batch.text_index.tolist() == [0] * 4 + [1] + [2] * 2 + [3]


def test_a_placeholder_in_a_text_would_be_caught() -> None:
    collator = toy_collator()
    tokenizers = dataclasses.replace(collator.rows.tokenizers, image_id=ids_of(collator, "red")[0])
    rows = dataclasses.replace(collator.rows, tokenizers=tokenizers)
    with pytest.raises(AssertionError, match="one placeholder per query"):
        dataclasses.replace(collator, rows=rows).batch([asked("red", "red")])


def test_an_image_that_examples_share_is_kept_once() -> None:
    sample = clip(0)
    shared = [asked("Caption:", "red", media) for media in (RED, draw("blue", "square"), RED)]
    batch = toy_collator().batch([*shared, sample, with_texts(sample, "a", "b")])
    assert batch.frame_index.tolist() == [0, 1, 0, 2, 3, 4, 5, 2, 3, 4, 5]
    assert batch.text_index.tolist() == [0, 1, 2] + [3] * 4 + [4] * 4
    assert np.array_equal(batch.images[2:].numpy(), sample.pixels)


def test_pixels_are_squashed_and_normalised() -> None:
    values = toy_collator().batch([asked("Caption:", "red", draw("white", "square", (90, 30)))]).pixel_values[0]
    assert values.shape == (3, 32, 32)
    white = torch.tensor([(1 - 0.48145466) / 0.26862954, (1 - 0.4578275) / 0.26130258, (1 - 0.40821073) / 0.27577711])
    assert torch.allclose(values, white.view(3, 1, 1).expand(3, 32, 32), atol=1e-6)


def test_a_missing_image_is_an_error_with_its_place() -> None:
    with pytest.raises(DataError, match=r"toy: toy-train-000000000001: the example has no pixels; open the stream"):
        toy_collator()([asked("Caption:", "red", None)])


def test_a_hidden_answer_is_an_error_with_its_place() -> None:
    with pytest.raises(DataError, match="toy: toy-train-000000000001: the answer is hidden"):
        toy_collator()([asked("What is it?", None)])


@pytest.mark.parametrize("data", [b"", b"no image", RED[:60], RED[:-40]], ids=["empty", "text", "header", "cut"])
def test_a_broken_image_is_an_error(data: bytes) -> None:
    with pytest.raises(MediaError):
        pixels(data, "image", ImageOptions(image_px=32))


def test_padding() -> None:
    assert [padded.tolist() for padded in right_padded([[1], [2, 3]], 9)] == [[[1, 9], [2, 3]], [[1, 0], [1, 1]]]
    assert [padded.tolist() for padded in left_padded([[1], [2, 3]], 9)] == [[[9, 1], [2, 3]], [[0, 1], [1, 1]]]
    assert right_padded([[], []], 9)[0].shape == (2, 0)
