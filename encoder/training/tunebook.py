"""ABC tune books to melodies: reads the text of a book, plays out its repeats, gives each tune's notes in beats.

Reads the subset of ABC that the public-domain fiddle books use: one voice, keys and modes, broken rhythm, tuplets,
ties, repeats with endings. Chords keep their top note; grace notes, words and ornaments are left out. Knows nothing
of harmony, seconds or files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

MODE_FIFTHS = {
    "": 0, "maj": 0, "ion": 0, "m": -3, "min": -3, "aeo": -3, "dor": -2, "mix": -1, "lyd": 1, "phr": -4, "loc": -5,
}  # fmt: skip
LETTER_FIFTHS = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}
LETTER_PITCH = {"C": 60, "D": 62, "E": 64, "F": 65, "G": 67, "A": 69, "B": 71}
SHARPS = "FCGDAEB"
TUPLET_TIME = {2: 3, 3: 2, 4: 3, 5: 2, 6: 2, 7: 2, 8: 3, 9: 2}
TOKEN = re.compile(
    r'(?P<skip>"[^"]*"|![^!]*!|\+[^+]*\+|\{[^}]*\}|%.*)'
    r"|(?P<field>\[[A-Z]:[^\]]*\])"
    r"|(?P<bar>:*\|+\]?:*|:+\]?|\[\|:*|\|\])\s*\[?(?P<ending>(?<=[|:\[\]])[1-9][0-9,\-]*)?"
    r"|\[(?P<ending2>[1-9][0-9,\-]*)"
    r"|\((?P<tuplet>[2-9])(?::(?P<tuplet_q>\d?))?(?::(?P<tuplet_r>\d?))?"
    r"|(?P<chord>\[[^\]|:]*\])(?P<chord_length>\d*/*\d*)(?P<chord_tie>-?)"
    r"|(?P<accidental>\^{1,2}|_{1,2}|=)?(?P<letter>[A-Ga-gzxZ])(?P<octave>[',]*)(?P<length>\d*/*\d*)(?P<tie>-?)"
    r"|(?P<broken>[<>]+)"
)
NOTE = re.compile(r"(\^{1,2}|_{1,2}|=)?([A-Ga-g])([',]*)(\d*/*\d*)(-?)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Tune:
    """A melody in quarter notes, repeats played out.

    Attributes:
        number: Number in the book.
        title: First title.
        tonic: Pitch class of the key's tonic, 0 for C.
        minor: Whether the mode has a minor third.
        beats_per_bar: Quarter notes in a full bar.
        compound: Whether beats divide in three (6/8, 9/8, 12/8).
        quarter_s: Length of a quarter note in seconds as the book marks it, or None.
        notes: Onset, duration (quarter notes) and MIDI pitch of each note.
        bars: Start of each bar in quarter notes, and the end of the last.
    """

    number: str
    title: str
    tonic: int
    minor: bool
    beats_per_bar: float
    compound: bool
    quarter_s: float | None
    notes: tuple[tuple[float, float, int], ...]
    bars: tuple[float, ...]


@dataclass(slots=True)
class _Measure:
    notes: list[tuple[Fraction, Fraction, int, bool]] = field(default_factory=list)
    length: Fraction = Fraction(0)
    opens: bool = False
    closes: bool = False
    ends: bool = False
    ending: str = ""


def read_book(text: str) -> list[Tune]:
    """Tunes of a book's ABC text; tunes without a readable key or with fewer than 16 notes are left out."""
    tunes = []
    for block in re.split(r"(?m)^X:", text)[1:]:
        tune = _read_tune("X:" + block)
        if tune is not None and len(tune.notes) >= 16:
            tunes.append(tune)
    return tunes


