#!/bin/bash
# Installs what building and testing need, on Debian 12 (bookworm). The only place that names packages.
# Does nothing, and says nothing, when everything is there. Runs as root, or through sudo.
#
# It leaves no service behind: what comes with the packages (PostgreSQL, etcd, pgbouncer, haproxy) is neither started nor
# enabled, and no database cluster is created. Services that were there before are left alone.
set -euo pipefail

packages=(
	# Build
	build-essential g++ make cmake ccache pkg-config
	postgresql-server-dev-15 libpq-dev libkrb5-dev
	libcurl4-openssl-dev libjansson-dev libcli11-dev libspdlog-dev libevent-dev libgtest-dev
	# Run and test
	postgresql-15 etcd-server etcd-client pgbouncer haproxy
	iproute2 iptables libfaketime libipc-run-perl openssl perl procps python3 util-linux
)
# Units of the packages above; PostgreSQL's starts nothing as long as there is no cluster.
declare -A units=([etcd-server]=etcd.service [pgbouncer]=pgbouncer.service
	[haproxy]=haproxy.service)

fail() {
	echo "install-deps: $*" >&2
	exit 1
}

installed() {
	# One line for each architecture.
	dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
	fail "this is not a Debian system; install the equivalents of: ${packages[*]}"

missing=()
for package in "${packages[@]}"; do
	installed "$package" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null ||
		fail "needs root (or sudo) to install: ${missing[*]}"
	exec sudo -- "$(realpath "$0")" "$@"
fi

policy=/usr/sbin/policy-rc.d
createcluster=/etc/postgresql-common/createcluster.conf
saved=$(mktemp -d)
log=$saved/apt.log

put_back() {
	# Only what was really saved: nothing is to be undone before the first step.
	if [ -e "$saved/policy-written" ]; then
		rm -f "$policy"
		[ ! -e "$saved/policy-rc.d" ] || cp -a "$saved/policy-rc.d" "$policy"
	fi
	[ ! -e "$saved/createcluster.conf" ] || cp -a "$saved/createcluster.conf" "$createcluster"
	rm -rf "$saved"
}
trap put_back EXIT
trap 'exit 1' INT TERM HUP

apt() {
	DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" >>"$log" 2>&1 || {
		tail -n 30 "$log" >&2
		fail "\"apt-get $*\" failed (its last lines are above); missing: ${missing[*]}"
	}
}

echo "install-deps: installing ${missing[*]}"

# invoke-rc.d asks this file before it starts a service; 101 means "not allowed".
[ ! -e "$policy" ] || cp -a "$policy" "$saved/policy-rc.d"
touch "$saved/policy-written"
rm -f "$policy"
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

apt update
if [[ " ${missing[*]} " == *" postgresql-15 "* ]]; then
	# The common package first, because its configuration decides whether the next makes a cluster.
	installed postgresql-common || apt install --no-install-recommends postgresql-common
	if [ -e "$createcluster" ]; then
		cp -a "$createcluster" "$saved/createcluster.conf"
		sed -i '/^[#[:space:]]*create_main_cluster[[:space:]]*=/d' "$createcluster"
		echo 'create_main_cluster = false' >>"$createcluster"
	fi
fi
apt install --no-install-recommends "${missing[@]}"

for package in "${missing[@]}"; do
	unit=${units[$package]:-}
	if [ -n "$unit" ] && command -v systemctl >/dev/null; then
		systemctl disable "$unit" >>"$log" 2>&1 || true
	fi
done

for package in "${missing[@]}"; do
	installed "$package" || fail "$package is still missing after the installation"
done
