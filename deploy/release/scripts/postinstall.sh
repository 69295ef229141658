#!/bin/sh
# After an installation (deb: configure without a version, rpm: 1) nothing runs: the configuration names no stream yet.
# After an upgrade the new version takes the place of the one that runs.
set -e
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
case "$1:$2" in
configure: | 1:)
	echo "kinesis-alerter: edit /etc/kinesis-alerter/kinesis-alerter.yaml, then systemctl enable --now kinesis-alerter"
	;;
*) systemctl try-restart kinesis-alerter.service ;;
esac
