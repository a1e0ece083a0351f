"""The errors of the encoder package: one tree, so that a caller can tell bad input from a bad installation."""


class EncoderError(Exception):
    """Anything that the encoder refuses or cannot do; the message is one line.

    `retriable` says whether the same call may succeed later without a change.
    """

    retriable: bool = False


class AudioShapeError(EncoderError):
    """An array of samples or frames has a shape, type or length that the callee cannot take."""


class SampleRateError(EncoderError):
    """A source's sample rate is not an integer from 4,000 to 384,000 Hz."""


class ResamplerStateError(EncoderError):
    """A resampler was used after its flush."""


class MissingPackageError(EncoderError):
    """An optional package that the chosen front end needs is not installed."""


class TrainingDataError(EncoderError):
    """Songs, or a program or file that rendering them needs, are missing or cannot be read."""


class WeightsError(EncoderError):
    """A folder of weights is missing, torn, of another format version, or does not fit together."""


class DeviceError(EncoderError):
    """The asked device or precision cannot be used on this machine."""


class RecipeError(EncoderError):
    """A training file or the encoder configuration that it names is missing or wrong."""
