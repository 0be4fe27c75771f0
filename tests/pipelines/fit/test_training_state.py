"""A training's state goes on bit for bit, is replaced as a whole, and what is none is refused in one line."""

import errno
import pickle

import pytest
import torch

from pipelines.fit.training_state import TrainingState
from schemas.errors import EngineError, UserError


class Training:
    def __init__(self, width: int = 3, **figures: float) -> None:
        torch.manual_seed(0)
        self.model = torch.nn.Linear(4, width)
        self.optimiser = torch.optim.AdamW(self.model.parameters())
        self.state = TrainingState(figures, model=self.model, optimiser=self.optimiser)

    def train(self, steps: int) -> "Training":
        for _ in range(steps):
            torch.manual_seed(self.state.step)
            self.optimiser.zero_grad()
            self.model(torch.randn(2, 4)).square().mean().backward()
            self.optimiser.step()
            self.state.step += 1
        return self


def test_a_restored_training_takes_the_same_steps(tmp_path):
    path = tmp_path / "new folder" / "state.pt"
    whole, half = Training(best=1.0).train(5), Training(best=1.0).train(2)
    half.state.figures["best"] = 0.25
    half.state.save(path)
    assert [each.name for each in path.parent.iterdir()] == ["state.pt"]
    resumed = Training(best=1.0)
    resumed.state.restore(path)
    assert (resumed.state.step, resumed.state.figures) == (2, {"best": 0.25})
    resumed.train(3)
    assert torch.equal(resumed.model.weight, whole.model.weight)


def test_a_follower_begins_at_step_0_with_all_parts():
    earlier, later = Training().train(3), Training()
    later.state.follow(earlier.state)
    assert later.state.step == 0
    assert torch.equal(later.model.weight, earlier.model.weight)
    assert later.optimiser.state_dict()["state"][0]["step"] == 3


def test_nothing_is_kept_or_found_without_a_path(tmp_path):
    training = Training().train(1)
    training.state.save(None)
    training.state.restore(None)
    training.state.restore(tmp_path / "none.pt")
    assert training.state.step == 1


def test_a_save_that_fails_leaves_the_last_state(tmp_path, monkeypatch):
    path = tmp_path / "state.pt"
    training = Training().train(1)
    training.state.save(path)

    def full(state, file):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(EngineError, match="cannot write"):
        training.train(1).state.save(path)
    monkeypatch.undo()
    again = Training()
    again.state.restore(path)
    assert again.state.step == 1
    assert [each.name for each in tmp_path.iterdir()] == ["state.pt"]


class Code:
    def __reduce__(self):
        return (print, ("ran",))


def _damaged(path):
    Training().train(1).state.save(path)
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    "write",
    [
        _damaged,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no state"),
        lambda path: path.write_bytes(pickle.dumps(Code())),
        lambda path: path.mkdir(),
        lambda path: torch.save([1], path),
        lambda path: torch.save({"model": {}, "optimiser": {}, "step": 1}, path),
        lambda path: torch.save({"model": 1, "optimiser": 2, "step": None}, path),
        lambda path: torch.save({**Training().state._states(), "step": "far"}, path),
        lambda path: Training(width=5).state.save(path),
        lambda path: Training(best=0.0).state.save(path),
    ],
)
def test_what_is_no_state_of_it_is_refused_in_one_line(write, tmp_path, capsys):
    path = tmp_path / "state.pt"
    write(path)
    with pytest.raises(UserError, match=r"cannot go on from .*state\.pt .*remove it to train anew") as refused:
        Training().state.restore(path)
    assert "\n" not in str(refused.value)
    assert not capsys.readouterr().out
