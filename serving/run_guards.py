"""What stands before the runs API: its errors in HTTP's terms, and requests that are refused.

What is wrong is told in one line: 404 for what is not there, 409 for what the run's state or files
do not allow, 422 for a bad description, 503 where the storage fails.

A request that changes something must not come from another site's page: browsers say where it
comes from, and where they do, it must be here.
"""

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

from fastapi import HTTPException, Request

from reason.errors import ReasonError, StorageError
from serving.run_models import UnknownRun
from serving.workers import Conflict


def tell_errors() -> Iterator[None]:
    """Turn the project's errors into HTTP's."""
    try:
        yield
    except UnknownRun as error:
        raise HTTPException(404, str(error)) from None
    except Conflict as error:
        raise HTTPException(409, str(error)) from None
    except StorageError as error:
        raise HTTPException(503, str(error)) from None
    except ReasonError as error:
        raise HTTPException(409, str(error)) from None


def refuse_other_sites(request: Request) -> None:
    """Refuse a change that another site's page asks for; programs send neither header."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is None and origin is not None:  # a page that came without TLS from another machine
        site = "same-origin" if _place(origin) == request.headers.get("host") else "cross-site"
    if site not in (None, "same-origin", "none"):
        raise HTTPException(403, "asked for by another site's page")


def _place(origin: str) -> str:
    """Host and port of an origin; of what is none, nothing that a host could be called."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


async def refuse_unspeakable(request: Request) -> None:
    """Refuse half characters, NaN and infinities: Python reads them, no answer can quote them."""
    try:
        value = json.loads(await request.body() or b"null")
    except (ValueError, RecursionError):
        return  # told by the validation of the body
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise HTTPException(422, "the body holds what JSON cannot say") from None
