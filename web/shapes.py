"""The shapes of answers, for the document and for tests: no answer is checked while it is given."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel


class Shape(BaseModel):
    """An answer in which every field is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Cursor = Annotated[str | None, Field(description="Ask for the next page with it; null on the last one.")]
Amount = Annotated[int, Field(ge=0, description="In minor units of the currency.")]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$", description="ISO 4217.")]


class FieldProblem(Shape):
    """What is wrong with one field; `field` is a path such as `items[0].sku`."""

    field: str
    detail: str


class ProblemDetails(Shape):
    """RFC 9457."""

    type: str
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    instance: str
    errors: list[FieldProblem] = []


class Live(Shape):
    """The process runs."""

    status: Literal["pass"]


class Checks(Shape):
    """`pass`, or what is wrong."""

    database: str
    kafka: str


class Ready(Shape):
    """`warn`: it works, and something is missing."""

    status: Literal["pass", "warn", "fail"]
    checks: Checks


class Exposition(RootModel[str]):
    """Figures in Prometheus' text format."""
