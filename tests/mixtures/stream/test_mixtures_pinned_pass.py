"""The pinned part of validation splits: the same annotations in every run, never of a split that is trained on."""

import dataclasses
import pickle

import pytest

from ib_data.home import Home
from ib_data.mixtures.spec.mixture import Member, Mixture
from ib_data.mixtures.stream.example import Example
from ib_data.mixtures.stream.pinned_pass import PinnedPass, pinned_pass
from ib_data.stored.rows import Rows
from ib_data.stored.store import LocalStore
from ib_data.stream_options import ImageOptions, StreamOptions
from ib_data.templates.renderer import Renderer

BROKEN = 5  # the vqav2 sample of `held_in` whose bytes are no image
OPTIONS = StreamOptions(images=ImageOptions(image_px=16, augment="blip2", decode="fast"), annotations_per_image=2)


def mixture(*names: str, split: str = "train", **options: object) -> Mixture:
    members = tuple(Member(dataset=name, split=split, size=10) for name in names)
    return Mixture(name="some", rule="sqrt", members=members, **options)  # type: ignore[arg-type]


def opened(home: Home, spec: Mixture, num_samples: int = 6) -> PinnedPass:
    found, _ = pinned_pass(LocalStore(home), home, spec, num_samples, OPTIONS)
    assert found is not None
    return found


def ids(examples: list[Example]) -> list[tuple[str, str, str, str | None]]:
    return [(e.dataset, e.annotation_id, e.rendered.instruction, e.rendered.target) for e in examples]


@pytest.fixture(scope="module")
def held_in(tmp_path_factory: pytest.TempPathFactory, build_split, jpeg_of) -> Home:
    """Training and validation splits of vqav2, coco_caption and aokvqa; okvqa has no validation split built."""
    home = Home(tmp_path_factory.mktemp("held_in"))

    def image(dataset: str, number: int) -> bytes:
        return b"no image" if (dataset, number) == ("vqav2", BROKEN) else jpeg_of(dataset, number)

    for dataset, num_samples in (("vqav2", 20), ("coco_caption", 9), ("okvqa", 3), ("aokvqa", 2)):
        build_split(home, dataset, num_samples, picture=jpeg_of)
        if dataset != "okvqa":
            build_split(home, dataset, num_samples, "validation", picture=image)
    return home


def test_each_member_gives_its_share_in_the_order_of_the_mixture(held_in: Home) -> None:
    found = opened(held_in, mixture("vqav2", "aokvqa", "coco_caption"))
    assert (found.names, found.ends, found.pass_size) == (("vqav2", "aokvqa", "coco_caption"), (6, 10, 16), 16)
    read = found.read_pass()
    assert [e.position for e in read] == list(range(16))
    assert [e.dataset for e in read] == ["vqav2"] * 6 + ["aokvqa"] * 4 + ["coco_caption"] * 6
    assert {e.split for e in read} == {"validation"}
    assert ids(found.read_pass(5, 4)) == ids(read)[5:9]
    assert found.read_pass(16, 4) == []


def test_the_choice_is_pinned(held_in: Home) -> None:
    """Another choice makes losses of earlier runs incomparable."""
    found = opened(held_in, mixture("vqav2", "coco_caption"), 4)
    assert [chosen.units for chosen in found.pinned] == [(8, 15, 22, 28), (0, 12, 13, 17)]


def test_a_larger_number_includes_the_examples_of_a_smaller_one(held_in: Home) -> None:
    few, many = (set(ids(opened(held_in, mixture("vqav2"), number).read_pass())) for number in (4, 9))
    assert len(few) == 4
    assert few < many


def test_other_members_change_no_example(held_in: Home) -> None:
    alone = opened(held_in, mixture("coco_caption")).read_pass()
    among = opened(held_in, mixture("vqav2", "aokvqa", "coco_caption")).read_pass()
    assert ids(alone) == ids(among)[-6:]


def test_a_view_has_the_images_of_its_dataset_and_its_own_task(held_in: Home) -> None:
    read = opened(held_in, mixture("vqav2", "vqav2_qg")).read_pass()
    assert [e.key for e in read[:6]] == [e.key for e in read[6:]]
    assert {e.rendered.task for e in read[:6]} != {e.rendered.task for e in read[6:]}


def test_images_are_exact_and_not_augmented(held_in: Home) -> None:
    found = opened(held_in, mixture("coco_caption"))
    assert found.options.images == ImageOptions(image_px=16)
    assert all(e.pixels is not None and e.pixels.shape == (16, 16, 3) for e in found.read_pass())


def test_an_unusable_sample_is_left_out(held_in: Home) -> None:
    found = opened(held_in, mixture("vqav2"), 40)
    read = found.read_pass()
    assert len(read) == 38
    assert [e.position for e in read] == [n for n in range(40) if n // 2 != BROKEN]


def test_the_fingerprint_tells_other_examples(held_in: Home) -> None:
    spec = mixture("vqav2", "coco_caption")
    same = opened(held_in, spec).fingerprint
    assert same == opened(held_in, spec).fingerprint
    others = [opened(held_in, mixture("vqav2")), opened(held_in, spec, 7)]
    assert same not in {other.fingerprint for other in others}


def test_a_pass_can_be_pickled(held_in: Home) -> None:
    found = opened(held_in, mixture("vqav2"))
    assert ids(pickle.loads(pickle.dumps(found)).read_pass()) == ids(found.read_pass())  # noqa: S301


def test_members_without_a_split_to_validate_on_are_named(held_in: Home) -> None:
    spec = mixture("web_capfilt", "okvqa", "vqav2", "llava_detail")
    found, missing = pinned_pass(LocalStore(held_in), held_in, spec, 6, OPTIONS)
    assert found is not None
    assert found.names == ("vqav2",)
    assert missing == {
        "no validation split": ["web_capfilt", "llava_detail"],
        "validation split not built": ["okvqa"],
    }


def test_a_split_that_is_trained_on_is_never_used(held_in: Home) -> None:
    view = dataclasses.replace(mixture("vqav2_qg").members[0], split="validation")
    spec = dataclasses.replace(mixture("vqav2"), members=(*mixture("vqav2").members, view))
    found, missing = pinned_pass(LocalStore(held_in), held_in, spec, 6, OPTIONS)
    assert found is None
    assert missing == {"trains on its validation split": ["vqav2", "vqav2_qg"]}


@pytest.mark.parametrize(
    ("of", "name", "value", "says"),
    [
        (Rows, "media_sha256", None, "its validation split was built without images"),
        (Renderer, "hides_targets", True, "its validation split hides the answers"),
    ],
)
def test_a_split_without_images_or_answers_is_not_used(held_in: Home, monkeypatch, of, name, value, says) -> None:
    monkeypatch.setattr(of, name, lambda *_given: value)
    found, missing = pinned_pass(LocalStore(held_in), held_in, mixture("vqav2"), 6, OPTIONS)
    assert found is None
    assert missing == {says: ["vqav2"]}
