"""Classes that are the same under other names."""

import pytest

from grefel_train.data.class_names import describe_classes, meaning, same_classes

KNOWN = ("neutral", "happiness", "surprise", "sadness", "anger")


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("happiness", "boredom", "anger"), [1, None, 4]),
        (("Happiness", " ANGER "), [1, 4]),
        (("happy", "Sad", "Surprised", "angry"), [1, 3, 2, 4]),
        (("freude", "Wut", "Überraschung"), [1, 4, 2]),
        (("U\u0308berraschung",), [2]),  # as macOS writes it
        (("0_neutral", "03 - Happy", "4"), [0, 1, None]),
        (("joy", "happiness"), [None, 1]),  # the closer spelling has it
        (("happy", "joy"), [1, None]),
    ],
)
def test_classes_are_found_under_other_spellings_and_words(names, found):
    assert same_classes(names, KNOWN) == found


def test_the_word_for_a_class():
    assert [meaning(name) for name in ("Joyful", "02.fear", "No_Expression", "tired")] == [
        "happiness",
        "fear",
        "neutral",
        "tired",
    ]


def test_what_is_kept_new_and_dropped_is_told():
    text = describe_classes(("happy", "anger", "boredom"), KNOWN)
    assert text.splitlines()[1:] == [
        "  kept     happy (as happiness), anger",
        "  new      boredom",
        "  dropped  neutral, surprise, sadness",
    ]
