"""What GPUs can do at most, as their makers state it."""

from dataclasses import dataclass

from schemas.errors import UserError


@dataclass(frozen=True, slots=True)
class Gpu:
    """Peaks of dense (not sparse) matrix products.

    Args:
        fp32_tflops: Outside the tensor cores.
        half_tflops: Tensor cores, bf16 where there is bf16, else fp16.
        source: The maker's data sheet.
    """

    fp32_tflops: float
    half_tflops: float
    source: str


GPUS: dict[str, Gpu] = {
    "H100": Gpu(67.0, 989.4, "NVIDIA H100 Tensor Core GPU data sheet, SXM5 80 GB"),
    "H200": Gpu(67.0, 989.4, "NVIDIA H200 Tensor Core GPU data sheet, SXM"),
    "A100": Gpu(19.5, 312.0, "NVIDIA A100 Tensor Core GPU data sheet, SXM4"),
    "L40S": Gpu(91.6, 362.0, "NVIDIA L40S data sheet"),
    "L4": Gpu(30.3, 121.0, "NVIDIA L4 Tensor Core GPU data sheet, half of the sparse rate"),
    "A10G": Gpu(31.5, 70.0, "AWS EC2 G5 instances (NVIDIA A10G), dense"),
    "V100": Gpu(15.7, 125.0, "NVIDIA V100 Tensor Core GPU data sheet, SXM2, fp16"),
    "T4": Gpu(8.1, 65.0, "NVIDIA T4 Tensor Core GPU data sheet, fp16"),
    "RTX4090": Gpu(82.6, 165.2, "NVIDIA Ada GPU Architecture white paper, GeForce RTX 4090, fp32 accumulation"),
}


def gpu_named(name: str) -> tuple[str, Gpu]:
    """Look a GPU up by its name, spaces and case aside.

    Raises:
        UserError: It is not in the table.
    """
    found = name.upper().replace(" ", "").replace("-", "").removeprefix("NVIDIA")
    if found not in GPUS:
        raise UserError(f"--gpu: no figures for {name!r} (there are: {', '.join(GPUS)})")
    return found, GPUS[found]
