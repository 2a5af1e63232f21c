"""InceptionV3 whose feature maps line up, made of torchvision's blocks.

The published network (Szegedy, Vanhoucke, Ioffe, Shlens & Wojna, Rethinking the Inception Architecture for
Computer Vision, CVPR 2016) pads nothing in its stem and its two reductions: its feature maps for an input of
256 pixels have 125, 60, 29, 14 and 6, and a U-Net has to stretch them. Here each of those convolutions and
poolings is padded by one pixel, so that the maps of any input divisible by 32 are exactly at strides 2, 4, 8,
16 and 32. Padding has no weights: torchvision's published ones load as they are.
"""

from typing import Any

from segmentation_models_pytorch.encoders._base import EncoderMixin
from torch import Tensor, nn
from torchvision.models import Inception_V3_Weights, inception

__all__ = ["InceptionV3Encoder"]

# The layers up to each feature map, at strides 2, 4, 8, 16 and 32; each stage begins by halving.
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
    # In torchvision's reductions a call and no module, so that its padding cannot be set from outside.
    return nn.MaxPool2d(kernel_size=3, stride=2)


class InceptionV3Encoder(inception.Inception3, EncoderMixin):  # type: ignore[misc]
    """InceptionV3 as an encoder of five stages; dilation is not supported.

    Examples:
        >>> import torch
        >>> features = InceptionV3Encoder().eval()(torch.zeros(1, 3, 64, 64))
        >>> [tuple(feature.shape[1:]) for feature in features]
        [(3, 64, 64), (64, 32, 32), (192, 16, 16), (288, 8, 8), (768, 4, 4), (2048, 2, 2)]
    """

    address = Inception_V3_Weights.IMAGENET1K_V1.url
    # torchvision normalises by ImageNet's statistics and undoes that in `transform_input`: the weights are
    # Google's, made for inputs from -1 to 1.
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
        # He et al. 2015, as torchvision's ResNet. Its Inception draws from a normal of deviation 0.1 whatever
        # the fan, cut off at 20 deviations by way of scipy: slow to make, and made to be loaded over.
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
            x: ``(N, bands, H, W)``; pretrained weights expect values from -1 to 1.
        """
        features = [x]
        for stage in _STAGES:
            for layer in stage:
                x = getattr(self, layer)(x)
            features.append(x)
        return features

    def load_state_dict(
        self, state_dict: dict[str, Tensor], strict: bool = True, assign: bool = False
    ) -> None:
        """Load weights, taking the classifiers' out of the state as the library's encoders do."""
        for key in [key for key in state_dict if key.startswith(("fc.", "AuxLogits."))]:
            del state_dict[key]
        super().load_state_dict(state_dict, strict=strict, assign=assign)
