"""Writes vignette.onnx, the model of the operator that vignette.yaml describes.

    pip install onnx==1.23.2 && python vignette.py

Any tool that writes ONNX will do, a PyTorch export among them: inputs and outputs are what the header names, the batch is free, and each drawn value
comes as one number per sample.
"""

from pathlib import Path

import onnx
import onnx.parser

MODEL = """
<ir_version: 8, opset_import: ["": 18], producer_name: "vignette.py">
vignette (float[N,C,H,W] images, float[N] strength, float[N] center_y, float[N] center_x) => (float[N,C,H,W] images_out)
<int64 zero = {0}, int64 one = {1}, int64[1] axis_h = {2}, int64[1] axis_w = {3}, int64[3] rest = {1, 2, 3},
 int64[3] as_rows = {0, 1, 3}, int64[3] as_columns = {0, 1, 2}, float half = {0.5}, float unit = {1.0}, int64[0] scalar = {}>
{
    sides = Shape (images)
    height_1 = Gather (sides, axis_h)
    width_1 = Gather (sides, axis_w)
    height = Reshape (height_1, scalar)
    width = Reshape (width_1, scalar)

    rows = Range (zero, height, one)
    columns = Range (zero, width, one)
    rows_f = Cast <to: int = 1> (rows)
    columns_f = Cast <to: int = 1> (columns)
    height_f = Cast <to: int = 1> (height)
    width_f = Cast <to: int = 1> (width)
    rows_c = Add (rows_f, half)
    columns_c = Add (columns_f, half)
    y_1 = Div (rows_c, height_f)
    x_1 = Div (columns_c, width_f)
    y = Unsqueeze (y_1, as_rows)
    x = Unsqueeze (x_1, as_columns)

    center_y_4 = Unsqueeze (center_y, rest)
    center_x_4 = Unsqueeze (center_x, rest)
    strength_4 = Unsqueeze (strength, rest)
    dy = Sub (y, center_y_4)
    dx = Sub (x, center_x_4)
    dy2 = Mul (dy, dy)
    dx2 = Mul (dx, dx)
    distance = Add (dy2, dx2)
    loss = Mul (distance, strength_4)
    light = Sub (unit, loss)
    images_out = Mul (images, light)
}
"""


def main() -> None:
    model = onnx.parser.parse_model(MODEL)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, Path(__file__).with_suffix(".onnx"))


if __name__ == "__main__":
    main()
