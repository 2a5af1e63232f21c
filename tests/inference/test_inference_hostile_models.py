"""Model files that solarseg did not write: refused in one line, before any backend opens them."""

import json

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper
from tiny_model import write_tiny

from solarseg.errors import ModelFileError
from solarseg.inference import model as opening
from solarseg.inference.model import load_model
from solarseg.inference.model_file import METADATA_KEY, check_graph, graph_digest, read_info


@pytest.fixture
def no_backend(monkeypatch):
    """Fail where a backend would open the file."""

    def refuse(*_):
        raise AssertionError("a backend opened the file")

    monkeypatch.setattr(opening, "open_backend", refuse)


def refused(path, match):
    with pytest.raises(ModelFileError, match=match) as caught:
        load_model(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert text.isprintable()  # one line, without control characters
    assert len(text) < len(str(path)) + 300


def test_the_tiny_model_is_what_its_description_says(tmp_path):
    """Otherwise the other tests here would prove nothing."""
    path = write_tiny(tmp_path / "m.onnx")
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, 32:] = 255
    for backend in ("onnxruntime", "openvino"):
        assert (load_model(path, backend=backend).predict(image)[1:-1, [0, 30, 33, 62]] == [0, 0, 1, 1]).all()


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


METADATA = {
    "image size 0": ({"image_size": 0}, "image_size.*multiple of 32"),
    "image size 8192": ({"image_size": 8192}, "from 32 to 4096"),
    "image size of billions": ({"image_size": 2_000_000_000}, "from 32 to 4096"),
    "image size that is no multiple": ({"image_size": 65}, "multiple of 32"),
    "image size as text": ({"image_size": "many"}, "image_size"),
    "negative trained size": ({"trained_size": [-64, 64]}, r"trained_size\.0"),
    "complex trained size": ({"trained_size": ["3+2j", 64]}, r"trained_size\.0"),
    "trained size of billions": ({"trained_size": [64, 10**9]}, r"trained_size\.1"),
    "trained size that is endless": ({"trained_size": [64, 1e999]}, "Infinity is no JSON"),
    "three trained sizes": ({"trained_size": [64, 64, 64]}, "trained_size"),
    "more bands than the network": ({"bands": 4, "mean": [0.5] * 4, "std": [0.25] * 4}, r"images have the shape"),
    "bands without means": ({"bands": 2}, "2 bands need as many means"),
    "no bands": ({"bands": 0, "mean": [], "std": []}, "bands"),
    "more classes than the network": (
        {"class_names": ["a", "b", "c"], "class_colours": [[0, 0, 0]] * 3}, r"probabilities have the shape"
    ),
    "one class": ({"class_names": ["a"], "class_colours": [[0, 0, 0]]}, "found 1; 2 to 255 are allowed"),
    "a thousand classes": (
        {"class_names": [f"c{i}" for i in range(1000)], "class_colours": [[0, 0, 0]] * 1000}, "found 1000"
    ),
    "two classes of one name": ({"class_names": ["a", "a"]}, "names must differ"),
    "class names that clear the screen": ({"class_names": ["a", "\x1b[2J"]}, "control characters"),
    "class names of two lines": ({"class_names": ["a", "b\nc"]}, "control characters"),
    "class names that turn the text around": ({"class_names": ["a", "\u202egnp"]}, "control characters"),
    "empty class names": ({"class_names": ["a", " "]}, "is empty or contains"),
    "long class names": ({"class_names": ["a", "b" * 10_000]}, "class_names"),
    "colours out of range": ({"class_colours": [[0, 0, 0], [0, 0, 999]]}, "colours are RGB"),
    "another depth": ({"depth": "uint16"}, "images are uint8, the metadata say uint16"),
    "no depth": ({"depth": "float64"}, "depth"),
    "a mean that is no number": ({"mean": [float("nan")] * 3}, "NaN is no JSON"),
    "a deviation of 0": ({"std": [0.25, 0, 0.25]}, "must be above 0"),
    "picked bands that are not there": ({"picked": [0, 1, 9], "picked_from": 4}, "picked"),
    "negative picked bands": ({"picked": [-3, 1, 2], "picked_from": 4}, r"picked\.0"),
    "names of other bands": ({"band_names": ["red"]}, "1 names for 3 bands"),
    "temperature 0": ({"temperature": 0}, "temperature"),
    "negative scale": ({"metres_per_pixel": -1}, "metres_per_pixel"),
    "an unknown precision": ({"precision": "int4"}, "precision"),
    "negative parameters": ({"parameters": -1}, "parameters"),
    "format 0": ({"format_version": 0}, "format_version"),
    "a later format": ({"format_version": 99}, "upgrade solarseg"),
    "deep nesting": ({"gate": {"a": nested(50)}}, "nested more than 16 deep"),
    "nesting that overflows the stack": ({"gate": {"a": nested(900)}}, "nested more than 16 deep"),
    "another fingerprint": ({"fingerprint": "\x1b[2J"}, "weights are not those that were written"),
}  # fmt: skip


