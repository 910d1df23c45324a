"""The folder of a checkpoint, without loading it: where the bundled one lies, and digests of what folders hold."""

from pathlib import Path

from .files import file_digest
from .hub import CONFIG_FILE, PROCESSOR_FILE, WEIGHTS_FILE, checkpoint_folder

BUNDLED_CHECKPOINT = Path(__file__).parent / "checkpoints" / "grefel-small"


def checked_name(name: str | Path | None) -> str:
    """The name as text; raises FileNotFoundError for the path of a folder that does not exist."""
    text = str(BUNDLED_CHECKPOINT if name is None else name)
    if not Path(text).is_dir() and (name is None or text.startswith((".", "/", "~")) or text.count("/") > 1):
        raise FileNotFoundError(f"The model folder {text} does not exist (and that is no Hub id, user/name).")
    return text


def weights_file_digest(folder: str | Path) -> str | None:
    """sha256 of a folder's weights, which ties figures to what they were measured on; None where there are none."""
    weights = Path(folder) / WEIGHTS_FILE
    return file_digest(weights) if weights.exists() else None


def checkpoint_digest(name: str | Path) -> str:
    """sha256 of what a folder or Hub id predicts with: config, processor, weights. Raises OSError without them."""
    folder = checkpoint_folder(str(name))
    return file_digest(*(folder / file for file in (CONFIG_FILE, PROCESSOR_FILE, WEIGHTS_FILE)))
