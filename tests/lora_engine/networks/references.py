"""What networks of LyCORIS add to a weight, written out as plainly as the papers have it: entry by entry, with
whole matrices. Slow, and without the engine's formulas."""

from __future__ import annotations

import torch


def change(leaves, weight):
    """The change of a layer by its leaves, in the leaves' precision."""
    found = next(formula for sign, formula in FORMULAS.items() if sign in leaves)(leaves, weight)
    if "dora_scale" not in leaves:
        return found
    merged = weight + found
    if leaves["dora_scale"].shape[0] == weight.shape[0] and leaves["dora_scale"].shape[1] == 1:
        lengths = [row.square().sum().sqrt() for row in merged]
        scales = leaves["dora_scale"].flatten()
        turned = torch.stack([row * m / n for row, m, n in zip(merged, scales, lengths, strict=True)])
    else:
        columns = merged.unbind(1)
        scales = leaves["dora_scale"].flatten()
        turned = torch.stack([c * m / c.square().sum().sqrt() for c, m in zip(columns, scales, strict=True)], 1)
    return turned - weight


def scale(leaves, rank):
    return float(leaves["alpha"]) / rank


def locon(leaves, weight):
    down, up = leaves["lora_down.weight"], leaves["lora_up.weight"]
    rank = down.shape[0]
    total = torch.zeros_like(weight)
    for r in range(rank):
        if "lora_mid.weight" in leaves:
            for s in range(rank):
                outer = torch.outer(up[:, r].flatten(), down[s].flatten())[:, :, None, None]
                total = total + outer * leaves["lora_mid.weight"][r, s]
        else:
            total = total + torch.outer(up[:, r].flatten(), down[r].flatten()).reshape(weight.shape)
    return total * scale(leaves, rank)


def loha(leaves, weight):
    halves = []
    for which in "12":
        a, b = leaves[f"hada_w{which}_a"], leaves[f"hada_w{which}_b"]
        half = torch.zeros_like(weight)
        for r in range(b.shape[0]):
            if f"hada_t{which}" in leaves:
                for s in range(b.shape[0]):
                    outer = torch.outer(a[r], b[s])[:, :, None, None]
                    half = half + outer * leaves[f"hada_t{which}"][r, s]
            else:
                half = half + torch.outer(a[:, r], b[r]).reshape(weight.shape)
        halves.append(half)
    return halves[0] * halves[1] * scale(leaves, b.shape[0])


def lokr(leaves, weight):
    first = leaves["lokr_w1"] if "lokr_w1" in leaves else leaves["lokr_w1_a"] @ leaves["lokr_w1_b"]
    size = (weight.shape[0] // first.shape[0], weight.shape[1] // first.shape[1], *weight.shape[2:])
    if "lokr_w2" in leaves:
        second = leaves["lokr_w2"].reshape(size)
    elif "lokr_t2" in leaves:
        a, b, t = leaves["lokr_w2_a"], leaves["lokr_w2_b"], leaves["lokr_t2"]
        second = sum(
            torch.outer(a[r], b[s])[:, :, None, None] * t[r, s] for r in range(len(a)) for s in range(len(b))
        )
    else:
        second = (leaves["lokr_w2_a"] @ leaves["lokr_w2_b"]).reshape(size)
    rows = [torch.cat([entry * second for entry in row], dim=1) for row in first]
    whole = "lokr_w1" in leaves and "lokr_w2" in leaves
    rank = leaves["lokr_w2_b" if "lokr_w2_b" in leaves else "lokr_w1_b"].shape[0] if not whole else 1
    return torch.cat(rows, dim=0) * (1.0 if whole else scale(leaves, rank))


def full(leaves, weight):
    return leaves["diff"]


def ia3(leaves, weight):
    factors = leaves["weight"].flatten()
    if leaves["on_input"]:
        return torch.stack([column * one for column, one in zip(weight.unbind(1), factors, strict=True)], 1)
    return torch.stack([row * one for row, one in zip(weight, factors, strict=True)])


def glora(leaves, weight):
    a = leaves["a1.weight"].flatten(1) @ leaves["a2.weight"].flatten(1)
    b = leaves["b1.weight"].flatten(1) @ leaves["b2.weight"].flatten(1)
    entries = weight.reshape(*weight.shape[:2], -1).unbind(2)
    turned = torch.stack([entry @ a for entry in entries], 2)
    return (turned.reshape(weight.shape) + b.reshape(weight.shape)) * scale(leaves, leaves["b1.weight"].shape[1])


def rotations(blocks, leaves, weight):
    q = blocks - blocks.transpose(-1, -2)
    length, longest = q.norm(), float(leaves["alpha"]) * weight.shape[0]
    if longest > 0 and length.item() > longest:
        q = q * longest / length
    one = torch.eye(q.shape[-1], dtype=q.dtype)
    return (one + q) @ torch.linalg.inv(one - q)


def orthogonal(leaves, weight):
    found, flat = rotations(leaves["oft_blocks"], leaves, weight), weight.flatten(1)
    if found.ndim == 3:
        flat = torch.block_diag(*[block.T for block in found]) @ flat
    else:
        for stage, blocks in enumerate(found):
            order = butterfly(weight.shape[0], 2**stage * (blocks.shape[-1] // 2))
            mixed = torch.block_diag(*blocks) @ flat[order]
            flat = mixed[torch.argsort(torch.tensor(order))]
    turned = flat.reshape(weight.shape)
    if "rescale" in leaves:
        turned = turned * leaves["rescale"]
    return turned - weight


def butterfly(width, near):
    """Outputs in the order in which a stage takes them together: each with the one `near` further on."""
    return [
        start + place + half * near
        for start in range(0, width, 2 * near)
        for place in range(near)
        for half in range(2)
    ]


FORMULAS = {
    "lora_down.weight": locon,
    "hada_w1_a": loha,
    "lokr_w1": lokr,
    "lokr_w1_a": lokr,
    "diff": full,
    "on_input": ia3,
    "a1.weight": glora,
    "oft_blocks": orthogonal,
    "w_norm": lambda leaves, weight: leaves["w_norm"],
}
