"""What keeps an event from its topic, as the relay's connector tells it. Pure."""

from collections.abc import Mapping

from connect.health import ConnectorStatus, Verdict, why_held
from contracts.services import SERVICE
from dashboard.sentences import Sentence, Tone

_PAGE = "connectors.show_all"


def relay(service: str, relays: Mapping[str, ConnectorStatus] | None) -> Sentence:
    """How the service's relay is, as the end of a sentence; GOOD where it is not what is waited for."""
    if relays is None:
        return Sentence("Kafka Connect does not answer, so how its relay is cannot be said", Tone.WARNING)
    status = relays.get(SERVICE[service].connector)
    if status is None:
        told = f"the relay of {service} is not registered"
        return Sentence(told, Tone.BAD, "Bring it back with ./run connect recover", _PAGE)
    if status.is_held:
        because, remedy = why_held(SERVICE[service], status.state)
        told = f"the relay of {service} is {status.state}: {because}"
        return Sentence(told, Tone.WARNING, f"Make it go on: {remedy}", _PAGE)
    if status.verdict is Verdict.FAILED:
        told = f"the relay of {service} is FAILED ({status.reason or 'it does not say why'})"
        return Sentence(told, Tone.BAD, "Read its trace, then restart what failed", _PAGE)
    if status.verdict is not Verdict.HEALTHY:
        return Sentence(f"the relay of {service} does not run yet ({status.summary()})", Tone.WARNING)
    return Sentence(f"the relay of {service} runs", Tone.GOOD)
