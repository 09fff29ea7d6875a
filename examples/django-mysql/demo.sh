#!/bin/bash
# examples/django-mysql/demo.sh -- from nothing to a MySQL that answered a query and a Django migration
#
# Runs as an ordinary user: as yourself, or, started as root, as a user made for it.  Images come from Docker Hub if
# it answers within 5 s, else from the stand-in of tests/hub (root only).  $DEVBOX is the program, by default the
# checkout's.  Whatever was made or installed for it is gone at the end; packages and folders that were there stay.
set -euo pipefail
self=$(realpath "$0")
here=${self%/*}
root=$(realpath "$here/../..")
DEVBOX=$(realpath -m "${DEVBOX:-$root/devbox}")

say() { printf '\n== %s\n' "$*"; }

# ---- the demonstration itself; run by the ordinary user in an empty home
demonstrate() {
	local begin=$SECONDS
	cd "$HOME"
	mkdir -p project
	tar -C project -xf -		# the project comes in as a tar: the user need not be able to read the checkout
	cd project
	trap 'devbox rm -f -v demo-db >/dev/null 2>&1 || true' EXIT
	trap 'exit 130' INT TERM HUP

	say 'devbox run mysql -p 3306 -e MYSQL_DATABASE=app'
	devbox run mysql -p 3306 -e MYSQL_DATABASE=app --name demo-db --rm -d
	devbox wait --ready demo-db
	say "MySQL answers after $((SECONDS - begin)) s"
	devbox ps

	say 'eval "$(devbox env demo-db)"; python3 manage.py migrate'
	eval "$(devbox env demo-db)"
	export PYTHONDONTWRITEBYTECODE=1
	/usr/bin/python3 manage.py migrate --no-color
	say 'python3 manage.py check_database'
	/usr/bin/python3 manage.py check_database
	/usr/bin/python3 manage.py test --no-color --noinput

	say 'devbox stop demo-db'
	devbox stop demo-db
	say "done after $((SECONDS - begin)) s"
}

if [ "${1:-}" = _demonstrate ]; then
	demonstrate
	exit
fi

# ---- around it: packages, a user, the images' source; everything taken back at the end
made_user='' made_dir='' made_cache='' world='' before=''

clean_up() {
	local status=$? pid
	trap '' INT TERM HUP
	if [ -n "$world" ]; then
		DEVBOX_TEST_WORLD=$world "$root/tests/lib/world" down >/dev/null || true
	fi
	if [ -n "$made_user" ]; then
		for pid in $(ps -o pid= -u "$made_user"); do
			kill -KILL "$pid" 2>/dev/null || true
		done
		userdel "$made_user" 2>/dev/null || true
	fi
	if [ -n "$made_dir" ]; then
		# layers hold files of subordinate ids and folders nobody may enter: root does not mind, and a user
		# asks devbox, which owns those ids
		[ "$(id -u)" = 0 ] || env XDG_DATA_HOME="$made_dir/data" "$DEVBOX" prune -a -f >/dev/null 2>&1 || true
		rm -rf "$made_dir" 2>/dev/null || true
	fi
	[ -z "$made_cache" ] || rm -rf "$made_cache"
	[ -z "$before" ] || remove_packages
	exit $status
}

installed() { dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' | sed -n 's/^ii //p' | sort; }

need_packages() {
	local missing=()
	if ! /usr/bin/python3 -c 'import django, MySQLdb' 2>/dev/null; then
		missing+=(python3 python3-django python3-mysqldb)
	fi
	[ -n "$(command -v newuidmap)" ] || missing+=(uidmap)
	if [ "$(id -u)" = 0 ] && [ -n "$(command -v dpkg-query)" ]; then
		before=$(installed)
	fi
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ -z "$before" ]; then
		echo "demo: please install ${missing[*]} (Debian's names), or start the demo as root" >&2
		exit 1
	fi
	say "installing ${missing[*]} for the time of the demonstration"
	{ apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends \
		"${missing[@]}"; } >/dev/null </dev/null
}
remove_packages() {
	local new
	mapfile -t new < <(comm -13 <(echo "$before") <(installed))
	[ ${#new[@]} = 0 ] ||
		DEBIAN_FRONTEND=noninteractive apt-get -q -y purge "${new[@]}" >/dev/null </dev/null || true
}

# Docker Hub answers an unknown caller with 401: then it is there.
hub_answers() {
	/usr/bin/python3 - <<-'PY'
		import sys, urllib.error, urllib.request
		try:
		    urllib.request.urlopen('https://registry-1.docker.io/v2/', timeout=5)
		except urllib.error.HTTPError as e:
		    sys.exit(0 if e.code in (200, 401) else 1)
		except Exception:
		    sys.exit(1)
	PY
}

project() { tar -C "$here" --exclude=__pycache__ -cf - manage.py project notes; }

[ -x "$DEVBOX" ] || { echo "demo: there is no $DEVBOX (./build.sh makes it)" >&2; exit 1; }
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
need_packages

if hub_answers; then
	say 'images come from Docker Hub'
	made_dir=$(mktemp -d /var/tmp/devbox-demo.XXXXXX)
	mkdir "$made_dir/bin"
	cp "$DEVBOX" "$made_dir/bin/devbox"
	cp "$self" "$made_dir/bin/demo.sh"
	chmod -R a+rX "$made_dir"
	clean=(env -i "PATH=$made_dir/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin" LANG=C.UTF-8 TERM="${TERM:-dumb}")
	for name in http_proxy https_proxy no_proxy HTTPS_PROXY NO_PROXY SSL_CERT_FILE; do
		[ -z "${!name:-}" ] || clean+=("$name=${!name}")
	done
	if [ "$(id -u)" = 0 ]; then
		user=devbox-demo-$$
		useradd --create-home --home-dir "$made_dir/home" --shell /bin/bash "$user"
		made_user=$user
		project | "${clean[@]}" HOME="$made_dir/home" USER="$user" setpriv --reuid="$user" --regid="$user" \
			--init-groups --inh-caps=-all bash "$made_dir/bin/demo.sh" _demonstrate
	else
		mkdir "$made_dir/home"
		project | "${clean[@]}" HOME="$made_dir/home" USER="$(id -un)" XDG_DATA_HOME="$made_dir/data" \
			bash "$made_dir/bin/demo.sh" _demonstrate
	fi
else
	say 'Docker Hub cannot be reached from here: images come from the stand-in for it (tests/hub)'
	[ "$(id -u)" = 0 ] || { echo 'demo: the stand-in needs root for its network; please start the demo as root' >&2; exit 1; }
	cache=${DEVBOX_TEST_CACHE:-/var/tmp/devbox-test-cache}
	[ -e "$cache" ] || made_cache=$cache	# images built by the tests stay, images built only for this go
	world=$(mktemp -d /var/tmp/devbox-demo.XXXXXX)
	export DEVBOX_TEST_WORLD=$world DEVBOX_TEST_IMAGES=mysql DEVBOX
	"$root/tests/lib/world" up
	install -m 755 "$self" "$world/bin/demo.sh"
	project | "$root/tests/lib/world" exec dbx1 bash "$world/bin/demo.sh" _demonstrate
fi
