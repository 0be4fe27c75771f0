"""What can be fitted: one table. Modules are imported when a fit is asked for, not before, as they bring their models.

The command line reads this at each start.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    from pipelines.yaml_config import Section
    from schemas.records import StreamKind

FitWhat = Literal["units", "pitch", "style", "hubert", "aligner", "vocoder"]


@dataclass(frozen=True, slots=True)
class FitKind:
    """A fit's settings and its function, as ``module:attribute``.

    Args:
        backends: Sections of the settings that name a backend by ``kind``.
        resumes: Whether it keeps a folder ``work/`` in the output, and goes on from there.
    """

    settings: str
    function: str
    backends: "tuple[StreamKind, ...]" = ()
    resumes: bool = False

    def load_settings(self) -> "type[Section]":
        return cast("type[Section]", resolve_name(self.settings))

    def load_function(self) -> Callable[..., dict[str, float]]:
        return cast(Callable[..., dict[str, float]], resolve_name(self.function))


FITS: dict[FitWhat, FitKind] = {
    "units": FitKind("pipelines.fit.units:UnitsFitConfig", "pipelines.fit.units:fit_units"),
    "pitch": FitKind("pipelines.fit.pitch:PitchFitConfig", "pipelines.fit.pitch:fit_pitch"),
    "style": FitKind("pipelines.fit.style:StyleFitConfig", "pipelines.fit.style:fit_style"),
    "hubert": FitKind("pipelines.fit.hubert:HubertFitConfig", "pipelines.fit.hubert:fit_hubert", resumes=True),
    "aligner": FitKind("pipelines.fit.aligner:AlignerFitConfig", "pipelines.fit.aligner:fit_aligner"),
    "vocoder": FitKind(
        "pipelines.fit.vocoder_config:VocoderFitConfig",
        "pipelines.fit.vocoder:fit_vocoder",
        backends=("units", "pitch", "style"),
        resumes=True,
    ),
}