def _read_tune(block: str) -> Tune | None:
    fields: dict[str, str] = {}
    body: list[str] = []
    for line in block.splitlines():
        head = re.match(r"^([A-Za-z]):(.*)", line)
        if head and not (head[1].islower() and body):
            name, value = head[1], head[2].split("%")[0].strip()
            if "K" in fields and name in "KMLV":
                body.append(f"[{name}:{value}]")
            elif "K" not in fields:
                fields.setdefault(name, value)
        elif "K" in fields and not line.startswith("%"):
            body.append(line.rstrip().rstrip("\\"))
    signature = _key(fields.get("K", ""))
    if signature is None or any(part.startswith("[V:") for part in body):
        return None
    tonic, fifths, minor = signature
    meter = _meter(fields.get("M", "4/4"))
    unit = _length_field(fields.get("L")) or (Fraction(1, 8) if meter >= Fraction(3, 4) else Fraction(1, 16))
    measures = _measures("\n".join(body), fifths, unit)
    notes, bars = _play(measures)
    meter_text = fields.get("M", "4/4")
    return Tune(
        number=fields.get("X", "").strip(),
        title=fields.get("T", "").strip().rstrip("."),
        tonic=tonic,
        minor=minor,
        beats_per_bar=float(meter * 4),
        compound=meter_text.strip() in ("6/8", "9/8", "12/8"),
        quarter_s=_quarter_s(fields.get("Q"), unit),
        notes=notes,
        bars=bars,
    )


def _measures(body: str, fifths: int, unit: Fraction) -> list[_Measure]:
    """The bars as written, with repeat signs; lengths in quarter notes."""
    measures = [_Measure()]
    signature, local = _signature(fifths), dict[tuple[str, str], int]()
    tuplet_left, tuplet_ratio, broken = 0, Fraction(1), Fraction(1)
    for token in TOKEN.finditer(body):
        now = measures[-1]
        if token["field"]:
            name, value = token["field"][1], token["field"][3:-1]
            changed = _key(value) if name == "K" else None
            if changed is not None:
                signature = _signature(changed[1])
            unit = (_length_field(value) or unit) if name == "L" else unit
        elif token["bar"] or token["ending2"]:
            bar = token["bar"] or ""
            ending = token["ending"] or token["ending2"] or ""
            if now.length:
                now.closes = bar.startswith(":")
                now.ends = "||" in bar or "]" in bar
                measures.append(_Measure())
            elif bar.startswith(":") and len(measures) > 1 and len(bar.strip("|[]")) > 0 and not now.opens:
                measures[-2].closes = measures[-2].closes or bar == ":|"
            measures[-1].opens = measures[-1].opens or (bar.endswith(":") and bar != ":")
            measures[-1].ending = ending or measures[-1].ending
            local = {}
        elif token["tuplet"]:
            count = int(token["tuplet"])
            tuplet_ratio = Fraction(int(token["tuplet_q"] or TUPLET_TIME[count]), count)
            tuplet_left = int(token["tuplet_r"] or count)
        elif token["broken"]:
            if now.notes:
                longer = 2 - Fraction(1, 2 ** len(token["broken"]))
                first, second = (longer, 2 - longer) if token["broken"][0] == ">" else (2 - longer, longer)
                onset, length, pitch, tied = now.notes[-1]
                now.notes[-1] = (onset, length * first, pitch, tied)
                now.length += length * (first - 1)
                broken = second
        elif token["chord"] or token["letter"]:
            found = NOTE.findall(token["chord"]) if token["chord"] else []
            if token["chord"] and not found:
                continue
            length_text = token["chord_length"] or found[0][3] if found else token["length"]
            length = _length(length_text) * unit * 4 * broken
            broken = Fraction(1)
            if tuplet_left:
                length, tuplet_left = length * tuplet_ratio, tuplet_left - 1
            if found:
                pitch = max(_pitch(one[0], one[1], one[2], signature, local) for one in found)
                tied = bool(token["chord_tie"]) or bool(found[0][4])
            elif token["letter"] in "zxZ":
                pitch, tied = 0, False
            else:
                pitch = _pitch(token["accidental"] or "", token["letter"], token["octave"], signature, local)
                tied = bool(token["tie"])
            now.notes.append((now.length, length, pitch, tied))
            now.length += length
    return [measure for measure in measures if measure.length]


