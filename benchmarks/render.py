"""Microseconds a render takes, beside decoding a photo: python benchmarks/render.py [--write]

For each task its typical annotation, rendered as in a run; the same with a template compiled at every call, as code
without a cache would do; and one photo of 640 x 480 decoded in full and resized to 224 pixels with Pillow. Rounds are
interleaved on one core; the median of the processor time is reported.
"""

import io
import os
import time
from collections.abc import Callable
from itertools import count
from statistics import median

import numpy as np
from hardware import report
from PIL import Image

from ib_data.cards import load_card
from ib_data.console import table
from ib_data.sample import Annotation, Answer, Turn
from ib_data.templates import render
from ib_data.templates.language import compiled

ROUNDS, RENDERS, COMPILES, DECODES = 21, 300, 10, 6
# Rendering should cost at most this share of decoding the photo that it belongs to.
GOAL = 0.02

QUESTION = "What is the man in the red shirt holding in his left hand?"
CAPTION = "A man in a red shirt stands beside a bicycle in front of a small shop."
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


def photo() -> bytes:
    """A JPEG of 640 x 480 with the detail, and so the bytes, of a snapshot."""
    generator = np.random.default_rng(0)
    coarse = Image.fromarray(generator.integers(0, 255, (30, 40, 3), dtype=np.uint8)).resize((640, 480))
    grain = generator.normal(0, 14, (480, 640, 3))
    out = io.BytesIO()
    picture = np.clip(np.asarray(coarse, dtype=np.float64) + grain, 0, 255).astype(np.uint8)
    Image.fromarray(picture).save(out, "JPEG", quality=90)
    return out.getvalue()


def microseconds(work: Callable[[], object], times: int) -> float:
    """The mean of some calls, in processor time: what else the machine does is not counted."""
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times * 1e6


def decoder(data: bytes) -> Callable[[], object]:
    def decode() -> object:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.convert("RGB").resize((224, 224), Image.Resampling.BICUBIC)

    return decode


def renderer(name: str, *, keep_compiled: bool) -> Callable[[], object]:
    card, annotation, positions = load_card(name), TYPICAL[name], count()

    def work() -> object:
        if not keep_compiled:
            compiled.cache_clear()
        return render(card, annotation, seed=0, position=next(positions))

    return work


if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    data = photo()
    kept = {name: renderer(name, keep_compiled=True) for name in TYPICAL}
    compiled_each_time = {name: renderer(name, keep_compiled=False) for name in TYPICAL}
    works = [(("decode", ""), decoder(data), DECODES)]
    works += [(("compiled", name), work, COMPILES) for name, work in compiled_each_time.items()]
    works += [(("render", name), work, RENDERS) for name, work in kept.items()]
    found: dict[tuple[str, str], list[float]] = {key: [] for key, _, _ in works}
    for _ in range(ROUNDS):
        for key, work, times in works:
            if key[0] == "render":
                microseconds(work, 20)  # the compiling rounds left the cache empty
            found[key].append(microseconds(work, times))
    middle = {key: median(values) for key, values in found.items()}
    decode_us = middle["decode", ""]
    shares = {name: middle["render", name] / decode_us for name in TYPICAL}
    figures = {
        load_card(name).task: {
            "dataset": name,
            "render_us": round(middle["render", name], 1),
            "compiled_each_time_us": round(middle["compiled", name]),
            "share_of_decode": round(share, 5),
        }
        for name, share in shares.items()
    }
    header = ("task", "render, us", "compiled each time, us", "share of decoding")
    print(table(header, [(task, *list(row.values())[1:]) for task, row in figures.items()]))
    report(
        "render",
        {
            "rounds": ROUNDS,
            "photo": {"width": 640, "height": 480, "bytes": len(data), "to_px": 224, "decode_us": round(decode_us)},
            "goal_share": GOAL,
            "worst_share": round(max(shares.values()), 5),
            "tasks": figures,
        },
    )
