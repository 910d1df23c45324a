"""What named files and folders hold, told by content."""

import os

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from grefel_hf.faces.folders import find_media, find_photos
from grefel_hf.faces.photos import PhotoError
from tests.helpers.video_clips import write_clip


def names(paths, folder) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def test_finds_photos_in_folders_and_keeps_named_files(tmp_path):
    for name in ("b/2.JPG", "b/1.png", "a.webp", "notes.txt", ".hidden.png", ".cache/x.png", "odd.bin"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    found = find_photos([tmp_path / "odd.bin", str(tmp_path), tmp_path / "a.webp"])
    assert names(found, tmp_path) == ["odd.bin", "a.webp", "b/1.png", "b/2.JPG"]


def test_finding_names_what_does_not_exist(tmp_path):
    with pytest.raises(PhotoError, match="nowhere does not exist"):
        find_photos([tmp_path, tmp_path / "nowhere"])


def test_content_counts_and_what_is_left_out_is_named(tmp_path):
    picture = Image.new("RGB", (64, 48))
    picture.save(tmp_path / "no suffix", "png")
    picture.save(tmp_path / "photo.mp4", "jpeg")
    frames = [Image.new("RGB", (64, 48), colour) for colour in ("red", "blue")]
    for suffix in ("gif", "webp", "png"):
        frames[0].save(tmp_path / f"moves.{suffix}", save_all=True, append_images=frames[1:], duration=100)
        picture.save(tmp_path / f"still.{suffix}")
    write_clip(tmp_path / "clip.mp4", frames).rename(tmp_path / "recording")
    write_clip(tmp_path / "clip.mkv", frames)
    (tmp_path / "notes.txt").write_text("text")
    (tmp_path / ".hidden").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    found = find_media([tmp_path])
    assert names(found.of_kind("photo"), tmp_path) == ["no suffix", "photo.mp4", "still.gif", "still.png", "still.webp"]
    assert names(found.of_kind("video"), tmp_path) == ["clip.mkv", "recording"]
    assert names(found.of_kind("moving picture"), tmp_path) == ["moves.gif", "moves.png", "moves.webp"]
    assert {path.name: reason for path, reason in found.left_out.items()} == {
        "notes.txt": "no photo and no video",
        ".hidden": "hidden",
        "nowhere": "a link that leads nowhere",
    }


def test_first_bytes_that_only_look_like_a_kind_and_pictures_that_move_without_saying_so(tmp_path):
    (tmp_path / "BMW.txt").write_text("BMW, Opel and others " * 9)
    (tmp_path / "raw.CR3").write_bytes(b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom" + bytes(99))
    frames = [Image.new("RGB", (64, 48), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "no time.gif", save_all=True, append_images=frames[1:], duration=0)
    frames[0].save(tmp_path / "looped still.gif", loop=0)
    late = PngInfo()
    late.add_text("a long comment", "x" * 2000)
    frames[0].save(tmp_path / "late.png", save_all=True, append_images=frames[1:], pnginfo=late)
    found = find_media([tmp_path])
    assert names(found.of_kind("moving picture"), tmp_path) == ["late.png", "no time.gif"]
    assert names(found.of_kind("photo"), tmp_path) == ["looped still.gif"]
    assert {path.name for path in found.left_out} == {"BMW.txt", "raw.CR3"}


def test_symbolic_links_are_followed_without_loops(tmp_path):
    (tmp_path / "real").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "real" / "a.png")
    data = tmp_path / "data"
    data.mkdir()
    (data / "Happy").symlink_to("../real")
    (tmp_path / "real" / "round").symlink_to(data)
    found = find_media([data])
    assert names(found.of_kind("photo"), data) == ["Happy/a.png"]
    assert list(found.left_out.values()) == ["a link to a folder that is done already"]


def test_two_names_of_one_file_are_one(tmp_path, monkeypatch):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    assert len(find_photos(["a.png", "./a.png", tmp_path / "a.png", tmp_path])) == 1


@pytest.mark.skipif(os.name != "posix", reason="folders are closed by their mode")
def test_a_closed_folder_does_not_end_the_walk(tmp_path, monkeypatch):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "closed").mkdir()
    listed = os.scandir

    def scandir(path):  # root may read everything
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = find_media([tmp_path])
    assert names(found.of_kind("photo"), tmp_path) == ["a.png"]
    assert found.left_out == {tmp_path / "closed": "it cannot be listed: Permission denied"}