def _play(measures: list[_Measure]) -> tuple[tuple[tuple[float, float, int], ...], tuple[float, ...]]:
    """Plays the bars with their repeats; rests vanish, tied notes become one."""
    notes: list[tuple[float, float, int]] = []
    bars = [0.0]
    at, tied_before = Fraction(0), False
    for measure in _order(measures):
        for onset, length, pitch, tied in measure.notes:
            if pitch and tied_before and notes and notes[-1][2] == pitch:
                notes[-1] = (notes[-1][0], notes[-1][1] + float(length), pitch)
            elif pitch:
                notes.append((float(at + onset), float(length), pitch))
            tied_before = tied and bool(pitch)
        at += measure.length
        bars.append(float(at))
    return tuple(notes), tuple(bars)


def _order(measures: list[_Measure]) -> Iterator[_Measure]:
    """Bars in the order in which they sound: each repeated strain twice, with its endings."""
    start = index = 0
    turn, ending = 1, ""
    while index < len(measures):
        measure = measures[index]
        if (measure.opens and index != start) or (ending.startswith("2") and measure.ending.startswith("1")):
            start, turn, ending = index, 1, ""
        ending = measure.ending or ending
        sounds = not ending or str(turn) in ending
        if sounds:
            yield measure
        if measure.closes and turn == 1:
            index, turn, ending = start, 2, ""
            continue
        if measure.closes and not sounds and index + 1 < len(measures) and measures[index + 1].ending:
            ending = ""  # The first ending, passed over the second time: the second one follows.
        elif measure.closes or (measure.ends and ending.startswith("2")):
            start, turn, ending = index + 1, 1, ""
        index += 1


def _pitch(
    accidental: str, letter: str, octave: str, signature: dict[str, int], local: dict[tuple[str, str], int]
) -> int:
    place = (letter, octave)
    if accidental:
        local[place] = {"^": 1, "_": -1, "=": 0}[accidental[0]] * len(accidental)
    alter = local.get(place, signature.get(letter.upper(), 0))
    base = LETTER_PITCH[letter.upper()] + (12 if letter.islower() else 0)
    return base + 12 * (octave.count("'") - octave.count(",")) + alter


def _key(value: str) -> tuple[int, int, bool] | None:
    """Tonic pitch class, number of sharps (negative: flats) and whether the third is minor."""
    if value.strip()[:2] in ("Hp", "HP"):
        return 9, 2, False
    found = re.match(r"\s*([A-G])([#b]?)\s*([A-Za-z]*)", value)
    if not found:
        return None
    word = found[3].lower()[:3]
    if word != "m" and word not in MODE_FIFTHS:
        word = "m" if found[3].startswith("m") and not word.startswith(("maj", "mix")) else ""
    alter = {"": 0, "#": 1, "b": -1}[found[2]]
    tonic = (LETTER_PITCH[found[1]] + alter) % 12
    fifths = LETTER_FIFTHS[found[1]] + 7 * alter + MODE_FIFTHS[word]
    return tonic, fifths, word in ("m", "min", "aeo", "dor", "phr", "loc")


def _signature(fifths: int) -> dict[str, int]:
    if fifths >= 0:
        return dict.fromkeys(SHARPS[:fifths], 1)
    return dict.fromkeys(SHARPS[::-1][:-fifths], -1)


def _meter(value: str) -> Fraction:
    value = value.strip()
    if value.startswith("C"):
        return Fraction(1)
    found = re.match(r"(\d+)/(\d+)", value)
    return Fraction(int(found[1]), int(found[2])) if found else Fraction(1)


def _length_field(value: str | None) -> Fraction | None:
    found = re.match(r"\s*(\d+)/(\d+)", value or "")
    return Fraction(int(found[1]), int(found[2])) if found else None


def _length(text: str) -> Fraction:
    if not text:
        return Fraction(1)
    slashes = text.count("/")
    top, _, bottom = text.replace("/" * slashes, "/", 1).partition("/") if slashes else (text, "", "1")
    return Fraction(int(top or 1), int(bottom) if bottom else 2**slashes)


def _quarter_s(value: str | None, unit: Fraction) -> float | None:
    """Seconds of a quarter note by a Q field such as ``1/4=120``."""
    found = re.search(r"(?:(\d+)/(\d+)\s*=\s*)?(\d+)", value or "")
    if not found or int(found[3]) == 0:
        return None
    beat = Fraction(int(found[1]), int(found[2])) if found[1] else unit
    return float(60 / int(found[3]) / (beat * 4))
