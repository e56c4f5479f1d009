//! How a sample is called in the files of a run.

use augraft_operator::{sample_of, view_of};
use serde_json::{Map, Value, json};

/// The index of a sample in the data set, and the number of the view where it is not the sample itself.
pub(crate) fn addressed(index: u64) -> Map<String, Value> {
    let view = Some(view_of(index)).filter(|view| *view > 0);
    let entries = [("index", Some(sample_of(index))), ("view", view)];
    entries.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))).collect()
}

/// The name of a file of a sample: its index, and the number of the view where it is not the sample itself.
pub(crate) fn file_name(index: u64) -> String {
    match view_of(index) {
        0 => format!("{:06}.png", sample_of(index)),
        view => format!("{:06}-{view}.png", sample_of(index)),
    }
}
