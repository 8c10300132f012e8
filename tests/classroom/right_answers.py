"""For each question two right answers that are written in another way than the reference, or are other answers."""

from typing import Any

import torch

# --------------------------------------------------------------------------------------------- lesson 3


def alpha_loop(gradients):
    batch, k, h, w = gradients.shape
    return torch.stack([sum(gradients[:, :, i, j] for i in range(h) for j in range(w)) / (h * w)], 0)[0]


def _grad_cam_one_by_one(model, pictures, target):
    maps = []
    for picture, c in zip(pictures, target.tolist(), strict=True):
        A = model.conv(picture[None]).relu().detach().requires_grad_()
        model.head(A)[0, c].backward()
        maps.append(torch.einsum("khw,k->hw", A.detach()[0], A.grad[0].flatten(1).mean(1)).clamp(min=0))
    return torch.stack(maps)


def _grad_cam_float32(model, pictures, target):
    """A detour by single precision is no mistake."""
    A = model.conv(pictures).relu().detach().requires_grad_()
    z = model.head(A)
    (g,) = torch.autograd.grad(z[torch.arange(len(z)), target].sum(), A)
    return torch.relu((g.float().mean((2, 3), keepdim=True) * A.float()).sum(1)).detach()


def _killing(seed):
    def answer():
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(3, 4, 3, 2, generator=generator), torch.randn(3, 4, 3, 2, generator=generator)

    return answer


def letter(which: str) -> list[Any]:
    return [lambda: which, lambda: "".join([which])]


RIGHT: dict[str, list[Any]] = {
    "alpha": [alpha_loop, lambda g: torch.nn.functional.adaptive_avg_pool2d(g, 1)[..., 0, 0]],
    "grad_cam": [_grad_cam_one_by_one, _grad_cam_float32],
    "bias_from_map": [lambda m, s: s - m.flatten(1) @ torch.ones_like(m[0].flatten()),
                      lambda m, s: torch.stack([one - field.sum() for field, one in zip(m, s, strict=True)])],
    "counterfactual_map": [
        lambda A, g: -torch.einsum("bkhw,bk->bhw", A, g.mean((2, 3))).clamp(max=0),
        lambda A, g: torch.relu((A * -g.mean(-1).mean(-1)[..., None, None]).sum(1)),
    ],
    "killing_input": [_killing(1), _killing(5)],
    "equal_heads": letter("c"),
}  # fmt: skip


# --------------------------------------------------------------------------------------------- lesson 1


def _another_suppressor():
    generator = torch.Generator().manual_seed(0)
    y, d = torch.randn(2, 300, generator=generator)
    d = d - d.mean()
    y = y - y.mean()
    d = d - y * (y @ d) / (y @ y)
    return torch.stack([2 * y - 3 * d, d], 1), y


RIGHT |= {
    "shares": [lambda w, x: torch.einsum("bi,ji->bji", x, w),
               lambda w, x: torch.stack([torch.diag(one) @ w.T for one in x]).transpose(1, 2)],
    "chance": [lambda p, b: 1 / (1 + torch.exp(-(p.sum(1) + b))),
               lambda p, b: torch.stack([p.sum(1) + b, torch.zeros(len(p))], 1).softmax(1)[:, 0]],
    "rather_than": [lambda w, b, x, u: (w * x - w * u, (w * u).sum() + b),
                    lambda w, b, x, u: [torch.stack([w[i] * (x[i] - u[i]) for i in range(len(w))]), b + u @ w]],
    "same_model": [lambda w, b, r, s: (w * (1 / r), b - sum(w * s / r)),
                   lambda w, b, r, s: (w / r, w @ (-s / r) + b)],
    "suppressor": [_another_suppressor,
                   lambda: (torch.tensor([[3.0, 2.0], [-1.0, -2.0], [1.0, 2.0], [-3.0, -2.0]]),
                            torch.tensor([1.0, 1.0, -1.0, -1.0]))],
    "in_centimetres": letter("b"),
}  # fmt: skip


# --------------------------------------------------------------------------------------------- lesson 2


def _centred_by_maps(A, w, c):
    every = torch.einsum("bkhw,ck->bchw", A, w)
    return every[torch.arange(len(A)), c] - every.mean(1)


