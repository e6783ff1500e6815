"""Three nodes of Apache Kafka on one machine, as one broker to the laboratory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bondmate_hub.broker import LogLimits
from bondmate_hub.broker.apache import ApacheBroker, ApacheConfig, Node
from confluent_kafka import ElectionType
from confluent_kafka.admin import AdminClient

NODES = 3


class Cluster:
    """A `Broker` of three nodes; each topic has three copies, two of which must have a record."""

    durable = True
    limits = LogLimits()

    def __init__(self, folder: Path) -> None:
        nodes = [Node(node_id=number) for number in range(1, NODES + 1)]
        self.nodes = [
            ApacheBroker(
                ApacheConfig(
                    data_dir=folder / f"node-{node.node_id}",
                    node=node,
                    peers=tuple(peer for peer in nodes if peer is not node),
                    start_seconds=120,
                )
            )
            for node in nodes
        ]

    @property
    def bootstrap(self) -> str:
        """Give the addresses of all nodes."""
        return ",".join(node.bootstrap for node in self.nodes)

    @property
    def pid(self) -> int:
        """Give the process id of the first node."""
        return self.nodes[0].pid

    def start(self) -> None:
        """Start every node that does not run, and wait until all answer: one alone has no quorum."""
        for node in self.nodes:
            if not node.pid:
                node.launch()
        with ThreadPoolExecutor(NODES) as pool:
            list(pool.map(ApacheBroker.wait_ready, self.nodes))

    def elect_leaders(self) -> int:
        """Let every partition be led by the node that is to lead it; gives how many changed theirs."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        # With a timeout of its own the client (2.16) fails on its own argument list.
        found = admin.elect_leaders(ElectionType.PREFERRED, None).result(90)
        return sum(error is None for error in found.values())

    def stop(self) -> None:
        """Stop all at once: the last ones find no quorum to say goodbye to, and are killed."""
        for node in self.nodes:
            node.kill()

    def kill(self) -> None:
        """Kill all."""
        self.stop()
