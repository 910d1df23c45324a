"""One fixed colour per expression, distinguishable with every common kind of colour blindness (Okabe and Ito)."""

ORANGE, SKY_BLUE, GREEN, YELLOW = "#e69f00", "#56b4e9", "#009e73", "#f0e442"
BLUE, VERMILLION, PURPLE, GREY = "#0072b2", "#d55e00", "#cc79a7", "#8b919c"
NO_ANSWER = "#767b85"

# Data sets name the same class differently.
_COLOURS = {
    "neutral": GREY,
    "happiness": ORANGE,
    "happy": ORANGE,
    "surprise": SKY_BLUE,
    "surprised": SKY_BLUE,
    "sadness": BLUE,
    "sad": BLUE,
    "anger": VERMILLION,
    "angry": VERMILLION,
    "disgust": GREEN,
    "disgusted": GREEN,
    "fear": PURPLE,
    "fearful": PURPLE,
    "contempt": YELLOW,
    "contemptuous": YELLOW,
}
_ALL = (ORANGE, SKY_BLUE, BLUE, VERMILLION, GREEN, PURPLE, YELLOW, GREY)


def class_colours(labels: tuple[str, ...]) -> dict[str, str]:
    """
    A colour (#rrggbb) for every class.

    Known expressions always have the same one. Others take what is left, in the model's order; with more than eight
    classes colours repeat, so no figure may rely on colour alone.
    """
    colours = {label: _COLOURS[label.lower()] for label in labels if label.lower() in _COLOURS}
    others = [label for label in labels if label not in colours]
    free = [colour for colour in _ALL if colour not in colours.values()] or list(_ALL)
    colours |= {label: free[index % len(free)] for index, label in enumerate(others)}
    return colours


def answer_colour(labels: tuple[str, ...], answer: str) -> str:
    """The colour of a label, grey for an answer that is none of them: "cannot tell"."""
    return class_colours(labels).get(answer, NO_ANSWER)
