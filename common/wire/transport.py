"""Channel and server options that both ends must agree on, each with its reason."""

from __future__ import annotations

Options = list[tuple[str, int | str]]

MAX_MESSAGE_BYTES = 1 << 20
"""No message is larger: frames carry at most 256 KiB of content, batches are cut below this."""

_SHARED: Options = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # One place retries (retry.Backoff); two would multiply.
    ("grpc.enable_retries", 0),
    # A half-open link is noticed in about half a minute, also while nothing is sent.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
]

CHANNEL_OPTIONS: Options = [
    *_SHARED,
    # The link's own backoff decides when to knock again; gRPC's floor of 20 s would outlast most cuts.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.use_local_subchannel_pool", 1),
]

SERVER_OPTIONS: Options = [
    *_SHARED,
    # A second daemon on the same port is a mistake that must be heard, not half of the connections.
    ("grpc.so_reuseport", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.max_concurrent_streams", 128),
]
