"""Every card reads, and its facts agree with each other and with the media stores."""

import hashlib
import re
import string
from pathlib import Path

import pytest

from ib_data.cards import card_names, family, find_card, load_card, media_stores
from ib_data.cards.card import parse_card
from ib_data.cards.facts import METRICS
from ib_data.errors import DataError, IbDataError
from ib_data.mixtures.spec.spec_file import load_mixture
from ib_data.sample import Annotation

CARDS = [load_card(name) for name in card_names()]
STORED = [card for card in CARDS if card.view_of is None]
VIEWS = [card for card in CARDS if card.view_of is not None]
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
HELD_IN = set(load_mixture("instructblip").names)
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
    assert used.num_annotations in (card.size, None)  # not known where a row of the source is a whole conversation
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
    assert card.metric in METRICS
    assert card.evaluation


def test_every_metric_is_that_of_some_dataset():
    tables = [table for card in CARDS for table in card.evaluation.values() if isinstance(table, dict)]
    used = {card.metric for card in CARDS} | {table["metric"] for table in tables if "metric" in table}
    assert used == set(METRICS) - {"none", "bleu", "meteor", "spice", "exact-match"}  # which your own cards may have


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
    files = [*card.files, *(store.file for name in card.media if (store := media_stores()[name]).file)]
    for file in files:
        assert file.url.startswith(("http://", "https://"))
        assert file.place.endswith("/" + file.name)
        assert file.num_bytes is None or file.num_bytes > 0
        assert file.sha256 is None or is_hex(file.sha256, 64)
        assert file.md5 is None or is_hex(file.md5, 32)
    for file in card.files:
        assert file.name.endswith(ARCHIVES) == (file.member is not None)
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


def test_stores_of_one_family_have_different_member_names():
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
        ("paper: none\nhomepage: none\n", "", "keys 'paper', 'homepage' are missing"),
        ("metric: none", "metric: ciderr", "unknown value 'ciderr'; did you mean 'cider'"),
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


CARD = """---
name: toy
title: Toy
role: extra
task: captioning
paper: none
homepage: https://example.org
licence: {annotations: none, images: none}
metric: none
used_split: test
media: [coco_val2014]
fields: [caption]
files:
  - {name: a.json, url: "https://example.org/a.json", role: annotations, split: test}
splits:
  test: {source_name: test}
---
Prose.
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("---\nname", "name", "expected YAML between two lines of ---"),
        ("title: Toy", "title: [Toy", "the front matter is not YAML"),
        ("title: Toy", "title: Toy\ntitle: Other", "key 'title' occurs twice"),
        ("fields: [caption]", "fields: [captoin]", "fields: unknown name 'captoin'; did you mean 'caption'"),
        ("coco_val2014", "coco_vla2014", "media: unknown name 'coco_vla2014'; did you mean 'coco_val2014'"),
        ("split: test}\nsplits", "split: tset}\nsplits", "files: split: unknown name 'tset'; did you mean 'test'"),
        ("split: test}\nsplits", "split: test, form: odd}\nsplits", "files: form: unknown name 'odd'"),
        ("split: test}\nsplits", "split: test, sha256: abc}\nsplits", "sha256 expected 64 hex digits, found 'abc'"),
        ("split: test}\nsplits", "split: test, bytes: -1}\nsplits", "sizes: expected integers from 1"),
        ("metric: none", "metric: none\nview_of: vqav", "unknown dataset 'vqav'; did you mean 'vqav2'"),
    ],
)
def test_a_card_is_read_strictly(old: str, new: str, message: str) -> None:
    parse_card("toy", CARD)
    assert old in CARD
    with pytest.raises(IbDataError, match=re.escape(message)):
        parse_card("toy", CARD.replace(old, new, 1))


def test_a_card_with_the_line_ends_of_another_system_is_the_same() -> None:
    assert parse_card("toy", CARD.replace("\n", "\r\n")) == parse_card("toy", CARD)
