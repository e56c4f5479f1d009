//! Step ids, which draws are keyed by.

use std::collections::BTreeMap;

use augraft_operator::step_hash;

/// The ids of steps, given each step's operator and explicit id: the operator's name, from its second occurrence on with its number.
pub(crate) fn ids(steps: &[(&str, Option<&str>)]) -> Vec<String> {
    let mut occurrences: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ids = Vec::with_capacity(steps.len());
    for (name, explicit) in steps {
        let occurrence = occurrences.entry(name).and_modify(|count| *count += 1).or_insert(1);
        ids.push(match (explicit, *occurrence) {
            (Some(id), _) => (*id).to_owned(),
            (None, 1) => (*name).to_owned(),
            (None, n) => format!("{name}-{n}"),
        });
    }
    ids
}

/// Pairs of positions whose ids would share their draws.
pub(crate) fn clashes(ids: &[String]) -> Vec<(usize, usize)> {
    let mut first: BTreeMap<u64, usize> = BTreeMap::new();
    let mut pairs = Vec::new();
    for (at, id) in ids.iter().enumerate() {
        match first.get(&step_hash(id)) {
            Some(known) => pairs.push((*known, at)),
            None => {
                first.insert(step_hash(id), at);
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_count_occurrences_and_explicit_ids_do_not_move_the_others() {
        let steps = [("cutmix", None), ("mixup", None), ("cutmix", None), ("cutmix", Some("mine")), ("cutmix", None)];
        assert_eq!(ids(&steps), ["cutmix", "mixup", "cutmix-2", "mine", "cutmix-4"]);
    }

    #[test]
    fn equal_ids_clash() {
        let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(clashes(&named(&["a", "b", "a", "a"])), [(0, 2), (0, 3)]);
        assert!(clashes(&named(&["a", "b"])).is_empty());
    }
}
