"""The page in a real browser: an app on the bundled checkpoint, and tabs that show it."""

import pytest
from PIL import ImageOps

from tests.helpers.page_driver import CHROMIUM, browser, camera_file, offline_environment, open_page, running_app
from tests.helpers.photos_of_faces import mosaic


@pytest.fixture(scope="session")
def uploads(tmp_path_factory):
    """Where the app below keeps uploads for a while."""
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="session")
def address(tmp_path_factory, uploads):
    """An app on the bundled checkpoint, as `python app.py` serves it."""
    environment = offline_environment(GRADIO_TEMP_DIR=str(uploads))
    log = tmp_path_factory.mktemp("app") / "app.log"
    with running_app("--detector", "hog", log=log, environment=environment) as url:
        yield url


@pytest.fixture(scope="module")
def chromium(astronaut, tmp_path_factory):
    """A browser whose camera sees the portrait."""
    assert CHROMIUM, "GREFEL_REQUIRE_BROWSER is set and no Chromium is installed"
    camera = camera_file(astronaut, tmp_path_factory.mktemp("camera") / "camera.y4m")
    with browser(CHROMIUM, camera) as running:
        yield running


@pytest.fixture
def page(chromium, address):
    """A fresh tab; whatever a test does, no script fails and no other host is asked."""
    tab = open_page(chromium, address)
    yield tab
    assert tab.messages == []
    assert all(host.startswith("127.0.0.1:") for host in tab.hosts if host)
    tab.context.close()


@pytest.fixture
def two_faces(astronaut, tmp_path):
    """A photo with two faces: the portrait twice, one mirrored."""
    file = tmp_path / "two.png"
    mosaic([astronaut, ImageOps.mirror(astronaut)], columns=2).save(file)
    return file
