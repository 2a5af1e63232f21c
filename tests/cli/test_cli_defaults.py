"""Commands pass on what Python takes: without an option its default, with one just the parameter of its name."""

import inspect
import re
import typing
from dataclasses import dataclass, fields, is_dataclass
from importlib import import_module
from unittest import mock

import pytest
import typer

from solarseg.cli import messages
from solarseg.cli.main import app, main

# The Python function that each command is made of.
FUNCTIONS = {
    "train": "solarseg.training.fit.train",
    "predict": "solarseg.prediction.predict.predict",
    "evaluate": "solarseg.evaluation.evaluate.evaluate",
    "inspect": "solarseg.inspection.inspect.inspect",
    "measure": "solarseg.prediction.measurements.measure",
    "benchmark": "solarseg.evaluation.benchmark.benchmark",
    "compare": "solarseg.evaluation.comparison.compare",
    "export": "solarseg.training.export.export_model",
    "synth el": "solarseg.synthesis.write_cells",
    "data check": "solarseg.curation.check.check",
    "data convert": "solarseg.formats.convert.convert",
    "data download": "solarseg.download.download.download",
    "data export": "solarseg.formats.export.export_dataset",
    "data split": "solarseg.curation.split_dataset.split_dataset",
    "data stats": "solarseg.curation.stats.stats",
}
WITHOUT_FUNCTION = {"demo", "models", "data list", "synth module"}  # print, or call several functions
# Options that are no parameter: of the terminal, or used by the command itself.
NO_PARAMETER = {("data check", "out")}
RENAMED = {option: argument for argument, option in messages.RENAMED.items()}
# Values that an option's type does not suggest.
VALUES = {
    "accelerator": "cpu",
    "bits": "16",
    "by": "images",
    "cells": "6x10",
    "class_weights": "0.5,2",
    "corners": "1,2,3,4,5,6,7,8",
    "format_name": "coco",
    "missing_bands": "fill",
    "split": "val",
    "threshold": "crack=0.3",
}


class CalledError(Exception):
    """Ends a command where it calls its function."""


@dataclass(frozen=True)
class Option:
    """An option or an argument of a command, as its function declares it."""

    name: str
    kind: typing.Any
    default: typing.Any
    info: typing.Any

    @property
    def required(self):
        return self.default is inspect.Parameter.empty

    @property
    def is_argument(self):
        return type(self.info).__name__ == "ArgumentInfo"

    @property
    def names(self):
        """As written, the one that switches off last."""
        first = self.info.default  # in an annotation typer takes the first name for a default
        declared = [*([first] if isinstance(first, str) else []), *(self.info.param_decls or ())]
        plain = f"--{self.name.replace('_', '-')}"
        declared = declared or [f"{plain}/--no-{plain[2:]}" if self.is_flag else plain]
        return [name for each in declared for name in each.split("/")]

    @property
    def is_flag(self):
        return self.kind in (bool, bool | None)

    def words(self):
        """Say on the command line what is not the default."""
        if self.is_flag:
            return [self.names[-1] if self.default else self.names[0]]
        number = {int: "3217", float: "0.3217"}
        word = next((number[one] for one in number if self.kind in (one, one | None)), f"other-{self.name}")
        return [*([] if self.is_argument else self.names[:1]), VALUES.get(self.name, word)]


def commands(group=app, words=()):
    for one in group.registered_commands:
        yield " ".join((*words, one.name or one.callback.__name__)), one.callback
    for one in group.registered_groups:
        yield from commands(one.typer_instance, (*words, one.name))


def options_of(callback):
    hints = typing.get_type_hints(callback, include_extras=True)
    for name, parameter in inspect.signature(callback).parameters.items():
        if hints[name] is typer.Context:
            continue
        kind, info = typing.get_args(hints[name])[:2]
        yield Option(name, kind, parameter.default, info)


COMMANDS = {name: list(options_of(callback)) for name, callback in commands()}
OPTIONS = [
    pytest.param(name, option, id=f"{name} {option.names[0]}")
    for name in FUNCTIONS
    for option in COMMANDS.get(name, ())
    if not option.required and option.name != "quiet" and (name, option.name) not in NO_PARAMETER
]


def call(name, *words):
    """What a command passes on, and the defaults of its function: parameter -> value, records by their fields."""
    home, _, function = FUNCTIONS[name].rpartition(".")
    signature = inspect.signature(getattr(import_module(home), function))
    given = [word for option in COMMANDS[name] if option.required for word in option.words()]
    with mock.patch(FUNCTIONS[name], side_effect=CalledError) as called, pytest.raises(CalledError):
        main([*name.split(), *given, *words])
    passed = signature.bind(*called.call_args.args, **called.call_args.kwargs).arguments
    defaults = {key: one.default for key, one in signature.parameters.items()}
    return flat(passed), {key: one for key, one in defaults.items() if one is not inspect.Parameter.empty}


def flat(passed):
    values = {}
    for name, value in passed.items():
        if is_dataclass(value):
            values |= {field.name: getattr(value, field.name) for field in fields(value)}
        elif isinstance(value, dict):
            values |= value
        else:
            values[name] = value
    return values


def defaults_of_records():
    from solarseg.formats import ReadOptions
    from solarseg.inference.options import PredictOptions
    from solarseg.training.config import Machine, TrainConfig

    return flat({str(i): one for i, one in enumerate((Machine(), PredictOptions(), ReadOptions()))}) | dict(
        TrainConfig()
    )


def test_every_command_is_looked_at():
    assert COMMANDS.keys() == FUNCTIONS.keys() | WITHOUT_FUNCTION


@pytest.mark.parametrize("name", FUNCTIONS)
def test_without_options_a_command_passes_the_defaults_of_python(name):
    passed, defaults = call(name)
    expected = defaults_of_records() | defaults
    required = {option.name for option in COMMANDS[name] if option.required}
    looked_at = [key for key in passed if key in expected and key not in required | {"progress"}]
    assert {key: passed[key] for key in looked_at} == {key: expected[key] for key in looked_at}


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_an_option_is_passed_as_the_parameter_of_its_name_and_nothing_else(name, option):
    without, _ = call(name)
    passed, _ = call(name, *option.words())
    changed = {key for key in passed if key not in without or passed[key] != without[key]}
    assert changed == {RENAMED.get(option.name, option.name)}


@pytest.mark.parametrize(
    "name", ["backend", "device", "group_regex", "groups", "overwrite", "quiet", "threads", "workers"]
)
def test_an_option_has_one_type_and_default_in_all_commands(name):
    found = {(one.kind, one.default) for options in COMMANDS.values() for one in options if one.name == name}
    assert len(found) == 1


def test_every_command_that_calls_a_function_can_be_quiet():
    assert {name for name in FUNCTIONS if all(one.name != "quiet" for one in COMMANDS[name])} == set()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_help_states_the_defaults_that_only_python_knows(name):
    _, defaults = call(name)
    defaults = defaults_of_records() | defaults
    for option in COMMANDS[name]:
        default = defaults.get(option.name)
        if option.default is None and default not in (None, False):
            expected = f"--{option.name}" if default is True else str(default)
            assert stated(option.info.help) == expected, option.name


def stated(text):
    """The default that a help text names: ``(100)``, ``resnet34 (default)`` or ``default: 100``."""
    found = re.search(r"\((\S+)\)(?:\.|;|$)|(\S+) \(default|default: (\S+?)[.)]?(?:\s|$)", text)
    return next(filter(None, found.groups())) if found else None
