"""Photos in zip files, unpacked among the uploads within limits."""

import io
import secrets
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gradio.utils import get_upload_folder

from grefel_hf.faces.photos import image_suffixes

from .limits import MAX_ARCHIVE_MB, MAX_DIRECTORY_BYTES, MAX_PHOTO_MB, MAX_PHOTOS
from .uploads import Refusal, refuse, require_room


@dataclass(frozen=True)
class UploadedPhoto:
    """A photo's path, the name that the visitor gave it, and the path of the upload that it came in, often its own."""

    path: str
    name: str
    upload: str


def uploaded_photos(paths: list[str]) -> list[UploadedPhoto]:
    """
    The photos among these uploads and inside of their zip files.

    Raises:
        gr.Error: they are too many or too large, or a zip file is damaged.
    """
    photos: list[UploadedPhoto] = []
    room = MAX_ARCHIVE_MB * 1_000_000  # for all of them
    for path in paths:
        if zipfile.is_zipfile(path):
            inside = list(_unpacked(path, MAX_PHOTOS - len(photos), room))
            room -= sum(Path(photo.path).stat().st_size for photo in inside)
            photos += inside
        elif Path(path).suffix.lower() == ".zip":
            raise _damaged(Path(path).name)
        else:
            photos.append(UploadedPhoto(path, Path(path).name, path))
        if len(photos) > MAX_PHOTOS:
            raise too_many(len(photos))
    return photos


def too_many(count: int) -> Refusal:
    """What is raised for more photos than the page takes at once."""
    return refuse(f"These are {count} photos, the limit is {MAX_PHOTOS} at once.", "Too many photos")


class _ZipContent(io.FileIO):
    """A zip file whose list of members is refused, unread, where it would become millions of objects."""

    is_open = False

    def read(self, size: int | None = -1) -> bytes:
        if not self.is_open and size and size > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile
        return super().read(size)


def _unpacked(path: str, most: int, room: int) -> Iterator[UploadedPhoto]:
    """At most so many photos, of so many bytes in all."""
    name = Path(path).name
    require_room(MAX_ARCHIVE_MB)
    try:
        with _ZipContent(path) as content, zipfile.ZipFile(content) as archive:
            content.is_open = True
            suffixes = image_suffixes()
            members = [member for member in archive.infolist() if _is_photo(member, suffixes)]
            if len(members) > most:
                raise too_many(MAX_PHOTOS - most + len(members))
            total = 0
            for member in members:
                folder = Path(get_upload_folder()) / secrets.token_hex(20)  # the archive's own folders are not made
                folder.mkdir(parents=True)
                file = folder / PurePosixPath(member.filename).name
                with archive.open(member) as photo:
                    data = photo.read(MAX_PHOTO_MB * 1_000_000 + 1)  # what the header says of its size may be a lie
                total += len(data)
                if total > room:
                    raise refuse(
                        f"Photos in zip files may have {MAX_ARCHIVE_MB} MB in all; {name} goes beyond.",
                        "Zip file too large",
                    )
                file.write_bytes(data)
                yield UploadedPhoto(str(file), member.filename, path)
    except Refusal:
        raise
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, EOFError, ValueError):
        raise _damaged(name) from None


def _damaged(name: str) -> Refusal:
    return refuse(f"{name} cannot be unpacked: it is damaged, encrypted or unusual.", "Zip file not read")


def _is_photo(member: zipfile.ZipInfo, suffixes: set[str]) -> bool:
    path = PurePosixPath(member.filename)
    hidden = any(part.startswith((".", "__MACOSX")) and part != ".." for part in path.parts)
    return not (member.is_dir() or hidden) and path.suffix.lower() in suffixes
