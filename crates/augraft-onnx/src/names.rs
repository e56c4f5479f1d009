use crate::flow::Flow;
use crate::model::Model;

/// Returns the activations whose names match a pattern, in topological order.
///
/// `*` stands for any characters, `/` included, and `?` for one. A tensor whose name is the pattern itself is the only
/// match, so that names which contain these characters can be given as they are. Graph inputs can match; constants
/// cannot.
#[must_use]
pub fn matching(model: &Model, pattern: &str) -> Vec<String> {
    let activations = Flow::of(model).activations();
    if activations.contains(&pattern) {
        return vec![pattern.to_owned()];
    }
    let pattern: Vec<char> = pattern.chars().collect();
    activations.into_iter().filter(|name| glob(&pattern, name)).map(str::to_owned).collect()
}

/// Returns up to `n` activations whose names differ least from `name`, best first.
#[must_use]
pub fn nearest(model: &Model, name: &str, n: usize) -> Vec<String> {
    let wanted = name.to_lowercase();
    let distance = |other: &str| strsim::osa_distance(&wanted, &other.to_lowercase());
    let mut ranked: Vec<(usize, &str)> =
        Flow::of(model).activations().into_iter().map(|other| (distance(other), other)).collect();
    // The sort is stable: of two equally near names the one that is computed first comes first.
    ranked.sort_by_key(|&(distance, _)| distance);
    ranked.into_iter().take(n).map(|(_, other)| other.to_owned()).collect()
}

/// Says whether all of `name` matches the pattern.
fn glob(pattern: &[char], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut i) = (0, 0);
    // Where to go on when a later character does not fit: the latest star takes one character more.
    let mut retry = None;
    while i < name.len() {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p + 1, i));
                p += 1;
            }
            Some(&c) if c == '?' || c == name[i] => {
                p += 1;
                i += 1;
            }
            _ => {
                let Some((after_star, taken)) = retry else { return false };
                retry = Some((after_star, taken + 1));
                (p, i) = (after_star, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}
