"""Decoding: every format and rate on real speech, the length law, and what each kind of bad file becomes."""

import errno
import hashlib
import io
import os
import pickle
import struct
import tracemalloc
from pathlib import Path

import av
import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile as sf
import soxr
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import RecordError, TransientError, UserError
from schemas.records import SourceRow
from transforms.audio import decode_file, resample, resampled_length
from transforms.audio_parquet import parquet_audio_column
from transforms.audio_reader import AudioReader, decode

EXAMPLE = Path(__file__).parents[2] / "examples/asterisk-en/audio/agent-alreadyon.flac"
SPEECH, _ = sf.read(EXAMPLE, dtype="float32")
FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "float.wav": ("WAV", "FLOAT"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}


def row(path, **more):
    return SourceRow("u", str(path), "text", **more)


def encoded(samples, rate_hz=16_000, kind="wav"):
    buffer = io.BytesIO()
    container, subtype = FORMATS[kind]
    sf.write(buffer, samples, rate_hz, format=container, subtype=subtype)
    return buffer.getvalue()


def dropped(data, **limits):
    with pytest.raises(RecordError) as caught:
        decode_file(io.BytesIO(data), **limits)
    return caught.value.code, caught.value.outcome


def similarity(a, b):
    """Highest normalised cross-correlation within 60 ms: codecs may shift what they decode."""
    n = min(len(a), len(b))
    spectrum = np.fft.rfft(a[:n], 2 * n) * np.conj(np.fft.rfft(b[:n], 2 * n))
    lags = np.fft.irfft(spectrum)
    near = np.concatenate([lags[:960], lags[-960:]])
    return near.max() / np.sqrt((a[:n] ** 2).sum() * (b[:n] ** 2).sum())


KINDS_AND_RATES = [
    (kind, rate_hz)
    for kind in FORMATS
    for rate_hz in (8_000, 16_000, 22_050, 44_100, 48_000)
    if kind != "opus" or rate_hz in (8_000, 16_000, 48_000)  # Opus has no other rates
]


@pytest.mark.parametrize(("kind", "rate_hz"), KINDS_AND_RATES)
@pytest.mark.parametrize("channels", [1, 2])
def test_every_format_rate_and_channel_count_gives_the_same_speech(tmp_path, kind, rate_hz, channels):
    source = SPEECH if rate_hz == 16_000 else soxr.resample(SPEECH, 16_000, rate_hz)
    samples = source if channels == 1 else np.stack([1.5 * source, 0.5 * source], axis=1) * 0.6
    path = tmp_path / f"a.{kind}"
    path.write_bytes(encoded(samples, rate_hz, kind))

    waveform, digest = decode(row(path))

    assert waveform.dtype == np.float32
    assert waveform.ndim == 1
    assert digest == AudioReader().digest(row(path)) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(waveform) == resampled_length(sf.info(path).frames, rate_hz)
    assert abs(len(waveform) - len(SPEECH)) <= (2 if kind != "mp3" else 3000)
    reference = SPEECH if rate_hz != 8_000 else soxr.resample(soxr.resample(SPEECH, 16_000, 8_000), 8_000, 16_000)
    assert similarity(waveform, reference) > 0.97


def test_16_khz_mono_is_untouched():
    waveform, _ = decode(row(EXAMPLE))
    assert np.array_equal(waveform, SPEECH)


def test_channels_are_averaged():
    left, right = np.full(4000, 0.5, np.float32), np.full(4000, -0.25, np.float32)
    waveform = decode_file(io.BytesIO(encoded(np.stack([left, right], axis=1), kind="float.wav")))
    assert np.array_equal(waveform, np.full(4000, 0.125, np.float32))


