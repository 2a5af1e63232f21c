"""U-Net, built from the encoder, decoder and head of segmentation-models-pytorch."""

import copy
from pathlib import Path
from typing import Any

import torch
from segmentation_models_pytorch.base import SegmentationHead, SegmentationModel
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from solarseg.errors import ArgumentError
from solarseg.networks.encoders import build_encoder

__all__ = ["UNet", "build_unet", "count_gmacs", "count_parameters"]

_DECODER_CHANNELS = (256, 128, 64, 32, 16)


class UNet(SegmentationModel):  # type: ignore[misc]
    """The U-Net of segmentation-models-pytorch for an encoder object instead of an encoder name.

    This allows encoders that are not in the library. Names of weights and outputs are those of ``smp.Unet``.
    (Ronneberger, Fischer & Brox, U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015.)

    Args:
        encoder: see `solarseg.networks.encoders.build_encoder`.
        outputs: number of channels of the logits.
        center: whether there are two convolutions between encoder and decoder, as in the library for VGG.
    """

    requires_divisible_input_shape = False

    def __init__(self, encoder: Any, outputs: int, *, center: bool = False) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = UnetDecoder(
            encoder.out_channels,
            _DECODER_CHANNELS,
            n_blocks=len(_DECODER_CHANNELS),
            add_center_block=center,
        )
        self.segmentation_head = SegmentationHead(_DECODER_CHANNELS[-1], outputs)
        self.classification_head = None
        self.initialize()

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``(N, outputs, H, W)``.

        Args:
            x: ``(N, bands, H, W)``, normalised; feature maps are aligned if H and W are divisible by 32.

        Raises:
            ArgumentError: the encoder is a transformer for one image size, and the images have another.
        """
        try:
            logits: Tensor = super().forward(x)
        except (AssertionError, IndexError, RuntimeError) as error:
            size, found = _fixed_size(self.encoder), tuple(x.shape[2:])
            if size in (None, found):
                raise
            raise ArgumentError(
                f"image size {found}: this encoder only takes images of {size}; give that size, or another "
                "encoder"
            ) from error
        return logits


def _fixed_size(encoder: nn.Module) -> tuple[int, ...] | None:
    """Return the only ``(H, W)`` that a timm model with position embeddings takes; ``None`` for other encoders."""
    config = getattr(getattr(encoder, "model", None), "pretrained_cfg", {})
    return tuple(config["input_size"][1:]) if config.get("fixed_input_size") else None


def build_unet(
    encoder: str, num_classes: int, bands: int = 3, encoder_weights: str | Path | None = None
) -> UNet:
    """Build a U-Net from the name of its encoder.

    Args:
        encoder: see `solarseg.networks.encoders.build_encoder`.
        num_classes: number of classes including background; two classes share one logit.
        bands: number of bands of the images.
        encoder_weights: see ``weights`` there.

    Raises:
        ArgumentError: the encoder or the weights are unknown, or the encoder cannot be used for a U-Net.
        ModelFileError: the weights cannot be downloaded, or do not match the encoder.

    Examples:
        >>> build_unet("resnet18", num_classes=2).eval()(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 1, 64, 64])
    """
    outputs = 1 if num_classes == 2 else num_classes
    return UNet(build_encoder(encoder, bands, encoder_weights), outputs, center=encoder.startswith("vgg"))


def count_parameters(network: nn.Module) -> int:
    """Count the trainable parameters.

    Examples:
        >>> count_parameters(nn.Conv2d(3, 8, kernel_size=3))  # 8 * (3 * 3 * 3 + 1)
        224
    """
    return sum(parameter.numel() for parameter in network.parameters())


def count_gmacs(network: nn.Module, image_size: int, bands: int) -> float:
    """Count the multiply-accumulates for one image, in units of 1e9.

    torch's ``FlopCounterMode`` counts two operations for each of them, in convolutions and matrix products. It does not
    count elementwise operations such as normalisation and activation. Nothing is computed: a copy of the network runs
    on the meta device, where tensors have a shape but no values.

    Args:
        network: on any device, in any mode; not changed.
        image_size: side of the image, pixels.
        bands: number of bands of the image.

    Examples:
        >>> count_gmacs(nn.Conv2d(3, 8, kernel_size=3, padding=1), image_size=100, bands=3)  # 8*3*9 * 100*100
        0.00216
    """
    meta = copy.deepcopy(network).to("meta").eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        meta(torch.zeros(1, bands, image_size, image_size, device="meta"))
    return counter.get_total_flops() / 2e9
