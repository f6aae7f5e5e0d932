"""The same models in PyTorch, as one would write them there, on the weights of ours.

Each twin takes its parameters from the Flax tree, so that a benchmark can first hold the numbers
against each other: what is compared is the same computation.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import nn


def tensor(array: Any) -> torch.Tensor:
    """A float or int array of ours as a tensor of its own."""
    return torch.from_numpy(np.array(array))


class Blstm(nn.Module):
    """`jser.models.blstm.BLSTM` as PyTorch's own layer over packed sequences."""

    def __init__(self, params: Any, width: int):
        super().__init__()
        units = np.shape(params["recurrent"])[1]
        self.lstm = nn.LSTM(width, units, batch_first=True, bidirectional=True)
        with torch.no_grad():
            for k, suffix in enumerate(("", "_reverse")):
                getattr(self.lstm, f"weight_ih_l0{suffix}").copy_(tensor(params["kernel"][k]).T)
                getattr(self.lstm, f"weight_hh_l0{suffix}").copy_(tensor(params["recurrent"][k]).T)
                getattr(self.lstm, f"bias_ih_l0{suffix}").copy_(tensor(params["bias"][k]))
                getattr(self.lstm, f"bias_hh_l0{suffix}").zero_()
                # One bias, as ours: the second would double its gradient's step.
                getattr(self.lstm, f"bias_hh_l0{suffix}").requires_grad_(False)

    def forward(self, x: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(
            x, length.cpu(), batch_first=True, enforce_sorted=False
        )
        out, _ = self.lstm(packed)
        return nn.utils.rnn.pad_packed_sequence(out, batch_first=True, total_length=x.shape[1])[0]


class DcnnBlstm(nn.Module):
    """`jser.models.dcnn_blstm.DcnnBlstm` with learned attention and no linear path."""

    def __init__(self, params: Any, width: int, hyper: dict[str, float]):
        super().__init__()
        self.blstm = Blstm(params["blstm"], width)
        self.score = linear(params["attention"]["score"])
        names = sorted(name for name in params if name.startswith("dense"))
        self.dense = nn.ModuleList(linear(params[name]) for name in names)
        self.output = linear(params["output"])
        self.input_dropout = nn.Dropout(hyper["input_dropout"])
        self.dropout = nn.Dropout(hyper["dropout"])

    def forward(self, x: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        hidden = self.blstm(self.input_dropout(x), length)
        mask = torch.arange(x.shape[1]) < length[:, None]
        score = self.score(hidden)[..., 0].masked_fill(~mask, -1e9)
        alpha = torch.softmax(score, -1)
        z = self.dropout(torch.einsum("bs,bsd->bd", alpha, hidden))
        for dense in self.dense:
            z = self.dropout(torch.relu(dense(z)))
        return self.output(z)


def linear(params: Any) -> nn.Linear:
    """A Flax `Dense` as a `Linear`."""
    made = nn.Linear(*np.shape(params["kernel"]))
    with torch.no_grad():
        made.weight.copy_(tensor(params["kernel"]).T)
        made.bias.copy_(tensor(params["bias"]))
    return made


# torchvision's AlexNet: maps, kernel, stride, padding, max-pooling behind it.
_ALEXNET = (
    (64, 11, 4, 2, True),
    (192, 5, 1, 2, True),
    (384, 3, 1, 1, False),
    (256, 3, 1, 1, False),
    (256, 3, 1, 1, True),
)


class AlexNet(nn.Module):
    """The convolutions of AlexNet, from block `first` (1 to 5) on, on the weights of our stem."""

    def __init__(self, params: Any, first: int = 1):
        super().__init__()
        blocks: list[nn.Module] = []
        inputs = 3 if first == 1 else _ALEXNET[first - 2][0]
        for number in range(first, 6):
            maps, kernel, stride, padding, pooled = _ALEXNET[number - 1]
            conv = nn.Conv2d(inputs, maps, kernel, stride, padding)
            own = params[f"conv{number}"]["conv"]
            with torch.no_grad():
                conv.weight.copy_(tensor(own["kernel"]).permute(3, 2, 0, 1))
                conv.bias.copy_(tensor(own["bias"]))
            blocks += [conv, nn.ReLU(inplace=True)]
            blocks += [nn.MaxPool2d(3, 2)] if pooled else []
            inputs = maps
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.blocks(x)


class Training:
    """Our training step in PyTorch: gather, normalise, mixup, weighted loss, clip, AdamW, average.

    Data lie as tensors and batches are gathered from them: no loader, no worker.
    """

    def __init__(
        self,
        model: nn.Module,
        features: Any,
        member: Any,
        hyper: dict[str, float],
        batch_size: int,
        epochs: int,
        compiled: bool = False,
    ):
        """Take all as plain arrays: `features` of one set, `member` of one row."""
        self.model = model
        self.step_model = torch.compile(model) if compiled else model
        self.frames, self.offset = tensor(features.frames[0]), tensor(features.offset).long()
        self.length = tensor(features.length).long()
        self.steps = features.max_steps
        self.mean, self.scale = tensor(member.mean), tensor(member.scale)
        rows = np.asarray(member.train_index)
        self.rows = tensor(rows[rows >= 0]).long()
        self.label = tensor(member.label).long()
        own = self.label[self.rows]
        count = torch.bincount(own, minlength=int(own.max()) + 1)
        self.weight = len(own) / (count * (count > 0).sum())
        self.hyper, self.batch_size = hyper, batch_size
        self.total = epochs * -(-len(self.rows) // batch_size)
        self.done = 0
        self.random = np.random.default_rng(0)
        trained = [p for p in model.parameters() if p.requires_grad]
        self.trained = trained
        self.average = [p.detach().clone() for p in trained]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": hyper["weight_decay"]},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=1.0, eps=1e-8, foreach=True)

    def epoch(self) -> float:
        """Train an epoch; the mean loss."""
        order = self.rows[torch.randperm(len(self.rows))]
        losses = [
            self.step(order[i : i + self.batch_size]) for i in range(0, len(order), self.batch_size)
        ]
        return float(torch.stack(losses).mean())

    def step(self, rows: torch.Tensor) -> torch.Tensor:
        """One optimiser step on rows."""
        x, length = self.inputs(rows)
        label = self.label[rows]
        n_classes = len(self.weight)
        smoothing = self.hyper["label_smoothing"]
        target = (1 - smoothing) * nn.functional.one_hot(label, n_classes) + smoothing / n_classes
        weight = self.weight[label]
        share = float(self.random.beta(self.hyper["mixup"], self.hyper["mixup"]))
        partner = torch.randperm(len(rows))
        x = share * x + (1 - share) * x[partner]
        length = torch.maximum(length, length[partner])
        both = share * weight + (1 - share) * weight[partner]
        target = (
            share * weight[:, None] * target
            + (1 - share) * weight[partner][:, None] * target[partner]
        ) / both[:, None]
        loss = -(both * (target * torch.log_softmax(self.step_model(x, length), -1)).sum(-1)).sum()
        loss = loss / both.sum()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.trained, self.hyper["clip"], foreach=True)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        self.optimiser.step()
        decay = self.hyper["average"]
        torch._foreach_lerp_(self.average, [p.detach() for p in self.trained], 1 - decay)
        self.done += 1
        return loss.detach()

    def answers(self, rows: torch.Tensor) -> torch.Tensor:
        """The averaged weights' answers on rows, as a selection on dev needs them."""
        own = [p.detach().clone() for p in self.trained]
        with torch.inference_mode():
            torch._foreach_copy_(self.trained, self.average)
            self.model.eval()
            found = torch.cat(
                [self.model(*self.inputs(rows[i : i + self.batch_size]))
                 for i in range(0, len(rows), self.batch_size)]
            )  # fmt: skip
            torch._foreach_copy_(self.trained, own)
        return found

    def inputs(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Normalised sequences and lengths of rows."""
        length = self.length[rows]
        steps = torch.arange(self.steps)
        index = (self.offset[rows][:, None] + steps).clamp(max=len(self.frames) - 1)
        x = (self.frames[index].float() - self.mean) * self.scale
        return x.masked_fill((steps >= length[:, None])[..., None], 0.0), length

    def rate(self) -> float:
        """Warm-up and half a cosine."""
        rise = max(self.hyper["warmup"] * self.total, 1.0)
        done = min(max((self.done - rise) / max(self.total - rise, 1.0), 0.0), 1.0)
        peak = self.hyper["learning_rate"]
        return peak * min((self.done + 1) / rise, 0.5 * (1 + math.cos(math.pi * done)))
