"""Prose in lines of one width; all else as it is."""

from grefel_train.hub.prose import rendered, wrapped


def test_paragraphs_and_points_are_filled_anew():
    text = wrapped("# A heading\n\none\n  two\n\n\n- a\n  point\n- " + "long " * 30)
    assert text.startswith("# A heading\n\none two\n\n- a point\n- long long")
    assert all(len(line) <= 118 for line in text.splitlines()) and "\n  long" in text


def test_tables_and_code_stay():
    text = "| a | b |\n|---|---|\n\n    indented   code\n\n```python\nx  =  1\n\ny = 2\n```\n"
    assert wrapped(text) == text


def test_no_line_begins_with_a_per_cent_sign():
    assert all(not line.startswith("%") for line in wrapped("100 % " * 60).splitlines())


def test_tags_within_a_paragraph_do_not_break_it(tmp_path):
    template = tmp_path / "text.md"
    template.write_text(
        "{% call paragraph() %}\nHalf is\n{% if share %}\n{{ percent(share) }}.\n{% endif %}\n{% endcall %}"
    )
    assert rendered(template, share=0.5) == "Half is 50.0 %.\n"
