"""The worker's window: probes, metrics, the stream of events, the record over HTTP, and the inbox for commands."""

from executor.server.model import CommandHandler, OpenReader, Readiness, ReadModel
from executor.server.server import WorkerServer
from executor.server.settings import Limits, ServerSettings

__all__ = ["CommandHandler", "Limits", "OpenReader", "ReadModel", "Readiness", "ServerSettings", "WorkerServer"]
