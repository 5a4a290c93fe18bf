"""Compares fires.tsv with croniter (PyPI), where both define the meaning of an expression.

    python3 -m venv venv && venv/bin/pip install croniter && venv/bin/python compare.py

Prints each line that differs without a reason that docs/schedules.md names, and ends with 1 if there is one.
"""

import collections
import pathlib
import re
import sys
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from croniter import croniter

UTC = timezone.utc


def theirs(expression, zone, start, count):
    # It writes the last Friday as L5; the meaning of a star with a step is an option there.
    expression = re.sub(r"\b(\d)L\b", r"L\1", expression)
    fires = croniter(expression, start.astimezone(zone), implement_cron_bug=True)
    return [fires.get_next(datetime).astimezone(UTC) for _ in range(count)]


def is_second_of_two(zone, at):
    return at.astimezone(zone).fold == 1


def main():
    counts = collections.Counter()
    for line in pathlib.Path(__file__).with_name("fires.tsv").read_text().splitlines():
        expression, zone, start, fires = line.split("\t")
        zone = ZoneInfo(zone)
        start = datetime.fromisoformat(start.replace("Z", "+00:00"))
        ours = [datetime.fromisoformat(fire.replace("Z", "+00:00")) for fire in fires.split()]
        try:
            other = theirs(expression, zone, start, len(ours))
        except Exception as err:
            counts["refused by croniter"] += 1
            print("REFUSED", line, err, sep="\t")
            continue
        if ours == other:
            counts["equal"] += 1
            continue
        # What comes twice starts twice there, and here once unless `dst` is `both`.
        once = [at for at in theirs(expression, zone, start, 100) if not is_second_of_two(zone, at)]
        if ours == once[: len(ours)]:
            counts["starts once where croniter starts twice"] += 1
            continue
        counts["differs"] += 1
        print("DIFFERS", expression, zone, start, *next(pair for pair in zip(ours, other) if pair[0] != pair[1]), sep="\t")
    print(dict(counts))
    return 1 if counts["differs"] else 0


sys.exit(main())
