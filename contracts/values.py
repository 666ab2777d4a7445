"""What messages are made of: items and money. Part of their contract, so the same rules hold for a change."""

from pydantic import BaseModel, ConfigDict, Field


class Item(BaseModel):
    """So many of one stock keeping unit."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sku: str
    quantity: int = Field(ge=1)


class PricedItem(Item):
    """An item at the price of the catalogue, in minor units."""

    unit_price: int = Field(ge=0)


class Money(BaseModel):
    """An amount in minor units (cents) and its ISO 4217 code."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    amount: int = Field(ge=0)
    currency: str = Field(min_length=3, max_length=3)
