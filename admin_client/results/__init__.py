"""What the verbs print with `--json`: the types that the code is checked by, and the published schemas are made from.

`schemas/` has one JSON Schema for each (`make schemas`). Later versions may add fields; they take none away.
Times are RFC 3339 in UTC, null for never; durations are seconds, sizes bytes, digests hexadecimal. A path is text for people:
where it is not UTF-8, `path_base64` has its bytes.
"""

from __future__ import annotations

from typing import Any

from admin_client.results.agents import (
    AuditReport,
    LogLevelReports,
    MetricsReports,
    QuarantineReport,
    ReloadReports,
    RetryReport,
    StatusReport,
    TopReport,
    VersionsReport,
)
from admin_client.results.held import DrillReport, FindReport, LsReport, RestoreJson, VerifyReport
from admin_client.results.local import DecodeReport, DemoJson, EncodeReport, IdentifyJson, PkiReport
from admin_client.results.pacing import BacklogReport, WindowsReport
from admin_client.results.pictures import Group, GroupsReport

RESULTS: dict[str, Any] = {
    "audit": AuditReport,
    "backlog": BacklogReport,
    "code-decode": DecodeReport,
    "code-encode": EncodeReport,
    "delta-decode": DecodeReport,
    "delta-encode": EncodeReport,
    "demo": DemoJson,
    "drill": DrillReport,
    "find": FindReport,
    "groups-confirm": Group,
    "groups-list": GroupsReport,
    "groups-pin": Group,
    "groups-show": Group,
    "groups-split": Group,
    "identify": IdentifyJson,
    "log-level": LogLevelReports,
    "ls": LsReport,
    "metrics": MetricsReports,
    "pause": WindowsReport,
    "pki-init": PkiReport,
    "quarantine": QuarantineReport,
    "reload": ReloadReports,
    "restore": RestoreJson,
    "resume": WindowsReport,
    "retry": RetryReport,
    "status": StatusReport,
    "top": TopReport,
    "verify": VerifyReport,
    "versions": VersionsReport,
    "windows-clear": WindowsReport,
    "windows-override": WindowsReport,
    "windows-show": WindowsReport,
}
"""By verb, its parts joined with `-`. Each line of `top` is an object of its own."""
