# Two stages: what builds is left behind. Everything is locked by hash; nothing runs as root.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /app
COPY requirements/runtime.txt requirements/runtime.txt
RUN python3 -m venv /app/venv \
 && /app/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/runtime.txt

FROM ${BASE}
RUN useradd --uid 10001 --create-home --home-dir /var/lib/responder --shell /usr/sbin/nologin responder
COPY --from=build /app/venv /app/venv
COPY responder /app/responder
COPY rules /app/rules
WORKDIR /app
ENV PYTHONPATH=/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    RESPONDER_LISTEN=0.0.0.0:8080 RESPONDER_RULES=/app/rules/starter RESPONDER_DATA_DIR=/var/lib/responder/data
USER 10001
EXPOSE 8080
VOLUME /var/lib/responder
ENTRYPOINT ["/app/venv/bin/python", "-m", "responder.cli.main"]
CMD ["serve"]
