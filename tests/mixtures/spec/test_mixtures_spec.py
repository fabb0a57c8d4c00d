"""Specs: what is read, and each error in one line."""

from pathlib import Path

import pytest

from ib_data.errors import IbDataError
from ib_data.mixtures.spec.built_members import require_known
from ib_data.mixtures.spec.spec_file import load_mixture, mixture_names
from ib_data.mixtures.spec.weights import quotas, weights

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
    assert {m.name: m.size for m in mixture.members} == HELD_IN
    assert {m.split for m in mixture.members} == {"train"}
    scaled = {m.name: m.scale for m in mixture.members if m.scale != 1}
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
        ('rule = "sqrt"\n' + member(size=10**400), f"from 1 to 2**53, found 1{'0' * 56}..."),
        ('rule = "sqrt"\n' + member(size="1.5"), "'size': expected an integer"),
        ('rule = "sqrt"\n' + member(size="true"), "'size': expected an integer"),
        ('rule = "sqrt"\n' + member(split="training"), "unknown split 'training'; did you mean 'train'?"),
        ('rule = "sqrt"\n' + member() + member(), "members[1]: member 'vqav2' is listed twice"),
        ('rule = "sqrt"\n' + member(more="scale = 0"), "all weights are 0"),
        ('rule = "sqrt"\n' + member(more="scale = -1"), "expected a number from 0"),
        ('rule = "sqrt"\n' + member(more="scale = nan"), "expected a number from 0"),
        ('rule = "sqrt"\n' + member(more="scale = inf"), "expected a number from 0"),
        ('rule = "sqrt"\n' + member(more="weight = 1"), "'weight' has no meaning under the rule 'sqrt'"),
        ('rule = "sqrt"\nexponent = 0.5\n' + member(), "'exponent' has no meaning"),
        ('rule = "temperature"\n' + member(), "key 'exponent' is missing"),
        (
            'rule = "temperature"\nexponent = 1e6\n' + member(),
            "'exponent': expected a number from 0 to 10, found 1000000.0",
        ),
        ('rule = "temperature"\nexponent = -1\n' + member(), "'exponent': expected a number from 0 to 10, found -1.0"),
        ('rule = "sqrt"\n' + member(more="scale = 2e6"), "'scale': expected a number from 0 to 1e+06, found 2000000.0"),
        ('rule = "fixed"\n' + member(), "key 'weight' is missing"),
        ('rule = "fixed"\n' + member(more="weight = 0"), "all weights are 0"),
        ("rule = ", "not TOML"),
    ],
)
def test_a_faulty_spec_is_refused_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = spec(tmp_path, text)
    with pytest.raises(IbDataError) as error:
        load_mixture(path)
    assert says in str(error.value)
    assert path in str(error.value)
    assert "\n" not in str(error.value)


def test_a_dataset_may_stand_twice_under_two_tasks(tmp_path: Path) -> None:
    text = 'rule = "sqrt"\n' + member() + member(more='task = "question_generation"') + member("okvqa")
    mixture = load_mixture(spec(tmp_path, text))
    assert mixture.names == ("vqav2", "vqav2/question_generation", "okvqa")
    assert mixture.only(["vqav2/question_generation"]).members[0].task == "question_generation"
    require_known(mixture)


def test_a_cap_and_render_options_are_read(tmp_path: Path) -> None:
    text = 'rule = "proportional"\n' + member(more="cap = 4") + '[render]\nturns = "chat"\nanswers = "majority"\n'
    mixture = load_mixture(spec(tmp_path, text))
    assert (mixture.members[0].cap, mixture.members[0].counted_size) == (4, 4)
    assert (mixture.render.turns, mixture.render.answers, mixture.render.option_order) == ("chat", "majority", "source")


STAGED = 'rule = "sqrt"\n' + member() + member("okvqa", more="scale = 0")


def stage(start: object = 1024, more: str = 'rule = "uniform"') -> str:
    return f"[[stages]]\nstart = {start}\n{more}\n"


