"""Numbers with their nouns."""


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """ "1 face", "2 faces", "1,234 people"."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