def _box_by_rows(m, share):
    inside = m > share * m.max()
    rows = [y for y in range(m.shape[0]) if inside[y].any()]
    columns = [x for x in range(m.shape[1]) if inside[:, x].any()]
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def _network_map_by_hook(network, pictures, target):
    kept = []
    handle = network.features.register_forward_hook(lambda layer, given, made: kept.append(made.detach()))
    network(pictures)
    handle.remove()
    return torch.stack([torch.tensordot(network.fc.weight[c], A, 1) for A, c in zip(kept[0], target, strict=True)])


def _network_map_by_gradient(network, pictures, target):
    """Grad-CAM's way, times Z: on this head the same."""
    A = network.features(network.normalize(pictures)).detach().requires_grad_()
    network.fc(network.pool(A).flatten(1)).gather(1, target[:, None]).sum().backward()
    return (A.grad * A.detach()).sum(1) * A[0, 0].numel()


RIGHT |= {
    "class_map": [lambda A, w, c: torch.einsum("bkhw,bk->bhw", A, w[c]),
                  lambda A, w, c: torch.stack([torch.tensordot(w[i], a, 1) for a, i in zip(A, c, strict=True)])],
    "logit_from_map": [lambda m, b: m.sum((1, 2)) / m[0].numel() + b,
                       lambda m, b: torch.nn.functional.adaptive_avg_pool2d(m[:, None], 1).flatten() + b],
    "box_around": [_box_by_rows, lambda m, s: tuple(_box_by_rows(m / m.max(), s))],
    "centred_map": [_centred_by_maps, lambda A, w, c: torch.einsum("bkhw,bk->bhw", A, w[c] - w.sum(0) / len(w))],
    "bent_head": [lambda: torch.tensor([[[6.0, 1.0]], [[0.0, 9.0]]]), lambda: torch.tensor([[[4, 0]], [[1, 7]]]) * 1.0],
    "network_map": [_network_map_by_hook, _network_map_by_gradient],
    "where_cam_can_go": letter("b"),
}  # fmt: skip


# --------------------------------------------------------------------------------------------- lesson 4


def _tangent_by_difference(f, x, at, baseline):
    """A slope by differences: sympy's own limit of them."""
    import sympy as sp

    slope = sp.lambdify(x, sp.diff(f, x))(at)
    return (at - baseline) * slope


def _tangent_as_sympy(f, x, at, baseline):
    return f.diff(x).subs(x, at) * (at - baseline)


def _left_out_by_integral(f, x, at, baseline):
    """Minus the integral of (t - x') f''(t), by Simpson's rule with many points, away from where it is singular."""
    import sympy as sp

    tangent = f.subs(x, at) + sp.diff(f, x).subs(x, at) * (baseline - at)
    return float(tangent - f.subs(x, baseline))


def _path_loop(f, x, baseline, steps):
    total = torch.zeros_like(x)
    for m in range(steps):
        point = (baseline + (m + 0.5) / steps * (x - baseline)).detach().requires_grad_()
        f(point).backward()
        total += point.grad * (x - baseline) / steps
    return total


def _threefold_solved(x):
    import sympy as sp

    f = sp.Function("f")
    return sp.dsolve(x * f(x).diff(x) - 3 * f(x), f(x), ics={f(1): 2}).rhs


RIGHT |= {
    "tangent_share": [_tangent_by_difference, _tangent_as_sympy],
    "left_out": [_left_out_by_integral,
                 lambda f, x, at, u: f.subs(x, at) - f.subs(x, u) - f.diff(x).subs(x, at) * (at - u)],
    "threefold": [lambda x: x * x * x + x**3, _threefold_solved],
    "order_flip": [lambda: (2, 1, 2, 5), lambda: [5.0, 2.0, 1.0, 1.5]],
    "path_shares": [_path_loop,
                    lambda f, x, u, s: torch.stack([_path_loop(f, x, u, s)[i] for i in range(len(x))])],
    "averaging_drops": [
        lambda A, g: ((g - g.mean((2, 3), keepdim=True)) * (A - A.mean((2, 3), keepdim=True))).sum((1, 2, 3)),
        lambda A, g: torch.einsum("bkhw,bkhw->b", A, g) - (g.mean((2, 3)) * A.sum((2, 3))).sum(1)],
    "saturated": letter("c"),
}  # fmt: skip


# --------------------------------------------------------------------------------------------- lesson 9


def _deletion_by_masks(weights, x, scores, fill):
    rank = scores.argsort(descending=True).argsort()
    curve = [weights @ torch.where(rank < n, torch.full_like(x, fill), x) for n in range(len(x) + 1)]
    return 1 / (1 + torch.exp(-torch.stack(curve)))


