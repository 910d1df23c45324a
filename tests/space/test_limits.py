"""Of many faces the largest are kept."""

from PIL import Image

from grefel_hf import FacialExpressionPredictor
from grefel_hf.faces.face import Face
from space import limits
from space.limits import LargestFaces
from space.tabs.photo.handlers import PhotoHandlers


def test_the_largest_faces_are_kept_in_their_order():
    class Detector:
        name = "hog"

        def detect(self, image):
            return [Face((x, 0.0, x + size, size), 1.0) for x, size in ((0.0, 5.0), (10.0, 20.0), (40.0, 10.0))]

    found = LargestFaces(Detector(), most=2).detect(None)
    assert [face.box[0] for face in found] == [10.0, 40.0]


def test_of_200_faces_the_largest_100_are_shown(shared, tiny_checkpoint, monkeypatch, astronaut, tmp_path):
    monkeypatch.setenv("GREFEL_YUNET", str(shared / "models" / "face_detection_yunet.onnx"))
    portrait = astronaut.crop((140, 0, 300, 160)).resize((100, 100))
    crowd = Image.new("RGB", (2000, 1000))
    for index in range(200):
        crowd.paste(portrait, (index % 20 * 100, index // 20 * 100))
    crowd.save(tmp_path / "crowd.png")
    predictor = FacialExpressionPredictor.from_pretrained(tiny_checkpoint, detector="yunet")
    assert len(predictor.detector.detect(crowd)) == 200
    predictor.detector = LargestFaces(predictor.detector)
    photo_html, faces_html = PhotoHandlers(predictor).draw(str(tmp_path / "crowd.png"))
    assert photo_html.count('class="gf-box"') == faces_html.count('data-face-panel="') == limits.MAX_FACES
    assert f"the largest ones: {limits.MAX_FACES} is the limit" in photo_html
