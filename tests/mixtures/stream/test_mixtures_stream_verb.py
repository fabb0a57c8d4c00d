"""`ib-data stream`: ids, throughput, and errors for mistyped arguments."""

import json
import os
import signal

import pytest

from ib_data.home import Home
from ib_data.mixtures.stream.stream import Stream

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def here(picture_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IB_DATA_HOME", str(picture_home.root))


def spec(tmp_path, **head: str) -> str:
    lines = [f"{key} = {value}" for key, value in {"rule": "'sqrt'", **head}.items()]
    for name, size in (("vqav2", 40), ("okvqa", 6), ("coco_caption", 18)):
        lines += ["[[members]]", f"dataset = '{name}'", "split = 'train'", f"size = {size}"]
    (tmp_path / "mine.toml").write_text("\n".join(lines))
    return str(tmp_path / "mine.toml")


def test_ids_of_all_ranks_are_the_whole(cli, tmp_path) -> None:
    mine = spec(tmp_path)
    whole = cli("stream", mine, "--ids", "-n", 24).out.splitlines()
    for batch_size in (3, 12):
        ranks = [
            cli("stream", mine, "--ids", "-n", 8, "--world", 3, "--rank", r, "--batch-size", batch_size).out
            for r in range(3)
        ]
        lines = [line for rank in ranks for line in rank.splitlines()]
        assert sorted(lines, key=lambda line: int(line.split("\t")[0])) == whole


def test_ids_as_json_are_a_list_of_the_same_rows(cli, tmp_path) -> None:
    mine = spec(tmp_path)
    lines = [line.split("\t") for line in cli("stream", mine, "--ids", "-n", 5).out.splitlines()]
    rows = json.loads(cli("stream", mine, "--ids", "-n", 5, "--json").out)
    assert [list(row) for row in rows] == [["position", "dataset", "key", "annotation_id", "template"]] * 5
    assert [[str(value) for value in row.values()] for row in rows] == lines


@pytest.mark.parametrize("workers", [0, 2])
def test_it_says_how_fast_and_where_the_time_goes(cli, tmp_path, workers: int) -> None:
    arguments = ("stream", spec(tmp_path), "-n", 96, "--batch-size", 16, "--workers", workers, "--image-px", 32)
    said = cli(*arguments)
    assert said.code == 0, said.err
    assert "then 80 samples in" in said.out
    assert ("by 2 workers" if workers else "by this process") in said.out
    for words in ("samples/s", "s reading", "s decoding", "s rendering", "waited for"):
        assert words in said.out
    values = json.loads(cli(*arguments, "--json").out)
    assert (values["samples"], values["num_positions"], values["workers"]) == (80, 96, workers)
    assert values["samples_per_s"] > 0
    assert min(values[name] for name in ("read_s", "decode_s", "render_s", "wait_s")) > 0


def test_once_is_everything_unless_told_otherwise(cli, tmp_path) -> None:
    assert json.loads(cli("stream", spec(tmp_path), "--once", "--json").out)["num_examples"] == 64
    few = cli("stream", spec(tmp_path), "--once", "--json", "--batch-size", 8, "-n", 16)
    assert json.loads(few.out)["num_examples"] == 16


def test_nothing_is_decoded_where_that_is_asked(cli, tmp_path) -> None:
    said = cli("stream", spec(tmp_path), "-n", 64, "--decode", "none")
    assert "nothing decoded" in said.out
    assert said.code == 0


def test_images_and_clips_in_one_mixture_are_measured(cli, tmp_path) -> None:
    home = ("--home", tmp_path / "home")
    for name in ("okvqa", "msvd_qa"):
        assert cli("build", name, "--mini", *home).code == 0
    (tmp_path / "clips.toml").write_text(
        "rule = 'uniform'\n"
        "[[members]]\ndataset = 'okvqa'\nsplit = 'train'\nsize = 39\n"
        "[[members]]\ndataset = 'msvd_qa'\nsplit = 'test'\nsize = 9\n"
    )
    for workers in (0, 1):
        said = cli("stream", tmp_path / "clips.toml", "-n", 24, "--batch-size", 8, "--workers", workers, *home)
        assert said.code == 0, said.err
        assert "then 16 samples" in said.out


def test_shards_at_a_url_are_fetched_and_found_again(cli, tmp_path, picture_home: Home, monkeypatch) -> None:
    monkeypatch.setenv("IB_DATA_HOME", str(tmp_path / "elsewhere"))
    arguments = ("stream", spec(tmp_path), "-n", 64, "--shards", f"file://{picture_home.root}/shards", "--local-order")
    first, second = cli(*arguments), cli(*arguments)
    assert "shards: 6 opened, 0 of them from the cache, 6 fetched" in first.out
    assert "shards: 6 opened, 6 of them from the cache, 0 fetched" in second.out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--world", 3, "--rank", 3), 2, "--rank 3: expected 0 to 2 with --world 3"),
        (("--world", 3, "--batch-size", 16), 2, "--batch-size 16 must be a multiple of --world 3"),
        (("--ids", "--once"), 2, "leave out one of them"),
        (("--cache-gb", "nan"), 2, "'nan' is not a valid integer"),
        (("--max-bad-share", "nan"), 1, "expected a number from 0 to 1, found nan"),
        (("--augment", "hard"), 2, "'hard' is not one of"),
        (("--shards", "gopher://x/y"), 1, "gopher"),
        (("--shards", "file:///not/there"), 1, "file:///not/there"),
    ],
)
def test_what_is_mistyped_is_answered_in_a_line(cli, tmp_path, arguments, code: int, says: str) -> None:
    said = cli("stream", spec(tmp_path), *arguments)
    assert said.code == code
    assert says in said.err
    assert "Traceback" not in said.err


