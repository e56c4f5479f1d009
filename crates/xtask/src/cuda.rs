//! `cargo xtask cuda-check`: what a machine with an NVIDIA GPU must show.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use crate::workspace::Workspace;
use crate::{onnxruntime, process};

const REPORT: &str = "crates/CUDA.md";

const QUERY: [&str; 2] = ["--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"];

/// Options of `cuda-check`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Version of the wheel `onnxruntime-gpu` whose libraries are put into target/onnxruntime-gpu.
    #[arg(long, value_name = "VERSION", default_value = onnxruntime::DEFAULT_VERSION)]
    wheel: String,
    /// An ONNX Runtime with CUDA that is used instead of the wheel's.
    #[arg(long, value_name = "PATH", conflicts_with = "wheel")]
    library: Option<PathBuf>,
    /// What to check; `cpu` rehearses everything on a machine without a GPU.
    #[arg(long, value_name = "DEVICE", default_value = "cuda:0")]
    device: String,
    /// Writes the measured table, with the hardware named, to crates/CUDA.md.
    #[arg(long)]
    write: bool,
}

/// Checks the machine, then runs the conformance suite and the benchmark on the device.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    let gpu = number(&args.device)?;
    ensure!(gpu.is_some() || !args.write, "--write needs a GPU: {REPORT} holds what was measured on one");
    if let Some(gpu) = gpu {
        println!("{}: {}", args.device, find_gpu(gpu)?);
    }
    let library = match &args.library {
        Some(path) => std::path::absolute(path)?,
        // The wheel with CUDA is large, and of no use to a rehearsal.
        None if gpu.is_none() => onnxruntime::install(workspace, "onnxruntime", &args.wheel)?,
        None => onnxruntime::install(workspace, "onnxruntime-gpu", &args.wheel)?,
    };
    ensure!(library.is_file(), "{} is no file; --library names an ONNX Runtime library", library.display());
    if gpu.is_some() {
        check_providers(&library)?;
    }

    let mut conformance =
        process::cargo(workspace, "test --release --locked --package augraft-tests --test all conformance::");
    println!("==> {}", process::line(on_device(&mut conformance, &library, &args.device)));
    process::run(&mut conformance).with_context(|| format!("the operators do not conform on {}", args.device))?;

    let mut bench = process::cargo(workspace, "bench --locked --package augraft --bench cuda");
    println!("==> {}", process::line(on_device(&mut bench, &library, &args.device)));
    let (report, status) = captured(&mut bench)?;
    print!("{report}");
    if args.write && !report.is_empty() {
        let path = workspace.root.join(REPORT);
        let library = args
            .library
            .as_ref()
            .map_or_else(|| format!("onnxruntime-gpu {}", args.wheel), |path| path.display().to_string());
        fs::write(&path, document(&library, &report)).with_context(|| format!("cannot write {REPORT}"))?;
        println!("{REPORT} written");
    }
    ensure!(status.success(), "the measurement on {} failed ({status}); the reason is above", args.device);
    Ok(())
}

fn on_device<'c>(command: &'c mut Command, library: &Path, device: &str) -> &'c mut Command {
    command.env("ORT_DYLIB_PATH", library).env("AUGRAFT_DEVICE", device).env("AUGRAFT_REQUIRE", "ort")
}

/// What a command prints, also when it fails: a table with a problem in it is what one wants to see then.
fn captured(command: &mut Command) -> anyhow::Result<(String, std::process::ExitStatus)> {
    let started = command.stderr(Stdio::inherit()).output();
    let output = started.with_context(|| format!("`{}` did not start", process::line(command)))?;
    Ok((String::from_utf8_lossy(&output.stdout).into_owned(), output.status))
}

fn document(library: &str, report: &str) -> String {
    let how = "Written by `cargo xtask cuda-check --write`, after the conformance suite had passed on the same device";
    format!("# Measured on a GPU\n\n{how} with {library}.\n\n{}\n", report.trim())
}

/// The number of a CUDA device; none for the CPU.
fn number(device: &str) -> anyhow::Result<Option<usize>> {
    if device == "cpu" {
        return Ok(None);
    }
    let number = device.strip_prefix("cuda:").and_then(|number| number.parse().ok());
    Ok(Some(number.with_context(|| format!("`{device}` is no device; there are `cpu` and `cuda:0`, `cuda:1`, ..."))?))
}

/// Name, driver and memory of a GPU, as nvidia-smi says them.
fn find_gpu(number: usize) -> anyhow::Result<String> {
    let output = Command::new("nvidia-smi").args(QUERY).stderr(Stdio::null()).output();
    let output = output.ok().filter(|output| output.status.success());
    gpu(number, output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).as_deref())
}

