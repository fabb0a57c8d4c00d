"""Every dataset's own results format is read and written, and so are the plain forms."""

import gzip
import json
from dataclasses import replace

import pytest
from result_cases import OFFICIAL, RANKS, case

from ib_data.cards import card_names, find_card
from ib_data.evaluation.case import Prediction
from ib_data.evaluation.protocols.read import protocol_of
from ib_data.evaluation.results.form import results_form
from ib_data.evaluation.results.reading import Allowed, read_results
from ib_data.evaluation.results.writing import results_text, submission_of, write_submission
from ib_data.evaluation.scoring.golds import readable


def test_every_dataset_has_a_format():
    assert set(OFFICIAL) == set(card_names())
    assert all("results" in find_card(name).evaluation for name in card_names())


@pytest.mark.parametrize("name", sorted(OFFICIAL))
def test_official_results_are_read(name, tmp_path):
    cases, text, answers = OFFICIAL[name]
    file = tmp_path / "results.json"
    file.write_text(text)
    found = read_results(file, find_card(name), cases)
    assert [one.answer for one in found.predictions] == answers
    assert [one.id for one in found.predictions] == [one.id for one in cases]
    assert found.notes == []


@pytest.mark.parametrize("name", sorted(OFFICIAL))
def test_what_is_written_is_the_official_form_and_reads_back(name, tmp_path):
    cases, text, _ = OFFICIAL[name]
    file, card = tmp_path / "results", find_card(name)
    file.write_text(text)
    predictions = read_results(file, card, cases).predictions
    written = write_submission(tmp_path / "out", card, "validation", cases, predictions, "my model")
    again = read_results(written, card, cases).predictions
    assert [without_scores(one) for one in again] == [without_scores(one) for one in predictions]
    assert [one.scores for one in again] == [pytest.approx(one.scores) for one in predictions]
    form = results_form(card)
    if form.form == "list":
        rows = json.loads(written.read_text())
        originals = {json.dumps(row, sort_keys=True) for row in map(trimmed(form.keys), json.loads(text))}
        assert {json.dumps(row, sort_keys=True) for row in rows} == originals
    if form.form == "mapping":
        outer = json.loads(text)
        assert json.loads(written.read_text()) == ({form.under: outer[form.under]} if form.under else outer)


def without_scores(prediction):
    return replace(prediction, scores={})


def trimmed(keys):
    return lambda row: {key: row[key] for key in keys}


@pytest.mark.parametrize("name", sorted(set(OFFICIAL) - {"visdial", "hateful_memes"}))
@pytest.mark.parametrize("form", ["mapping", "list", "lines"])
def test_plain_forms_are_read_for_every_dataset(name, form, tmp_path):
    cases, _, answers = OFFICIAL[name]
    pairs = [(one.id, answer) for one, answer in zip(cases, answers, strict=True)]
    rows = [{"id": i, "answer": answer} for i, answer in pairs]
    texts = {"mapping": json.dumps(dict(pairs)), "list": json.dumps(rows)}
    file = tmp_path / ("p.jsonl" if form == "lines" else "p.json")
    file.write_text(texts.get(form) or "".join(f"{json.dumps(row)}\n" for row in rows))
    assert [one.answer for one in read_results(file, find_card(name), cases).predictions] == answers


def test_captions_by_image_are_told_from_captions_by_annotation(tmp_path):
    # 391895 is the number of the first image and the id of a caption of the second.
    cases = OFFICIAL["coco_caption"][0]
    file = tmp_path / "p.json"
    for keys in (("391895", "60623"), ("COCO_val2014_000000391895.jpg", "val2014/COCO_val2014_000000060623.jpg")):
        file.write_text(json.dumps(dict(zip(keys, ("first", "second"), strict=True))))
        found = read_results(file, find_card("coco_caption"), cases).predictions
        assert [one.answer for one in found] == ["first", "second"]


def test_images_of_nocaps_may_be_named_as_open_images(tmp_path):
    cases = OFFICIAL["nocaps"][0]
    file = tmp_path / "p.json"
    file.write_text(json.dumps({"0013ea2087020901": "a boy", "00e71a990edb0ada": "a door"}))
    assert [one.answer for one in read_results(file, find_card("nocaps"), cases).predictions] == ["a boy", "a door"]


def test_ranks_are_scores_whose_order_is_that_of_the_ranks(tmp_path):
    cases, text, _ = OFFICIAL["visdial"]
    file = tmp_path / "p.json"
    file.write_text(text)
    found = read_results(file, find_card("visdial"), cases).predictions[0]
    assert found.choice == 1
    assert sorted(found.scores, key=found.scores.__getitem__) == [0, 2, 1]
    assert json.loads(results_text(results_form(find_card("visdial")), cases[:1], [found]))[0]["ranks"] == RANKS


def test_probabilities_are_kept_in_order_and_written_again(tmp_path):
    cases, form = OFFICIAL["hateful_memes"][0], results_form(find_card("hateful_memes"))
    file = tmp_path / "p.csv"
    file.write_text("id,proba,label\n01268,1e-30,0\n08291,0.0,0\n")
    one, two = read_results(file, find_card("hateful_memes"), cases).predictions
    assert one.scores[1] - one.scores[0] > two.scores[1] - two.scores[0]
    assert results_text(form, cases[:1], [one]).splitlines()[1].startswith("01268,1")
    assert results_text(form, cases[:1], [one]).splitlines()[0] == "id,proba,label"