@pytest.mark.parametrize("case", METADATA)
def test_metadata_are_checked(tmp_path, no_backend, case):
    changes, match = METADATA[case]
    refused(write_tiny(tmp_path / "m.onnx", edit=lambda raw: raw.update(changes)), match)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[" * 100_000 + "]" * 100_000, "damaged metadata"),
        ("[1, 2]", "no JSON object"),
        ("7", "no JSON object"),
        ('{"format_version": [1]}', "damaged metadata"),
        ('{"format_version": ' + "9" * 5000 + "}", "damaged metadata"),
        ("\x00", "damaged metadata"),
    ],
)
def test_metadata_that_are_no_description(tmp_path, no_backend, text, match):
    path = write_tiny(tmp_path / "m.onnx")
    model = onnx.load(path)
    helper.set_model_props(model, {METADATA_KEY: text})
    onnx.save(model, path)
    refused(path, match)


def test_control_characters_elsewhere_are_replaced(tmp_path):
    texts = {"dataset": "a\x1b[2Jb", "licence": "CC\r0", "encoder": "x\x07"}
    info = read_info(write_tiny(tmp_path / "m.onnx", edit=lambda raw: raw.update(texts)))
    assert (info.dataset, info.licence, info.encoder) == ("a [2Jb", "CC 0", "x ")


def node_before(model, operator, inputs, **attributes):
    """Put a node between the last one and the output."""
    last = model.graph.node[-1]
    last.output[0] = "before"
    node = helper.make_node(operator, ["before", *inputs], ["probabilities"], **attributes)
    model.graph.node.append(node)


def constant(model, name, values):
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))


def kernel(model):
    return next(tensor for tensor in model.graph.initializer if tensor.name == "kernel")


def rename_input(model):
    model.graph.input[0].name = model.graph.node[0].input[0] = "x"


def rename_output(model):
    model.graph.output[0].name = model.graph.node[-1].output[0] = "y"


def second_input(model):
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def second_output(model):
    model.graph.output.append(helper.make_tensor_value_info("found", TensorProto.FLOAT, ["n", 1, "h", "w"]))


def input_of_another_size(model):
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 96


def batch_of_two(model):
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2


def sequence_input(model):
    model.graph.input[0].CopyFrom(
        helper.make_tensor_sequence_value_info("images", TensorProto.UINT8, ["n", "h", "w", 3])
    )


def spoil_weights(value):
    def change(model):
        weights = numpy_helper.to_array(kernel(model)).copy()
        weights[0, 1, 1, 1] = value
        kernel(model).CopyFrom(numpy_helper.from_array(weights, "kernel"))

    return change


def endless_loop(model):
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"])],
        "body",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("on", TensorProto.BOOL, [])],
    )
    constant(model, "forever", np.int64(2**62))
    constant(model, "go0", np.array(True))
    model.graph.node.insert(0, helper.make_node("Loop", ["forever", "go0"], [], body=body))


def subgraph_attribute(model):
    model.graph.node[0].attribute.append(
        helper.make_attribute("then_branch", helper.make_graph([], "g", [], []))
    )


def function(model):
    model.functions.append(
        helper.make_function("mine", "f", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])],
                             [helper.make_opsetid("", 18)])
    )  # fmt: skip


def foreign_operator(model):
    node_before(model, "Relu", [])
    model.graph.node[-1].domain = "com.microsoft"


def another_opset(model):
    model.opset_import[0].version = 1


def second_opset(model):
    model.opset_import.append(helper.make_opsetid("mine", 1))


def external_data(model):
    tensor = kernel(model)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"


def external_attribute(model):
    value = numpy_helper.from_array(np.zeros(4, np.float32), "v")
    value.ClearField("raw_data")
    value.data_location = TensorProto.EXTERNAL
    model.graph.node.insert(0, helper.make_node("Constant", [], ["c"], value=value))


def sparse(model):
    tensor = helper.make_sparse_tensor(
        helper.make_tensor("s", TensorProto.FLOAT, [1], [1.0]),
        helper.make_tensor("i", TensorProto.INT64, [1], [3]),
        [2**40],
    )
    model.graph.sparse_initializer.append(tensor)