def test_stages_are_read_and_change_only_what_they_name(tmp_path: Path) -> None:
    text = STAGED + stage(more="scales = { okvqa = 2 }") + stage(4096, 'rule = "temperature"\nexponent = 0.3')
    mixture = load_mixture(spec(tmp_path, text + stage(5120, "exponent = 0.1")))
    assert mixture.starts == (0, 1024, 4096, 5120)
    assert [m.scale for m in mixture.at(1023).members] == [1.0, 0.0]
    assert [m.scale for m in mixture.at(10**9).members] == [1.0, 2.0]
    found = [(mixture.at(p).rule, mixture.at(p).exponent) for p in (0, 1024, 4096, 5120)]
    assert found == [("sqrt", None), ("sqrt", None), ("temperature", 0.3), ("temperature", 0.1)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (STAGED + stage(1025), "stages[0]: 'start' expected a multiple of 1024, found 1025; the next one is 2048"),
        (STAGED + stage(0), "a stage that starts too early"),
        (STAGED + stage(-1024), "a stage that starts too early"),
        (STAGED + stage(2048) + stage(2048), "stages[1]: 'start' 2048 is not after 2048"),
        (STAGED + stage(2048) + stage(1024), "stages[1]: 'start' 1024 is not after 2048"),
        (STAGED + stage('"1024"'), "'start': expected an integer"),
        (STAGED + stage(2**62 + 1024), "'start' expected a position of at most 2**62, found 4611686018427388928"),
        (STAGED + stage(99999999999999999999), "'start' expected a position of at most 2**62"),
        (STAGED + "[[stages]]\nstart = 1024\n", "a stage that changes nothing"),
        (STAGED + stage(more="scales = {}"), "a stage that changes nothing"),
        (STAGED + stage(more='rule = "unifrom"'), "unknown value 'unifrom'; did you mean 'uniform'?"),
        (STAGED + stage(more="scale = 1"), "stages[0]: unknown key 'scale'; did you mean 'scales'?"),
        (STAGED + stage(more="exponent = 0.5"), "'exponent' has no meaning under the rule 'sqrt'"),
        (STAGED + stage(more='rule = "temperature"'), "key 'exponent' is missing"),
        (
            STAGED + stage(more="scales = { okvq = 1 }"),
            "stages[0].scales: there is no member 'okvq'; did you mean 'okvqa'?",
        ),
        (STAGED + stage(more="scales = { okvqa = -1 }"), "expected a number from 0"),
        (STAGED + stage(more="scales = { vqav2 = 0 }"), "stages[0]: all weights are 0 from position 1024 on"),
        (STAGED + stage(more='rule = "fixed"'), "members[0]: key 'weight' is missing"),
        ('rule = "sqrt"\n' + member(more='task = "question_generatoin"'), "did you mean 'question_generation'?"),
        ('rule = "sqrt"\n' + member(more='task = "llava"') * 2, "'vqav2/llava' is listed twice"),
        ('rule = "sqrt"\n' + member(more="cap = 0"), "'cap' expected an integer from 1"),
        ('rule = "uniform"\n' + member(more="cap = 5"), "'cap' has no meaning under the rule 'uniform'"),
        (
            'rule = "sqrt"\nrender = { answer = "majority" }\n' + member(),
            "unknown key 'answer'; did you mean 'answers'?",
        ),
        ('rule = "sqrt"\nwithout = ["vqav2"]\n' + member(), "'without' has no meaning without 'base'"),
    ],
)
def test_faulty_stages_views_and_caps_are_refused_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    test_a_faulty_spec_is_refused_in_one_line(tmp_path, text, says)


def test_a_spec_on_a_base_takes_what_it_does_not_write(tmp_path: Path) -> None:
    text = 'base = "instructblip"\nonly = ["okvqa", "aokvqa", "vqav2"]\nscales = { aokvqa = 2 }\n'
    mixture = load_mixture(spec(tmp_path, text + member("vsr")))
    assert (mixture.name, mixture.rule) == ("mine", "sqrt")
    assert [(m.name, m.size, m.scale) for m in mixture.members] == [
        ("okvqa", 9_009, 1.5),
        ("aokvqa", 17_056, 2.0),
        ("vqav2", 443_757, 1.0),
        ("vsr", 10, 1.0),
    ]
    assert load_mixture(spec(tmp_path, 'base = "instructblip"\nrule = "uniform"\n')).rule == "uniform"


