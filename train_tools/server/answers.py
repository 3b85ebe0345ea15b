"""What the API answers with: JSON that need not be sent twice, and every error as one sentence."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from train_tools.app import USER_ERRORS
from train_tools.errors import (
    AlreadyExistsError,
    ChangedMeanwhileError,
    ConfirmationWantedError,
    JobMoveError,
    NotFoundError,
    NotNowError,
    StorageError,
)
from train_tools.server.thumbnails import NotAPictureError

STATUS: Mapping[type[Exception], int] = {
    NotFoundError: 404,
    AlreadyExistsError: 409,
    ChangedMeanwhileError: 409,
    JobMoveError: 409,
    ConfirmationWantedError: 409,
    NotAPictureError: 415,
    NotNowError: 503,
    StorageError: 500,
}
"""Every other user error is 400."""

log = logging.getLogger(__name__)


class Question(BaseModel):
    """A body of ours: a field we don't know is refused, so that a typing error is never silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """What a route gives back."""

    model_config = ConfigDict(frozen=True)


def fresh(request: Request, answer: Answer) -> Response:
    """The answer with an ETag, or 304 without a body when the asker has it already. Pages poll this way."""
    body = answer.model_dump_json().encode("utf-8")
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": "no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def problem(status: int, kind: str, sentence: str) -> JSONResponse:
    return JSONResponse({"error": {"type": kind, "message": sentence}}, status)


def tell_errors(server: FastAPI) -> None:
    """Teaches the server to answer every error in words; a traceback goes to the log only."""
    for kind in USER_ERRORS:
        server.add_exception_handler(kind, _user_error)
    server.add_exception_handler(RequestValidationError, _bad_request)
    server.add_exception_handler(HTTPException, _no_such_route)
    server.add_exception_handler(Exception, _our_mistake)


async def _user_error(request: Request, error: Exception) -> Response:
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 400)
    return problem(status, type(error).__name__, str(error))


async def _bad_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    places = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()]
    return problem(422, "RequestNotUnderstood", f"The request was not understood. {'; '.join(places)}.")


async def _no_such_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {404: "There is nothing at this address.", 405: "This address does not take this method."}
    answer = problem(error.status_code, "HttpError", words.get(error.status_code, str(error.detail)))
    answer.headers.update(error.headers or {})
    return answer


async def _our_mistake(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path)
    return problem(
        500,
        "InternalError",
        "Something went wrong inside Train Tools. The service's own output says what it was.",
    )
