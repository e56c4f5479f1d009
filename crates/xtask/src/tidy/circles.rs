//! Which files of a crate name each other in a circle.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::{Context, anyhow};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The path of a module from the root of its crate.
type Path = Vec<String>;

/// The source of one module.
#[derive(Debug, Default)]
struct Module {
    /// The modules that it declares and that have files of their own.
    children: BTreeSet<String>,
    /// What it brings into scope: the name, and the path.
    uses: BTreeMap<String, Path>,
    /// The paths that it names anywhere else; those from the root begin with `crate`.
    paths: BTreeSet<Path>,
}

impl Module {
    /// Returns a path that the module at `at` names from the root, if it lies in this crate.
    fn rooted(&self, path: &Path, at: &[String]) -> Option<Path> {
        match path.first()? {
            first if first == "crate" => Some(path[1..].to_vec()),
            first if self.children.contains(first) => Some([at, path].concat()),
            _ => None,
        }
    }
}

/// Returns one line for each circle among the files of a crate, given as paths below `src` and their texts.
///
/// A file points to the file that defines what it names, through re-exports; modules of unit tests are left out.
pub(super) fn problems(root: &str, files: &[(String, String)]) -> anyhow::Result<Vec<String>> {
    let mut modules = BTreeMap::new();
    for (file, text) in files {
        let tokens: TokenStream =
            text.parse().map_err(|error| anyhow!("{error}")).with_context(|| format!("cannot read {root}/{file}"))?;
        let at = module_path(file);
        let mut module = Module::default();
        scan(tokens, &at, 0, &mut module);
        modules.insert(at, (file.as_str(), module));
    }
    let arrows = modules.iter().map(|(at, (file, module))| (*file, arrows(at, module, &modules))).collect();
    Ok(circles(&arrows).into_iter().map(|circle| format!("{root}: files in a circle: {circle}")).collect())
}

fn module_path(file: &str) -> Path {
    let path = file.strip_suffix(".rs").unwrap_or(file);
    let mut segments: Path = path.split('/').map(str::to_owned).collect();
    if segments.last().is_some_and(|last| matches!(last.as_str(), "lib" | "main" | "mod")) {
        segments.pop();
    }
    segments
}

/// Collects what the tokens name; `inline` is the number of modules without a file around them.
fn scan(tokens: TokenStream, at: &Path, inline: usize, module: &mut Module) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut index = 0;
    while index < tokens.len() {
        index = match item(&tokens[index..]) {
            Item::Tests(length) => index + length,
            Item::Child(name) => {
                module.children.insert(name);
                index + 3
            }
            Item::Inline(body) => {
                scan(body, at, inline + 1, module);
                index + 3
            }
            Item::Use => {
                let end = tokens[index..].iter().position(|token| is_punctuation(token, ';')).unwrap_or(1);
                let mut leaves = Vec::new();
                tree(&tokens[index + 1..index + end], &Vec::new(), &mut leaves);
                for (name, path) in leaves {
                    let path = from_root(path, at, inline);
                    if name == "_" || name == "*" {
                        module.paths.insert(path);
                    } else {
                        module.uses.insert(name, path);
                    }
                }
                index + end
            }
            Item::Other => {
                if let TokenTree::Group(group) = &tokens[index] {
                    scan(group.stream(), at, inline, module);
                }
                let begins = index < 2 || !tokens[index - 2..index].iter().all(|token| is_punctuation(token, ':'));
                let path = segments(&tokens[index..]);
                if begins && !path.is_empty() {
                    module.paths.insert(from_root(path, at, inline));
                }
                index + 1
            }
        };
    }
}

enum Item {
    /// A module of unit tests, so many tokens long.
    Tests(usize),
    Child(String),
    Inline(TokenStream),
    Use,
    Other,
}

