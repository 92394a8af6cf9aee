# One Dockerfile for all services: docker build --build-arg SERVICE=ledger -f infra/docker/service.Dockerfile .
# SERVICE=pourline builds the command itself, which migrates databases and declares the bus.
ARG PYTHON=3.11
FROM python:${PYTHON}-slim AS build
ARG SERVICE
WORKDIR /src
COPY . .
RUN python -m venv /venv \
 && /venv/bin/pip install --quiet --require-hashes --requirement requirements.lock \
 && /venv/bin/pip install --quiet --no-deps --no-build-isolation ./contracts ./libs/kit ./libs/upkeep \
 && if [ "$SERVICE" = pourline ]; \
    then /venv/bin/pip install --quiet --no-deps --no-build-isolation ./services/* ./infra/local; \
    else /venv/bin/pip install --quiet --no-deps --no-build-isolation "./services/$SERVICE"; fi

FROM python:${PYTHON}-slim
ARG SERVICE
ENV SERVICE=${SERVICE} PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
RUN useradd --system --no-create-home pourline
COPY --from=build /venv /venv
USER pourline
CMD ["sh", "-c", "exec python -m pourline.$(echo $SERVICE | tr - _)"]