def test_a_base_may_be_a_file_beside_the_spec_and_hands_on_its_stages(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(STAGED + stage(more="scales = { okvqa = 2 }") + '[render]\nturns = "chat"\n')
    mixture = load_mixture(spec(tmp_path, 'base = "base.toml"\n'))
    assert mixture.starts == (0, 1024)
    assert mixture.render.turns == "chat"
    assert load_mixture(spec(tmp_path, 'base = "base.toml"\n' + stage(2048))).starts == (0, 2048)
    with pytest.raises(IbDataError, match="all weights are 0"):
        load_mixture(spec(tmp_path, 'base = "base.toml"\nonly = ["okvqa"]\n'))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('base = "instructblib"\n', "unknown mixture 'instructblib'; did you mean 'instructblip'"),
        ('base = "gone.toml"\n', "gone.toml does not exist"),
        ('base = "mine.toml"\n', "'mine.toml' is this spec itself"),
        ('base = "demo"\n', "'demo' has a base of its own"),
        ('base = "instructblip"\nwithout = ["okvqa"]\nonly = ["vqav2"]\n', "'without' and 'only' are both given"),
        (
            'base = "instructblip"\nwithout = ["okvq"]\n',
            "'without': instructblip has no member 'okvq'; did you mean 'okvqa'?",
        ),
        (
            'base = "instructblip"\nonly = ["vqa2"]\n',
            "'only': instructblip has no member 'vqa2'; did you mean 'vqav2'?",
        ),
        ('base = "instructblip"\nonly = ["vqav2", "vqav2"]\n', "'vqav2' is listed twice"),
        ('base = "instructblip"\nonly = []\n', "a mixture needs members; keep at least one of its base"),
        ('base = "instructblip"\nwithout = ["okvqa"]\nscales = { okvqa = 2 }\n', "scales: there is no member 'okvqa'"),
        ('base = "instructblip"\nscales = { okvqa = nan }\n', "expected a number from 0"),
        ('base = "instructblip"\nrule = "fixed"\n', "key 'weight' is missing"),
        ('base = "instructblip"\nexponent = 0.5\n', "'exponent' has no meaning under the rule 'sqrt'"),
        ('base = "instructblip"\n' + member("okvqa"), "members[0]: member 'okvqa' is listed twice"),
        ('base = "instructblip"\nwithuot = []\n', "unknown key 'withuot'; did you mean 'without'?"),
        ("base = 3\n", "'base': expected a text"),
    ],
)
def test_a_faulty_derived_spec_is_refused_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    test_a_faulty_spec_is_refused_in_one_line(tmp_path, text, says)


def test_the_packaged_mixtures_are_what_they_say() -> None:
    assert set(mixture_names()) >= {"captions", "held-in-available", "instructblip-no-balance", "proportional", "demo"}
    for name in mixture_names():
        mixture = load_mixture(name)
        require_known(mixture)
        if name == "miniature":  # the only one with sizes of its own
            assert mixture.names == tuple(HELD_IN)
            continue
        known = {"scienceqa": 6_218} if name == "scienceqa-train" else HELD_IN
        assert {m.name: m.size for m in mixture.members}.items() <= known.items()  # one place for every size
    for name, rule in (("instructblip-no-balance", "uniform"), ("proportional", "proportional")):
        mixture = load_mixture(name)
        assert (mixture.rule, mixture.names) == (rule, tuple(HELD_IN))
        assert {m.scale for m in mixture.members} == {1.0}
    available = load_mixture("held-in-available")
    assert available.names == tuple(name for name in HELD_IN if name != "web_capfilt")
    assert available.members[3].scale == load_mixture("instructblip").members[4].scale == 1.5
    assert load_mixture("captions").names == ("coco_caption", "textcaps")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (member("vqa2"), "unknown dataset 'vqa2'; did you mean 'vqav2'?"),
        (
            member("vsr", more='task = "llava"'),
            "vsr: mixture mine: task 'llava' cannot be rendered from statement, label",
        ),
        (member("coco_caption", more='task = "visual_dialogue"'), "enough for: captioning, captioning_scene_text"),
        (member("vqav2", split="test", more='task = "question_generation"'), "enough for: no task"),
        (member("coco_caption", split="test") + member("llava_detail", split="test"), "there is no split 'test'"),
    ],
)
def test_members_that_no_card_can_serve_are_refused_in_one_line(tmp_path: Path, row: str, says: str) -> None:
    mixture = load_mixture(spec(tmp_path, 'rule = "sqrt"\n' + row))
    with pytest.raises(IbDataError) as error:
        require_known(mixture)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(IbDataError, match="unknown mixture 'instructblib'; did you mean 'instructblip'"):
        load_mixture("instructblib")


def test_a_missing_file_and_one_that_is_not_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(IbDataError, match=r"nowhere\.toml does not exist"):
        load_mixture("nowhere.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(IbDataError, match="is not UTF-8"):
        load_mixture(tmp_path / "bytes.toml")


def test_the_largest_exponent_gives_weights(tmp_path: Path) -> None:
    text = 'rule = "temperature"\nexponent = 10\n' + member(size=2**53) + member("okvqa", size=2**52)
    share = weights(load_mixture(spec(tmp_path, text)))
    assert share == pytest.approx({"vqav2": 1024 / 1025, "okvqa": 1 / 1025})


def test_many_stages_are_read_at_once(tmp_path: Path) -> None:
    # In time that grows with the square of their number 4,000 stages were minutes.
    stages = "".join(stage(1024 * (i + 1), f"scales = {{ okvqa = {1 + i} }}") for i in range(4000))
    mixture = load_mixture(spec(tmp_path, STAGED + stages))
    found = [stage.members[1].scale for _, stage in mixture.in_stages()]
    assert found == [0.0, *range(1, 4001)]
    assert mixture.at(10**9).members[1].scale == 4000
