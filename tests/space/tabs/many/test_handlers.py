"""Sets of photos."""

from space import limits
from tests.helpers.tiny import FILE_DATA, tiny_endpoint


def test_too_many_photos_are_refused(tiny_app, astronaut_file):
    path = tiny_app.upload(astronaut_file)
    event, message = tiny_endpoint(tiny_app, "many_photos", [[{"path": path, **FILE_DATA}] * (limits.MAX_PHOTOS + 1)])
    assert event == "error" and f"the limit is {limits.MAX_PHOTOS}" in message