def _spearman_by_differences(a, b):
    n = a[0].numel()
    ranks = [m.flatten(1).argsort(1).argsort(1).double() for m in (a, b)]
    return 1 - 6 * (ranks[0] - ranks[1]).square().sum(1) / (n * (n * n - 1))


RIGHT |= {
    "points_at": [lambda m, k: ((m == m.amax((1, 2), keepdim=True)) & k).flatten(1).any(1),
                  lambda m, k: torch.tensor([bool(b[divmod(int(a.argmax()), a.shape[1])])
                                             for a, b in zip(m, k, strict=True)])],
    "beyond_area": [lambda m, k: (torch.where(k, m, 0.0).relu().sum((1, 2)) / m.relu().sum((1, 2))
                                  - k.sum((1, 2)) / k[0].numel()).nan_to_num(),
                    lambda m, k: torch.stack([a[b].relu().sum() / a.relu().sum() - b.double().mean() if (a > 0).any()
                                              else a.sum() * 0 for a, b in zip(m, k, strict=True)])],
    "deletion": [_deletion_by_masks, lambda w, x, s, f: _deletion_by_masks(w, x, 3 * s, f)],
    "blind_map": [lambda k: k.sum(0).float(), lambda k: 1.0 * (k.sum(0) == k.sum(0).max())],
    "agreement": [_spearman_by_differences,
                  lambda a, b: torch.stack([torch.corrcoef(torch.stack([one.flatten().argsort().argsort().double()
                                                                        for one in pair]))[0, 1]
                                            for pair in zip(a, b, strict=True)])],
    "passed": letter("b"),
}  # fmt: skip


# --------------------------------------------------------------------------------------------- lesson 5


def _blank_by_hand(model, colour, size):
    picture = torch.ones(1, 3, size, size, dtype=colour.dtype) * colour[:, None, None]
    return torch.tensor([1.0, -1.0]).double() @ model.head(model.conv(picture).clamp(min=0))[0]


RIGHT |= {
    "on_background": [lambda p, b: torch.lerp(b[:, None, None].expand_as(p[:, :3]), p[:, :3], p[:, 3:]),
                      lambda p, b: p[:, 3:] * (p[:, :3] - b[:, None, None]) + b[:, None, None]],
    "blank_margin": [_blank_by_hand, lambda m, c, s: m(c.repeat(s, s, 1).permute(2, 0, 1)[None])[0].diff()[0] * -1],
    "blind_spot": [lambda: (torch.tensor([-9.0, 2.0, 1.0]), torch.tensor([0.0, 0.5, 1.0])),
                   lambda: [torch.tensor([-2.0, 1.5]).double(), torch.tensor([0.0, 1.0]).double()]],
    "hidden_baseline": [lambda g, x, m, s: torch.einsum("bchw,bchw->bhw", g, x - m.view(3, 1, 1)),
                        lambda g, x, m, s: sum(g[:, c] * s[c] * ((x[:, c] - m[c]) / s[c]) for c in range(3))],
    "uses": [lambda i, b, c: ("shape", "codec", "background", "background")[(c < 0.3) + 2 * (b < 0.3)],
             lambda i, b, c: next((n for n, v in {"background": b, "codec": c}.items() if v < 0.3), "shape")],
    "to_a_colleague": [lambda: "The cue may lie on the animal. Swap the backgrounds.", lambda: "Swap, then look."],
    "where_to_repair": letter("d"),
}  # fmt: skip


# --------------------------------------------------------------------------------------------- lesson 7


def _gradient_one_by_one(model, x, target):
    rows = []
    for one, c in zip(x.detach(), target.tolist(), strict=True):
        at = one[None].clone().requires_grad_()
        model(at)[0, c].backward()
        rows.append(at.grad[0])
    return torch.stack(rows)


def _relevance_by_shares(a, w, b, R, epsilon):
    shares = a[:, None, :] * w
    z = shares.sum(2) + b
    return (shares / (z + epsilon * torch.where(z > 0, 1.0, -1.0))[..., None] * R[..., None]).sum(1)


def _loss_by_autograd(logits, gradients, target):
    z = logits.detach().requires_grad_()
    (by_logit,) = torch.autograd.grad(torch.nn.functional.cross_entropy(z, target, reduction="sum"), z)
    return (by_logit[:, None] @ gradients)[:, 0]


