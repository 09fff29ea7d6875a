#!/bin/bash
# build.sh -- builds, checks and tests devbox.  `./build.sh help` lists the verbs; no verb means build.
#
# How it works
#  1. packages: what the compiler needs is looked up with dpkg-query; what is missing is installed through apt if that is
#     allowed (root, or sudo without a password), else named with the line to type.
#  2. deps: libraries of which the distribution has no usable static archive are built from its own source packages into
#     .deps/, once; a stamp with a hash of the recipe says whether that is still true.
#  3. compile: one set of make rules (function rules) for every flavour; objects, tests and logs live in .build/.
#
# Environment: BUILD_DIR (default .build) puts objects and, unless it is the default, the program elsewhere, so that two
# builds of one checkout do not meet.  JOBS (default 2).  CC (default gcc).  FUZZ_SECONDS (default 10);
# FUZZ_RUNS ends a fuzz target after that many executions, too; FUZZ_PLAIN=1 fuzzes without sanitizers, at several times
# the speed.  TMPDIR=/dev/shm helps the targets that write files.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
export LC_ALL=C

BASE_VERSION=0.1.0
OUT=${BUILD_DIR:-.build}
PROGRAM=./devbox
[[ $OUT == .build ]] || PROGRAM=$OUT/devbox
DEPS=.deps
JOBS=${JOBS:-2}
CC=${CC:-gcc}

PACKAGES=(gcc libc6-dev make pkg-config dpkg-dev patch xz-utils bzip2 ca-certificates
	libarchive-dev libyajl-dev libseccomp-dev libyaml-dev libssl-dev libc-ares-dev libnghttp2-dev
	zlib1g-dev libzstd-dev liblz4-dev liblzma-dev libbz2-dev libacl1-dev)
[[ $(uname -m) != x86_64 ]] || PACKAGES+=(nasm)	# isa-l's inner loops

WARNINGS="-Wall -Wextra -Wshadow -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror"
CPPFLAGS="-D_GNU_SOURCE -I. -I$DEPS/include -I$DEPS/include/slirp"
CFLAGS="-std=gnu11 -O2 -g $WARNINGS -ffunction-sections -fdata-sections -fno-plt"
# -no-pie: position independence would dirty 0.4 MB of relocated pages in every monitor.
# --fatal-warnings: "Using 'getpwnam' in statically linked applications" must not pass, see core/base/nss.c.
LDFLAGS="-static -no-pie -Wl,--gc-sections,--fatal-warnings"
OUR_LIBS="-L$DEPS/lib -lcurl -lslirp -lisal -lcacert"
SYSTEM_LIBS="-lcares -lnghttp2 -lssl -lcrypto -larchive -lacl -llzma -lzstd -llz4 -lbz2 -lz -lyajl_s
	-lseccomp -lyaml -lm"
LIBS="-Wl,--start-group $OUR_LIBS $SYSTEM_LIBS -Wl,--end-group"

say() { printf '%s\n' "$*" >&2; }
die() { say "build.sh: $*"; exit 1; }

# --- packages ---------------------------------------------------------------------------------------------------------

