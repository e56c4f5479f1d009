//! Steps inside models, as one ONNX file: equal to the parts, whatever the model looks like.

mod cases;
mod forms;
mod light;
mod parts;
mod raised;
mod support;
mod tokens;
