"""Workers of this machine: what goes wrong in one of them is told by the driver."""

import pytest

from pipelines.engines.local import LocalEngine
from schemas.errors import UserError
from tests.fake_job import FakeJob


@pytest.mark.parametrize("workers", [1, 2])
def test_models_that_cannot_be_opened_are_the_users_to_mend(tmp_path, workers, capfd):
    job = FakeJob(str(tmp_path), refused=True)
    with pytest.raises(UserError, match=r"^style\.codebook: of another encoder$"):
        list(LocalEngine(workers).run(job, range(4), lambda _: None))
    assert capfd.readouterr().err == ""
