"""The tables of papers, typed again here in part, and what is said of how they differ."""

from dataclasses import asdict, fields, replace
from typing import Any

import pytest
from toy_reports import toy_evaluated

from ib_data.cards import card_names, load_card
from ib_data.errors import DataError
from ib_data.evaluation.protocols.protocol import Protocol
from ib_data.evaluation.protocols.read import protocol_of
from ib_data.evaluation.report.published import tables
from ib_data.evaluation.report.published.differences import published
from ib_data.evaluation.report.published.tables import paper_tables
from ib_data.evaluation.run.asking import decoding_of
from ib_data.evaluation.scoring.evaluated import Evaluated
from ib_data.evaluation.scoring.metrics import METRICS
from ib_data.strict import Table
from ib_data.templates.renderer import Renderer

MAIN, FINE_TUNED, ABLATIONS = paper_tables()
HELD_OUT = [
    "nocaps", "flickr30k", "gqa", "vsr", "iconqa", "textvqa", "visdial", "hateful_memes", "vizwiz", "scienceqa",
    "msvd_qa", "msrvtt_qa", "ivqa",
]  # fmt: skip


PROTOCOL = {field.name for field in fields(Protocol)} - {"decoding"}


def row(table: tables.PaperTable, model: str) -> list[float | None]:
    return next(list(row.values) for row in table.rows if row.model == model)


def test_main_table():
    assert [column.dataset for column in MAIN.columns] == HELD_OUT
    assert [len(row.values) for row in MAIN.rows] == [13] * 11
    assert row(MAIN, "Flamingo-80B") == [
        None, 67.2, None, None, None, 35.0, None, 46.4, 31.6, None, 35.6, 17.4, 40.7,
    ]  # fmt: skip
    assert row(MAIN, "BLIP-2 Vicuna-7B") == [
        107.5, 74.9, 38.6, 50.0, 39.7, 40.1, 44.9, 50.6, 25.3, 53.8, 18.3, 9.2, 27.5,
    ]  # fmt: skip
    assert row(MAIN, "InstructBLIP Vicuna-7B") == [
        123.1, 82.4, 49.2, 54.3, 43.1, 50.1, 45.2, 59.6, 34.5, 60.5, 41.8, 22.1, 52.2,
    ]  # fmt: skip
    sums = {row.model: round(sum(value or 0 for value in row.values), 1) for row in MAIN.rows}
    assert sums == {
        "Flamingo-3B": 244.5,
        "Flamingo-9B": 258.2,
        "Flamingo-80B": 273.9,
        "BLIP-2 FlanT5-XL": 647.4,
        "BLIP-2 FlanT5-XXL": 664.8,
        "BLIP-2 Vicuna-7B": 580.4,
        "BLIP-2 Vicuna-13B": 584.0,
        "InstructBLIP FlanT5-XL": 742.0,
        "InstructBLIP FlanT5-XXL": 742.6,
        "InstructBLIP Vicuna-7B": 718.1,
        "InstructBLIP Vicuna-13B": 718.2,
    }


def test_fine_tuned_table_is_marked_as_remembered():
    assert FINE_TUNED.is_remembered
    assert FINE_TUNED.confirmed == (90.7, 62.1, 64.0)
    assert not MAIN.is_remembered
    assert not ABLATIONS.is_remembered
    assert row(FINE_TUNED, "BLIP-2 FlanT5-XXL") == [89.5, 72.7, 54.7, 57.6, 53.7, 80.2, 76.2]
    assert row(FINE_TUNED, "InstructBLIP Vicuna-7B") == [79.5, 72.8, 62.1, 64.0, 62.1, 75.7, 73.4]


def test_ablations():
    assert [column.dataset for column in ABLATIONS.columns] == ["", "gqa", "scienceqa", "iconqa", "vizwiz", "ivqa"]
    assert row(ABLATIONS, "InstructBLIP FlanT5-XL without balancing") == [92.6, 46.8, 66.0, 49.9, 31.8, 51.1]
    full = dict(zip([column.dataset for column in MAIN.columns], row(MAIN, "InstructBLIP FlanT5-XL"), strict=True))
    for column, value in list(zip(ABLATIONS.columns, row(ABLATIONS, "InstructBLIP FlanT5-XL"), strict=True))[1:]:
        assert value == full[column.dataset]


def test_columns_have_the_names_of_the_cards():
    for table in paper_tables():
        for column in table.columns:
            if column.dataset:
                assert column.dataset in card_names()
                assert column.metric in METRICS
                assert load_card(column.dataset).splits[column.split].source_name == column.source_name


def test_a_row_of_another_length_is_an_error():
    of_row = Table.of({"model": "X", "values": [1.0, "-"]}, "published tables", "x.toml", "rows[0]")
    assert tables._row(of_row, 2).values == (1.0, None)
    with pytest.raises(DataError, match=r"x\.toml: rows\[0\]: expected 3 values, found 2"):
        tables._row(of_row, 3)


def test_numbers_of_the_same_measurement_differ_in_the_model_only():
    whole = toy_evaluated([1.0, 0.0], profile="vqa", num_built=12_578)
    found = [entry for entry in published(whole) if entry["table"] == "zero-shot"]
    assert [entry["model"] for entry in found][:2] == ["BLIP-2 FlanT5-XL", "BLIP-2 FlanT5-XXL"]  # Flamingo has none
    assert {entry["model"]: entry["value"] for entry in found}["InstructBLIP Vicuna-7B"] == 0.492
    assert all(entry["differs"] == [] and entry["is_confirmed"] for entry in found)


