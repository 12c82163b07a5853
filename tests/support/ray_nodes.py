"""A Ray cluster of several nodes on this machine, in a process of its own: `ray_nodes.py NODES CPUS [dashboard]`.

Prints its address, that for Ray Client and where it keeps its logs, then does what it is told on standard input:
`remove` ends the last node as if its machine had failed; the end of the input ends the cluster.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


def main() -> None:
    """Serve a cluster. The head has no processors: no worker gets on it."""
    from ray.cluster_utils import Cluster

    nodes, cpus = int(sys.argv[1]), int(sys.argv[2])
    with contextlib.redirect_stdout(sys.stderr):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        shown = {"include_dashboard": len(sys.argv) > 3, "dashboard_port": 0}
        head = {"num_cpus": 0, "ray_client_server_port": port, **shown}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        others = [cluster.add_node(num_cpus=cpus) for _ in range(nodes)]
    print(cluster.address, f"ray://127.0.0.1:{port}", cluster.head_node.get_session_dir_path(), flush=True)  # noqa: T201
    for line in sys.stdin:
        if line.strip() == "remove":
            with contextlib.redirect_stdout(sys.stderr):
                cluster.remove_node(others.pop(), allow_graceful=False)
            print("removed", flush=True)  # noqa: T201
    with contextlib.redirect_stdout(sys.stderr):
        cluster.shutdown()


@dataclass
class Nodes:
    """A cluster that another process holds; `session` is the folder in which Ray keeps its logs.

    `client` is its address for drivers that are no part of it.
    """

    address: str
    client: str
    session: Path
    process: subprocess.Popen[str]

    def remove(self) -> None:
        """End a node, workers and all."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("remove\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "removed\n"


@contextlib.contextmanager
def ray_nodes(nodes: int, cpus: int = 1, *, dashboard: bool = False) -> Iterator[Nodes]:
    """Hold a cluster of so many nodes, of so many processors each, for as long as this is entered."""
    command = [sys.executable, __file__, str(nodes), str(cpus), *(["dashboard"] if dashboard else [])]
    env = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env
    )
    assert process.stdout
    address, client, session = process.stdout.readline().split()
    try:
        yield Nodes(address, client, Path(session), process)
    finally:
        process.communicate(timeout=120)


if __name__ == "__main__":
    main()
