"""InceptionV3 whose feature maps line up, made of torchvision's blocks.

The published network pads nothing in its stem and its two reduction blocks, so that 256 pixels give feature
maps of 127, 125, 62, 60, 29, 14 and 6 pixels, and a U-Net on it has to stretch them to fit. Here each of
these convolutions and poolings is padded by one pixel: for any input divisible by 32 the maps are exactly at
strides 2, 4, 8, 16 and 32, and an output pixel looks at the middle of its input. No weight changes shape, so
torchvision's published weights load as they are.

Szegedy, Vanhoucke, Ioffe, Shlens, Wojna: "Rethinking the Inception Architecture for Computer Vision", 2016.
"""

from segmentation_models_pytorch.encoders._base import EncoderMixin
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.inception import (
    BasicConv2d,
    Inception3,
    InceptionA,
    InceptionAux,
    InceptionB,
    InceptionC,
    InceptionD,
    InceptionE,
)

__all__ = ["InceptionV3Encoder"]

_CHANNELS = (64, 192, 288, 768, 2048)


def _pool(x: Tensor) -> Tensor:
    return F.max_pool2d(x, kernel_size=3, stride=2, padding=1)


class _PaddedB(InceptionB):  # type: ignore[misc]
    """The first reduction, with its max-pool padded, which is a function and no module that could be changed."""

    def _forward(self, x: Tensor) -> list[Tensor]:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return [self.branch3x3(x), double, _pool(x)]


class _PaddedD(InceptionD):  # type: ignore[misc]
    """The second reduction, likewise."""

    def _forward(self, x: Tensor) -> list[Tensor]:
        single = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        return [single, self.branch7x7x3_4(seven), _pool(x)]


class InceptionV3Encoder(Inception3, EncoderMixin):  # type: ignore[misc]
    """InceptionV3 as an encoder of five stages.

    Args:
        padded: False takes the added padding out again and leaves torchvision's network, to compare with.

    >>> features = InceptionV3Encoder().eval()(torch.zeros(1, 3, 64, 64))
    >>> [tuple(feature.shape[1:]) for feature in features]
    [(3, 64, 64), (64, 32, 32), (192, 16, 16), (288, 8, 8), (768, 4, 4), (2048, 2, 2)]
    """

    def __init__(self, padded: bool = True) -> None:
        reductions = (_PaddedB, _PaddedD) if padded else (InceptionB, InceptionD)
        blocks = [BasicConv2d, InceptionA, reductions[0], InceptionC, reductions[1], InceptionE, InceptionAux]
        super().__init__(aux_logits=False, init_weights=False, inception_blocks=blocks)
        self._depth, self._in_channels, self._output_stride = 5, 3, 32
        self._out_channels = [3, *_CHANNELS]
        del self.avgpool, self.dropout, self.fc
        self._initialise()
        if padded:
            self._pad()

    def _initialise(self) -> None:
        """Draw weights as ResNet does (He et al. 2015).

        torchvision's own start, a deviation of 0.1 whatever the fan, is meant to be loaded over.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def _pad(self) -> None:
        for block in (
            self.Conv2d_1a_3x3,
            self.Conv2d_2a_3x3,
            self.Conv2d_4a_3x3,
            self.Mixed_6a.branch3x3,
            self.Mixed_6a.branch3x3dbl_3,
            self.Mixed_7a.branch3x3_2,
            self.Mixed_7a.branch7x7x3_4,
        ):
            block.conv.padding = (1, 1)
        self.maxpool1.padding = self.maxpool2.padding = 1

    def get_stages(self) -> dict[int, list[nn.Module]]:
        """Return the modules of each stage by the stride of its feature map."""
        return {
            2: [self.Conv2d_1a_3x3, self.Conv2d_2a_3x3, self.Conv2d_2b_3x3],
            4: [self.maxpool1, self.Conv2d_3b_1x1, self.Conv2d_4a_3x3],
            8: [self.maxpool2, self.Mixed_5b, self.Mixed_5c, self.Mixed_5d],
            16: [self.Mixed_6a, self.Mixed_6b, self.Mixed_6c, self.Mixed_6d, self.Mixed_6e],
            32: [self.Mixed_7a, self.Mixed_7b, self.Mixed_7c],
        }

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the input and the feature maps at strides 2, 4, 8, 16 and 32.

        Args:
            x: ``(N, C, H, W)``, each value -1 to 1 where pretrained weights are used.
        """
        features = [x]
        for stage in self.get_stages().values():
            for module in stage:
                x = module(x)
            features.append(x)
        return features
