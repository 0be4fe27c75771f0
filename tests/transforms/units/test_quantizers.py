"""Codebooks and linear quantizers as others write them, and files that must not be trusted."""

import io
import pickle
import zlib

import joblib
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file
from sklearn.cluster import KMeans, MiniBatchKMeans

from schemas.errors import UserError
from transforms.units.codebook_files import read_codebook
from transforms.units.linear_files import read_linear, take_left_neighbour
from transforms.units.quantizer import UnitsEncoder


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(0).normal(size=(400, 6)).astype(np.float32)


class FakeExtractor:
    """Features that a test gives, in place of a model's."""

    def __init__(self, features):
        self._features = features
        self.feature_dim = features[0].shape[1]

    def hidden(self, waveforms):
        return [torch.from_numpy(each) for each in self._features]


def codes(path, *features, **options):
    return UnitsEncoder(FakeExtractor(list(features)), path, **options).encode([])


@pytest.mark.parametrize("kind", [KMeans, MiniBatchKMeans])
@pytest.mark.parametrize("compress", [0, 3])
def test_scikit_learns_file_gives_the_codes_of_its_predict(points, kind, compress, tmp_path):
    model = kind(12, random_state=0, n_init=1).fit(points)
    path = tmp_path / "km.bin"
    joblib.dump(model, path, compress=compress)
    assert read_codebook(path).size == 12
    (ids,) = codes(path, points)
    assert np.array_equal(ids, model.predict(points))


def test_plain_pickles_and_double_precision_are_read_too(points, tmp_path):
    model = KMeans(5, random_state=0, n_init=1).fit(points.astype(np.float64))
    for protocol in (2, 4, 5):
        (tmp_path / "km.pkl").write_bytes(pickle.dumps(model, protocol=protocol))
        found = read_codebook(tmp_path / "km.pkl").centroids
        assert np.array_equal(found, model.cluster_centers_.astype(np.float32))


class _Wicked:
    def __init__(self, call, *arguments):
        self._reduced = (call, arguments)

    def __reduce__(self):
        return self._reduced


@pytest.mark.parametrize("call", ["system", "eval", "getattr", "load"])
def test_a_file_that_would_run_code_is_refused_by_name(points, call, tmp_path):
    touched = tmp_path / "touched"
    calls = {
        "system": (__import__("os").system, f"touch {touched}"),
        "eval": (eval, f"open({str(touched)!r}, 'w')"),
        "getattr": (getattr, "text", "upper"),
        "load": (np.load, str(touched)),
    }
    model = KMeans(3, random_state=0, n_init=1).fit(points)
    model.wicked = _Wicked(*calls[call])
    joblib.dump(model, tmp_path / "km.bin")
    with pytest.raises(UserError, match="refused"):
        read_codebook(tmp_path / "km.bin")
    assert not touched.exists()


def test_stand_ins_cannot_be_turned_into_something_else(tmp_path):
    build_a_class = pickle.PROTO + b"\x04" + b"cnumpy\ndtype\n" + b"}(V__setstate__\ncnumpy\nndarray\nu" + b"b."
    (tmp_path / "km.bin").write_bytes(build_a_class)
    with pytest.raises(UserError, match="refused"):
        read_codebook(tmp_path / "km.bin")
    objects = io.BytesIO()
    joblib.dump({"cluster_centers_": np.array([print], dtype=object)}, objects)
    (tmp_path / "km.bin").write_bytes(objects.getvalue())
    with pytest.raises(UserError):
        read_codebook(tmp_path / "km.bin")


@given(st.binary(max_size=200), st.booleans())
def test_rubbish_is_the_users_mistake(tmp_path_factory, data, deflated):
    path = tmp_path_factory.mktemp("rubbish") / "km.bin"
    path.write_bytes(zlib.compress(data) if deflated else data)
    with pytest.raises(UserError):
        read_codebook(path)


def test_fairseqs_arrays(points, tmp_path):
    np.save(tmp_path / "km.npy", points[:7])
    np.savez(tmp_path / "km.npz", centroids=points[:7])
    for name in ("km.npy", "km.npz"):
        assert np.array_equal(codes(tmp_path / name, points[:7])[0], np.arange(7))
    np.save(tmp_path / "flat.npy", points[0])
    with pytest.raises(UserError, match="not a codebook"):
        read_codebook(tmp_path / "flat.npy")
    with pytest.raises(UserError, match="model gives 3"):
        codes(tmp_path / "km.npy", np.zeros((2, 3), np.float32))


def mlp(path, *, outputs=5):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, outputs))
    if path.suffix == ".safetensors":
        save_file({name: tensor.numpy() for name, tensor in net.state_dict().items()}, path)
    else:
        torch.save({"model": net.state_dict(), "step": 3}, path)
    return net


@pytest.mark.parametrize("name", ["q.pt", "q.safetensors"])
def test_an_mlp_gives_its_likeliest_output(points, name, tmp_path):
    net = mlp(tmp_path / name)
    assert read_linear(tmp_path / name).size == 5
    with torch.no_grad():
        expected = net(torch.from_numpy(points)).argmax(1).numpy()
    found = codes(tmp_path / name, points[:250], points[:0], points[250:])
    assert [len(ids) for ids in found] == [250, 0, 150]
    assert np.array_equal(np.concatenate(found), expected)


def chain(names, sizes):
    rng = np.random.default_rng(0)
    widths = zip(names, sizes[:-1], sizes[1:], strict=True)
    return {f"{name}.weight": rng.normal(size=(b, a)).astype(np.float32) for name, a, b in widths}


