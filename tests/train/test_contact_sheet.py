import numpy as np
import pytest
from PIL import Image

from contact_sheet import main, parse_args, some_of_each_class
from grefel_train.data.contact_sheet import GAP
from tests.helpers.launch import run

COLOURS = {"happiness": (200, 120, 40), "neutral": (60, 160, 90), "surprise": (90, 60, 180)}


@pytest.fixture
def faces(tmp_path):
    """Four plain squares of each class, in its colour."""
    for name, colour in COLOURS.items():
        folder = tmp_path / "faces" / name
        folder.mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (48, 48), colour).save(folder / f"{number}.png")
    return tmp_path / "faces"


def tile(sheet: Image.Image, row: int, column: int, size: int) -> np.ndarray:
    left, top = column * (size + GAP), row * (size + GAP)
    return np.asarray(sheet.crop((left, top, left + size, top + size)))


def test_script_writes_rows_of_originals_and_versions(faces, tmp_path):
    output = tmp_path / "sheet.png"
    flags = ["--output", output, "--faces", "3", "--versions", "4", "--side", "40", "--resize_size", "48"]
    result = run("train/contact_sheet.py", "--train_dir", faces, *flags)
    assert result.returncode == 0, result.stderr
    assert "3 faces, 4 versions" in result.stdout
    sheet = Image.open(output)
    assert sheet.format == "PNG"
    assert sheet.size == (5 * (40 + GAP) - GAP, 3 * (40 + GAP) - GAP)
    for row, colour in enumerate(COLOURS.values()):  # one of each class, by id
        original = tile(sheet, row, 0, 40)
        assert (original[20:] == colour).all()  # below the name
        assert (original[:20] != colour).any()
        versions = [tile(sheet, row, column, 40) for column in range(1, 5)]
        assert any((version != original).any(-1).mean() > 0.9 for version in versions)
    assert np.asarray(sheet)[:, 40].min() == 255  # the gap


def test_strength_0_leaves_plain_faces_as_they_are_and_a_seed_repeats_the_sheet(faces, tmp_path):
    sheets = []
    for strength in ("0", "1", "1"):
        flags = ["--train_dir", str(faces), "--faces", "3", "--side", "40", "--augmentation_strength", strength]
        main(parse_args([*flags, "--output", str(tmp_path / "sheet.png")]))
        sheets.append(Image.open(tmp_path / "sheet.png").copy())
    for row, colour in enumerate(COLOURS.values()):
        assert np.abs(tile(sheets[0], row, 9, 40).astype(int) - colour).max() <= 1
    assert sheets[1] == sheets[2] != sheets[0]


def test_rows_show_all_classes_evenly():
    labels = np.repeat([0, 1, 2], [500, 40, 10])
    chosen = some_of_each_class(labels, 6, seed=0)
    assert labels[chosen].tolist() == [0, 0, 1, 1, 2, 2]
    assert len(set(chosen)) == 6
    assert chosen != some_of_each_class(labels, 6, seed=1)


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--augmentation_strength", "2"], "between 0 and 1.5, not 2.0"),
        (["--faces", "0"], "below 1"),
        (["--streaming"], "leave out --streaming"),
        (["--resize_size", "32", "--side", "40"], "not smaller"),
        (["--output", "nowhere/sheet.png"], "nowhere/sheet.png"),
    ],
)
def test_bad_flags_end_with_a_message(flags, message, faces, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit:
        main(parse_args(["--train_dir", str(faces), "--output", "sheet.png", *flags]))
    assert message in f"{exit.value}{capsys.readouterr().err}"


def test_the_sheet_shows_strength_and_greyscale_of_the_recipe(faces, tmp_path, capsys):
    (tmp_path / "recipe.yaml").write_text("augmentation_strength: 0.25\ndo_grayscale: true\nnum_train_epochs: 3\n")
    words = ["--config", tmp_path / "recipe.yaml", "--train_dir", faces, "--output", tmp_path / "sheet.png"]
    main(parse_args([*map(str, words), "--faces", "3"]))
    assert "in grey at strength 0.25" in capsys.readouterr().out
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape[0] == 3 * (112 + GAP) - GAP
    face = sheet[30:112]
    assert np.ptp(face, axis=-1).max() == 0 and np.ptp(sheet) > 0
