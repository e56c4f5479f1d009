//! What the text of a file may hold.

use super::mask::{Masked, is_word, mask};

const MAX_OPERATOR_LINES: usize = 350;
const MAX_LINES: usize = 400;

/// A text that must not appear in the code of some files.
struct Ban {
    text: &'static str,
    in_tests: bool,
    applies: fn(path: &str) -> bool,
    reason: &'static str,
}

/// Why operators do not name objects.
const FOLLOW: &str = "objects follow what an operator states of its motion and mixing";

const BANS: &[Ban] = &[
    Ban { text: "Keypoint", in_tests: true, applies: is_operator, reason: FOLLOW },
    Ban { text: "Object", in_tests: true, applies: is_operator, reason: FOLLOW },
    Ban { text: "Objects", in_tests: true, applies: is_operator, reason: FOLLOW },
    Ban { text: "LoweredObjects", in_tests: true, applies: is_operator, reason: FOLLOW },
    Ban { text: "objects", in_tests: true, applies: is_operator, reason: FOLLOW },
    Ban { text: "todo!", in_tests: true, applies: everywhere, reason: "finish it, or open an issue" },
    Ban { text: "unimplemented!", in_tests: true, applies: everywhere, reason: "finish it, or open an issue" },
    Ban { text: "dbg!", in_tests: true, applies: everywhere, reason: "remove it" },
    Ban {
        text: ".unwrap()",
        in_tests: false,
        applies: in_library,
        reason: "return an error, or say why it holds with `expect`",
    },
    Ban {
        text: "HashMap",
        in_tests: true,
        applies: is_ordered,
        reason: "its order differs from run to run; use `BTreeMap`",
    },
    Ban {
        text: "HashSet",
        in_tests: true,
        applies: is_ordered,
        reason: "its order differs from run to run; use `BTreeSet`",
    },
    Ban { text: "SystemTime::now", in_tests: true, applies: in_src, reason: "results must not depend on the time" },
    Ban { text: "thread_rng", in_tests: true, applies: in_src, reason: "draws are keyed; use `Dice`" },
    Ban { text: "rand::rng(", in_tests: true, applies: in_src, reason: "draws are keyed; use `Dice`" },
];

/// Words that belong into an issue instead of the repository.
const MARKERS: &[&str] = &["TODO", "FIXME", "XXX"];

fn everywhere(_: &str) -> bool {
    true
}

fn in_src(path: &str) -> bool {
    path.contains("/src/")
}

fn in_library(path: &str) -> bool {
    in_src(path) && !path.starts_with("tests/") && !path.contains("/src/tests")
}

fn is_ordered(path: &str) -> bool {
    path.starts_with("crates/augraft-pipeline/") || path.starts_with("plugins/")
}

fn is_operator(path: &str) -> bool {
    path.starts_with("plugins/") && in_src(path)
}

