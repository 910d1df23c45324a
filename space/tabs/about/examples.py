"""How programs use the model, and how it is cited: text to copy."""

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
