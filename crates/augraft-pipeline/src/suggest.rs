//! Which known name was probably meant.

/// The known name that differs from `name` by a slip of the pen.
pub fn meant<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let wanted = plain(name);
    let ranked = known.into_iter().map(|other| (strsim::osa_distance(&wanted, &plain(other)), other));
    let (distance, nearest) = ranked.min()?;
    (distance <= (wanted.chars().count() / 3).max(1)).then_some(nearest)
}

/// The `n` known names that differ least from `name`; of equally near ones the first.
pub(crate) fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>, n: usize) -> Vec<&'n str> {
    let wanted = name.to_lowercase();
    let mut ranked: Vec<(usize, &str)> =
        known.into_iter().map(|other| (strsim::osa_distance(&wanted, &other.to_lowercase()), other)).collect();
    ranked.sort_by_key(|(distance, _)| *distance);
    ranked.into_iter().take(n).map(|(_, other)| other).collect()
}

/// Names in backticks: `a`, `b` or `c`.
pub(crate) fn choices<S: AsRef<str>>(names: &[S]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    match &quoted[..] {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// Names in backticks, with commas.
pub(crate) fn list<S: AsRef<str>>(names: &[S]) -> String {
    names.iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}

fn plain(name: &str) -> String {
    name.to_lowercase().replace(['_', '-', ' '], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_meant_and_another_word_is_not() {
        let known = ["cutmix", "mixup", "horizontal_flip"];
        assert_eq!(meant("cutmxi", known), Some("cutmix"));
        assert_eq!(meant("HorizontalFlip", known), Some("horizontal_flip"));
        assert_eq!(meant("blur", known), None);
        assert_eq!(nearest("mixu", known, 2), ["mixup", "cutmix"]);
    }
}
