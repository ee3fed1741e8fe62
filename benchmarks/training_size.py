"""What training a Glow takes, on paper: multiplications, parameters and activations per picture.

    python benchmarks/training_size.py

Counts the convolutions of every step, 9·(C/2)·w + w² + 9·w·C + C² multiply-adds per place of a
level with C channels and w hidden ones; a training step is three times a forward pass. Of
activations, what autograd keeps of a step in float32: its input and output, and six planes of
hidden channels. The last column is the time of a million pictures at 40% of 989 TFLOP/s, the
bfloat16 peak on the data sheet of one H100.
"""

from __future__ import annotations

SIZES = {
    "glow-celeba, 64×64": (64, [8] * 4, [64, 96, 128, 192]),
    "the paper's, 64×64": (64, [48] * 4, [512] * 4),
    "ours with six levels, 256×256": (256, [8] * 6, [64, 64, 96, 128, 192, 256]),
    "Glow as published, 256×256": (256, [32] * 6, [512] * 6),
}
PEAK, SHARE = 989e12, 0.4


def counts(size: int, steps: list[int], width: list[int]) -> tuple[float, int, float]:
    """FLOP of a training step, parameters, and bytes of activations, per picture."""
    channels, side = 12, size // 2
    flop, parameters, kept = 0.0, 0, 0.0
    for k, w in zip(steps, width, strict=True):
        products = 9 * (channels // 2) * w + w * w + 9 * w * channels + channels * channels
        flop += 3 * 2 * k * products * side**2
        parameters += k * (products + 4 * w + 3 * channels)
        kept += 4 * k * side**2 * (2 * channels + 6 * w)
        channels, side = 2 * channels, side // 2
    return flop, parameters, kept


def main() -> None:
    """Print the table."""
    heads = "network | GFLOP per picture | parameters (M) | activations (MiB) | hours per million"
    print(f"| {heads} |")
    print("|---|---|---|---|---|")
    for name, given in SIZES.items():
        flop, parameters, kept = counts(*given)
        hours = 1e6 * flop / (PEAK * SHARE) / 3600
        print(f"| {name} | {flop / 1e9:.1f} | {parameters / 1e6:.1f} | {kept / 2**20:.0f} | "
              f"{hours:.2f} |")  # fmt: skip


if __name__ == "__main__":
    main()
