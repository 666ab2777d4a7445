"""The seeded bugs, each a function that breaks the product in the process it is called in."""


def nothing() -> None:
    """The control: a process that is launched as the others are, with no bug."""
