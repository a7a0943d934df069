"""What stands before the operator's services; who is let in is tested where the doors are."""

from __future__ import annotations

from google.protobuf.descriptor_pb2 import MethodOptions

from common.pb import admin_pb2


def test_every_call_says_whether_it_changes_something() -> None:
    """The audit log goes by that: a method that says nothing would be written down whenever somebody looks."""
    services = admin_pb2.DESCRIPTOR.services_by_name.values()
    silent = [
        method.full_name
        for service in services
        for method in service.methods
        if method.GetOptions().idempotency_level == MethodOptions.IDEMPOTENCY_UNKNOWN
    ]
    assert silent == []
