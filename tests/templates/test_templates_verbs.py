"""The verbs `templates`, `render` and `show`, as a user calls them."""

import json

import pytest
from click.testing import CliRunner

from ib_data.cli import VERBS, group
from ib_data.errors import DataError, IbDataError
from ib_data.sample import Annotation, Answer
from ib_data.tasks import TASKS
from ib_data.templates.library import PACKAGED


def run(*arguments):
    result = CliRunner().invoke(group, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments):
    with pytest.raises(IbDataError) as caught:
        CliRunner().invoke(group, [str(a) for a in arguments], catch_exceptions=False)
    return str(caught.value)


@pytest.mark.parametrize("verb", ["templates", "render", "show"])
def test_help_begins_with_the_known_line_and_has_an_example(verb):
    text = run(verb, "--help")
    assert text.split("\n\n")[1].split("\n")[0].strip() == VERBS[verb]
    assert f"ib-data {verb} " in text


def test_templates_lists_one_task_or_all():
    text = run("templates", "visual_reasoning")
    assert text.split("\n")[0].split() == ["task", "kind", "name", "text"]
    assert 'Based on the image, is this statement true or false? "{{ statement }}" Answer:' in text
    assert len(text.splitlines()) == 2 + len(PACKAGED.load("visual_reasoning"))
    assert len(run("templates").splitlines()) == 2 + sum(len(PACKAGED.load(t)) for t in TASKS)


def test_templates_as_json():
    rows = json.loads(run("templates", "captioning", "--json"))
    assert [row["name"] for row in rows] == [t.name for t in PACKAGED.load("captioning")]
    assert {"task", "kind", "name", "text", "sha256", "fields"} <= set(rows[0])
    rows = {row["name"]: row for row in json.loads(run("templates", "visual_reasoning", "--json"))}
    assert rows["puzzle"]["targets"] == ["{{ label }}", "{{ answer }}"]
    assert (rows["puzzle"]["fields"], rows["puzzle"]["needs"]) == (["options_text", "question"], ["question"])


def test_templates_of_an_unknown_task():
    assert refused("templates", "captionning") == "unknown task 'captionning'; did you mean 'captioning'?"


def test_templates_from_a_folder(tmp_path):
    (tmp_path / "captioning.toml").write_text("target = '{{ caption }}'\n[train]\nown = 'Mine:'\n", encoding="utf-8")
    assert run("templates", "captioning", "--templates", tmp_path).splitlines()[2:] == [
        "captioning  train  own   Mine:"
    ]


def test_render_prints_instruction_target_and_provenance(vqa_home):
    text = run("render", "vqav2", "-n", 2, "--home", vqa_home.root)
    lines = text.splitlines()
    assert lines[0] == "vqav2-train-000000000000  annotation 0  position 0  seed 0"
    assert "Question number 0?" in lines[1]
    assert lines[2] in ("  -> red", "  -> dark red")
    assert len(lines) == 6


def test_render_as_json_counts_annotations_over_samples(vqa_home):
    rows = json.loads(run("render", "vqav2", "-n", 6, "--json", "--seed", 3, "--home", vqa_home.root))
    assert [row["annotation_id"] for row in rows] == ["0", "1", "2", "3", "4", "10"]
    assert [row["position"] for row in rows] == list(range(6))
    assert rows == json.loads(run("render", "vqav2", "-n", 6, "--json", "--seed", 3, "--home", vqa_home.root))
    assert {row["seed"] for row in rows} == {3}


def test_render_with_all_templates(vqa_home):
    rows = json.loads(run("render", "vqav2_qg", "-n", 1, "--all-templates", "--json", "--home", vqa_home.root))
    assert [row["template"] for row in rows] == [t.name for t in PACKAGED.load("question_generation")]
    assert {row["target"] for row in rows} == {"Question number 0?"}


def test_render_a_held_out_dataset_with_the_papers_prompt(build):
    home = build("vsr", "test", [((Annotation(id="1", statement="The cup is left of the jar.", label="false"),), None)])
    lines = run("render", "vsr", "--home", home.root).splitlines()
    prompt = 'Based on the image, is this statement true or false? "The cup is left of the jar." Answer:'
    assert lines[1].endswith(f"] {prompt}")
    assert lines[2] == "  -> false"


def test_render_refuses_an_answer_that_is_missing(build):
    home = build("vqav2", "train", [((Annotation(id="7", question="What?"),), None)])
    assert "vqav2: annotation 7: no answer to render" in refused("render", "vqav2", "--home", home.root)


