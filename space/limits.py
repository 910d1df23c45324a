"""What one request may cost. Every refusal names the limit."""

from grefel_hf.faces.detection import FaceDetector
from grefel_hf.faces.face import Face

MAX_UPLOAD_MB = 64  # a file that is larger is refused while it comes in
MAX_PHOTO_MB = 20
MAX_PIXELS = 50_000_000
MAX_PHOTOS = 50
MAX_FACES = 100
MAX_VIDEO_SECONDS = 60
MAX_VIDEO_SIDE = 4096  # pixels
MAX_ANALYSED_FRAMES = 300
MAX_PERSONS = 12  # timelines on the page
QUEUE_SIZE = 64
LIVE_VISITORS = 2
LIVE_SECONDS = 120
LIVE_SIDE = 1280  # pixels
# Of events that need the model: requests that are worked on at once. One already uses all cores of a small machine.
MODEL = {"concurrency_limit": 1, "concurrency_id": "model"}


class LargestFaces:
    """A detector that gives the largest faces only, if there are more than the page has room for."""

    def __init__(self, detector: FaceDetector, most: int = MAX_FACES):
        self._detector, self._most = detector, most
        self.name = detector.name

    def detect(self, image) -> list[Face]:
        """As `FaceDetector.detect`."""
        faces = self._detector.detect(image)
        if len(faces) <= self._most:
            return faces
        kept = sorted(range(len(faces)), key=lambda index: _area(faces[index]), reverse=True)[: self._most]
        return [faces[index] for index in sorted(kept)]


def _area(face: Face) -> float:
    left, top, right, bottom = face.box
    return (right - left) * (bottom - top)
