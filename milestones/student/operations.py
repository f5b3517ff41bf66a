"""The questions that the grader may ask of the sandboxed side, and the faults it may get back.

Both sides import this module. A question carries, as its first array, its settings as JSON text (written by the grader,
so it can be trusted by the inside; nothing in the other direction is ever JSON), then its arrays.
"""

import enum


class Operation(enum.IntEnum):
    """One question. The comment gives: settings; arrays in -> arrays out."""

    LOAD = 1  # where the package lies; - -> names of the modules to import, as text lines
    IMPORT = 2  # position among those modules; - -> - (how it went stands in the report)
    REPORT = 3  # components looked for; - -> report as text lines
    FORWARD = 4  # component and sizes; inputs, parameters -> output
    GRADIENT = 5  # component and sizes; inputs, upstream, parameters -> one gradient each (empty: none)
    BUILD = 6  # which model; - -> facts (int64), structure
    LOGITS = 7  # classes, scaling; images -> float32 (n, classes)
    TRAIN_DATA = 8  # -; images uint8 (n, features), labels int64 (n,) -> number kept
    TRAIN_SLICE = 9  # first step, steps, batch, rate, order seed; - -> losses (float64, steps), manner
    TRAIN_OWN = 10  # CPU-second budget; images, labels -> -
    FEATURES = 11  # depth, whether to begin anew; images uint8 (n, features) -> number kept
    TRAIN_HEAD_DATA = 12  # depth; labels int64 (n,) of the kept features -> number kept
    CONVOLUTION_WEIGHTS = 13  # -; - -> the weights of all convolutions of the model, one after the other (float64)
    SHUFFLE_CONVOLUTIONS = 14  # -; - -> number of convolutions whose weights were put into another order
    CONVOLUTION_SPEED = 15  # convolution, side; - -> CPU seconds per multiply-add: theirs, loops, one matrix product
    CONVOLUTION_PARAMETERS = 16  # convolution; - -> how many numbers it learns
    PARAMETER_SHAPES = 17  # -; - -> layer and shape of each parameter of the model, as text lines
    LOSS = 20  # which, form of the targets; predictions, targets -> value, gradient (empty: none), why there is none
    OPTIMIZE = 21  # which, its settings; for each parameter its start and its gradients -> for each parameter its path
    # -; inputs, weight, bias, upstream -> the weight's gradients (empty: none), how they are cleared
    ZERO_GRADIENT = 22
    TRAINER = 23  # network, form, batch, rate; parameters, data, unseen data -> parameters twice, claims, counts, words
    SAVE_CHECKPOINT = 24  # -; - -> file names, lengths and bytes of the checkpoint of the Trainer asked last
    RELOAD_CHECKPOINT = (
        25  # as TRAINER; parameters, file names, lengths, bytes, inputs -> outputs of the reloaded model
    )
    # batch, whether shuffled; inputs, labels -> the inputs and labels that it yields, sizes of the batches
    DATA_LOADER = 26
    YARDSTICK = 30  # -; images, weight, bias -> convolution by the grader's plain loops (float32)
    IN_BATCHES = 31  # component, batch; inputs, parameters -> output for all inputs, asked batch by batch
    DISTURB = 32  # amplitude; - -> - (every parameter of the model is changed a little)
    SAVE = 33  # -; - -> names and sizes of the files, their bytes one after the other, by what means
    LOAD_SAVED = 34  # -; names and sizes, bytes -> by what means
    BAD_INPUT = 35  # kind; - -> outcome (int64, 1), what was raised
    QUANTISE = (
        36  # -; array -> array restored from its quantised form, bytes that this form takes (int64, 1), by what means
    )
    QUANTISE_MODEL = 37  # -; - -> bytes of the parameters before and after (int64, 2), by what means
    PRUNE = 38  # share; - -> numbers in weights that are zero, and all (int64, 2), by what means
    PROFILE = 39  # -; - -> parameters as the student's profiler counts them (int64, 1), by what means
    # 30 to 39: speed, memory, deployment; 40 to 59: language models.
    PART = 40  # component and sizes; inputs, upstream, parameters -> output, gradient by inputs and each parameter
    GPT_BUILD = (
        41  # vocabulary and sizes, whether the student's own may be built -> facts, sizes and names of parameters
    )
    GPT_LOGITS = 42  # -; ids int64 (n, length) -> scores (n, length, vocabulary)
    GPT_SHAKE = 43  # how far, precision, seed; - -> number of parameters moved
    GPT_CHANGE = 44  # what and by which factor; - -> number of arrays changed
    GPT_GRADIENT = 45  # -; ids, upstream -> all gradients in one row, which of them arrived
    GPT_NUDGE = 46  # step; ids, which parameters, which of their numbers -> scores at -2, -1, 1 and 2 steps
    TEXT_DATA = 47  # -; ids int64 (n,) -> number kept
    TEXT_SLICE = 48  # first step, rates, batch, length, order seed; - -> losses (float64, steps), manner
    GENERATE = 49  # how many, temperature; ids int64 (1, length) -> ids
    TOKENIZE = 50  # corpus and text; - -> ids, the text that they stand for, size of the vocabulary
    CALLS = 51  # sizes; ids -> functions called and how often, as text lines


class Fault(enum.IntEnum):
    """Why the student's side could not answer. A fault is an ordinary result, not trouble."""

    MISSING = 1  # the component was looked for and is not there
    NOT_IMPLEMENTED = 2  # a stub: raised NotImplementedError or returned None
    RAISED = 3  # the student's code raised; the text is type, message and the student's own frames
    UNSUITABLE = 4  # it answered something that is no array of numbers
    NO_GRADIENT = 5  # forward only: there is nothing to go backward through
    BAD_REQUEST = 6  # asked in an order that is none: our own mistake, or a forged answer before