# need PACKAGE... -- install those that are not installed, or say which.
need() {
	local -a missing=() as_root=()
	local have

	have=" $(dpkg-query -W -f '${db:Status-Status}=${Package} ' "$@" 2>/dev/null || true) "
	for p in "$@"; do
		[[ $have == *" installed=$p "* ]] || missing+=("$p")
	done
	[[ ${#missing[@]} -gt 0 ]] || return 0
	if [[ $EUID != 0 ]]; then
		sudo -n true 2>/dev/null ||
			die "packages are missing; type: sudo apt-get install ${missing[*]}"
		as_root=(sudo -n)
	fi
	say "installing: ${missing[*]}"
	install_packages "${missing[@]}" || {
		# No package lists yet (a fresh image), or lists older than the mirror.
		run_logged apt-update "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 update -q
		install_packages "${missing[@]}" || { cat "$OUT/log/apt-install" >&2; return 1; }
	}
}

install_packages() {
	mkdir -p "$OUT/log"
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
		install -q -y --no-install-recommends "$@" </dev/null >"$OUT/log/apt-install" 2>&1
}

# run_logged NAME COMMAND... -- quiet unless it fails.
run_logged() {
	local name=$1

	shift
	mkdir -p "$OUT/log"
	"$@" </dev/null >"$OUT/log/$name" 2>&1 || {
		local status=$?

		tail -n 40 "$OUT/log/$name" >&2
		say "build.sh: $name failed; the whole log: $OUT/log/$name"
		return "$status"
	}
}

# --- sources of the distribution --------------------------------------------------------------------------------------

# A private apt tree in .deps/apt: the machine's own mirrors with `deb` turned into `deb-src`, nothing shared with the
# system's apt but its settings (proxies) and keys.  Works for any user and beside a running apt.
apt_tree() {
	local tree f

	tree=$PWD/$DEPS/apt
	[[ -z ${APT_TREE_READY-} ]] || return 0
	rm -rf "$tree"
	mkdir -p "$tree"/{sources,lists/partial,cache/archives/partial}
	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[[ ! -r $f ]] || one_line_sources "$f" >>"$tree/sources/all.list"
	done
	for f in /etc/apt/sources.list.d/*.sources; do
		[[ ! -r $f ]] || { deb822_sources "$f"; echo; } >>"$tree/sources/all.sources"
	done
	cat >"$tree/apt.conf" <<-END
		Dir::Etc::sourcelist "/dev/null";
		Dir::Etc::sourceparts "$tree/sources";
		Dir::State "$tree";
		Dir::State::lists "$tree/lists";
		Dir::State::status "/var/lib/dpkg/status";
		Dir::Cache "$tree/cache";
		Dir::Cache::pkgcache "";
		Dir::Cache::srcpkgcache "";
		APT::Sandbox::User "";
		Acquire::Languages "none";
		Debug::NoLocking "1";
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
	END
	# A repository without sources makes update fail; what matters is whether the fetch works then.
	run_logged apt-sources apt-get -c "$tree/apt.conf" update -q || say "(trying without it)"
	APT_TREE_READY=1
}

# Repositories that are not the distribution's own seldom carry sources: only addresses that mention it are kept.
one_line_sources() {
	sed -nE '/debian|ubuntu/I { s/\[([^]]*[[:space:]])?arch=[^] ]*/[\1/
		s/\[[[:space:]]*\]//
		s/^deb[[:space:]]/deb-src /p }' "$1"
}

deb822_sources() {
	grep -v '^#' "$1" | awk 'BEGIN { RS = ""; FS = "\n"; IGNORECASE = 1 }
		{ keep = 0; out = "" }
		{ for (i = 1; i <= NF; i++) {
			low = tolower($i)
			if (low ~ /^uris:.*(debian|ubuntu)/) keep = 1
			if (low ~ /^enabled:[ \t]*no/) { keep = 0; break }
			if (low ~ /^architectures:/) continue
			out = out (low ~ /^types:/ ? "Types: deb-src" : $i) "\n"
		} }
		keep { print out }'
}

# fetch_source PACKAGE DIR -- the newest source of PACKAGE that the mirror really has, unpacked and patched as DIR.
# A mirror can list a version whose files (or only whose .dsc) are gone: then tarballs without .dsc, then older versions.
fetch_source() {
	local name=$1 dir=$2 version got

	apt_tree
	for version in $(source_versions "$name"); do
		got=$DEPS/src/$name
		rm -rf "$got" "$dir"
		mkdir -p "$got"
		run_logged "source-$name" download_source "$name=$version" "$got" 2>/dev/null || true
		if unpack_source "$got" "$dir" >>"$OUT/log/source-$name" 2>&1; then
			rm -rf "$got"
			return 0
		fi
	done
	cat "$OUT/log/source-$name" >&2
	die "no source of $name could be fetched through apt"
}

source_versions() {
	apt-cache -c "$DEPS/apt/apt.conf" showsrc --only-source "$1" 2>/dev/null |
		sed -n 's/^Version: //p' | sort -V -r -u
}

# Keeps only files whose checksum is the one in the (signed) list of sources.
download_source() (
	local conf=$PWD/$DEPS/apt/apt.conf file sum

	cd "$2"
	apt-get -c "$conf" source -q --only-source --download-only "$1" || true
	apt-get -c "$conf" source -qq --only-source --print-uris "$1" |
		while read -r _ file _ sum; do
			if [[ $sum != SHA256:* || ! -f $file ]] ||
				! sha256sum -c --status <<<"${sum#SHA256:}  $file"; then
				rm -f "$file"
			fi
		done
)

unpack_source() {
	local got=$1 dir=$2 dsc orig debian patch

	dsc=$(compgen -G "$got/*.dsc" || true)
	orig=$(compgen -G "$got/*.orig.tar.[!.]*[!c]" || true)
	debian=$(compgen -G "$got/*.debian.tar.*" || true)
	if [[ -n $dsc ]] && dpkg-source --no-check -x "$dsc" "$dir"; then
		return 0
	fi
	rm -rf "$dir"
	[[ -n $orig && -n $debian ]] || return 1
	mkdir -p "$dir"
	tar -xf "$orig" -C "$dir" --strip-components=1
	tar -xf "$debian" -C "$dir"
	[[ -f $dir/debian/patches/series ]] || return 0
	sed 's/#.*//; /^[[:space:]]*$/d' "$dir/debian/patches/series" | while read -r patch _; do
		patch -d "$dir" -p1 -s -N <"$dir/debian/patches/$patch" || exit 1
	done
}

# --- libraries built here ---------------------------------------------------------------------------------------------

OPT="-O2 -g0 -ffunction-sections -fdata-sections -fno-plt"

# HTTP and HTTPS only; c-ares, because glibc's resolver loads modules of the machine we run on (core/base/nss.c).
# No certificate paths: registry/http.c names them at run time.
recipe_curl() {
	local src=$PWD/$DEPS/src/build-curl off

	fetch_source curl "$src"
	off=$(printf -- '--disable-%s ' dict file ftp gopher imap ldap ldaps mqtt pop3 rtsp smb smtp telnet \
		tftp ipfs websockets ntlm tls-srp alt-svc hsts doh netrc aws kerberos-auth negotiate-auth \
		manual docs libcurl-option dependency-tracking shared threaded-resolver)
	off+=$(printf -- '--without-%s ' libpsl libidn2 brotli zstd librtmp libssh2 libssh gssapi \
		libgsasl nghttp3 ngtcp2 ca-bundle ca-path ca-fallback)
	# The distribution's patches touch configure.ac; without these time stamps make would want autoconf.
	touch "$src/aclocal.m4"
	touch "$src/configure"
	find "$src" \( -name Makefile.in -o -name '*config.h.in' \) -exec touch {} +
	# shellcheck disable=SC2086 # a list of words
	(cd "$src" && CC=gcc CFLAGS="$OPT" ./configure -q --prefix="$PREFIX" --enable-static --with-openssl \
		--with-zlib --with-nghttp2 --enable-ares $off)
	make -C "$src/lib" -j"$JOBS"
	make -C "$src/lib" install
	make -C "$src/include" install
	rm -rf "$src"
}

# libslirp needs neither meson nor, with slirp/glib, GLib.
recipe_slirp() {
	local src=$PWD/$DEPS/src/build-slirp version major minor micro

	fetch_source libslirp "$src"
	version=$(sed -nE "s/^ *version *: *'([0-9.]+)'.*/\1/p" "$src/meson.build" | head -n 1)
	IFS=. read -r major minor micro <<<"$version"
	sed -e "s/@SLIRP_MAJOR_VERSION@/$major/; s/@SLIRP_MINOR_VERSION@/$minor/" \
		-e "s/@SLIRP_MICRO_VERSION@/$micro/; s/@SLIRP_VERSION_STRING@/\"$version\"/" \
		"$src/src/libslirp-version.h.in" >"$src/src/libslirp-version.h"
	compile_archive slirp "-D_GNU_SOURCE -DG_LOG_DOMAIN=\"Slirp\" -Islirp/glib -I$src/src" \
		"$src"/src/*.c slirp/glib/glib.c
	install -D -m 644 -t "$PREFIX/include/slirp" "$src/src/libslirp.h" "$src/src/libslirp-version.h"
	rm -rf "$src"
}

# gunzip at twice zlib's speed (igzip with its checksums; the erasure codes are left out).
recipe_isal() {
	local src=$PWD/$DEPS/src/build-isal arch=

	fetch_source libisal "$src"
	case $(uname -m) in x86_64 | aarch64) ;; *) arch=noarch ;; esac
	make -C "$src" -j"$JOBS" -f Makefile.unx lib units="igzip crc" arch=$arch
	install -D -m 644 "$src/bin/isa-l.a" "$PREFIX/lib/libisal.a"
	# 2.30 includes types.h, 2.31 has none.
	find "$src/include" \( -name igzip_lib.h -o -name crc.h -o -name types.h \) \
		-exec install -D -m 644 -t "$PREFIX/include/isa-l" {} +
	rm -rf "$src"
}

# See registry/ca_bundle.h.  Not /etc/ssl/certs/ca-certificates.crt: that one holds this machine's additions too.
recipe_cacert() {
	local dir=$DEPS/src/build-cacert

	mkdir -p "$dir"
	cat /usr/share/ca-certificates/mozilla/*.crt >"$dir/ca.pem"
	cat >"$dir/cacert.S" <<-END
			.section .rodata
			.globl ca_bundle_pem, ca_bundle_pem_size
			.type ca_bundle_pem, %object
			.type ca_bundle_pem_size, %object
			.balign 8
		ca_bundle_pem_size:
			.quad 2f - 1f
			.size ca_bundle_pem_size, 8
		ca_bundle_pem:
		1:	.incbin "$dir/ca.pem"
		2:	.byte 0
			.size ca_bundle_pem, . - ca_bundle_pem
			.section .note.GNU-stack, "", %progbits
	END
	compile_archive cacert "" "$dir/cacert.S"
	rm -rf "$dir"
}

# compile_archive NAME FLAGS SOURCE... -- $PREFIX/lib/libNAME.a
compile_archive() {
	local name=$1 flags=$2 obj

	obj=$DEPS/src/obj-$name
	shift 2
	rm -rf "$obj"
	mkdir -p "$obj" "$PREFIX/lib"
	# shellcheck disable=SC2086,SC2016 # a list of words; expanded by the inner shell
	printf '%s\n' "$@" | xargs -P "$JOBS" -I{} sh -c \
		'src=$1; shift; exec "$@" -c "$src" -o "$0/$(basename "$src").o"' "$obj" {} \
		gcc -std=gnu11 $OPT $flags
	rm -f "$PREFIX/lib/lib$name.a"
	ar rcs "$PREFIX/lib/lib$name.a" "$obj"/*.o
	rm -rf "$obj"
}

# What a library's stamp must say: its recipe and what the recipe compiles of ours.
recipe_hash() {
	{
		declare -f "recipe_$1" compile_archive
		echo "$OPT" "$(uname -m)"
		[[ $1 != slirp ]] || cat slirp/glib/*
	} | sha256sum | cut -c 1-16
}

deps() {
	local lib hash status

	PREFIX=$PWD/$DEPS
	for lib in cacert isal slirp curl; do
		hash=$(recipe_hash $lib)
		[[ $(cat "$DEPS/$lib.stamp" 2>/dev/null) != "$hash" ]] || continue
		say "  LIB $lib"
		mkdir -p "$DEPS/src"
		mkdir -p "$OUT/log"
		# Not `recipe || ...`: bash ignores set -e inside a command whose failure is looked at.
		set +e
		( set -e; "recipe_$lib" ) </dev/null >"$OUT/log/lib-$lib" 2>&1
		status=$?
		set -e
		[[ $status == 0 ]] || { tail -n 40 "$OUT/log/lib-$lib" >&2
			die "building $lib failed; the whole log: $OUT/log/lib-$lib"; }
		echo "$hash" >"$DEPS/$lib.stamp"
	done
	[[ ! -d $DEPS/apt ]] || rm -rf "$DEPS/apt"
}

# --- compiling --------------------------------------------------------------------------------------------------------

sources() {
	find cmd core registry slirp -name '*.c' -not -path 'slirp/glib/*' 2>/dev/null | sort
}

# The rules for every flavour.  O: object folder, P: the program, SRCS: sources, VERSIONED: those that use DEVBOX_VERSION.
rules() {
	cat <<'END'
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules
OBJS := $(SRCS:%.c=$O/%.o)
NSS := $(filter $O/core/base/nss.o,$(OBJS))
LIBOBJS := $(filter-out $O/cmd/main.o $(NSS),$(OBJS))

$P: $O/devbox.sym
	@strip -o $@.tmp $< && mv $@.tmp $@
	@echo "  BIN $@ ($$(stat -c %s $@) bytes)"

# The flags file changes with the compiler's flags and the libraries, the list file with the set of sources.
$O/%.o: %.c $O/flags
	@mkdir -p $(@D); echo "  CC  $<"
	@$(CC) $(CPPFLAGS) $(VERSION) $(CFLAGS) -MMD -MP -c $< -o $@

$(VERSIONED:%.c=$O/%.o): VERSION := -include $O/version.h

$O/devbox.sym: $(OBJS) $O/list
	@echo "  LD  $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJS) $(LIBS)
	@if nm $@ | grep -E ' [TtWw] (__nss_module_|__nss_lookup|_nss_)'; then \
		echo "libc's NSS was linked in: see core/base/nss.c" >&2; rm -f $@; exit 1; fi

$O/libdevbox.a: $(LIBOBJS) $O/list
	@rm -f $@; ar rcsT $@ $(LIBOBJS)

# nss.o is named on the line, an archive would come too late to win over libc.
$O/test_%: $O/tests/unit/test_%.o $O/libdevbox.a $(NSS)
	@echo "  LD  $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(NSS) $O/libdevbox.a $(LIBS)

$O/fuzz_%: $O/tests/fuzz/fuzz_%.o $O/libdevbox.a
	@echo "  LD  $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $O/libdevbox.a $(LIBS)

-include $(shell find $O \( -path $O/asan -o -path $O/fuzz -o -path $O/fuzz-plain \) -prune -o -name '*.d' -print 2>/dev/null)
END
}

# compile TARGET... -- with the flavour's CC, CFLAGS, LDFLAGS, LIBS, SRCS and output folder.
compile() {
	mkdir -p "$OUT"
	write_if_changed "$OUT/flags" "$(printf '%s\n' "$CC $CPPFLAGS $CFLAGS $LDFLAGS $LIBS" "$(cat $DEPS/*.stamp)")"
	write_if_changed "$OUT/list" "$SRCS"
	write_if_changed "$OUT/version.h" "#define DEVBOX_VERSION \"$(version)\""
	rules | flock "$OUT/flags" make -s -j"$JOBS" -f - O="$OUT" P="$PROGRAM" CC="$CC" CPPFLAGS="$CPPFLAGS" \
		CFLAGS="$CFLAGS" LDFLAGS="$LDFLAGS" LIBS="${LIBS//$'\n'/}" SRCS="${SRCS//$'\n'/ }" \
		VERSIONED="$(versioned_sources)" "$@"
}

write_if_changed() {
	[[ -f $1 && $(<"$1") == "$2" ]] || printf '%s\n' "$2" >"$1"
}

# Only these are compiled again when the version changes.
versioned_sources() {
	# shellcheck disable=SC2086 # a list of words
	[[ -z $SRCS ]] || { grep -lw DEVBOX_VERSION $SRCS || true; } | tr '\n' ' '
}

version() {
	local commit

	commit=$(git describe --always --dirty --exclude '*' 2>/dev/null || true)
	echo "$BASE_VERSION${commit:++$commit}"
}

prepare() {
	need "${PACKAGES[@]}"
	mkdir -p "$OUT" "$DEPS"
	# One at a time: a second build of this checkout waits for the first one's libraries.
	exec {deps_lock}>"$DEPS/lock"
	flock "$deps_lock"
	deps
	exec {deps_lock}>&-
	SRCS=$(sources)
}

# --- checks -----------------------------------------------------------------------------------------------------------

# shellcheck source=tests/lint.sh
. tests/lint.sh

PASSED=0 FAILED=0

# result STATUS NAME START -- one line per file or check; START is $EPOCHREALTIME.
result() {
	local ms=$(((${EPOCHREALTIME/./} - ${3/./}) / 1000))

	if [[ $1 == 0 ]]; then PASSED=$((PASSED + 1)); else FAILED=$((FAILED + 1)); fi
	printf '%s %s (%d.%02d s)\n' "$([[ $1 == 0 ]] && echo ok || echo 'not ok')" "$2" $((ms / 1000)) $((ms / 10 % 100))
}

summary() {
	printf '%d passed, %d failed\n' "$PASSED" "$FAILED"
	[[ $FAILED == 0 ]]
}

run_lint() {	# [PATTERN]
	local check start findings

	for check in arrows output poison text shell format; do
		[[ $check == *${1-}* ]] || continue
		start=$EPOCHREALTIME
		findings=$("lint_$check") || findings+="lint_$check itself failed"
		[[ -z $findings ]] || sed 's/^/# /' <<<"$findings"
		result "$([[ -z $findings ]]; echo $?)" "lint/$check" "$start"
	done
}

run_unit() {	# [PATTERN]
	local -a tests=()
	local file name log start status

	for file in tests/unit/test_*"${1-}"*.c; do
		[[ -f $file ]] || continue
		name=${file##*/}
		tests+=("${name%.c}")
	done
	[[ ${#tests[@]} -gt 0 ]] || return 0
	compile "${tests[@]/#/$OUT/}"
	mkdir -p "$OUT/log"
	for name in "${tests[@]}"; do
		log=$OUT/log/$name start=$EPOCHREALTIME status=0
		timeout 120 "$OUT/$name" </dev/null >"$log" 2>&1 || status=$?
		# No plan: it ended early, whatever it returned.
		grep -q '^1\.\.' "$log" || status=1
		[[ $status == 0 ]] || { grep -vE '^ok ' "$log" | tail -n 40 | sed 's/^/# /' || true; }
		result "$status" "tests/unit/$name" "$start"
	done
}

# The runner's own last line is taken into ours.
run_e2e() {	# [PATTERN]
	local counts=$OUT/e2e-counts passed failed status=0

	[[ -x tests/lib/run ]] || return 0
	rm -f "$counts"
	DEVBOX=$(readlink -f "$PROGRAM") tests/lib/run tests/e2e "$@" </dev/null |
		awk -v counts="$counts" '
			/^[0-9]+ passed, [0-9]+ failed$/ { print $1, $3 >counts; next }
			{ print; fflush() }' || status=$?
	if ! read -r passed failed 2>/dev/null <"$counts"; then
		passed=0 failed=1
		echo "not ok tests/e2e: the runner ended early"
	elif [[ $status != 0 && $failed == 0 ]]; then
		failed=1
		echo "not ok tests/e2e: the runner ended with status $status"
	fi
	PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed))
}

# Unit tests and fuzz targets under a sanitizer: dynamic, because the sanitizers' runtimes are; so libc's own functions
# again instead of core/base/nss.c, and the distribution's shared libraries beside ours.
sanitizer_flavour() {	# NAME FLAGS
	OUT=$OUT/$1
	PROGRAM=$OUT/devbox
	CFLAGS="-std=gnu11 -O1 -g -fno-omit-frame-pointer $WARNINGS $2"
	LDFLAGS="-no-pie"
	LIBS="$OUR_LIBS ${SYSTEM_LIBS/-lyajl_s/-lyajl}"
	SRCS=$(sources | grep -vx core/base/nss.c)
	export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
}

# --- verbs ------------------------------------------------------------------------------------------------------------

verb_build() {	# [FILE.c...]: the program ./devbox, or only these objects
	prepare
	if [[ $# -gt 0 ]]; then
		set -- "${@/#/$OUT/}"
		compile "${@/%.c/.o}"
		return
	fi
	compile "$PROGRAM"
}

verb_test() {	# [lint|unit|e2e [PATTERN]]: builds, then all checks and tests
	local what=${1-all}

	[[ $# == 0 ]] || shift
	case $what in
	all | lint | unit | e2e) ;;
	*) die "test takes lint, unit or e2e, not '$what'" ;;
	esac
	case $what in
	all | e2e) verb_build ;;
	unit) prepare ;;
	esac
	[[ $what != all && $what != lint ]] || run_lint "$@"
	[[ $what != all && $what != unit ]] || run_unit "$@"
	[[ $what != all && $what != e2e ]] || run_e2e "$@"
	summary
}

verb_lint() {	# [CHECK]: layers, output, poisoned functions, text, shell, layout
	run_lint "$@"
	summary
}

verb_fmt() {	# [FILE...]: lay the C files out as .clang-format says
	need clang-format
	# shellcheck disable=SC2046,SC2068
	clang-format -i ${@:-$(c_files)}
}

verb_asan() {	# [PATTERN]: unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
	prepare
	sanitizer_flavour asan "-fsanitize=address,undefined -fno-sanitize-recover=all"
	run_unit "$@"
	summary
}

verb_fuzz() {	# [PATTERN]: every fuzz target for FUZZ_SECONDS (10) seconds
	local file name start status
	local -a seeds

	prepare
	command -v clang >/dev/null || need clang
	[[ -f $(clang -print-file-name="libclang_rt.fuzzer-$(uname -m).a") ||
		-f $(clang -print-runtime-dir)/libclang_rt.fuzzer-$(uname -m).a ]] ||
		need "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"
	CC=clang
	if [[ -n ${FUZZ_PLAIN-} ]]; then
		sanitizer_flavour fuzz-plain "-O2 -fsanitize=fuzzer-no-link"
	else
		sanitizer_flavour fuzz "-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all"
	fi
	LDFLAGS="$LDFLAGS -fsanitize=fuzzer"
	for file in tests/fuzz/fuzz_*"${1-}"*.c; do
		[[ -f $file ]] || continue
		name=${file##*/} name=${name%.c}
		compile "$OUT/$name"
		mkdir -p "$OUT/corpus/$name" "$OUT/log"
		seeds=() start=$EPOCHREALTIME status=0
		[[ ! -d tests/fixtures/$name ]] || seeds=("tests/fixtures/$name")
		# Seeds are read from the checkout, what is found stays in the build folder.
		"$OUT/$name" -max_total_time="${FUZZ_SECONDS:-10}" -runs="${FUZZ_RUNS:--1}" -timeout=10 -rss_limit_mb=1024 \
			-artifact_prefix="$OUT/corpus/$name-" "$OUT/corpus/$name" \
			"${seeds[@]}" </dev/null >"$OUT/log/$name" 2>&1 || status=$?
		[[ $status == 0 ]] || tail -n 30 "$OUT/log/$name" | sed 's/^/# /'
		result "$status" "tests/fuzz/$name" "$start"
	done
	summary
}

verb_bench() {	# [ROW...]: medians of run, exec, ps, inspect, stop, pull in the test world (root; RUNS=30)
	verb_build
	export DEVBOX=$PWD/devbox DEVBOX_TEST_WORLD=${DEVBOX_TEST_WORLD:-/var/tmp/devbox-bench-world}
	tests/lib/world up >&2
	trap 'tests/lib/world down >&2' EXIT
	tests/lib/world exec dbx1 env RUNS="${RUNS:-30}" bash -s -- "$@" <tests/bench/bench.sh
}

verb_torture() {	# [PATTERN]: tests/slow/*.sh: kill -9 at random, a thousand times (root; hours; KILLS=1000)
	verb_build
	E2E_JOBS=1 tests/lib/run tests/slow "${1-}"
}

verb_vm() {	# [PATTERN]: tests/vm/*.sh in a virtual machine with systemd and cgroup v2 (root; minutes)
	verb_build
	tests/vm/run "$@"
}

verb_demo() {	# a MySQL that answered a query and a Django migration, on this machine
	verb_build
	exec examples/django-mysql/demo.sh "$@"
}

verb_deps() {	# packages and the libraries in .deps, nothing of ours
	prepare
}

verb_clean() {	# remove .build and ./devbox ("clean all": .deps too)
	rm -rf "$OUT" "$PROGRAM"
	[[ ${1-} != all ]] || rm -rf "$DEPS"
}

verb_help() {	# this list
	echo "usage: ./build.sh [VERB [ARGUMENT...]]"
	sed -nE 's/^verb_([a-z]+)\(\) \{\t# (.*)/\1\t\2/p' build.sh | while IFS=$'\t' read -r verb text; do
		printf '  %-6s %s\n' "$verb" "$text"
	done
}

verb=${1:-build}
[[ $verb != -h && $verb != --help ]] || verb=help
declare -F "verb_$verb" >/dev/null || die "unknown verb '$verb'; see ./build.sh help"
shift || true
"verb_$verb" "$@"
