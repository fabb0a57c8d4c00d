"""Files of questions: bad lines, order, batches, outputs that a stopped run continues."""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from toy_answers import toy_answerer
from toy_clips import clip
from toy_models import shared_toy_folder
from toy_training import KilledError, draw

from ib_data.errors import IbDataError
from ib_data.evaluation.answering import Asked
from ib_data.evaluation.decoding import Decoding
from ib_data.home import Home
from ib_data.training.generation import answerer as answerers
from ib_data.training.generation import batch as batches
from ib_data.training.generation import file_run
from ib_data.training.generation.answer_file import AnswerFile, json_line
from ib_data.training.generation.file_run import FileRun
from ib_data.training.generation.opened import open_answerer
from ib_data.training.generation.questions import read_questions

SHORT = Decoding(max_new_tokens=4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two images and a clip."""
    (tmp_path / "red.png").write_bytes(draw("red", "circle"))
    (tmp_path / "blue.png").write_bytes(draw("blue", "square"))
    (tmp_path / "clip.mp4").write_bytes(clip(8))
    (tmp_path / "text.png").write_bytes(b"no image")
    return tmp_path


def written(folder: Path, *lines: object) -> Path:
    """A file of questions; a text is a line as it is."""
    path = folder / "questions.jsonl"
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


def asked(path: Path, output: Path | None = None, **changes: object) -> FileRun:
    values = {"decoding": SHORT, "batch_size": 2, "num_frames": 3, **changes}
    return FileRun(answerer=toy_answerer(), file=read_questions(path), output=output, **values)


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


FIVE = [
    {"id": 7, "image": "red.png", "prompt": "Caption:"},
    {"id": "b", "images": ["red.png", "blue.png"], "prompt": "white"},
    {"video": "clip.mp4", "prompt": "Caption:"},
    {"image": "red.png", "prompt": ""},
    {"image": "blue.png", "prompt": "Caption:"},
]


def test_a_line_for_each_line_in_order(folder: Path, home: Home, capsys) -> None:
    asked(written(folder, *FIVE, "")).run(home)
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [{key: value for key, value in line.items() if key != "answer"} for line in found] == FIVE
    media = [folder / "red.png", folder / "blue.png"]
    alone = toy_answerer().generate([Asked("white", [path.read_bytes() for path in media])], SHORT)
    assert found[1]["answer"] == alone[0]


def test_paths_are_relative_to_the_file_and_may_be_absolute(folder: Path, home: Home, capsys, monkeypatch) -> None:
    monkeypatch.chdir("/")
    asked(written(folder, {"image": str(folder / "red.png"), "prompt": "a"}, {"image": "red.png", "prompt": "a"})).run(
        home
    )
    one, other = map(json.loads, capsys.readouterr().out.splitlines())
    assert one["answer"] == other["answer"]


BAD = [
    ('{"image": "red.png", "prompt"', "line 2: not JSON: Expecting ':' delimiter at character 29"),
    ("[1]", "line 2: expected a table"),
    ({"image": "red.png"}, "line 2: key 'prompt' is missing"),
    ({"image": "red.png", "promt": "a", "prompt": "a"}, "line 2: unknown key 'promt'; did you mean 'prompt'?"),
    ({"prompt": "a"}, "line 2: expected one of image, images, video, found none of them"),
    ({"prompt": "a", "image": "red.png", "video": "clip.mp4"}, "found image and video"),
    ({"prompt": "a", "image": None}, "'image': expected a text, found None"),
    ({"prompt": "a", "image": ""}, "expected a path, found an empty one"),
    ({"prompt": "a", "images": []}, "expected a path, found no path"),
    ({"prompt": "a", "images": "red.png"}, "expected a list"),
    ({"prompt": "a", "image": "absent.png"}, "absent.png: expected an image, found no such file"),
    ({"prompt": "a", "image": "."}, "expected an image, found a folder"),
    ({"prompt": "a", "image": "text.png"}, "text.png: not an image"),
    ({"prompt": "a", "image": "clip.mp4"}, "clip.mp4: not an image"),
    ({"prompt": "a", "video": "red.png.mp4"}, "expected a clip, found no such file"),
    ({"prompt": "a", "video": "text.png"}, "text.png: not a clip"),
    ({"prompt": "a", "image": "null\0.png"}, "null .png: "),
    ({"prompt": "a", "image": "x" * 5000}, "xxx...: "),
    ({"prompt": "white " * 5000, "image": "red.png"}, "line 2: the prompt has"),
    ('{"prompt": "\\ud800", "image": "red.png"}', "line 2: the prompt is not text"),
    ("[" * 100_000, "nested too deeply"),
]


def test_a_bad_line_is_reported_and_the_others_are_answered(folder: Path, home: Home, capsys) -> None:
    lines = [FIVE[0], *(line for bad, _ in BAD for line in (bad, FIVE[0]))]
    output = folder / "answers.jsonl"
    with pytest.raises(IbDataError, match=f"{len(BAD)} of {len(lines)} questions have no answer") as found:
        asked(written(folder, *lines), output, batch_size=8).run(home)
    assert "correct them and ask again with --input" in str(found.value)
    written_lines = read(output)
    assert len(written_lines) == len(lines)
    assert len({line["answer"] for line in written_lines[::2]}) == 1
    for number, (line, (bad, said)) in enumerate(zip(written_lines[1::2], BAD, strict=True), 1):
        assert said.replace("line 2", f"line {2 * number}") in line["error"]
        assert line["error"].startswith(f"line {2 * number}: ")
        kept = bad if isinstance(bad, dict) else {"line": 2 * number, "text": bad}
        assert "not text" in said or {**kept, "error": line["error"]} == line
    shown = [line for line in capsys.readouterr().err.splitlines() if "questions.jsonl: line " in line]
    assert "line 2: not JSON" in shown[0]
    assert len(shown) == 10


def test_a_prompt_for_lines_without_one(folder: Path) -> None:
    path = written(folder, {"image": "red.png"}, {"image": "red.png", "prompt": "own"})
    assert [question.prompt for question in read_questions(path, "Caption:").questions] == ["Caption:", "own"]


def test_lines_of_an_earlier_output_can_be_asked_again(folder: Path, home: Home, capsys) -> None:
    path = written(folder, {**FIVE[0], "error": "line 1: was missing"}, {**FIVE[0], "answer": "old"})
    asked(path).run(home)
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert found[0] == found[1]
    assert found[0].keys() == {"id", "image", "prompt", "answer"}


def test_an_empty_file_is_an_error(folder: Path) -> None:
    with pytest.raises(IbDataError, match="found an empty file"):
        read_questions(written(folder, " "))


def test_an_image_that_questions_of_a_batch_share_is_read_once(folder: Path, home: Home, monkeypatch, capsys) -> None:
    real, paths = batches.read_frames, []
    monkeypatch.setattr(batches, "read_frames", lambda path, *rest: (paths.append(path.name), real(path, *rest))[1])
    asked(written(folder, *FIVE), batch_size=5).run(home)
    assert sorted(paths) == ["blue.png", "clip.mp4", "red.png"]


def test_a_question_is_prepared_once(folder: Path, home: Home, monkeypatch, capsys) -> None:
    real, media = answerers.squares, []
    monkeypatch.setattr(answerers, "squares", lambda *given: (media.append(1), real(*given))[1])
    asked(written(folder, *FIVE)).run(home)
    assert len(media) == 6  # of five questions, one with two images


def test_a_clip_without_pyav_stops_with_the_remedy(folder: Path, home: Home, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    output = folder / "answers.jsonl"
    with pytest.raises(IbDataError, match=r"clips need PyAV: pip install 'ib-data\[video\]'"):
        asked(written(folder, *FIVE), output).run(home)
    assert not output.exists()


@pytest.fixture
def killed_after_a_batch(monkeypatch):
    """The second batch of a run kills it."""
    real, calls = batches._answered, []

    def answered(*given):
        calls.append(1)
        if len(calls) == 2:
            raise KilledError
        return real(*given)

    monkeypatch.setattr(batches, "_answered", answered)
    return calls


def test_a_killed_run_continues_to_the_same_file(folder: Path, home: Home, killed_after_a_batch, capsys) -> None:
    lines = [FIVE[0], {"prompt": "a", "image": "absent.png"}, *FIVE[2:]]
    path, whole, output = written(folder, *lines), folder / "whole.jsonl", folder / "answers.jsonl"
    with pytest.raises(KilledError):
        asked(path, output).run(home)
    part = folder / "answers.jsonl.part"
    assert not output.exists()
    assert len(part.read_bytes().splitlines()) == 1 + 2
    with part.open("ab") as file:
        file.write(b'{"video": "clip.mp4", "ans')  # what a kill in the middle of a write leaves
    with pytest.raises(IbDataError, match="1 of 5 questions has no answer"):  # an error before the kill counts too
        asked(path, output).run(home)
    assert "continuing after 2 answers" in capsys.readouterr().err
    with pytest.raises(IbDataError, match="1 of 5 questions has no answer"):
        asked(path, whole).run(home)
    assert output.read_bytes() == whole.read_bytes()
    assert not part.exists()
    assert len(killed_after_a_batch) == 2 + 2 + 3


CHANGED = (
    "decoding",
    "questions",
    "frames",
    "prompt",
    "folder",
    "model",
    "bos_token",
    "activation",
    "precision",
    "device",
)


@pytest.mark.parametrize("changed", CHANGED)
def test_an_output_of_something_else_is_not_continued(
    changed: str, folder: Path, home: Home, killed_after_a_batch
) -> None:
    lines = [*FIVE[:4], {"image": "blue.png"}]
    path, output = written(folder, *lines), folder / "answers.jsonl"
    run = asked(path, output)
    run.file = read_questions(path, "Caption:")
    with pytest.raises(KilledError):
        run.run(home)
    if changed == "questions":
        run.file = read_questions(written(folder, *lines[:4], {**lines[4], "id": 1}), "Caption:")
    if changed == "folder":
        (folder / "inner").mkdir()
        run.file = read_questions(written(folder / "inner", *lines), "Caption:")
    if changed == "prompt":
        run.file = read_questions(path, "Question:")
    if changed == "decoding":
        run.decoding = Decoding(max_new_tokens=5)
    if changed == "frames":
        run.num_frames = 4
    other = {
        "model": {"made_from": "another run"},
        "bos_token": {"bos_token": "</s>"},
        "activation": {"activation": "gelu"},
        "precision": {"dtype": torch.bfloat16},
        "device": {"device": torch.device("meta")},
    }
    run.answerer = replace(run.answerer, **other.get(changed, {}))
    with pytest.raises(IbDataError, match=f"answers.jsonl.part: was made from another {changed}; remove answers"):
        run.run(home)


def test_a_prompt_that_no_line_needs_does_not_matter(folder: Path) -> None:
    path = written(folder, *FIVE)
    assert read_questions(path, "Caption:") == read_questions(path)


def test_settings_of_a_model_folder_are_those_of_its_answers(home: Home) -> None:
    found = open_answerer(
        str(shared_toy_folder()), home, device="cpu", precision="bfloat16", bos_token="</s>", activation="gelu"
    )
    assert (found.bos_token, found.activation, found.dtype) == ("</s>", "gelu", torch.bfloat16)


def test_outputs_that_cannot_be(folder: Path) -> None:
    (folder / "done.jsonl").write_text("")
    (folder / "own.jsonl.part").write_text("something\n")
    for name, said in (
        ("done.jsonl", "exists already; remove it"),
        (".", "is a folder"),
        ("absent/a.jsonl", "absent does not exist"),
        ("own.jsonl", "not the beginning of an output"),
    ):
        with pytest.raises(IbDataError, match=said):
            AnswerFile(folder / name, {"questions": "x"})
    assert (folder / "own.jsonl.part").read_text() == "something\n"


def test_two_runs_never_write_one_output(folder: Path) -> None:
    with AnswerFile(folder / "a.jsonl", {"questions": "x"}) as first:
        with pytest.raises(IbDataError, match="another process writes it"):
            AnswerFile(folder / "a.jsonl", {"questions": "x"})
        first.add([{"answer": "red"}])
        first.finish()
    assert read(folder / "a.jsonl") == [{"answer": "red"}]


def test_a_signal_finishes_the_batch_and_says_how_to_continue(folder: Path, home: Home, monkeypatch) -> None:
    real = file_run.FileRun._put

    def put(run, outcomes, output) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        real(run, outcomes, output)

    monkeypatch.setattr(file_run.FileRun, "_put", put)
    output = folder / "answers.jsonl"
    with pytest.raises(KeyboardInterrupt, match="interrupted after 2 of 5 questions; the same command continues"):
        asked(written(folder, *FIVE), output).run(home)
    assert len((folder / "answers.jsonl.part").read_text().splitlines()) == 1 + 2


def test_half_a_surrogate_pair_stays_escaped() -> None:
    assert json_line({"id": "\ud800 \u732b"}) == '{"id": "\\ud800 \u732b"}'


def test_missing_files_are_said_before_a_model_is_loaded(cli, folder: Path, home: Home) -> None:
    (folder / "empty.jsonl").write_text("")
    (folder / "done.jsonl").write_text("")
    questions = written(folder, *FIVE)
    for arguments, said in (
        (("--image", folder / "absent.png", "--prompt", "a"), "absent.png: expected an image, found no such file"),
        (("--video", folder, "--prompt", "a"), "expected a clip, found a folder"),
        (("--input", folder / "empty.jsonl"), "found an empty file"),
        (("--input", questions, "--output", folder / "done.jsonl"), "done.jsonl exists already"),
    ):
        found = cli("generate", "--model", folder / "no model", *arguments, "--home", home.root)
        assert found.code == 1
        assert said in found.err


def ask(cli, *arguments: object):
    return cli("generate", "--model", shared_toy_folder(), "--max-new-tokens", 4, *arguments)


def test_the_command_answers_once_and_by_file_alike(cli, folder: Path, home: Home) -> None:
    common = ("--device", "cpu", "--home", home.root)
    path, output = written(folder, *FIVE), folder / "answers.jsonl"
    done = ask(cli, "--input", path, "--output", output, "--frames", 3, "--batch-size", 3, *common)
    assert (done.code, done.out, done.err) == (0, "", f"{output}: 5 lines\n")
    found = [line["answer"] for line in read(output)]
    red, blue = folder / "red.png", folder / "blue.png"
    once = ask(cli, "--image", red, "--image", blue, "--prompt", "white", *common)
    assert (once.code, once.out) == (0, f"{found[1]}\n")
    as_json = ask(cli, "--video", folder / "clip.mp4", "--frames", 3, "--prompt", "Caption:", "--json", *common)
    assert json.loads(as_json.out) == {"video": str(folder / "clip.mp4"), "prompt": "Caption:", "answer": found[2]}
    streamed = ask(cli, "--image", red, "--prompt", "Caption:", "--stream", *common)
    assert (streamed.code, streamed.out) == (0, f"{found[0]}\n")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--prompt", "a"), 2, "expected one of --image, --video and --input, found none"),
        (("--image", "red.png", "--input", "questions.jsonl"), 2, "found --image and --input"),
        (("--image", "red.png"), 2, "--prompt is missing"),
        (("--image", "red.png", "--prompt", "a", "--output", "x"), 2, "--output is for --input"),
        (("--input", "questions.jsonl", "--stream"), 2, "--stream: not with --input"),
        (
            ("--image", "red.png", "--prompt", "a", "--stream", "--preset", "vqa"),
            2,
            "vqa uses 5 beams: add --num-beams 1",
        ),
        (("--image", "red.png", "--prompt", "a", "--stream", "--num-beams", 2), 2, "--num-beams is 2: make it 1"),
        (("--image", "red.png", "--prompt", "a", "--top-p", "0.9"), 1, "set temperature"),
        (("--image", "red.png", "--prompt", "a", "--preset", "caption"), 1, "lower the first or raise the second"),
        (("--image", ".", "--prompt", "a"), 1, "expected an image, found a folder"),
        (("--image", "absent.png", "--prompt", "a"), 1, "absent.png: expected an image, found no such file"),
        (("--image", "text.png", "--prompt", "a"), 1, "text.png: not an image"),
        (("--image", "red.png", "--prompt", "a", "--bos-token", "<nope>"), 1, "bos_token '<nope>' is not in"),
        (("--image", "red.png", "--prompt", "a", "--start", "x"), 1, "start is for checkpoints"),
    ],
)
def test_wrong_usage_is_one_line(cli, folder: Path, home: Home, monkeypatch, arguments, code: int, said: str) -> None:
    monkeypatch.chdir(folder)
    written(folder, *FIVE)
    found = ask(cli, *arguments, "--device", "cpu", "--home", home.root)
    assert found.code == code
    assert said in found.err
    assert "Traceback" not in found.err
