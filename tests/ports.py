"""Ports for servers that tests start."""

import socket


def free_ports(number: int) -> list[int]:
    """Ports of this machine that nobody listens on, each another one."""
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def free_port() -> int:
    """One of them."""
    return free_ports(1)[0]