fn item(tokens: &[TokenTree]) -> Item {
    let word = |index: usize| match tokens.get(index) {
        Some(TokenTree::Ident(ident)) => ident.to_string(),
        _ => String::new(),
    };
    if let [TokenTree::Punct(hash), TokenTree::Group(attribute), ..] = tokens
        && hash.as_char() == '#'
        && attribute.stream().to_string().replace(' ', "") == "cfg(test)"
    {
        let end = tokens.iter().position(|token| {
            is_punctuation(token, ';')
                || matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
        });
        return Item::Tests(end.map_or(2, |end| end + 1));
    }
    match (word(0).as_str(), tokens.get(2)) {
        ("use", _) => Item::Use,
        ("mod", Some(TokenTree::Group(body))) => Item::Inline(body.stream()),
        ("mod", Some(end)) if is_punctuation(end, ';') => Item::Child(word(1)),
        _ => Item::Other,
    }
}

fn is_punctuation(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

/// Returns the words of the path that the tokens begin with.
fn segments(tokens: &[TokenTree]) -> Path {
    let mut path = Vec::new();
    let mut rest = tokens;
    while let [TokenTree::Ident(word), after @ ..] = rest {
        path.push(word.to_string());
        match after {
            [a, b, next @ ..] if is_punctuation(a, ':') && is_punctuation(b, ':') => rest = next,
            _ => break,
        }
    }
    path
}

/// Collects the names and paths of a `use` tree.
fn tree(tokens: &[TokenTree], before: &Path, leaves: &mut Vec<(String, Path)>) {
    for branch in tokens.split(|token| is_punctuation(token, ',')) {
        let own = segments(branch);
        let mut path = before.clone();
        path.extend(own.iter().filter(|&word| word != "self" || before.is_empty()).cloned());
        let rest = &branch[(own.len() * 3).saturating_sub(2).min(branch.len())..];
        let after = rest.iter().position(|token| !is_punctuation(token, ':')).map_or(&rest[..0], |at| &rest[at..]);
        match after {
            [TokenTree::Group(group)] => tree(&group.stream().into_iter().collect::<Vec<_>>(), &path, leaves),
            [star] if is_punctuation(star, '*') => {
                path.push("*".to_owned());
                leaves.push(("*".to_owned(), path));
            }
            [TokenTree::Ident(_), TokenTree::Ident(name)] => leaves.push((name.to_string(), path)),
            _ => leaves.extend(path.last().cloned().map(|name| (name, path))),
        }
    }
}

/// Turns `self` and `super` at the beginning of a path into `crate` and the modules below it.
fn from_root(path: Path, at: &Path, mut inline: usize) -> Path {
    if !path.first().is_some_and(|first| first == "self" || first == "super") {
        return path;
    }
    let mut base = [&["crate".to_owned()], at.as_slice()].concat();
    let mut rest = path.as_slice();
    while let Some((word, after)) = rest.split_first() {
        match word.as_str() {
            "self" => {}
            "super" if inline > 0 => inline -= 1,
            "super" => drop(base.pop()),
            _ => break,
        }
        rest = after;
    }
    base.extend(rest.iter().cloned());
    base
}

/// Returns the files that one file points to, each with a name that it takes from there.
fn arrows<'f>(at: &Path, module: &Module, modules: &BTreeMap<Path, (&'f str, Module)>) -> BTreeMap<&'f str, String> {
    let named: BTreeSet<&String> = module.paths.iter().filter_map(|path| path.first()).collect();
    // What is only handed on is no use of it.
    let used = module.uses.iter().filter(|(name, _)| named.contains(name)).map(|(_, path)| path);
    let targets = module.paths.iter().chain(used).filter_map(|path| module.rooted(path, at));
    let mut arrows = BTreeMap::new();
    for path in targets {
        if let Some((to, name)) = definition(&path, modules, 8).filter(|(to, _)| to != at) {
            arrows.insert(modules[&to].0, name);
        }
    }
    arrows
}

