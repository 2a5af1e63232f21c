"""InceptionV3 with aligned feature maps, built from the blocks of torchvision.

The published network (Szegedy, Vanhoucke, Ioffe, Shlens & Wojna, Rethinking the Inception Architecture for Computer
Vision, CVPR 2016) has no padding in its stem and its two reduction blocks. For an input of 256 pixels its feature maps
have 125, 60, 29, 14 and 6 pixels, and a U-Net has to resize them. Here each of these layers is padded by one pixel, so
that the feature maps of an input divisible by 32 are exactly at strides 2, 4, 8, 16 and 32. Padding has no weights, so
the published weights of torchvision load unchanged.
"""

from typing import Any

from segmentation_models_pytorch.encoders._base import EncoderMixin
from torch import Tensor, nn
from torchvision.models import Inception_V3_Weights, inception

__all__ = ["InceptionV3Encoder"]

# The layers of each stage; its first layer halves the size. The stages end at strides 2, 4, 8, 16 and 32.
_STAGES = (
    ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3"),
    ("maxpool1", "Conv2d_3b_1x1", "Conv2d_4a_3x3"),
    ("maxpool2", "Mixed_5b", "Mixed_5c", "Mixed_5d"),
    ("Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
    ("Mixed_7a", "Mixed_7b", "Mixed_7c"),
)


class _PaddedB(inception.InceptionB):  # type: ignore[misc]
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.pool = _pool()

    def _forward(self, x: Tensor) -> list[Tensor]:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return [self.branch3x3(x), double, self.pool(x)]


class _PaddedD(inception.InceptionD):  # type: ignore[misc]
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.pool = _pool()

    def _forward(self, x: Tensor) -> list[Tensor]:
        single = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        return [single, self.branch7x7x3_4(seven), self.pool(x)]


def _pool() -> nn.MaxPool2d:
    # torchvision calls a function here, whose padding cannot be changed.
    return nn.MaxPool2d(kernel_size=3, stride=2)


class InceptionV3Encoder(inception.Inception3, EncoderMixin):  # type: ignore[misc]
    """InceptionV3 as an encoder with five stages; dilation is not supported.

    Examples:
        >>> import torch
        >>> features = InceptionV3Encoder().eval()(torch.zeros(1, 3, 64, 64))
        >>> [tuple(feature.shape[1:]) for feature in features]
        [(3, 64, 64), (64, 32, 32), (192, 16, 16), (288, 8, 8), (768, 4, 4), (2048, 2, 2)]
    """

    weights_url = Inception_V3_Weights.IMAGENET1K_V1.url
    packaged_weights = None
    # torchvision normalises with the statistics of ImageNet and reverts that in `transform_input`: the weights are from
    # Google and expect inputs from -1 to 1.
    statistics = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

    def __init__(self) -> None:
        blocks = [inception.BasicConv2d, inception.InceptionA, _PaddedB, inception.InceptionC]
        blocks += [_PaddedD, inception.InceptionE, inception.InceptionAux]
        super().__init__(aux_logits=False, init_weights=False, inception_blocks=blocks)
        del self.avgpool, self.dropout, self.fc
        self._depth, self._in_channels, self._output_stride = 5, 3, 32
        self._out_channels = [3, 64, 192, 288, 768, 2048]
        self._initialise()
        self._pad()

    def _initialise(self) -> None:
        # He et al. 2015, as in torchvision's ResNet. torchvision's Inception draws from a normal distribution with a
        # deviation of 0.1 for every layer, truncated at 20 deviations with scipy, which is slow.
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def _pad(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):  # most are padded already
                module.padding = (1, 1)
            elif isinstance(module, nn.MaxPool2d):
                module.padding = 1

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the input and the feature maps at strides 2, 4, 8, 16 and 32.

        Args:
            x: ``(N, bands, H, W)``; pretrained weights expect values in [-1, 1].
        """
        features = [x]
        for stage in _STAGES:
            for layer in stage:
                x = getattr(self, layer)(x)
            features.append(x)
        return features

    @staticmethod
    def rename_weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Leave out the weights of the classifiers."""
        return {key: state[key] for key in state if not key.startswith(("fc.", "AuxLogits."))}
