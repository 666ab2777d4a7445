"""Amounts as people read them."""


def amount(minor: int, currency: str) -> str:
    """`12.50 EUR` for 1250."""
    return f"{minor / 100:,.2f} {currency}"
