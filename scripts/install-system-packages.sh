#!/bin/sh
# Installs from Debian or Ubuntu what the project runs on and this machine lacks: PostgreSQL, Redis, bubblewrap, the venv
# module of the system's Python, and (with --tests) Chromium. Does nothing, and asks nothing, when all of it is there.
# Debian would start servers of its own with the packages, and create a database cluster: both are held off while
# installing, since the project starts private ones.
set -eu

tests=${1:-}
missing=""

has() { command -v "$1" >/dev/null 2>&1; }
need() { missing="$missing $1"; }

# /usr/lib/postgresql/*/bin is not on PATH; initdb elsewhere on PATH serves as well.
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || has initdb || need postgresql
has redis-server || need redis-server
has bwrap || need bubblewrap
has prlimit || need util-linux
if [ "$tests" = --tests ] && ! has chromium && ! has chromium-browser && ! has google-chrome; then need chromium; fi
# As root the servers run as these accounts, which only the packages make.
if [ "$(id -u)" = 0 ]; then
    id postgres >/dev/null 2>&1 || need postgresql
    id redis >/dev/null 2>&1 || need redis-server
fi
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then as_root=""
elif has sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then as_root="sudo"
else
    echo "Missing:$missing. Without root or sudo, PostgreSQL and Redis are taken from wheels;" \
        "without bubblewrap nothing can be evaluated. Ask for: apt-get install$missing" >&2
    exit 0
fi
if ! has apt-get; then
    echo "Missing:$missing. This machine has no apt-get: install them with its own package manager." >&2
    exit 0
fi

# 101 means "may not be started", for every service of the packages that are installed meanwhile.
policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.d/tinytorch-assessment.conf
undo=""
cleanup() { for file in $undo; do $as_root rm -f "$file"; done; }
trap cleanup EXIT INT TERM
if [ ! -e "$policy" ]; then
    undo="$undo $policy"
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
fi
if [ ! -e "$cluster" ]; then
    undo="$undo $cluster"
    $as_root mkdir -p "$(dirname "$cluster")"
    echo "create_main_cluster = false" | $as_root tee "$cluster" >/dev/null
fi

# The lists may be fresh already, or the machine offline with the packages in its cache: installing decides.
# (env, because sudo drops variables that stand before it.)
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update || true
# shellcheck disable=SC2086 - a list of names
if ! $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing >/dev/null; then
    echo "These packages could not be installed:$missing. What needs them will say so." >&2
fi