class Outcome(enum.IntEnum):
    """What came of an input that no model can answer."""

    ANSWERED = 0
    RAISED = 1
    ENDED = 2  # SystemExit and the like: it would have ended the program


class Evaluated(enum.IntEnum):
    """How the evaluation of a student's Trainer went."""

    WHOLLY = 0
    MISSING = 1  # it has no such method
    RAISED = 2
    METRIC_RAISED = 3  # it evaluates, but only without the accuracy metric


class Fact(enum.IntEnum):
    """Positions in the int64 vector that BUILD answers with."""

    PARAMETER_COUNT = 0
    PARAMETER_ARRAYS = 1
    OWN_MODEL = 2
    SUPPLIED_WEIGHTS = 3
    OWN_TRAIN = 4
    DENSE_ONLY = 5
    HAS_AUTOGRAD = 6
    USED_SEQUENTIAL = 7


class GPTFact(enum.IntEnum):
    """Positions in the int64 vector that GPT_BUILD answers with."""

    PARAMETER_ARRAYS = 0
    OWN_MODEL = 1
    SUPPLIED_WEIGHTS = 2
    HAS_AUTOGRAD = 3
    LEFT_OUT = 4  # tensors in it that want a gradient and are not among its parameters()
    CONTEXT = 5


FACTS = len(Fact)
GPT_FACTS = len(GPTFact)
# Most bytes of the texts in answers: what was loaded; how a model is built or was trained.
REPORT_BYTES = 60_000
STRUCTURE_BYTES = 1_000
# Weights of a model's convolutions that are looked at.
MOST_WEIGHTS = 1_000_000
# How the reason begins why a loss sends no gradient back in a package that has none at all.
FORWARD_ONLY = "forward only"
# Most bytes of a saved model, and of the list of its files.
SAVED_BYTES = 32_000_000
NAMES_BYTES = 10_000
# Inputs that no model for images can answer.
BAD_INPUTS = ("channels", "row", "words", "nothing")
# Most files and bytes of a checkpoint of the small network that the Trainer is asked about.
CHECKPOINT_FILES = 8
CHECKPOINT_BYTES = 4_000_000

# Shapes of one image batch that a student's model may want, in the order in which they are tried.
INPUT_SHAPES = ("flat", "channels", "plane")

# Forms in which a student's loss or Trainer may want what it is given, in the order in which they are tried.
TARGET_WRAPS = ("tensor", "array", "variable")
BATCH_FORMS = tuple(
    (inputs, targets, one_hot)
    for one_hot in (False, True)
    for inputs, targets in (("tensor", "tensor"), ("tensor", "array"), ("array", "array"), ("variable", "variable"))
)

# Component -> class names, best first, over all generations of the course.
COMPONENT_NAMES = {
    "tensor": ("Tensor",),
    "variable": ("Variable",),
    "dense": ("Linear", "Dense", "LinearLayer", "DenseLayer", "FullyConnected"),
    "relu": ("ReLU", "Relu", "RELU"),
    "sigmoid": ("Sigmoid",),
    "tanh": ("Tanh", "TanH"),
    "softmax": ("Softmax", "SoftMax"),
    "sequential": ("Sequential",),
    "convolution": ("Conv2d", "Conv2D", "MultiChannelConv2D", "ConvLayer", "Convolution2D"),
    "max_pool": ("MaxPool2d", "MaxPool2D", "MaxPooling2D", "MaxPool"),
    "average_pool": ("AvgPool2d", "AvgPool2D", "AveragePool2D"),
    "batch_norm": ("BatchNorm2d", "BatchNorm2D", "BatchNorm"),
    "flatten": ("Flatten",),
    "cross_entropy": ("CrossEntropyLoss", "CrossEntropy", "SoftmaxCrossEntropyLoss"),
    "mean_squared_error": ("MSELoss", "MeanSquaredError", "MSE"),
    "binary_cross_entropy": ("BinaryCrossEntropyLoss", "BCELoss", "BinaryCrossEntropy", "BCEWithLogitsLoss"),
    "sgd": ("SGD",),
    "adam": ("Adam",),
    "adamw": ("AdamW",),
    "trainer": ("Trainer", "ModelTrainer"),
    "accuracy": ("Accuracy", "AccuracyMetric"),
    "data_loader": ("DataLoader", "Dataloader"),
    "tensor_dataset": ("TensorDataset", "ArrayDataset"),
    "gelu": ("GELU", "Gelu"),
    "layer_norm": ("LayerNorm", "LayerNormalization"),
    "embedding": ("Embedding", "TokenEmbedding"),
    "positions": ("PositionalEncoding", "PositionalEmbedding", "PositionEmbedding", "LearnedPositionalEncoding"),
    "attention": ("MultiHeadAttention", "MultiHeadSelfAttention", "SelfAttention", "CausalSelfAttention"),
    "gpt": ("GPT", "TinyGPT", "MiniGPT", "GPTModel", "Transformer"),
    "tokenizer": ("CharTokenizer", "CharacterTokenizer", "Tokenizer"),
}
# What nothing can be assessed without: looked for in notebooks and sources as well where the package lacks it.
NEEDED = ("tensor", "dense", "relu", "sigmoid", "tanh", "softmax")

# Names under which course code keeps a layer's weight and bias.
WEIGHT_NAMES = ("weight", "weights", "W", "w", "kernel")
BIAS_NAMES = ("bias", "biases", "b")
