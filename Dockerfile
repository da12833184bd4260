# syntax=docker/dockerfile:1
# Three stages: the first builds the web app, the second the wheel with it, the third installs that on top of the hash-locked
# requirements and nothing else.
FROM node:22-slim AS web
WORKDIR /src
COPY clients/web/package.json clients/web/package-lock.json clients/web/.npmrc ./
RUN npm ci --no-fund --no-audit
COPY clients/web ./
RUN npm run build

FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements-dev.txt ./
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements-dev.txt
COPY pyproject.toml README.md ./
COPY sync sync
COPY server server
COPY migrations migrations
COPY clients clients
COPY --from=web /src/dist clients/web/dist
RUN python -m hatchling build -t wheel -d /dist

FROM python:3.13-slim
# PYTHONSAFEPATH: the working folder never shadows the installed packages `server`, `sync`, `clients`, `migrations`.
ENV PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    LAMPLIGHTER_DATA=/data LAMPLIGHTER_LISTEN=0.0.0.0:8640
RUN --mount=type=bind,source=requirements.txt,target=/requirements.txt \
    --mount=type=bind,from=build,source=/dist,target=/dist \
    pip install --no-cache-dir --no-deps --require-hashes -r /requirements.txt \
 && pip install --no-cache-dir --no-deps --no-index /dist/*.whl \
 && useradd --system --uid 8640 --home-dir /data --create-home lamplighter
USER lamplighter
WORKDIR /data
VOLUME /data
EXPOSE 8640
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8640/livez', timeout=4)"]
CMD ["lamplighter", "serve"]
