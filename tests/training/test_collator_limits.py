"""Limits of lengths, and how a step is cut into micro-batches."""

import dataclasses
from multiprocessing.reduction import ForkingPickler

import pytest
import torch
from toy_batches import asked, chat, shared_model, with_texts
from toy_models import FAMILIES
from toy_texts import QUESTIONS
from toy_training import decoded, draw, toy_collator, toy_example

from ib_data.training.batch.batch import IGNORED
from ib_data.training.model.forward import target_losses

families = pytest.mark.parametrize("family", FAMILIES)
LONG = " ".join(["red", "blue", "circle", "on", "white"] * 1000)  # 5,000 words


def real_ids(batch, row=0):
    """The ids of a row without its padding and its placeholders."""
    return batch.input_ids[row][batch.attention_mask[row].bool()].tolist()[8:]


@families
def test_a_prompt_keeps_its_last_128_tokens_with_its_special_ones(family) -> None:
    collator = toy_collator(family)
    batch = collator.batch([asked(LONG, "red")])
    tokenizers = collator.rows.tokenizers
    ids = tokenizers.language.ids(LONG)
    assert len(ids) == 5000
    expected = [tokenizers.bos_id, *ids[-127:]] if family == "llama" else [*ids[-127:], tokenizers.eos_id]
    assert real_ids(batch)[:128] == expected
    told = batch.qformer_input_ids[0].tolist()
    assert told == [2, *tokenizers.qformer.ids(LONG)[-126:], 3]
    with torch.no_grad():
        assert target_losses(shared_model(family), batch).isfinite().all()


@families
def test_a_target_keeps_its_first_256_tokens_and_then_has_no_end(family) -> None:
    collator = toy_collator(family)
    ids = collator.rows.tokenizers.language.ids(LONG)
    eos = collator.rows.tokenizers.eos_id
    just = " ".join(LONG.split()[:255])
    batch = collator.batch([asked("Caption:", LONG), asked("Caption:", just)])
    long, fits = ([label for label in row if label != IGNORED] for row in batch.labels.tolist())
    assert long == ids[:256]
    assert fits == [*ids[:255], eos]


@families
def test_a_prompt_for_generation_is_not_cut_but_the_text_of_the_qformer_is(family) -> None:
    rows = toy_collator(family).rows
    assert len(rows.prompt(LONG, 1, truncate=False)) == 8 + 1 + 5000
    assert len(rows.qformer(LONG)) == 128


@families
def test_a_limit_of_one_leaves_only_special_tokens(family) -> None:
    collator = toy_collator(family, max_instruction_tokens=1)
    special = [collator.rows.tokenizers.bos_id if family == "llama" else collator.rows.tokenizers.eos_id]
    assert collator.rows.prompt("Caption:", 1)[8:] == special
    assert collator.rows.qformer("Caption:") == [2, 3]


@families
def test_cut_texts_are_counted_by_annotation(family) -> None:
    collator = toy_collator(family)
    words = LONG.split()
    # Of 128 and 256 tokens, one is special.
    fits = with_texts(toy_example(0), " ".join(words[:127]), " ".join(words[:255]))
    cut = [with_texts(toy_example(1), " ".join(words[:128]), "red"), asked("a", " ".join(words[:256]), position=2)]
    for examples, expected in (([fits], (0, 0)), ([fits, *cut], (1, 1)), ([with_texts(fits, LONG, LONG)], (1, 1))):
        batch = collator(examples)
        assert (batch.num_cut_instructions, batch.num_cut_targets) == expected


def test_every_turn_of_a_chat_has_its_own_limits() -> None:
    collator = toy_collator(max_instruction_tokens=4, max_target_tokens=2)
    batch = collator([chat()])
    assert (batch.num_cut_instructions, batch.num_cut_targets) == (1, 0)
    language = collator.rows.tokenizers.language
    first, last = (language.ids(text)[-3:] for text in QUESTIONS[:2])
    said = [[*language.ids(text), collator.rows.tokenizers.eos_id] for text in ("red", "circle")]
    assert real_ids(batch.micro[0])[1:] == [*first, *said[0], *last, *said[1]]


