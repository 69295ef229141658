#!/bin/sh
# deb says remove or upgrade, rpm says how many versions stay. An upgrade stops nothing: postinstall restarts.
set -e
case "$1" in
remove | 0) [ ! -d /run/systemd/system ] || systemctl disable --now kinesis-alerter.service ;;
esac
