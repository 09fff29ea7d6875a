# shellcheck shell=bash
# tests/lint.sh -- what ./build.sh lint checks; read by build.sh.
#
# Each lint_X prints what is wrong, one "file:line: text" per finding, and nothing when all is well.

all_files() {
	find . \( -path ./.git -o -path './.build*' -o -path ./.deps \) -prune -o -type f ! -path ./devbox -print |
		sed 's|^\./||' | sort
}
c_files() { all_files | grep -E '^(cmd|core|registry|slirp|tests)/.*\.[ch]$' || true; }
shell_files() {
	all_files | while read -r file; do
		case $file in
		*.sh) echo "$file" ;;
		*.*) ;;
		*) if head -n 1 "$file" | grep -qaE '^#!.*\b(ba|da)?sh\b'; then echo "$file"; fi ;;
		esac
	done
}

# cmd -> core/compose -> core/build -> core/branch -> core/box -> { registry | slirp } -> core/store -> core/cow -> core/ns
# -> core/base
lint_arrows() {
	# shellcheck disable=SC2046 # names without blanks
	grep -nE '^#[[:space:]]*include "' $(c_files | grep -v '^tests/') /dev/null | awk '
		function layer(path) {
			if (match(path, /^(cmd|registry|slirp|core\/[a-z]+)\//)) return substr(path, 1, RLENGTH - 1)
			return ""
		}
		BEGIN {
			n = split("core/base core/ns core/cow core/store slirp core/box core/branch core/build core/compose cmd", order, " ")
			for (i = 1; i <= n; i++) rank[order[i]] = i
			rank["registry"] = rank["slirp"]
		}
		{
			split($0, part, ":"); split($0, quoted, "\"")
			from = layer(part[1]); to = layer(quoted[2])
			if (to == "" && part[1] !~ /^slirp\/glib\//)
				print part[1] ":" part[2] ": \"" quoted[2] "\" is not written from the root"
			else if (to != "" && from != to && rank[to] >= rank[from])
				print part[1] ":" part[2] ": " from " must not use " to
		}'
}

# The program without comments and strings, as "file:line: text".
bare_code() {
	local file

	for file in "$@"; do
		sed -E 's/\\"//g; s/"[^"]*"/""/g; s|/\*.*\*/||g; s|//.*||' "$file" | awk -v file="$file" '
			/\/\*/ { sub(/\/\*.*/, ""); inside = 1; print file ":" NR ": " $0; next }
			inside { if (/\*\//) { sub(/.*\*\//, ""); inside = 0 } else next }
			{ print file ":" NR ": " $0 }'
	done
}

lint_output() {	# only cmd/ writes to stdout and stderr
	# shellcheck disable=SC2046
	bare_code $(c_files | grep -E '^(core|registry|slirp)/') | grep -E \
		-e '\b(v?printf|puts|putchar|perror|v?warnx?|v?errx?)[[:space:]]*\(' \
		-e '\b(v?fprintf|fputs|fputc|putc|fwrite|fflush|setvbuf)[[:space:]]*\(.*\bstd(out|err)\b' \
		-e '\b(write|dprintf)[[:space:]]*\((1|2|STD(OUT|ERR)_FILENO),' |
		grep -v '^core/base/str\.c:.*STDERR_FILENO' || true	# the last words of xmalloc()
}

lint_poison() {	# functions without bounds or error report; look-ups that load libc's modules (core/base/nss.c)
	# shellcheck disable=SC2046
	bare_code $(c_files | grep -vE '^core/base/nss\.c$|^slirp/glib/') | grep -E \
		-e '\b(strcpy|strcat|v?sprintf|strtok|ato[il]l?|gets|alloca|tmpnam|mktemp|system|popen)[[:space:]]*\(' \
		-e '\b(get(pw|gr)(nam|uid|gid|ent)(_r)?|getgrouplist|initgroups|getaddrinfo|getnameinfo)[[:space:]]*\(' \
		-e '\b(gethostby[a-z0-9]+(_r)?|getservby[a-z]+(_r)?|dlopen|dlsym)[[:space:]]*\(' || true
}

lint_text() {	# blanks at line ends, lines over 120 columns, notes to oneself, large files
	# shellcheck disable=SC2046
	set -- $(all_files | xargs grep -lI . | grep -vE '^LICENSE$|/fixtures/')
	grep -nE '[[:blank:]]+$' "$@" | sed -E 's/^([^:]*:[^:]*):.*/\1: blanks at the end/' || true
	grep -nwE 'TO[D]O|FIX[M]E|X[X]X' "$@" || true
	c_files | while read -r file; do
		expand "$file" | awk -v file="$file" 'length($0) > 120 { print file ":" NR ": over 120 columns" }'
	done
	all_files | xargs -I{} find {} -size +1024k -printf '%p: larger than 1 MB\n'
}

lint_shell() {
	local file

	shell_files | while read -r file; do
		bash -n "$file" 2>&1 || true
	done
	if command -v shellcheck >/dev/null; then
		# Left out: sourced files it cannot follow, and what is meant (SC1007 X= cmd, SC2128 $FUNCNAME, ...).
		shell_files | xargs -r shellcheck -s bash -S warning -e SC2154 -f gcc \
			-e SC1007,SC1090,SC1091,SC2034,SC2120,SC2128,SC2163,SC2174 || true
	fi
}

lint_format() {	# other versions of clang-format want other line breaks: they would only quarrel
	if ! clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
		say "# clang-format 14 is not installed: layout not checked"
		return
	fi
	# shellcheck disable=SC2046
	clang-format --dry-run $(c_files) 2>&1 | sed -nE 's/^([^:]*:[0-9]+):.*/\1: not as .\/build.sh fmt writes it/p' |
		sort -u -t: -k1,1
}
