import dataclasses

import pytest
import torch
from toy_training import draw, example, toy_example, toy_tokens

from ib_data.errors import DataError
from ib_data.media.faults import MediaError
from ib_data.media.pixels import pixels
from ib_data.mixtures.stream.example import Example
from ib_data.sample import Turn
from ib_data.stream_options import ImageOptions
from ib_data.training.collator import IGNORED, Collator, right_padded
from ib_data.training.tokens import BOS, EOS, IMAGE, PAD, build_tokens, encode

RED = draw("red", "circle")


def collator(num_query_tokens: int = 4, **changes: object) -> Collator:
    values: dict[str, object] = {"max_instruction_tokens": 128, "max_target_tokens": 256}
    return Collator(**{"tokens": toy_tokens(), "num_query_tokens": num_query_tokens, **values, **changes})  # type: ignore[arg-type]


def asked(instruction: str, target: str, media: bytes | None = RED, position: int = 0) -> Example:
    return example(position, instruction, target, media)


def test_golden_row() -> None:
    tokens = build_tokens(["what is it", "a dog"])
    make = collator(num_query_tokens=3, tokens=tokens)
    batch = make([asked("what is it", "a dog"), asked("what", "dog")])
    # Words by frequency, then alphabet: a, dog, is, it, what take 5 to 9 after the five special tokens.
    pad, bos, eos, image = (tokens.language_id(s) for s in (PAD, BOS, EOS, IMAGE))
    assert (pad, bos, eos, image) == (0, 2, 3, 4)
    assert batch.input_ids.tolist() == [[4, 4, 4, 2, 9, 7, 8, 5, 6, 3], [4, 4, 4, 2, 9, 6, 3, 0, 0, 0]]
    assert batch.attention_mask.tolist() == [[1] * 10, [1] * 7 + [0] * 3]
    assert batch.labels.tolist() == [[-100] * 7 + [5, 6, 3], [-100] * 5 + [6, 3] + [-100] * 3]
    assert batch.qformer_input_ids.tolist() == [[2, 9, 7, 8, 3], [2, 9, 3, 0, 0]]
    assert batch.qformer_attention_mask.tolist() == [[1] * 5, [1, 1, 1, 0, 0]]
    assert batch.pixel_values.shape == (1, 3, 32, 32)
    assert batch.image_index.tolist() == [0, 0]


def test_dtypes_are_as_documented() -> None:
    batch = collator()([toy_example(p) for p in range(5)])
    assert batch.images.dtype == torch.uint8
    assert batch.pixel_values.dtype == torch.float32
    for field in dataclasses.fields(batch):
        if field.name != "images":
            assert getattr(batch, field.name).dtype == torch.int64


def test_the_target_never_reaches_the_qformer() -> None:
    one, other = (collator()([asked("Caption:", target)]) for target in ("a red circle", "green"))
    assert torch.equal(one.qformer_input_ids, other.qformer_input_ids)
    assert torch.equal(one.qformer_attention_mask, other.qformer_attention_mask)
    assert not torch.equal(one.labels, other.labels)


@pytest.mark.parametrize("text", ["Caption:", "<image> <image> what is <image>?", "", "word " * 500])
def test_placeholders_are_exactly_the_queries(text: str) -> None:
    make = collator(num_query_tokens=7, tokens=build_tokens([text, "<image> on white"]))
    batch = make([asked(text, "<image> on white"), asked("Caption:", "red")])
    placeholders = batch.input_ids == make.tokens.language_id(IMAGE)
    assert placeholders.sum(dim=1).tolist() == [7, 7]
    assert placeholders[:, :7].all()


def test_a_long_instruction_keeps_its_end_and_a_long_target_its_beginning() -> None:
    words = [f"w{i}" for i in range(300)]
    text = " ".join(words)
    make = collator(tokens=build_tokens([text]), max_instruction_tokens=10, max_target_tokens=6)
    batch = make([asked(text, text)])
    ids = encode(make.tokens.language, text)
    assert batch.input_ids[0].tolist()[5:14] == ids[-9:]
    assert batch.labels[0].tolist()[14:] == ids[:6]
    assert make.tokens.language_id(EOS) not in batch.labels[0].tolist()
    qformer = batch.qformer_input_ids[0].tolist()
    assert len(qformer) == 10
    assert qformer[1:-1] == encode(make.tokens.qformer, text)[-8:]


