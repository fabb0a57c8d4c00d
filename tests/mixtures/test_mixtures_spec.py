"""Specs: what is read, and each refusal in one line."""

from pathlib import Path

import pytest

from ib_data.errors import IbDataError
from ib_data.mixtures import load_mixture, mixture_names, quotas, weights

HELD_IN = {
    "coco_caption": 566_747,
    "web_capfilt": 13_873_136,
    "textcaps": 109_765,
    "vqav2": 443_757,
    "okvqa": 9_009,
    "aokvqa": 17_056,
    "ocrvqa": 800_000,
    "vqav2_qg": 443_757,
    "okvqa_qg": 9_009,
    "aokvqa_qg": 17_056,
    "llava_conversation": 56_681,
    "llava_detail": 23_240,
    "llava_reasoning": 76_643,
}


def spec(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return str(path)


def member(dataset: str = "vqav2", split: str = "train", size: object = 10, more: str = "") -> str:
    return f'[[members]]\ndataset = "{dataset}"\nsplit = "{split}"\nsize = {size}\n{more}\n'


def test_instructblip_has_the_13_held_in_sets_with_their_pinned_sizes() -> None:
    mixture = load_mixture("instructblip")
    assert mixture.rule == "sqrt"
    assert {m.dataset: m.size for m in mixture.members} == HELD_IN
    assert {m.split for m in mixture.members} == {"train"}
    scaled = {m.dataset: m.scale for m in mixture.members if m.scale != 1}
    assert scaled.keys() == {"okvqa", "aokvqa"}
    assert scaled["aokvqa"] < 1 < scaled["okvqa"]


@pytest.mark.parametrize("name", mixture_names())
def test_every_packaged_mixture_has_weights_and_quotas(name: str) -> None:
    mixture = load_mixture(name)
    assert sum(weights(mixture).values()) == pytest.approx(1, abs=1e-12)
    assert min(quotas(mixture).values()) >= 1


def test_a_path_is_read_like_a_name(tmp_path: Path) -> None:
    mixture = load_mixture(spec(tmp_path, 'rule = "uniform"\n' + member(more="scale = 0.5")))
    assert (mixture.name, mixture.rule, mixture.members[0].scale) == ("mine", "uniform", 0.5)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('rule = "sqrt"\n', "a mixture needs members"),
        (member(), "key 'rule' is missing"),
        ('rule = "sqr"\n' + member(), "unknown rule 'sqr'; did you mean 'sqrt'?"),
        ('rule = "sqrt"\nrules = 1\n' + member(), "unknown key 'rules'; did you mean 'rule'?"),
        ('rule = "sqrt"\n' + member(more="sclae = 1"), "members[0]: unknown key 'sclae'; did you mean 'scale'?"),
        ('rule = "sqrt"\n' + member(size=0), "'size' expected an integer from 1 to 2**53, found 0"),
        ('rule = "sqrt"\n' + member(size=-3), "found -3"),
        ('rule = "sqrt"\n' + member(size=10**400), "'size' expected"),
        ('rule = "sqrt"\n' + member(size="1.5"), "'size': expected an integer"),
        ('rule = "sqrt"\n' + member(size="true"), "'size': expected an integer"),
        ('rule = "sqrt"\n' + member(split="training"), "unknown split 'training'; did you mean 'train'?"),
        ('rule = "sqrt"\n' + member() + member(), "members[1]: member 'vqav2' stands twice"),
        ('rule = "sqrt"\n' + member(more="scale = 0"), "all weights are 0"),
        ('rule = "sqrt"\n' + member(more="scale = -1"), "expected a number from 0"),
        ('rule = "sqrt"\n' + member(more="scale = nan"), "expected a number from 0"),
        ('rule = "sqrt"\n' + member(more="scale = inf"), "expected a number from 0"),
        ('rule = "sqrt"\n' + member(more="weight = 1"), "'weight' has no meaning under the rule 'sqrt'"),
        ('rule = "sqrt"\nexponent = 0.5\n' + member(), "'exponent' has no meaning"),
        ('rule = "temperature"\n' + member(), "key 'exponent' is missing"),
        ('rule = "fixed"\n' + member(), "key 'weight' is missing"),
        ('rule = "fixed"\n' + member(more="weight = 0"), "all weights are 0"),
        ("rule = ", "is not TOML"),
    ],
)
def test_a_faulty_spec_is_refused_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = spec(tmp_path, text)
    with pytest.raises(IbDataError) as error:
        load_mixture(path)
    assert says in str(error.value)
    assert path in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(IbDataError, match="unknown mixture 'instructblib'; did you mean 'instructblip'"):
        load_mixture("instructblib")


def test_a_missing_file_and_one_that_is_not_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(IbDataError, match=r"nowhere\.toml is not there"):
        load_mixture("nowhere.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(IbDataError, match="is not UTF-8"):
        load_mixture(tmp_path / "bytes.toml")
