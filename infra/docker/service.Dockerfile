# One image a service: docker build --build-arg SERVICE=ledger -f infra/docker/service.Dockerfile .
ARG PYTHON=3.11
FROM python:${PYTHON}-slim AS build
ARG SERVICE
WORKDIR /src
COPY requirements.lock pyproject.toml ./
COPY contracts contracts
COPY libs/kit libs/kit
COPY services services
RUN python -m venv /venv \
 && /venv/bin/pip install --quiet --require-hashes --requirement requirements.lock \
 && /venv/bin/pip install --quiet --no-deps --no-build-isolation ./contracts ./libs/kit ./services/${SERVICE}

FROM python:${PYTHON}-slim
ARG SERVICE
ENV SERVICE=${SERVICE} PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
RUN useradd --system --no-create-home pourline
COPY --from=build /venv /venv
USER pourline
CMD ["sh", "-c", "exec python -m pourline.$(echo $SERVICE | tr - _)"]
