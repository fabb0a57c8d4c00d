"""Strangers' templates and strangers' texts: what is refused, what is bounded, and that data stays data."""

import os
import re
import sys
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ib_data.errors import DataError
from ib_data.tasks import TASKS
from ib_data.templates.language import (
    MAX_RENDERED,
    MAX_TEXT,
    TemplateTextError,
    always_renders,
    compiled,
    names_shown,
    names_tested,
    names_used,
    render_text,
)
from ib_data.templates.library import PACKAGED, Library
from ib_data.templates.template_file import KNOWN_FIELDS, MAX_FILE_BYTES

TEMPLATES = [template for task in TASKS for template in PACKAGED.load(task)]
HOSTILE = (
    "{{ 7 * 7 }}", "{% raw %}", "{# no #}", "{{ question.__class__.__mro__ }}", "100% of %s %(x)s {0} {question} $x",
    "<script>alert('x')</script> & \"quoted\"", "\u05de\u05d4 \u202e txt \u202c \u200f?", "bell\x07 \x1b[31m nul\x00",
    "a\r\nb\u2028c", "\ud800 half", "\ue000 marks \ue001", "\\n \\x41 \\u0041",
)  # fmt: skip
texts = st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1), st.text("{}%#-+ \n'\"question|", min_size=1))


def refusal(text, **values):
    """The message that answers an unusable template, within two seconds of processor time."""
    start = time.process_time()
    with pytest.raises(TemplateTextError) as caught:
        render_text(text, values)
    assert time.process_time() - start < 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{% for x in question %}{{ x }}{% endfor %}", "a loop"),
        ("{% for x in question recursive %}{{ loop(x) }}{% endfor %}", "a loop"),
        ("{% set x = question %}{{ x }}", "set"),
        ("{% set x %}a{% endset %}", "set"),
        ("{% macro m() %}{{ m() }}{% endmacro %}", "a macro"),
        ("{% call question() %}{% endcall %}", "callblock"),
        ("{% block b %}{% endblock %}", "block"),
        ("{% extends 'x' %}", "extends"),
        ("{% import 'os' as os %}", "import"),
        ("{% from 'os' import path %}", "fromimport"),
        ("{% include question %}", "include"),
        ("{% filter upper %}x{% endfilter %}", "filterblock"),
        ("{% with x = 1 %}{% endwith %}", "with"),
        ("{{ question.__class__ }}", "an attribute"),
        ("{{ question['__class__'] }}", "an item"),
        ("{{ question[1:] }}", "an item"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "a call"),
        ("{{ question.format(question) }}", "a call"),
        ("{{ range(10 ** 9) }}", "a call"),
        ("{{ question * 1000000000 }}", "arithmetic"),
        ("{{ 10 ** 10 ** 10 }}", "arithmetic"),
        ("{{ question % question }}", "arithmetic"),
        ("{{ -1 }}", "arithmetic"),
        ("{{ question ~ question }}", "the operator ~"),
        ("{{ [question] }}", "list"),
        ("{{ question is defined }}", "an `is` test"),
        ("{{ none }}", "the value None"),
        ("{{ 1e999 }}", "the value inf"),
    ],
)
def test_what_no_template_needs_is_refused_with_what_is_allowed(text, found):
    message = refusal(text, question="x")
    assert message.startswith(f"a template may not use {found}")
    assert message.endswith("allowed are names, texts, if/elif/else, and/or/not and comparisons in conditions, and the "
                            "filters capitalize, lower, replace, title, trim, truncate, upper")  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ question|upper }} {{ 'a' if question == 'x' else 'b' }}", "X a"),
        ("{% if question and not 'y' in question or 2 < 1 %}yes{% elif question %}no{% else %}?{% endif %}", "yes"),
        ("{{ question|replace('x', 'yy')|title|truncate(9, end='') }}", "Yy"),
        ("{# a remark #}{% raw %}{{ raw }}{% endraw %}{{ 3 }}", "{{ raw }}3"),
    ],
)
def test_what_templates_need_is_rendered(text, expected):
    assert render_text(text, {"question": "x"}) == expected


