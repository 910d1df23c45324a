"""
Copies of this code beside what is saved, so that anybody can load it with `trust_remote_code=True`.

A model repository is one flat folder: whatever files these modules import from the package, however far, go there,
with the folders taken out of their imports. What was loaded from such copies can be saved with them again.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # transformers fetches what a file imports, conditions or not: so the first class brings all of them
    from ..pipeline_grefel import FacialExpressionPipeline  # noqa: F401
    from .image_processing_grefel import GReFELImageProcessor  # noqa: F401
    from .modeling_grefel import GReFELForImageClassification  # noqa: F401

RELATIVE_IMPORT = re.compile(r"^(\s*from\s+)(\.+)([\w.]+)(\s+import\s)", re.MULTILINE)


class SavedWithCode:
    """
    Of the configuration and the image processor (a model saves its configuration): copies of the code go with them,
    and entries that name its classes, unless `save_code` is False.
    """

    code_entries: dict[str, dict[str, Any]]  # by attribute, for transformers to find the classes by

    def save_pretrained(self, save_directory: str | Path, push_to_hub: bool = False, **kwargs):
        """
        Args:
            save_directory: created if it does not exist.
            push_to_hub: whether to upload, too; `repo_id` is the folder's name if it is not given.
            kwargs: what `push_to_hub` takes.
        """
        self.__dict__.update(self.code_entries if self.save_code else {})
        try:
            files = super().save_pretrained(save_directory)
        finally:
            self.__dict__ = without_code_entries(self.__dict__)
        if self.save_code:
            copy_code(save_directory)
        if push_to_hub:
            self.push_to_hub(kwargs.pop("repo_id", Path(save_directory).name), **kwargs)
        return files

    @classmethod
    def register_for_auto_class(cls, auto_class: str | type | None = None):
        """Nothing is left to do: `save_pretrained` copies the code."""


def without_code_entries(settings: dict[str, Any]) -> dict[str, Any]:
    """
    Settings as an object has them: the package is registered with transformers, and entries that name other code would
    have it ask whether to trust that. Copies need them to find each other.
    """
    if __name__.startswith("transformers_modules."):
        return settings
    return {name: value for name, value in settings.items() if name not in ("auto_map", "custom_pipelines")}


def copy_code(folder: str | Path):
    """Write every file that belongs to the code, which all import each other, into one folder."""
    for file in sorted(code_files(Path(__file__).resolve())):
        text = file.read_text(encoding="utf-8")
        (Path(folder) / file.name).write_text(RELATIVE_IMPORT.sub(_without_folder, text), encoding="utf-8")


def code_files(start: Path) -> set[Path]:
    """A file and all that it imports relatively, directly or not."""
    files, waiting = set(), [start]
    while waiting:
        file = waiting.pop()
        if file not in files:
            files.add(file)
            waiting += _imported_files(file)
    return files


def _imported_files(file: Path) -> Iterator[Path]:
    for _, dots, name, _ in RELATIVE_IMPORT.findall(file.read_text(encoding="utf-8")):
        yield file.parents[len(dots) - 1].joinpath(*name.split(".")).with_suffix(".py")


def _without_folder(match: re.Match) -> str:
    return f"{match[1]}.{match[3].rpartition('.')[2]}{match[4]}"
