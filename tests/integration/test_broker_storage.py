"""The brokers' storage, formatted by Kafka's own tool."""

from rich.console import Console

from stack import java, kafka, launch, ports
from stack.layout import BROKERS


def test_storage_is_formatted_for_a_cluster_whose_id_begins_with_a_dash(tmp_path):
    """One id in 64 does, and the tool would take it for an option."""
    wish = launch.Wish(tmp_path, ports.free_offset())
    launch.prepare(wish, Console(stderr=True))
    layout = wish.layout(java.find)
    layout.kafka.mkdir()
    (layout.kafka / "cluster-id").write_text("-AAAAAAAAAAAAAAAAAAAAQ")

    kafka.prepare(layout)

    for broker in BROKERS:
        meta = (kafka.folder(layout, broker) / "data" / "meta.properties").read_text()
        assert "cluster.id=-AAAAAAAAAAAAAAAAAAAAQ" in meta
