"""A ledger as one HTML page that needs nothing else: totals by work, then each station with its plays; made to print.

It knows nothing of where the ledger came from. Whatever events say is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import Any, Final

from stream_monitor.reports.ledger import Ledger, Station
from stream_monitor.reports.selection import Selection

STYLE: Final = """
:root { color-scheme: light; --ink: #1b1f24; --faint: #667080; --line: #d9dee5; --band: #f4f6f9; --mark: #0b5cad; }
* { box-sizing: border-box; }
body { margin: 2.5rem auto; max-width: 72rem; padding: 0 1.5rem; color: var(--ink);
  font: 14px/1.45 system-ui, "Segoe UI", "Liberation Sans", Arial, sans-serif; }
h1 { margin: 0 0 .2rem; font-size: 1.7rem; } h2 { margin: 2.4rem 0 .4rem; font-size: 1.15rem; }
p { margin: 0 0 .8rem; color: var(--faint); }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th { padding: .35rem .6rem; border-bottom: 2px solid var(--ink); text-align: left; font-weight: 600; }
td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
tbody tr:nth-child(even) { background: var(--band); }
th.n, td.n { text-align: right; white-space: nowrap; }
td small { display: block; color: var(--faint); }
.kind { color: var(--mark); font-weight: 600; text-transform: uppercase; font-size: .75em; letter-spacing: .06em; }
@media print { @page { margin: 15mm; } body { margin: 0; padding: 0; max-width: none; font-size: 10px; }
  h2 { break-after: avoid; } tr { break-inside: avoid; } thead { display: table-header-group; } }
"""


@dataclass(kw_only=True, slots=True)
class _Work:
    """What was heard of one work."""

    title: str
    artist: str
    codes: set[str] = field(default_factory=set)
    stations: set[tuple[str, str]] = field(default_factory=set)
    plays: int = 0
    seconds: float = 0.0


def as_html(ledger: Ledger, selection: Selection) -> str:
    """The page.

    Args:
        ledger: What was heard.
        selection: What was asked for, for the title.
    """
    parts = ["<h1>Music that was heard</h1>", f"<p>{escape(_asked(selection))}</p>", *_works(ledger)]
    for station in ledger.stations:
        parts += _station(station)
    if not ledger.stations:
        parts.append("<p>Nothing was listened to.</p>")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Music that was heard</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )


def _asked(selection: Selection) -> str:
    who = ", ".join(map(str, selection.streams)) or "All streams"
    if not selection.bounded:
        return f"{who}, all time."
    since, until = (
        "…" if time is None else time.isoformat(sep=" ", timespec="minutes")
        for time in (selection.since, selection.until)
    )
    return f"{who}, from {since} to {until}."


def _works(ledger: Ledger) -> list[str]:
    """Totals by work, the longest first."""
    works: dict[str, _Work] = {}
    for station in ledger.stations:
        for play in station.reported():
            track = play["track"]
            work = works.setdefault(
                str(track["work_id"]), _Work(title=_text(track, "title"), artist=_text(track, "artist"))
            )
            work.codes |= {_text(track, name) for name in ("isrc", "iswc") if track.get(name)}
            work.stations.add((station.kind, station.stream_id))
            work.plays += 1
            work.seconds += _seconds(play)
    order = sorted(works.items(), key=lambda each: (-each[1].seconds, each[0]))
    rows = [
        [
            f"{escape(work.title or work_id)}<small>{escape(work.artist)}</small>",
            f"{escape(work_id)}<small>{escape(', '.join(sorted(work.codes)))}</small>",
            str(len(work.stations)),
            str(work.plays),
            _clock(work.seconds),
        ]
        for work_id, work in order
    ]
    total = sum(work.plays for work in works.values())
    head = f"<h2>Works</h2><p>{len(works)} works, {total} plays, {_clock(sum(w.seconds for w in works.values()))}.</p>"
    return [head, _table(("Work", "Id, codes", "#Stations", "#Plays", "#Time"), rows)] if rows else [head]


def _station(station: Station) -> list[str]:
    plays, seconds = station.reported(), station.seconds()
    told = [f"{len(plays)} plays, {_clock(sum(map(_seconds, plays)))}"]
    told += [f"{_clock(seconds[name])} {name.replace('_', ' ')}" for name in seconds]
    if station.retracted:
        told.append(f"{station.retracted} plays taken back")
    kind, stream_id = escape(station.kind), escape(station.stream_id)
    parts = [f'<h2><span class="kind">{kind}</span> {stream_id}</h2>', f"<p>{escape(' · '.join(told))}</p>"]
    rows = [
        [
            escape(_when(play)),
            _clock(_seconds(play)),
            f"{escape(_text(play['track'], 'title') or _text(play['track'], 'track_id'))}"
            f"<small>{escape(_text(play['track'], 'artist'))}</small>",
            escape(_text(play["track"], "work_id")),
            escape(_text(play, "match_type")),
            _share(play.get("confidence")),
        ]
        for play in plays
    ]
    return [*parts, _table(("Begin", "#Time", "Title", "Work", "Match", "#Confidence"), rows)] if rows else parts


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML already; a heading with # is of a column of numbers."""
    numeric = ["n" if name.startswith("#") else "" for name in head]

    def cells(tag: str, values: Sequence[str]) -> str:
        return "".join(
            f'<{tag} class="n">{value}</{tag}>' if which else f"<{tag}>{value}</{tag}>"
            for which, value in zip(numeric, values, strict=True)
        )

    body = "\n".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    names = cells("th", [name.removeprefix("#") for name in head])
    return f"<table>\n<thead><tr>{names}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _when(play: dict[str, Any]) -> str:
    """On the wall clock in UTC; where nobody knows it, on the stream's own."""
    told = play.get("start_time")
    if told is None:
        return _clock(play["start_s"])
    return datetime.fromisoformat(told).strftime("%Y-%m-%d %H:%M:%S")


def _seconds(play: dict[str, Any]) -> float:
    """Heard, without the gaps."""
    gaps = sum(end - start for start, end in play.get("gaps") or [])
    return max(0.0, float(play["end_s"]) - float(play["start_s"]) - float(gaps))


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def _share(value: Any) -> str:
    return "" if value is None else f"{100 * float(value):.0f} %"


def _text(place: dict[str, Any], name: str) -> str:
    value = place.get(name)
    return "" if value is None else str(value)
