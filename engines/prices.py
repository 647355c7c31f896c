"""What a model costs, from the price list that ships with ``genai-prices``; no network is used."""

from decimal import Decimal

MILLION = 1_000_000


def price_of(provider: str, model: str) -> tuple[float, float] | None:
    """US dollars per million (prompt, completion) tokens, or None when the model is not listed."""
    # The price list takes a moment to load, and local models never ask for it.
    from genai_prices import Usage, calc_price

    try:
        prompt = calc_price(Usage(input_tokens=MILLION), model_ref=model, provider_id=provider)
        answer = calc_price(Usage(output_tokens=MILLION), model_ref=model, provider_id=provider)
    except LookupError:
        return None
    return _dollars(prompt.total_price), _dollars(answer.total_price)


def _dollars(amount: Decimal) -> float:
    return float(amount)
