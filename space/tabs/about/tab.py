"""The page's texts: head and foot, and what stands under About."""

from html import escape
from typing import Any

from ...limits import MAX_FACES, MAX_PHOTO_MB, MAX_PHOTOS, MAX_PIXELS, MAX_UPLOAD_MB, MAX_VIDEO_SECONDS
from .view import evaluation_view

HEADER = """
<h1>Facial expressions, and how sure the model is</h1>
<p>GReFEL reads the expression of every face in a photo, then checks its own first answer against geometry and attention
before it settles. You see both, and why they differ.</p>
"""

FOOT = """
<p>An expression is not what a person feels, thinks or intends. Do not use this at work, in schools, or for any decision
about people. Uploads are deleted within ten minutes.</p>
"""

# In the upload field; the first line is its heading.
UPLOAD = "# Drop a photo here\nor click to choose one. It is not kept."

# The bundled checkpoint's terms; another model has its own.
BUNDLED_LICENCE = "The weights were trained on FER+ (the images of FER2013), whose terms allow research; so do theirs."
OTHER_LICENCE = "The terms of the model {name} are in its model card."

# The page puts its own address in the place of ADDRESS; the tests run each example.
ADDRESS = "http://127.0.0.1:7860"
PYTHON = """
from grefel_hf import FacialExpressionPredictor

predictor = FacialExpressionPredictor.from_pretrained({model})
for face in predictor("photo.jpg").faces:
    print(face.label, face.score, face.confidences["corrected"])
""".strip()
CLIENT = """
from gradio_client import Client, handle_file

client = Client("{address}")
answer = client.predict(handle_file("photo.jpg"), api_name="/predict")
for face in answer["faces"]:
    print(face["label"], face["score"], face["confidences"]["corrected"])
""".strip()
CURL = """
FILE=$(curl -s -F "files=@photo.jpg" {address}/gradio_api/upload | tr -d '[]"')
EVENT=$(curl -s {address}/gradio_api/call/predict -H "Content-Type: application/json" \\
  -d '{{"data": [{{"path": "'"$FILE"'"}}]}}' | cut -d '"' -f 4)
curl -sN {address}/gradio_api/call/predict/$EVENT
""".strip()
MCP = """
{{"mcpServers": {{"grefel": {{"url": "{address}/gradio_api/mcp/"}}}}}}
""".strip()
BIBTEX = """
@misc{wasi2024grefel,
  title  = {{GReFEL}: Geometry-Aware Reliable Facial Expression Learning
            under Bias and Imbalanced Data Distribution},
  author = {Wasi, Azmine Toushik and Rafi, Taki Hasan and Islam, Raima
            and {\\v{S}}erbetar, Karlo and Chae, Dong-Kyu},
  year   = {2024},
  eprint = {2410.15927},
  archivePrefix = {arXiv},
}
""".strip()

# Runs once, when the text is there.
SHOW_ADDRESS = f"""
for (const code of element.querySelectorAll("code"))
  code.textContent = code.textContent.replaceAll("{ADDRESS}", location.origin);
"""

_ABOUT = """
<div class="gf-about">
  <div><h3>What this is</h3>
    <p>An implementation of GReFEL (Wasi et al., 2024): a vision transformer whose label distribution is corrected by
    learned anchors and by attention, each weighted by its confidence. The same model runs in Python as
    <code>grefel_hf</code>. On this page: {model}.</p></div>
  <div><h3>What an expression can and cannot tell</h3>
    <p>A face shows an expression; it does not show what a person feels, thinks or intends. People smile in pain and
    frown in thought, and what a face shows depends on culture and context. The model guesses how people would label the
    picture. Confidence says how much a distribution settles on one class, not how likely the answer is right.</p></div>
  <div><h3>Bias</h3>
    <p>It is often wrong, and not equally so for all groups of people. The bundled weights learned from small grey
    photos gathered on the web; fear, disgust and contempt are rare among them. Accuracy by age, gender or skin tone has
    not been measured. Do not use it at work, in schools, or for any decision about people: in the European Union
    inferring emotions there is prohibited (AI Act, Article 5).</p></div>
  <div><h3>Your photos and videos</h3>
    <p>They are used to answer your request and for nothing else. The temporary copy on the server is deleted within ten
    minutes; live frames are never written to a file. Photos and results are not stored, logged or sent
    elsewhere.</p></div>
  <div><h3>Limits</h3>
    <p>Photos: {photo_mb} MB, {megapixels} megapixels, the {faces} largest faces; {photos} photos at once. Videos:
    {upload_mb} MB, the first {seconds} seconds.</p></div>
  <div><h3>Licence</h3>
    <p>{licence} The example photo is NASA’s portrait of Eileen Collins (public domain).</p></div>
</div>
{evaluation}
<section class="gf-section gf-code"><h3>Use it</h3>
  <p>The same answers in your own programs. All endpoints are listed under “Use via API” at the foot of the page.</p>
  {examples}
</section>
<section class="gf-section gf-code"><h3>Cite it</h3>
  <p>The method is by Wasi and others; this page and its weights are an implementation of our own.</p>
  <pre tabindex="0"><code>{bibtex}</code></pre>
</section>
"""


def about_view(evaluation: dict[str, Any], labels: tuple[str, ...], name: str | None) -> str:
    """
    Everything about the model and the page.

    Args:
        name: public name of a model other than the bundled one.
    """
    examples = {
        "In Python": PYTHON.format(model=repr(name) if name else ""),
        "With gradio_client": CLIENT.format(address=ADDRESS),
        "With curl": CURL.format(address=ADDRESS),
        "For assistants (MCP)": MCP.format(address=ADDRESS),
    }
    return _ABOUT.format(
        model=f"the model {escape(name)}" if name else "the checkpoint grefel-small",
        licence=OTHER_LICENCE.format(name=escape(name)) if name else BUNDLED_LICENCE,
        photo_mb=MAX_PHOTO_MB,
        megapixels=f"{MAX_PIXELS / 1e6:g}",
        faces=MAX_FACES,
        photos=MAX_PHOTOS,
        upload_mb=MAX_UPLOAD_MB,
        seconds=MAX_VIDEO_SECONDS,
        evaluation=evaluation_view(evaluation, labels),
        examples="".join(
            f'<h4>{title}</h4><pre tabindex="0"><code>{escape(code, quote=False)}</code></pre>'
            for title, code in examples.items()
        ),
        bibtex=escape(BIBTEX, quote=False),
    )
