"""Small files as instruments write them, of real pictures or simulated by other libraries, and what
their field's plain answer makes of them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import convolve, gaussian_filter, median_filter
from scipy.signal import convolve2d, wiener
from skimage import data, restoration, transform

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pydicom.data import get_testdata_file

RNG = np.random.default_rng


def chambolle(y, sigma, channel_axis=None):
    """Total variation by scikit-image, at the better of two weights."""
    scale = max(float(np.ptp(y)), 1e-9)
    return [
        scale
        * restoration.denoise_tv_chambolle(y / scale, w * sigma / scale, channel_axis=channel_axis)
        for w in (1.0, 2.0)
    ]


def dicom(folder: Path):
    """A real CT slice in Hounsfield units, with the noise of a low dose."""
    import pydicom

    path = get_testdata_file("CT_small.dcm", download=False)
    ds = pydicom.dcmread(path)
    truth = ds.pixel_array.astype(float) * ds.RescaleSlope + ds.RescaleIntercept
    noisy = truth + 80 * RNG(0).standard_normal(truth.shape)
    stored = np.clip(np.round(noisy - ds.RescaleIntercept), -32768, 32767).astype(np.int16)
    ds.PixelData = stored.tobytes()
    ds.save_as(folder / "slice.dcm")
    return truth, chambolle(noisy, 80)


def phantom_coils(side=96, coils=4):
    """The k-space of a picture with a smooth phase on a grid twice as fine, as coils see it."""
    fine = 2 * side
    size = transform.resize(data.shepp_logan_phantom(), (fine, fine), anti_aliasing=True)
    rows, columns = np.mgrid[-1 : 1 : fine * 1j, -1 : 1 : fine * 1j]
    picture = size * np.exp(1j * (1.5 * rows * columns + columns))
    around = [2 * np.pi * k / coils + 0.3 for k in range(coils)]
    maps = [1 / (1.2 + (rows - np.sin(a)) ** 2 + (columns - np.cos(a)) ** 2) for a in around]
    spectra = np.fft.fftshift(
        np.fft.fft2(np.fft.ifftshift(np.array(maps) * picture, axes=(1, 2)), norm="ortho"),
        axes=(1, 2),
    )
    middle = slice(side - side // 2, side + side // 2)
    return spectra[:, middle, middle] / 2


def kspace(folder: Path):
    """A file like those of fastMRI, (slices, coils, H, W), of a fourth of the lines."""
    import h5py

    full = phantom_coils()
    sigma = 0.002
    draws = RNG(0).standard_normal((2, *full.shape)) * sigma / 2**0.5
    side = full.shape[-1]
    seen = np.zeros(side, bool)
    seen[side // 2 - 6 : side // 2 + 6] = True
    others = RNG(1).permutation(np.flatnonzero(~seen))
    seen[others[: side // 4 - 12]] = True
    y = (full + draws[0] + 1j * draws[1]) * seen
    with h5py.File(folder / "scan.h5", "w") as file:
        file["kspace"] = y[None].astype(np.complex64)
        file["mask"] = seen.astype(np.float32)
    return squares(full), [squares(y)]


def squares(spectra):
    """The root of the sum of squares of all coils' pictures."""
    axes = (-2, -1)
    pictures = np.fft.fftshift(
        np.fft.ifft2(np.fft.ifftshift(spectra, axes=axes), norm="ortho"), axes=axes
    )
    return np.sqrt((np.abs(pictures) ** 2).sum(0))


def nifti(folder: Path):
    """A volume of balls in arbitrary units, with noise."""
    import nibabel

    z, y, x = np.mgrid[-1:1:12j, -1:1:32j, -1:1:32j]
    truth = 200.0 + 600 * ((x**2 + y**2 + z**2) < 0.7) - 300 * ((x - 0.2) ** 2 + y**2 < 0.1)
    noisy = truth + 60 * RNG(0).standard_normal(truth.shape)
    affine = np.diag([0.9, 0.9, 3.0, 1.0])
    nibabel.save(
        nibabel.Nifti1Image(noisy.transpose(2, 1, 0).astype(np.float32), affine),
        folder / "volume.nii.gz",
    )
    slices = [np.stack([chambolle(s, 60)[k] for s in noisy]) for k in (0, 1)]
    # What nibabel has for rows is x.
    return truth.swapaxes(1, 2), [s.swapaxes(1, 2) for s in slices]


