//! The engine that is loaded at run time.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use augraft_onnx::{Model, Tensor};
use augraft_pipeline::Device;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{SessionInputValue, SessionInputs};
use ort::value::DynValue;

use crate::error::EngineError;
use crate::runtime::{Runtime, Session, Use};

pub(crate) const NAME: &str = "onnxruntime";

/// How far ONNX Runtime may rewrite a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Optimization {
    /// Not at all.
    Off,
    /// As it does by default.
    Default,
}

/// ONNX Runtime on a device.
#[derive(Debug, Clone, Copy)]
pub struct OnnxRuntime {
    environment: &'static ort::environment::Environment,
    device: Device,
    optimization: Optimization,
}

/// The one environment of the process; ort allows no second.
static ENVIRONMENT: OnceLock<(PathBuf, ort::environment::Environment)> = OnceLock::new();
static LOADING: Mutex<()> = Mutex::new(());

impl OnnxRuntime {
    /// Loads the library: `library`, else `ORT_DYLIB_PATH`, else the one that `cargo xtask onnxruntime` fetched.
    ///
    /// # Errors
    /// When there is none, it is no ONNX Runtime or too old, or the device cannot be used.
    pub fn load(library: Option<&Path>, device: Device, optimization: Optimization) -> Result<Self, EngineError> {
        let (_, environment) = environment(library)?;
        let runtime = Self { environment, device, optimization };
        runtime.probe_device()?;
        Ok(runtime)
    }

    /// The path of the library and what it says of its build.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn describe(library: Option<&Path>) -> Result<(PathBuf, String), EngineError> {
        let (path, _) = environment(library)?;
        Ok((path.clone(), ort::info().to_owned()))
    }

    /// Opens a one-node session on the device: the CUDA provider says only then what it lacks.
    fn probe_device(self) -> Result<(), EngineError> {
        if self.device == Device::Cpu {
            return Ok(());
        }
        let graph = augraft_onnx::Graph::new(13);
        let x = graph.input("x", augraft_onnx::DataType::F32, &[augraft_onnx::Side::Fixed(1)]);
        graph.output(x.unary("Relu"), "y", &[augraft_onnx::Side::Fixed(1)]);
        let model = Model::from_proto(graph.into_proto("probe", &[]))?;
        self.commit(&model, Use::Graph).map(|_| ()).map_err(|error| {
            let reason = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
            let need = "it needs the onnxruntime-gpu library, an NVIDIA driver, CUDA 13 and cuDNN 9 on the loader's path; else use the device `cpu`";
            EngineError::Device { device: self.device.to_string(), reason: format!("{}; {need}", reason.trim_end_matches('.')) }
        })
    }

    /// What graphs run on.
    pub(crate) fn device(self) -> Device {
        self.device
    }

    fn commit(self, model: &Model, purpose: Use) -> ort::Result<ort::session::Session> {
        self.builder(purpose)?.commit_from_memory(&model.to_bytes())
    }

    /// The options of a session.
    pub(crate) fn builder(self, purpose: Use) -> ort::Result<ort::session::builder::SessionBuilder> {
        let level = match (self.optimization, purpose) {
            (Optimization::Off, _) | (_, Use::Graph) => GraphOptimizationLevel::Disable,
            // Level 3 picks the layout of tensors by the whole graph, so that a cut changes the last bits.
            (Optimization::Default, Use::CutNetwork) => GraphOptimizationLevel::Level2,
            (Optimization::Default, Use::Network | Use::OptimizedGraph) => GraphOptimizationLevel::Level3,
        };
        let mut builder = ort::session::Session::builder(self.environment)?
            .with_optimization_level(level)?
            .with_intra_threads(rayon::current_num_threads())?
            .with_inter_threads(1)?
            .with_intra_op_spinning(false)?
            .with_log_level(ort::logging::LogLevel::Fatal)?;
        if let Device::Cuda(id) = self.device {
            let id = i32::try_from(id).unwrap_or(i32::MAX);
            let search = ort::ep::cuda::ConvAlgorithmSearch::Default;
            let cuda = ort::ep::CUDA::default().with_device_id(id).with_tf32(false).with_conv_algorithm_search(search);
            builder = builder.with_execution_providers([cuda.build().error_on_failure()])?;
        }
        Ok(builder)
    }
}

impl Runtime for OnnxRuntime {
    fn name(&self) -> &'static str {
        NAME
    }

    fn session(&self, model: &Model, purpose: Use) -> Result<Box<dyn Session>, EngineError> {
        let session = self.commit(model, purpose).map_err(|error| EngineError::runtime(NAME, error))?;
        Ok(Box::new(OrtSession(Mutex::new(session))))
    }
}