@given(frames=st.integers(0, 3000), rate_hz=st.integers(4_000, 200_000))
def test_length_is_the_nearest_integer_for_any_rate(frames, rate_hz):
    exact = frames * 16_000 / rate_hz
    waveform = resample(np.ones(frames, np.float32), rate_hz)
    assert len(waveform) == resampled_length(frames, rate_hz)
    assert abs(len(waveform) - exact) <= 0.5
    assert np.abs(waveform).max(initial=0) <= 1


def test_decoding_is_repeatable():
    data = encoded(soxr.resample(SPEECH, 16_000, 44_100), 44_100, "ogg")
    assert np.array_equal(decode_file(io.BytesIO(data)), decode_file(io.BytesIO(data)))


def test_float_samples_that_are_too_loud_are_scaled_and_not_clipped():
    samples = np.linspace(-2.0, 1.5, 4000, dtype=np.float32)
    waveform = decode_file(io.BytesIO(encoded(samples, kind="float.wav")))
    assert np.array_equal(waveform, samples / 2)


@pytest.mark.parametrize("scale", [-1.0, -0.95])
def test_of_channels_that_cancel_out_the_loudest_is_taken(scale):
    stereo = np.stack([SPEECH * np.float32(scale), SPEECH, np.zeros_like(SPEECH)], axis=1)
    waveform = decode_file(io.BytesIO(encoded(stereo, kind="float.wav")))
    assert np.array_equal(np.abs(waveform), np.abs(SPEECH))


# What bad files become


@pytest.mark.parametrize("data", [b"", b"RIFF", b"not audio at all" * 99, bytes(1000), b"fLaC" + bytes(60)])
def test_garbage_is_unreadable(data):
    assert dropped(data) == ("unreadable_audio", "failed")


def test_no_samples_is_filtered():
    assert dropped(encoded(np.zeros(0))) == ("empty_audio", "filtered")


@pytest.mark.parametrize(("frames", "rate_hz", "short"), [(1279, 16_000, True), (1280, 16_000, False)])
def test_eighty_milliseconds_is_the_least(frames, rate_hz, short):
    data = encoded(SPEECH[:frames], rate_hz)
    if short:
        assert dropped(data) == ("too_short", "filtered")
    else:
        assert len(decode_file(io.BytesIO(data))) == 1280


def test_longer_than_the_limit_is_filtered():
    data = encoded(SPEECH[:16_000])
    assert len(decode_file(io.BytesIO(data), max_duration_s=1.0)) == 16_000
    assert dropped(encoded(SPEECH[:16_001]), max_duration_s=1.0) == ("too_long", "filtered")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_invalid(value):
    samples = SPEECH[:8000].copy()
    samples[4000] = value
    assert dropped(encoded(samples, kind="float.wav")) == ("invalid_samples", "failed")


def test_samples_on_another_scale_are_invalid():
    assert dropped(encoded(SPEECH * 32768, kind="float.wav")) == ("invalid_samples", "failed")


@pytest.mark.parametrize("rate_hz", [1, 100, 3_999, 384_001, 2_000_000_000])
def test_absurd_rates_are_unreadable(rate_hz):
    data = bytearray(encoded(SPEECH[:16_000]))
    data[24:28] = struct.pack("<I", rate_hz)
    assert dropped(bytes(data)) == ("unreadable_audio", "failed")


def ten_hour_header(kind):
    """About 1 kB of audio below a header that promises ten hours."""
    frames = 36_000 * 16_000
    data = bytearray(encoded(SPEECH[:48_000], kind=kind))
    if kind == "wav":
        data[40:44] = struct.pack("<I", frames * 2)
        return bytes(data[:4000])
    word = int.from_bytes(data[18:26], "big") >> 36 << 36 | frames  # STREAMINFO's 36 bits of total samples
    data[18:26] = word.to_bytes(8, "big")
    return bytes(data[:4000])


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_a_ten_hour_header_costs_no_memory(kind):
    data = ten_hour_header(kind)
    tracemalloc.start()
    code = dropped(data)[0]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert code == "truncated_audio"
    assert peak < 20e6


