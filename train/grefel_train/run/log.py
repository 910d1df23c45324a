"""Where the figures of a run go: one JSON object a line in training_log.jsonl, and the trackers of accelerate."""

import importlib.util
import json
import time
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from tqdm.auto import tqdm

from grefel_hf.files import write_text
from grefel_train.run.output_dir import append_line

TRACKER_MODULES = {"tensorboard": "tensorboard", "trackio": "trackio", "wandb": "wandb", "mlflow": "mlflow"}


def chosen_trackers(report_to: list[str] | None, with_tracking: bool) -> list[str]:
    """
    Names for `Accelerator(log_with=...)`.

    Raises:
        ValueError: a tracker is named whose package is not installed.
    """
    if not report_to and not with_tracking:
        return []
    installed = [name for name, module in TRACKER_MODULES.items() if importlib.util.find_spec(module)]
    names = report_to or ["tensorboard"]
    missing = [name for name in names if name != "all" and name not in installed]
    if missing:
        raise ValueError(f"--report_to {missing[0]} needs a package that is not installed: pip install {missing[0]}.")
    return installed if "all" in names else list(dict.fromkeys(names))


def start_trackers(accelerator: Accelerator, project: str, settings: dict[str, Any], step: int):
    """Open the trackers; those of a resumed run go on after `step` optimiser steps."""
    texts = {
        key: value if isinstance(value, (bool, int, float, str)) else str(value) for key, value in settings.items()
    }
    accelerator.init_trackers(
        project,
        config=None if step else texts,
        init_kwargs={"tensorboard": {"purge_step": step + 1} if step else {}},
    )


class TrainingLog:
    """
    Writes from the main process. `seconds` is time spent training, over all resumptions.

    Args:
        step: optimiser steps that the run has made; what the file says of later ones is cut away, as it will be said
            again. 0 begins anew.
    """

    def __init__(self, path: Path, accelerator: Accelerator, step: int):
        self.path = path
        self.accelerator = accelerator
        entries = kept_entries(path, step) if step and path.exists() else []
        self.start = time.monotonic() - (entries[-1]["seconds"] if entries else 0.0)
        if accelerator.is_main_process:
            write_text(path, "".join(json.dumps(entry) + "\n" for entry in entries))

    def seconds(self) -> float:
        return round(time.monotonic() - self.start, 1)

    def write(self, group: str, epoch: int, step: int, figures: dict[str, Any]):
        """`group` ("train" or "validation") names the figures for trackers; nested dicts are joined by slashes."""
        if self.accelerator.is_main_process:
            entry = {"seconds": self.seconds(), "epoch": epoch, "step": step, **figures}
            tqdm.write(json.dumps(rounded(entry)))
            append_line(self.path, json.dumps(entry))
        tags = {f"{group}/{key.replace('.', '/')}": value for key, value in flat(figures).items()}
        self.accelerator.log(tags | {"epoch": epoch}, step=step)


def kept_entries(path: Path, step: int) -> list[dict[str, Any]]:
    """The entries of a log up to a step; a line that was cut short by a kill ends it."""
    entries = []
    for line in path.read_text().splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            break
        if entry["step"] <= step:
            entries.append(entry)
    return entries


def flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dicts as one, with dotted keys."""
    entries = {}
    for key, value in settings.items():
        nested = flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {prefix + key: value}
        entries.update(nested)
    return entries


def rounded(value: Any) -> Any:
    """A JSON value for people: its numbers to four significant digits."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value
