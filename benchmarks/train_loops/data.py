"""What the loops train on: synthetic annotations, or the stream over shards."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ib_data.builders.miniature.server import miniature_fetcher
from ib_data.builders.source.folders import SourceFolders
from ib_data.builders.write.build import build_dataset
from ib_data.builders.write.build_context import Build
from ib_data.builders.write.build_options import Options
from ib_data.cards import load_card
from ib_data.home import Home
from ib_data.mixtures.loader.loader import StreamLoader
from ib_data.mixtures.stream.example import Example
from ib_data.mixtures.stream.stream import open_stream
from ib_data.sample import Annotation
from ib_data.stream_options import ImageOptions, StreamOptions
from ib_data.templates.rendered import Rendered
from ib_data.training.batch.batch import Batch, StepBatch
from ib_data.training.batch.collator import Collator
from ib_data.training.batch.row import RowMaker
from ib_data.training.text.tokenizers import load_tokenizers
from ib_data.training.text.word_tokenizers import language_tokenizer, qformer_tokenizer
from ib_data.training.weights.tokenizer_files import QFORMER_FOLDER

# Words of an instruction and of an answer, about those of VQAv2; one token each.
INSTRUCTION_WORDS, TARGET_WORDS = (16, 24), (3, 7)
WORDS = [f"w{number}" for number in range(900)]
MAX_WORDS = 1000  # so that ids fit the smallest vocabulary
MEMBERS = ("vqav2", "okvqa", "aokvqa", "coco_caption")  # of the miniature's mixture


def collator_for(config: Any, texts: Iterable[str]) -> Collator:
    """The trainer's collator, with tokenizers over the words of `texts`: the real ones are not needed for speed."""
    texts, is_causal = list(texts), bool(config.use_decoder_only_language_model)
    with tempfile.TemporaryDirectory() as name:
        language_tokenizer(texts, is_causal=is_causal, max_words=MAX_WORDS).save_pretrained(name)
        qformer_tokenizer(texts, MAX_WORDS).save_pretrained(Path(name) / QFORMER_FOLDER)
        tokenizers = load_tokenizers(Path(name), config.image_token_id)
    rows = RowMaker(
        tokenizers=tokenizers,
        num_query_tokens=config.num_query_tokens,
        is_causal=is_causal,
        max_instruction_tokens=128,
        max_target_tokens=256,
    )
    return Collator(rows=rows, decoder_start_id=None if is_causal else config.text_config.decoder_start_token_id)


def synthetic(config: Any, num_annotations: int, annotations_per_image: int, more_words: int = 0) -> Batch:
    """A batch of random images and texts; the texts do not depend on `annotations_per_image`.

    Instructions are `more_words` longer than usual.
    """
    images, texts = np.random.default_rng(0), np.random.default_rng(1)
    side, examples = config.vision_config.image_size, []
    pixels = None
    for number in range(num_annotations):
        if number % annotations_per_image == 0:
            pixels = images.integers(0, 256, (side, side, 3), dtype=np.uint8)
        instruction, target = (
            " ".join(texts.choice(WORDS, more + texts.integers(low, high + 1)))
            for (low, high), more in ((INSTRUCTION_WORDS, more_words), (TARGET_WORDS, 0))
        )
        examples.append(_example(number, instruction, target, pixels))
    return collator_for(config, [" ".join(WORDS)]).batch(examples)


def _example(position: int, instruction: str, target: str, pixels: Any) -> Example:
    rendered = Rendered(
        instruction=instruction,
        target=target,
        task="question_answering",
        template="synthetic",
        template_sha256="0" * 64,
        dataset="synthetic",
        annotation_id=str(position),
        position=position,
        seed=0,
    )
    annotation = Annotation(id=str(position))
    names = ("synthetic", "train", f"synthetic-{position}", annotation.id)
    return Example(position, *names, 0, annotation, rendered, None, "image", pixels)


@contextmanager
def home_of(given: Path | None) -> Iterator[Home]:
    """The given home, or a temporary one with the miniature."""
    if given is not None:
        yield Home.find(given)
        return
    with tempfile.TemporaryDirectory() as name:
        home = Home(Path(name) / "home")
        with miniature_fetcher(home) as fetcher:
            build = Build(home=home, fetcher=fetcher, folders=SourceFolders(), options=Options(miniature=True))
            for member in MEMBERS:
                build_dataset(load_card(member), build)
        yield home


def streamed(
    home: Home, mixture: str, config: Any, num_annotations: int, annotations_per_image: int, workers: int
) -> StreamLoader[StepBatch]:
    """A loader of steps with about `num_annotations` annotations (images may have fewer)."""
    images = ImageOptions(image_px=config.vision_config.image_size, augment="mild")
    options = StreamOptions(images=images, annotations_per_image=annotations_per_image)
    stream = open_stream(home, mixture, available=True, options=options)
    texts = [text for e in stream.examples(0, 128, with_pixels=False) for text, _ in e.rendered.segments]
    positions = max(1, num_annotations // annotations_per_image)
    return StreamLoader(stream, positions, collator_for(config, texts), world=1, rank=0, workers=workers)
