"""The text that goes with a fitted vocoder: what it learned from and what it scores."""

from collections.abc import Mapping

from pipelines.fit.report import left_out_lines
from pipelines.fit.vocoder_data import FittingRecording
from schemas.records import SAMPLE_RATE_HZ
from transforms.vocoder.description import VocoderDescription


def vocoder_card(
    description: VocoderDescription,
    recordings: list[FittingRecording],
    settings: Mapping[str, object],
    figures: Mapping[str, float],
    *,
    left_out: Mapping[str, int],
    fingerprint: str,
) -> str:
    lines = [
        "# A vocoder for speech tokens",
        "",
        f"Fingerprint `{fingerprint}`.",
        "",
        "Acoustic model (tokens to log-mel and F0) and HiFi-GAN generator (log-mel and F0 to 16 kHz audio), fitted by",
        "`plait fit vocoder`. It speaks the tokens of these encoders and refuses others:",
        "",
        "| stream | encoder fingerprint | codes | hop (samples) |",
        "|---|---|---|---|",
    ]
    for kind, stream in description.streams.items():
        lines.append(f"| {kind} | `{stream.fingerprint}` | {stream.codebook_size} | {stream.hop_samples} |")
    lines += ["", "Fitted on (the first is the default voice):", ""]
    lines += ["| speaker | recordings | minutes | licence |", "|---|---|---|---|"]
    for speaker in description.speakers:
        own = [recording for recording in recordings if recording.speaker == speaker]
        minutes = sum(recording.num_samples for recording in own) / SAMPLE_RATE_HZ / 60
        licences = ", ".join(sorted({recording.licence for recording in own if recording.licence})) or "not stated"
        lines.append(f"| {speaker} | {len(own)} | {minutes:.1f} | {licences} |")
    lines += ["", *left_out_lines(left_out)] if left_out else []
    lines += ["", "On recordings kept apart (one in forty):", "", "| figure | value |", "|---|---|"]
    lines += [f"| {name} | {value:.3f} |" for name, value in figures.items()]
    lines += ["", "Settings:", "", "```yaml"]
    lines += [f"{name}: {value}" for name, value in settings.items()]
    lines += ["```", ""]
    return "\n".join(lines)