def test_both_answers_of_aokvqa_are_kept(tmp_path):
    cases, text, _ = OFFICIAL["aokvqa"]
    file = tmp_path / "p.json"
    file.write_text(text)
    assert [one.choice for one in read_results(file, find_card("aokvqa"), cases).predictions] == [0, 2]
    file.write_text(json.dumps({one.id: {"multiple_choice": "a dog"} for one in cases}))
    assert [one.choice for one in read_results(file, find_card("aokvqa"), cases).predictions] == [1, 1]


def test_an_option_may_be_given_as_text_index_or_digits(tmp_path):
    cases = [case("iconqa", "test", f"{i:012d}", str(i), options=("5", "3", "blue")) for i in (1, 2, 3, 4)]
    file = tmp_path / "p.json"
    file.write_text('{"1": "3", "2": 2, "3": "2", "4": -1}')  # "3" is an option, "2" is not
    found = read_results(file, find_card("iconqa"), cases).predictions
    assert [one.choice for one in found] == [1, 2, 2, None]


def test_gzip_a_byte_order_mark_and_leading_zeros_are_accepted(tmp_path):
    cases, text, answers = OFFICIAL["gqa"]
    file = tmp_path / "p.json.gz"
    file.write_bytes(gzip.compress(b"\xef\xbb\xbf" + text.replace("07100002", "7100002").encode()))
    assert [one.answer for one in read_results(file, find_card("gqa"), cases).predictions] == answers


def test_one_row_alone_is_a_row_and_no_mapping(tmp_path):
    file = tmp_path / "p.json"
    file.write_text('{"question_id": 262148000, "answer": "down"}')
    found = read_results(file, find_card("vqav2"), OFFICIAL["vqav2"][0][:1]).predictions
    assert [one.answer for one in found] == ["down"]


def test_our_own_predictions_are_read_whole(tmp_path):
    cases = OFFICIAL["scienceqa"][0]
    rows = [
        {"id": "4", "answer": "a hen", "choice": 2, "scores": {"0": -9.5, "2": -1.0}},
        {"id": "11", "answer": "", "error": "the image is damaged"},
    ]
    file = tmp_path / "predictions.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert read_results(file, find_card("scienceqa"), cases).predictions == [
        Prediction(id="4", answer="a hen", choice=2, scores={0: -9.5, 2: -1.0}),
        Prediction(id="11", error="the image is damaged"),
    ]


def test_rows_that_the_build_left_out_are_no_extra_ids(tmp_path):
    cases = OFFICIAL["scienceqa"][0]
    file = tmp_path / "p.json"
    file.write_text('{"results": {"4": 2, "11": 0, "5": 1}}')
    found = read_results(file, find_card("scienceqa"), cases, Allowed(left_out={"5"}))
    assert found.notes == ["1 predictions are for rows that the build left out"]


def test_submissions_have_the_names_that_servers_want(tmp_path):
    cases = OFFICIAL["vqav2"][0]
    predictions = [Prediction(id=one.id, answer="yes") for one in cases]
    path = write_submission(tmp_path, find_card("vqav2"), "test", cases, predictions, "runs/my model")
    assert path.name == "vqa_OpenEnded_mscoco_test2015_runs-my-model_results.json"
    assert json.loads(path.read_text())[0] == {"question_id": 262148000, "answer": "yes"}
    assert submission_of(find_card("aokvqa"), "test").file == "predictions_test.json"
    assert submission_of(find_card("vqav2"), "validation") is None


def test_a_submission_is_replaced_as_a_whole(tmp_path, monkeypatch):
    from ib_data.evaluation.results import writing

    cases, _, answers = OFFICIAL["vqav2"]
    predictions = [Prediction(id=one.id, answer=text) for one, text in zip(cases, answers, strict=True)]
    path = write_submission(tmp_path, find_card("vqav2"), "test", cases, predictions, "m")
    before = path.read_text()
    monkeypatch.setattr(writing, "results_text", lambda *_given: "\ud800")  # cannot be written
    with pytest.raises(UnicodeEncodeError):
        write_submission(tmp_path, find_card("vqav2"), "test", cases, predictions, "m")
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]


def test_hidden_splits_have_a_submission():
    # Splits of the cards without the fields that say the answer.
    fields = {"answers", "answer_index", "label", "caption"}
    hidden = {
        (name, split.name)
        for name in card_names()
        for split in find_card(name).splits.values()
        if not fields & set(split.fields) or (name == "visdial" and split.name == "test")
    }
    with_server = {(name, split) for name in card_names() for split in results_form(find_card(name)).submissions}
    assert hidden - {("vizwiz", "test")} == with_server  # the answers of VizWiz are public since 2026


@pytest.mark.parametrize("name", ["hateful_memes", "vsr"])
def test_indices_of_labels_are_those_of_the_protocol(name, tmp_path):
    # The files count labels from 0 for the negative one, the protocols from the positive one.
    cases, text, answers = OFFICIAL[name]
    card = find_card(name)
    labels = protocol_of(card).labels
    file = tmp_path / "p"
    file.write_text(text)
    found = read_results(file, card, cases, labels=labels).predictions
    assert [labels[one.choice] for one in found] == answers
    assert all(max(one.scores, key=one.scores.__getitem__) == one.choice for one in found if one.scores)
    written = write_submission(tmp_path, card, "test", cases, found, "model", labels)
    assert [one.choice for one in read_results(written, card, cases, labels=labels).predictions] == [
        one.choice for one in found
    ]


def test_a_label_that_is_not_public_is_no_gold_answer():
    one = case("hateful_memes", "test", "01268", "01268", context="words")
    assert readable(protocol_of(find_card("hateful_memes"), split="test"), one) == ()