def test_an_unknown_mixture_is_answered_with_the_nearest(cli) -> None:
    assert "did you mean 'instructblip'" in cli("stream", "instructblp").err


@pytest.mark.parametrize(("number", "word", "code"), [(2, "interrupted", 130), (15, "terminated", 143)])
def test_an_interrupted_stream_prints_its_figures_so_far(cli, tmp_path, monkeypatch, number, word, code) -> None:
    real = Stream.batch

    def signalled(stream: Stream, start: int, count: int):
        if start == 32:
            os.kill(os.getpid(), number)
        return real(stream, start, count)

    monkeypatch.setattr(Stream, "batch", signalled)
    arguments = ("stream", spec(tmp_path), "-n", 96, "--batch-size", 16, "--image-px", 32)
    said = cli(*arguments)
    assert said.code == code
    assert "then 16 samples in" in said.out
    assert said.err.splitlines()[-1] == f"ib-data: {word} after 32 of 96 positions"
    values = json.loads(cli(*arguments, "--json").out)
    assert (values["samples"], values["num_positions"], values["is_cut"]) == (16, 32, True)
    assert cli(*arguments, "--start", 32).out == "no batch was read\n"


def test_interrupted_ids_say_how_many_were_listed(cli, tmp_path, monkeypatch) -> None:
    real = Stream.ids

    def signalled(*arguments):
        for number, row in enumerate(real(*arguments)):
            if number == 7:
                os.kill(os.getpid(), signal.SIGINT)
            yield row

    monkeypatch.setattr(Stream, "ids", signalled)
    said = cli("stream", spec(tmp_path), "-n", 24, "--ids")
    assert said.code == 130
    assert len(said.out.splitlines()) == 7
    assert said.err.splitlines()[-1] == "ib-data: interrupted after 7 of 24 positions"
    assert len(json.loads(cli("stream", spec(tmp_path), "-n", 24, "--ids", "--json").out)) == 7


def test_what_is_not_interrupted_says_so(cli, tmp_path) -> None:
    assert json.loads(cli("stream", spec(tmp_path), "-n", 16, "--json").out)["is_cut"] is False