fn gpu(number: usize, listed: Option<&str>) -> anyhow::Result<String> {
    let remedy =
        "use a machine with an NVIDIA GPU and its driver, or rehearse with `cargo xtask cuda-check --device cpu`";
    let Some(listed) = listed else {
        bail!("no NVIDIA GPU was found, because nvidia-smi is missing or fails; {remedy}");
    };
    let gpus: Vec<&str> = listed.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let Some(gpu) = gpus.get(number) else {
        bail!("cuda:{number} was not found, because nvidia-smi lists {} GPU(s); {remedy}", gpus.len());
    };
    let [name, driver, memory] = gpu.split(", ").collect::<Vec<_>>()[..] else { return Ok((*gpu).to_owned()) };
    Ok(format!("{name}, {memory}, driver {driver}"))
}

/// Says before anything is compiled what the CUDA provider lacks.
fn check_providers(library: &Path) -> anyhow::Result<()> {
    let beside = |name: &str| library.with_file_name(format!("{DLL_PREFIX}onnxruntime_providers_{name}{DLL_SUFFIX}"));
    let [shared, cuda] = ["shared", "cuda"].map(beside);
    if let Some(missing) = [&shared, &cuda].into_iter().find(|file| !file.is_file()) {
        bail!(
            "{} has no CUDA: {} is missing; use the library of the wheel onnxruntime-gpu",
            library.display(),
            missing.display()
        );
    }
    // Where there is no ldd, ONNX Runtime itself says it later.
    let Ok(listed) = Command::new("ldd").arg(&cuda).stderr(Stdio::null()).output() else { return Ok(()) };
    let listed = String::from_utf8_lossy(&listed.stdout);
    let missing = not_found(&listed);
    ensure!(
        missing.is_empty(),
        "the CUDA provider needs {}, which the loader does not find; install CUDA 13 and cuDNN 9, for example with \
         `pip install --target target/cuda 'onnxruntime-gpu[cuda,cudnn]'`, and put their folders (target/cuda/nvidia/*/lib) on LD_LIBRARY_PATH",
        missing.join(", ")
    );
    Ok(())
}

/// The libraries that `ldd` does not find; the one that ONNX Runtime has loaded by then is none of them.
fn not_found(listed: &str) -> Vec<&str> {
    let missing = listed.lines().filter_map(|line| line.trim().strip_suffix("=> not found"));
    missing.map(str::trim).filter(|name| !name.starts_with("libonnxruntime")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_named_and_a_missing_one_says_what_to_do() {
        let listed = "NVIDIA H100 80GB HBM3, 580.65.06, 81559 MiB\nTesla T4, 580.65.06, 15360 MiB\n";
        assert_eq!(gpu(1, Some(listed)).unwrap(), "Tesla T4, 15360 MiB, driver 580.65.06");
        for (number, listed, start) in [
            (0, None, "no NVIDIA GPU was found, because nvidia-smi is missing or fails; use a machine"),
            (2, Some(listed), "cuda:2 was not found, because nvidia-smi lists 2 GPU(s); use a machine"),
            (0, Some(""), "cuda:0 was not found, because nvidia-smi lists 0 GPU(s); use a machine"),
        ] {
            let error = gpu(number, listed).unwrap_err().to_string();
            assert!(error.starts_with(start) && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn devices_are_read_as_in_a_pipeline() {
        assert_eq!(number("cpu").unwrap(), None);
        assert_eq!(number("cuda:1").unwrap(), Some(1));
        assert!(number("gpu").is_err() && number("cuda:x").is_err());
    }

    #[test]
    fn libraries_that_the_loader_lacks_are_listed() {
        let listed = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibcublasLt.so.13 => not found\n\tlibcudart.so.13 => not found\n\
                      \tlibonnxruntime_providers_shared.so => not found\n\tlibm.so.6 => /lib/libm.so.6 (0x00007f)\n";
        assert_eq!(not_found(listed), ["libcublasLt.so.13", "libcudart.so.13"]);
        assert!(not_found("\tstatically linked\n").is_empty());
    }

    #[test]
    fn a_library_without_the_cuda_provider_is_refused() {
        let error = check_providers(Path::new("/nowhere/libonnxruntime.so")).unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/libonnxruntime.so has no CUDA: "), "{error}");
    }

    #[test]
    fn the_report_is_a_page() {
        let page = document("onnxruntime-gpu 1.31.1", "\nDevice: GPU\n\n| a |\n\n");
        assert!(page.starts_with("# Measured on a GPU\n\n"));
        assert!(page.ends_with(" with onnxruntime-gpu 1.31.1.\n\nDevice: GPU\n\n| a |\n"), "{page}");
    }
}
