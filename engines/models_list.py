"""What an OpenAI-compatible server says that it serves."""

import os

import aiohttp

SECONDS = 5.0


async def list_models(url: str) -> dict[str, str] | None:
    """Owner by model name; empty if the server wants another key; None if it does not answer."""
    key = os.environ.get("REASON_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS)) as session,
            session.get(f"{url}/models", headers=headers) as response,
        ):
            if response.status in (401, 403):
                return {}
            if response.status != 200:
                return None
            listed = (await response.json(content_type=None))["data"]
            return {str(model["id"]): str(model.get("owned_by", "")) for model in listed}
    except (aiohttp.ClientError, OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
