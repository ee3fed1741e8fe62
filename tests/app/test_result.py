"""What came back of a run, as the app's pages have it."""

import torch

import priorkit
from priorkit.app import result as result_module
from priorkit.app.result import panels


def test_every_picture_has_an_address_of_its_own():
    """By what it is; the details of measurement and recovery differ in what they are of."""
    x = torch.full((1, 1, 40, 320), 0.5)
    found = priorkit.recover(x, prior="none", op="identity", sigma=0.1, penalty="tv", gamma=0.1,
                             budget=2)  # fmt: skip
    (panel,) = panels(found)
    ((_, cards),) = panel.images
    names = [card.what for card in cards]
    assert len(set(names)) == len(names)
    details = [panel.card(0, f"detail-of-{what}") for what in ("measurement", "recovery")]
    assert [card.caption.partition(":")[0] for card in details] == ["measured", "recovered"]
    assert details[0].picture != details[1].picture
    assert panel.head == ["image", "PSNR (dB)", "SSIM", "misfit", "of noise alone",
                          found.record["unit"], "status", "reason"]  # fmt: skip
    assert panel.numbers[0][1] == f"{float(found.psnr[0]):.2f}"


def test_images_that_are_not_shown_are_counted(monkeypatch):
    monkeypatch.setattr(result_module, "MOST_IMAGES", 2)
    x = torch.full((3, 1, 8, 8), 0.5)
    (panel,) = panels(priorkit.recover(x, prior="none", op="mask", budget=1))
    assert (len(panel.images), len(panel.numbers)) == (2, 2)
    assert panel.sentence.endswith("And 1 image more, in the folder.")
