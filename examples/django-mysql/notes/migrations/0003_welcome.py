from django.db import migrations


def forward(apps, schema_editor):
    note = apps.get_model('notes', 'Note').objects.create(title='Welcome', body='made by a migration')
    note.tags.add(apps.get_model('notes', 'Tag').objects.create(name='welcome'))


def back(apps, schema_editor):
    apps.get_model('notes', 'Note').objects.filter(title='Welcome').delete()
    apps.get_model('notes', 'Tag').objects.filter(name='welcome').delete()


class Migration(migrations.Migration):
    dependencies = [('notes', '0002_title_index')]
    operations = [migrations.RunPython(forward, back)]
