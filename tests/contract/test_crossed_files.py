"""The files of every split given to the builder of every other: an error, a note, or an exception listed here."""

from collections import Counter
from dataclasses import replace

import pytest
from bad_sources import Changed

from ib_data.builders.all import BUILDERS
from ib_data.builders.source.row_counts import tell_count
from ib_data.builders.write.plan import group
from ib_data.cards import load_card
from ib_data.errors import IbDataError

Case = tuple[str, str, str | None]
WHOLE = "their rows say nothing of their split, but whole files are told by their number of rows"
EQUAL = "their rows say nothing of their split, and the official splits have equally many"
FEW = "so few records say nothing of the part they are of; from fifty on they do"
LISTS = "three lists of one form, of which no number of rows is known"
# (of the file, of the builder) -> why the file is read without a word. Nothing else may be.
ACCEPTED = {
    **dict.fromkeys([("gqa/train", "gqa/validation"), ("gqa/validation", "gqa/train")], WHOLE),
    **{(f"hateful_memes/{one}", f"hateful_memes/{two}"): WHOLE for one, two in (
        ("train", "validation"), ("train", "test"), ("validation", "train"), ("validation", "test"), ("test", "train"),
        ("test", "validation"),
    )},
    **{(f"vsr/{one}", f"vsr/{two}"): WHOLE for one, two in (
        ("train", "validation"), ("train", "test"), ("validation", "train"), ("validation", "test"), ("test", "train"),
        ("test", "validation"),
    )},
    **{(f"ivqa/{one}", f"ivqa/{two}"): WHOLE for one, two in (
        ("train", "validation"), ("train", "test"), ("validation", "train"), ("test", "train"),
    )},
    **dict.fromkeys([("ivqa/validation", "ivqa/test"), ("ivqa/test", "ivqa/validation")], EQUAL),
    ("llava_detail/train", "llava_reasoning/train"): FEW,
    ("llava_reasoning/train", "llava_detail/train"): FEW,
    ("web_capfilt/train", "web_capfilt/train"): LISTS,
}  # fmt: skip


def name_of(case: Case) -> str:
    return "/".join(case[:2])


def as_files_of(target: Changed, source: Changed, roles: list[str]) -> Changed:
    """The files of a split with those of another under their names: for each role the same, or else any."""
    parts = dict(target.parts)
    for role in roles:
        given = source.parts.get(role) or next(iter(source.parts.values()))
        if target.located[role].file.tree:
            parts[role] = {name or "choose_txt/1/data.json": data for name, data in given.items()}
        else:
            parts[role] = {"": b"\n".join(given.values())}
    return replace(target, parts=parts, doubted=set())


def outcome(files: Changed, capsys: pytest.CaptureFixture[str]) -> str:
    """What a build says of such files: `refused`, `warned`, `accepted`, or `no row` where it would keep none."""
    capsys.readouterr()
    try:
        images, _ = group(files, BUILDERS[files.dataset](files), load_card(files.dataset).splits[files.split])
    except IbDataError as error:
        return "refused" if str(error).startswith(f"{files.dataset}: ") else f"not a clear line: {error}"
    return "no row" if not images else "warned" if capsys.readouterr().err else "accepted"


def test_every_split_before_the_builder_of_every_other(all_forms: dict[Case, Changed], capsys) -> None:
    counts: Counter[str] = Counter()
    accepted = set()
    for target_case, target in all_forms.items():
        for source_case, source in all_forms.items():
            crossed = as_files_of(target, source, list(target.parts))
            if crossed.parts == target.parts:
                continue  # one file holds several splits, or both forms are the same
            found = outcome(crossed, capsys)
            counts[found] += 1
            if found == "accepted":
                accepted.add((name_of(source_case), name_of(target_case)))
    assert accepted == set(ACCEPTED)
    assert set(counts) == {"refused", "warned", "accepted"}
    assert counts["refused"] > 100 * counts["accepted"]


def test_one_file_of_another_split_beside_the_right_ones(all_forms: dict[Case, Changed], capsys) -> None:
    """Where a split has several files, each of them alone is exchanged."""
    num_crossed = 0
    for target_case, target in all_forms.items():
        for source_case, source in all_forms.items():
            for role in target.parts:
                if len(target.parts) < 2 or role not in source.parts:
                    continue
                crossed = as_files_of(target, source, [role])
                if crossed.parts != target.parts:
                    num_crossed += 1
                    assert outcome(crossed, capsys) == "refused", (source_case, target_case, role)
    assert num_crossed > 100


@pytest.mark.parametrize("pair", [pair for pair, why in ACCEPTED.items() if why == WHOLE], ids=" as ".join)
def test_a_file_of_another_split_is_recognised_by_its_number_of_rows(
    all_forms: dict[Case, Changed], pair: tuple[str, str], capsys
) -> None:
    name, other = pair[0].split("/")
    split = load_card(name).splits[pair[1].split("/")[1]]
    official = load_card(name).splits[other].num_annotations
    assert official is not None
    tell_count(all_forms[name, split.name, None], split, num_rows=official, num_kept=official)
    line = capsys.readouterr().err
    assert f"{official:,} rows, as many as the official split" in line
    assert line.rstrip().endswith("is this the file of another split?")


def test_more_annotations_than_the_official_split_has_are_named(all_forms: dict[Case, Changed], capsys) -> None:
    """A whole file or a part of one is no news."""
    files, split = all_forms["vsr", "test", None], load_card("vsr").splits["test"]
    for num_rows in (1222, 1221, 7):
        tell_count(files, split, num_rows=num_rows, num_kept=num_rows)
    tell_count(files, split, num_rows=1300, num_kept=1222)
    assert capsys.readouterr().err == ""
    tell_count(files, split, num_rows=2195, num_kept=2195)  # the random split's
    assert "2,195 annotations, more than the 1,222 of the official split test" in capsys.readouterr().err


def test_the_numbers_of_a_card_are_those_of_its_first_form(all_forms: dict[Case, Changed], capsys) -> None:
    split = load_card("coco_caption").splits["validation"]
    tell_count(all_forms["coco_caption", "validation", "official"], split, num_rows=25_014, num_kept=25_014)
    assert capsys.readouterr().err == ""
    tell_count(all_forms["coco_caption", "validation", "karpathy"], split, num_rows=25_014, num_kept=25_014)
    assert "more than the 25,010" in capsys.readouterr().err
