"""What ``dataset.yaml`` says of a dataset folder."""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from solarseg.classes import ClassMap
from solarseg.datasets.yaml_file import read_yaml
from solarseg.errors import ArgumentError, DatasetError, reason_of
from solarseg.files import write_text

__all__ = ["FILE_NAME", "Description", "read_description", "write_description"]

FILE_NAME = "dataset.yaml"


def _as_number(value: Any) -> Any:
    """Make a number of its digits: in the YAML that is read, everything is text."""
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) <= 3 else value


class Description(BaseModel):
    """What ``dataset.yaml`` may say.

    Attributes:
        classes: names in the order of class ids, or mask value -> name; class ids follow the order of values.
        colours: RGB of each class, in the order of class ids.
        ignore_index: 255 where masks use it for pixels to leave out.
        threshold: minimum brightness, 1 to 255, of the second of two classes in masks with soft edges,
            which are background and foreground unless ``classes`` names them.
        bands: names of the bands.
        licence: under which the data may be used.
        citation: how to cite the data.
    """

    model_config = ConfigDict(extra="forbid")

    classes: list[str] | dict[int, str] | None = None
    colours: list[tuple[int, int, int]] | None = None
    ignore_index: Annotated[Literal[255], BeforeValidator(_as_number)] | None = None
    threshold: Annotated[int, BeforeValidator(_as_number)] | None = None
    bands: list[str] | None = None
    licence: str | None = None
    citation: str | None = None

    def class_map(self) -> ClassMap | None:
        """The classes, or None where they are to be found from the masks."""
        if self.classes is None:
            if self.threshold is None:
                return None
            return ClassMap(("background", "foreground"), values=(0, 255), threshold=self.threshold)
        named = dict(
            sorted(self.classes.items()) if isinstance(self.classes, dict) else enumerate(self.classes)
        )
        return ClassMap(
            tuple(named.values()),
            colours=tuple(self.colours or ()),
            values=tuple(named),
            ignore=self.ignore_index is not None,
            threshold=self.threshold,
        )


def read_description(root: Path) -> tuple[Description, ClassMap | None]:
    """Read ``dataset.yaml`` of a folder, where there is one, and the classes it names.

    Raises:
        DatasetError: the file is damaged, or says what cannot be.
    """
    file = root / FILE_NAME
    if not file.exists():
        return Description(), None
    try:
        description = Description.model_validate(read_yaml(file) or {})
        return description, description.class_map()
    except (ValidationError, ArgumentError) as error:
        reason = reason_of(error) if isinstance(error, ValidationError) else str(error)
        raise DatasetError(f"{file}: {reason}; see the documentation of dataset folders") from error


def write_description(root: Path, description: Description, classes: ClassMap) -> None:
    """Write ``dataset.yaml`` for masks that hold the class ids of ``classes``."""
    stated = description.model_dump(mode="json", exclude_none=True, exclude={"threshold"})
    named = {
        "classes": list(classes.names),
        "colours": [list(colour) for colour in classes.colours],
        "ignore_index": classes.ignore_index,
    }
    content = stated | {name: value for name, value in named.items() if value is not None}
    write_text(root / FILE_NAME, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
