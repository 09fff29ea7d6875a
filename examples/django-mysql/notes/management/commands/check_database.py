"""Writes a note, reads it back, and says which server answered: `manage.py check_database`."""
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from notes.models import Note, Tag


class Command(BaseCommand):
    help = 'write, read back and roll back a note'

    def handle(self, *args, **options):
        with connection.cursor() as cursor:
            cursor.execute('SELECT VERSION(), DATABASE(), CURRENT_USER()')
            version, database, user = cursor.fetchone()
        text = 'caf\u00e9 \u2615 \U0001f600'
        with transaction.atomic():
            note = Note.objects.create(title='check', body=text)
            note.tags.add(Tag.objects.get(name='welcome'))
            if Note.objects.filter(title='check', tags__name='welcome').get().body != text:
                raise CommandError('what was written came back changed')
            transaction.set_rollback(True)
        self.stdout.write('MySQL %s, database %s, as %s: %d note(s), a write and a query passed' % (
            version, database, user, Note.objects.count()))