/// Returns the module that defines what the path names, through at most `hops` re-exports.
fn definition(path: &Path, modules: &BTreeMap<Path, (&str, Module)>, hops: usize) -> Option<(Path, String)> {
    let deepest = (0..=path.len()).rev().find(|&length| modules.contains_key(&path[..length]))?;
    let (to, rest) = path.split_at(deepest);
    let name = rest.first()?;
    let module = &modules[to].1;
    let exported = module.uses.get(name).and_then(|path| module.rooted(path, to)).filter(|_| hops > 0);
    exported
        .and_then(|path| definition(&[path.as_slice(), &rest[1..]].concat(), modules, hops - 1))
        .or_else(|| Some((to.to_vec(), name.clone())))
}

/// Returns the shortest circle through each file that is in one, each circle once.
fn circles(arrows: &BTreeMap<&str, BTreeMap<&str, String>>) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for &start in arrows.keys() {
        let Some(circle) = circle(start, arrows) else { continue };
        if seen.insert(circle.iter().copied().collect::<BTreeSet<_>>()) {
            let steps = circle.iter().zip(circle.iter().skip(1).chain([&start]));
            let steps: Vec<String> =
                steps.map(|(from, to)| format!("{from} names `{}` of {to}", arrows[from][to])).collect();
            found.push(steps.join(", "));
        }
    }
    found
}

/// Returns the files on the shortest way from one file back to itself.
fn circle<'f>(start: &'f str, arrows: &BTreeMap<&'f str, BTreeMap<&'f str, String>>) -> Option<Vec<&'f str>> {
    let mut ways = VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for &to in way.last().and_then(|last| arrows.get(last)).into_iter().flat_map(BTreeMap::keys) {
            if to == start {
                return Some(way);
            }
            if seen.insert(to) {
                ways.push_back([way.as_slice(), &[to]].concat());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::problems;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<_> = files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
        problems("crates/x/src", &files).unwrap()
    }

    #[test]
    fn files_that_only_point_down_pass() {
        let none: [&str; 0] = [];
        assert_eq!(
            found(&[("lib.rs", "mod a; mod b; pub use a::A;"), ("a.rs", "use crate::b::B; B"), ("b.rs", "")]),
            none
        );
        assert_eq!(found(&[("lib.rs", "mod a; pub use a::A; fn f() { a::f(A) }"), ("a.rs", "struct A;")]), none);
        assert_eq!(
            found(&[("a.rs", "mod b; use b::B; B"), ("a/b.rs", "#[cfg(test)] mod tests { use super::super::A; A }")]),
            none
        );
    }

    #[test]
    fn a_circle_is_found_with_its_names() {
        let two = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b::B; fn f(b: B) {}"),
            ("b.rs", "fn f(a: crate::a::A) {}"),
        ];
        assert_eq!(found(&two), ["crates/x/src: files in a circle: a.rs names `B` of b.rs, b.rs names `A` of a.rs"]);
    }

    #[test]
    fn what_is_taken_all_at_once_counts_too() {
        let glob = [("a.rs", "use crate::b::*;"), ("b.rs", "use super::a::{self, *};")];
        assert_eq!(found(&glob), ["crates/x/src: files in a circle: a.rs names `*` of b.rs, b.rs names `*` of a.rs"]);
    }

    #[test]
    fn a_re_export_does_not_hide_a_circle() {
        let through = [
            ("lib.rs", "mod a; mod b; pub use a::A; pub use b::{B, C as D};"),
            ("a.rs", "use crate::D; impl D {}"),
            ("b.rs", "fn f() -> crate::A { vec![1] }"),
        ];
        assert_eq!(
            found(&through),
            ["crates/x/src: files in a circle: a.rs names `C` of b.rs, b.rs names `A` of a.rs"]
        );
    }

    #[test]
    fn a_module_and_its_parent_are_two_files() {
        let family = [
            ("a.rs", "mod b; struct A; fn f() { b::f() }"),
            ("a/b.rs", "use super::A; mod c { use super::super::A; } fn f(a: A) {}"),
        ];
        assert_eq!(
            found(&family),
            ["crates/x/src: files in a circle: a.rs names `f` of a/b.rs, a/b.rs names `A` of a.rs"]
        );
    }
}
