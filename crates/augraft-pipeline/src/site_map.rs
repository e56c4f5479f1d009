//! Which map of channels, rows and columns a tensor of a model is.

use augraft_operator::Issue;

use crate::layout::{LayoutName, MapLayout, Tokens, WrittenLayout};
use crate::plan::SiteFacts;

/// How a tensor is a map, and its channels, rows and columns; `places` says whether what happens there depends on which axes are the plane.
///
/// # Errors
/// When it is none, or that cannot be told; the path of the issue is `at`, `layout` or `tokens`.
pub fn map_layout(site: &SiteFacts, written: WrittenLayout, places: bool) -> Result<(MapLayout, [usize; 3]), Issue> {
    let name = &site.name;
    let refused = |path: &str, message: String, help: &str| Err(Issue::new(path, message).help(help));
    if let Some(element) = &site.element {
        let message = format!("the tensor `{name}` is {element}");
        return refused("at", message, "steps act on floats; choose a tensor before or behind");
    }
    if let [rows, ..] = site.shape[..]
        && rows != 1
    {
        let message = format!("`{name}` has {rows} rows for one image: they are windows or heads, not samples");
        return refused("at", message, "choose a tensor before they are made or after they are joined");
    }
    let is_last = site.channels_last;
    match (&site.shape[..], written.name, written.tokens) {
        ([1, channels], None, None) => Ok((MapLayout::Vector, [*channels, 1, 1])),
        ([1, channels, height, width], Some(LayoutName::Nchw), None) => {
            Ok((MapLayout::Nchw, [*channels, *height, *width]))
        }
        ([1, height, width, channels], Some(LayoutName::Nhwc), None) => {
            Ok((MapLayout::Nhwc, [*channels, *height, *width]))
        }
        ([1, a, b, c], None, None) => match is_last {
            Some(true) => Ok((MapLayout::Nhwc, [*c, *a, *b])),
            None if places => {
                let message = format!(
                    "`{name}` has the shape {:?} for one image, and the model does not show which axes are channels",
                    site.shape
                );
                refused("at", message, "say `layout: nchw` or `layout: nhwc` beside `at`")
            }
            _ => Ok((MapLayout::Nchw, [*a, *b, *c])),
        },
        ([1, rows, channels], None | Some(LayoutName::Tokens), Some(tokens)) => {
            let [height, width] = tokens.grid.map(|side| side.get() as usize);
            if *rows == tokens.rows() {
                return Ok((MapLayout::Tokens(tokens), [*channels, height, width]));
            }
            let message = format!(
                "`{name}` has the shape {:?} for one image, which is no [1, {height} x {width} + {}, D]",
                site.shape,
                tokens.class.get()
            );
            refused("tokens", message, "the grid and the class tokens make up the second side")
        }
        ([1, rows, channels], written, None) => match (square(*rows), written) {
            (Some(tokens), Some(LayoutName::Tokens)) => {
                let side = tokens.grid[0].get() as usize;
                Ok((MapLayout::Tokens(tokens), [*channels, side, side]))
            }
            (found, _) => {
                let message =
                    format!("`{name}` has the shape {:?} for one image, but steps act on N,C,H,W", site.shape);
                let example = found.or_else(|| square(197)).map_or_else(String::new, |tokens| {
                    format!("{{ grid: [{0}, {0}], class: {1} }}", tokens.grid[0].get(), tokens.class.get())
                });
                let known = if found.is_some() { "say" } else { "say how its rows are a map, for example" };
                refused("at", message, &format!("{known} `tokens: {example}` beside `at`"))
            }
        },
        (shape, None, None) => {
            let message = format!("`{name}` has the shape {shape:?} for one image, but steps act on N,C,H,W");
            refused("at", message, "choose a feature map; `augraft sites MODEL` lists shapes")
        }
        (shape, Some(_), None) => {
            let message = format!("`{name}` has the shape {shape:?} for one image, which the layout does not fit");
            refused("layout", message, "`nchw` and `nhwc` are for four axes, `tokens` for three")
        }
        (shape, _, Some(_)) => {
            let message = format!("`{name}` has the shape {shape:?} for one image, and `tokens` are for three axes");
            refused("tokens", message, "leave `tokens` out")
        }
    }
}

/// The square grid that this many rows are, with or without one class token.
fn square(rows: usize) -> Option<Tokens> {
    [0, 1].into_iter().find_map(|class| {
        let cells = rows.checked_sub(class).filter(|cells| *cells > 1)?;
        let side = cells.isqrt();
        (side * side == cells).then(|| Tokens::square(side, class)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(shape: &[usize], channels_last: Option<bool>) -> SiteFacts {
        SiteFacts { name: "t".to_owned(), shape: shape.to_vec(), dominates: true, channels_last, element: None }
    }

    fn written(name: Option<LayoutName>) -> WrittenLayout {
        WrittenLayout { name, tokens: None }
    }

    #[test]
    fn what_the_model_shows_is_taken_unless_the_step_says_otherwise() {
        let of = |last, name| map_layout(&site(&[1, 4, 5, 6], last), written(name), true).map(|(_, map)| map).ok();
        assert_eq!(of(Some(true), None), Some([6, 4, 5]));
        assert_eq!(of(Some(false), None), Some([4, 5, 6]));
        assert_eq!(of(None, None), None);
        assert_eq!(of(Some(true), Some(LayoutName::Nchw)), Some([4, 5, 6]));
        assert_eq!(of(None, Some(LayoutName::Nhwc)), Some([6, 4, 5]));
        assert_eq!(of(None, Some(LayoutName::Tokens)), None);
        let blend = map_layout(&site(&[1, 4, 5, 6], None), written(None), false);
        assert!(blend.is_ok(), "a blend of whole samples is the same in any order of axes");
    }

    #[test]
    fn square_grids_are_found_with_or_without_a_class_token() {
        for (rows, side, class) in [(196, 14, 0), (197, 14, 1), (50, 7, 1), (49, 7, 0)] {
            assert_eq!(square(rows), Tokens::square(side, class), "{rows}");
        }
        assert_eq!(square(198), None);
        let (layout, map) = map_layout(&site(&[1, 197, 8], None), written(Some(LayoutName::Tokens)), true).unwrap();
        assert!(matches!(layout, MapLayout::Tokens(_)));
        assert_eq!(map, [8, 14, 14]);
    }

    #[test]
    fn windows_integers_and_other_ranks_are_refused() {
        for shape in [&[64, 7, 7, 96][..], &[1, 49, 8], &[1, 2, 3, 4, 5], &[]] {
            assert!(map_layout(&site(shape, Some(true)), written(None), true).is_err(), "{shape:?}");
        }
        let bytes = SiteFacts { element: Some("int8".to_owned()), ..site(&[1, 4, 5, 6], Some(false)) };
        assert!(map_layout(&bytes, written(None), false).unwrap_err().message.contains("int8"));
    }
}
