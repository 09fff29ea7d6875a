# tests/e2e/cli_readme.sh -- the README's list of verbs is the program's own
. "$(dirname "$0")/../lib/e2e.sh"

readme=$(dirname "$0")/../../README.md
run devbox help --markdown
expect_status 0
expect_equal "$(sed -n '/^<!-- devbox help --markdown -->$/,/^<!-- end -->$/p' "$readme" | sed '1d;$d')" "$stdout"
# every verb of the short list is in the README's and has a help text of its own
run devbox --help
for verb in $(sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' <<<"$stdout"); do
	grep -qF "\`devbox $verb\`" "$readme" || fail "the README does not list $verb"
	run devbox "$verb" --help
	expect_status 0
	expect_stdout "Usage:  devbox $verb*"
done
