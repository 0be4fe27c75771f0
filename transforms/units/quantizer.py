"""Features of any extractor, coded by a codebook."""

from collections.abc import Sequence
from pathlib import Path

from schemas.errors import UserError
from schemas.records import TokenIds, Waveform
from transforms.kmeans import load_codebook
from transforms.units.protocol import FeatureExtractor


class UnitsEncoder:
    """Raises ``UserError`` when it is made of a codebook for features of another width."""

    def __init__(self, extractor: FeatureExtractor, codebook_path: Path) -> None:
        self._extractor = extractor
        self._codebook = load_codebook(codebook_path)
        if self._codebook.feature_dim != extractor.feature_dim:
            raise UserError(
                f"units.codebook: {codebook_path} is for {self._codebook.feature_dim} features a frame, "
                f"the model gives {extractor.feature_dim}; fit one with `plait fit units`"
            )

    def encode(self, waveforms: Sequence[Waveform]) -> list[TokenIds]:
        return [self._codebook.assign(features) for features in self._extractor.features(waveforms)]
