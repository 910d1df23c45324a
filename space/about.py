"""The text at the page's head and foot."""

HEADER = """
<h1>Facial expressions, and how sure the model is</h1>
<p>GReFEL reads the expression of every face in a photo, then checks its own first answer against geometry and attention
before it settles. You see both, and why they differ.</p>
"""

# In the upload field; the first line is its heading.
UPLOAD = "# Drop a photo here\nor click to choose one. It is not kept."

ABOUT = """
<div class="gf-about">
  <div><h3>What this is</h3>
    <p>An implementation of GReFEL (Wasi et al., 2024): a vision transformer whose label distribution is corrected by
    learned anchors and by attention, each weighted by its confidence. The same model runs in Python as
    <code>grefel_hf</code>.</p></div>
  <div><h3>What an expression can and cannot tell</h3>
    <p>A face shows an expression; it does not show what a person feels, thinks or intends. The model guesses how people
    would label the picture, is often wrong, and not equally so for all groups of people. Do not use it at work, in
    schools, or for any decision about people.</p></div>
  <div><h3>Your photos</h3>
    <p>A photo is used to answer your request and for nothing else. Its temporary copy on the server is deleted within
    ten minutes. Photos and results are not stored, logged or sent elsewhere.</p></div>
  <div><h3>Licence</h3>
    <p>{licence} The example photo is NASA’s portrait of Eileen Collins (public domain).</p></div>
</div>
"""

# The bundled checkpoint's terms; another model has its own.
BUNDLED_LICENCE = "The weights were trained on FER+ (the images of FER2013), whose terms allow research; so do theirs."
OTHER_LICENCE = "The terms of the model {name} are in its model card."
