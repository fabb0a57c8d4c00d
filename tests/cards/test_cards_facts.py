"""Every card reads, and its facts agree with each other and with the media stores."""

import hashlib
import string
from pathlib import Path

import pytest

from ib_data.cards import card_names, family, find_card, load_card, media_stores
from ib_data.cards.card import parse_card
from ib_data.errors import DataError, IbDataError
from ib_data.sample import Annotation

CARDS = [load_card(name) for name in card_names()]
STORED = [card for card in CARDS if card.view_of is None]
VIEWS = [card for card in CARDS if card.view_of is not None]
HELD_IN = {"aokvqa", "aokvqa_qg", "coco_caption", "okvqa", "okvqa_qg", "vqav2", "vqav2_qg"}
MINIMAL = """---
name: toy
title: Toy
role: extra
task: captioning
paper: none
homepage: none
licence: {annotations: CC0, images: CC0}
metric: none
used_split: train
splits: {train: {source_name: all}}
---
Prose.
"""


def is_hex(text: str, length: int) -> bool:
    return len(text) == length and set(text) <= set(string.hexdigits.lower())


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_a_card_agrees_with_itself(card):
    assert (card.role == "held-in") == (card.name in HELD_IN)
    used = card.splits[card.used_split]
    assert card.size == used.num_annotations
    assert card.size is not None
    assert card.size > 0
    assert used.default
    for split in card.splits.values():
        assert split.fields
        assert set(split.fields) <= set(Annotation.__dataclass_fields__)
        assert all(count is None or count > 0 for count in (split.num_annotations, split.num_images))
    assert 10 <= len(card.prose.splitlines()) <= 30
    assert card.caveats
    assert card.unknown
    assert set(card.media) <= set(media_stores())


@pytest.mark.parametrize("card", STORED, ids=lambda card: card.name)
def test_every_split_and_form_has_its_files(card):
    for form in card.forms or (None,):
        for split in card.splits:
            files = [f for f in card.files if f.split in (None, split) and f.form in (None, form)]
            if form == "official" and split == "test":
                assert not files  # COCO's own captions have no public test split
                continue
            roles = [file.role for file in files]
            assert roles
            assert len(set(roles)) == len(roles)
            assert "questions" in roles or "annotations" in roles
            assert ("answers" in roles) == ("questions" in roles and "answers" in card.splits[split].fields)
    assert {f.form for f in card.files} <= {None, *card.forms}


@pytest.mark.parametrize("card", STORED, ids=lambda card: card.name)
def test_file_facts_are_of_the_right_form(card):
    files = [*card.files, *(media_stores()[name].file for name in card.media)]
    for file in files:
        assert file.url.startswith(("http://", "https://"))
        assert file.url.endswith("/" + file.name)
        assert file.num_bytes is None or file.num_bytes > 0
        assert file.sha256 is None or is_hex(file.sha256, 64)
        assert file.md5 is None or is_hex(file.md5, 32)
    for file in card.files:
        assert file.is_archive == (file.member is not None)
        assert file.split is None or file.split in card.splits


@pytest.mark.parametrize("card", VIEWS, ids=lambda card: card.name)
def test_a_view_follows_its_base(card):
    base = load_card(card.view_of)
    assert base.view_of is None
    assert (card.size, card.media, card.licence_annotations) == (base.size, base.media, base.licence_annotations)
    assert not card.files
    for name, split in card.splits.items():
        assert set(split.fields) <= set(base.splits[name].fields)
        assert split.num_annotations == base.splits[name].num_annotations
        assert split.source_name == base.splits[name].source_name


def test_same_archive_is_described_the_same_everywhere():
    facts = {}
    for card in CARDS:
        for file in card.files:
            fact = (file.name, file.num_bytes, file.sha256, file.md5)
            assert facts.setdefault(file.url, fact) == fact


def test_stores_of_one_family_name_one_photo_each_in_their_own_way():
    stores = family("coco_val2017")
    assert stores[0].name == "coco_val2017"
    assert stores[0].member(139) == "val2017/000000000139.jpg"
    assert media_stores()["coco_val2014"].tail(139) == "COCO_val2014_000000000139.jpg"
    assert {"coco_train2014", "coco_test2015"} <= {store.name for store in stores}


def test_an_unknown_dataset_names_the_nearest():
    with pytest.raises(IbDataError, match="did you mean 'okvqa'"):
        find_card("okvka")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("licence:", "licences:", "unknown key 'licences'; did you mean 'licence'"),
        ("role: extra", "role: heldin", "did you mean 'held-in'"),
        ("task: captioning", "task: caption", "did you mean 'captioning'"),
        ("source_name: all", "source: all", "splits.train: unknown key 'source'; did you mean 'source_name'"),
        ("metric: none", "metric: 3", "'metric': expected a text, found 3"),
        ("used_split: train", "used_split: test", "used_split or splits do not fit"),
        ("paper: none\n", "", "key 'paper' is missing"),
    ],
)
def test_a_faulty_card_says_what_is_wrong(old, new, message):
    assert parse_card("toy", MINIMAL).title == "Toy"
    with pytest.raises(DataError, match=r"^toy: cards/toy\.md") as caught:
        parse_card("toy", MINIMAL.replace(old, new))
    assert message in str(caught.value)


@pytest.mark.real
def test_the_vsr_card_fits_the_official_files(real: Path):
    card = load_card("vsr")
    for file in card.files:
        data = (real / "vsr" / "zeroshot" / file.name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == file.sha256
        assert len(data) == file.num_bytes
        assert len(data.splitlines()) == card.splits[file.split].num_annotations