def made_by_ffmpeg(codec, container, **options):
    buffer = io.BytesIO()
    rate_hz = 48_000 if codec == "libopus" else 16_000
    with av.open(buffer, "w", format=container, options=options) as output:
        stream = output.add_stream(codec, rate=rate_hz, layout="mono")
        samples = (soxr.resample(SPEECH, 16_000, rate_hz)[None] * 32_767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.rate = rate_hz
        resampler = av.AudioResampler(stream.format.name, "mono", rate_hz, frame_size=stream.frame_size or 1024)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return buffer.getvalue()


FFMPEG = {
    "opus": ("libopus", "ogg"),
    "mp3": ("libmp3lame", "mp3"),
}


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "opus", "mp3"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_file_that_was_cut_is_told(kind, share):
    data = encoded(SPEECH, 16_000, kind)
    assert len(decode_file(io.BytesIO(data))) == len(SPEECH)
    assert dropped(data[: int(len(data) * share)]) == ("truncated_audio", "failed")


@pytest.mark.parametrize("kind", FFMPEG)
def test_files_of_ffmpeg_are_whole_until_they_are_cut(kind):
    data = made_by_ffmpeg(*FFMPEG[kind])
    assert len(decode_file(io.BytesIO(data))) == pytest.approx(len(SPEECH), abs=3000)
    assert dropped(data[: len(data) // 2]) == ("truncated_audio", "failed")


def test_ogg_streams_in_a_chain_end_with_the_last():
    data = encoded(SPEECH, kind="ogg")
    assert len(decode_file(io.BytesIO(data + data))) >= len(SPEECH)
    assert dropped(data + data[: len(data) // 2]) == ("truncated_audio", "failed")


def test_an_mp3_without_a_count_may_end_anywhere():
    data = made_by_ffmpeg("libmp3lame", "mp3", write_xing="0", id3v2_version="0")
    assert len(decode_file(io.BytesIO(data))) >= len(SPEECH)
    assert len(decode_file(io.BytesIO(data[: len(data) // 2]))) < 0.6 * len(SPEECH)


def test_a_wav_from_a_pipe_is_read():
    data = bytearray(encoded(SPEECH[:8000]))
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    assert np.array_equal(decode_file(io.BytesIO(bytes(data))), SPEECH[:8000])


@given(st.binary(max_size=60), st.integers(0, 200), st.sampled_from(["wav", "flac", "ogg", "mp3"]))
def test_a_damaged_file_is_decoded_or_dropped_and_nothing_else(noise, at, kind):
    data = bytearray(DAMAGED[kind])
    data[at : at + len(noise)] = noise
    try:
        waveform = decode_file(io.BytesIO(bytes(data)), max_duration_s=5.0)
    except RecordError:
        return
    assert np.isfinite(waveform).all()
    assert np.abs(waveform).max() <= 1


DAMAGED = {kind: encoded(SPEECH[:8000], kind=kind) for kind in ("wav", "flac", "ogg", "mp3")}


# Places


@pytest.mark.parametrize("name", ["nowhere.wav", "", "sub", "a.wav/b.wav", "a\0b.wav", "nope://a.wav"])
def test_missing_audio_is_a_dead_letter(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("sub").mkdir()
    Path("a.wav").write_bytes(DAMAGED["wav"])
    with pytest.raises(RecordError) as caught:
        decode(row(name))
    assert caught.value.code == "missing_file"
    assert str(tmp_path) not in caught.value.detail


def test_details_do_not_depend_on_the_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("bad.flac").write_bytes(b"garbage")
    details = set()
    for _ in range(2):
        with pytest.raises(RecordError) as caught:
            decode(row("bad.flac"))
        details.add(str(pickle.loads(pickle.dumps(caught.value))))
    assert details == {"unreadable_audio: libsndfile cannot read it: Format not recognised."}


def test_memory_urls():
    with fsspec.open("memory://corpus/a.flac", "wb") as file:
        file.write(EXAMPLE.read_bytes())
    waveform, digest = decode(row("memory://corpus/a.flac"))
    assert np.array_equal(waveform, SPEECH)
    assert digest == AudioReader().digest(row("memory://corpus/a.flac"))
    assert digest == hashlib.sha256(EXAMPLE.read_bytes()).hexdigest()


class FakeOutage(MemoryFileSystem):
    """A store that refuses every read."""

    protocol = "fakeoutage"
    error: Exception = OSError("connection reset")

    def _open(self, path, *args, **kwargs):
        raise self.error


def test_an_outage_is_transient(monkeypatch):
    fsspec.register_implementation("fakeoutage", FakeOutage, clobber=True)
    for error in (OSError("connection reset"), TimeoutError(), ConnectionResetError()):
        monkeypatch.setattr(FakeOutage, "error", error)
        with pytest.raises(TransientError):
            decode(row("fakeoutage://a.wav"))
    monkeypatch.setattr(FakeOutage, "error", FileNotFoundError("a.wav"))
    with pytest.raises(RecordError, match="missing_file"):
        decode(row("fakeoutage://a.wav"))


class FakeKeys(MemoryFileSystem):
    """A store whose credentials open all keys but one, until they run out."""

    protocol = "fakekeys"
    store: dict = {}  # noqa: RUF012 (as its parent's)
    forbidden = "/bucket/forbidden.flac"
    expired = False

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.removeprefix("fakekeys:/"))

    def _open(self, path, mode="rb", **kwargs):
        if self.expired or path == self.forbidden:
            raise PermissionError("Access Denied")
        return super()._open(path, mode, **kwargs)

    def cat_file(self, path, start=None, end=None, **kwargs):
        with self._open(path) as file:
            return file.read()[start:end]


@pytest.fixture
def keys(monkeypatch):
    fsspec.register_implementation("fakekeys", FakeKeys, clobber=True)
    store = fsspec.filesystem("fakekeys", skip_instance_cache=True)
    store.pipe_file("/bucket/a.flac", EXAMPLE.read_bytes())
    store.pipe_file("/bucket/12::30.flac", EXAMPLE.read_bytes())
    return monkeypatch


def test_credentials_that_ran_out_are_no_records_fault(keys):
    reader = AudioReader()
    reader.decode(row("fakekeys://bucket/a.flac"))
    keys.setattr(FakeKeys, "expired", True)
    for reading in (reader, AudioReader()):
        with pytest.raises(TransientError, match="no permission; the credentials may have run out"):
            reading.decode(row("fakekeys://bucket/a.flac"))


@pytest.mark.parametrize("before", [True, False])
def test_a_single_key_that_is_forbidden_is_its_records_fault(keys, before):
    reader = AudioReader()
    if before:  # then nothing need be listed
        reader.decode(row("fakekeys://bucket/a.flac"))
        keys.setattr(FakeKeys, "ls", None)
    with pytest.raises(RecordError, match=r"unreadable_audio: no permission to read fakekeys://bucket/forbidden\.flac"):
        reader.decode(row("fakekeys://bucket/forbidden.flac"))


def test_a_key_may_hold_two_colons(keys):
    waveform, _ = decode(row("fakekeys://bucket/12::30.flac"))
    assert np.array_equal(waveform, SPEECH)
    with pytest.raises(RecordError, match="missing_file"):
        decode(row("fakekeys://bucket/12::31.flac"))


def test_a_local_name_may_hold_two_colons(tmp_path):
    path = tmp_path / "12::30.flac"
    path.write_bytes(EXAMPLE.read_bytes())
    waveform, _ = decode(row(path))
    assert np.array_equal(waveform, SPEECH)


OF_THE_NAME = {"ENOENT", "ENOTDIR", "EISDIR", "ENAMETOOLONG", "ELOOP", "EACCES", "EPERM"}


@pytest.mark.parametrize("name", sorted(errno.errorcode.values()))
def test_what_a_system_says_is_charged_to_a_record_only_where_it_is_of_its_name(tmp_path, monkeypatch, name):
    code, path, stat = getattr(errno, name), str(tmp_path / "a.wav"), os.stat

    def failing(asked, *args, **kwargs):
        if str(asked) == path:
            raise OSError(code, os.strerror(code), path)
        return stat(asked, *args, **kwargs)

    monkeypatch.setattr(os, "stat", failing)
    with pytest.raises(RecordError if name in OF_THE_NAME else TransientError):
        decode(row(path))


def test_a_store_whose_package_is_missing_is_the_users_to_mend():
    fsspec.register_implementation("fakepackage", "no_such_package.FakeStore", clobber=True)
    with pytest.raises(UserError, match=r"cannot open fakepackage://a\.wav"):
        decode(row("fakepackage://a.wav"))


# Parquet


def parquet(path, payloads, *, name="audio", row_group_size=3):
    audio = pa.array(
        [{"bytes": data, "path": None} for data in payloads], pa.struct({"bytes": pa.binary(), "path": pa.string()})
    )
    pq.write_table(pa.table({name: audio, "text": ["t"] * len(payloads)}), path, row_group_size=row_group_size)
    return str(path)


def test_parquet_rows_across_row_groups(tmp_path):
    payloads = [encoded(SPEECH[: 2000 + index]) for index in range(8)]
    url = parquet(tmp_path / "a.parquet", payloads, name="recording")
    reader = AudioReader()
    for index in (7, 0, 3, 2, 5, 7):
        waveform, digest = reader.decode(row(url, audio_row=index))
        assert len(waveform) == 2000 + index
        assert digest == reader.digest(row(url, audio_row=index)) == hashlib.sha256(payloads[index]).hexdigest()


def test_parquet_reads_a_row_group_once_while_it_is_cached(tmp_path):
    url = parquet(tmp_path / "a.parquet", [encoded(SPEECH[:2000])] * 6)
    reader = AudioReader()
    reader.decode(row(url, audio_row=1))
    Path(url).unlink()
    reader.decode(row(url, audio_row=2))
    with pytest.raises(RecordError, match="missing_file"):
        reader.decode(row(url, audio_row=3))


def test_parquet_cache_keeps_one_group_at_least_and_no_more_than_its_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr("transforms.audio_reader._CACHE_BYTES", 10_000)
    url = parquet(tmp_path / "a.parquet", [encoded(SPEECH[:4000])] * 4, row_group_size=1)
    reader = AudioReader()
    for index in range(4):
        reader.decode(row(url, audio_row=index))
        assert len(reader._groups) == 1


def test_parquet_faults(tmp_path):
    url = parquet(tmp_path / "a.parquet", [None, b"garbage"])
    for index, code in ((0, "missing_file"), (1, "unreadable_audio"), (2, "missing_file")):
        with pytest.raises(RecordError, match=code):
            decode(row(url, audio_row=index))
    (tmp_path / "cut.parquet").write_bytes(Path(url).read_bytes()[:-50])
    with pytest.raises(RecordError, match="unreadable_parquet"):
        decode(row(tmp_path / "cut.parquet", audio_row=0))


def test_the_audio_column_is_told_by_its_type():
    audio = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    assert parquet_audio_column(pa.schema([("text", pa.string()), ("clip", audio)])) == "clip"
    assert parquet_audio_column(pa.schema([("other", audio), ("audio", audio)])) == "audio"
    assert parquet_audio_column(pa.schema([("audio", pa.large_binary())])) == "audio"
    for fields in ([("text", pa.string())], [("a", audio), ("b", audio)]):
        with pytest.raises(RecordError, match="unreadable_parquet"):
            parquet_audio_column(pa.schema(fields))
