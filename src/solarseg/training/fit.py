"""From a dataset folder to a run folder."""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, EarlyStopping
from lightning.pytorch.loggers import TensorBoardLogger
from numpy.typing import NDArray
from torch import nn

from solarseg._version import __version__
from solarseg.classes import IGNORE_INDEX
from solarseg.curation.survey import SampleFacts, Survey, survey_dataset
from solarseg.datasets import FolderDataset, open_dataset
from solarseg.datasets.bands import choose_bands
from solarseg.errors import ArgumentError
from solarseg.evaluation.curves import draw_curves
from solarseg.evaluation.evaluate import evaluate
from solarseg.evaluation.report import Report
from solarseg.evaluation.scores import check_matrices
from solarseg.files import check_folder
from solarseg.inference.model_file import ModelInfo
from solarseg.losses import build_loss, class_weights_from_frequency
from solarseg.losses.base import RegionLoss
from solarseg.losses.weighted_sum import WeightedSum
from solarseg.networks.encoders import build_encoder, describe_first_layer, input_statistics
from solarseg.networks.export import update_info, write_model_file
from solarseg.networks.network import build_network
from solarseg.networks.unet import count_gmacs, count_parameters
from solarseg.preprocessing import Preprocessing
from solarseg.runs import RunFolder
from solarseg.training.calibration import calibrate
from solarseg.training.callbacks import (
    AtomicCheckpointIO,
    BestCheckpoint,
    Diverged,
    History,
    LastCheckpoint,
    TimeLeft,
)
from solarseg.training.config import Machine, TrainConfig, make_config
from solarseg.training.datamodule import DataModule, TrainingData, check_images, find_preprocessing
from solarseg.training.division import find_division, read_given_split
from solarseg.training.hardware import check_launcher, choose_precision, is_first_process, keep_freed_memory
from solarseg.training.inputs import MEMORY, InputFacts, InputStore, find_range, pixel_counts
from solarseg.training.run_folder import (
    Facts,
    check_checkpoints,
    check_content,
    check_new,
    check_settings,
    clear_temporary,
    read_preprocessing,
    read_settings,
    write_beginning,
)
from solarseg.training.task import Task

