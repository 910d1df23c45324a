"""What visitors and programs send that is no ordinary photo: read, or refused in one sentence without a traceback."""

import base64
import io
import struct
import zlib

import gradio as gr
import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image, ImageOps

from grefel_hf import FacialExpressionPredictor
from grefel_hf.faces.face import Face
from space import limits
from space.limits import LargestFaces
from space.tabs.live.handlers import decode_frame
from space.tabs.photo.handlers import PhotoHandlers
from space.tabs.video.handlers import VideoHandlers, analysis_view
from tests.helpers.tiny import tiny_endpoint
from tests.helpers.video_clips import scene, write_clip, write_sound


def saved(image: Image.Image, file, **options):
    image.save(file, **options)
    return file


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has no pixels to it: a decompression bomb in small."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def answer(app, file) -> tuple[str, str]:
    return tiny_endpoint(app, "predict", [{"path": app.upload(file)}])


@pytest.mark.parametrize("kind", ["grey", "16 bit", "palette", "cmyk", "transparent", "animated", "rotated by EXIF"])
def test_unusual_photos_are_read(tiny_app, astronaut, tmp_path, kind):
    file = tmp_path / "photo.png"
    if kind == "grey":
        saved(astronaut.convert("L"), file)
    elif kind == "16 bit":
        saved(Image.fromarray(np.asarray(astronaut.convert("L")).astype(np.uint16) * 257), file)
    elif kind == "palette":
        saved(astronaut.convert("P"), file)
    elif kind == "cmyk":
        file = saved(astronaut.convert("CMYK"), tmp_path / "photo.jpg")
    elif kind == "transparent":
        file = saved(astronaut.convert("RGBA"), tmp_path / "photo.webp")
    elif kind == "animated":
        frames = [astronaut, ImageOps.mirror(astronaut)]
        file = saved(frames[0], tmp_path / "photo.gif", save_all=True, append_images=frames[1:])
    else:
        exif = Image.Exif()
        exif[0x0112] = 6  # turn by 90 degrees to see it upright
        file = saved(astronaut.rotate(90), tmp_path / "photo.jpg", exif=exif)
    event, content = answer(tiny_app, file)
    assert event == "complete" and '"label"' in content, content[:200]


@pytest.mark.parametrize("size", [(1, 1), (20_000, 20), (20, 20_000)])
def test_photos_of_odd_sizes_have_no_faces(tiny_app, tmp_path, size):
    event, content = answer(tiny_app, saved(Image.new("RGB", size, "grey"), tmp_path / "photo.png"))
    assert event == "complete" and '"faces": []' in content


