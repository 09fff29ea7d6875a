from django.db import IntegrityError, transaction
from django.test import TestCase

from .models import Note, Tag


class NoteTest(TestCase):
    def test_first_note_is_there(self):
        self.assertEqual(Note.objects.get().title, 'Welcome')

    def test_newest_first(self):
        Note.objects.create(title='newer')
        self.assertEqual([n.title for n in Note.objects.all()], ['newer', 'Welcome'])

    def test_tag_names_are_unique(self):
        with self.assertRaises(IntegrityError), transaction.atomic():
            Tag.objects.create(name='welcome')

    def test_index(self):
        answer = self.client.get('/').json()
        self.assertEqual(answer['notes'][0]['tags'], ['welcome'])