@families
def test_a_text_cannot_spell_a_special_token(family) -> None:
    collator = toy_collator(family)
    tokenizers = collator.rows.tokenizers
    text = "<image> </s> <s> <pad> [MASK] [SEP] [CLS] [PAD]"
    assert not {*range(5)} - {1} & {*tokenizers.language.ids(text)}  # 1 is an unknown word
    assert not {0, 2, 3} & {*tokenizers.qformer.ids(text)}
    batch = collator.batch([asked(text, text), asked("Caption:", "red")])
    assert (batch.input_ids == tokenizers.image_id).sum(dim=1).tolist() == [8, 8]
    assert (batch.targets[batch.target_rows == 0] == tokenizers.eos_id).sum() == 1
    assert (batch.qformer_input_ids[0] == 3).sum() == 1


def test_a_copy_in_a_spawned_worker_makes_the_same_batch() -> None:
    collator = toy_collator()
    examples = [asked("<image> what? </s>", "<image>"), toy_example(3)]
    copy = ForkingPickler.loads(ForkingPickler.dumps(collator))  # how a process that is spawned gets it
    assert _same(copy(examples).micro[0], collator(examples).micro[0])


@families
@pytest.mark.parametrize("group_by_length", [False, True])
@pytest.mark.parametrize("size", [1, 3, 8, 100])
def test_micro_batches_hold_the_examples_of_the_step(family, group_by_length, size) -> None:
    examples = _step()
    whole = toy_collator(family)(examples)
    cut = toy_collator(family, micro_batch_size=size, group_by_length=group_by_length)(examples)
    positions = [micro.positions.unique_consecutive().tolist() for micro in cut.micro]
    flat = [position for piece in positions for position in piece]
    assert sorted(flat) == list(range(8))
    assert flat == list(range(8)) or group_by_length
    assert [len(piece) for piece in positions] == [len(flat[i : i + size]) for i in range(0, 8, size)]
    assert cut.num_targets == whole.num_targets == sum(len(micro.targets) for micro in cut.micro)
    assert _rows(cut) == _rows(whole)


def test_grouping_by_length_saves_padding() -> None:
    examples = _step()
    sizes = [
        sum(
            micro.input_ids.numel()
            for micro in toy_collator(micro_batch_size=2, group_by_length=grouped)(examples).micro
        )
        for grouped in (False, True)
    ]
    assert sizes[1] < sizes[0]


def _step():
    """Eight positions, three with two annotations of their image, short and long ones mixed."""
    examples = []
    for position in range(8):
        text = " ".join(["red"] * (3 + 40 * (position % 2)))
        first = with_texts(toy_example(position), text, "blue")
        examples += [first] if position % 3 else [first, with_texts(first, "Caption:", f"a {text}")]
    return examples


def _rows(step):
    """What is in the rows of a step, in no order: position, prompt, Q-Former text, target, and image."""
    found = []
    for micro in step.micro:
        for row in range(len(micro)):
            targets = micro.targets[micro.target_rows == row].tolist()
            text = micro.qformer_input_ids[row][micro.qformer_attention_mask[row].bool()].tolist()
            image = micro.images[micro.frame_index[row]].sum().item()
            found.append((micro.positions[row].item(), real_ids(micro, row), text, targets, image))
    return sorted(found)


def _same(one, other) -> bool:
    pairs = ((getattr(one, field.name), getattr(other, field.name)) for field in dataclasses.fields(one))
    return all(a is b is None or torch.equal(a, b) for a, b in pairs)


def test_examples_of_one_image_stay_together() -> None:
    step = toy_collator(micro_batch_size=1)(_step())
    assert [len(micro) for micro in step.micro] == [2, 1, 1, 2, 1, 1, 2, 1]
    assert [len(micro.images) for micro in step.micro] == [1] * 8
    assert decoded(draw("red", "circle")).shape == (32, 32, 3)