META = {"meta": {"_type": "gradio.FileData"}}
BAD = {
    "empty.jpg": (b"", "empty"),
    "text.jpg": (b"no picture", "not an image that can be read"),
    "drawing.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><rect/></svg>', "not an image that can be read"),
    "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "not an image that can be read"),
    "bomb.png": (png_header(60_000, 60_000), "the limit is"),
    "large.png": (png_header(8_000, 7_000), "the limit is 50 megapixels"),
    "cut.png": (png_header(500, 500), "truncated or damaged"),
    "archive.jpg": (b"PK\x03\x04" + bytes(200), "not an image that can be read"),
    "heavy.jpg": (b"\xff\xd8" + bytes(21_000_000), "the limit is 20 MB"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_in_one_sentence(tiny_app, tmp_path, name):
    content, reason = BAD[name]
    file = tmp_path / name
    file.write_bytes(content)
    event, message = answer(tiny_app, file)
    assert event == "error"
    assert reason in message
    assert str(tiny_app.temporary) not in message and "Traceback" not in tiny_app.log.read_text()


def test_a_truncated_jpeg_is_refused(tiny_app, astronaut, tmp_path):
    whole = saved(astronaut, tmp_path / "photo.jpg").read_bytes()
    (tmp_path / "photo.jpg").write_bytes(whole[: len(whole) // 2])
    event, message = answer(tiny_app, tmp_path / "photo.jpg")
    assert event == "error" and "truncated" in message


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("empty.mp4", "not a video that can be read"),
        ("text.mp4", "not a video that can be read"),
        ("photo.mp4", "can be read"),
        ("sound.mp4", "sound only"),
        ("no_index.mp4", "not a video that can be read"),
        ("playlist.mp4", "not a video that can be read"),
    ],
)
def test_bad_videos_are_refused_in_one_sentence(tiny_app, astronaut, tmp_path, name, reason):
    file = tmp_path / name
    if name == "sound.mp4":
        write_sound(file)
    elif name == "photo.mp4":
        astronaut.save(file, "jpeg")
    elif name == "no_index.mp4":
        whole = write_clip(file, [scene(astronaut, 20)] * 10).read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
    else:
        secret = str(tiny_app.log)
        content = {"empty": "", "text": "no video", "playlist": f"#EXTM3U\n#EXTINF:1,\nfile://{secret}\n"}
        file.write_text(content[file.stem])
    event, message = tiny_endpoint(tiny_app, "video", [{"path": tiny_app.upload(file), **META}, 0])
    assert event == "error" and reason in message, message
    assert str(tiny_app.temporary) not in message and "Traceback" not in tiny_app.log.read_text()


def test_a_long_video_is_cut_and_says_so(tiny_video_handlers, uploaded, monkeypatch):
    monkeypatch.setattr("space.tabs.video.handlers.MAX_VIDEO_SECONDS", 1)
    *_, analysis = tiny_video_handlers.analyse(uploaded, 0.0)
    assert analysis.cut and 0 < analysis.end < 1 and analysis.total == 10
    view = analysis_view(analysis, ("neutral", "happiness", "surprise"))
    assert "The first 1 seconds were analysed, which is the limit." in view
    assert "1 person in 0." in view and "Person 1" in view


def test_a_large_video_is_refused_with_the_limit(tiny_video_handlers, uploaded, monkeypatch):
    monkeypatch.setattr("space.tabs.video.handlers.MAX_VIDEO_SIDE", 100)
    with pytest.raises(gr.Error, match="the limit is 100 pixels a side"):
        list(tiny_video_handlers.analyse(uploaded, 0.0))


def test_a_cancelled_analysis_leaves_no_file(tiny_video_handlers, uploaded, tmp_path, monkeypatch):
    monkeypatch.setattr("space.tabs.video.handlers.SECONDS_BETWEEN_REPORTS", 0.0)
    reports = tiny_video_handlers.analyse(uploaded, 0.0)
    next(reports)
    assert len(list(tmp_path.iterdir())) == 2  # the clip and the folder for its copy
    reports.close()
    assert [path.name for path in tmp_path.rglob("*")] == ["clip.mp4"]


@pytest.mark.parametrize("smoothing", [-1, 6, "much", None, float("nan")])
def test_smoothing_has_limits(tiny_video_handlers, uploaded, smoothing):
    with pytest.raises(gr.Error, match="from 0 to 5"):
        next(tiny_video_handlers.analyse(uploaded, smoothing))


@pytest.fixture
def tiny_video_handlers(tiny_checkpoint) -> VideoHandlers:
    return VideoHandlers(FacialExpressionPredictor.from_pretrained(str(tiny_checkpoint), detector="hog"))


@pytest.fixture
def uploaded(astronaut, tmp_path, monkeypatch) -> dict:
    """A clip of 1.5 seconds among the uploads, as the page names it."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return {"path": str(write_clip(tmp_path / "clip.mp4", [scene(astronaut, 20)] * 15))}


def test_too_many_photos_are_refused(tiny_app, astronaut_file):
    path = tiny_app.upload(astronaut_file)
    event, message = tiny_endpoint(tiny_app, "many_photos", [[{"path": path, **META}] * (limits.MAX_PHOTOS + 1)])
    assert event == "error" and f"the limit is {limits.MAX_PHOTOS}" in message


@pytest.mark.parametrize("endpoint", ["predict", "compare", "many_photos", "video"])
@pytest.mark.parametrize("data", [None, [], "text", 3, {"path": None}, {"path": {}}, [{"path": 3}]])
def test_what_is_no_file_is_refused(tiny_app, endpoint, data):
    inputs = [data, 0.5] if endpoint == "video" else [data]
    event, _ = tiny_endpoint(tiny_app, endpoint, inputs)
    assert event == "error"


def test_two_requests_at_once_in_one_session_are_both_answered(tiny_app, astronaut, astronaut_file, tmp_path):
    client = Client(tiny_app.url, verbose=False, analytics_enabled=False)
    other = saved(Image.new("RGB", (60, 40), "grey"), tmp_path / "grey.png")
    jobs = [client.submit(handle_file(str(file)), api_name="/predict") for file in (astronaut_file, other)]
    assert [len(job.result(timeout=300)["faces"]) for job in jobs] == [1, 0]


def test_the_largest_faces_are_kept_in_their_order():
    class Detector:
        name = "hog"

        def detect(self, image):
            return [Face((x, 0.0, x + size, size), 1.0) for x, size in ((0.0, 5.0), (10.0, 20.0), (40.0, 10.0))]

    found = LargestFaces(Detector(), most=2).detect(None)
    assert [face.box[0] for face in found] == [10.0, 40.0]


def test_of_200_faces_the_largest_100_are_shown(shared, monkeypatch, astronaut, tmp_path):
    monkeypatch.setenv("GREFEL_YUNET", str(shared / "models" / "face_detection_yunet.onnx"))
    portrait = astronaut.crop((140, 0, 300, 160)).resize((100, 100))
    crowd = Image.new("RGB", (2000, 1000))
    for index in range(200):
        crowd.paste(portrait, (index % 20 * 100, index // 20 * 100))
    predictor = FacialExpressionPredictor.from_pretrained(detector="yunet")
    assert len(predictor.detector.detect(crowd)) == 200
    predictor.detector = LargestFaces(predictor.detector)
    photo_html, faces_html = PhotoHandlers(predictor).draw(str(saved(crowd, tmp_path / "crowd.png")))
    assert photo_html.count('class="gf-box"') == faces_html.count('data-panel="') == limits.MAX_FACES
    assert f"the largest ones: {limits.MAX_FACES} is the limit" in photo_html


def test_live_frames_that_are_none_are_refused(astronaut):
    def uri(image: Image.Image, kind: str = "jpeg") -> dict:
        buffer = io.BytesIO()
        image.save(buffer, kind)
        return {"url": f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"}

    assert decode_frame(uri(astronaut)).size == (512, 512)
    assert max(decode_frame(uri(astronaut.resize((2000, 1000)))).size) == limits.LIVE_SIDE
    for payload in (
        None,
        {},
        {"path": "/etc/passwd"},
        {"url": "file:///etc/passwd"},
        {"url": "http://127.0.0.1/"},
        {"url": "data:image/png;base64,!!!"},
        {"url": "data:image/svg+xml;base64,PHN2Zy8+"},
        uri(astronaut.resize((3000, 10))),
        uri(astronaut, "gif"),
    ):
        with pytest.raises(gr.Error):
            decode_frame(payload)