@pytest.mark.parametrize("verb", ["render", "show"])
def test_what_is_not_built_or_not_known(verb, tmp_path):
    assert refused(verb, "vqav2", "--home", tmp_path) == "vqav2 is not built here; run `ib-data build vqav2`"
    assert refused(verb, "vqav", "--home", tmp_path) == "unknown dataset 'vqav'; did you mean 'vqav2'?"
    assert CliRunner().invoke(group, [verb, "vqav2", "-n", "0"]).exit_code == 2


def test_show_in_the_terminal(vqa_home):
    text = run("show", "vqav2", "-n", 2, "--home", vqa_home.root)
    blocks = text.split("\n\n")
    kind, first = blocks[0].splitlines()[:2]
    assert kind == "vqav2/train: less than 0.01 % of the official size"
    assert first == "vqav2-train-000000000000  image 640x480"
    assert blocks[1].startswith("vqav2-train-")
    assert blocks[0].count("->") == 3
    assert blocks[0].endswith("and 2 more annotations")
    assert len(blocks) == 2


def test_show_keeps_escape_sequences_from_the_terminal(build):
    annotation = Annotation(id="1", question="red \x1b[31m\u202eback\nline?", answers=(Answer("\x07bell", 1),))
    home = build("vqav2", "train", [((annotation,), None)])
    for verb in ("show", "render"):
        text = run(verb, "vqav2", "--home", home.root)
        assert "red \\x1b[31m\\u202eback\\nline?" in text
        assert "-> \\x07bell" in text
        assert "\x1b" not in text


def test_show_writes_a_page(vqa_home, tmp_path):
    file = tmp_path / "look.html"
    text = run("show", "vqav2", "-n", 2, "--html", file, "--home", vqa_home.root)
    assert text == f"2 samples in {file}\n"
    page = file.read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert page.count("<article") == 2


