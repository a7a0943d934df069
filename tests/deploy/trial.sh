#!/bin/bash
# Runs under the systemd of the test root: both units at work. Facts go to /trial.done, everything else to /trial.log.
exec >/trial.log 2>&1
set -x
cd /
facts=/trial.facts
fact() { echo "$1=${*:2}" >>"$facts"; }
export SMARTER_CONFIG=/etc/smarter/client.yaml

smarter pki init /root/pki --source lisbon-1 --dest oslo-1
for copy in ca.pem:ca.pem lisbon-1.pem:source.pem lisbon-1.key:source.key oslo-1.pem:dest.pem oslo-1.key:dest.key; do
  install -m 0600 "/root/pki/${copy%:*}" "/etc/smarter/pki/${copy#*:}"
done
sed -i 's/backup.example.net:7443/127.0.0.1:7443/' /etc/smarter/source.yaml
echo 'metrics: {listen: "127.0.0.1:9101"}' >>/etc/smarter/source.yaml

systemctl start smarter-dest smarter-source; fact started $?

all_there() {
  smarter status --json | /usr/bin/python3 -c '
import json, sys
source = json.load(sys.stdin)["source"]
done = source.get("connected") and source["last_rescan"] and not source["dirty"] and set(source["versions_by_state"]) == {"replicated"}
sys.exit(not done)'
}
for _ in $(seq 60); do all_there && break; sleep 1; done; all_there; fact delivered $?
smarter verify; fact verified $?
smarter restore --policy photos --to /back; fact restored $?
diff -r /srv/photos /back; fact same $?
/usr/bin/python3 - <<'PYTHON'; fact metrics $?
from urllib.request import urlopen
text = urlopen("http://127.0.0.1:9101/metrics", timeout=10).read().decode()
assert 'smarter_protected_files{how="exact"} 7.0' in text, text
assert "process_resident_memory_bytes" in text and "process_open_fds" in text, text
PYTHON
systemctl restart smarter-source; fact restarted $?

# A daemon that hangs shows no life: systemd ends it and starts another.
mkdir -p /run/systemd/system/smarter-dest.service.d
printf '[Service]\nWatchdogSec=4\nRestartSec=1\n' >/run/systemd/system/smarter-dest.service.d/hurry.conf
systemctl daemon-reload
systemctl restart smarter-dest
sleep 6
kill -STOP "$(systemctl show smarter-dest -p MainPID --value)"
for _ in $(seq 30); do [ "$(systemctl show smarter-dest -p NRestarts --value)" = 0 ] || break; sleep 1; done
for _ in $(seq 30); do [ "$(systemctl is-active smarter-dest)" != active ] || break; sleep 1; done
fact watchdog "$(systemctl is-active smarter-dest)" "$(systemctl show smarter-dest -p NRestarts --value)"

systemctl stop smarter-source smarter-dest
fact stopped "$(systemctl show smarter-source -p Result --value)" "$(systemctl show smarter-dest -p Result --value)"
journalctl --no-pager -o cat -u smarter-source -u smarter-dest | tail -80
sync
mv "$facts" /trial.done
systemctl poweroff --force
