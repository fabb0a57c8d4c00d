"""Microseconds to render an example, compared with decoding an image: python benchmarks/render.py [--write]

Measures for each task, and for a VQAv2 annotation with every field set: a typical annotation rendered as in a run; the
same right after a copy of 4 MB of other memory, as decoding would do (`cold`: the median of single calls, including
the clock); and with Jinja compiling the drawn texts at every call, as without a cache. Also compiling and rendering
one text of each task, parsing one or all annotations of two samples' JSON, and decoding one image of 640 x 480 and
resizing it to 224 pixels with Pillow. All in processor time, so other load does not count; rounds are interleaved on
one core and the median is reported.
"""

import io
import os
import time
from collections.abc import Callable
from itertools import count, cycle
from statistics import median
from typing import Any

import numpy as np
from hardware import report
from PIL import Image

from ib_data.cards import load_card
from ib_data.console import table
from ib_data.sample import Annotation, Answer, Media, Sample, StoredSample, Turn
from ib_data.templates.language import environment, render_compiled, render_text
from ib_data.templates.library import PACKAGED
from ib_data.templates.render_options import DEFAULT_OPTIONS
from ib_data.templates.renderer import Renderer
from ib_data.templates.values import values_of

ROUNDS, CALLS, COLD_CALLS, COMPILES, DECODES = 21, 300, 20, 10, 6
# Rendering should cost at most this share of decoding the photo that it belongs to.
GOAL = 0.02

QUESTION = "What is the man in the red shirt holding in his left hand?"
CAPTION = "A man in a red shirt holds a bicycle in front of a small shop."
ANSWERS = tuple(Answer(text, number) for text, number in (("umbrella", 6), ("a red umbrella", 3), ("cane", 1)))
TOKENS = ("STOP", "OPEN", "24", "hours", "Main", "Street", "Bakery", "fresh", "bread", "daily", "No", "parking")
ROUNDS_OF_TALK = tuple(Turn(f"Is there a number {i} in the picture?", "Yes, there is one.") for i in range(5))
LONG = " ".join([CAPTION] * 8)

TYPICAL = {
    "coco_caption": Annotation(id="1", caption=CAPTION),
    "textcaps": Annotation(id="1", caption=CAPTION, ocr_tokens=TOKENS),
    "vsr": Annotation(id="1", statement="The cup is left of the jar.", label="true"),
    "vqav2": Annotation(id="1", question=QUESTION, answers=ANSWERS),
    "aokvqa": Annotation(
        id="1", question=QUESTION, answers=ANSWERS, options=("umbrella", "cane", "bag", "phone"), answer_index=0
    ),
    "ocrvqa": Annotation(id="1", question=QUESTION, answers=ANSWERS[:1], ocr_tokens=TOKENS),
    "vqav2_qg": Annotation(id="1", question=QUESTION, answers=ANSWERS),
    "msrvtt_qa": Annotation(id="1", question="what is a man doing?", answers=ANSWERS[:1]),
    "visdial": Annotation(
        id="1", question="Is it sunny?", answers=ANSWERS[:1], caption=CAPTION, history=ROUNDS_OF_TALK
    ),
    "hateful_memes": Annotation(id="1", context="when you see it", label="not hateful"),
    "llava_conversation": Annotation(id="1", question=QUESTION, answers=(Answer(LONG, 1),), history=ROUNDS_OF_TALK[:2]),
}
EVERY_FIELD = Annotation(
    id="1",
    question=QUESTION,
    answers=ANSWERS,
    caption=CAPTION,
    options=("umbrella", "cane", "bag", "phone"),
    answer_index=0,
    context="when you see it",
    ocr_tokens=TOKENS,
    history=ROUNDS_OF_TALK,
    statement="The cup is left of the jar.",
    label="true",
)
CASES = {**{name: (name, annotation) for name, annotation in TYPICAL.items()}, "every field": ("vqav2", EVERY_FIELD)}
# As images of the sources: 5 captions in COCO; 5 questions in VQAv2, each with 4 distinct answers (it has up to 10).
OF_AN_IMAGE = {
    "coco_caption": [Annotation(id=f"3714{i}", caption=CAPTION) for i in range(5)],
    "vqav2": [
        Annotation(id=f"262148{i:03}", question=QUESTION, answers=(*ANSWERS, Answer("parasol", 1))) for i in range(5)
    ],
}
OTHER_MEMORY = bytearray(4 << 20)


def photo() -> bytes:
    """A JPEG of 640 x 480 with the detail, and so the size, of a typical image."""
    generator = np.random.default_rng(0)
    coarse = Image.fromarray(generator.integers(0, 255, (30, 40, 3), dtype=np.uint8)).resize((640, 480))
    grain = generator.normal(0, 14, (480, 640, 3))
    out = io.BytesIO()
    image = np.clip(np.asarray(coarse, dtype=np.float64) + grain, 0, 255).astype(np.uint8)
    Image.fromarray(image).save(out, "JPEG", quality=90)
    return out.getvalue()


def microseconds(work: Callable[[], object], times: int) -> float:
    """The mean over some calls."""
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times * 1e6


def decoder(data: bytes) -> Callable[[], object]:
    def decode() -> object:
        with Image.open(io.BytesIO(data)) as image:
            return image.convert("RGB").resize((224, 224), Image.Resampling.BICUBIC)

    return decode


