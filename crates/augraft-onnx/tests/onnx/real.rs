use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use augraft_onnx::{Model, Stage, baked_batch, cut, raise_opset, sites};

/// Returns the models of the folder that `AUGRAFT_SHARED` names, or nothing where it is not set.
fn models() -> Vec<PathBuf> {
    let Some(shared) = std::env::var_os("AUGRAFT_SHARED") else {
        let required = std::env::var("AUGRAFT_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|name| name.trim() == "shared"), "AUGRAFT_SHARED is not set");
        eprintln!("skipped: set AUGRAFT_SHARED to the folder that holds models/");
        return Vec::new();
    };
    let entries = fs::read_dir(PathBuf::from(shared).join("models")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "onnx"));
    paths.sort();
    paths
}

#[test]
fn real_models_survive_a_round_trip() {
    for path in models() {
        let model = Model::load(&path).unwrap();
        assert!(model.to_bytes() == fs::read(&path).unwrap(), "{}", path.display());
        assert_eq!(baked_batch(&model), None, "{}", path.display());
    }
}

#[test]
fn every_site_of_real_models_can_be_cut() {
    for path in models() {
        let model = Model::load(&path).unwrap();
        let sites = sites(&model, &BTreeMap::new());
        for site in &sites {
            let stages = cut(&model, &[&site.name]).unwrap();
            let others = stages[1].inputs.iter().filter(|name| **name != site.name).count();
            assert_eq!(others, site.skips, "{} of {}", site.name, path.display());
        }
        let clean = sites.iter().filter(|site| site.dominates && site.skips == 0).count();
        let known = if path.to_string_lossy().contains("efficientnet") { (48, 93) } else { (21, 50) };
        assert_eq!((clean, sites.len()), known, "{}", path.display());
    }
}

#[test]
fn efficientnet_cuts_cleanly_behind_a_block() {
    let Some(path) = models().into_iter().find(|path| path.ends_with("efficientnet-lite0.onnx")) else { return };
    let model = Model::load(&path).unwrap();
    let stages = cut(&model, &["/_blocks.10/Add_output_0"]).unwrap();
    assert_eq!(stages[0].outputs, ["/_blocks.10/Add_output_0"]);
    assert_eq!(stages[1].inputs, ["/_blocks.10/Add_output_0"]);
    let nodes = |stage: &Stage| stage.model.proto().graph.as_ref().unwrap().node.len();
    assert_eq!(nodes(&stages[0]) + nodes(&stages[1]), model.proto().graph.as_ref().unwrap().node.len());
}

#[test]
fn real_models_are_raised_where_operators_changed() {
    for path in models() {
        let model = Model::load(&path).unwrap();
        let raised = raise_opset(&model, 21).unwrap();
        let (old, new) = (model.into_proto().graph.unwrap(), raised.into_proto().graph.unwrap());
        let changed: Vec<&str> =
            old.node.iter().zip(&new.node).filter(|(old, new)| old != new).map(|(old, _)| old.op_type()).collect();
        let known = if path.to_string_lossy().contains("efficientnet") { &[][..] } else { &["ReduceMean"] };
        assert_eq!(changed, known, "{}", path.display());
        assert_eq!(new.initializer.len() - old.initializer.len(), known.len(), "{}", path.display());
    }
}