def save_linears(path, tensors):
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save({name: torch.from_numpy(array) for name, array in tensors.items()}, path)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("stem", ["l{}", "net.{}", "layer{}.proj", "a1_{}"])
def test_layers_stand_in_the_order_of_their_numbers(stem, suffix, tmp_path):
    tensors = chain([stem.format(at) for at in range(12)], [4] * 13)
    save_linears(tmp_path / f"q{suffix}", tensors)
    found = [weight for weight, _ in read_linear(tmp_path / f"q{suffix}").layers]
    assert np.array_equal(found, list(tensors.values()))


def test_a_state_dicts_own_order_counts_where_it_chains(tmp_path):
    same = chain(["project", "hidden", "classify"], [4, 4, 4, 4])
    save_linears(tmp_path / "q.pt", same)
    assert np.array_equal([weight for weight, _ in read_linear(tmp_path / "q.pt").layers], list(same.values()))
    numbered = chain(["0", "1", "2"], [6, 5, 4, 3])
    save_linears(tmp_path / "shuffled.pt", dict(reversed(numbered.items())))
    assert [weight.shape for weight, _ in read_linear(tmp_path / "shuffled.pt").layers] == [(5, 6), (4, 5), (3, 4)]


def test_a_blank_takes_its_left_neighbour_within_its_recording(points, tmp_path):
    net = mlp(tmp_path / "q.pt")
    with torch.no_grad():
        raw = net(torch.from_numpy(points)).argmax(1).numpy()
    blank = int(np.bincount(raw).argmax())
    cut = int(np.flatnonzero(raw == blank)[3])  # the second recording starts with a blank
    first, second = codes(tmp_path / "q.pt", points[:cut], points[cut:], blank=blank)
    assert second[0] == blank
    heard = np.flatnonzero(raw[cut:] != blank)[0]
    assert not (second[heard:] == blank).any()
    assert np.array_equal(np.concatenate([first, second])[raw != blank], raw[raw != blank])


@given(st.lists(st.integers(0, 4), max_size=40))
def test_blanks_repeat_the_last_code(ids):
    found = take_left_neighbour(np.array(ids, dtype=np.int32), 4)
    last = 4
    for given_id, code in zip(ids, found.tolist(), strict=True):
        last = last if given_id == 4 else given_id
        assert code == last


def test_other_networks_are_refused(points, tmp_path):
    torch.save({"a.weight": torch.zeros(4, 6), "b.weight": torch.zeros(4, 6)}, tmp_path / "q.pt")
    with pytest.raises(UserError, match="no chain of linear layers"):
        read_linear(tmp_path / "q.pt")
    mlp(tmp_path / "r.pt")
    with pytest.raises(UserError, match="5 outputs"):
        codes(tmp_path / "r.pt", points, blank=5)
    torch.save(_Wicked(print, "run"), tmp_path / "s.pt")
    with pytest.raises(UserError, match="would run code"):
        read_linear(tmp_path / "s.pt")


def written(save, *arguments, **options):
    file = io.BytesIO()
    save(file, *arguments, **options)
    return file.getvalue()


POINTS = np.arange(12, dtype=np.float32).reshape(4, 3)
DAMAGED_CODEBOOKS = {
    "cut.npz": written(np.savez, centroids=POINTS)[:-40],
    "overwritten.npz": written(np.savez_compressed, centroids=POINTS).replace(b"\x00\x00", b"\xff\xff"),
    "empty.npz": b"",
    "none.npz": written(np.savez, centroids=POINTS[:0]),
    "narrow.npz": written(np.savez, centroids=POINTS[:, :0]),
    "flat.npz": written(np.savez, centroids=POINTS[0]),
    "number.npz": written(np.savez, centroids=np.float32(1)),
    "flat-projection.npz": written(np.savez, centroids=POINTS, projection=np.float32(1)),
    "another.npz": written(np.savez, weights=POINTS),
    "in-truth-npy.npz": written(np.save, POINTS),
    "empty.npy": b"",
    "cut.npy": written(np.save, POINTS)[:-5],
    "text.npy": b"text",
    "words.npy": written(np.save, np.array([["a", "b"]])),
    "in-truth-npz.npy": written(np.savez, centroids=POINTS),
}
DAMAGED_LINEARS = {
    "empty.pt": b"",
    "text.pt": b"hello, this is no checkpoint\n",
    "more-text.pt": b"weights of the quantizer",
    "cut.pt": written(lambda file: torch.save({"a.weight": torch.zeros(4, 6)}, file))[:-100],
    "list.pt": written(lambda file: torch.save([torch.zeros(4, 6)], file)),
    "numbered.pt": written(lambda file: torch.save({0: torch.zeros(4, 6)}, file)),
    "with-a-step.pt": written(lambda file: torch.save({"a.weight": torch.zeros(4, 6), "step": 3}, file)),
    "number.pt": written(lambda file: torch.save({"a.weight": torch.tensor(1.0)}, file)),
    "numbers.pt": written(lambda file: torch.save({"a.weight": torch.ones(()), "a.bias": torch.ones(())}, file)),
    "nan.pt": written(lambda file: torch.save({"a.weight": torch.full((4, 6), torch.nan)}, file)),
    "empty.safetensors": b"",
    "text.safetensors": b"hello, this is no checkpoint",
}


@pytest.mark.parametrize("name", [*DAMAGED_CODEBOOKS, *DAMAGED_LINEARS])
def test_a_damaged_file_is_said_in_one_line(name, tmp_path):
    read = read_codebook if name in DAMAGED_CODEBOOKS else read_linear
    (tmp_path / name).write_bytes({**DAMAGED_CODEBOOKS, **DAMAGED_LINEARS}[name])
    with pytest.raises(UserError) as caught:
        read(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert f"{name} ()" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "would run code" not in str(caught.value)