def test_show_from_own_templates(vqa_home, tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    body = "target = '{{ answer }}'\n[train]\nown = 'In short: {{ question }}'\n"
    (folder / "question_answering.toml").write_text(body, encoding="utf-8")
    text = run("show", "vqav2", "-n", 1, "--templates", folder, "--home", vqa_home.root)
    assert "[own] In short: Question number 0?" in text


def test_render_of_several_datasets_and_of_a_group(vqa_home, cli):
    rows = json.loads(run("render", "vqav2_qg", "vqav2", "-n", 2, "--json", "--home", vqa_home.root))
    assert [(row["dataset"], row["position"]) for row in rows] == [
        ("vqav2_qg", 0), ("vqav2_qg", 1), ("vqav2", 0), ("vqav2", 1),
    ]  # fmt: skip
    result = cli("render", "held-in", "-n", 1, "--json", "--home", vqa_home.root)
    assert [row["dataset"] for row in json.loads(result.out)] == ["vqav2", "vqav2_qg"]
    assert result.err.startswith("left out because not built: aokvqa, ")
    assert result.err.count("\n") == 1
    assert "vsr" not in result.err


def test_a_named_dataset_that_is_not_built_is_an_error_beside_a_group(vqa_home):
    assert refused("render", "all", "vsr", "--home", vqa_home.root).startswith("vsr is not built here")
    assert refused("render", "held-out", "--home", vqa_home.root).startswith("nothing of held-out is built in ")
    assert "split 'test' is not built" in refused("render", "vqav2", "--split", "test", "--home", vqa_home.root)


def test_one_dataset_of_several_that_cannot_be_rendered(vqa_home, build, cli):
    build("okvqa", "train", [((Annotation(id="7", question="What?"),), None)])
    result = cli("render", "okvqa", "vqav2", "okvqa_qg", "-n", 1, "--home", vqa_home.root)
    assert result.code == 1
    assert "Question number 0?" in result.out
    assert result.err.splitlines()[-1] == "ib-data: 2 datasets could not be rendered: okvqa, okvqa_qg"
    assert result.err.startswith("okvqa: annotation 7: no answer to render")


def test_render_with_rendering_options(build):
    annotation = Annotation(
        id="1", question="Which?", answers=(Answer("x", 1), Answer("y", 2)), options=("u", "v"), answer_index=1
    )
    home = build("aokvqa", "train", [((annotation,), None)])
    options = ("--letters", "--shuffle-options", "--answers", "majority")
    rows = json.loads(run("render", "aokvqa", "--all-templates", "--json", *options, "--home", home.root))
    shown = {row["template"]: row for row in rows}
    letter = shown["choose"]["target"]
    assert f"{letter} v" in shown["choose"]["instruction"]
    assert {row["target"] for name, row in shown.items() if "(a)" not in row["instruction"]} == {"y"}
    assert CliRunner().invoke(group, ["render", "aokvqa", "--answers", "best"]).exit_code == 2


def test_render_writes_a_page_with_every_template(vqa_home, build, tmp_path):
    build("vsr", "test", [((Annotation(id="1", statement="The cup is left.", label="false"),), None)])
    file = tmp_path / "page.html"
    text = run("render", "all", "-n", 1, "--all-templates", "--html", file, "--home", vqa_home.root)
    page = file.read_text(encoding="utf-8")
    assert page.count("<article") == 3  # vqav2, its view, vsr: one annotation of each
    count = 0
    of_question, of_statement = {"question", "answer"}, {"statement", "label"}
    tasks = {"question_answering": of_question, "question_generation": of_question, "visual_reasoning": of_statement}
    for task, fields in tasks.items():
        for template in PACKAGED.load(task):
            if template.fits(frozenset(fields)) and (template.kind == "train" or template.name == "vsr"):
                kind = "zero-shot" if template.kind == "zero_shot" else "train"
                line = f"{kind} template <code>{template.name}</code> <code>{template.sha256[:8]}</code>"
                assert line in page
                count += 1
    assert count > 25
    assert text == f"{page.count('<li>')} examples in {file}\n"
    assert "<mark><bdi>The cup is left.</bdi></mark>" in page
    assert CliRunner().invoke(group, ["render", "vqav2", "--json", "--html", str(file)]).exit_code == 2


def test_a_page_of_what_cannot_be_rendered_says_so(build, tmp_path):
    home = build("vqav2", "train", [((Annotation(id="7", question="What?"),), None)])
    run("render", "vqav2", "--html", tmp_path / "page.html", "--home", home.root)
    assert "annotation 7: no answer to render" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_show_takes_the_rendering_options(build):
    annotation = Annotation(id="1", question="Which?", options=("u", "v"), answer_index=1)
    home = build("aokvqa", "train", [((annotation,), None)])
    assert "-> (b)" in run("show", "aokvqa", "--letters", "--home", home.root)


def test_a_page_needs_a_folder_that_is_there(vqa_home, cli, tmp_path):
    file = tmp_path / "none" / "page.html"
    for verb in ("show", "render"):
        result = cli(verb, "vqav2", "--html", file, "--home", vqa_home.root)
        assert result.code == 1
        assert (
            result.err == f"ib-data: --html {file}: there is no folder {file.parent}; create it, or name another file\n"
        )
        assert "is a folder; name a file in it" in cli(verb, "vqav2", "--html", "", "--home", vqa_home.root).err


def test_a_split_that_a_dataset_does_not_have_is_not_offered_to_be_built(build, cli):
    home = build("nocaps", "validation", [((Annotation(id="7", caption="A cup."),), None)])
    for verb in (["show"], ["render"], ["templates", "stats"]):
        result = cli(*verb, "nocaps", "--split", "train", "--home", home.root)
        assert (result.code, result.err) == (2, "ib-data: nocaps has no split 'train'; it has validation\n")


def test_a_page_that_fails_leaves_no_empty_file(vqa_home, cli, tmp_path, monkeypatch):
    def failing(*_arguments):
        raise DataError("vqav2", "a shard is damaged")

    monkeypatch.setattr("ib_data.templates.sheet.page.contact_sheet", failing)
    earlier, new = tmp_path / "earlier.html", tmp_path / "new.html"
    earlier.write_text("an earlier page")
    for page in (earlier, new):
        assert cli("show", "vqav2", "--html", page, "--home", vqa_home.root).code == 1
    assert earlier.read_text() == "an earlier page"
    assert not new.exists()


def test_datasets_of_a_group_that_lack_the_split_are_named_apart(vqa_home, cli):
    result = cli("render", "all", "--split", "train", "-n", 1, "--json", "--home", vqa_home.root)
    missing, lacking = result.err.splitlines()
    assert missing.startswith("left out because not built: ")
    assert lacking.startswith("left out because they have no split 'train': ")
    assert "nocaps" in lacking
    assert "nocaps" not in missing
    assert [row["dataset"] for row in json.loads(result.out)] == ["vqav2", "vqav2_qg"]


def test_an_unknown_task_may_have_been_meant_as_a_subcommand(cli):
    result = cli("templates", "stts")
    assert (result.code, result.err) == (2, "ib-data: unknown task 'stts'; did you mean 'stats'?\n")
    assert "did you mean 'captioning'?" in cli("templates", "captoining").err
