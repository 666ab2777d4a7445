"""What a service says and hears on Kafka, as an AsyncAPI 3.0 document made of contracts and connectors."""

from collections.abc import Iterator
from typing import Any

from pydantic.json_schema import models_json_schema

from connect.configurations import configuration
from contracts.messages import MESSAGES, Message
from contracts.services import Service
from contracts.topics import MESSAGE_TOPICS, REPLICATION_FACTOR, Topic
from messaging.tables import outbox
from web.openapi import VERSION

Json = dict[str, Any]

_BINDING = "0.5.0"
_HEADERS = "Headers"
_PLACEMENT = "transforms.outbox.table.fields.additional.placement"


def document(service: Service) -> Json:
    """The whole document: the service's own view of the topics that it writes and reads."""
    sent = [topic for topic in MESSAGE_TOPICS if topic.writer == service.name]
    received = [topic for topic in MESSAGE_TOPICS if service.name in topic.readers]
    topics = [*sent, *received]
    messages = [message for topic in topics for message in messages_of(topic)]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"neverlost: {service.name}",
            "version": VERSION,
            "license": {"name": "MIT"},
            "description": "Events are delivered at least once, to be handled once by `ce_id`; within a topic"
            " the messages of a key keep their order. Readers ignore fields that they do not know.",
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in topics},
        "operations": dict(_operations(service, sent, received)),
        "components": {
            "messages": {message.type: _message(message) for message in messages},
            "schemas": {_HEADERS: _headers(service), **_payloads(messages)},
        },
    }


def messages_of(topic: Topic) -> list[type[Message]]:
    return [message for message in MESSAGES.values() if message.topic == topic.name]


def _channel(topic: Topic) -> Json:
    kept = {key: topic.all_settings[key] for key in ("cleanup.policy", "retention.ms")}
    settings = {"cleanup.policy": [kept["cleanup.policy"]], "retention.ms": int(kept["retention.ms"])}
    return {
        "address": topic.name,
        "messages": {
            each.type: {"$ref": f"#/components/messages/{each.type}"} for each in messages_of(topic)
        },
        "bindings": _kafka(
            topic=topic.name,
            partitions=topic.partitions,
            replicas=REPLICATION_FACTOR,
            topicConfiguration=settings,
        ),
    }


def _operations(service: Service, sent: list[Topic], received: list[Topic]) -> Iterator[tuple[str, Json]]:
    for topic in sent:
        yield f"send.{topic.name}", _operation("send", topic)
    for topic in received:
        group = _kafka(groupId={"type": "string", "enum": [service.name]})
        yield f"receive.{topic.name}", _operation("receive", topic) | {"bindings": group}


def _operation(action: str, topic: Topic) -> Json:
    channel = f"#/channels/{topic.name}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{each.type}"} for each in messages_of(topic)],
    }


def _message(message: type[Message]) -> Json:
    described = {"description": message.__doc__} if message.__doc__ else {}
    return {
        "name": message.type,
        "title": message.__name__,
        **described,
        "headers": {"$ref": f"#/components/schemas/{_HEADERS}"},
        "payload": {"$ref": f"#/components/schemas/{message.__name__}"},
        "bindings": _kafka(key={"type": "string", "format": "uuid", "description": "The order id."}),
    }


def _headers(service: Service) -> Json:
    """What the relay puts into headers: columns of the outbox, and two that are the same for all."""
    placed = [each.split(":") for each in configuration(service.connector)[_PLACEMENT].split(",")]
    columns = {header: outbox.c[column] for column, _, header in placed}
    return {
        "type": "object",
        "properties": {
            **{header: {"type": "string"} for header in columns},
            "ce_specversion": {"type": "string", "const": "1.0"},
            "content-type": {"type": "string", "const": "application/json"},
        },
        "required": [header for header, column in columns.items() if not column.nullable],
    }


def _payloads(messages: list[type[Message]]) -> Json:
    _, schema = models_json_schema(
        [(message, "validation") for message in messages], ref_template="#/components/schemas/{model}"
    )
    parts: Json = schema["$defs"]
    return parts


def _kafka(**settings: Any) -> Json:
    return {"kafka": {**settings, "bindingVersion": _BINDING}}
