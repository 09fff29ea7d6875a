from django.http import JsonResponse

from .models import Note


def index(request):
    notes = Note.objects.prefetch_related('tags')
    return JsonResponse({'notes': [
        {'title': n.title, 'body': n.body, 'tags': [t.name for t in n.tags.all()]} for n in notes]})