@pytest.mark.parametrize(
    ("text", "problem", "line"),
    [
        ("a\n{{ nope }}", "cannot be rendered: 'nope' is undefined", 2),
        ("{% if question %}\n\n{{ nope }}{% endif %}", "cannot be rendered: 'nope' is undefined", 3),
        ("a\n\n{{ question", "unexpected end of template", 3),
        ("a\n{% if %}", "Expected an expression", 2),
        ("{% endless %}", "Encountered unknown tag 'endless'", 1),
        ("{{ question|attr('x') }}", "no filter 'attr'; known: capitalize, lower", 1),
        ("{% if question %}{{ question|uper }}{% endif %}", "no filter 'uper'; did you mean 'upper'?", 1),
        ("{{ question|upper(*question) }}", "a filter may not be given * or **", 1),
        ("a\n{{ question|truncate(2) }}", "cannot be rendered: expected length >= 3, got 2", 2),
        ("a\n{{ question|replace }}", "cannot be rendered: ", 2),
        ("{% if question < 1 %}a{% endif %}", "cannot be rendered: ", 1),
    ],
)
def test_a_faulty_text_is_answered_with_its_line(text, problem, line):
    with pytest.raises(TemplateTextError) as caught:
        render_text(text, {"question": "long enough"})
    assert str(caught.value).startswith(problem)
    assert caught.value.line == line


def repeated(piece, before="", after=""):
    """A text of nearly MAX_TEXT characters."""
    return before + piece * ((MAX_TEXT - len(before) - len(after)) // len(piece)) + after


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        (repeated("|upper", "{{ question", " }}"), True),
        (repeated("|upper", "{{ 'aaaaaaaa'", " }}"), True),
        ("{{ " + "(" * 900 + "question" + ")" * 900 + " }}", True),
        (repeated("not ", "{% if ", "q %}x{% endif %}"), True),
        (repeated(" or q", "{% if q", " %}x{% endif %}"), True),
        ("{% if q %}" * 98 + "x" + "{%endif%}" * 98, True),
        (repeated("'a' if q else ", "{{ ", "q }}"), True),
        (repeated("{{ "), True),
        (repeated("{{ q" + "|trim" * 17 + " }}"), False),
        (repeated("{{ 'a'" + "|trim" * 17 + " }}"), False),
        (repeated("{%elif q%}", "{%if q%}", "{%endif%}"), False),
        (repeated("{{q}}"), False),
        (repeated("q==", "{% if ", "q %}x{% endif %}"), False),
    ],
    ids=["filters", "constants", "brackets", "nots", "ors", "ifs", "elses", "openings", "trims", "folds", "elifs",
         "names", "comparisons"],
)  # fmt: skip
def test_every_text_is_refused_or_compiled_in_few_steps(text, refused):
    assert len(text) <= MAX_TEXT
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        compiled(text)
    except TemplateTextError:
        assert refused
    else:
        assert not refused
    finally:
        sys.setprofile(None)
    assert calls < 500_000  # 245,000 for `trims`; 150 filters around one name took 4.2 million


@pytest.mark.parametrize("shown", ["q == 'x'", "not q", "q and p", "q or p", "q|replace(q < p, 'x')", "(q or p)|upper"])
def test_a_condition_is_no_text_to_show(shown):
    message = refusal(f"a\n{{{{ {shown} }}}}", q="x", p="y")
    assert message.startswith("a template may not show ")
    assert ", which belongs in a condition; allowed are names, texts, " in message
    assert (
        render_text("{% if q and p or not (q == 'x') %}{{ 'a' if q < p else 'b' }}{% endif %}", {"q": "x", "p": "y"})
        == "a"
    )


@pytest.mark.parametrize("depth", [200, 20_000])
def test_a_deeply_nested_file_is_refused_in_one_line(tmp_path, depth):
    (tmp_path / "captioning.toml").write_text(f"a = {'[' * depth}", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        Library(tmp_path).load("captioning")
    assert re.search(r"captioning\.toml: (file|line 1, file): (nested too deeply; write|not TOML)", str(caught.value))


def test_what_is_no_regular_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "captioning.toml")
    (tmp_path / "classification.toml").mkdir()
    for task in ("captioning", "classification"):
        with pytest.raises(DataError, match=rf"{task}\.toml: file: not a regular file"):
            Library(tmp_path).load(task)


def test_a_file_is_bounded(tmp_path):
    body = "target = '{{ caption }}'\n#"
    path = tmp_path / "captioning.toml"
    path.write_text(body + "x" * (MAX_FILE_BYTES - len(body)), encoding="utf-8")
    assert Library(tmp_path).load("captioning") == ()
    path.write_text(body + "x" * (MAX_FILE_BYTES - len(body) + 1), encoding="utf-8")
    (found,) = Library(tmp_path).file("captioning").faults
    assert str(found).endswith("captioning.toml: file: more than 1,000,000 bytes; keep fewer or shorter templates")


def test_a_long_text_is_refused():
    assert refusal("x" * (MAX_TEXT + 1)) == "a template of 2,001 characters; at most 2,000 are allowed"
    assert render_text("x" * MAX_TEXT, {}) == "x" * MAX_TEXT


