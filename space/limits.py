"""What one request may cost. Every refusal names the limit."""

from grefel_hf.faces.detection import FaceDetector
from grefel_hf.faces.face import Face

MAX_UPLOAD_MB = 64  # a file that is larger is refused while it comes in
MAX_PHOTO_MB = 20
MAX_PIXELS = 50_000_000
PHOTO_SECONDS = 10.0  # of work, for reading a photo
MAX_PHOTOS = 50
MAX_ARCHIVE_MB = 200  # of all photos in a zip file
MAX_FACES = 100
MAX_VIDEO_SECONDS = 60
MAX_VIDEO_SIDE = 4096  # pixels
MAX_VIDEO_WORK_SECONDS = 180  # for one video, without the turns of others; what was done until then is shown
VIDEO_FRAME_SECONDS = 10.0  # of work, for opening a video, and for decoding each frame
MAX_ANALYSED_FRAMES = 300
MAX_PERSONS = 12  # timelines on the page
QUEUE_SIZE = 64
LIVE_VISITORS = 2
LIVE_SECONDS = 120
LIVE_SIDE = 1280  # pixels
# Requests that are under way at once. Their work is done in turns (see `hardware.TURN`), as one uses all cores of a
# small machine; the other places are for links, which may take their time. Videos hold more memory.
MODEL = {"concurrency_limit": 6, "concurrency_id": "model"}
VIDEO = {"concurrency_limit": 1, "concurrency_id": "video"}
LINKS_AT_ONCE = 4  # fewer than the places above
LINK_SECONDS = 20.0  # for a link in all, its redirects included
LINKS_SECONDS = 60.0  # for all links of a request, which holds one of the places above
MAX_BODY_MB = 2  # of a request that is no upload: a live frame is the largest, some hundred kB
MAX_MCP_BODY_MB = 32  # photos come inside
MAX_BODIES_MB = 64  # of all requests that are being read
MAX_STORED_MB = 2000  # of all uploads on disk
MAX_STORED_MB_PER_VISITOR = 400  # uploaded within the time that uploads are kept
MAX_UPLOADS_AT_ONCE = 32  # half of them for one visitor
UPLOAD_WAIT_SECONDS = 15.0  # for one of these places
BODY_SECONDS = 30.0  # for what a request sends, and a second more for each of so many bytes
LEAST_BYTES_A_SECOND = 10_000
STORED_SECONDS = 480
MAX_REQUESTS_AT_ONCE = 800  # open ones, streams included: fewer than a process has file descriptors
MAX_REQUESTS_PER_VISITOR = 500
MAX_DIRECTORY_BYTES = 1_000_000  # of a zip file's list of what it holds
UNREAD_SECONDS = 60  # for an answer that nobody fetches
PROGRESS_SECONDS = 120  # for how far an upload has come
MAX_SESSIONS = 200
LONGEST_SESSION = 100  # characters of its name


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
