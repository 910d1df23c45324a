"""What is seen of a video: progress, then a timeline per person and a CSV file, as data for templates/video."""

from typing import Any

from ... import figures
from ... import sentences as wording
from ...data_uris import csv_uri, json_uri
from ...limits import MAX_PERSONS
from ...rendering import render
from ...timeline import timeline
from .handlers import Analysis, Person


def progress_view(analysis: Analysis) -> str:
    """How far the analysis has come."""
    return render(
        "video/progress",
        done=analysis.done,
        total=analysis.total or analysis.done,
        seconds=analysis.end,
        length=analysis.length,
    )


def analysis_view(analysis: Analysis, labels: tuple[str, ...]) -> str:
    """The whole analysis; of many persons those who were seen longest."""
    persons = analysis.shown()
    longest = sorted(persons, key=lambda number: len(persons[number].times), reverse=True)
    return render(
        "video/analysis",
        count=len(persons),
        found=wording.people_found(len(persons), analysis.most_at_once(), analysis.end),
        noun="Person" if len(persons) <= analysis.most_at_once() else "Track",
        dropped=len(analysis.persons) - len(persons),
        seconds=analysis.end if analysis.clip else None,
        files={"json": json_uri(analysis.rows), "csv": csv_uri(analysis.csv())},
        problem=analysis.problem,
        cut=analysis.cut,
        spent=analysis.spent,
        persons=[_person(persons[number], number, analysis.end, labels) for number in sorted(longest[:MAX_PERSONS])],
        classes=figures.coloured(labels),
    )


def _person(person: Person, number: int, end: float, labels: tuple[str, ...]) -> dict[str, Any]:
    return {
        "number": number,
        "picture": person.picture,
        "words": wording.person_words(labels, person.times, person.distributions),
        "line": timeline(labels, person.times, person.smoothed, person.rights, 0.0, max(end, 0.1)),
    }