def test_limits_of_one_and_two_leave_only_special_tokens() -> None:
    make = collator(max_instruction_tokens=1, max_target_tokens=256)
    assert make.prompt_ids("Caption:")[4:] == [make.tokens.language_id(BOS)]
    assert len(make.qformer_ids("Caption:")) <= 2


def test_a_picture_that_examples_share_is_kept_once() -> None:
    batch = collator()([asked("Caption:", "red", media) for media in (RED, draw("blue", "square"), RED, RED)])
    assert batch.pixel_values.shape[0] == 2
    assert batch.image_index.tolist() == [0, 1, 0, 0]


def test_pixels_are_squashed_and_normalised() -> None:
    values = collator()([asked("Caption:", "red", draw("white", "square", (90, 30)))]).pixel_values[0]
    assert values.shape == (3, 32, 32)
    white = torch.tensor([(1 - 0.48145466) / 0.26862954, (1 - 0.4578275) / 0.26130258, (1 - 0.40821073) / 0.27577711])
    assert torch.allclose(values, white.view(3, 1, 1).expand(3, 32, 32), atol=1e-6)


def test_a_missing_picture_is_an_error_with_its_place() -> None:
    with pytest.raises(
        DataError, match=r"toy: toy-train-000000000001: the example has no pixels; open the stream with"
    ):
        collator()([asked("Caption:", "red", None)])


def test_a_clip_is_refused() -> None:
    clip = dataclasses.replace(asked("Caption:", "red"), media_kind="video")
    with pytest.raises(DataError, match="training takes images, found video"):
        collator()([clip])


def test_a_hidden_answer_is_refused() -> None:
    known = asked("What is it?", "a cup")
    hidden = dataclasses.replace(known, rendered=dataclasses.replace(known.rendered, target=None))
    with pytest.raises(DataError, match="toy: toy-train-000000000001: the answer is hidden"):
        collator()([hidden])


@pytest.mark.parametrize("data", [b"", b"no picture", RED[:60], RED[:-40]], ids=["empty", "text", "header", "cut"])
def test_a_broken_picture_is_refused(data: bytes) -> None:
    with pytest.raises(MediaError):
        pixels(data, "image", ImageOptions(image_px=32))


def test_a_chat_learns_every_answer_and_no_question() -> None:
    single = asked("and what shape?", "a circle")
    chat = dataclasses.replace(
        single, rendered=dataclasses.replace(single.rendered, earlier=(Turn("what colour?", "it is red"),))
    )
    tokens = build_tokens(["what colour? it is red", "and what shape? a circle"])
    make = collator(num_query_tokens=2, tokens=tokens)
    batch = make([chat, single])
    eos = tokens.language_id(EOS)
    texts = ("what colour?", "it is red", "and what shape?", "a circle")
    asked_first, said_first, asked_last, said_last = (encode(tokens.language, text) for text in texts)
    head = [tokens.language_id(IMAGE)] * 2 + [tokens.language_id(BOS)]
    assert batch.input_ids[0].tolist() == [*head, *asked_first, *said_first, eos, *asked_last, *said_last, eos]
    ignored = [IGNORED] * 100
    learnt = [*said_first, eos], [*said_last, eos]
    expected = [*ignored[: 3 + len(asked_first)], *learnt[0], *ignored[: len(asked_last)], *learnt[1]]
    assert batch.labels[0].tolist() == expected
    told = batch.qformer_input_ids[0].tolist()
    assert told[1:-1] == encode(tokens.qformer, "what colour?\nand what shape?")
    # The last turn alone is what it was without chats.
    length = 3 + len(asked_last) + len(said_last) + 1
    assert batch.input_ids[1].tolist()[:length] == [*head, *asked_last, *said_last, eos]


def test_padding_is_on_the_right() -> None:
    ids, mask = right_padded([[1], [2, 3]], 9)
    assert ids.tolist() == [[1, 9], [2, 3]]
    assert mask.tolist() == [[1, 0], [1, 1]]
