import importlib.util

from transforms.align._compiled import compiled

MODULE = """
from transforms.align._compiled import compiled


@compiled
def double(number):
    return 2 * number
"""


def module_at(path):
    path.write_text(MODULE)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_was_compiled_is_kept(tmp_path):
    assert module_at(tmp_path / "doubling.py").double(4) == 8
    assert list((tmp_path / "__pycache__").glob("doubling.double*.nbi"))


def test_a_function_without_a_file_is_compiled_all_the_same():
    """numba can keep nothing then, as in a process that may write nowhere."""
    scope = {}
    exec("def double(number):\n    return 2 * number", scope)
    assert compiled(scope["double"])(4) == 8