def claimed_size(model):
    kernel(model).dims[0] = 2**40


def huge_constant(model):
    constant(model, "sizes", np.array([2**34], np.int64))
    model.graph.node.insert(0, helper.make_node("ConstantOfShape", ["sizes"], ["huge"]))


def huge_range(model):
    for name, value in (("a", 0), ("b", 2**40), ("c", 1)):
        constant(model, name, np.int64(value))
    model.graph.node.insert(0, helper.make_node("Range", ["a", "b", "c"], ["huge"]))


def enlarged(model):
    constant(model, "sizes", np.array([1, 10**6, 10**6, 2], np.int64))
    node_before(model, "Resize", ["", "", "sizes"])


def enlarged_by_scales(model):
    constant(model, "scales", np.array([1, 1e4, 1e4, 1], np.float32))
    node_before(model, "Resize", ["", "scales"])


def repeated(model):
    constant(model, "repeats", np.array([1, 4000, 4000, 1], np.int64))
    node_before(model, "Tile", ["repeats"])


def expanded(model):
    constant(model, "sizes", np.array([10**6, 1, 1, 1], np.int64))
    node_before(model, "Expand", ["sizes"])


def padded(model):
    constant(model, "pads", np.array([0, 10**6, 0, 0] * 2, np.int64))
    node_before(model, "Pad", ["pads"])


def doubled_again_and_again(model):
    nodes = list(model.graph.node)
    del model.graph.node[:]
    name = "images"
    for number in range(60):
        model.graph.node.append(helper.make_node("Concat", [name, name], [f"twice{number}"], axis=0))
        name = f"twice{number}"
    model.graph.node.extend(nodes)


def much_at_once(model):
    """Each tensor is small, but all are needed at the end."""
    names = [f"copy{number}" for number in range(900)]
    model.graph.node.insert(2, helper.make_node("Concat", ["bands"] * 9, ["wide"], axis=1))
    for name in names:
        model.graph.node.insert(3, helper.make_node("Relu", ["wide"], [name]))
    model.graph.node.insert(903, helper.make_node("Concat", names, ["all"], axis=1))


def many_operations(model):
    constant(model, "wide", np.ones((1400, 3, 31, 31), np.float32))
    constant(model, "wider", np.ones((1400, 1400, 1, 1), np.float32))
    at = next(number for number, node in enumerate(model.graph.node) if node.op_type == "Conv")
    model.graph.node.insert(at, helper.make_node("Conv", ["bands", "wide"], ["w0"], pads=[15] * 4))
    for number in range(40):
        model.graph.node.insert(
            at + 1 + number, helper.make_node("Conv", [f"w{number}", "wider"], [f"w{number + 1}"])
        )


def division_by_zero(model):
    next(node for node in model.graph.node if node.op_type == "Conv").attribute.append(
        helper.make_attribute("strides", [0, 0])
    )


def no_groups(model):
    next(node for node in model.graph.node if node.op_type == "Conv").attribute.append(
        helper.make_attribute("group", 0)
    )


def computed_from_itself(model):
    model.graph.node[0].input[0] = "floats"


def computed_twice(model):
    model.graph.node.append(helper.make_node("Relu", ["floats"], ["bands"]))


def many_nodes(model):
    model.graph.node.extend(helper.make_node("Identity", ["images"], [f"i{n}"]) for n in range(20_001))


def attribute_of_a_parent(model):
    attribute = model.graph.node[0].attribute.add()
    attribute.name, attribute.ref_attr_name, attribute.type = "x", "y", AttributeProto.INT


def five_classes(model):
    constant(model, "repeats", np.array([1, 1, 1, 2], np.int64))
    node_before(model, "Tile", ["repeats"])


