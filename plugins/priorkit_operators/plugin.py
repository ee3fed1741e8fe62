"""Names of the operators."""

from priorkit import hookimpl
from priorkit.hookspecs import Register


@hookimpl
def register_operators(register: Register) -> None:
    identity = "priorkit_operators.pointwise:Identity"
    register("identity", identity, aliases=("denoising",), any_size=True)
    register("mask", "priorkit_operators.pointwise:Mask", aliases=("inpainting",))
    gaussian = "priorkit_operators.gaussian:Gaussian"
    register("gaussian", gaussian, aliases=("cs",), fallback={"m": 500})
    register("blur", "priorkit_operators.blur:Blur", aliases=("deblurring",))
    register("downsample", "priorkit_operators.resampling:Downsample", aliases=("superresolution",))
    register("fourier", "priorkit_operators.fourier:Fourier", aliases=("mri",))
    register("gray", "priorkit_operators.pointwise:Gray", aliases=("colorization",))
    register("matrix", "priorkit_operators.matrix:Matrix")
    register("mosaic", "priorkit_operators.mosaic:Mosaic", aliases=("demosaicing",))
    register("phase", "priorkit_operators.phase:Phase")
    register("radon", "priorkit_operators.radon:Radon", aliases=("tomography",))
    register("rademacher", "priorkit_operators.rademacher:Rademacher")
    register("srht", "priorkit_operators.srht:SRHT")