def sinogram(folder: Path):
    """60 angles of the phantom by scikit-image, on a grid three times as fine, with noise."""
    fine = transform.resize(data.shepp_logan_phantom(), (285, 285), anti_aliasing=True)
    truth = transform.downscale_local_mean(fine, (3, 3))
    angles = np.linspace(0, 180, 60, endpoint=False)
    rays = transform.radon(fine, theta=angles)
    rays = transform.downscale_local_mean(rays, (3, 1)) / 3  # in pixels of the coarse grid
    noisy = rays + 0.3 * RNG(0).standard_normal(rays.shape)
    np.save(folder / "sinogram.npy", noisy)
    return truth, [transform.iradon(noisy, theta=angles, filter_name=f) for f in ("ramp", "hann")]


def stars(folder: Path):
    """A real photograph of the sky as counts of a telescope, with cosmic rays."""
    from astropy.io import fits

    sky = np.asarray(Image.fromarray(data.hubble_deep_field()).convert("L"))[200:264, 300:364]
    truth = 100 + 12.0 * sky
    counts = RNG(0).poisson(truth).astype(np.float32)
    struck = RNG(1).random(truth.shape) < 0.02
    counts[struck] += RNG(2).uniform(2000, 20000, int(struck.sum()))
    fits.PrimaryHDU(counts).writeto(folder / "stars.fits")
    return truth, [*chambolle(counts, 25), median_filter(counts, 3), median_filter(counts, 5)]


def sky(folder: Path):
    """A photograph of the sky of which a detector saw half as well, and a map that says so."""
    from astropy.io import fits

    picture = np.asarray(Image.fromarray(data.hubble_deep_field()).convert("L"))[200:264, 300:364]
    truth = 100 + 12.0 * picture
    errors = np.where(np.arange(64) < 32, 60.0, 400.0) * np.ones((64, 1))
    noisy = truth + errors * RNG(0).standard_normal(truth.shape)
    fits.PrimaryHDU(noisy.astype(np.float32)).writeto(folder / "sky.fits")
    fits.PrimaryHDU(errors.astype(np.float32)).writeto(folder / "errors.fits")
    return truth, [*chambolle(noisy, 60), *chambolle(noisy, 200), wiener(noisy, 5)]


def frame(folder: Path):
    """Some fifty photons at white, read with a noise of three electrons above a black of 100."""
    truth = 1.0 * data.camera()[64:320:4, 128:384:4] * 100 / 255
    read = 100 + 2 * RNG(0).poisson(truth / 2) + 6 * RNG(1).standard_normal(truth.shape)
    Image.fromarray(read.round().clip(0, 65535).astype(np.uint16)).save(folder / "frame.tif")
    plain = (read - 100).clip(0)
    return truth, [*chambolle(plain, 10), wiener(plain, 3)]


def bilinear(raw):
    """The three colours of a mosaic, red first, interpolated."""
    place = np.zeros((3, *raw.shape))
    place[0, ::2, ::2] = place[2, 1::2, 1::2] = place[1, ::2, 1::2] = place[1, 1::2, ::2] = 1
    cross = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
    whole = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4
    kernels = (whole, cross, whole)
    return np.stack(
        [convolve(raw * p, k, mode="mirror") for p, k in zip(place, kernels, strict=True)]
    )


def mosaic(folder: Path):
    """A raw picture of 16 bits with the noise of a sensor."""
    truth = data.chelsea()[80:152, 132:204].transpose(2, 0, 1) / 255
    place = np.zeros_like(truth)
    place[0, ::2, ::2] = place[2, 1::2, 1::2] = place[1, ::2, 1::2] = place[1, 1::2, ::2] = 1
    raw = (truth * place).sum(0)
    raw = np.clip(raw + 0.02 * RNG(0).standard_normal(raw.shape), 0, 1)
    Image.fromarray((raw * 65535).round().astype(np.uint16)).save(folder / "raw.png")
    return truth, [bilinear(raw)]


