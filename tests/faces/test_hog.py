"""HOG: counts on real photos."""

from grefel_hf.faces.photos import load_photo
from tests.helpers.photos_of_faces import FACES_PER_PHOTO, photo_paths


def test_hog_finds_most_faces_of_the_group_photos_and_no_other(hog):
    counts = [len(hog.detect(load_photo(path))) for path in photo_paths()]
    assert sum(counts) >= 19
    assert all(count <= most for count, most in zip(counts, FACES_PER_PHOTO, strict=True))
