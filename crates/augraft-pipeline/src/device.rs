//! Which engine runs a model, and on what.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;

/// Who runs ONNX.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EngineKind {
    /// Embedded, on the CPU.
    #[default]
    Tract,
    /// ONNX Runtime, loaded when it is used.
    Onnxruntime,
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EngineKind::Tract => "tract",
            EngineKind::Onnxruntime => "onnxruntime",
        })
    }
}

impl FromStr for EngineKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "tract" => Ok(EngineKind::Tract),
            "onnxruntime" => Ok(EngineKind::Onnxruntime),
            _ => Err(format!("`{text}` is no engine; there are `tract` and `onnxruntime`")),
        }
    }
}

/// What an engine runs on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Device {
    /// The CPU.
    #[default]
    Cpu,
    /// The CUDA device of this number.
    Cuda(u32),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = match text {
            "cpu" => return Ok(Device::Cpu),
            "cuda" => Some(0),
            _ => text.strip_prefix("cuda:").and_then(|number| number.parse().ok()),
        };
        number
            .map(Device::Cuda)
            .ok_or_else(|| format!("`{text}` is no device; there are `cpu` and `cuda:0`, `cuda:1`, ..."))
    }
}

impl TryFrom<String> for Device {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl JsonSchema for Device {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Device".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^(cpu|cuda|cuda:[0-9]{1,4})$", "examples": ["cpu", "cuda:0"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_engines_read_what_they_print() {
        for device in [Device::Cpu, Device::Cuda(0), Device::Cuda(12)] {
            assert_eq!(device.to_string().parse(), Ok(device));
        }
        for engine in [EngineKind::Tract, EngineKind::Onnxruntime] {
            assert_eq!(engine.to_string().parse(), Ok(engine));
        }
        assert!("cuda:x".parse::<Device>().is_err());
    }
}
