"""What the pages say: a sentence, how it is meant, and what helps."""

from dataclasses import dataclass, replace
from enum import StrEnum


class Tone(StrEnum):
    """GOOD: as it should be. CALM: over, or under way. WARNING: look at it. BAD: somebody must act."""

    GOOD = "good"
    CALM = "calm"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Sentence:
    """`page` names the page (an endpoint) on which to do something about it, `remedy` what to press there."""

    text: str
    tone: Tone = Tone.CALM
    remedy: str = ""
    page: str = ""

    def alone(self) -> "Sentence":
        """What was told as the end of a sentence, as one of its own."""
        return replace(self, text=f"{self.text[:1].upper()}{self.text[1:]}.")


WORST_FIRST = (Tone.BAD, Tone.WARNING, Tone.CALM, Tone.GOOD)


def worst(tones: list[Tone]) -> Tone:
    """The one that counts, of several."""
    return min(tones, key=WORST_FIRST.index, default=Tone.GOOD)
