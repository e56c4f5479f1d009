use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use ndarray::{ArrayView2, ArrayView3, ArrayViewD};
use ndarray_npy::{NpzWriter, WritableElement};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::error::Error;

/// Collects the outputs of a run in a temporary folder that takes its final name only when all are written.
///
/// A run that fails or is dropped leaves nothing behind, and an earlier run's outputs stay until the new ones are whole.
#[derive(Debug)]
pub struct OutputFolder {
    temporary: TempDir,
    path: PathBuf,
    record: &'static str,
}

impl OutputFolder {
    /// Opens a temporary folder in the nearest folder above `path` that exists.
    ///
    /// # Errors
    /// If `path` exists and neither is an empty folder nor holds the `run.json` of an earlier run.
    pub fn create(path: impl Into<PathBuf>) -> Result<OutputFolder, Error> {
        Self::create_over(path, "run.json")
    }

    /// The same for runs whose record is another file.
    ///
    /// # Errors
    /// If `path` exists and neither is an empty folder nor holds such a record.
    pub fn create_over(path: impl Into<PathBuf>, record: &'static str) -> Result<OutputFolder, Error> {
        let path = path.into();
        check_replaceable(&path, record)?;
        // The folders above `path` are made when the run is complete, so that a failure leaves none.
        let above = path.ancestors().skip(1).find(|above| above.exists()).unwrap_or(Path::new("."));
        if !above.is_dir() {
            return Err(Error::io("write in", above)(io::ErrorKind::NotADirectory.into()));
        }
        Ok(OutputFolder { temporary: temporary_in(above)?, path, record })
    }

    /// Returns the temporary folder, to write into.
    pub fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Gives the folder its final name, in place of an earlier run's.
    pub fn commit(self) -> Result<PathBuf, Error> {
        check_replaceable(&self.path, self.record)?;
        open_to_others(self.temporary.path()).map_err(Error::io("write", &self.path))?;
        let parent = parent_of(&self.path);
        fs::create_dir_all(parent).map_err(Error::io("make the folder", parent))?;
        let aside = temporary_in(parent)?;
        let earlier = aside.path().join("earlier");
        let replaces = self.path.exists();
        if replaces {
            fs::rename(&self.path, &earlier).map_err(Error::io("replace", &self.path))?;
        }
        if let Err(error) = fs::rename(self.temporary.path(), &self.path) {
            if replaces {
                fs::rename(&earlier, &self.path).map_err(Error::io("put back", &self.path))?;
            }
            return Err(Error::io("write", &self.path)(error));
        }
        let _ = self.temporary.keep();
        Ok(self.path)
    }
}

fn check_replaceable(path: &Path, record: &'static str) -> Result<(), Error> {
    if !path.exists() || is_ours(&path.join(record)) {
        return Ok(());
    }
    let is_empty = path.is_dir() && fs::read_dir(path).map_err(Error::io("list", path))?.next().is_none();
    if is_empty { Ok(()) } else { Err(Error::OutputTaken { path: path.to_owned(), record }) }
}

/// Whether a file is the record of a run. A `run.json` is; names that others use too must hold JSON with the version of augraft.
fn is_ours(record: &Path) -> bool {
    if record.ends_with("run.json") {
        return record.is_file();
    }
    let read = || serde_json::from_slice::<serde_json::Value>(&fs::read(record).ok()?).ok();
    read().is_some_and(|record| record.get("augraft").is_some())
}

fn temporary_in(parent: &Path) -> Result<TempDir, Error> {
    tempfile::Builder::new().prefix(".augraft-").tempdir_in(parent).map_err(Error::io("write in", parent))
}

/// Gives a folder the permissions that a plain `mkdir` would; temporary folders are private.
fn open_to_others(path: &Path) -> io::Result<()> {
    let plain = path.join(".mode");
    fs::create_dir(&plain)?;
    let permissions = fs::metadata(&plain)?.permissions();
    fs::remove_dir(&plain)?;
    fs::set_permissions(path, permissions)
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a file under a temporary name and renames it, so that readers see the old content or the new, never a part.
pub fn atomic_write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let write = || {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
        let temporary = parent_of(path).join(format!(".{name}.{}.part", std::process::id()));
        let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    };
    write().map_err(Error::io("write", path))
}

/// Writes an RGB image, axes H, W, C with C = 3, as an 8-bit PNG.
///
/// # Errors
/// If there are not 3 channels, a side is 0 or the file cannot be written.
pub fn write_png(path: &Path, image: &ArrayView3<'_, u8>) -> Result<(), Error> {
    let (height, width, channels) = image.dim();
    if channels == 1 {
        return write_gray(path, &image.index_axis(ndarray::Axis(2), 0));
    }
    if channels != 3 || height == 0 || width == 0 {
        return Err(Error::NotRgb { path: path.to_owned(), shape: image.shape().to_vec() });
    }
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        let pixels: Vec<u8> = image.iter().copied().collect();
        let encoder = PngEncoder::new(&mut file);
        encoder.write_image(&pixels, width as u32, height as u32, ExtendedColorType::Rgb8).map_err(io::Error::other)?;
        file.flush()
    };
    write().map_err(Error::io("write", path))
}