GRAPHS = {
    rename_input: "'x' where 'images' is expected",
    rename_output: "'y' where 'probabilities' is expected",
    second_input: "'images', 'more' where 'images' is expected",
    second_output: "'probabilities', 'found' where 'probabilities'",
    input_of_another_size: r"sides \(96, None\), the metadata say 64",
    batch_of_two: r"images have the shape \(2,",
    sequence_input: "field 4, which solarseg does not write",
    spoil_weights(np.nan): "'kernel' contains numbers that are not finite",
    spoil_weights(np.inf): "'kernel' contains numbers that are not finite",
    endless_loop: "attribute.* which solarseg does not write",
    subgraph_attribute: "attribute.* which solarseg does not write",
    function: "a model has field 25",
    foreign_operator: "'Relu' is not one of ONNX's own",
    another_opset: "version 1; allowed is ONNX's 18",
    second_opset: "uses the operators 'mine'",
    external_data: "field 13, which solarseg does not write",
    external_attribute: "is in another file",
    sparse: "a graph has field 15",
    claimed_size: "'kernel' has 27 numbers",
    huge_constant: "ConstantOfShape would make a tensor of the shape",
    huge_range: "Range would make a tensor of the shape",
    enlarged: "Resize would make a tensor of the shape",
    enlarged_by_scales: "Resize would make a tensor of the shape",
    repeated: "Tile would make a tensor of the shape",
    expanded: "Expand would make a tensor of the shape",
    padded: "probabilities have the shape",
    doubled_again_and_again: "Concat would make a tensor of the shape",
    much_at_once: "bytes of memory for an image",
    many_operations: "operations for an image",
    division_by_zero: "strides, dilations or pads are negative",
    no_groups: "0 groups do not fit",
    computed_from_itself: "'floats' of Cast is not computed before it",
    computed_twice: "'bands' is computed twice",
    many_nodes: "nodes; allowed are 20000",
    attribute_of_a_parent: "field 21, which solarseg does not write",
    five_classes: r"probabilities have the shape \(1, 64, 64, 4\), the metadata say \(1, 64, 64, 2\)",
}


@pytest.mark.parametrize("change", GRAPHS, ids=lambda change: change.__name__)
def test_graphs_are_checked(tmp_path, no_backend, change):
    refused(write_tiny(tmp_path / "m.onnx", change), GRAPHS[change])


def test_operators_that_are_not_known_are_named(tmp_path, no_backend):
    for operator in ("RandomNormalLike", "NonZero", "StringNormalizer", "If", "Scan", "Hardmax\x1b[2J"):
        path = write_tiny(
            tmp_path / "m.onnx", lambda model, operator=operator: node_before(model, operator, [])
        )
        refused(path, "the operator '.*' is not one that solarseg writes")


def test_what_a_parser_would_merge_is_refused(tmp_path, no_backend):
    """A second graph in the file is added to the first by other readers."""
    path = write_tiny(tmp_path / "m.onnx")
    content, model = path.read_bytes(), onnx.load(path)
    second = onnx.ModelProto()
    second.graph.node.append(helper.make_node("Relu", ["floats"], ["more"]))
    path.write_bytes(content + second.SerializeToString())
    assert len(onnx.load(path).graph.node) == len(model.graph.node) + 1
    refused(path, "2 graphs")
    described = onnx.ModelProto()
    helper.set_model_props(described, {METADATA_KEY: "{}"})
    path.write_bytes(content + described.SerializeToString())
    refused(path, "2 descriptions")


def test_a_file_that_changes_between_the_checks_is_noticed(tmp_path):
    path = write_tiny(tmp_path / "m.onnx")
    info = read_info(path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ModelFileError, match=r"cannot be opened|damaged"):
        check_graph(path, info)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_results_are_checked(tmp_path, backend):
    """What only shows when images are computed: probabilities that are none."""

    def change(model):
        constant(model, "factor", np.float32(3))
        node_before(model, "Mul", ["factor"])

    model = load_model(write_tiny(tmp_path / "m.onnx", change), backend=backend)
    with pytest.raises(ModelFileError, match=r"gives probabilities from .* to 2\.9.*, allowed are 0 to 1"):
        model.predict(np.zeros((64, 64, 3), np.uint8))

    def zero_by_zero(model):
        constant(model, "zero", np.float32(0))
        node_before(model, "Mul", ["zero"])
        model.graph.node[-1].output[0] = "nothing"
        model.graph.node.append(helper.make_node("Div", ["nothing", "zero"], ["probabilities"]))

    model = load_model(write_tiny(tmp_path / "n.onnx", zero_by_zero), backend=backend)
    with pytest.raises(ModelFileError, match="gives probabilities from nan to nan"):
        model.predict(np.zeros((64, 64, 3), np.uint8))


def test_the_fingerprint_is_of_the_graph_alone(tmp_path):
    path = write_tiny(tmp_path / "m.onnx")
    before = graph_digest(path)
    model = onnx.load(path)
    described = json.loads(model.metadata_props[0].value) | {"dataset": "other"}
    helper.set_model_props(model, {METADATA_KEY: json.dumps(described)})
    onnx.save(model, path)
    assert graph_digest(path) == before == load_model(path).info.fingerprint