__all__ = ["Parts", "Run", "build_parts", "describe_computing", "finish_run", "survey_samples", "train"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class Run:
    """What a training left.

    Attributes:
        path: the run folder.
        model: the model file.
        report: of the test split, or None where there is none.
    """

    path: Path
    model: Path
    report: Report | None

    def __repr__(self) -> str:
        scores = "not scored" if self.report is None else repr(self.report)
        return f"<Run {self.path}: {self.model.name}, {scores}>"


def train(
    dataset: FolderDataset | Path | str,
    out: Path | str,
    *,
    resume: bool = False,
    machine: Machine | None = None,
    callbacks: Sequence[Callback] = (),
    **options: Any,
) -> Run | None:
    """Train a U-Net on a dataset folder, export it, and evaluate it on the test split.

    Args:
        dataset: folder with ``images/`` and ``masks/``, or what `open_dataset` returned.
        out: run folder to make.
        resume: resume an interrupted run with exactly the same result, or start it if there is none.
        machine: where it runs and what it shows.
        callbacks: of your own, to watch the training by Lightning's hooks.
        options: settings of the training, as ``encoder="vgg16"``; see
            `solarseg.training.config.TrainConfig`.

    Returns:
        What was made; None in every process but the first.

    Raises:
        ArgumentError: an option cannot be used, or ``out`` is a file.
        DataError: images, masks, groups or split cannot be used.
        RunError: the run folder exists, or what is to be resumed does not fit.
        ModelFileError: the encoder's weights cannot be had.
        OutputError: the disk is full; the last checkpoint is left whole.
    """
    machine, run = machine or Machine(), RunFolder(Path(out))
    config, facts = make_config(**options), None
    check_launcher(machine.devices, machine.num_nodes)
    check_folder(run.path)
    if resume and not run.is_free:
        config, facts = read_settings(run, config)
    elif is_first_process():
        check_new(run)
    checkpoint = run.last if facts is not None and run.last.exists() else None
    data = open_dataset(dataset, groups=config.groups, group_regex=config.group_regex)
    data.warn_if_left_out()
    computing = describe_computing(config, machine)
    if facts is not None:
        check_settings(run, facts, data, computing)
    stored = read_preprocessing(run, config, facts) if facts is not None and checkpoint else None
    if not run.split.exists():
        read_given_split(data, config)  # a split that cannot be used is refused before any image is read
    if stored is None and config.encoder_weights != "none":
        build_encoder(config.encoder, weights=config.encoder_weights)  # downloads them, or says why it cannot
    survey, store = survey_samples(data, config, machine, copies=config.search and not run.split.exists())
    if facts is not None:
        check_content(run, facts, survey.digests)
    division = find_division(run, survey, config, machine.progress)
    check_matrices(sum(split == "test" for split in division.split.values()), len(data.classes))
    survey = survey.without_descriptors()  # up to a gigabyte, which only the search needed
    parts = build_parts(survey, division.split, config, machine, store, stored)
    trainer, history = _trainer(run, config, machine, parts.watched, callbacks)
    if trainer.is_global_zero:
        clear_temporary(run)
        if facts is None or not run.split.exists():  # or it was interrupted before the split was written
            write_beginning(run, data, division, config, parts.preprocessing, survey.digests, computing)
    if checkpoint is not None:
        check_checkpoints(run, parts.task, has_best=parts.watched is not None)
    _fit(trainer, parts, checkpoint, config)
    return finish_run(run, survey, config, machine, parts, history) if trainer.is_global_zero else None


def describe_computing(config: TrainConfig, machine: Machine) -> Facts:
    """What of the machine changes what is learnt."""
    return {
        "processes": machine.devices * machine.num_nodes,
        "arithmetic": choose_precision(config.precision, machine.accelerator),
    }


def survey_samples(
    data: FolderDataset, config: TrainConfig, machine: Machine, *, copies: bool
) -> tuple[Survey, InputStore]:
    """Read every sample once: measure it, and prepare it for the network.

    Args:
        data: the dataset.
        config: the settings.
        machine: where it runs.
        copies: keep what a search for copies needs.

    Raises:
        ArgumentError: the dataset names its bands, and the settings ask for another band.
        DataError: a sample cannot be read; the first of several.
    """
    names = data.description.bands
    if config.bands and names:
        choose_bands(config.bands, names)  # before anything is read
    store = InputStore(config.image_size, config.bands, names, MEMORY // machine.devices)
    survey = survey_dataset(data, copies=copies, each=store.add, progress=machine.progress)
    survey.raise_unreadable()
    return survey, store


@dataclass(frozen=True)
class Parts:
    """All that is trained.

    Attributes:
        split: image name -> ``"train"``, ``"val"`` or ``"test"``.
        preprocessing: of the images.
        batches: of train and val.
        task: network, loss and measures.
        gmacs: multiply-accumulates of the network for one image, in units of 1e9.
        watched: the measure that says which epoch is best, and its direction; None without a val split.
    """

    split: dict[str, str]
    preprocessing: Preprocessing
    batches: DataModule
    task: Task
    gmacs: float
    watched: tuple[str, str] | None


def build_parts(
    survey: Survey,
    split: dict[str, str],
    config: TrainConfig,
    machine: Machine,
    store: InputStore,
    stored: Preprocessing | None = None,
) -> Parts:
    """Build all that is trained.

    Args:
        survey: of the dataset.
        split: image name -> split.
        config: the settings.
        machine: where it runs.
        store: inputs that were made during the survey; they are taken out.
        stored: preprocessing of a run whose checkpoint has the weights.
    """
    L.seed_everything(config.seed, verbose=False)
    data = survey.data
    weights = None if config.encoder_weights == "none" or stored else config.encoder_weights
    names = [name for name in data.names if split[name] == "train"]
    preprocessing = stored or find_preprocessing(
        survey, names, config.image_size, input_statistics(config.encoder, weights), config.bands
    )
    check_images(survey, preprocessing)
    batches = _make_batches(data, split, preprocessing, config, machine, store)
    classes = data.classes
    note = describe_first_layer(preprocessing.bands, weights is not None)
    if note:
        logger.info("first layer: %s", note)
    facts = store.facts_of(names)
    class_weights = _class_weights(config, facts, len(classes))
    task = Task(
        build_network(config.encoder, len(classes), preprocessing, weights),
        _build_loss(config, len(classes), IGNORE_INDEX, class_weights),
        config,
        num_classes=len(classes),
        ignore_index=IGNORE_INDEX,
        depth=preprocessing.depth,
        value_range=find_range(facts, preprocessing),
    )
    # Counted now, since an encoder that cannot take images of this size says so only when it is used.
    gmacs = count_gmacs(task.network, preprocessing.image_size, preprocessing.bands)
    task.to(memory_format=torch.channels_last)
    return Parts(
        split, preprocessing, batches, task, gmacs, _what_to_watch(store.facts_of(batches.val.names))
    )


def _make_batches(
    data: FolderDataset,
    split: dict[str, str],
    preprocessing: Preprocessing,
    config: TrainConfig,
    machine: Machine,
    store: InputStore,
) -> DataModule:
    """Batches of inputs that are in memory, if all fit."""
    batches = DataModule(
        data,
        split,
        preprocessing,
        batch_size=config.batch_size,
        seed=config.seed,
        workers=machine.workers,
        devices=machine.devices,
        num_nodes=machine.num_nodes,
        store=store,
    )
    store.clear()  # of the test split
    for part in (batches.train, batches.val):
        part.fill_memory(machine.progress)
    return batches


def _what_to_watch(val: Sequence[InputFacts]) -> tuple[str, str] | None:
    """The measure that says which epoch is best, and its direction; None without a val split."""
    if not val:
        return None
    if sum(pixel_counts(val, IGNORE_INDEX)[1:]) > 0:
        return "val_iou", "max"
    logger.warning(
        "the val split has nothing but background: the best epoch is the one with the lowest val_loss"
    )
    return "val_loss", "min"


def _build_loss(
    config: TrainConfig, classes: int, ignore_index: int | None, class_weights: list[float] | None
) -> nn.Module:
    loss = build_loss(config.loss, classes, ignore_index, class_weights)
    terms = loss.losses if isinstance(loss, WeightedSum) else [loss]
    if class_weights and classes == 2 and all(isinstance(term, RegionLoss) for term in terms):
        raise ArgumentError(
            f"`class_weights`: would change nothing, since `loss='{config.loss}'` counts one class alone where there "
            "are two; add +cross_entropy or +focal to the loss, or leave the weights out"
        )
    return loss


def _class_weights(config: TrainConfig, train: Sequence[InputFacts], classes: int) -> list[float] | None:
    if config.class_weights == "frequency":
        return class_weights_from_frequency(pixel_counts(train, classes))
    return None if config.class_weights is None else list(config.class_weights)


def _trainer(
    run: RunFolder,
    config: TrainConfig,
    machine: Machine,
    watched: tuple[str, str] | None,
    others: Sequence[Callback],
) -> tuple[L.Trainer, History]:
    history = History(run.metrics)
    callbacks: list[Callback] = [*others, history, Diverged(config.learning_rate, config.precision)]
    if machine.progress:
        callbacks.append(TimeLeft())
    if watched and config.patience:
        callbacks.append(EarlyStopping(watched[0], patience=config.patience, mode=watched[1]))
    if watched:
        callbacks.append(BestCheckpoint(run.best, *watched))
    callbacks.append(LastCheckpoint(run.last, machine.checkpoint_seconds))
    _quieten()
    try:
        return _lightning(run, config, machine, callbacks), history
    except MisconfigurationException as error:
        reason = " ".join(str(error).split())
        raise ArgumentError(
            f"`accelerator='{machine.accelerator}'`, `devices={machine.devices}`: not on this machine ({reason})"
        ) from error


def _lightning(run: RunFolder, config: TrainConfig, machine: Machine, callbacks: list[Callback]) -> L.Trainer:
    return L.Trainer(
        accelerator=machine.accelerator,
        devices=machine.devices,
        num_nodes=machine.num_nodes,
        strategy="ddp" if machine.devices * machine.num_nodes > 1 else "auto",
        precision=choose_precision(config.precision, machine.accelerator),
        max_epochs=config.epochs,
        accumulate_grad_batches=config.accumulate,
        gradient_clip_val=1.0,
        callbacks=callbacks,
        default_root_dir=run.path,
        logger=TensorBoardLogger(run.path, name="", version="tensorboard"),
        plugins=_plugins(),
        use_distributed_sampler=False,  # ours draws from seed and epoch also on one process
        num_sanity_val_steps=0,
        enable_progress_bar=machine.progress,
        enable_model_summary=False,
        log_every_n_steps=1,
    )


def _fit(trainer: L.Trainer, parts: Parts, checkpoint: Path | None, config: TrainConfig) -> None:
    try:
        with keep_freed_memory():
            trainer.fit(parts.task, parts.batches, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as error:  # what Lightning makes of Ctrl-C
        raise KeyboardInterrupt from error
    except torch.OutOfMemoryError as error:
        raise ArgumentError(
            f"`batch_size={config.batch_size}`: does not fit into the GPU's memory; halve it and double "
            "`accumulate`, which learns nearly the same, or give a smaller `image_size`"
        ) from error


def _plugins() -> list[Any]:
    plugins: list[Any] = [AtomicCheckpointIO()]
    if SLURMEnvironment.detect():
        # Lightning's own requeueing saves in the middle of an epoch, where a training does not resume exactly.
        plugins.append(SLURMEnvironment(auto_requeue=False))
    return plugins


def _quieten() -> None:
    """Keep Lightning from advising on what is decided here."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning.*")


def finish_run(
    run: RunFolder,
    survey: Survey,
    config: TrainConfig,
    machine: Machine,
    parts: Parts,
    history: History,
) -> Run:
    """Draw the curves, export the best weights, and evaluate what was exported."""
    draw_curves(history.rows, run.curves, parts.watched or ("val_iou", "max"))
    if run.best.exists():
        parts.task.load_state_dict(torch.load(run.best, map_location="cpu", weights_only=True)["state_dict"])
    info = _describe(survey, config, parts, len(history.rows))
    write_model_file(parts.task.network, info, run.model, _some_inputs(parts.batches.train))
    if "test" not in parts.split.values():
        return Run(run.path, run.model, None)
    root = survey.data.root
    report = evaluate(
        run.path, root, groups=config.groups, group_regex=config.group_regex, progress=machine.progress
    )
    update_info(run.model, scores=report.scores() | {"dataset": root.resolve().name})
    return Run(run.path, run.model, report)


def _some_inputs(data: TrainingData) -> NDArray[Any]:
    return np.stack([data[index][0].permute(1, 2, 0).numpy() for index in range(min(len(data), 4))])


def _describe(survey: Survey, config: TrainConfig, parts: Parts, epochs: int) -> ModelInfo:
    preprocessing, network = parts.preprocessing, parts.task.network
    data, digests = survey.data, survey.digests
    size, scale = _typical(survey.facts_of(parts.batches.train.names))
    return ModelInfo(
        solarseg_version=__version__,
        class_names=data.classes.names,
        class_colours=data.classes.colours,
        image_size=preprocessing.image_size,
        bands=preprocessing.bands,
        band_names=_band_names(data, preprocessing),
        picked=preprocessing.picked,
        picked_from=preprocessing.picked_from,
        depth=preprocessing.depth,
        mean=preprocessing.mean,
        std=preprocessing.std,
        trained_size=size,
        metres_per_pixel=scale,
        temperature=calibrate(network, parts.batches.val, preprocessing.depth),
        encoder=config.encoder,
        encoder_weights=config.encoder_weights,
        first_layer=describe_first_layer(preprocessing.bands, config.encoder_weights != "none"),
        loss=config.loss,
        parameters=count_parameters(network),
        gmacs=parts.gmacs,
        epochs=epochs,
        dataset=data.root.resolve().name,
        dataset_fingerprint=digests.whole,
        trained_on=tuple(digests.images[name] for name in data.names if parts.split[name] != "test"),
        licence=data.description.licence,
        citation=data.description.citation,
    )


def _typical(seen: Sequence[SampleFacts]) -> tuple[tuple[int, int], float | None]:
    """Median height and width in pixels, and median size of a pixel on the ground if all images have one."""
    width, height = np.median([one.size for one in seen], axis=0)
    known = [one.metres_per_pixel for one in seen if one.metres_per_pixel is not None]
    return (int(height), int(width)), float(np.median(known)) if len(known) == len(seen) else None


def _band_names(data: FolderDataset, preprocessing: Preprocessing) -> tuple[str, ...]:
    names = data.description.bands or []
    numbers = preprocessing.picked or range(preprocessing.bands)
    return tuple(names[number] for number in numbers) if len(names) > max(numbers) else ()
