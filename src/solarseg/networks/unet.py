"""U-Net: an encoder, a decoder with skip connections, and a head, of segmentation-models-pytorch's parts."""

from typing import Any

import torch
from segmentation_models_pytorch.base import SegmentationHead, SegmentationModel
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from solarseg.errors import ArgumentError
from solarseg.networks.encoders import build_encoder

__all__ = ["UNet", "build_unet", "count_gmacs", "count_parameters"]

_DECODER_CHANNELS = (256, 128, 64, 32, 16)


class UNet(SegmentationModel):  # type: ignore[misc]
    """The U-Net of segmentation-models-pytorch on an encoder that is given, not named.

    That is how an encoder of our own gets in; weights and outputs are those of ``smp.Unet``. Ronneberger,
    Fischer, Brox: "U-Net: Convolutional Networks for Biomedical Image Segmentation", 2015.

    Args:
        encoder: gives feature maps at strides 1, 2, 4, 8, 16 and 32.
        outputs: channels of the logits.
        center: whether to put a block between encoder and decoder, as the library does for VGG.
    """

    def __init__(self, encoder: Any, outputs: int, *, center: bool = False) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = UnetDecoder(
            encoder_channels=encoder.out_channels,
            decoder_channels=_DECODER_CHANNELS,
            n_blocks=len(_DECODER_CHANNELS),
            add_center_block=center,
        )
        self.segmentation_head = SegmentationHead(_DECODER_CHANNELS[-1], outputs, kernel_size=3)
        self.classification_head = None
        self.initialize()


def build_unet(encoder: str, num_classes: int, bands: int = 3, encoder_weights: str | None = None) -> UNet:
    """Build a U-Net by the name of its encoder.

    Args:
        encoder: see `solarseg.networks.encoders.build_encoder`.
        num_classes: background included; two classes share one logit.
        bands: of the images.
        encoder_weights: None, ``"imagenet"`` or a file.

    Raises:
        ArgumentError: no such encoder, or one that gives no feature maps to skip to.
        ModelFileError: the weights cannot be had.

    >>> build_unet("resnet18", num_classes=2).eval()(torch.zeros(1, 3, 64, 64)).shape
    torch.Size([1, 1, 64, 64])
    """
    built: Any = build_encoder(encoder, bands, encoder_weights)
    if len(built.out_channels) != len(_DECODER_CHANNELS) + 1:
        raise ArgumentError(
            f"encoder '{encoder}': has {len(built.out_channels) - 1} stages, a U-Net needs {len(_DECODER_CHANNELS)}; "
            "choose another"
        )
    return UNet(built, 1 if num_classes == 2 else num_classes, center=encoder.startswith("vgg"))


def count_parameters(network: nn.Module) -> int:
    """Count the weights of a network.

    >>> count_parameters(nn.Conv2d(3, 8, kernel_size=3))
    224
    """
    return sum(parameter.numel() for parameter in network.parameters())


def count_gmacs(network: nn.Module, image_size: int, bands: int) -> float:
    """Count the multiply-accumulates for one image, in units of 1e9, by torch's own FLOP counter.

    Convolutions and matrix products count, at two operations each; what is done to each value alone does
    not.

    >>> count_gmacs(nn.Conv2d(3, 8, kernel_size=3, padding=1), image_size=100, bands=3)  # 8 * 3 * 9 * 100 * 100
    0.00216
    """
    was_training = network.training
    device = next(network.parameters()).device
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.eval()(torch.zeros(1, bands, image_size, image_size, device=device))
    network.train(was_training)
    return counter.get_total_flops() / 2e9
