"""Zip files of photos: what is in them comes out, within limits, and nowhere else."""

import tracemalloc
import zipfile
from pathlib import Path

import gradio as gr
import pytest

from space import archives


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return tmp_path


def archive(folder, members: dict[str, bytes]) -> str:
    with zipfile.ZipFile(folder / "photos.zip", "w", zipfile.ZIP_DEFLATED) as content:
        for name, data in members.items():
            content.writestr(name, data)
    return str(folder / "photos.zip")


def test_photos_come_out_with_their_names_and_nothing_else_does(folder):
    path = archive(
        folder, {"a/1.jpg": b"one", "../../2.PNG": b"two", "b.jfif": b"", "notes.txt": b"", "__MACOSX/a/._1.jpg": b""}
    )
    (folder / "3.jpg").write_bytes(b"three")
    photos = archives.uploaded_photos([path, str(folder / "3.jpg")])
    assert [photo.name for photo in photos] == ["a/1.jpg", "../../2.PNG", "b.jfif", "3.jpg"]
    assert [Path(photo.path).read_bytes() for photo in photos] == [b"one", b"two", b"", b"three"]
    assert all(folder in Path(photo.path).resolve().parents for photo in photos)
    assert [photo.upload for photo in photos] == [path, path, path, str(folder / "3.jpg")]


def test_limits_are_named(folder, monkeypatch):
    monkeypatch.setattr(archives, "MAX_PHOTOS", 2)
    with pytest.raises(gr.Error, match="These are 3 photos, the limit is 2"):
        archives.uploaded_photos([archive(folder, {f"{number}.jpg": b"" for number in range(3)})])
    assert [file.name for file in folder.rglob("*")] == ["photos.zip"]  # none was unpacked
    monkeypatch.setattr(archives, "MAX_ARCHIVE_MB", 1)
    with pytest.raises(gr.Error, match="may have 1 MB in all; photos.zip goes beyond"):
        archives.uploaded_photos([archive(folder, {"bomb.jpg": bytes(2_000_000)})])


def test_a_damaged_archive_is_told(folder):
    path = archive(folder, {"1.jpg": b"one" * 1000})
    data = bytearray(Path(path).read_bytes())
    data[40] ^= 255  # in the packed content
    Path(path).write_bytes(data)
    with pytest.raises(gr.Error, match="photos.zip cannot be unpacked"):
        archives.uploaded_photos([path])


def test_several_archives_share_the_limit(folder, monkeypatch):
    monkeypatch.setattr(archives, "MAX_ARCHIVE_MB", 1)
    path = archive(folder, {"bomb.jpg": bytes(600_000)})
    assert len(archives.uploaded_photos([path])) == 1
    with pytest.raises(gr.Error, match="goes beyond"):
        archives.uploaded_photos([path, path])


def test_nothing_is_unpacked_where_the_disk_is_full_enough(folder, monkeypatch):
    """A zip file of 200 kB could be unpacked a hundred times a minute, 200 MB each time."""
    path = archive(folder, {"bomb.jpg": bytes(600_000)})
    monkeypatch.setattr("space.uploads.MAX_STORED_MB", 0.5)
    with pytest.raises(gr.Error, match="no room"):
        archives.uploaded_photos([path])
    assert [file.name for file in folder.rglob("*")] == ["photos.zip"]


def test_a_list_of_a_million_members_is_not_read(folder):
    """What a zip file of 64 MB lists takes a gigabyte as objects, none of them a photo."""
    path = folder / "photos.zip"
    with zipfile.ZipFile(path, "w") as content:
        for number in range(20_000):
            content.writestr(f"{number}.txt", b"")
    tracemalloc.start()
    with pytest.raises(gr.Error, match="cannot be unpacked"):
        archives.uploaded_photos([str(path)])
    assert tracemalloc.get_traced_memory()[1] < 3_000_000
    tracemalloc.stop()