LONG = f"longer than {MAX_RENDERED:,} characters"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ question }}", "a" * 10_000_000),
        ("{{ question|upper }}", "a" * 10_000_000),
        ("{{ question }}" * 100, "a" * 1_001),
        ("{{ question|replace('a', 'aa') }}", "a" * (MAX_RENDERED // 2 + 1)),
        ("{{ question|replace('', '" + "b" * 1900 + "') }}", "a" * 100),
        ("{{ 'aaaaaaaaaa'" + "|replace('a', 'aaaaaaaaaa')" * 15 + " }}", "x"),
        ("{{ question" + "|replace('a', 'aaaaaaaaaa')" * 15 + " }}", "a"),
        ("{{ question|truncate(9, end=question) }}", "a" * 10_000_000),
    ],
)
def test_an_endless_output_is_refused(text, value):
    assert LONG in refusal(text, question=value)


def test_an_output_as_long_as_allowed_is_rendered():
    value = "a" * MAX_RENDERED
    assert render_text("{{ question }}", {"question": value}) == value
    assert render_text("{{ question|replace('a', 'b') }}", {"question": value}) == "b" * MAX_RENDERED
    half = "a" * (MAX_RENDERED // 2)
    assert render_text("{{ question|replace('a', 'bb') }}", {"question": half}) == "b" * MAX_RENDERED


@pytest.mark.parametrize("text", ["{{ question.__class__ }}", "{% for a in question %}{{ a }}{% endfor %}", "x" * 2001])
def test_a_folder_of_a_users_own_gets_the_same_rules(tmp_path, text):
    body = f"target = '{{{{ answer }}}}'\n[train]\nfine = '{{{{ question }}}}'\nbad = '{text}'\n"
    (tmp_path / "question_answering.toml").write_text(body, encoding="utf-8")
    with pytest.raises(DataError, match=r"question_answering\.toml: line 4, template 'bad': a template "):
        Library(tmp_path).load("question_answering")
    (tmp_path / "question_answering.toml").write_text(f"target = '{text}'\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 1, target: a template "):
        Library(tmp_path).load("question_answering")


@given(st.fixed_dictionaries(dict.fromkeys(KNOWN_FIELDS, texts)), st.sampled_from(TEMPLATES))
@settings(max_examples=300, deadline=None)
def test_values_are_never_read_as_templates_and_leave_the_rest_alone(values, template):
    places = {name: f"\ue100{name}\ue101" for name in KNOWN_FIELDS}
    pattern = render_text(template.text, places)
    expected = re.sub("\ue100(.*?)\ue101", lambda found: values[found[1]], pattern)
    assert render_text(template.text, values) == expected


@given(texts)
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_template_or_refused_in_one_way(text):
    with suppress(TemplateTextError):
        assert len(render_text(text, dict.fromkeys(KNOWN_FIELDS, "x"))) <= MAX_RENDERED


def test_names_by_what_becomes_of_them():
    text = "{{ a|replace(b, 'x') }}{% if c and d == 'x' %}{{ e }}{% endif %}{{ f if g else h }}"
    assert names_used(text) == set("abcdefgh")
    assert names_tested(text) == set("cdg")
    assert names_shown(text) == set("abefh")


def test_a_text_is_compiled_once():
    text = "{{ question|upper }}"
    assert compiled(text) is compiled(text)


@pytest.mark.parametrize(
    ("text", "is_plain"),
    [
        ("Say {{ question|trim|lower }}{% if context and not label %} {{ context }}{% endif %}", True),
        ("{{ question|replace }}", False),
        ("{{ question|truncate }}", False),
        ("{{ question|lower(1) }}", False),
        ("{{ 3|lower }}", False),
        ("{{ 3|truncate|lower }}", False),
        ("{% if question < 3 %}a{% endif %}", False),
        ("{{ 'a' if question }}", False),
    ],
)
def test_a_text_that_may_fail_is_tried_when_it_is_read(text, is_plain):
    assert always_renders(text) is is_plain


def test_reading_the_packaged_templates_compiles_only_what_may_fail():
    compiled.cache_clear()
    library = Library()
    texts = {t for task in TASKS for template in library.load(task) for t in (template.text, template.targets[0].text)}
    tried = {text for text in texts if not always_renders(text)}
    assert len(tried) < len(texts) / 4
    assert compiled.cache_info().misses <= len(tried) + 5  # of second and third targets
    for text in texts - tried:
        assert render_text(text, dict.fromkeys(KNOWN_FIELDS, "x"))
