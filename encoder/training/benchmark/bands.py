"""The benchmark's bands: General MIDI programs that no band of the training or of the demo has. Tables only."""

from __future__ import annotations

from encoder.training.bands import Band

BENCHMARK_BANDS = (
    Band(name="harpsichord", melody=(6, 111, 78), bridge=(45, 44), chords=(6,), bass=(67, 35),
         styles=("alberti", "block", "half"), bass_styles=("root", "two")),
    Band(name="funk", melody=(67, 83, 84), bridge=(28, 7), chords=(7, 5, 28), bass=(36, 37),
         styles=("offbeat", "sixteenths", "charleston"), bass_styles=("octaves", "pop"), drums=("disco", "pop")),
    Band(name="zither", melody=(15, 106, 104), bridge=(15,), chords=(15, 6, 45), bass=(35,),
         styles=("arpeggio", "folk", "alberti"), bass_styles=("root", "two")),
    Band(name="whistles", melody=(78, 79, 77), bridge=(76, 77), chords=(45, 44, 23), bass=(35, 67),
         styles=("folk", "oompah", "pulse"), bass_styles=("two", "root"), drums=("train",)),
    Band(name="tango", melody=(23, 79), bridge=(45,), chords=(23, 5), bass=(35,),
         styles=("pulse", "charleston", "half"), bass_styles=("two", "pop"), drums=("latin",)),
    Band(name="pads", melody=(83, 86, 84), bridge=(92, 94), chords=(50, 51, 93, 95), bass=(37, 36),
         styles=("half", "block", "pulse"), bass_styles=("octaves", "rock"), drums=("disco",)),
    Band(name="mallets", melody=(13, 15), bridge=(45,), chords=(13, 28, 31), bass=(35,),
         styles=("arpeggio", "eighths", "alberti"), bass_styles=("root", "walk")),
    Band(name="pipes", melody=(109, 111, 78), bridge=(79,), chords=(23, 50), bass=(67,),
         styles=("block", "half"), bass_styles=("root",), drums=("train", "rock")),
    Band(name="pizzicato", melody=(45, 44, 50), bridge=(44,), chords=(45, 50), bass=(67, 35),
         styles=("pulse", "arpeggio", "oompah"), bass_styles=("two", "root")),
    Band(name="electric piano", melody=(5, 86), bridge=(92, 31), chords=(5,), bass=(35, 36),
         styles=("charleston", "half", "arpeggio"), bass_styles=("walk", "pop"), drums=("swing", "ballad")),
)  # fmt: skip
