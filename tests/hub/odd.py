def make(b, source):
    return []
