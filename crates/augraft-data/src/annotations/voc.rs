//! XML files of Pascal VOC: an element for each object, in pixels counted from 1 with the ends included.

use std::path::Path;

use roxmltree::{Document, Node};

use super::object::{At, Object, refused};
use crate::error::Error;

/// Reads the objects of an image of `[height, width]`.
pub(super) fn read(path: &Path, text: &str, classes: &[String], size: [usize; 2]) -> Result<Vec<Object>, Error> {
    let document = Document::parse(text).map_err(|error| {
        let at = At::Line(error.pos().row as usize);
        refused(path, at, format!("is no XML: {error}; repair the file"))
    })?;
    let root = document.root_element();
    let line = |node: Node<'_, '_>| At::Line(document.text_pos_at(node.range().start).row as usize);
    if root.tag_name().name() != "annotation" {
        let problem =
            format!("begins with `<{}>`; a file of Pascal VOC begins with `<annotation>`", root.tag_name().name());
        return Err(refused(path, line(root), problem));
    }
    check_size(root, size).map_err(|problem| refused(path, At::File, problem))?;
    let objects = root.children().filter(|node| node.has_tag_name("object")).enumerate();
    let read = |(id, node): (usize, Node<'_, '_>)| {
        let at = line(node);
        object(node, at, id as u64, classes).map_err(|problem| refused(path, at, problem))
    };
    objects.map(read).collect()
}

/// The names of the objects in a file; none when it is no XML, which its reading reports.
pub(super) fn names(text: &str) -> Vec<String> {
    let Ok(document) = Document::parse(text.trim_start_matches('\u{feff}')) else { return Vec::new() };
    let objects = document.root_element().children().filter(|node| node.has_tag_name("object"));
    objects.filter_map(|object| text_of(object, "name")).map(str::to_owned).collect()
}

/// Pixels of another size would put every box in a wrong place. A size that is missing or 0 says nothing.
fn check_size(root: Node<'_, '_>, [height, width]: [usize; 2]) -> Result<(), String> {
    let size = root.children().find(|node| node.has_tag_name("size"));
    let side = |name| size.and_then(|size| text_of(size, name)?.parse::<usize>().ok()).filter(|side| *side > 0);
    match (side("width"), side("height")) {
        (Some(wide), Some(high)) if [high, wide] != [height, width] => Err(format!(
            "is for an image of {wide} x {high} pixels, but the image has {width} x {height}; make them one size"
        )),
        _ => Ok(()),
    }
}

fn object(node: Node<'_, '_>, at: At, id: u64, classes: &[String]) -> Result<Object, String> {
    let name = text_of(node, "name").ok_or("has an object without `<name>`; add it")?;
    let class = classes.iter().position(|class| class == name).ok_or_else(|| {
        format!("has an object `{name}`, which is no name in the class list; correct it or add the name to the list")
    })?;
    let corners = node.children().find(|node| node.has_tag_name("bndbox"));
    let corners = corners.ok_or_else(|| format!("has an object `{name}` without `<bndbox>`; add it"))?;
    let corner = |side: &str| -> Result<f64, String> {
        let text = text_of(corners, side)
            .ok_or_else(|| format!("has an object `{name}` without `<{side}>` in its `<bndbox>`; add it"))?;
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| format!("has an object `{name}` with `{text}` as `<{side}>`; write a number"))
    };
    let bounds = [corner("xmin")? - 1.0, corner("ymin")? - 1.0, corner("xmax")?, corner("ymax")?];
    let difficult = match text_of(node, "difficult") {
        None | Some("0") => false,
        Some("1") => true,
        Some(other) => {
            return Err(format!("has an object `{name}` with `{other}` as `<difficult>`; write 0 or 1"));
        }
    };
    Ok(Object { at, id, class, bounds, crowd: false, difficult, keypoints: Vec::new() })
}

/// The text in the child called `name`; none without the child or with nothing in it.
fn text_of<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    let text = node.children().find(|child| child.has_tag_name(name))?.text()?.trim();
    (!text.is_empty()).then_some(text)
}