struct OrtSession(Mutex<ort::session::Session>);

impl Session for OrtSession {
    fn run(&self, inputs: &[(&str, &Tensor)]) -> Result<Vec<Tensor>, EngineError> {
        let mut session = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known: Vec<String> = session.inputs().iter().map(|input| input.name().to_owned()).collect();
        let mut values: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = Vec::with_capacity(inputs.len());
        for &(name, tensor) in inputs.iter().filter(|(name, _)| known.iter().any(|input| input == name)) {
            values.push((name.into(), view_of(tensor).map_err(|error| EngineError::runtime(NAME, error))?));
        }
        let outputs = session.run(SessionInputs::from(values)).map_err(|error| EngineError::runtime(NAME, error))?;
        let tensors = outputs.values().map(|value| from_ort(&value));
        tensors.collect::<ort::Result<_>>().map_err(|error| EngineError::runtime(NAME, error))
    }
}

fn environment(library: Option<&Path>) -> Result<&'static (PathBuf, ort::environment::Environment), EngineError> {
    let _only_one = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(loaded) = ENVIRONMENT.get() {
        return Ok(loaded);
    }
    let path = find(library)?;
    let refused = |reason: String| EngineError::Library { path: path.clone(), reason };
    let builder = ort::environment::init_from(&path).map_err(|error| refused(refusal(&path, &error)))?;
    let environment =
        builder.with_name("augraft").with_telemetry(false).build().map_err(|error| refused(error.to_string()))?;
    Ok(ENVIRONMENT.get_or_init(|| (path, environment)))
}

/// Why a library is refused, without its path, which the message names.
fn refusal(path: &Path, error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    match text.split_once(&format!("`{}`: ", path.display())) {
        Some((_, loader)) => format!("it is no library for this machine, or lacks one that it needs ({loader})"),
        None => text,
    }
}

/// Where the library lies: what the user named must exist; the fetched one is searched above the program.
fn find(library: Option<&Path>) -> Result<PathBuf, EngineError> {
    let named = library.map(Path::to_owned).or_else(|| std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from));
    if let Some(path) = named {
        let path = std::path::absolute(&path).unwrap_or(path);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(EngineError::LibraryMissing { looked: path.display().to_string() })
        };
    }
    let file = format!("onnxruntime/{}onnxruntime{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let program = std::env::current_exe().unwrap_or_default();
    let found = program.ancestors().skip(1).map(|folder| folder.join(&file)).find(|path| path.is_file());
    found.ok_or_else(|| EngineError::LibraryMissing {
        looked: format!("--onnxruntime, ORT_DYLIB_PATH and {file} above the program"),
    })
}

macro_rules! tensor_types {
    ($($variant:ident: $native:ty),*) => {
        pub(crate) fn to_ort(tensor: &Tensor) -> ort::Result<DynValue> {
            match tensor {
                $(Tensor::$variant(array) => {
                    let values: Vec<$native> = array.as_slice().map_or_else(|| array.iter().copied().collect(), <[$native]>::to_vec);
                    Ok(ort::value::Tensor::from_array((array.shape().to_vec(), values))?.into_dyn())
                })*
            }
        }

        /// A tensor as an input, without a copy where its elements lie in order.
        fn view_of(tensor: &Tensor) -> ort::Result<SessionInputValue<'_>> {
            match tensor {
                $(Tensor::$variant(array) => match array.as_slice() {
                    Some(values) => {
                        Ok(ort::value::TensorRef::from_array_view((array.shape().to_vec(), values))?.into())
                    }
                    None => Ok(to_ort(tensor)?.into()),
                })*
            }
        }

        fn from_ort(value: &ort::value::DynValueRef<'_>) -> ort::Result<Tensor> {
            $(if let Ok((shape, values)) = value.try_extract_tensor::<$native>() {
                let shape: Vec<usize> = shape.iter().map(|side| *side as usize).collect();
                let array = ndarray::ArrayD::from_shape_vec(ndarray::IxDyn(&shape), values.to_vec());
                return array.map(Tensor::$variant).map_err(|error| ort::Error::new(error.to_string()));
            })*
            Err(ort::Error::new("the element type of an output is not supported"))
        }
    };
}
tensor_types!(Bool: bool, U8: u8, I8: i8, I32: i32, I64: i64, U64: u64, F16: half::f16, F32: f32, F64: f64);