RIGHT |= {
    "saliency_map": [lambda m, x, c: _gradient_one_by_one(m, x, c).abs().max(1)[0],
                     lambda m, x, c: torch.stack([g.abs().amax(0) for g in _gradient_one_by_one(m, x, c)])],
    "smooth": [lambda m, x, c, e: sum(_gradient_one_by_one(m, x + one, c) for one in e) / len(e),
               lambda m, x, c, e: _gradient_one_by_one(m, (x + e).flatten(0, 1), c.repeat(len(e))).view_as(e).mean(0)],
    "back_through_relu": [
        lambda rule, x, R: {"gradient": lambda: torch.where(x > 0, R, 0), "deconvolution": lambda: R.clamp(min=0),
                            "guided": lambda: torch.where(x > 0, R.relu(), 0)}[rule](),
        lambda rule, x, R: (R if rule == "gradient" else R.relu()) * (1 if rule == "deconvolution" else (x > 0))],
    "relevance": [_relevance_by_shares, lambda a, w, b, R, e: torch.stack(
        [_relevance_by_shares(a[n : n + 1], w, b, R[n : n + 1], e)[0] for n in range(len(a))])],
    "loss_gradient": [_loss_by_autograd, lambda z, g, t: (z.softmax(1)[..., None] * g).sum(1) - g[range(len(g)), t]],
    "only_a_drawing": letter("a"),
}  # fmt: skip


# --------------------------------------------------------------------------------------------- lesson 8


def _occlude_at_once(score, picture, patch, fill):
    h, w = picture.shape[0] // patch, picture.shape[1] // patch
    cover = torch.eye(h * w).view(h * w, h, w).repeat_interleave(patch, 1).repeat_interleave(patch, 2).to(picture)
    return (score(picture[None]) - score(picture * (1 - cover) + fill * cover)).view(h, w)


RIGHT |= {
    "occlude": [_occlude_at_once, lambda s, x, p, f: -(s(x[None]) * 0 - _occlude_at_once(s, x, p, f))],
    "rise_map": [lambda s, m, q: torch.tensordot(s, m, 1) / len(s) / q,
                 lambda s, m, q: sum(a * b for a, b in zip(s, m, strict=True)) / q / len(s)],
    "enough_alone": [lambda: (0, 1, 1, 1), lambda: [0.0, 1.0, 1.0, 1]],
    "evidence": [lambda p, s: (torch.tensor(p).double().logit() - s.mean().logit()) / torch.tensor(2.0).double().log(),
                 lambda p, s: -torch.log2((1 - p) / p * s.mean() / (1 - s.mean()))],
    "passes": [lambda h, w, p, s: len(range(0, h - p + 1, s)) * len(range(0, w - p + 1, s)) + 1,
               lambda h, w, p, s: 1 + sum(1 for i in range(0, h - p + 1, s) for j in range(0, w - p + 1, s))],
    "which_fill": letter("c"),
}  # fmt: skip


# --------------------------------------------------------------------------------------------- lesson 6


def _grid_cell_by_cell(tokens, height, width):
    rows = [[tokens[:, 1 + i * width + j] for j in range(width)] for i in range(height)]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def _log_map_by_autograd(maps, logits, word):
    z = logits.detach().requires_grad_()
    (by_logit,) = torch.autograd.grad(z.log_softmax(0)[word], z)
    return (by_logit[:, None, None] * maps).sum(0)


RIGHT |= {
    "word_scores": [lambda z, w: (z * torch.nn.functional.one_hot(w, z.shape[2])).sum(2),
                    lambda z, w: torch.stack([a[range(len(b)), b] for a, b in zip(z, w, strict=True)])],
    "sentence_score": [
        lambda z, w: -torch.nn.functional.cross_entropy(z.transpose(1, 2), w, reduction="none").sum(1),
        lambda z, w: (z.softmax(2) * torch.nn.functional.one_hot(w, z.shape[2])).sum(2).log().sum(1)],
    "log_probability_map": [_log_map_by_autograd,
                            lambda m, z, c: torch.einsum("v,vhw->hw", z.softmax(0), m[c] - m)],
    "tokens_to_grid": [_grid_cell_by_cell, lambda t, h, w: t[:, 1:].view(len(t), h, w, -1).permute(0, 3, 1, 2)],
    "no_gradient": letter("d"),
}  # fmt: skip