def cold_microseconds(work: Callable[[], object], times: int) -> float:
    """The median of single calls, each after a copy of other memory."""
    found = []
    for _ in range(times):
        bytes(OTHER_MEMORY)
        began = time.process_time_ns()
        work()
        found.append((time.process_time_ns() - began) / 1e3)
    return median(found)


def renderer(case: str, *, compiling: bool = False) -> Callable[[], object]:
    name, annotation = CASES[case]
    card, of, positions = load_card(name), Renderer(), count()
    values = values_of(card, annotation, seed=0, position=0, options=DEFAULT_OPTIONS)

    def work() -> object:
        found = of.render(card, annotation, next(positions))
        if compiling:
            template = of.template_of(found)
            output = template.target_for(template.usable(values.has))
            assert output is not None, "it was rendered"
            for text, names in ((template.text, template.fields), (output.text, output.needs)):
                render_compiled(environment().from_string(text), dict.fromkeys(names, CAPTION))
        return found

    return work


def text_works() -> dict[str, Callable[[], object]]:
    """Functions that compile and render the next text, of the first template of each task."""
    templates = [PACKAGED.load(load_card(name).task)[0] for name in TYPICAL]
    filled = [(template.text, dict.fromkeys(template.fields, CAPTION)) for template in templates]

    def over(work: Callable[[str, dict[str, str]], object]) -> Callable[[], object]:
        turn = cycle(filled)
        return lambda: work(*next(turn))

    return {
        "compile": over(lambda text, _: environment().from_string(text)),
        "render_text": over(render_text),
    }


def readers(name: str) -> tuple[Callable[[], object], Callable[[], object]]:
    """Functions that parse one annotation of a sample, and all of them."""
    media = Media(kind="image", source_name="COCO_train2014_000000262148.jpg", width=640, height=480, sha256="ab" * 32)
    annotations = tuple(OF_AN_IMAGE[name])
    key = f"{name}-train-000000262148"
    text = Sample(key=key, dataset=name, split="train", media=media, annotations=annotations).to_json().encode()
    numbers = count()
    return (
        lambda: StoredSample.from_json(text).annotation(next(numbers) % len(annotations)),
        lambda: Sample.from_json(text),
    )


def measured(data: bytes) -> dict[tuple[str, str], float]:
    """Microseconds by (operation, dataset), the median of all rounds."""
    works = [(("decode", ""), decoder(data), DECODES, microseconds)]
    for name, work in text_works().items():
        works.append((("text", name), work, len(TYPICAL) * (COMPILES if name == "compile" else CALLS), microseconds))
    for name in CASES:
        work = renderer(name)
        works.append((("compiling", name), renderer(name, compiling=True), COMPILES, microseconds))
        works.append((("render", name), work, CALLS, microseconds))
        works.append((("cold", name), work, COLD_CALLS, cold_microseconds))
    for name in OF_AN_IMAGE:
        one, whole = readers(name)
        works.append((("one", name), one, CALLS, microseconds))
        works.append((("one cold", name), one, COLD_CALLS, cold_microseconds))
        works.append((("all", name), whole, CALLS, microseconds))
    found: dict[tuple[str, str], list[float]] = {key: [] for key, *_ in works}
    for _ in range(ROUNDS):
        for key, work, times, measure in works:
            microseconds(work, 3)
            found[key].append(measure(work, times))
    return {key: median(values) for key, values in found.items()}


if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    data = photo()
    middle = measured(data)
    decode_us = middle["decode", ""]
    cases: dict[str, dict[str, Any]] = {
        name: {
            "dataset": dataset,
            "render_us": round(middle["render", name], 1),
            "cold_us": round(middle["cold", name], 1),
            "compiled_each_time_us": round(middle["compiling", name]),
            "share_of_decode": round(middle["render", name] / decode_us, 5),
        }
        for name, (dataset, _) in CASES.items()
    }
    tasks = {load_card(name).task: cases[name] for name in TYPICAL}
    every_field = cases["every field"]
    texts = {f"{name}_us": round(middle["text", name], 2) for name in text_works()}
    reading = {
        name: {
            "one_us": round(middle["one", name], 1),
            "one_cold_us": round(middle["one cold", name], 1),
            "all_us": round(middle["all", name], 1),
        }
        for name in OF_AN_IMAGE
    }
    header = ("task", "render, us", "cold, us", "compiled each time, us", "share of decoding")
    rows = {**tasks, "every field": every_field}
    print(table(header, [(name, *list(row.values())[1:]) for name, row in rows.items()]))
    print(table(tuple(texts), [tuple(texts.values())]))
    print(table(("sample", "one read, us", "cold, us", "all read, us"), [(n, *r.values()) for n, r in reading.items()]))
    report(
        "render",
        {
            "rounds": ROUNDS,
            "photo": {"width": 640, "height": 480, "bytes": len(data), "to_px": 224, "decode_us": round(decode_us)},
            "goal_share": GOAL,
            "worst_share": max(row["share_of_decode"] for row in tasks.values()),
            "median_render_us": median(row["render_us"] for row in tasks.values()),
            "tasks": tasks,
            "every_field": every_field,
            "text": texts,
            "reading": reading,
        },
    )