def test_differences_are_said_in_words():
    one = toy_evaluated(
        [1.0, 0.0],
        method="rank",
        split_source_name="train_balanced",
        is_part=True,
        num_built=4,
        kind=("miniature",),
    )
    (differs,) = {tuple(entry["differs"]) for entry in published(one) if entry["table"] == "zero-shot"}
    assert differs == (
        "another split: test (train_balanced) here, test (testdev_balanced) in the paper",
        "another method: candidates are ranked here, answers are generated in the paper",
        "another profile: exact here, vqa in the released code",
        "another size: 4 of 12,578 are built",
        "the build here: miniature",
        "a random part of 2 cases here",
    )


def test_columns_have_the_metrics_of_the_protocols():
    for column in MAIN.columns:
        card = load_card(column.dataset)
        protocol = protocol_of(card, method=column.method or None)
        assert (protocol.metric, protocol.split) == (column.metric, column.split)
        assert protocol_of(card).method == (column.method or "rank")


def test_another_metric_is_a_difference():
    one = toy_evaluated([1.0], dataset="hateful_memes", method="rank")
    assert published(one)[0]["differs"][1] == "another metric: gqa-accuracy here, roc-auc in the paper"


def usual(name: str, **changes: Any) -> Evaluated:
    """An evaluation by the protocol of a card, with its own prompt."""
    card = load_card(name)
    protocol = protocol_of(card, **{key: changes.pop(key) for key in set(changes) & PROTOCOL})
    prompt = Renderer().zero_shot(card)
    given = {"prompt": prompt.text if prompt else "", "split_source_name": card.splits[protocol.split].source_name}
    whole = toy_evaluated([1.0], dataset=name, num_built=12_578, **{**given, **changes})
    return replace(whole, protocol=protocol)


def zero_shot_differs(evaluated: Evaluated, model: str = "InstructBLIP FlanT5-XL") -> list[str]:
    return next(one["differs"] for one in published(evaluated) if (one["table"], one["model"]) == ("zero-shot", model))


def notes_of(name: str) -> list[str]:
    return list(next(column.notes for column in MAIN.columns if column.dataset == name))


@pytest.mark.parametrize("is_causal", [True, False])
def test_the_protocol_of_a_card_differs_in_what_the_column_says_only(is_causal):
    for name in HELD_OUT:
        protocol = protocol_of(load_card(name))
        decoding = decoding_of(protocol, is_causal=is_causal)
        one = usual(name, decoding={**asdict(decoding), "seed": 3} if decoding else {})
        profile = ["another profile: exact here, vqa in the released code"] if name == "gqa" else []
        assert zero_shot_differs(one) == [*profile, *notes_of(name)], name


def test_another_prompt_and_decoding():
    one = usual("nocaps", prompt="A photo of", decoding={"num_beams": 1, "max_new_tokens": 80, "length_penalty": 2.0})
    assert zero_shot_differs(one) == [
        "another prompt: 'A photo of' here, 'A short image description:' in the paper",
        "another decoding: num_beams 1 here, 5 in the released code; length_penalty 2.0 here, 1.0 in the released code",
        *notes_of("nocaps"),
    ]
    assert "1,413 images" in notes_of("nocaps")[0]
    assert "LAVIS#719" in notes_of("flickr30k")[0]


def test_another_ranking():
    one = usual(
        "hateful_memes", normalisation="mean", aggregation="max", verbalisers={"hateful": ("bad",)}, decoding={}
    )
    assert zero_shot_differs(one)[:3] == [
        "another normalisation: mean here, sum by the card",
        "another aggregation: max here, logsumexp by the card",
        "another set of words for labels: hateful (bad) here, hateful (yes, true), not hateful (no, false) by the card",
    ]
    least = usual("msvd_qa", candidates="options", vocabulary_least=2, decoding={})
    assert zero_shot_differs(least)[:2] == [
        "another list of candidates: options here, vocabulary by the card",
        "another least count of a candidate: 2 here, 1 by the card",
    ]
    assert zero_shot_differs(usual("iconqa", aggregation="max", decoding={})) == notes_of("iconqa")  # none are joined


def test_settings_of_another_method_are_not_compared():
    one = usual("scienceqa", method="generate", decoding={"num_beams": 1})
    assert zero_shot_differs(one) == [
        "another method: answers are generated here, candidates are ranked in the paper", *notes_of("scienceqa")
    ]  # fmt: skip


def test_ranked_numbers_of_vicuna_are_without_the_end_token():
    one = usual("scienceqa", decoding={})
    (phrase,) = set(zero_shot_differs(one, "InstructBLIP Vicuna-7B")) - set(zero_shot_differs(one))
    assert "end token" in phrase
    assert not any("end token" in text for text in zero_shot_differs(usual("gqa"), "InstructBLIP Vicuna-7B"))


def test_what_is_not_known_is_said():
    assert "how the model was asked is not known here" in zero_shot_differs(usual("gqa", prompt=""))
    drawn = usual("okvqa", prompt="templates of question_answering")
    assert all("the prompt of the paper is not known" in one["differs"] for one in published(drawn))


def test_remembered_numbers_say_so():
    found = published(toy_evaluated([1.0], dataset="aokvqa", split_source_name="val"))
    by_value = {entry["value"]: entry for entry in found}
    assert by_value[0.64]["is_confirmed"]
    assert "from memory" not in " ".join(by_value[0.64]["differs"])
    assert not by_value[0.571]["is_confirmed"]
    assert "the number is from memory" in by_value[0.571]["differs"]
    assert all("fine-tuned on the training split of the dataset" in entry["differs"] for entry in found)


def test_a_dataset_outside_the_tables_has_no_numbers():
    assert published(toy_evaluated([1.0], dataset="vqav2")) == []