def cube(folder: Path):
    """A hyperspectral cube of eight bands, (H, W, bands), with noise: colours seen through filters
    that overlap, each by a detector with a curve of its own, so that no band follows from others.
    """
    from scipy.io import savemat

    colours = data.coffee()[100:164, 200:264] / 255
    weights = np.exp(-2 * (np.linspace(0, 2, 8)[:, None] - np.arange(3)) ** 2)
    weights /= weights.sum(1, keepdims=True)
    curves = 1 + 0.5 * np.sin(2.0 * np.arange(8))[:, None, None]
    truth = np.einsum("hwc,bc->bhw", colours, weights) ** curves
    noisy = truth + 0.08 * RNG(0).standard_normal(truth.shape)
    savemat(folder / "cube.mat", {"cube": noisy.transpose(1, 2, 0)})
    return truth, chambolle(noisy, 0.08, channel_axis=0)


def photograph(folder: Path):
    """A photograph taken in little light, saved as JPEG."""
    truth = data.chelsea()[20:180, 60:260] / 255
    noisy = truth + 0.08 * RNG(0).standard_normal(truth.shape)
    levels = (255 * noisy.clip(0, 1)).round().astype(np.uint8)
    Image.fromarray(levels).save(folder / "photo.jpg", quality=97, subsampling=0)
    return truth.transpose(2, 0, 1), [
        answer.transpose(2, 0, 1) for answer in chambolle(noisy, 0.08, channel_axis=2)
    ]


def scratched(folder: Path):
    """A photograph with scratches painted over in red."""
    truth = data.chelsea()[80:152, 132:204]
    painted = truth.copy()
    for k in range(5):
        rows = np.arange(72)
        columns = np.clip(8 + 13 * k + (rows * (k - 2)) // 6, 0, 69)
        for width in range(5):
            painted[rows, np.clip(columns + width, 0, 71)] = (255, 0, 0)
    Image.fromarray(painted).save(folder / "scratched.png")
    hole = (painted == (255, 0, 0)).all(-1)
    plain = restoration.inpaint_biharmonic(painted / 255, hole, channel_axis=-1)
    return truth.transpose(2, 0, 1) / 255, [plain.transpose(2, 0, 1)]


def blurred(folder: Path):
    """A photograph shaken by seven pixels, with noise."""
    truth = data.camera()[138:210, 198:270] / 255
    kernel = np.zeros((7, 7))
    kernel[3] = 1 / 7
    noise = 0.01 * RNG(0).standard_normal(truth.shape)
    shaken = convolve2d(truth, kernel, mode="same", boundary="symm") + noise
    Image.fromarray((np.clip(shaken, 0, 1) * 255).round().astype(np.uint8)).save(
        folder / "blurred.png"
    )
    plain = [restoration.wiener(shaken, kernel, balance=b) for b in (0.01, 0.03, 0.1)]
    return truth, plain


def small(folder: Path):
    """A photograph at half of its size."""
    truth = data.coffee()[80:152, 200:272] / 255
    half = Image.fromarray((truth * 255).astype(np.uint8)).resize(
        (36, 36), Image.Resampling.BICUBIC
    )
    half.save(folder / "small.png")
    plain = np.asarray(half.resize((72, 72), Image.Resampling.BICUBIC)) / 255
    return truth.transpose(2, 0, 1), [plain.transpose(2, 0, 1)]


def micrograph(folder: Path):
    """A microscope's picture of cells, 12 bits in a TIFF of 16, with noise."""
    import tifffile

    truth = 500 + gaussian_filter(data.cell()[200:328, 200:328].astype(float), 1) * 12
    noisy = np.clip(truth + 60 * RNG(0).standard_normal(truth.shape), 0, 4095)
    tifffile.imwrite(folder / "cells.tif", noisy.round().astype(np.uint16))
    return truth, chambolle(noisy, 60)


def signal(folder: Path):
    """A signal of steps with noise, in volts."""
    truth = np.repeat(RNG(3).uniform(-2, 5, 12), 40)
    noisy = truth + 0.4 * RNG(0).standard_normal(truth.shape)
    np.save(folder / "signal.npy", noisy[None])
    return truth, [wiener(noisy, n) for n in (9, 15)]
