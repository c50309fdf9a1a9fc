"""The worker processes of a run on several machines: who they are, and how they connect before training starts."""

import json
import os
import re
import socket
import time
from contextlib import suppress
from typing import Any, NamedTuple

from unsupervised_learning.errors import RunError

PATIENCE = 300.0  # seconds that workers wait for each other at the start; our choice
GREETING = 5.0  # seconds within which a caller must send its first line
TF_CONFIG_EXAMPLE = '{"cluster": {"worker": ["host:port", "host:port"]}, "task": {"type": "worker", "index": 0}}'


class WorkerLostError(RunError):
    """Another worker ended during the run. The exit status is 1, because this process received no bad input."""

    status = 1


class Worker(NamedTuple):
    """One of the processes that TF_CONFIG names.

    Attributes:
        addresses: "host:port" of every process, the chief's first.
        number: index of this process in `addresses`.
    """

    addresses: list[str]
    number: int

    @property
    def port(self) -> int:
        """Port on which this process listens."""
        return int(self.addresses[self.number].rpartition(":")[2])


def this_worker() -> Worker:
    """Return the worker that the environment variable TF_CONFIG describes.

    Raises:
        RunError: TF_CONFIG is missing, or TensorFlow would not accept it.
    """
    given = os.environ.get("TF_CONFIG", "")
    try:
        config = json.loads(given)
        cluster, task = config["cluster"], config["task"]
        if set(cluster) - {"chief", "worker"} or task["type"] not in cluster:
            raise ValueError(f"tasks of type {', '.join({*cluster, task['type']})}")
        addresses = [*cluster.get("chief", []), *cluster.get("worker", [])]
        if not all(re.fullmatch(r"\S+:\d+", address) for address in addresses) or len(set(addresses)) < max(2, len(addresses)):
            raise ValueError(f"addresses {', '.join(addresses)}")
        index = int(task["index"])
        if index < 0:
            raise ValueError(f"index {index}")
        number = addresses.index(cluster[task["type"]][index])
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise RunError(
            f"--strategy=multi_worker needs the environment variable TF_CONFIG, with two workers or more, as in "
            f"{TF_CONFIG_EXAMPLE}. Received: {given or 'none'} ({type(error).__name__}: {error})"
        ) from None
    return Worker(addresses, number)


def meet(worker: Worker, shared: dict[str, Any]) -> None:
    """Wait until all workers have started, and check that their flags in `shared` are equal.

    TensorFlow would wait silently and forever, and workers with different flags would each train their own model. Each worker
    connects to the chief, sends its number and flags, and waits for the answer.

    Raises:
        RunError: the port is in use, workers are missing, or their flags differ.
    """
    mine = json.dumps([worker.number, {name: str(value) for name, value in sorted(shared.items())}])
    try:
        listener = socket.create_server(("", worker.port), backlog=len(worker.addresses))
    except (OSError, OverflowError) as error:
        raise RunError(
            f"TF_CONFIG gives this worker port {worker.port}, which cannot be used: {getattr(error, 'strerror', error)}"
        ) from None
    deadline = time.monotonic() + PATIENCE
    with listener:
        if worker.number:
            call_chief(worker.addresses[0], mine, deadline)
        else:
            receive_others(listener, worker, mine, deadline)


def call_chief(address: str, mine: str, deadline: float) -> None:
    """Send this worker's number and flags to the chief, and wait for its answer that all workers are ready."""
    print(f"Waiting for the chief at {address}", flush=True)
    host, _, port = address.rpartition(":")
    word = ""
    while not word and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection((host.strip("[]"), int(port)), timeout=5) as connection:
            connection.sendall(f"{mine}\n".encode())
            connection.settimeout(max(1.0, deadline - time.monotonic()))
            word = connection.makefile().readline().strip()
        if not word:
            time.sleep(0.2)
    if not word:
        raise WorkerLostError(f"the chief at {address} did not answer within {PATIENCE:.0f} seconds")
    if word != "go":
        raise RunError(word)


def receive_others(listener: socket.socket, worker: Worker, mine: str, deadline: float) -> None:
    """Wait until every other worker has connected, then answer all of them. Runs in the chief."""
    print(f"Waiting for {len(worker.addresses) - 1} other workers", flush=True)
    expected, problem = json.loads(mine)[1], ""
    callers: dict[int, socket.socket] = {}
    try:
        while len(callers) < len(worker.addresses) - 1 and not problem:
            listener.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                late = [a for i, a in enumerate(worker.addresses) if i and i not in callers]
                raise WorkerLostError(f"{', '.join(late)} did not connect within {PATIENCE:.0f} seconds") from None
            try:
                connection.settimeout(GREETING)
                number, settings = json.loads(connection.makefile().readline())
                if not isinstance(number, int) or not isinstance(settings, dict):
                    raise ValueError
            except (OSError, ValueError, TypeError):  # not one of our workers
                connection.close()
                continue
            if number in callers:
                callers[number].close()
            callers[number] = connection
            differing = [name for name in {**expected, **settings} if expected.get(name) != settings.get(name)]
            if differing:
                values = ", ".join(f"--{name}={settings.get(name)}, not {expected.get(name)}" for name in differing)
                problem = f"worker {number} was started with different flags than the chief: {values}"
        for connection in callers.values():
            with suppress(OSError):
                connection.sendall(f"{problem or 'go'}\n".encode())
    finally:
        for connection in callers.values():
            connection.close()
    if problem:
        raise RunError(problem)
