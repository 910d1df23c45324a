"""
RAF-DB, single-label subset (Li, Deng and Du, 2017): faces from the web in seven basic expressions, aligned.

Where: http://www.whdeng.cn/raf/model1.html, on request to its authors, who send the password of the archive. Terms:
non-commercial research only; no copying, publishing or distributing of any portion, except within one site of the
same organisation.

Layout, in the folder `basic` of the archive:

    EmoLabel/list_patition_label.txt        lines "train_00001.jpg 5", labels from 1
    Image/aligned/train_00001_aligned.jpg   100 x 100 pixels

There is no validation split: training holds a share of `train` out, unless `--validation_split test` asks for figures
as the literature has them. The best epoch is then chosen on test images.
"""

from pathlib import Path

from grefel_train.data.adapters.canonical import Adapter, FaceSplits, face_split, require

# In the order of the file's labels 1 to 7.
LABEL_NAMES = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")


def load(folder: Path) -> FaceSplits:
    """
    Splits "train" and "test".

    Raises:
        FileNotFoundError: the folder, its list or an image of the list is not there.
        ValueError: a line of the list that cannot be read.
    """
    require(folder, "RAF-DB")
    if (folder / "basic").is_dir():
        folder = folder / "basic"
    listing = require(folder / "EmoLabel" / "list_patition_label.txt", "RAF-DB's folder `basic`")
    aligned = require(folder / "Image" / "aligned", "RAF-DB's folder `basic`, with Image/aligned.zip unpacked")
    present = {path.name for path in aligned.iterdir()}
    rows: dict[str, tuple[list[str], list[int]]] = {"train": ([], []), "test": ([], [])}
    for number, line in enumerate(listing.read_text().splitlines(), start=1):
        if not line.strip():
            continue
        name, _, label = line.strip().rpartition(" ")
        split = name.partition("_")[0]
        if split not in rows or label not in map(str, range(1, len(LABEL_NAMES) + 1)):
            raise ValueError(
                f"{listing}, line {number}: expected 'train_00001.jpg 5' with a label of 1 to 7, not {line!r}"
            )
        image = name.removesuffix(".jpg") + "_aligned.jpg"
        if image not in present:
            raise FileNotFoundError(f"{aligned / image} does not exist, but line {number} of {listing.name} lists it.")
        files, labels = rows[split]
        files.append(str(aligned / image))
        labels.append(int(label) - 1)
    return FaceSplits({split: face_split(*columns, LABEL_NAMES) for split, columns in rows.items()}, LABEL_NAMES)


ADAPTER = Adapter(title="RAF-DB", load=load, where="http://www.whdeng.cn/raf/model1.html")