fn extension(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// Tells whether the rules for text look at the file.
pub(super) fn is_text(path: &str) -> bool {
    matches!(extension(path), "rs" | "toml" | "yaml" | "yml" | "md") && !path.contains("/generated/")
}

/// Tells whether the file below `src` is a module of its crate that people wrote.
pub(super) fn is_module(below: &str) -> bool {
    extension(below) == "rs" && !below.starts_with("bin/") && !below.starts_with("generated/")
}

/// Returns the problems of one file.
pub(super) fn problems(path: &str, text: &str) -> Vec<String> {
    if extension(path) != "rs" {
        return marker_problems(path, text);
    }
    let masked = mask(text);
    let mut problems = marker_problems(path, &masked.comments);
    problems.extend(ban_problems(path, &masked.code));
    problems.extend(unsafe_problems(path, &masked));
    problems.extend(reason_problems(path, &masked.code));
    problems.extend(length_problem(path, text));
    problems
}

fn marker_problems(path: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for (line, content) in numbered(text) {
        for marker in MARKERS.iter().filter(|marker| has(content, marker)) {
            problems.push(format!("{path}:{line}: {marker}: open an issue instead"));
        }
    }
    problems
}

fn ban_problems(path: &str, code: &str) -> Vec<String> {
    let tests_begin = tests_begin(code);
    let mut problems = Vec::new();
    for ban in BANS.iter().filter(|ban| (ban.applies)(path)) {
        let lines =
            numbered(code).filter(|&(line, content)| (ban.in_tests || line < tests_begin) && has(content, ban.text));
        problems.extend(lines.map(|(line, _)| format!("{path}:{line}: `{}`: {}", ban.text, ban.reason)));
    }
    problems
}

/// Returns the number of the line where the unit tests at the end of a file begin, beyond the last line without them.
fn tests_begin(code: &str) -> usize {
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    let begins = |at: usize| {
        let Some(rest) = lines[at].strip_prefix("#[cfg(test)]") else { return false };
        let following = std::iter::once(rest).chain(lines[at + 1..].iter().copied());
        let item = following.map(str::trim).find(|line| !line.is_empty() && !line.starts_with("#["));
        item.is_some_and(|item| item.starts_with("mod ") && item.ends_with('{'))
    };
    (0..lines.len()).find(|&at| begins(at)).map_or(usize::MAX, |at| at + 1)
}

fn unsafe_problems(path: &str, masked: &Masked) -> Vec<String> {
    let kernels = path.rsplit('/').next() == Some("kernels.rs");
    let code: Vec<&str> = masked.code.lines().collect();
    let comments: Vec<&str> = masked.comments.lines().collect();
    let mut problems = Vec::new();
    for (line, content) in numbered(&masked.code).filter(|(_, content)| has(content, "unsafe")) {
        if !kernels {
            problems.push(format!("{path}:{line}: `unsafe` belongs into a file named kernels.rs"));
        } else if !is_explained(&code, &comments, line - 1) {
            problems.push(format!("{path}:{line}: `unsafe` needs a `// SAFETY:` above it, `{}`", content.trim()));
        }
    }
    problems
}

/// Tells whether the comments on the line, or directly above it, say why the code is sound.
fn is_explained(code: &[&str], comments: &[&str], at: usize) -> bool {
    let explains = |index: usize| ["SAFETY:", "# Safety"].iter().any(|word| comments[index].contains(word));
    let above = (0..at).rev().take_while(|&index| {
        let code = code[index].trim();
        code.starts_with("#[") || (code.is_empty() && !comments[index].trim().is_empty())
    });
    std::iter::once(at).chain(above).any(explains)
}

/// Finds lint exceptions that do not say why.
fn reason_problems(path: &str, code: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for opening in ["#[allow(", "#![allow(", "#[expect(", "#![expect("] {
        for (offset, _) in code.match_indices(opening) {
            let attribute = code[offset..].split(']').next().unwrap_or_default();
            if !attribute.split_whitespace().collect::<String>().contains("reason=") {
                let line = code[..offset].matches('\n').count() + 1;
                problems.push(format!("{path}:{line}: `{opening}...)]` needs `reason = \"...\"`"));
            }
        }
    }
    problems
}

fn length_problem(path: &str, text: &str) -> Option<String> {
    if !in_src(path) {
        return None;
    }
    let operator = path.starts_with("plugins/") && !path.ends_with("/lib.rs") && !path.ends_with("/kernels.rs");
    let most = if operator { MAX_OPERATOR_LINES } else { MAX_LINES };
    let lines = text.lines().count();
    (lines > most).then(|| format!("{path}: {lines} lines; at most {most}, so split it by subject"))
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

/// Tells whether the line holds the text with no identifier going on at either end.
fn has(line: &str, text: &str) -> bool {
    line.match_indices(text).any(|(offset, _)| {
        let goes_on =
            |inner: Option<char>, outer: Option<char>| inner.is_some_and(is_word) && outer.is_some_and(is_word);
        !goes_on(text.chars().next(), line[..offset].chars().next_back())
            && !goes_on(text.chars().next_back(), line[offset + text.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARY: &str = "crates/augraft-pipeline/src/plan.rs";
    const KERNELS: &str = "plugins/color/src/kernels.rs";

    #[track_caller]
    fn finds(path: &str, text: &str, start: &str) {
        let found = problems(path, text);
        assert!(found.len() == 1 && found[0].starts_with(start), "{found:?}");
    }

    #[track_caller]
    fn passes(path: &str, text: &str) {
        assert_eq!(problems(path, text), [""; 0]);
    }

    #[test]
    fn a_marker_is_found_in_comments_only() {
        finds(LIBRARY, "\n// TODO later", "crates/augraft-pipeline/src/plan.rs:2: TODO");
        finds("README.md", "FIXME", "README.md:1: FIXME");
        passes(LIBRARY, "const A: &str = \"XXX\"; // EXXXT");
    }

    #[test]
    fn unfinished_code_is_found() {
        finds(LIBRARY, "fn a() { todo!() }", "crates/augraft-pipeline/src/plan.rs:1: `todo!`");
        finds(LIBRARY, "unimplemented!(\"a\")", "crates/augraft-pipeline/src/plan.rs:1: `unimplemented!`");
        finds("tests/tests/a.rs", "dbg!(a)", "tests/tests/a.rs:1: `dbg!`");
    }

    #[test]
    fn unwrap_is_for_tests() {
        let tests = "#[cfg(test)]\nmod tests {\n    a.unwrap();\n}\n";
        passes(LIBRARY, &format!("fn a() {{ a.unwrap_or(1); }}\n/// a.unwrap()\n{tests}"));
        passes("crates/augraft-onnx/tests/onnx/main.rs", "a.unwrap()");
        passes("tests/src/lib.rs", "a.unwrap()");
        finds(LIBRARY, &format!("a\n    .unwrap();\n{tests}"), "crates/augraft-pipeline/src/plan.rs:2: `.unwrap()`");
        finds(LIBRARY, "#[cfg(test)]\nmod tests;\na.unwrap()", "crates/augraft-pipeline/src/plan.rs:3: `.unwrap()`");
        finds(LIBRARY, "#[cfg(test)]\nuse a::b;\na.unwrap()", "crates/augraft-pipeline/src/plan.rs:3: `.unwrap()`");
    }

    #[test]
    fn unordered_and_unkeyed_sources_are_found() {
        finds(LIBRARY, "use std::collections::HashMap;", "crates/augraft-pipeline/src/plan.rs:1: `HashMap`");
        finds("plugins/mix/src/mixup.rs", "HashSet::new()", "plugins/mix/src/mixup.rs:1: `HashSet`");
        passes("crates/augraft-onnx/src/graph.rs", "HashMap::new()");
        let onnx = "crates/augraft-onnx/src/graph.rs";
        finds(onnx, "SystemTime::now()", "crates/augraft-onnx/src/graph.rs:1: `SystemTime::now`");
        finds(onnx, "rand::thread_rng()", "crates/augraft-onnx/src/graph.rs:1: `thread_rng`");
        finds(onnx, "rand::rng()", "crates/augraft-onnx/src/graph.rs:1: `rand::rng(`");
    }

    #[test]
    fn objects_are_not_named_by_operators() {
        finds("plugins/mix/src/mixup.rs", "batch.objects", "plugins/mix/src/mixup.rs:1: `objects`");
        finds("plugins/mix/src/mixup.rs", "use a::Keypoint;", "plugins/mix/src/mixup.rs:1: `Keypoint`");
        passes("plugins/mix/src/mixup.rs", "/// Objects and keypoints follow.");
    }

    #[test]
    fn unsafe_code_is_in_kernels_and_explained() {
        finds(LIBRARY, "unsafe { a() }", "crates/augraft-pipeline/src/plan.rs:1: `unsafe` belongs");
        finds(KERNELS, "let a = 1;\nunsafe { a() }", "plugins/color/src/kernels.rs:2: `unsafe` needs");
        finds(KERNELS, "// SAFETY: a\nlet a = 1;\nunsafe { a() }", "plugins/color/src/kernels.rs:3: `unsafe` needs");
        passes(KERNELS, "// SAFETY: a\n// b\n#[cfg(unix)]\nunsafe { a() }");
        passes(KERNELS, "unsafe { a() } // SAFETY: a");
        passes(KERNELS, "/// A.\n/// # Safety\n/// B.\nunsafe fn a() {}");
        passes(KERNELS, "#![expect(unsafe_code, reason = \"b\")]");
    }

    #[test]
    fn an_exception_says_why() {
        passes(LIBRARY, "#[expect(\n    dead_code,\n    reason = \"a ] b\"\n)]");
        finds(LIBRARY, "\n#![allow(dead_code)]", "crates/augraft-pipeline/src/plan.rs:2: `#![allow(");
        finds(LIBRARY, "#[expect(dead_code)] // reason = 1", "crates/augraft-pipeline/src/plan.rs:1: `#[expect(");
    }

    #[test]
    fn a_long_file_is_found() {
        let lines = |count| "//\n".repeat(count);
        passes("plugins/mix/src/mixup.rs", &lines(350));
        finds("plugins/mix/src/mixup.rs", &lines(351), "plugins/mix/src/mixup.rs: 351 lines; at most 350");
        passes("plugins/mix/src/kernels.rs", &lines(400));
        finds(LIBRARY, &lines(401), "crates/augraft-pipeline/src/plan.rs: 401 lines; at most 400");
        passes("tests/tests/gallery.rs", &lines(500));
        assert!(!is_text("crates/augraft-onnx/src/generated/onnx_ml.rs"));
    }
}
