"""Exports a model of timm with random weights: export.py FOLDER EXPORTER MODEL SIZE.

EXPORTER is `torchscript` (the batch is a dynamic axis), `dynamo` (as it comes: the batch is fixed, and the weights lie beside the file) or
`dynamo-batch` (the batch is dynamic).
"""

import os
import sys
import tempfile

import timm
import torch

SEED = 12


def seeded(name, size):
    """A model whose every weight matters, with activations of ordinary size."""
    torch.manual_seed(SEED)
    model = timm.create_model(name, pretrained=False)
    with torch.no_grad():
        for weight in model.parameters():
            # timm starts the last scale of a branch at 0 or 1e-6: nothing that is done in the branch would reach the output.
            if weight.numel() > 1 and bool((weight == weight.flatten()[0]).all()):
                weight.add_(0.1 * torch.randn_like(weight))
        for module in model.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.reset_running_stats()
                module.momentum = None
        # Running statistics of noise: with those of the start, deep models without LayerNorm overflow.
        model.train()
        for _ in range(2):
            model(torch.randn(4, 3, size, size))
    return model.eval()


def export(model, size, exporter, file):
    image = torch.randn(1, 3, size, size)
    if exporter == "torchscript":
        torch.onnx.export(
            model, (image,), file, dynamo=False, opset_version=18, input_names=["image"], output_names=["logits"],
            dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
        )
    elif exporter == "dynamo":
        torch.onnx.export(model, (image,), file, dynamo=True)
    else:
        # Two rows: a batch of 1 is specialized, since it broadcasts.
        torch.onnx.export(
            model, (image.repeat(2, 1, 1, 1),), file, dynamo=True, external_data=False, dynamic_shapes=({0: torch.export.Dim("batch")},)
        )


def main():
    folder, exporter, name, size = sys.argv[1:]
    model = seeded(name, int(size))
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        # The name goes into the file too, as the place of the weights, so it is the final one.
        export(model, int(size), exporter, os.path.join(scratch, f"{name}-{exporter}.onnx"))
        # The file comes last: whoever sees it finds its weights.
        for made in sorted(os.listdir(scratch), reverse=True):
            os.replace(os.path.join(scratch, made), os.path.join(folder, made))


main()
