from django.db import models


class Tag(models.Model):
    name = models.CharField(max_length=50, unique=True)

    def __str__(self):
        return self.name


class Note(models.Model):
    title = models.CharField(max_length=200)
    body = models.TextField(blank=True)
    created = models.DateTimeField(auto_now_add=True)
    tags = models.ManyToManyField(Tag, related_name='notes', blank=True)

    class Meta:
        ordering = ['-created', '-id']
        indexes = [models.Index(fields=['title'], name='notes_title')]

    def __str__(self):
        return self.title
