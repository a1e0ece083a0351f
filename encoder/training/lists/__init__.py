"""Published lists of cover versions (SHS100K, Da-TACOS, Covers80) turned into the CSV that `train` and `evaluate` take.

One file a list's format; `version_list.py` holds what they give, `audio_files.py` finds the audio, `__main__.py` is the
command. None of them opens audio.
"""
