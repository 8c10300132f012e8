"""The notation table: one symbol for one thing, in every lesson, formula and figure."""

NOTATION: dict[str, tuple[str, str]] = {
    "x": (r"x_i", "input i of a model"),
    "y": (r"y_j", "output j of a linear model"),
    "w_ij": (r"w_{ij}", "weight of input i for output j"),
    "b_j": (r"b_j", "bias of output j"),
    "phi": (r"\phi_{ij}", "contribution of input i to output j"),
    "baseline": (r"x'_i", "baseline: the input that x is compared with"),
    "f": (r"f", "any function of the inputs, such as a whole network"),
    "k": (r"k", "channel; in lesson 4 also the degree of a homogeneous function"),
    "ij": (r"(i, j)", "cell of the grid: row i, column j"),
    "A": (r"A^k_{ij}", "activation of channel k in cell (i, j) of a layer"),
    "Z": (r"Z", "number of cells of the grid, height times width"),
    "F": (r"F_k", "mean of channel k over the grid, what global average pooling gives"),
    "c": (r"c", "target class"),
    "w": (r"w_k^c", "weight of channel k for class c in the last linear layer"),
    "b_c": (r"b_c", "bias of class c"),
    "S_c": (r"S_c", "logit of class c: its score before the softmax"),
    "p_c": (r"p_c", "probability of class c, after the softmax"),
    "M_c": (r"M_c(i, j)", "class activation map (CAM)"),
    "g": (r"g^k_{ij}", "gradient of the logit with respect to an activation"),
    "alpha": (r"\alpha_k^c", "Grad-CAM's weight of channel k: the mean gradient"),
    "L_c": (r"L_c(i, j)", "Grad-CAM map before its ReLU"),
    "H_c": (r"H_c(i, j)", "HiResCAM map"),
    "h": (r"h", "head: what the network computes after the pooling"),
    "IG": (r"\mathrm{IG}_i", "integrated gradient of input i"),
    "R": (r"R_i", "relevance of neuron or pixel i: its share of what is explained"),
    "z": (r"z_j", "what neuron j adds up, before its ReLU"),
}
"""name -> (LaTeX, meaning)"""

SYMBOLS: dict[str, str] = {name: latex for name, (latex, _) in NOTATION.items()}
"""name -> LaTeX, what a lesson writes as {{A}}"""

SHAPES: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("A", "g"), (2, 2, 3)),  # K, h, w: three different sizes, so that a mixed-up axis shows
    **dict.fromkeys(("W", "x", "u", "s"), (3,)),  # one output of a linear model: its weights, inputs, baselines, shifts
    **dict.fromkeys(("w", "v"), (2,)),  # a weight for each channel
    "V": (3, 2),  # and for each class
    **dict.fromkeys(("z", "d"), (3,)),  # logits and biases, one for each class
    **dict.fromkeys(("b", "r", "t"), ()),  # numbers
}
"""What a formula's checks feed it, by the name of the argument."""
