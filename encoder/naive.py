"""The encoder that one would write first, for benchmarks: nnAudio per chunk, then a network, eager, one at a time.

Its embeddings are of no use where its weights are random; only its time is. It knows nothing of streams.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from encoder.features import average_time, prepare
from encoder.grid import CHUNK_SAMPLES
from encoder.network import EncoderConfig, ResNet50IBNConfig, build_network
from encoder.reference_cqt import ReferenceConstantQ
from encoder.weights import load_weights

NaiveNetwork = Literal["default", "resnet50_ibn"]


class NaiveEncoder:
    """20 s of samples to an embedding without batches, blocks or folded norms.

    Args:
        network: "default" is the shipped network with its weights, "resnet50_ibn" the paper's at T = 43, untrained.

    Raises:
        MissingPackageError: nnAudio is not installed.
        WeightsError: The default weights cannot be read.
    """

    def __init__(self, network: NaiveNetwork) -> None:
        self._transform = ReferenceConstantQ(CHUNK_SAMPLES % 512 // 2)
        if network == "default":
            weights = load_weights(None)
            self._network = weights.network.eval()
            self._average_frames = weights.config.average_frames
        else:
            config = EncoderConfig(average_frames=20, network=ResNet50IBNConfig())
            self._network = build_network(config).eval()
            self._average_frames = config.average_frames

    def embed(self, samples_S: NDArray[np.float32]) -> NDArray[np.float32]:
        """Unit vector [512] of one chunk of 20 s."""
        with torch.inference_mode():
            magnitude_BFT = self._transform(torch.from_numpy(samples_S)[None])
            mean_FT = average_time(magnitude_BFT[0].numpy(), self._average_frames)
            emb_BD = self._network(prepare(mean_FT[None], tuned=self._network.tuned))
        embedding_D: NDArray[np.float32] = emb_BD[0].numpy()
        return embedding_D
