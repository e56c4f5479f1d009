//! Commands that look at operators, models and engines.

use std::fmt::Write;
use std::path::Path;

use augraft_engine::{EngineError, OnnxRuntime, Optimization, inspect_as, load_model, open};
use augraft_onnx::Site;
use augraft_operator::Registry;
use augraft_pipeline::{Device, EngineKind, LayoutName, MapLayout, SiteFacts, WrittenLayout, map_layout};

use super::arguments::{EngineArgs, ModelArgs};
use crate::failure::Failure;

/// The page of one operator.
pub(super) fn operator(registry: &Registry, name: &str) -> Result<String, Failure> {
    augraft_pipeline::page(registry, name)
        .ok_or_else(|| Failure::User(augraft_pipeline::unknown_operator(registry, name)))
}

/// The tensors of a model at which steps can act, as a table.
pub(super) fn sites(path: &Path, form: &ModelArgs, engine: &EngineArgs, all: bool) -> Result<String, Failure> {
    let ports = form.ports();
    let model = load_model(path, &ports)?;
    let (kind, device) = (engine.engine.unwrap_or(EngineKind::Tract), engine.device.unwrap_or(Device::Cpu));
    let runtime = open(kind, device, engine.onnxruntime.as_deref())?;
    let inspection = inspect_as(&*runtime, &model, form.size(), &ports)?;
    let facts = inspection.facts();
    let rows: Vec<(&Site, &SiteFacts)> = inspection.sites.iter().zip(&facts.sites).collect();
    let is_map = |facts: &SiteFacts| matches!(facts.shape[..], [1, _, _] | [1, _, _, _]);
    let maps = rows.iter().filter(|(_, facts)| is_map(facts));
    let shown: Vec<[String; 6]> = rows
        .iter()
        .filter(|(site, facts)| all && facts.shape.len() > 1 || site.dominates && is_map(facts))
        .map(|(site, facts)| {
            let dominates = if site.dominates { "yes".to_owned() } else { format!("no (+{})", site.skips) };
            let cost = format!("{:>9.1}%", 100.0 * site.macs_after);
            [site.name.clone(), site.op_type.clone(), sides(facts), axes(facts), dominates, cost]
        })
        .collect();
    let header = ["tensor", "operator", "shape", "layout", "dominates", "cost after"].map(str::to_owned);
    let mut table = String::new();
    let all_rows = || std::iter::once(&header).chain(&shown);
    let least = [6, 20, 18, 6, 9, 10];
    let widths: Vec<usize> =
        (0..6).map(|at| all_rows().map(|row| row[at].chars().count()).fold(least[at], usize::max)).collect();
    for row in all_rows() {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let _ = writeln!(table, "{}", cells.join("  ").trim_end());
    }
    let hidden = maps.filter(|(site, _)| !all && !site.dominates).count();
    if hidden > 0 {
        let _ = writeln!(
            table,
            "{hidden} more feature maps have skip connections around them (a graft there leaves what those carry unmixed); --all lists them"
        );
    }
    let (answer, why) = &facts.answer;
    if facts.classes > 0 {
        let _ = writeln!(table, "The model answers with {} classes, {}: {why}", facts.classes, answer.describe());
    }
    if let Some(reason) = augraft_onnx::baked_batch(&model) {
        let _ = writeln!(table, "{}", EngineError::baked(&model, reason));
    }
    Ok(table)
}

/// The shape of a tensor for N images, and its element type where no step acts on that.
fn sides(site: &SiteFacts) -> String {
    let samples = match site.shape.first() {
        Some(1) | None => "N".to_owned(),
        Some(rows) => format!("{rows}N"),
    };
    let sides = site.shape.iter().skip(1).fold(samples, |text, side| format!("{text},{side}"));
    let element = site.element.as_ref().map_or_else(String::new, |element| format!(" {element}"));
    format!("[{sides}]{element}")
}

/// How a tensor is a map, as `layout` and `tokens` say it.
fn axes(site: &SiteFacts) -> String {
    if site.element.is_some() || site.shape.first() != Some(&1) {
        return "-".to_owned();
    }
    let written = WrittenLayout::default();
    let as_tokens = WrittenLayout { name: Some(LayoutName::Tokens), tokens: None };
    match (map_layout(site, written, true), map_layout(site, as_tokens, true)) {
        (Ok((MapLayout::Nchw, _)), _) => "nchw".to_owned(),
        (Ok((MapLayout::Nhwc, _)), _) => "nhwc".to_owned(),
        (Ok((MapLayout::Vector, _)), _) => "vector".to_owned(),
        (_, Ok((MapLayout::Tokens(tokens), [_, height, width]))) if site.channels_last != Some(false) => {
            let class = tokens.class.get();
            let class = if class > 0 { format!(" + {class}") } else { String::new() };
            format!("tokens {height} x {width}{class}")
        }
        _ if site.shape.len() == 3 && site.channels_last == Some(true) => "tokens".to_owned(),
        _ if site.shape.len() == 3 && site.channels_last == Some(false) => "n,c,t".to_owned(),
        _ => "?".to_owned(),
    }
}

/// What works on this machine.
pub(super) fn engines(library: Option<&Path>) -> String {
    let mut table = "tract        cpu     works (embedded)\n".to_owned();
    match OnnxRuntime::describe(library) {
        Ok((path, build)) => {
            let _ = writeln!(table, "onnxruntime  cpu     works ({}; {build})", path.display());
        }
        Err(error) => {
            let _ = writeln!(table, "onnxruntime  cpu     no: {error}");
            table.push_str("onnxruntime  cuda:0  no: for the same reason\n");
            return table;
        }
    }
    match OnnxRuntime::load(library, Device::Cuda(0), Optimization::Default) {
        Ok(_) => table.push_str("onnxruntime  cuda:0  works\n"),
        Err(error) => {
            let _ = writeln!(table, "onnxruntime  cuda:0  no: {error}");
        }
    }
    table
}
