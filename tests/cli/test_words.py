"""What the library says, in the words of the command line."""

import pytest

from priorkit.cli.words import as_options, split
from priorkit.settings.config import RunConfig

KNOWN = [*RunConfig.model_fields, "m"]


@pytest.mark.parametrize(
    ("said", "typed"),
    [
        ("solver='adam' or 'fista', or no gamma", "--solver adam or fista, or no --gamma"),
        ("noise_norm=0.1, or no noise_norm", "--noise-norm 0.1, or no --noise-norm"),
        ("noise='gaussian' and no m", "--noise gaussian and no --m"),
        ("range=(0, 4095), or range='auto'", "--range 0 4095, or --range auto"),
        ("range=(-1024.0, 3e3)", "--range -1024.0 3000.0"),
        ("range=(lo, hi), the least and the greatest", "--range lo hi, the least and the greatest"),
        ("gamma=0.01, 10 times less", "--gamma 0.01, 10 times less"),
        ("sigma=…, from something even", "--sigma …, from something even"),
        ("clip=True, which clips", "--clip true, which clips"),
        ("resume=True, another folder", "--resume, another folder"),
        ("no resume", "no --resume"),
        ('priors=["glow-celeba", "dct"]', "--priors glow-celeba,dct"),
        ('op={"name": "matrix"}', """--op '{"name": "matrix"}'"""),
        ("path='my file.npy'", "--path 'my file.npy'"),
        ("a file (mask='auto')", "a file (--mask auto)"),
        ("shape=(3, 64, 64), or no shape", "--shape 3 64 64, or no --shape"),
        # What is no setting stays as it is.
        ("op=Mask(mask=numpy.isfinite(y)) @ …", "op=Mask(mask=numpy.isfinite(y)) @ …"),
        ("numpy.degrees(angles), if they are", "numpy.degrees(angles), if they are"),
        ("scan.nii.gz::slice=77,frame=2", "scan.nii.gz::slice=77,frame=2"),
        ("numpy.save('A.npy', A, x=1)", "numpy.save('A.npy', A, x=1)"),
        ("DRUNet(pretrained=True)", "DRUNet(pretrained=True)"),
        ("sigma=0 where there is no noise", "--sigma 0 where there is no noise"),
        ("no network at all", "no network at all"),
        ("pip install 'priorkit[formats]'", "pip install 'priorkit[formats]'"),
        ("faces=FOLDER", "faces=FOLDER"),
    ],
)
def test_settings_are_said_as_options(said, typed):
    assert as_options(f"It is so. Got no noise. Try: {said}", KNOWN) == (
        f"It is so. Got no noise. Try: {typed}"
    )


@pytest.mark.parametrize(
    ("said", "typed"),
    [
        ("y.clip(0), or gain=1", "FILE.npy of y.clip(0), or --gain 1"),
        (
            "x of attenuation: mu*(1 + hu/1000).clip(0) of Hounsfield units",
            "x of attenuation: FILE.npy of mu*(1 + hu/1000).clip(0) of Hounsfield units",
        ),
        (
            'y=…, the same numbers, with op="mask" and mask=numpy.isfinite(x), which takes',
            "--y …, the same numbers, with --op mask and --mask FILE.npy of numpy.isfinite(x), "
            "which takes",
        ),
        ("slice=0 of a file or y=y[0], and", "--slice 0 of a file or --y FILE.npy of y[0], and"),
        ("photons=values[:, None] of one", "--photons FILE.npy of values[:, None] of one"),
    ],
)
def test_what_python_makes_is_a_file_on_the_command_line(said, typed):
    made = ". FILE.npy is what numpy.save('FILE.npy', …) of Python writes"
    assert as_options(f"No. Try: {said}", KNOWN) == f"No. Try: {typed}{made}"


@pytest.mark.parametrize(
    ("said", "value"),
    [("shape=(3, 16, 16)", [3, 16, 16]), ("m=500", 500), ("solver='pnp-admm'", "pnp-admm"),
     ("op={'name': 'blur', 'width': 1.5}", {"name": "blur", "width": 1.5})],
)  # fmt: skip
def test_what_is_said_is_read_as_it_was_meant(said, value):
    import shlex

    _, options = split(shlex.split(as_options(said)))
    assert list(options.values()) == [value]


def test_a_warning_is_said_so_too(command_line, tmp_path, monkeypatch):
    """As one of a file of 16 bits, which names a range."""
    import numpy as np
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.full((8, 8), 4000, np.uint16)).save("dark.png")
    words = "recover dark.png --op identity --sigma 0.1 --prior none --penalty tv --gamma 0.01"
    done = command_line(*words.split(), "--budget", "1")
    assert "Try: --range 0 4095, if it has 12 bits" in done.err
