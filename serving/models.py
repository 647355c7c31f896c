"""``/v1/models``: one model a strategy."""

import time
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from serving.errors import RESPONSES, ApiError
from serving.service import Service


class Model(BaseModel):
    """A model in OpenAI's form."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "reason"


class ModelList(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: list[Model]


def models_router(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["openai"])
    started = int(time.time())

    @router.get("/v1/models", responses={401: RESPONSES[401]})
    async def models() -> ModelList:
        """List the models."""
        return ModelList(data=[Model(id=name, created=started) for name in service.models])

    @router.get("/v1/models/{model}", responses={401: RESPONSES[401], 404: RESPONSES[404]})
    async def model(model: str) -> Model:
        """Show one model."""
        if model not in service.models:
            raise ApiError(404, f"the model {model!r} does not exist", code="model_not_found")
        return Model(id=model, created=started)

    return router
