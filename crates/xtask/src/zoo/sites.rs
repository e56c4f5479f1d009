//! What `augraft sites` lists, and where that differs from the second opinion.

use std::collections::BTreeMap;

use super::subject::{Reach, State};

/// A line of the table of `augraft sites --all`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Site {
    pub(super) name: String,
    /// The dimensions behind N; those that are not numbers are 0.
    pub(super) dimensions: Vec<usize>,
    pub(super) is_clean: bool,
    /// How it is a map, in the words of the table.
    pub(super) layout: String,
}

impl Site {
    /// Whether there is room for a box: two axes or more that are longer than one.
    pub(super) fn is_map(&self) -> bool {
        let is_known = matches!(self.layout.as_str(), "nchw" | "nhwc");
        is_known && self.dimensions.len() == 3 && self.dimensions.iter().filter(|&&size| size > 1).count() >= 2
    }

    /// Whether it is tokens N,T,D of a grid that the table shows, or of one that must be told.
    pub(super) fn is_tokens(&self) -> bool {
        self.dimensions.len() == 2 && self.layout.starts_with("tokens")
    }

    /// Whether the table shows the grid of its tokens.
    pub(super) fn is_square(&self) -> bool {
        self.layout.contains(" x ")
    }
}

/// Reads the table: its header says where the columns begin.
pub(super) fn read(printed: &str) -> Vec<Site> {
    let mut lines = printed.lines().skip_while(|line| !line.starts_with("tensor"));
    let Some(header) = lines.next() else { return Vec::new() };
    let column = |title: &str| header.find(title).map(|at| header[..at].chars().count());
    let (Some(operator), Some(shape), Some(layout), Some(dominates)) =
        (column("operator"), column("shape"), column("layout"), column("dominates"))
    else {
        return Vec::new();
    };
    let cell = |line: &str, from: usize| -> String { line.chars().skip(from).collect::<String>().trim().to_owned() };
    let mut sites = Vec::new();
    for line in lines {
        let answer = cell(line, dominates);
        if !answer.starts_with("yes") && !answer.starts_with("no") {
            continue;
        }
        let name: String = line.chars().take(operator).collect();
        let shape = cell(line, shape);
        let layout: String = line.chars().skip(layout).take(dominates - layout).collect();
        let inner = shape.trim_start_matches('[').split(']').next().unwrap_or_default();
        let dimensions = inner.split(',').skip(1).map(|size| size.trim().parse().unwrap_or(0)).collect();
        let (name, layout) = (name.trim().to_owned(), layout.trim().to_owned());
        sites.push(Site { name, dimensions, is_clean: answer.starts_with("yes"), layout });
    }
    sites
}

/// How the list of `sites --all` differs from what can be reached.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// Listed as clean, though the image reaches an output without them, or they are outputs.
    pub(super) not_clean: Vec<String>,
    /// Listed with a way around, though there is none.
    pub(super) no_bypass: Vec<String>,
    /// Clean maps or tokens that are not listed.
    pub(super) unlisted: Vec<String>,
    /// How many are clean in both.
    pub(super) agreed: usize,
}

impl Difference {
    /// Compares the lists by the names of their tensors.
    pub(super) fn of(sites: &[Site], reach: &Reach) -> Self {
        let listed: BTreeMap<&str, bool> = sites.iter().map(|site| (site.name.as_str(), site.is_clean)).collect();
        let mut difference = Self::default();
        let mut known = BTreeMap::new();
        for tensor in &reach.tensors {
            known.insert(tensor.name.as_str(), tensor.state);
            match (listed.get(tensor.name.as_str()), tensor.state) {
                (Some(true), State::Clean) => difference.agreed += 1,
                (Some(true), State::Bypassed | State::Output) => difference.not_clean.push(tensor.name.clone()),
                (Some(false), State::Clean) => difference.no_bypass.push(tensor.name.clone()),
                (None, State::Clean) if tensor.is_map => difference.unlisted.push(tensor.name.clone()),
                _ => {}
            }
        }
        // What the image does not reach is no place either.
        let strays = sites.iter().filter(|site| site.is_clean && !known.contains_key(site.name.as_str()));
        difference.not_clean.extend(strays.map(|site| site.name.clone()));
        difference
    }

    pub(super) fn is_none(&self) -> bool {
        self.not_clean.is_empty() && self.no_bypass.is_empty() && self.unlisted.is_empty()
    }

    /// The difference in a cell of a table.
    pub(super) fn cell(&self) -> String {
        let parts =
            [(&self.not_clean, "wrongly clean"), (&self.no_bypass, "wrongly bypassed"), (&self.unlisted, "unlisted")];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(names, _)| !names.is_empty())
            .map(|(names, what)| format!("**{} {what}**", names.len()))
            .collect();
        let agreed = format!("{} equal", self.agreed);
        [agreed].into_iter().chain(parts).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::subject::read_reach;
    use super::*;

    const TABLE: &str = "\
tensor    operator  shape          layout          dominates cost after
a b       Conv      [N,64,28,28]   nchw            yes            93.5%
c         Add       [N,16,8]       tokens 4 x 4    no (+1)        80.7%
d:0       Relu      [N,8,1,1]      nchw            yes             0.0%
e         MatMul    [N,2,9,9]      ?               yes             0.0%
1 more feature maps have skip connections around them; --all lists them
";

    #[test]
    fn a_table_is_read_by_its_header() {
        let sites = read(TABLE);
        let names: Vec<&str> = sites.iter().map(|site| site.name.as_str()).collect();
        assert_eq!(names, ["a b", "c", "d:0", "e"]);
        let first =
            Site { name: "a b".to_owned(), dimensions: vec![64, 28, 28], is_clean: true, layout: "nchw".to_owned() };
        assert_eq!(sites[0], first);
        assert!(sites[0].is_map() && sites[1].is_tokens() && !sites[1].is_clean);
        assert!(!sites[2].is_map() && !sites[3].is_map());
        assert!(read("error: no model\n").is_empty());
    }

    #[test]
    fn differences_are_named_by_their_kind() {
        let reach = "tensor\ta b\tclean\tmap\ntensor\tc\tclean\tmap\ntensor\td:0\toutput\tmap\ntensor\te\tclean\tmap\ntensor\tf\tclean\tother\n";
        let difference = Difference::of(&read(TABLE), &read_reach(reach).unwrap());
        assert_eq!(difference.cell(), "2 equal, **1 wrongly clean**, **1 wrongly bypassed**");
        assert_eq!((difference.not_clean[0].as_str(), difference.agreed), ("d:0", 2));
        let without: Vec<Site> = read(TABLE).into_iter().filter(|site| site.name != "e").collect();
        assert_eq!(Difference::of(&without, &read_reach(reach).unwrap()).unlisted, ["e"]);
        let stray = Difference::of(&read(TABLE), &read_reach("").unwrap());
        assert_eq!(stray.not_clean, ["a b", "d:0", "e"]);
    }
}
