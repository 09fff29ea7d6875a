#!/bin/bash
# examples/branches/demo.sh -- two git branches of a Django project, each with its own MySQL data behind one address
#
# Runs as you, in a temporary folder; what it makes is removed at the end.  $IMAGE (mysql) may be mariadb.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
work=$(mktemp -d)
export PYTHONDONTWRITEBYTECODE=1
say() { printf '\n== %s\n' "$*"; }
manage() { /usr/bin/python3 manage.py "$@" --no-color; }

cp -r "${PROJECT:-$here/../django-mysql}" "$work/shop"
cd "$work/shop"
trap 'devbox db rm --all >/dev/null 2>&1; rm -rf "$work"' EXIT
git init -q -b main
git config user.name demo
git config user.email demo@localhost
git add .
git commit -q -m 'a Django project'

say "devbox db up ${IMAGE:-mysql} -e MYSQL_DATABASE=app --character-set-server=utf8mb4"
devbox db up "${IMAGE:-mysql}" -e MYSQL_DATABASE=app --character-set-server=utf8mb4
eval "$(devbox env)"
manage migrate >/dev/null
echo "main: $(manage showmigrations notes | grep -c '\[X\]') migrations of notes are applied"

say 'git switch -c feature, with one more migration'
git switch -q -c feature
cat >notes/migrations/0004_stars.py <<-'PY'
	from django.db import migrations, models
	class Migration(migrations.Migration):
	    dependencies = [('notes', '0003_welcome')]
	    operations = [migrations.AddField('note', 'stars', models.IntegerField(default=0))]
PY
sed -i 's/^class Note(models.Model):/&\n    stars = models.IntegerField(default=0)/' notes/models.py
git add .
git commit -q -m stars
manage migrate notes | grep 0004
echo "feature: $(manage showmigrations notes | grep -c '\[X\]') migrations are applied"

say 'git switch main: the same settings, the data as it was'
git switch -q main
echo "main: $(manage showmigrations notes | grep -c '\[X\]') migrations are applied"
manage check_database
devbox db ls
