"""Operations count the same whichever layer does them."""

import pytest
import torch
from torch import nn

from pipelines.plan.flops import flop_counter
from transforms.cpu_layers import WindowedConv, pack_linears, packs


def counted(model: nn.Module, x: torch.Tensor) -> int:
    with torch.inference_mode(), flop_counter() as counter:
        model(x)
    return int(counter.total)


def test_a_linear_layer_is_two_operations_a_weight_and_row() -> None:
    assert counted(nn.Linear(12, 7), torch.zeros(2, 5, 12)) == 2 * 10 * 12 * 7


@pytest.mark.skipif(not packs(torch.device("cpu"), torch.float32), reason="no x86 processor with oneDNN")
def test_packed_layers_count_as_those_in_whose_place_they_stand() -> None:
    model = nn.Sequential(nn.Linear(12, 7), nn.Linear(7, 3))
    expected = counted(model, torch.zeros(2, 5, 12))
    pack_linears(model)
    assert counted(model, torch.zeros(2, 5, 12)) == expected
    conv = nn.Conv1d(12, 7, 3, stride=2)
    assert counted(WindowedConv(conv), torch.zeros(2, 21, 12)) == counted(conv, torch.zeros(2, 12, 21))
