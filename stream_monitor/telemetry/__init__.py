"""What a running service tells those who look after it: metrics, whether it is alive, whether it is ready."""

from stream_monitor.telemetry.heartbeat import Heartbeat
from stream_monitor.telemetry.probes import Probes
from stream_monitor.telemetry.registry import new_registry
from stream_monitor.telemetry.settings import TelemetrySettings

__all__ = ["Heartbeat", "Probes", "TelemetrySettings", "new_registry"]
