use std::fs;
use std::path::Path;

use augraft_onnx::proto::tensor_proto::DataLocation;
use augraft_onnx::proto::{ModelProto, StringStringEntryProto};
use augraft_onnx::{Error, Model};
use prost::Message;

use crate::fixtures::{proto, residual};

/// A model whose first weight (432 bytes) lies in another file.
fn outside(location: &str, offset: &str, length: &str) -> ModelProto {
    let mut graph = residual();
    let entry = |key: &str, value: &str| StringStringEntryProto { key: Some(key.into()), value: Some(value.into()) };
    let weight = &mut graph.initializer[0];
    weight.raw_data = None;
    weight.data_location = Some(DataLocation::External as i32);
    weight.external_data = vec![entry("location", location), entry("offset", offset), entry("length", length)];
    proto(graph)
}

fn load(folder: &Path, model: &ModelProto) -> Result<Model, Error> {
    let path = folder.join("model.onnx");
    fs::write(&path, model.encode_to_vec()).unwrap();
    Model::load(&path)
}

#[test]
fn data_beside_the_model_are_inlined() {
    let folder = tempfile::tempdir().unwrap();
    let data: Vec<u8> = (0..600_u16).map(|i| i.to_le_bytes()[0]).collect();
    fs::create_dir(folder.path().join("weights")).unwrap();
    fs::write(folder.path().join("weights/w.bin"), &data).unwrap();
    let model = load(folder.path(), &outside("weights/w.bin", "100", "432")).unwrap();
    let weight = &model.proto().graph.as_ref().unwrap().initializer[0];
    assert_eq!(weight.raw_data.as_deref(), Some(&data[100..532]));
    assert!(weight.external_data.is_empty() && weight.data_location.is_none());
    let again = Model::from_bytes(&model.to_bytes()).unwrap();
    assert_eq!(again, model);
}

#[test]
fn data_outside_the_folder_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("model");
    fs::create_dir(&folder).unwrap();
    let secret = root.path().join("secret.bin");
    fs::write(&secret, [0; 600]).unwrap();
    let refused = |location: &str| {
        let error = load(&folder, &outside(location, "0", "432")).unwrap_err();
        assert!(matches!(error, Error::ExternalData { .. }), "{error}");
        error.to_string()
    };
    for location in ["../secret.bin", "a/../../secret.bin", secret.to_str().unwrap(), "", "..", "/etc/passwd"] {
        assert!(refused(location).contains("own folder"), "{location}");
    }
    refused(".");
    refused("absent.bin");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&secret, folder.join("link.bin")).unwrap();
        assert!(refused("link.bin").contains("leads out of the model's folder"));
    }
}

/// Links beside each other, as the cache of a hub has them; their files lie beside each other in another folder.
#[cfg(unix)]
#[test]
fn a_link_to_a_model_leads_to_its_data() {
    use std::os::unix::fs::symlink;
    let root = tempfile::tempdir().unwrap();
    let [blobs, named] = ["blobs", "snapshots/revision/onnx"].map(|name| root.path().join(name));
    fs::create_dir_all(&blobs).unwrap();
    fs::create_dir_all(&named).unwrap();
    let write = |location: &str| fs::write(blobs.join("1a"), outside(location, "0", "432").encode_to_vec()).unwrap();
    fs::write(blobs.join("2b"), [7; 432]).unwrap();
    fs::write(root.path().join("secret"), [0; 432]).unwrap();
    let model = named.join("model.onnx");
    symlink("../../../blobs/1a", &model).unwrap();
    symlink("../../../blobs/2b", named.join("model.onnx_data")).unwrap();
    symlink("../../../secret", named.join("out")).unwrap();
    symlink("../secret", blobs.join("out_too")).unwrap();

    for location in ["model.onnx_data", "./model.onnx_data", "2b"] {
        write(location);
        let graph = Model::load(&model).unwrap().into_proto().graph.unwrap();
        assert_eq!(graph.initializer[0].raw_data.as_deref(), Some(&[7; 432][..]), "{location}");
    }
    for location in ["out", "out_too", "../secret", "../blobs/2b", "absent", blobs.join("2b").to_str().unwrap()] {
        write(location);
        let error = Model::load(&model).unwrap_err();
        assert!(matches!(error, Error::ExternalData { .. }), "{location}: {error}");
    }
    // The folder of a link to data is none of the model's.
    write("model.onnx_data");
    fs::remove_file(&model).unwrap();
    fs::copy(blobs.join("1a"), &model).unwrap();
    let error = Model::load(&model).unwrap_err().to_string();
    assert!(error.contains("leads out of the model's folder"), "{error}");
}

#[test]
fn claims_are_checked_against_the_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("w.bin"), [0; 500]).unwrap();
    let huge = u64::MAX.to_string();
    for (offset, length) in
        [("100", "432"), (huge.as_str(), "432"), ("0", "431"), ("0", huge.as_str()), ("-1", "432"), ("0", "many")]
    {
        let error = load(folder.path(), &outside("w.bin", offset, length)).unwrap_err();
        assert!(matches!(error, Error::ExternalData { .. }), "{offset} {length}: {error}");
    }
    let mut vast = outside("w.bin", "0", &huge);
    vast.graph.as_mut().unwrap().initializer[0].dims = vec![1 << 60];
    assert!(load(folder.path(), &vast).is_err());
}

#[test]
fn memory_has_no_folder() {
    let bytes = outside("w.bin", "0", "432").encode_to_vec();
    assert!(Model::from_bytes(&bytes).unwrap_err().to_string().contains("load the model from its path"));
}
