# The page: docker build -t grefel . && docker run --rm -p 7860:7860 grefel
# Flags of app.py go after the name: docker run --rm -p 7860:7860 grefel --detector hog
FROM python:3.11-slim
RUN useradd --create-home grefel
WORKDIR /home/grefel/app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY --chown=grefel . .
USER grefel
EXPOSE 7860
ENTRYPOINT ["python", "app.py", "--host", "0.0.0.0", "--port", "7860"]