/// Writes an image of one channel, axes H, W, as an 8-bit gray PNG.
pub fn write_gray(path: &Path, image: &ArrayView2<'_, u8>) -> Result<(), Error> {
    let (height, width) = image.dim();
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        let pixels: Vec<u8> = image.iter().copied().collect();
        let encoder = PngEncoder::new(&mut file);
        encoder.write_image(&pixels, width as u32, height as u32, ExtendedColorType::L8).map_err(io::Error::other)?;
        file.flush()
    };
    write().map_err(Error::io("write", path))
}

/// Borrows an array of one of the types that outputs hold, with any number of axes.
#[derive(Clone, Debug)]
pub enum NpzArray<'a> {
    /// Unsigned bytes.
    U8(ArrayViewD<'a, u8>),
    /// 32-bit integers.
    I32(ArrayViewD<'a, i32>),
    /// 64-bit integers.
    I64(ArrayViewD<'a, i64>),
    /// Single precision.
    F32(ArrayViewD<'a, f32>),
    /// Double precision.
    F64(ArrayViewD<'a, f64>),
}

/// Writes named arrays, in the order given and uncompressed, as a file that `numpy.load` opens.
///
/// The bytes depend on the names and arrays only: entries carry a fixed time.
pub fn write_npz(path: &Path, arrays: &[(&str, NpzArray<'_>)]) -> Result<(), Error> {
    let write = || {
        let bytes = npz_bytes(arrays)?;
        let mut file = File::create(path)?;
        file.write_all(&bytes)
    };
    write().map_err(Error::io("write", path))
}

/// The bytes of such a file; they are put together in memory, because a writer of archives that meets a full disk says so on its own.
fn npz_bytes(arrays: &[(&str, NpzArray<'_>)]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    {
        let mut npz = NpzWriter::new(io::Cursor::new(&mut bytes));
        for (name, array) in arrays {
            match array {
                NpzArray::U8(view) => add_array(&mut npz, name, view),
                NpzArray::I32(view) => add_array(&mut npz, name, view),
                NpzArray::I64(view) => add_array(&mut npz, name, view),
                NpzArray::F32(view) => add_array(&mut npz, name, view),
                NpzArray::F64(view) => add_array(&mut npz, name, view),
            }?;
        }
        npz.finish().map_err(io::Error::other)?;
    }
    Ok(bytes)
}

fn add_array<T: WritableElement>(
    npz: &mut NpzWriter<io::Cursor<&mut Vec<u8>>>,
    name: &str,
    view: &ArrayViewD<'_, T>,
) -> io::Result<()> {
    npz.add_array(name, view).map_err(io::Error::other)
}

/// Writes a value as indented JSON with a final newline, whole or not at all.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(io::Error::other).map_err(Error::io("write", path))?;
    bytes.push(b'\n');
    atomic_write(path, &bytes)
}

/// Writes one JSON value a line.
#[derive(Debug)]
pub struct JsonLines {
    file: BufWriter<File>,
    path: PathBuf,
}

impl JsonLines {
    /// Creates the file, or empties it.
    pub fn create(path: impl Into<PathBuf>) -> Result<JsonLines, Error> {
        let path = path.into();
        let file = File::create(&path).map_err(Error::io("write", &path))?;
        Ok(JsonLines { file: BufWriter::new(file), path })
    }

    /// Adds one line.
    pub fn write(&mut self, value: &impl Serialize) -> Result<(), Error> {
        let written = serde_json::to_writer(&mut self.file, value).map_err(io::Error::other);
        written.and_then(|()| self.file.write_all(b"\n")).map_err(Error::io("write", &self.path))
    }

    /// Writes out what is buffered; an error that dropping would hide is returned.
    pub fn finish(mut self) -> Result<(), Error> {
        self.file.flush().map_err(Error::io("write", &self.path))
    }
}

/// Returns the SHA-256 of a file's bytes as 64 lower-case hexadecimal digits.
pub fn sha256_file(path: &Path) -> Result<String, Error> {
    let digest = || {
        let mut file = File::open(path)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(hasher.finalize()),
                count => hasher.update(&buffer[..count]),
            }
        }
    };
    let digest = digest().map_err(Error::io("read", path))?;
    let mut text = String::with_capacity(2 * digest.len());
    for byte in digest {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}
